//! How many messages wait in the queues, for whoever has to know what could not have been received yet.

use super::{amqp, memory};

/// How many messages wait for a consumer in each queue. In a queue that does not exist none wait, nor in one that we
/// may not look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    /// Rows that no model has taken.
    pub features: u64,
    /// Labels.
    pub labels: u64,
    /// Predictions.
    pub predictions: u64,
}

/// How the queue of rows stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nobody can tell now: the broker is away, or we have no right to look.
    Unknown,
    /// There is no such queue.
    Missing,
    /// It is there.
    There {
        /// How many messages wait for a consumer.
        messages: u32,
        /// How many consumers it has.
        consumers: u32,
    },
}

/// What was seen of the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What waits in each.
    pub waiting: Waiting,
    /// Whether somebody consumes the rows.
    pub rows: Look,
}

/// Looks at the three queues without touching them, by the connection of a consumer.
#[derive(Debug)]
pub enum Lookout {
    #[doc(hidden)]
    Amqp(amqp::Lookout),
    #[doc(hidden)]
    Memory(memory::Broker),
}

impl Lookout {
    /// How they stand now. None where nobody can tell: the connection is lost, or the process must end.
    pub async fn look(&mut self) -> Option<Seen> {
        match self {
            Self::Amqp(lookout) => lookout.look().await,
            // Rows in memory have no other way to go than to the model beside.
            Self::Memory(broker) => Some(Seen { waiting: broker.waiting(), rows: Look::Unknown }),
        }
    }
}
