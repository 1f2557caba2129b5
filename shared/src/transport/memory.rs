//! Queues inside this process that keep the broker's rules: what is published goes to every queue that is bound to its
//! key, what is not acknowledged goes back, prefetch bounds what a consumer holds, a full queue makes publishers wait
//! (or drops its oldest, where it is made so), dead letters are kept with their reason.
//!
//! It is for one-process runs, tests and embedding. It does not outlive its process.

mod ask;
mod side;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use tokio::sync::Notify;
use tracing::warn;

use super::queues::{QueueName, Queues, Subscription};
use super::{BATCH_BYTES, Batch, Content, DeadLetter, Delivery, Receipt as AnyReceipt, partition};
use crate::message::{Outgoing, Rejection, Role};
use crate::metrics::Counter;
use crate::trace::Span;

static FORGOTTEN: Counter<1> = Counter::new(
    "pipeline_dead_letters_forgotten_total",
    "Dead letters that were dropped because no more of them fit into memory. RabbitMQ keeps all.",
    ["queue"],
);

pub use side::{SideDelivery, SideReceiver};

/// How many messages a queue holds before publishers wait. It bounds memory and couples the services' pace.
const CAPACITY: usize = 8192;

/// The queues. Clones are handles to the same ones.
#[derive(Debug, Clone)]
pub struct Broker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    names: Queues,
    queues: Mutex<Vec<Arc<Queue>>>,
    asides: side::Asides,
    askers: ask::Askers,
}

/// One queue.
#[derive(Debug)]
struct Queue {
    subscription: Arc<Subscription>,
    capacity: usize,
    state: Mutex<State>,
    /// Something was published, taken, acknowledged or given back: whoever waits looks again.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Waiting>,
    unacknowledged: usize,
    dead: VecDeque<Dead>,
    /// Dead letters that were dropped because there were more than the queue's capacity.
    forgotten: u64,
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

impl Default for Broker {
    /// With the three queues of the pipeline, under their usual names.
    fn default() -> Self {
        let names = Queues::default();
        let (queues, asides, askers) = Default::default();
        let broker = Self(Arc::new(Shared { names, queues, asides, askers }));
        for role in Role::ALL {
            FORGOTTEN.add([role.name()], 0);
            broker.queue(&broker.subscription(role));
        }
        broker
    }
}

impl Broker {
    /// The dead letters of a role's queue, oldest first. Where there are more than the queue's capacity, the oldest
    /// are gone, which the log says: nobody else can consume them here.
    #[must_use]
    pub fn dead_letters(&self, role: Role) -> Vec<Dead> {
        self.queue(&self.subscription(role)).lock().dead.iter().cloned().collect()
    }

    pub(super) fn names(&self) -> &Queues {
        &self.0.names
    }

    pub(super) fn subscription(&self, role: Role) -> Subscription {
        self.0.names.subscription(role)
    }

    /// The queue, made and bound to its key where it is missing.
    fn queue(&self, subscription: &Subscription) -> Arc<Queue> {
        let mut queues = lock(&self.0.queues);
        let there = queues.iter().find(|queue| queue.subscription.queue == subscription.queue);
        if let Some(queue) = there {
            return Arc::clone(queue);
        }
        let capacity = subscription.arguments.max_length().unwrap_or(CAPACITY).min(CAPACITY);
        let queue = Arc::new(Queue {
            subscription: Arc::new(subscription.clone()),
            capacity,
            state: Mutex::default(),
            changed: Notify::new(),
        });
        queues.push(Arc::clone(&queue));
        queue
    }

    fn bound_to(&self, key: &QueueName) -> Vec<Arc<Queue>> {
        lock(&self.0.queues).iter().filter(|queue| queue.subscription.key == *key).cloned().collect()
    }

    pub(super) async fn publish(&self, batch: Vec<Outgoing>) {
        let batch: Vec<Arc<Outgoing>> = batch.into_iter().map(Arc::new).collect();
        for of_one_role in batch.chunk_by(|one, next| one.role == next.role) {
            let bound = self.bound_to(self.0.names.name(of_one_role[0].role));
            // One that is full keeps nothing from the others.
            join_all(bound.iter().map(|queue| queue.push(of_one_role))).await;
        }
    }

    pub(super) fn bury(&self, letter: DeadLetter) {
        let Content::Memory(message) = letter.content else {
            unreachable!("a delivery is dead-lettered on the transport that brought it")
        };
        let dead = Dead { message, rejection: letter.rejection, service: letter.service };
        let queue = self.queue(&letter.subscription);
        let mut state = queue.lock();
        if state.dead.len() == CAPACITY {
            state.dead.pop_front();
            state.forgotten += 1;
            FORGOTTEN.add([letter.subscription.role.name()], 1);
            if state.forgotten == 1 {
                warn!(
                    "{} is full: memory holds {CAPACITY} messages of it; dropping the oldest from now on. On RabbitMQ all are kept",
                    letter.subscription.dead()
                );
            }
        }
        state.dead.push_back(dead);
    }

    /// How many messages of each role's queue nobody has taken.
    pub(super) fn waiting(&self) -> super::Waiting {
        let waiting = |role| self.queue(&self.subscription(role)).lock().ready.len() as u64;
        super::Waiting {
            features: waiting(Role::Features),
            labels: waiting(Role::Label),
            predictions: waiting(Role::Prediction),
        }
    }

    /// Resolves when the three queues of the pipeline are empty and nothing of them is unacknowledged.
    pub(super) async fn drained(&self) {
        // A message leaves one queue only after its successor is in the next, so looking at the queues in
        // the order of a row's life, and once more when any had to be waited for, sees every message.
        let idle = |state: &mut State| (state.ready.is_empty() && state.unacknowledged == 0).then_some(());
        let queues = Role::ALL.map(|role| self.queue(&self.subscription(role)));
        loop {
            for queue in &queues {
                queue.wait_until(idle).await;
            }
            if queues.iter().all(|queue| idle(&mut queue.lock()).is_some()) {
                return;
            }
        }
    }
}

impl Queue {
    /// Takes in all of them, in their order, as room comes. Consumers are woken once for what fits at once.
    async fn push(&self, mut messages: &[Arc<Outgoing>]) {
        let drops = self.subscription.arguments.drops_its_oldest();
        while !messages.is_empty() {
            messages = self
                .wait_until(|state| {
                    let free = self.capacity.saturating_sub(state.ready.len());
                    let room = if drops { messages.len() } else { free };
                    let (now, later) = messages.split_at(room.min(messages.len()));
                    if now.is_empty() {
                        return None;
                    }
                    let waiting =
                        |message: &Arc<_>| Waiting { message: Arc::clone(message), redelivered: false };
                    state.ready.extend(now.iter().map(waiting));
                    if drops {
                        let beyond = state.ready.len().saturating_sub(self.capacity);
                        state.ready.drain(..beyond);
                    }
                    Some(later)
                })
                .await;
            self.changed.notify_waiters();
        }
    }

    /// Calls `attempt` until it returns something, first at once and then after each change of the queue.
    async fn wait_until<T>(&self, mut attempt: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that a change in between is not missed.
            changed.as_mut().enable();
            if let Some(result) = attempt(&mut self.lock()) {
                return result;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// A consumer of one queue.
#[derive(Debug)]
pub struct Consumer {
    broker: Broker,
    queue: Arc<Queue>,
    prefetch: usize,
    held: Arc<Mutex<usize>>,
}

impl Consumer {
    pub(super) fn new(broker: &Broker, subscription: &Subscription, prefetch: u16) -> Self {
        let (broker, queue) = (broker.clone(), broker.queue(subscription));
        Self { broker, queue, prefetch: usize::from(prefetch), held: Arc::default() }
    }

    pub(super) fn broker(&self) -> Broker {
        self.broker.clone()
    }

    pub(super) async fn take(&mut self, limit: usize) -> Batch {
        let Self { queue, prefetch, held, .. } = self;
        let deliveries: Vec<Delivery> = queue
            .wait_until(|state| {
                let mut held = lock(held);
                let most = limit.min(prefetch.saturating_sub(*held));
                let count = within_bytes(&state.ready, most);
                if count == 0 {
                    return None;
                }
                *held += count;
                state.unacknowledged += count;
                let delivery = |Waiting { message, redelivered }| {
                    let content = Content::Memory(message);
                    Delivery {
                        subscription: Arc::clone(&queue.subscription),
                        redelivered,
                        deadly: false,
                        content,
                        span: Span::default(),
                    }
                };
                Some(state.ready.drain(..count).map(delivery).collect())
            })
            .await;
        // There is room now.
        queue.changed.notify_waiters();
        let messages = deliveries.iter().map(message_of).collect();
        let receipt = Receipt { queue: Arc::clone(queue), held: Arc::clone(held), messages };
        Batch::new(deliveries, AnyReceipt::Memory(receipt))
    }
}

/// Gives the messages back when it is dropped before it is acknowledged.
#[derive(Debug)]
pub struct Receipt {
    queue: Arc<Queue>,
    held: Arc<Mutex<usize>>,
    messages: Vec<Arc<Outgoing>>,
}

impl Receipt {
    pub(super) fn ack(mut self) {
        let messages = std::mem::take(&mut self.messages);
        self.settle(messages.len());
    }

    /// Splits off the deliveries at these indices, each by itself.
    pub(super) fn set_aside(&mut self, indices: &[usize]) -> Vec<Self> {
        let (aside, rest) = partition(std::mem::take(&mut self.messages), indices);
        self.messages = rest;
        let alone = |message| Self {
            queue: Arc::clone(&self.queue),
            held: Arc::clone(&self.held),
            messages: vec![message],
        };
        aside.into_iter().map(alone).collect()
    }

    fn settle(&self, count: usize) {
        *lock(&self.held) -= count;
        self.queue.lock().unacknowledged -= count;
        self.queue.changed.notify_waiters();
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let messages = std::mem::take(&mut self.messages);
        if messages.is_empty() {
            return;
        }
        let count = messages.len();
        let mut state = self.queue.lock();
        for message in messages.into_iter().rev() {
            state.ready.push_front(Waiting { message, redelivered: true });
        }
        drop(state);
        self.settle(count);
    }
}

/// How many of them are taken together, `most` at the most.
fn within_bytes(ready: &VecDeque<Waiting>, most: usize) -> usize {
    let mut bytes = 0;
    let fits = |waiting: &&Waiting| {
        let goes = bytes < BATCH_BYTES;
        bytes += waiting.message.body.len();
        goes
    };
    ready.iter().take(most).take_while(fits).count()
}

fn message_of(delivery: &Delivery) -> Arc<Outgoing> {
    match &delivery.content {
        Content::Memory(message) => Arc::clone(message),
        Content::Amqp(_) => unreachable!("this queue only holds messages in memory"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::message::{Incoming as _, Key, Label, RowId};
    use crate::transport::queues::{Argument, Arguments};

    fn label(id: usize) -> Outgoing {
        let key = Key::Property(RowId::parse(&id.to_string()).unwrap());
        Label { key, value: 1.0, published_at: None }.encode("test", Timestamp(0))
    }

    /// They are counted, and the log says it once.
    #[tokio::test]
    async fn more_than_a_queue_has_room_for_comes_in_its_order_as_room_comes() {
        let broker = Broker::default();
        let count = 2 * CAPACITY + 3;
        let subscription = broker.subscription(Role::Label);
        let mut consumer = Consumer::new(&broker, &subscription, 1000);
        let publishing = tokio::spawn({
            let broker = broker.clone();
            async move { broker.publish((0..count).map(label).collect()).await }
        });
        let mut came = Vec::new();
        while came.len() < count {
            let batch = consumer.take(1000).await;
            assert!(broker.waiting().labels <= CAPACITY as u64);
            came.extend(batch.deliveries.iter().map(|delivery| delivery.message_id().unwrap().to_owned()));
            batch.ack().await;
        }
        publishing.await.unwrap();
        assert_eq!(came, (0..count).map(|id| id.to_string()).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn the_oldest_dead_letters_beyond_the_capacity_are_forgotten_and_counted() {
        let broker = Broker::default();
        let subscription = Arc::new(broker.subscription(Role::Label));
        for id in 0..CAPACITY + 3 {
            let content = Content::Memory(Arc::new(label(id)));
            let subscription = Arc::clone(&subscription);
            let rejection = Rejection::new(Rejection::SHAPE, id);
            broker.bury(DeadLetter { subscription, content, rejection, service: "test" });
        }
        let kept = broker.dead_letters(Role::Label);
        assert_eq!((kept.len(), &*kept[0].rejection.detail), (CAPACITY, "3"));
        assert_eq!(broker.queue(&subscription).lock().forgotten, 3);
    }

    #[tokio::test]
    async fn each_queue_of_a_key_gets_each_message_and_a_slow_one_loses_its_oldest() {
        let broker = Broker::default();
        let list = vec![("x-max-length", Argument::Int(3)), ("x-overflow", Argument::Text("drop-head"))];
        let aside = broker
            .subscription(Role::Label)
            .by_way_of(QueueName::parse("y_true.aside").unwrap(), Arguments { durable: false, list });
        let mut main = Consumer::new(&broker, &broker.subscription(Role::Label), 100);
        let mut slow = Consumer::new(&broker, &aside, 100);
        broker.publish((0..5).map(label).collect()).await;
        let ids = |batch: &Batch| -> Vec<String> {
            batch.deliveries.iter().map(|delivery| delivery.message_id().unwrap().to_owned()).collect()
        };
        let (main, slow) = (main.take(100).await, slow.take(100).await);
        assert_eq!(ids(&main), ["0", "1", "2", "3", "4"]);
        assert_eq!(ids(&slow), ["2", "3", "4"]);
        main.ack().await;
        slow.ack().await;
        broker.drained().await;
    }
}
