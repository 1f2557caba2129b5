//! Consuming in batches, with acknowledgements that can only tell the truth.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{FutureExt as _, StreamExt as _};
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Acker, Connection};

use super::content::Content;
use super::endpoint::Endpoint;
use super::link::{Link, Session, in_time};
use super::topology::Failure;
use crate::message::Queue;
use crate::readiness::Readiness;
use crate::stop::Stop;
use crate::transport::{Batch, Delivery, Error};

/// Consumes one queue over one connection.
pub struct Consumer {
    link: Link<Subscription>,
    queue: Queue,
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
        queue: Queue,
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
            settle(&current.session).await;
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
            if let Some(last) = taken.last() {
                let entry = current.session.role.ledger.enter(last.acker.clone());
                let receipt = Receipt { session: Arc::clone(&current.session), entry, acked: false };
                let deliveries = taken.into_iter().map(|delivery| self.delivery(delivery)).collect();
                return Ok(Batch { deliveries, receipt: crate::transport::Receipt::Amqp(receipt) });
            }
        }
    }

    fn delivery(&self, delivery: lapin::message::Delivery) -> Delivery {
        let content = Content { body: delivery.data, properties: delivery.properties };
        Delivery {
            queue: self.queue,
            redelivered: delivery.redelivered,
            content: crate::transport::Content::Amqp(content),
        }
    }

    pub(in crate::transport) async fn close(self) {
        self.link.close().await;
    }
}

async fn subscribe(
    connection: Arc<Connection>,
    queue: Queue,
    prefetch: u16,
) -> Result<Subscription, Failure> {
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

/// The batches of one session in the order of their delivery tags. One acknowledgement settles every delivery
/// up to a tag, so it is sent only when all batches up to there have spoken.
#[derive(Default)]
struct Ledger {
    entries: Mutex<Entries>,
    /// Held while the broker is told, so that the tags reach it in their order.
    telling: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Entries {
    batches: VecDeque<(Acker, Verdict)>,
    settled: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Held,
    Acked,
    Dropped,
}

impl Ledger {
    fn enter(&self, last: Acker) -> u64 {
        let mut entries = self.lock();
        entries.batches.push_back((last, Verdict::Held));
        entries.settled + entries.batches.len() as u64 - 1
    }

    fn decide(&self, entry: u64, verdict: Verdict) {
        let mut entries = self.lock();
        let index = usize::try_from(entry - entries.settled).unwrap_or(usize::MAX);
        if let Some(batch) = entries.batches.get_mut(index) {
            batch.1 = verdict;
        }
    }

    /// The next thing to tell the broker: the last of the decided batches in front that agree.
    fn next(&self) -> Option<(Acker, Verdict)> {
        let mut entries = self.lock();
        let mut run: Option<(Acker, Verdict)> = None;
        while let Some((_, verdict)) = entries.batches.front() {
            let goes_on = run.as_ref().is_none_or(|(_, before)| before == verdict);
            if *verdict == Verdict::Held || !goes_on {
                break;
            }
            run = entries.batches.pop_front();
            entries.settled += 1;
        }
        run
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the broker what is decided. A failure ends the session: then the broker takes everything back.
///
/// Cancel safe: what [`Ledger::next`] hands out is on its way to the socket at the first poll.
async fn settle(session: &Session<Subscription>) {
    let _telling = session.role.ledger.telling.lock().await;
    while let Some((last, verdict)) = session.role.ledger.next() {
        let call = async {
            match verdict {
                Verdict::Acked => last.ack(BasicAckOptions { multiple: true }).await,
                _ => last.nack(BasicNackOptions { multiple: true, requeue: true }).await,
            }
        };
        match in_time("acknowledging", call).await {
            Ok(true) => {}
            Ok(false) => session.fail("an acknowledgement was not sent: the channel is gone"),
            Err(Failure::Passing(why)) => session.fail(why),
            Err(Failure::Lasting(error)) => session.fail(error),
        }
    }
}

/// Acknowledges a batch, or gives it back when it is dropped before that.
pub(in crate::transport) struct Receipt {
    session: Arc<Session<Subscription>>,
    entry: u64,
    acked: bool,
}

impl Receipt {
    pub(in crate::transport) async fn ack(mut self) {
        self.acked = true;
        self.session.role.ledger.decide(self.entry, Verdict::Acked);
        settle(&self.session).await;
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.acked {
            // Told to the broker by whoever settles next, at the latest the next `take`.
            self.session.role.ledger.decide(self.entry, Verdict::Dropped);
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipt({})", self.entry)
    }
}
