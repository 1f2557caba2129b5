//! Consuming in batches, with acknowledgements that can only tell the truth.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Acker, Connection};

use super::content::Content;
use super::endpoint::Endpoint;
use super::link::{Link, Session, in_time};
use super::topology::Failure;
use crate::message::Role;
use crate::readiness::Readiness;
use crate::stop::Stop;
use crate::transport::{Batch, Delivery, Error, partition};

/// Consumes one queue over one connection.
pub struct Consumer {
    link: Link<Subscription>,
    queue: Role,
    stop: Stop,
    current: Option<Current>,
}

/// What the link opens for a consumer.
struct Subscription {
    deliveries: lapin::Consumer,
    ledger: Ledger,
}

/// The session that deliveries are taken from, until it fails.
struct Current {
    session: Arc<Session<Subscription>>,
    deliveries: lapin::Consumer,
}

impl Consumer {
    pub(in crate::transport) fn new(
        endpoint: Endpoint,
        app: &'static str,
        queue: Role,
        prefetch: u16,
        stop: Stop,
        readiness: &Readiness,
    ) -> Self {
        let open = move |connection| subscribe(connection, queue, prefetch);
        let purpose = format!("consuming {}", queue.name());
        let link = Link::keep(endpoint, app, purpose, stop.clone(), readiness, open);
        Self { link, queue, stop, current: None }
    }

    pub(in crate::transport) async fn take(&mut self, limit: usize) -> Result<Batch, Error> {
        loop {
            let current = match &mut self.current {
                Some(current) if current.session.is_up() => current,
                stale => {
                    *stale = None;
                    let session = self.link.session().await?;
                    let deliveries = session.role.deliveries.clone();
                    stale.insert(Current { session, deliveries })
                }
            };
            settled(&current.session).await;
            let next = tokio::select! {
                next = current.deliveries.next() => next,
                () = current.session.failed() => continue,
                () = self.stop.overdue() => return Err(Error::Stopped),
            };
            let mut taken = Vec::new();
            let mut next = Some(next);
            // After an error or the end the stream would pend for ever, so neither is ever polled past.
            while let Some(item) = next {
                match item {
                    Some(Ok(delivery)) => taken.push(delivery),
                    Some(Err(why)) => {
                        current.session.fail(why);
                        break;
                    }
                    None => {
                        current.session.fail(format!(
                            "the broker ended the subscription: was {} deleted?",
                            self.queue.name()
                        ));
                        break;
                    }
                }
                next = if taken.len() < limit { current.deliveries.next().now_or_never() } else { None };
            }
            if taken.is_empty() {
                continue;
            }
            let session = Arc::clone(&current.session);
            let (deliveries, ackers) = taken.into_iter().map(|taken| delivery(self.queue, taken)).unzip();
            let entries = session.role.ledger.enter(ackers);
            let receipt = Receipt { session, entries, acked: false };
            return Ok(Batch { deliveries, receipt: crate::transport::Receipt::Amqp(receipt) });
        }
    }

    pub(in crate::transport) async fn close(self) {
        self.link.close().await;
    }
}

async fn subscribe(connection: Arc<Connection>, queue: Role, prefetch: u16) -> Result<Subscription, Failure> {
    let channel = in_time("opening a channel", connection.create_channel()).await?;
    in_time("setting the prefetch", channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
    let options = BasicConsumeOptions::default();
    let consume = channel.basic_consume(queue.name().into(), "".into(), options, FieldTable::default());
    let deliveries = in_time("subscribing", consume).await?;
    Ok(Subscription { deliveries, ledger: Ledger::default() })
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consumer({})", self.queue.name())
    }
}

fn delivery(queue: Role, delivery: lapin::message::Delivery) -> (Delivery, Acker) {
    let content = Content { body: delivery.data, properties: delivery.properties };
    let content = crate::transport::Content::Amqp(content);
    (Delivery { queue, redelivered: delivery.redelivered, content }, delivery.acker)
}

/// The deliveries of one session in their order. One acknowledgement settles all up to its delivery, so it is sent
/// only when everything up to there has been decided alike; past deliveries that were set aside, each is settled
/// by itself.
#[derive(Default)]
struct Ledger {
    entries: Mutex<Entries>,
    /// Held while the broker is told, so that the tags reach it in their order.
    telling: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Entries {
    open: VecDeque<(Acker, Verdict)>,
    /// The number of the first open entry.
    first: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Not decided yet.
    Held,
    /// Not decided yet, and the rest need not wait for it.
    Aside,
    Acked,
    Dropped,
    /// The broker has been told.
    Told,
}

impl Verdict {
    fn is_decided(self) -> bool {
        matches!(self, Self::Acked | Self::Dropped)
    }
}

/// Something to tell the broker.
struct Order {
    acker: Acker,
    verdict: Verdict,
    /// Whether it speaks for everything before it too.
    multiple: bool,
}

impl Ledger {
    /// Adds deliveries and returns their numbers.
    fn enter(&self, ackers: Vec<Acker>) -> Vec<u64> {
        let mut entries = self.lock();
        let next = entries.first + entries.open.len() as u64;
        let numbers = (next..).take(ackers.len()).collect();
        entries.open.extend(ackers.into_iter().map(|acker| (acker, Verdict::Held)));
        numbers
    }

    fn decide(&self, numbers: &[u64], verdict: Verdict) {
        let mut entries = self.lock();
        for number in numbers {
            let index = number.checked_sub(entries.first).and_then(|index| usize::try_from(index).ok());
            if let Some(entry) = index.and_then(|index| entries.open.get_mut(index)) {
                entry.1 = verdict;
            }
        }
    }

    /// What to tell the broker next.
    fn next(&self) -> Vec<Order> {
        let mut entries = self.lock();
        let mut run: Option<Order> = None;
        while let Some((_, verdict)) = entries.open.front() {
            let verdict = *verdict;
            let goes_on = verdict == Verdict::Told || run.as_ref().is_none_or(|run| run.verdict == verdict);
            if !goes_on || !(verdict.is_decided() || verdict == Verdict::Told) {
                break;
            }
            let acker = entries.open.pop_front().map(|(acker, _)| acker);
            entries.first += 1;
            if let Some(acker) = acker.filter(|_| verdict.is_decided()) {
                run = Some(Order { acker, verdict, multiple: true });
            }
        }
        if let Some(run) = run {
            return vec![run];
        }
        if entries.open.front().is_none_or(|(_, verdict)| *verdict != Verdict::Aside) {
            return Vec::new();
        }
        let decided = entries.open.iter_mut().filter(|(_, verdict)| verdict.is_decided());
        decided
            .map(|(acker, verdict)| {
                let told = std::mem::replace(verdict, Verdict::Told);
                Order { acker: acker.clone(), verdict: told, multiple: false }
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the broker what is decided, to the end, also where whoever waits for it is cancelled: an acknowledgement that is
/// left on its way would be overtaken by a later one, which the broker takes for a fault.
async fn settled(session: &Arc<Session<Subscription>>) {
    let session = Arc::clone(session);
    _ = tokio::spawn(async move { settle(&session).await }).await;
}

/// A failure ends the session: then the broker takes everything back.
async fn settle(session: &Session<Subscription>) {
    let _telling = session.role.ledger.telling.lock().await;
    loop {
        let orders = session.role.ledger.next();
        if orders.is_empty() {
            return;
        }
        let told = join_all(orders.iter().map(async |Order { acker, verdict, multiple }| match verdict {
            Verdict::Acked => acker.ack(BasicAckOptions { multiple: *multiple }).await,
            _ => acker.nack(BasicNackOptions { multiple: *multiple, requeue: true }).await,
        }));
        let told = in_time("acknowledging", async { told.await.into_iter().collect::<Result<Vec<_>, _>>() });
        match told.await {
            Ok(sent) if sent.iter().all(|sent| *sent) => {}
            Ok(_) => session.fail("an acknowledgement was not sent: the channel is gone"),
            Err(Failure::Passing(why)) => session.fail(why),
            Err(Failure::Lasting(error)) => session.fail(error),
        }
    }
}

/// Acknowledges deliveries, or gives them back when it is dropped before that.
pub(in crate::transport) struct Receipt {
    session: Arc<Session<Subscription>>,
    entries: Vec<u64>,
    acked: bool,
}

impl Receipt {
    pub(in crate::transport) async fn ack(mut self) {
        self.acked = true;
        self.session.role.ledger.decide(&self.entries, Verdict::Acked);
        settled(&self.session).await;
    }

    /// Splits off the deliveries at these indices, for which the others need not wait.
    pub(in crate::transport) fn set_aside(&mut self, indices: &[usize]) -> Self {
        let (aside, rest) = partition(std::mem::take(&mut self.entries), indices);
        self.entries = rest;
        self.session.role.ledger.decide(&aside, Verdict::Aside);
        Self { session: Arc::clone(&self.session), entries: aside, acked: false }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.acked {
            // Told to the broker by whoever settles next, at the latest the next `take`.
            self.session.role.ledger.decide(&self.entries, Verdict::Dropped);
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipt({:?})", self.entries)
    }
}
