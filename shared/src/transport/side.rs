//! Queues beside the three that rows flow through. What travels in them is good to have: no row, label or prediction ever waits
//! for it, and a service does its job without it.
//!
//! A side queue belongs to one of the three, by its name: `y_predict.cards`. Its consumer makes it, bounded, and its oldest
//! messages go when it is full. A message is sent once; whoever sends says when it is worth another try.

use std::sync::Arc;
use std::time::Duration;

use super::queues::{Argument, Arguments, QueueKind, QueueName};
use super::{Consumer, Error, Publisher, amqp, memory};
use crate::clock::Timestamp;
use crate::message::{Asking, Incoming, Rejection, Role, header};

/// How often a message is handed out before its queue drops it: somebody seems to die of it, and rows are worth more.
const DELIVERY_LIMIT: i64 = 20;

/// A queue beside those of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SideQueue {
    /// What models say of themselves, from `model` to `metric`.
    Cards,
    /// Rows that somebody wants to know the prediction of and nothing else, from anybody to `model`.
    Asks,
}

impl SideQueue {
    /// Every side queue.
    pub const ALL: [Self; 2] = [Self::Cards, Self::Asks];

    /// What its name has behind the name of the queue that it stands beside.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Cards => "cards",
            Self::Asks => "ask",
        }
    }

    /// Whose queue it stands beside.
    #[must_use]
    pub const fn beside(self) -> Role {
        match self {
            Self::Cards => Role::Prediction,
            Self::Asks => Role::Features,
        }
    }

    /// The most messages and bytes that wait in it.
    pub(super) const fn most(self) -> (i64, i64) {
        match self {
            Self::Cards => (256, 64 << 20),
            Self::Asks => (1024, 8 << 20),
        }
    }

    /// How long a message waits at the most. Whoever asks has given up by then, and others wait behind.
    pub(super) const fn longest_wait(self) -> Option<Duration> {
        match self {
            Self::Cards => None,
            Self::Asks => Some(Duration::from_secs(5)),
        }
    }

    /// How many messages its consumer holds at the most, of the share of bytes that all of a connection's deliveries have.
    pub(super) const fn prefetch(self) -> u16 {
        match self {
            Self::Cards => 8,
            Self::Asks => 64,
        }
    }

    /// With what it is made. Whatever declares the three queues in Python's way declares none of these, so they are bounded in
    /// every kind.
    pub(super) fn arguments(self, kind: QueueKind) -> Arguments {
        let (messages, bytes) = self.most();
        let mut list = match kind {
            QueueKind::Quorum => vec![
                ("x-queue-type", Argument::Text("quorum")),
                ("x-delivery-limit", Argument::Int(DELIVERY_LIMIT)),
            ],
            _ => vec![("x-queue-type", Argument::Text("classic"))],
        };
        list.extend([
            ("x-max-length", Argument::Int(messages)),
            ("x-max-length-bytes", Argument::Int(bytes)),
            ("x-overflow", Argument::Text("drop-head")),
        ]);
        if let Some(time) = self.longest_wait() {
            list.push(("x-message-ttl", Argument::Int(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))));
        }
        Arguments { durable: kind != QueueKind::Transient, list }
    }
}

/// A message of ours for a side queue: JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct SideMessage {
    /// The property `app_id`: the service that sends it.
    pub app: &'static str,
    /// When it is published.
    pub published_at: Timestamp,
    /// The headers, besides that time.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Arc<[u8]>,
    /// Who wants a reply, if anybody does.
    pub asking: Option<Asking>,
}

impl Incoming for SideMessage {
    fn body(&self) -> &[u8] {
        &self.body
    }
    fn message_id(&self) -> Option<&str> {
        None
    }
    fn correlation_id(&self) -> Option<&str> {
        self.asking.as_ref()?.correlation_id.as_deref()
    }
    fn reply_to(&self) -> Option<&str> {
        self.asking.as_ref().map(|asking| &*asking.reply_to)
    }
    fn content_type(&self) -> Option<&str> {
        Some("application/json")
    }
    fn content_encoding(&self) -> Option<&str> {
        None
    }
    fn int_header(&self, name: &str) -> Option<i64> {
        (name == header::PUBLISHED_AT).then_some(self.published_at.0)
    }
    fn text_header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(key, text)| (*key == name).then_some(&**text))
    }
    fn list_header(&self, _: &str) -> Option<Vec<&str>> {
        None
    }
    fn bytes_header(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

/// What became of a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// It is safe in its queue.
    Confirmed,
    /// It is in no queue, as far as is known.
    Not {
        /// Why, for people.
        why: String,
        /// Whether nothing is wrong but that its consumer has not started yet.
        early: bool,
    },
}

impl Sent {
    /// The queue is not there.
    pub(super) fn early(queue: &QueueName) -> Self {
        Self::Not { why: format!("queue {queue} does not exist yet: its consumer creates it"), early: true }
    }

    /// The broker reads nothing of ours now.
    pub(super) fn blocked() -> Self {
        Self::failed("RabbitMQ takes no messages now, for want of memory or disk")
    }

    pub(super) fn failed(why: impl ToString) -> Self {
        Self::Not { why: why.to_string(), early: false }
    }
}

impl Publisher {
    /// Sends a message to a side queue, once, in seconds, on a lane of its own. Without a connection it waits for one.
    ///
    /// # Errors
    /// [`Error::Incompatible`], or [`Error::Stopped`] when the process must end first.
    pub async fn send_aside(&self, queue: SideQueue, message: SideMessage) -> Result<Sent, Error> {
        match self {
            Self::Amqp(publisher) => amqp::send_aside(publisher, queue, &message).await,
            Self::Memory(broker, _) => Ok(broker.send_aside(queue, message)),
        }
    }
}

impl Consumer {
    /// Takes what a side queue has, by this consumer's connection, as long as that is kept.
    #[must_use]
    pub fn aside(&self, queue: SideQueue) -> SideReceiver {
        match self {
            Self::Amqp(consumer) => SideReceiver::Amqp(Box::new(consumer.aside(queue))),
            Self::Memory(consumer) => SideReceiver::Memory(consumer.broker().aside(queue)),
        }
    }
}

/// Takes what a side queue has.
#[derive(Debug)]
pub enum SideReceiver {
    #[doc(hidden)]
    Amqp(Box<amqp::SideReceiver>),
    #[doc(hidden)]
    Memory(memory::SideReceiver),
}

impl SideReceiver {
    /// Waits for the next message, through everything that keeps it from coming. What that is is said once.
    ///
    /// # Errors
    /// [`Error::Incompatible`] or [`Error::Stopped`], as the consumer has them whose connection it is.
    pub async fn take(&mut self) -> Result<SideDelivery, Error> {
        match self {
            Self::Amqp(receiver) => receiver.take().await,
            Self::Memory(receiver) => Ok(receiver.take().await),
        }
    }
}

/// A message of a side queue as it came. It is the queue's until it is acknowledged.
#[derive(Debug)]
pub enum SideDelivery {
    #[doc(hidden)]
    Amqp(Box<amqp::SideDelivery>),
    #[doc(hidden)]
    Memory(memory::SideDelivery),
}

impl SideDelivery {
    /// Everything that is in it.
    #[must_use]
    pub fn content(&self) -> &dyn Incoming {
        match self {
            Self::Amqp(delivery) => &delivery.content,
            Self::Memory(delivery) => delivery.message(),
        }
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.content().body()
    }

    /// When it was published, if its sender said.
    #[must_use]
    pub fn published_at(&self) -> Option<Timestamp> {
        self.content().int_header(header::PUBLISHED_AT).map(Timestamp)
    }

    /// Why it cannot be used, whatever is in it: too large, or properties that cannot be read.
    #[must_use]
    pub fn finding(&self) -> Option<Rejection> {
        self.content().finding()
    }

    /// Takes it out of its queue. Where its connection was lost, it comes again.
    pub async fn ack(self) {
        match self {
            Self::Amqp(delivery) => delivery.ack().await,
            Self::Memory(delivery) => delivery.ack(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_side_queue_is_bounded_and_drops_its_oldest() {
        for kind in [QueueKind::Quorum, QueueKind::Classic, QueueKind::Durable, QueueKind::Transient] {
            for (side, length, bytes) in [(SideQueue::Cards, 256, 64 << 20), (SideQueue::Asks, 1024, 8 << 20)]
            {
                let arguments = side.arguments(kind);
                assert!(arguments.drops_its_oldest(), "{kind}");
                assert_eq!(arguments.max_length(), Some(length), "{kind}");
                assert!(arguments.list.contains(&("x-max-length-bytes", Argument::Int(bytes))), "{kind}");
                assert_eq!(arguments.durable, kind != QueueKind::Transient);
            }
            let stale = ("x-message-ttl", Argument::Int(5000));
            assert!(SideQueue::Asks.arguments(kind).list.contains(&stale), "{kind}");
            assert!(!SideQueue::Cards.arguments(kind).list.contains(&stale), "{kind}");
        }
    }
}
