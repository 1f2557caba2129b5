//! Queues inside this process that keep the broker's rules: what is not acknowledged goes back, prefetch
//! bounds what a consumer holds, a full queue makes publishers wait, dead letters are kept with their reason.
//!
//! It is for one-process runs, tests and embedding. It does not outlive its process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Batch, Content, Delivery, Publication, partition};
use crate::message::{Outgoing, Rejection, Role};

/// How many messages a queue holds before publishers wait. It bounds memory and couples the services' pace.
const CAPACITY: usize = 8192;

/// The queues. Clones are handles to the same ones.
#[derive(Debug, Clone, Default)]
pub struct Broker(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queues: Mutex<[State; Role::ALL.len()]>,
    /// Something was published, taken, acknowledged or given back: whoever waits looks again.
    changed: [Notify; Role::ALL.len()],
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Waiting>,
    unacknowledged: usize,
    dead: VecDeque<Dead>,
}

#[derive(Debug)]
struct Waiting {
    message: Arc<Outgoing>,
    redelivered: bool,
}

/// A message in the dead letters of its queue.
#[derive(Debug, Clone)]
pub struct Dead {
    /// The message, unchanged.
    pub message: Arc<Outgoing>,
    /// Why it is there.
    pub rejection: Rejection,
    /// Who put it there.
    pub service: &'static str,
}

impl Broker {
    /// The dead letters of a queue, oldest first. Where there are more than the queue's capacity, the oldest
    /// are gone: nobody else can consume them here.
    #[must_use]
    pub fn dead_letters(&self, queue: Role) -> Vec<Dead> {
        self.lock()[index(queue)].dead.iter().cloned().collect()
    }

    pub(super) async fn publish(&self, batch: Vec<Publication>) {
        for publication in batch {
            match publication {
                Publication::Message(message) => self.push(message).await,
                Publication::Dead(letter) => {
                    let Content::Memory(message) = letter.content else {
                        unreachable!("a delivery is dead-lettered on the transport that brought it")
                    };
                    let dead = Dead { message, rejection: letter.rejection, service: letter.service };
                    let mut queues = self.lock();
                    let letters = &mut queues[index(letter.queue)].dead;
                    if letters.len() == CAPACITY {
                        letters.pop_front();
                    }
                    letters.push_back(dead);
                }
            }
        }
    }

    async fn push(&self, message: Outgoing) {
        let queue = message.queue;
        let mut message = Some(message);
        self.wait_until(queue, |state| {
            if state.ready.len() >= CAPACITY {
                return None;
            }
            let message = Arc::new(message.take()?);
            state.ready.push_back(Waiting { message, redelivered: false });
            Some(())
        })
        .await;
        self.0.changed[index(queue)].notify_waiters();
    }

    /// Calls `attempt` until it returns something, first at once and then after each change of the queue.
    async fn wait_until<T>(&self, queue: Role, mut attempt: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.0.changed[index(queue)].notified();
            tokio::pin!(changed);
            // Registered before the look, so that a change in between is not missed.
            changed.as_mut().enable();
            if let Some(result) = attempt(&mut self.lock()[index(queue)]) {
                return result;
            }
            changed.await;
        }
    }

    /// Resolves when all queues are empty and nothing is unacknowledged.
    pub(super) async fn drained(&self) {
        // A message leaves one queue only after its successor is in the next, so looking at the queues in
        // the order of a row's life, and once more when any had to be waited for, sees every message.
        let idle = |state: &mut State| (state.ready.is_empty() && state.unacknowledged == 0).then_some(());
        loop {
            for queue in Role::ALL {
                self.wait_until(queue, idle).await;
            }
            if self.lock().iter_mut().all(|state| idle(state).is_some()) {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, [State; Role::ALL.len()]> {
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A consumer of one queue.
#[derive(Debug)]
pub struct Consumer {
    broker: Broker,
    queue: Role,
    prefetch: usize,
    held: Arc<Mutex<usize>>,
}

impl Consumer {
    pub(super) fn new(broker: Broker, queue: Role, prefetch: u16) -> Self {
        Self { broker, queue, prefetch: usize::from(prefetch), held: Arc::default() }
    }

    pub(super) async fn take(&mut self, limit: usize) -> Batch {
        let Self { broker, queue, prefetch, held } = self;
        let deliveries: Vec<Delivery> = broker
            .wait_until(*queue, |state| {
                let mut held = lock(held);
                let count = state.ready.len().min(limit).min(prefetch.saturating_sub(*held));
                if count == 0 {
                    return None;
                }
                *held += count;
                state.unacknowledged += count;
                Some(
                    state
                        .ready
                        .drain(..count)
                        .map(|Waiting { message, redelivered }| Delivery {
                            queue: *queue,
                            redelivered,
                            content: Content::Memory(message),
                        })
                        .collect(),
                )
            })
            .await;
        // There is room now.
        broker.0.changed[index(*queue)].notify_waiters();
        let messages = deliveries.iter().map(message_of).collect();
        let receipt = Receipt { broker: broker.clone(), queue: *queue, held: Arc::clone(held), messages };
        Batch { deliveries, receipt: super::Receipt::Memory(receipt) }
    }
}

/// Gives the messages back when it is dropped before it is acknowledged.
#[derive(Debug)]
pub struct Receipt {
    broker: Broker,
    queue: Role,
    held: Arc<Mutex<usize>>,
    messages: Vec<Arc<Outgoing>>,
}

impl Receipt {
    pub(super) fn ack(mut self) {
        let messages = std::mem::take(&mut self.messages);
        self.settle(messages.len());
    }

    pub(super) fn set_aside(&mut self, indices: &[usize]) -> Self {
        let (aside, rest) = partition(std::mem::take(&mut self.messages), indices);
        self.messages = rest;
        let Self { broker, queue, held, .. } = self;
        Self { broker: broker.clone(), queue: *queue, held: Arc::clone(held), messages: aside }
    }

    fn settle(&self, count: usize) {
        *lock(&self.held) -= count;
        self.broker.lock()[index(self.queue)].unacknowledged -= count;
        self.broker.0.changed[index(self.queue)].notify_waiters();
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let messages = std::mem::take(&mut self.messages);
        if messages.is_empty() {
            return;
        }
        let count = messages.len();
        let mut queues = self.broker.lock();
        for message in messages.into_iter().rev() {
            queues[index(self.queue)].ready.push_front(Waiting { message, redelivered: true });
        }
        drop(queues);
        self.settle(count);
    }
}

fn message_of(delivery: &Delivery) -> Arc<Outgoing> {
    match &delivery.content {
        Content::Memory(message) => Arc::clone(message),
        Content::Amqp(_) => unreachable!("this queue only holds messages in memory"),
    }
}

fn lock(held: &Mutex<usize>) -> MutexGuard<'_, usize> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn index(queue: Role) -> usize {
    match queue {
        Role::Features => 0,
        Role::Label => 1,
        Role::Prediction => 2,
    }
}
