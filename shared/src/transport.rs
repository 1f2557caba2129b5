//! Moves messages between services, on RabbitMQ or in memory, under one set of rules.
//!
//! - A publish has succeeded when its confirm is there and the message was not returned; until then it is
//!   published again, with the same id, across every lost connection.
//! - A delivery stays its queue's until its batch is acknowledged. A batch that is dropped goes back.
//! - Prefetch bounds what a consumer holds.
//! - What cannot be used goes to its queue's dead letters, unchanged and with the reason.

mod amqp;
pub mod memory;

use std::sync::Arc;

use crate::message::{Incoming, Name, Outgoing, Rejection, Role};
use crate::readiness::{Condition, Readiness};
use crate::stop::Stop;

pub use amqp::{AmqpOptions, Endpoint, QueueKind};

/// Why a transport cannot go on. Everything that can heal, heals inside.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The broker has a queue or exchange of ours with other arguments, or refuses to make it. Only a person
    /// can choose the way out, which the text names.
    #[error("{0}")]
    Incompatible(Arc<str>),
    /// The process must end before the call could.
    #[error("stopped before the broker confirmed")]
    Stopped,
}

impl Error {
    /// Whether nothing is wrong but that the process had to end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(self, Self::Stopped)
    }
}

/// A way to move messages. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Transport {
    /// Through a RabbitMQ.
    Amqp(Endpoint),
    /// Inside this process.
    Memory(memory::Broker),
}

/// What a publisher takes: a message of ours, or another's on its way to the dead letters.
#[derive(Debug, Clone)]
pub enum Publication {
    /// Goes to its queue.
    Message(Outgoing),
    /// Goes to the dead letters of the queue it came from.
    Dead(Box<DeadLetter>),
}

impl From<Outgoing> for Publication {
    fn from(message: Outgoing) -> Self {
        Self::Message(message)
    }
}

/// A delivery that cannot be used, with the reason.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    queue: Role,
    content: Content,
    rejection: Rejection,
    service: &'static str,
}

/// One message as a queue delivered it.
#[derive(Debug)]
pub struct Delivery {
    queue: Role,
    redelivered: bool,
    content: Content,
}

#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "a process has one kind; boxing the other would cost each delivery"
)]
enum Content {
    Amqp(amqp::Content),
    Memory(Arc<Outgoing>),
}

impl Delivery {
    /// Whether the queue has delivered it before. Publishers' duplicates are not marked.
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.redelivered
    }

    /// Turns it into a letter for the dead-letter queue. The delivery itself is acknowledged with its batch,
    /// after the letter's publish is confirmed.
    #[must_use]
    pub fn reject(&self, rejection: Rejection, service: &'static str) -> Publication {
        metrics::counter!("pipeline_rejected_total", "queue" => self.queue.name(), "reason" => rejection.reason)
            .increment(1);
        let id = self.message_id().unwrap_or("-").chars().take(Name::MAX_LEN).collect::<String>();
        tracing::warn!(
            queue = self.queue.name(),
            row.id = %id.escape_debug(),
            "message goes to {}: {rejection}",
            self.queue.dead_name()
        );
        let content = self.content.clone();
        Publication::Dead(Box::new(DeadLetter { queue: self.queue, content, rejection, service }))
    }

    fn content(&self) -> &dyn Incoming {
        match &self.content {
            Content::Amqp(content) => content,
            Content::Memory(message) => &**message,
        }
    }
}

impl Incoming for Delivery {
    fn body(&self) -> &[u8] {
        self.content().body()
    }
    fn message_id(&self) -> Option<&str> {
        self.content().message_id()
    }
    fn correlation_id(&self) -> Option<&str> {
        self.content().correlation_id()
    }
    fn content_type(&self) -> Option<&str> {
        self.content().content_type()
    }
    fn int_header(&self, name: &str) -> Option<i64> {
        self.content().int_header(name)
    }
    fn text_header(&self, name: &str) -> Option<&str> {
        self.content().text_header(name)
    }
    fn list_header(&self, name: &str) -> Option<Vec<&str>> {
        self.content().list_header(name)
    }
}

impl Transport {
    /// A new broker in this process, empty.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::Memory(memory::Broker::default())
    }

    /// A publisher named for people who read the broker's list of connections.
    #[must_use]
    pub fn publisher(&self, app: &'static str, stop: &Stop, readiness: &Readiness) -> Publisher {
        match self {
            Self::Amqp(endpoint) => {
                Publisher::Amqp(amqp::Publisher::new(endpoint.clone(), app, stop.clone(), readiness))
            }
            Self::Memory(broker) => Publisher::Memory(broker.clone(), stop.clone()),
        }
    }

    /// A consumer of one queue that holds at most `prefetch` deliveries.
    #[must_use]
    pub fn consumer(
        &self,
        app: &'static str,
        queue: Role,
        prefetch: u16,
        stop: &Stop,
        readiness: &Readiness,
    ) -> Consumer {
        match self {
            Self::Amqp(endpoint) => Consumer::Amqp(Box::new(amqp::Consumer::new(
                endpoint.clone(),
                app,
                queue,
                prefetch,
                stop.clone(),
                readiness,
            ))),
            Self::Memory(broker) => Consumer::Memory(memory::Consumer::new(broker.clone(), queue, prefetch)),
        }
    }

    /// Resolves when every queue is empty and everything taken is acknowledged. On RabbitMQ nobody can know
    /// that; there it resolves never.
    pub async fn drained(&self) {
        match self {
            Self::Amqp(_) => std::future::pending().await,
            Self::Memory(broker) => broker.drained().await,
        }
    }

    /// Whether [`Transport::drained`] can resolve.
    #[must_use]
    pub fn can_drain(&self) -> bool {
        matches!(self, Self::Memory(_))
    }
}

/// Publishes with confirms. Cheap to clone; the clones share one connection.
#[derive(Debug, Clone)]
pub enum Publisher {
    #[doc(hidden)]
    Amqp(amqp::Publisher),
    #[doc(hidden)]
    Memory(memory::Broker, Stop),
}

impl Publisher {
    /// Publishes all of them, in their order, and returns when each is confirmed and none was returned.
    ///
    /// A lost connection, an unroutable message and a full queue are waited out; what was not confirmed is
    /// published again with the same id, so receivers may see it twice.
    ///
    /// # Errors
    /// [`Error::Incompatible`], or [`Error::Stopped`] when the process must end first: what was not confirmed
    /// until then may or may not have arrived.
    pub async fn publish(&self, batch: Vec<Publication>) -> Result<(), Error> {
        match self {
            Self::Amqp(publisher) => publisher.publish(&batch).await,
            Self::Memory(broker, stop) => tokio::select! {
                () = broker.publish(batch) => Ok(()),
                () = stop.overdue() => Err(Error::Stopped),
            },
        }
    }

    /// Closes the connection, within a second.
    pub async fn close(&self) {
        match self {
            Self::Amqp(publisher) => publisher.close().await,
            Self::Memory(..) => {}
        }
    }
}

/// Takes deliveries of one queue, in batches.
#[derive(Debug)]
pub enum Consumer {
    #[doc(hidden)]
    Amqp(Box<amqp::Consumer>),
    #[doc(hidden)]
    Memory(memory::Consumer),
}

impl Consumer {
    /// Waits for a delivery, then takes what else is ready, `limit` at the most. Cancel safe.
    ///
    /// # Errors
    /// [`Error::Incompatible`], or [`Error::Stopped`] when the process must end at once.
    pub async fn take(&mut self, limit: usize) -> Result<Batch, Error> {
        match self {
            Self::Amqp(consumer) => consumer.take(limit).await,
            Self::Memory(consumer) => Ok(consumer.take(limit).await),
        }
    }

    /// Closes the connection, within a second. What is not acknowledged goes back to the queue.
    pub async fn close(self) {
        match self {
            Self::Amqp(consumer) => consumer.close().await,
            Self::Memory(_) => {}
        }
    }
}

/// Deliveries that are acknowledged together. Dropped without that, they go back to their queue: on RabbitMQ when
/// the consumer's next batch is taken or acknowledged.
#[derive(Debug)]
#[must_use = "deliveries that are not acknowledged go back to their queue"]
pub struct Batch {
    /// The deliveries in the queue's order; at least one.
    pub deliveries: Vec<Delivery>,
    receipt: Receipt,
}

#[derive(Debug)]
enum Receipt {
    Amqp(amqp::Receipt),
    Memory(memory::Receipt),
}

impl Batch {
    /// Tells the queue that these deliveries' effects are safe. Where the connection they came by is gone,
    /// that cannot be told any more: they will come again.
    pub async fn ack(self) {
        match self.receipt {
            Receipt::Amqp(receipt) => receipt.ack().await,
            Receipt::Memory(receipt) => receipt.ack(),
        }
    }
}

impl Batch {
    /// Splits off the deliveries at these indices, in ascending order, which take longer. The acknowledgements of
    /// others, also of later batches, do not wait for them.
    pub fn set_aside(&mut self, indices: &[usize]) -> Self {
        let (aside, rest) = partition(std::mem::take(&mut self.deliveries), indices);
        self.deliveries = rest;
        let receipt = match &mut self.receipt {
            Receipt::Amqp(receipt) => Receipt::Amqp(receipt.set_aside(indices)),
            Receipt::Memory(receipt) => Receipt::Memory(receipt.set_aside(indices)),
        };
        Self { deliveries: aside, receipt }
    }
}

/// Splits items into those at these ascending indices and the others.
fn partition<T>(items: Vec<T>, indices: &[usize]) -> (Vec<T>, Vec<T>) {
    let mut chosen = Vec::with_capacity(indices.len());
    let mut rest = Vec::with_capacity(items.len() - indices.len());
    for (index, item) in items.into_iter().enumerate() {
        if indices.binary_search(&index).is_ok() { chosen.push(item) } else { rest.push(item) }
    }
    (chosen, rest)
}

/// A condition of readiness that holds while a connection is up.
fn connection_condition(readiness: &Readiness, role: &str) -> Condition {
    readiness.condition(format!("connected to RabbitMQ, {role}"))
}
