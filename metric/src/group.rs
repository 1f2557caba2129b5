//! Messages of both queues that are committed together, and the batches to acknowledge when they are.

use shared::message::{Bundle, Incoming as _, Label, Prediction, Role};
use shared::transport::{Aside, Batch, DeadLetter, Delivery};
use tokio::sync::OwnedSemaphorePermit;

use crate::APP;
use crate::account::Rejected;
use crate::arrival::Arrival;

/// How many messages, and how many rows and bytes of them, are committed at once at the most; a batch more, which has 1 MiB.
const MOST_MESSAGES: usize = 1024;
const MOST_ROWS: usize = 16_384;
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// A group that is being filled.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// What to record.
    pub(crate) arrivals: Vec<Arrival>,
    /// How many messages it came in.
    pub(crate) came: Came,
    /// How many bytes those have.
    bytes: usize,
    /// What to acknowledge when it is.
    pub(crate) batches: Vec<Batch>,
    /// What to acknowledge too: deliveries whose letters are safe.
    pub(crate) asides: Vec<Aside>,
    /// What has become a dead letter since the group before.
    pub(crate) rejected: Rejected,
}

/// A group on its way to be committed, and the turn that ends when it is.
pub(crate) type Turn = (Group, OwnedSemaphorePermit);

/// How many messages were taken, and the most rows that one of them had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) labels: u64,
    pub(crate) predictions: u64,
    pub(crate) most_rows: u64,
}

impl Came {
    fn count(&mut self, role: Role, messages: usize) {
        let count = match role {
            Role::Label => &mut self.labels,
            Role::Features | Role::Prediction => &mut self.predictions,
        };
        *count += messages as u64;
    }

    /// Adds what came later.
    pub(crate) fn add(&mut self, later: Self) {
        self.labels += later.labels;
        self.predictions += later.predictions;
        self.most_rows = self.most_rows.max(later.most_rows);
    }
}

/// A delivery of which something cannot be used, to be acknowledged when all of that is safe.
#[derive(Debug)]
pub(crate) struct Dead {
    role: Role,
    aside: Aside,
    /// How many of its items that is.
    items: u64,
}

impl Group {
    /// How many more messages it takes.
    pub(crate) fn room(&self) -> usize {
        if self.arrivals.len() >= MOST_ROWS || self.bytes >= MOST_BYTES {
            return 0;
        }
        MOST_MESSAGES.saturating_sub(usize::try_from(self.messages()).unwrap_or(usize::MAX))
    }

    /// How many it has.
    pub(crate) fn messages(&self) -> u64 {
        self.came.labels + self.came.predictions
    }

    /// Whether it wants to be committed: there is something to acknowledge, or no room. Of a full one every delivery may be set
    /// aside, and kept, it would keep everything else waiting for their letters.
    pub(crate) fn wants_its_turn(&self) -> bool {
        !self.batches.is_empty() || !self.asides.is_empty() || self.room() == 0
    }

    /// Takes in a batch of a queue. Returns the deliveries of which something cannot be used, each with the letters.
    pub(crate) fn add(&mut self, mut batch: Batch, role: Role) -> Vec<(Dead, Vec<DeadLetter>)> {
        let (mut indices, mut letters) = (Vec::new(), Vec::new());
        for (index, delivery) in batch.deliveries.iter().enumerate() {
            self.bytes += delivery.body().len();
            let rejected = self.decode(delivery, role);
            if !rejected.is_empty() {
                indices.push(index);
                letters.push(rejected);
            }
        }
        let asides = batch.set_aside(&indices);
        let dead = |(aside, letters): (Aside, Vec<DeadLetter>)| {
            (Dead { role, aside, items: letters.len() as u64 }, letters)
        };
        let dead = asides.into_iter().zip(letters).map(dead).collect();
        // Only the receipt is needed from here on.
        if !batch.deliveries.is_empty() {
            self.came.count(role, batch.deliveries.len());
            batch.deliveries = Vec::new();
            self.batches.push(batch);
        }
        dead
    }

    /// Takes in what of a message can be used. Returns the letters that the rest becomes.
    fn decode(&mut self, delivery: &Delivery, role: Role) -> Vec<DeadLetter> {
        let bundle = match role {
            Role::Label => Label::decode(delivery).map(|labels| labels.map(Arrival::from)),
            Role::Features | Role::Prediction => {
                Prediction::decode(delivery).map(|predictions| predictions.map(Arrival::from))
            }
        };
        let items = match bundle {
            Ok(Bundle { items, .. }) => items,
            Err(why) => return vec![delivery.reject(why, APP)],
        };
        self.came.most_rows = self.came.most_rows.max(items.len() as u64);
        let mut rejected = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            match item {
                Ok(arrival) => self.arrivals.push(arrival),
                Err(why) => rejected.push((index, why)),
            }
        }
        if rejected.is_empty() { Vec::new() } else { delivery.reject_items(rejected, APP) }
    }

    /// Takes in a message of which something is dead letters now: that is counted, and it is acknowledged when the count is
    /// committed.
    pub(crate) fn reject(&mut self, dead: Dead) {
        let Dead { role, aside, items } = dead;
        self.asides.push(aside);
        self.came.count(role, 1);
        match role {
            Role::Label => self.rejected.labels += items,
            Role::Features | Role::Prediction => self.rejected.predictions += items,
        }
    }
}
