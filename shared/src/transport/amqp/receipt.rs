//! What a batch is acknowledged by.

use std::fmt;
use std::sync::Arc;

use super::book::{Book, settled};
use super::ledger::Verdict;
use super::link::Session;
use super::subscribe::Subscribed;
use crate::transport::partition;

/// Acknowledges deliveries, or gives them back when it is dropped before that.
pub(in crate::transport) struct Receipt {
    pub(super) session: Arc<Session<Subscribed>>,
    pub(super) index: usize,
    pub(super) entries: Vec<u64>,
    pub(super) acked: bool,
}

impl Receipt {
    fn book(&self) -> &Book {
        &self.session.role.queues[self.index].book
    }

    /// Decided at once; resolves when the broker was told, as far as it may be.
    pub(in crate::transport) fn ack(mut self) -> impl Future<Output = ()> + Send + 'static {
        self.acked = true;
        self.book().decide(&self.entries, Verdict::Acked);
        settled(&self.session, self.index)
    }

    /// Splits off the deliveries at these indices, each by itself, for which the others need not wait.
    pub(in crate::transport) fn set_aside(&mut self, indices: &[usize]) -> Vec<Self> {
        let (aside, rest) = partition(std::mem::take(&mut self.entries), indices);
        self.entries = rest;
        self.book().set_aside(&aside);
        let alone = |entry| Self {
            session: Arc::clone(&self.session),
            index: self.index,
            entries: vec![entry],
            acked: false,
        };
        aside.into_iter().map(alone).collect()
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.acked {
            // Told to the broker by whoever settles next, at the latest the next `take`.
            self.book().decide(&self.entries, Verdict::GivenBack);
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipt({:?})", self.entries)
    }
}
