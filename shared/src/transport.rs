//! Moves messages between services, on RabbitMQ or in memory, under one set of rules.
//!
//! - A publish has succeeded when its confirm is there and the message was not returned; until then it is
//!   published again, with the same id, across every lost connection.
//! - A delivery stays its queue's until its batch is acknowledged. A batch that is dropped goes back.
//! - Prefetch bounds what a consumer holds, and a budget how many bytes that is.
//! - What cannot be used goes to its queue's dead letters with the reason: unchanged, or, where that does not fit, with
//!   what was left out said.

mod amqp;
mod ask;
mod batch;
mod control;
mod delivery;
pub mod lookout;
pub mod memory;
pub mod queues;
mod reply;
mod said;
pub mod side;
pub mod stored;
mod traced;

/// What the fuzz targets reach.
#[cfg(fuzzing)]
pub mod fuzzing {
    pub use super::amqp::guard::frame::{Broken, Desk, Limits, Machine, Step};
    pub use super::amqp::guard::properties::{DEEPEST, check, repair};
    pub use super::amqp::guard::watch::Finding;
}

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::try_join_all;

use crate::message::{Name, Outgoing, Role};
use crate::readiness::{Condition, Readiness};
use crate::stop::Stop;

pub use amqp::administration;
pub use amqp::{AmqpOptions, Endpoint, LetterRoom, Posted, Reading, Tag, Taken};
pub use ask::{AskChannel, ReplyDelivery};
pub use batch::{Aside, Batch};
pub use delivery::{DeadLetter, Delivery};
pub use lookout::{Look, Lookout, Seen, Waiting};
pub use queues::{QueueKind, QueueName, QueueOptions, Queues, Subscription};
pub use reply::Replier;
pub use side::{Sent, SideDelivery, SideMessage, SideQueue, SideReceiver};

use batch::{Receipt, partition};
use delivery::{Content, reject_from_zero, shown_id};
use traced::Place;

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

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Burial {
    /// It is safe in its queue.
    Confirmed,
    /// It is not safe, and its delivery comes again: the connection that brought it was lost, or this process ends.
    GivenBack,
}

/// What matters of it to a person, without secrets.
impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Amqp(endpoint) = self else { return f.write_str("queues in memory") };
        let queues = endpoint.queues();
        write!(f, "RabbitMQ at {endpoint}, {} queues", queues.kind())?;
        for role in Role::ALL.into_iter().filter(|role| queues.name(*role).as_str() != role.name()) {
            write!(f, ", {role} in {}", queues.name(role), role = role.name())?;
        }
        Ok(())
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

    /// The rows of features as a challenger of this name takes them, by way of a queue of its own.
    #[must_use]
    pub fn challenger(&self, name: &Name) -> Subscription {
        match self {
            Self::Amqp(endpoint) => endpoint.queues().challenger(name),
            Self::Memory(broker) => broker.names().challenger(name),
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
        reject_from_zero(&subscription);
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
        subscriptions.iter().for_each(reject_from_zero);
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
        let (batch, steps) = traced::publishing(batch, || self.place(), |role| self.key(role));
        let published = match self {
            Self::Amqp(publisher) => publisher.publish(&batch).await,
            Self::Memory(broker, stop) => tokio::select! {
                () = broker.publish(batch) => Ok(()),
                () = stop.overdue() => Err(Error::Stopped),
            },
        };
        traced::published(steps, &published);
        published
    }

    fn place(&self) -> Place {
        match self {
            Self::Amqp(publisher) => publisher.endpoint().place(),
            Self::Memory(..) => Place::Memory,
        }
    }

    fn key(&self, role: Role) -> QueueName {
        match self {
            Self::Amqp(publisher) => publisher.endpoint().queues().name(role).clone(),
            Self::Memory(broker, _) => broker.names().name(role).clone(),
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

    /// As [`Publisher::bury`], for all letters of one delivery: it is as safe as the least safe of them.
    ///
    /// # Errors
    /// As [`Publisher::bury`].
    pub fn bury_all(
        &self,
        letters: Vec<DeadLetter>,
    ) -> impl Future<Output = Result<Burial, Error>> + Send + 'static {
        let burials: Vec<_> = letters.into_iter().map(|letter| self.bury(letter)).collect();
        async move {
            let given_back = try_join_all(burials).await?.contains(&Burial::GivenBack);
            Ok(if given_back { Burial::GivenBack } else { Burial::Confirmed })
        }
    }

    /// Waits until messages of a role have a queue to go to, so that nothing is taken that cannot be answered. A queue that
    /// nobody makes for some seconds is made in its consumer's place, where we may.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn has_place(&self, role: Role) -> Result<(), Error> {
        match self {
            Self::Amqp(publisher) => publisher.has_place(role).await,
            Self::Memory(..) => Ok(()),
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

    /// Whether what is published now goes out now: there is a connection, and the broker does not block it.
    #[must_use]
    pub fn is_taking(&self) -> bool {
        match self {
            Self::Amqp(publisher) => publisher.is_taking(),
            Self::Memory(..) => true,
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

/// How many bytes of bodies a batch has, about: one message more where that is long.
pub(crate) const BATCH_BYTES: usize = 1024 * 1024;

/// Takes deliveries of one queue, in batches.
#[derive(Debug)]
pub enum Consumer {
    #[doc(hidden)]
    Amqp(Box<amqp::Consumer>),
    #[doc(hidden)]
    Memory(memory::Consumer),
}

impl Consumer {
    /// Waits for a delivery, then takes what else is ready, `limit` at the most, until it has 1 MiB of bodies. Cancel safe.
    ///
    /// # Errors
    /// [`Error::Incompatible`], or [`Error::Stopped`] when the process must end at once.
    pub async fn take(&mut self, limit: usize) -> Result<Batch, Error> {
        let batch = match self {
            Self::Amqp(consumer) => consumer.take(limit).await?,
            Self::Memory(consumer) => consumer.take(limit).await,
        };
        Ok(batch.traced(|| self.place()))
    }

    fn place(&self) -> Place {
        match self {
            Self::Amqp(consumer) => consumer.endpoint().place(),
            Self::Memory(_) => Place::Memory,
        }
    }

    /// Looks at the queues by this consumer's connection, as long as that is kept.
    #[must_use]
    pub fn lookout(&self) -> Lookout {
        match self {
            Self::Amqp(consumer) => Lookout::Amqp(consumer.lookout()),
            Self::Memory(consumer) => Lookout::Memory(consumer.broker()),
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

/// A condition of readiness that holds while a connection is up.
fn connection_condition(readiness: &Readiness, role: &str) -> Condition {
    readiness.condition(format!("connected to RabbitMQ, {role}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_shows_without_its_password() {
        let endpoint = Endpoint::from_url("amqp://user:S3cret@[::1]:5673/v", QueueKind::Classic).unwrap();
        assert_eq!(Transport::Amqp(endpoint).to_string(), "RabbitMQ at amqp://[::1]:5673/v, classic queues");
        assert_eq!(Transport::in_memory().to_string(), "queues in memory");
    }
}
