//! Consuming in batches.
//!
//! A message that kills whoever works on it would kill each process that starts anew, and take its neighbours along. So
//! whoever takes rows of features begins with one, and takes them one at a time while they are such that processes have
//! died of: quorum queues count that.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::Connection;
use tokio::task::JoinHandle;
use tracing::warn;

use super::book::{settled, tell_soon};
use super::content::{Content, deliveries_before};
use super::endpoint::Endpoint;
use super::guard::watch::Watch;
use super::link::{Link, Session};
use super::lookout::Lookout;
use super::receipt::Receipt;
use super::side::SideReceiver;
use super::sole::Former;
use super::subscribe::{Stream, Subscribed, Wide, subscribe_alone, widen};
use super::topology::{self, Failure};
use crate::message::Role;
use crate::readiness::Readiness;
use crate::stop::Stop;
use crate::trace::Span;
use crate::transport::queues::{QueueName, Subscription};
use crate::transport::side::SideQueue;
use crate::transport::{BATCH_BYTES, Batch, Delivery, Error, shown_id};

/// After how many deliveries without an end a message is given to nobody together with others.
const SUSPECT: u64 = 5;
/// After how many it is a dead letter: by then five processes have ended with nothing else in their hands.
const DEADLY: u64 = 10;

/// Consumes one queue, by a connection that it may share with others.
pub struct Consumer {
    endpoint: Endpoint,
    link: Arc<Link<Subscribed>>,
    index: usize,
    subscription: Arc<Subscription>,
    /// Whether messages that processes have died of are taken one at a time.
    careful: bool,
    prefetch: u16,
    stop: Stop,
    /// Whether it was said that something is taken alone.
    told: bool,
    /// How many sessions were lost: what the queue counts of those, nobody has died of.
    losses: u64,
    current: Option<Current>,
}

/// The session that deliveries are taken from, until it fails.
struct Current {
    session: Arc<Session<Subscribed>>,
    deliveries: lapin::Consumer,
    /// Whether the broker hands out one delivery at a time.
    one_by_one: bool,
    /// Asks for more than one at a time.
    widening: Option<JoinHandle<Result<Wide, Failure>>>,
    /// What came before the rest, while more than one at a time was asked for.
    early: VecDeque<lapin::message::Delivery>,
    /// What must not be together with others.
    suspects: VecDeque<lapin::message::Delivery>,
    /// Whether the last batch was such a one.
    alone: bool,
}

impl Current {
    fn stream(&self, index: usize) -> &Stream {
        &self.session.role.queues[index]
    }
}

impl Consumer {
    pub(in crate::transport) fn shared(
        endpoint: &Endpoint,
        app: &'static str,
        subscription: Subscription,
        prefetch: u16,
        stop: &Stop,
        readiness: &Readiness,
    ) -> Self {
        let careful = subscription.role == Role::Features;
        let purpose = format!("consuming {}", subscription.queue);
        let (of, wanted) = (endpoint.clone(), subscription.clone());
        let first = if careful { 1 } else { prefetch };
        let open = move |connection: Arc<Connection>, watch: Arc<Watch>| {
            let (endpoint, subscription) = (of.clone(), wanted.clone());
            async move {
                topology::own(&connection, &endpoint, &subscription).await?;
                let queue = &subscription.queue;
                let queues = vec![Stream::open(&connection, &watch, &endpoint, queue, first).await?];
                Ok(Subscribed { connection, queues, _company: None })
            }
        };
        let link = Arc::new(Link::keep(endpoint.clone(), app, purpose, stop.clone(), readiness, open));
        Self::new(endpoint, link, 0, subscription, careful, prefetch, stop)
    }

    pub(in crate::transport) fn sole<const N: usize>(
        endpoint: &Endpoint,
        app: &'static str,
        subscriptions: [Subscription; N],
        prefetch: u16,
        stop: &Stop,
        readiness: &Readiness,
    ) -> [Self; N] {
        let queues: Vec<QueueName> = subscriptions.iter().map(|one| one.queue.clone()).collect();
        let purpose =
            format!("consuming {}", queues.iter().map(QueueName::as_str).collect::<Vec<_>>().join(" and "));
        let (of, wanted, former) = (endpoint.clone(), subscriptions.clone(), Former::default());
        let open = move |connection: Arc<Connection>, watch: Arc<Watch>| {
            let (endpoint, subscriptions, former) = (of.clone(), wanted.clone(), former.clone());
            async move { subscribe_alone(connection, &watch, endpoint, &subscriptions, prefetch, former).await }
        };
        let link = Arc::new(Link::keep(endpoint.clone(), app, purpose, stop.clone(), readiness, open));
        let mut index = 0;
        subscriptions.map(|subscription| {
            index += 1;
            Self::new(endpoint, Arc::clone(&link), index - 1, subscription, false, prefetch, stop)
        })
    }

    fn new(
        endpoint: &Endpoint,
        link: Arc<Link<Subscribed>>,
        index: usize,
        subscription: Subscription,
        careful: bool,
        prefetch: u16,
        stop: &Stop,
    ) -> Self {
        let subscription = Arc::new(subscription);
        Self {
            endpoint: endpoint.clone(),
            link,
            index,
            subscription,
            careful,
            prefetch,
            stop: stop.clone(),
            told: false,
            losses: 0,
            current: None,
        }
    }

    pub(in crate::transport) async fn take(&mut self, limit: usize) -> Result<Batch, Error> {
        loop {
            let Some(current) = self.current.as_mut().filter(|current| current.session.is_up()) else {
                self.losses += u64::from(self.current.take().is_some());
                let session = self.link.session().await?;
                let deliveries = session.role.queues[self.index].deliveries.clone();
                self.current = Some(Current {
                    session,
                    deliveries,
                    one_by_one: self.careful,
                    widening: None,
                    early: VecDeque::new(),
                    suspects: VecDeque::new(),
                    alone: false,
                });
                continue;
            };
            let session = Arc::clone(&current.session);
            tell_soon(&session, self.index);
            if current.alone || !current.suspects.is_empty() {
                tokio::select! {
                    () = current.stream(self.index).book.idle() => current.alone = false,
                    () = session.failed() => continue,
                    () = self.stop.overdue() => return Err(Error::Stopped),
                }
                // What was decided meanwhile is told first: should a process die of the suspect, that is over.
                settled(&session, self.index).await;
                if !session.is_up() {
                    continue;
                }
                if let Some(suspect) = current.suspects.pop_front() {
                    return Ok(self.batch(vec![suspect], true));
                }
                continue;
            }
            if let Some(widening) = &mut current.widening {
                let wide = tokio::select! {
                    wide = widening => wide,
                    () = session.failed() => continue,
                    () = self.stop.overdue() => return Err(Error::Stopped),
                };
                current.widening = None;
                match wide {
                    Ok(Ok(Wide { deliveries, early })) => {
                        current.deliveries = deliveries;
                        current.early = early;
                    }
                    Ok(Err(why)) => session.fail(why),
                    Err(why) => session.fail(why),
                }
                continue;
            }
            let next = tokio::select! {
                next = current.next() => next,
                () = session.failed() => continue,
                () = self.stop.overdue() => return Err(Error::Stopped),
            };
            let (taken, suspect) = current.collect(next, limit, self.careful, &self.subscription.queue);
            if taken.is_empty() {
                if let Some(suspect) = suspect {
                    current.suspects.push_back(suspect);
                }
                continue;
            }
            if current.one_by_one {
                current.one_by_one = false;
                current.widening = Some(tokio::spawn(widen(Arc::clone(&session), self.index, self.prefetch)));
            }
            current.suspects.extend(suspect);
            return Ok(self.batch(taken, false));
        }
    }

    /// A batch of what was taken. `alone` says that processes have died of it.
    fn batch(&mut self, taken: Vec<lapin::message::Delivery>, alone: bool) -> Batch {
        let Some(current) = &mut self.current else { unreachable!("it was just taken from") };
        let (index, one_by_one) = (self.index, current.one_by_one);
        current.alone = alone;
        let session = Arc::clone(&current.session);
        let stream = &session.role.queues[index];
        let mut ackers = Vec::with_capacity(taken.len());
        let mut deliveries = Vec::with_capacity(taken.len());
        for taken in taken {
            let (redelivered, acker) = (taken.redelivered, taken.acker.clone());
            let note = session.watch.take_note(stream.channel.id(), taken.delivery_tag);
            let content = Content::new(taken, note, session.ended.clone());
            // Only where it was the only one in this program's hands, and so in those of others before it.
            let deaths = content.deliveries_before.saturating_sub(self.losses);
            let deadly = alone && one_by_one && deaths >= DEADLY;
            // One of them tells enough; where processes have died of a crowd, all of it comes alone.
            if alone && !std::mem::replace(&mut self.told, true) {
                let id = shown_id(&content);
                warn!(
                    queue = %self.subscription.queue, row.id = %id,
                    "a message was delivered {} times and never finished; taking it alone", content.deliveries_before
                );
            }
            let content = crate::transport::Content::Amqp(Arc::new(content));
            deliveries.push(Delivery {
                subscription: Arc::clone(&self.subscription),
                redelivered,
                deadly,
                content,
                span: Span::default(),
            });
            ackers.push(acker);
        }
        let entries = stream.book.enter(ackers);
        let receipt = Receipt { session, index, entries, acked: false };
        Batch::new(deliveries, crate::transport::Receipt::Amqp(receipt))
    }

    pub(in crate::transport) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(in crate::transport) fn lookout(&self) -> Lookout {
        Lookout::new(Arc::clone(&self.link), self.endpoint.clone())
    }

    pub(in crate::transport) fn aside(&self, queue: SideQueue) -> SideReceiver {
        SideReceiver::of(queue, Arc::clone(&self.link), self.endpoint.clone())
    }

    pub(in crate::transport) fn control(&self) -> SideReceiver {
        SideReceiver::of_control(Arc::clone(&self.link), self.endpoint.clone())
    }

    /// Closes the connection, also for those that share it, when the broker was told of all that is decided.
    pub(in crate::transport) async fn close(self) {
        if let Some(Current { session, .. }) = &self.current {
            let all = (0..session.role.queues.len()).map(|index| settled(session, index));
            tokio::select! {
                _ = join_all(all) => {}
                () = self.stop.overdue() => {}
            }
        }
        self.link.close().await;
    }
}

impl Current {
    async fn next(&mut self) -> Option<lapin::Result<lapin::message::Delivery>> {
        match self.early.pop_front() {
            Some(delivery) => Some(Ok(delivery)),
            None => self.deliveries.next().await,
        }
    }

    /// Takes what is ready, up to the first that must not be together with others. After an error or the end the stream
    /// would pend for ever, so neither is ever polled past.
    fn collect(
        &mut self,
        first: Option<lapin::Result<lapin::message::Delivery>>,
        limit: usize,
        careful: bool,
        queue: &QueueName,
    ) -> (Vec<lapin::message::Delivery>, Option<lapin::message::Delivery>) {
        let mut taken = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(item) = next {
            match item {
                Some(Ok(delivery)) if careful && deliveries_before(&delivery) >= SUSPECT => {
                    return (taken, Some(delivery));
                }
                Some(Ok(delivery)) => {
                    bytes += delivery.data.len();
                    taken.push(delivery);
                }
                Some(Err(why)) => {
                    self.session.fail(why);
                    break;
                }
                None => {
                    self.session.fail(format!("the broker ended the subscription: was {queue} deleted?"));
                    break;
                }
            }
            next = if taken.len() < limit && bytes < BATCH_BYTES { self.next().now_or_never() } else { None };
        }
        (taken, None)
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consumer({})", self.subscription.queue)
    }
}
