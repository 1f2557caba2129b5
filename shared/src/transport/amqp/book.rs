//! The acknowledgements of one queue on one connection: they can only tell the truth.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::ledger::{AckLedger, Order, Verdict};
use super::link::{Session, in_time};
use super::subscribe::Subscribed;

/// What is held of a queue, and whoever may tell the broker what became of it.
pub(super) struct Book<A = Acker> {
    entries: Mutex<Entries<A>>,
    /// Held while the broker is told, so that the tags reach it in their order.
    telling: tokio::sync::Mutex<()>,
    /// Something was decided or set aside.
    changed: Notify,
}

struct Entries<A> {
    ledger: AckLedger<A>,
    /// Whether somebody is about to look what there is to tell.
    asked: bool,
}

impl<A> Default for Book<A> {
    fn default() -> Self {
        let entries = Entries { ledger: AckLedger::default(), asked: false };
        Self { entries: Mutex::new(entries), telling: tokio::sync::Mutex::default(), changed: Notify::new() }
    }
}

impl<A> Book<A> {
    /// Adds deliveries and returns their numbers.
    pub(super) fn enter(&self, ackers: Vec<A>) -> Vec<u64> {
        self.lock().ledger.enter(ackers)
    }

    pub(super) fn decide(&self, numbers: &[u64], verdict: Verdict) {
        self.lock().ledger.decide(numbers, verdict);
        self.changed.notify_waiters();
    }

    pub(super) fn set_aside(&self, numbers: &[u64]) {
        self.lock().ledger.set_aside(numbers);
        self.changed.notify_waiters();
    }

    /// Resolves when nobody works on a delivery of this queue.
    pub(super) async fn idle(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that a change in between is not missed.
            changed.as_mut().enable();
            if self.lock().ledger.held() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Whether the broker was told of everything that it may be told.
    fn is_settled(&self) -> bool {
        // Whoever tells has taken out what it tells.
        let Ok(_telling) = self.telling.try_lock() else { return false };
        !self.lock().ledger.has_next()
    }

    /// Whether there is something to tell the broker that nobody is about to look for.
    fn is_untold(&self) -> bool {
        let entries = self.lock();
        !entries.asked && entries.ledger.has_next()
    }

    /// Somebody is about to look what there is to tell.
    fn ask(&self) {
        self.lock().asked = true;
    }

    /// What there is to tell. Whoever was asked has looked: what is decided later needs another one.
    fn look(&self) -> Vec<Order<A>> {
        let mut entries = self.lock();
        entries.asked = false;
        entries.ledger.next()
    }

    fn lock(&self) -> MutexGuard<'_, Entries<A>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has the broker told what is decided, to the end, also where nobody waits for it: an acknowledgement that is left on its way
/// would be overtaken by a later one, which the broker takes for a fault. Resolves when that is done.
pub(super) fn settled(
    session: &Arc<Session<Subscribed>>,
    index: usize,
) -> impl Future<Output = ()> + Send + use<> {
    let is_settled = session.role.queues[index].book.is_settled();
    let telling = (!is_settled).then(|| begin_to_settle(session, index));
    async move {
        if let Some(telling) = telling {
            _ = telling.await;
        }
    }
}

/// The same where nobody waits: for what was dropped, mostly nothing, which needs no task.
pub(super) fn tell_soon(session: &Arc<Session<Subscribed>>, index: usize) {
    if session.role.queues[index].book.is_untold() {
        begin_to_settle(session, index);
    }
}

fn begin_to_settle(session: &Arc<Session<Subscribed>>, index: usize) -> JoinHandle<()> {
    session.role.queues[index].book.ask();
    let session = Arc::clone(session);
    tokio::spawn(async move { settle(&session, index).await })
}

/// A failure ends the session: then the broker takes everything back.
async fn settle(session: &Arc<Session<Subscribed>>, index: usize) {
    let tell = |orders: Vec<Order<Acker>>| {
        let session = Arc::clone(session);
        async move {
            let unfinished = Unfinished(&session);
            match in_time("acknowledging", send_all(orders, send)).await {
                Ok(true) => {}
                Ok(false) => session.fail("an acknowledgement was not sent: the channel is gone"),
                Err(why) => session.fail(why),
            }
            std::mem::forget(unfinished);
        }
    };
    tell_what_is_decided(&session.role.queues[index].book, || session.is_up(), tell).await;
}

/// Ends its session when it is dropped: what was about to be told is known to nobody any more, and a later run would speak
/// for it.
struct Unfinished<'a>(&'a Session<Subscribed>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.0.fail("what acknowledges has ended before the broker was told");
    }
}

/// Looks and tells, one look after the other, while the session is up: after a run that could not be sent, a later one would
/// speak for its deliveries too.
async fn tell_what_is_decided<A, T: Future<Output = ()>>(
    book: &Book<A>,
    is_up: impl Fn() -> bool,
    tell: impl Fn(Vec<Order<A>>) -> T,
) {
    let _telling = book.telling.lock().await;
    while is_up() {
        let orders = book.look();
        if orders.is_empty() {
            return;
        }
        tell(orders).await;
    }
}

/// Sends the orders of one look. Returns whether all of them were sent: after a run that was not, none is.
async fn send_all<A, E, S: Future<Output = Result<bool, E>>>(
    orders: Vec<Order<A>>,
    send: impl Fn(Order<A>) -> S,
) -> Result<bool, E> {
    let (runs, singles): (Vec<_>, Vec<_>) = orders.into_iter().partition(|order| order.multiple);
    // The client sends each from a task of its own, and one run must not overtake another.
    for run in runs {
        if !send(run).await? {
            return Ok(false);
        }
    }
    let sent: Result<Vec<bool>, E> = join_all(singles.into_iter().map(send)).await.into_iter().collect();
    Ok(!sent?.contains(&false))
}

/// Returns whether it was sent.
async fn send(order: Order<Acker>) -> lapin::Result<bool> {
    let multiple = order.multiple;
    match order.verdict {
        Verdict::Acked => order.acker.ack(BasicAckOptions { multiple }).await,
        Verdict::GivenBack => order.acker.nack(BasicNackOptions { multiple, requeue: true }).await,
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::sync::Semaphore;
    use tokio::task::yield_now;

    use super::*;

    #[test]
    fn one_is_asked_to_tell_what_is_decided_until_somebody_has_looked() {
        let book = Book::default();
        let entries = book.enter(vec!['a', 'b', 'c']);
        assert!(!book.is_untold(), "nothing is decided");
        book.decide(&entries[1..2], Verdict::Acked);
        assert!(!book.is_untold(), "the one before it is open");
        book.decide(&entries[..1], Verdict::Acked);
        assert!(book.is_untold());
        book.ask();
        assert!(!book.is_untold(), "somebody is about to tell it");
        let told = |orders: Vec<Order<char>>| orders.iter().map(|order| order.acker).collect::<Vec<_>>();
        book.decide(&entries[2..], Verdict::GivenBack);
        assert_eq!(told(book.look()), ['b', 'c']);
        assert!(!book.is_untold());
        let entries = book.enter(vec!['d']);
        book.decide(&entries, Verdict::Acked);
        assert!(book.is_untold(), "whoever was asked has looked before");
        assert_eq!(told(book.look()), ['d']);
    }

    #[tokio::test]
    async fn what_is_being_told_is_not_settled() {
        let book = Book::default();
        let entries = book.enter(vec!['a']);
        assert!(book.is_settled());
        book.decide(&entries, Verdict::Acked);
        assert!(!book.is_settled());
        let telling = book.telling.lock().await;
        assert_eq!(book.look().len(), 1);
        assert!(!book.is_settled(), "it is on its way");
        drop(telling);
        assert!(book.is_settled());
    }

    #[tokio::test]
    async fn after_what_could_not_be_told_nothing_is_told() {
        let book = Book::default();
        let entries = book.enter(vec!['a', 'b', 'c']);
        let (told, up) = (Mutex::new(Vec::new()), AtomicBool::new(true));
        let fails = |orders: Vec<Order<char>>| {
            told.lock().unwrap().extend(orders.iter().map(|order| order.acker));
            // Decided while the broker is told, so that there is more to tell.
            book.decide(&entries[1..2], Verdict::Acked);
            up.store(false, Ordering::Relaxed);
            ready(())
        };
        book.decide(&entries[..1], Verdict::Acked);
        tell_what_is_decided(&book, || up.load(Ordering::Relaxed), &fails).await;
        book.decide(&entries[2..], Verdict::Acked);
        tell_what_is_decided(&book, || up.load(Ordering::Relaxed), &fails).await;
        assert_eq!(*told.lock().unwrap(), ['a'], "a run of b or c would speak for a too");
        assert!(!book.is_settled(), "b and c are for nobody to tell");
    }

    #[tokio::test]
    async fn what_is_decided_while_the_broker_is_told_comes_after_it() {
        let book = Book::default();
        let entries = book.enter(vec!['a', 'b', 'c']);
        let (told, gate) = (Mutex::new(Vec::new()), Semaphore::new(0));
        let tell = |orders: Vec<Order<char>>| {
            told.lock().unwrap().extend(orders.iter().map(|order| order.acker));
        };
        let slowly = async |orders| {
            let _open = gate.acquire().await;
            tell(orders);
        };
        book.decide(&entries[..1], Verdict::Acked);
        let first = tell_what_is_decided(&book, || true, slowly);
        let second = async {
            // The first is on its way to the broker.
            book.decide(&entries[1..], Verdict::Acked);
            tell_what_is_decided(&book, || true, async |orders| tell(orders)).await;
        };
        let opened = async { gate.add_permits(1) };
        // Polled in this order.
        tokio::join!(biased; first, second, opened);
        assert_eq!(*told.lock().unwrap(), ['a', 'c'], "a run up to c speaks for b");
        assert!(book.is_settled());
    }

    #[tokio::test]
    async fn runs_are_sent_one_by_one_and_before_the_others() {
        let order = |acker, multiple| Order { acker, verdict: Verdict::Acked, multiple };
        let orders = || vec![order('a', true), order('b', false), order('c', true), order('d', false)];
        // For each order that is not sent, or fails: what was begun, and whether all were sent.
        type Sent = Result<bool, ()>;
        let table: [(char, Sent, &str, Sent); 6] = [
            ('-', Ok(true), "aA cC b d B D", Ok(true)),
            ('a', Ok(false), "aA", Ok(false)),
            ('a', Err(()), "aA", Err(())),
            ('c', Ok(false), "aA cC", Ok(false)),
            ('b', Ok(false), "aA cC b d B D", Ok(false)),
            ('d', Err(()), "aA cC b d B D", Err(())),
        ];
        for (which, result, steps, all) in table {
            let seen = Mutex::new(String::new());
            let send = async |order: Order<char>| {
                seen.lock().unwrap().push(order.acker);
                yield_now().await;
                seen.lock().unwrap().push(order.acker.to_ascii_uppercase());
                if order.acker == which { result } else { Ok(true) }
            };
            assert_eq!(send_all(orders(), &send).await, all, "{which}");
            assert_eq!(*seen.lock().unwrap(), steps.replace(' ', ""), "{which}");
        }
    }
}
