//! Messages of both queues that are committed together, and the batches to acknowledge when they are.

use shared::message::{Label, Prediction, Rejection, Role};
use shared::transport::{Aside, Batch, DeadLetter, Delivery};
use tokio::sync::OwnedSemaphorePermit;

use crate::APP;
use crate::account::Rejected;
use crate::arrival::Arrival;

/// How many messages are committed at once at the most.
const LIMIT: usize = 1024;

/// A group that is being filled.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// What to record.
    pub(crate) arrivals: Vec<Arrival>,
    /// What to acknowledge when it is.
    pub(crate) batches: Vec<Batch>,
    /// What to acknowledge too: deliveries whose letters are safe.
    pub(crate) asides: Vec<Aside>,
    /// What has become a dead letter since the group before.
    pub(crate) rejected: Rejected,
}

/// A group on its way to be committed, and the turn that ends when it is.
pub(crate) type Turn = (Group, OwnedSemaphorePermit);

/// A delivery that cannot be used, to be acknowledged when its letter is safe.
#[derive(Debug)]
pub(crate) struct Dead {
    role: Role,
    aside: Aside,
}

impl Group {
    /// How many more messages it takes.
    pub(crate) fn room(&self) -> usize {
        LIMIT.saturating_sub(self.arrivals.len())
    }

    /// Whether there is nothing to commit.
    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.asides.is_empty()
    }

    /// Takes in a batch of a queue. Returns what of it cannot be used, each with its letter.
    pub(crate) fn add(&mut self, mut batch: Batch, role: Role) -> Vec<(Dead, DeadLetter)> {
        let mut indices = Vec::new();
        let mut letters = Vec::new();
        for (index, delivery) in batch.deliveries.iter().enumerate() {
            match decode(delivery, role) {
                Ok(arrival) => self.arrivals.push(arrival),
                Err(rejection) => {
                    indices.push(index);
                    letters.push(delivery.reject(rejection, APP));
                }
            }
        }
        let asides = batch.set_aside(&indices).into_iter().map(|aside| Dead { role, aside });
        let dead = asides.zip(letters).collect();
        // Only the receipt is needed from here on.
        if !batch.deliveries.is_empty() {
            batch.deliveries = Vec::new();
            self.batches.push(batch);
        }
        dead
    }

    /// Takes in a message that is a dead letter now: it is counted, and acknowledged when the count is committed.
    pub(crate) fn reject(&mut self, dead: Dead) {
        let Dead { role, aside } = dead;
        self.asides.push(aside);
        match role {
            Role::Label => self.rejected.labels += 1,
            Role::Features | Role::Prediction => self.rejected.predictions += 1,
        }
    }
}

fn decode(delivery: &Delivery, role: Role) -> Result<Arrival, Rejection> {
    match role {
        Role::Label => Label::decode(delivery).map(Arrival::from),
        Role::Features | Role::Prediction => Prediction::decode(delivery).map(Arrival::from),
    }
}
