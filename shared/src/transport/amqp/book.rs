//! The acknowledgements of one queue on one connection: they can only tell the truth.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::sync::Notify;

use super::ledger::{AckLedger, Order, Verdict};
use super::link::{Session, in_time};
use super::subscribe::Subscribed;

/// What is held of a queue, and whoever may tell the broker what became of it.
#[derive(Default)]
pub(super) struct Book {
    entries: Mutex<AckLedger<Acker>>,
    /// Held while the broker is told, so that the tags reach it in their order.
    telling: tokio::sync::Mutex<()>,
    /// Something was decided or set aside.
    changed: Notify,
}

impl Book {
    /// Adds deliveries and returns their numbers.
    pub(super) fn enter(&self, ackers: Vec<Acker>) -> Vec<u64> {
        self.lock().enter(ackers)
    }

    pub(super) fn decide(&self, numbers: &[u64], verdict: Verdict) {
        self.lock().decide(numbers, verdict);
        self.changed.notify_waiters();
    }

    pub(super) fn set_aside(&self, numbers: &[u64]) {
        self.lock().set_aside(numbers);
        self.changed.notify_waiters();
    }

    /// Resolves when nobody works on a delivery of this queue.
    pub(super) async fn idle(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that a change in between is not missed.
            changed.as_mut().enable();
            if self.lock().held() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Whether the broker was told of everything that it may be told.
    fn is_settled(&self) -> bool {
        // Whoever tells has taken out what it tells.
        let Ok(_telling) = self.telling.try_lock() else { return false };
        !self.lock().has_next()
    }

    fn lock(&self) -> MutexGuard<'_, AckLedger<Acker>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the broker what is decided, to the end, also where whoever waits for it is cancelled: an acknowledgement that is
/// left on its way would be overtaken by a later one, which the broker takes for a fault.
pub(super) async fn settled(session: &Arc<Session<Subscribed>>, index: usize) {
    // So it mostly is where somebody only wants to take what has come: that needs no task.
    if session.role.queues[index].book.is_settled() {
        return;
    }
    let session = Arc::clone(session);
    _ = tokio::spawn(async move { settle(&session, index).await }).await;
}

/// A failure ends the session: then the broker takes everything back.
async fn settle(session: &Session<Subscribed>, index: usize) {
    let book = &session.role.queues[index].book;
    let _telling = book.telling.lock().await;
    loop {
        let orders = book.lock().next();
        if orders.is_empty() {
            return;
        }
        let (runs, singles): (Vec<_>, Vec<_>) = orders.into_iter().partition(|order| order.multiple);
        let told = async {
            let mut sent = Vec::with_capacity(runs.len() + singles.len());
            // The client sends each from a task of its own, and one run must not overtake another.
            for run in &runs {
                sent.push(tell(run).await?);
            }
            for single in join_all(singles.iter().map(tell)).await {
                sent.push(single?);
            }
            Ok(sent)
        };
        let told = in_time("acknowledging", told);
        match told.await {
            Ok(sent) if sent.iter().all(|sent| *sent) => {}
            Ok(_) => session.fail("an acknowledgement was not sent: the channel is gone"),
            Err(why) => session.fail(why),
        }
    }
}

/// Returns whether it was sent.
async fn tell(order: &Order<Acker>) -> lapin::Result<bool> {
    let multiple = order.multiple;
    match order.verdict {
        Verdict::Acked => order.acker.ack(BasicAckOptions { multiple }).await,
        Verdict::GivenBack => order.acker.nack(BasicNackOptions { multiple, requeue: true }).await,
    }
}
