//! Moves messages between services, on RabbitMQ or in memory, under one set of rules.
//!
//! - A publish has succeeded when its confirm is there and the message was not returned; until then it is
//!   published again, with the same id, across every lost connection.
//! - A delivery stays its queue's until its batch is acknowledged. A batch that is dropped goes back.
//! - Prefetch bounds what a consumer holds, and a budget how many bytes that is.
//! - What cannot be used goes to its queue's dead letters with the reason: unchanged, or, where that does not fit, with
//!   what was left out said.

mod amqp;
pub mod memory;
pub mod queues;

/// What the fuzz targets reach.
#[cfg(fuzzing)]
pub mod fuzzing {
    pub use super::amqp::guard::frame::{Broken, Desk, Limits, Machine, Step};
    pub use super::amqp::guard::properties::{DEEPEST, check, repair};
    pub use super::amqp::guard::watch::Finding;
}

use std::future::Future;
use std::sync::Arc;

use crate::message::{Incoming, Name, Outgoing, Rejection, Role};
use crate::readiness::{Condition, Readiness};
use crate::stop::Stop;

pub use amqp::administration;
pub use amqp::{AmqpOptions, Endpoint};
pub use queues::{QueueKind, QueueName, QueueOptions, Queues, Subscription};

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

/// A delivery that cannot be used, with the reason.
#[derive(Debug)]
pub struct DeadLetter {
    subscription: Arc<Subscription>,
    content: Content,
    rejection: Rejection,
    service: &'static str,
}

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Burial {
    /// It is safe in its queue.
    Confirmed,
    /// It is not safe, and its delivery comes again: the connection that brought it was lost, or this process ends.
    GivenBack,
}

/// One message as a queue delivered it.
#[derive(Debug)]
pub struct Delivery {
    subscription: Arc<Subscription>,
    redelivered: bool,
    deadly: bool,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Amqp(Arc<amqp::Content>),
    Memory(Arc<Outgoing>),
}

impl Delivery {
    /// Whether the queue has delivered it before. Publishers' duplicates are not marked.
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.redelivered
    }

    /// Whether it was delivered again and again, lately alone, without an end: see [`Rejection::CRASHES`].
    #[must_use]
    pub fn is_deadly(&self) -> bool {
        self.deadly
    }

    /// Turns it into a letter for the dead-letter queue. The delivery itself is to be acknowledged after the letter's
    /// publish is confirmed.
    #[must_use]
    pub fn reject(&self, rejection: Rejection, service: &'static str) -> DeadLetter {
        let role = self.subscription.role.name();
        metrics::counter!("pipeline_rejected_total", "queue" => role, "reason" => rejection.reason)
            .increment(1);
        let id = self.message_id().unwrap_or("-").chars().take(Name::MAX_LEN).collect::<String>();
        tracing::warn!(
            queue = %self.subscription.queue,
            row.id = %id.escape_debug(),
            "message goes to {}: {rejection}",
            self.subscription.dead()
        );
        let (subscription, content) = (Arc::clone(&self.subscription), self.content.clone());
        DeadLetter { subscription, content, rejection, service }
    }

    fn content(&self) -> &dyn Incoming {
        match &self.content {
            Content::Amqp(content) => &**content,
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
    fn finding(&self) -> Option<Rejection> {
        self.content().finding()
    }
}

impl Transport {
    /// A new broker in this process, empty.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::Memory(memory::Broker::default())
    }

    /// The queue of a role, as its consumer takes from it.
    #[must_use]
    pub fn subscription(&self, role: Role) -> Subscription {
        match self {
            Self::Amqp(endpoint) => endpoint.queues().subscription(role),
            Self::Memory(broker) => broker.subscription(role),
        }
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

    /// A consumer of one queue that holds at most `prefetch` deliveries, and shares the queue with others. Rows of
    /// features that a process has died of come one at a time.
    #[must_use]
    pub fn consumer(
        &self,
        app: &'static str,
        subscription: Subscription,
        prefetch: u16,
        stop: &Stop,
        readiness: &Readiness,
    ) -> Consumer {
        match self {
            Self::Amqp(endpoint) => {
                let consumer = amqp::Consumer::shared(endpoint, app, subscription, prefetch, stop, readiness);
                Consumer::Amqp(Box::new(consumer))
            }
            Self::Memory(broker) => Consumer::Memory(memory::Consumer::new(broker, &subscription, prefetch)),
        }
    }

    /// Consumers of several queues, which hold at most `prefetch` deliveries each and share no queue with anybody: on
    /// RabbitMQ they live on one connection with the lock of [`Queues::lock`], so they come and go together. Whoever
    /// is second waits.
    #[must_use]
    pub fn sole_consumers<const N: usize>(
        &self,
        app: &'static str,
        subscriptions: [Subscription; N],
        prefetch: u16,
        stop: &Stop,
        readiness: &Readiness,
    ) -> [Consumer; N] {
        match self {
            Self::Amqp(endpoint) => {
                amqp::Consumer::sole(endpoint, app, subscriptions, prefetch, stop, readiness)
                    .map(|consumer| Consumer::Amqp(Box::new(consumer)))
            }
            Self::Memory(broker) => subscriptions
                .map(|subscription| Consumer::Memory(memory::Consumer::new(broker, &subscription, prefetch))),
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
    pub async fn publish(&self, batch: Vec<Outgoing>) -> Result<(), Error> {
        match self {
            Self::Amqp(publisher) => publisher.publish(&batch).await,
            Self::Memory(broker, stop) => tokio::select! {
                () = broker.publish(batch) => Ok(()),
                () = stop.overdue() => Err(Error::Stopped),
            },
        }
    }

    /// Publishes a letter to its dead letters and returns when it is safe there. What the broker will never take whole
    /// goes with its beginning only, then with no body; what it does not take at all waits here, counted, while
    /// others go on.
    ///
    /// # Errors
    /// [`Error::Stopped`], when the process must end first.
    pub fn bury(&self, letter: DeadLetter) -> impl Future<Output = Result<Burial, Error>> + Send + 'static {
        let burial = match self {
            Self::Amqp(publisher) => Some(publisher.bury(letter)),
            Self::Memory(broker, _) => {
                broker.bury(letter);
                None
            }
        };
        async move {
            match burial {
                Some(burial) => burial.await.unwrap_or(Err(Error::Stopped)),
                None => Ok(Burial::Confirmed),
            }
        }
    }

    /// Whether so many letters wait that nothing more should be taken.
    #[must_use]
    pub fn is_overfull(&self) -> bool {
        match self {
            Self::Amqp(publisher) => publisher.is_overfull(),
            Self::Memory(..) => false,
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
    /// others, also of later batches, do not wait for them. What they brought is not kept by this.
    pub fn set_aside(&mut self, indices: &[usize]) -> Vec<Aside> {
        let (_, rest) = partition(std::mem::take(&mut self.deliveries), indices);
        self.deliveries = rest;
        match &mut self.receipt {
            Receipt::Amqp(receipt) => {
                receipt.set_aside(indices).into_iter().map(|receipt| Aside(Receipt::Amqp(receipt))).collect()
            }
            Receipt::Memory(receipt) => receipt
                .set_aside(indices)
                .into_iter()
                .map(|receipt| Aside(Receipt::Memory(receipt)))
                .collect(),
        }
    }
}

/// One delivery that was set aside. Dropped without an acknowledgement, it goes back to its queue.
#[derive(Debug)]
#[must_use = "a delivery that is not acknowledged goes back to its queue"]
pub struct Aside(Receipt);

impl Aside {
    /// As [`Batch::ack`].
    pub async fn ack(self) {
        match self.0 {
            Receipt::Amqp(receipt) => receipt.ack().await,
            Receipt::Memory(receipt) => receipt.ack(),
        }
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
