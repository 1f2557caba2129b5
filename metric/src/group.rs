//! Messages of both queues that are committed together, and the batches to acknowledge when they are.

use std::time::Duration;

use shared::message::{Label, Prediction, Rejection, Role};
use shared::transport::{Batch, Delivery, Publication};
use tokio::time::Instant;

use crate::APP;
use crate::account::Rejected;
use crate::store::Arrival;

/// How many messages are committed at once at the most.
const LIMIT: usize = 1024;

/// How long the first message of a group waits for others.
const WAIT: Duration = Duration::from_millis(5);

/// A group that is being filled.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// What to record.
    pub(crate) arrivals: Vec<Arrival>,
    /// What to acknowledge when it is.
    pub(crate) batches: Vec<Batch>,
    /// What has become a dead letter since the group before.
    pub(crate) rejected: Rejected,
    first: Option<Instant>,
}

/// Deliveries that cannot be used, to be acknowledged when their letters are confirmed.
#[derive(Debug)]
pub(crate) struct Dead {
    queue: Role,
    batch: Batch,
}

impl Group {
    /// How many more messages it takes.
    pub(crate) fn room(&self) -> usize {
        LIMIT.saturating_sub(self.arrivals.len())
    }

    /// Whether there is nothing to commit.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Whether it is full or has waited long enough.
    pub(crate) fn is_due(&self) -> bool {
        self.room() == 0 || self.first.is_some_and(|first| first.elapsed() >= WAIT)
    }

    /// Resolves when it has waited long enough; never while it is empty.
    pub(crate) async fn deadline(&self) {
        match self.first {
            Some(first) => tokio::time::sleep_until(first + WAIT).await,
            None => std::future::pending().await,
        }
    }

    /// Takes in a batch of a queue. Returns what of it cannot be used, and a letter for each.
    pub(crate) fn add(&mut self, mut batch: Batch, queue: Role) -> Option<(Dead, Vec<Publication>)> {
        let mut indices = Vec::new();
        let mut letters = Vec::new();
        for (index, delivery) in batch.deliveries.iter().enumerate() {
            match decode(delivery, queue) {
                Ok(arrival) => self.arrivals.push(arrival),
                Err(rejection) => {
                    indices.push(index);
                    letters.push(delivery.reject(rejection, APP));
                }
            }
        }
        let dead = (!letters.is_empty()).then(|| (Dead { queue, batch: batch.set_aside(&indices) }, letters));
        if !batch.deliveries.is_empty() {
            self.first.get_or_insert_with(Instant::now);
            self.batches.push(batch);
        }
        dead
    }

    /// Takes in messages that are dead letters now: they are counted, and acknowledged when the count is committed.
    pub(crate) fn reject(&mut self, dead: Dead) {
        let Dead { queue, batch } = dead;
        let count = batch.deliveries.len() as u64;
        self.batches.push(batch);
        match queue {
            Role::Label => self.rejected.labels += count,
            Role::Features | Role::Prediction => self.rejected.predictions += count,
        }
        self.first.get_or_insert_with(Instant::now);
    }
}

fn decode(delivery: &Delivery, queue: Role) -> Result<Arrival, Rejection> {
    match queue {
        Role::Label => Label::decode(delivery).map(Arrival::from),
        Role::Features | Role::Prediction => Prediction::decode(delivery).map(Arrival::from),
    }
}
