//! Consuming in batches.
//!
//! A message that kills whoever works on it would kill each process that starts anew, and take its neighbours along. So
//! whoever takes rows of features begins with one, and takes them one at a time while they are such that processes have
//! died of: quorum queues count that.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use futures_util::{FutureExt as _, StreamExt as _};
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::book::{Book, settled};
use super::content::{Content, deliveries_before};
use super::endpoint::Endpoint;
use super::guard::watch::Watch;
use super::ledger::Verdict;
use super::link::{Link, Session, while_bytes_come};
use super::refusal::{Kind, Operation};
use super::sole::{self, Company, Former};
use super::topology::{self, Answer, Failure};
use crate::message::Role;
use crate::readiness::Readiness;
use crate::stop::Stop;
use crate::transport::queues::{QueueName, Subscription};
use crate::transport::{Batch, Delivery, Error, partition};

/// After how many deliveries without an end a message is given to nobody together with others.
const SUSPECT: u64 = 5;
/// After how many it is a dead letter: by then five processes have ended with nothing else in their hands.
const DEADLY: u64 = 10;

/// Consumes one queue, by a connection that it may share with others.
pub struct Consumer {
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

/// What the link opens for its consumers.
pub(super) struct Subscribed {
    pub(super) queues: Vec<Stream>,
    _company: Option<Company>,
}

/// A queue that is consumed.
pub(super) struct Stream {
    channel: Channel,
    deliveries: lapin::Consumer,
    pub(super) book: Book,
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

/// A subscription that hands out many at a time, and what the one before had handed out until it ended.
struct Wide {
    deliveries: lapin::Consumer,
    early: VecDeque<lapin::message::Delivery>,
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
                Ok(Subscribed { queues, _company: None })
            }
        };
        let link = Arc::new(Link::keep(endpoint.clone(), app, purpose, stop.clone(), readiness, open));
        Self::new(link, 0, subscription, careful, prefetch, stop)
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
            Self::new(Arc::clone(&link), index - 1, subscription, false, prefetch, stop)
        })
    }

    fn new(
        link: Arc<Link<Subscribed>>,
        index: usize,
        subscription: Subscription,
        careful: bool,
        prefetch: u16,
        stop: &Stop,
    ) -> Self {
        let subscription = Arc::new(subscription);
        Self {
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
            settled(&session, self.index).await;
            if current.alone || !current.suspects.is_empty() {
                tokio::select! {
                    () = current.stream(self.index).book.idle() => current.alone = false,
                    () = session.failed() => continue,
                    () = self.stop.overdue() => return Err(Error::Stopped),
                }
                if let Some(suspect) = current.suspects.pop_front() {
                    return Ok(self.batch(vec![suspect], true));
                }
                // What was decided meanwhile is told first.
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
                let id =
                    crate::message::Incoming::message_id(&content).unwrap_or("-").escape_debug().to_string();
                warn!(
                    queue = %self.subscription.queue, row.id = %id,
                    "a message was delivered {} times without an end; it is taken alone", content.deliveries_before
                );
            }
            let content = crate::transport::Content::Amqp(Arc::new(content));
            deliveries.push(Delivery {
                subscription: Arc::clone(&self.subscription),
                redelivered,
                deadly,
                content,
            });
            ackers.push(acker);
        }
        let entries = stream.book.enter(ackers);
        let receipt = Receipt { session, index, entries, acked: false };
        Batch { deliveries, receipt: crate::transport::Receipt::Amqp(receipt) }
    }

    pub(in crate::transport) async fn close(self) {
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
        let mut next = Some(first);
        while let Some(item) = next {
            match item {
                Some(Ok(delivery)) if careful && deliveries_before(&delivery) >= SUSPECT => {
                    return (taken, Some(delivery));
                }
                Some(Ok(delivery)) => taken.push(delivery),
                Some(Err(why)) => {
                    self.session.fail(why);
                    break;
                }
                None => {
                    self.session.fail(format!("the broker ended the subscription: was {queue} deleted?"));
                    break;
                }
            }
            next = if taken.len() < limit { self.next().now_or_never() } else { None };
        }
        (taken, None)
    }
}

impl Stream {
    async fn open(
        connection: &Connection,
        watch: &Watch,
        endpoint: &Endpoint,
        queue: &QueueName,
        prefetch: u16,
    ) -> Result<Self, Failure> {
        match Self::consume(connection, watch, queue, prefetch, false).await? {
            Ok(stream) => Ok(stream),
            Err(answer) => Err(refused(endpoint, queue, &answer).1),
        }
    }

    /// Consumes; where `sole`, as the only one, as far as the kind of queue knows that, and otherwise as the first one.
    async fn consume(
        connection: &Connection,
        watch: &Watch,
        queue: &QueueName,
        prefetch: u16,
        sole: bool,
    ) -> Result<Result<Self, Answer>, Failure> {
        let channel = while_bytes_come(watch, "opening a channel", connection.create_channel()).await?;
        let qos = channel.basic_qos(prefetch, BasicQosOptions::default());
        while_bytes_come(watch, "setting the prefetch", qos).await?;
        let options = BasicConsumeOptions { exclusive: sole, ..Default::default() };
        let mut arguments = FieldTable::default();
        if sole {
            arguments.insert("x-priority".into(), AMQPValue::LongInt(10));
        }
        let consumed = async {
            match channel.basic_consume(queue.as_str().into(), "".into(), options, arguments).await {
                Ok(deliveries) => Ok(Ok(deliveries)),
                Err(why) => topology::answer_of(&why).map(Err).ok_or(why),
            }
        };
        let consumed = while_bytes_come(watch, "subscribing", consumed).await?;
        Ok(consumed.map(|deliveries| Self { channel, deliveries, book: Book::default() }))
    }
}

/// What a refusal to let us consume means.
fn refused(endpoint: &Endpoint, queue: &QueueName, answer: &Answer) -> (Kind, Failure) {
    let refusal = endpoint.refused(&Operation::Consume(queue.as_str()), answer);
    (refusal.kind, Failure::Refused(refusal.sentence))
}

/// The lock first, then every queue.
async fn subscribe_alone(
    connection: Arc<Connection>,
    watch: &Watch,
    endpoint: Endpoint,
    subscriptions: &[Subscription],
    prefetch: u16,
    former: Former,
) -> Result<Subscribed, Failure> {
    let locked = sole::lock(&connection, &endpoint, &endpoint.queues().lock(), &former).await?;
    for subscription in subscriptions {
        let found = topology::own(&connection, &endpoint, subscription).await?;
        info!("consuming {}, where {} messages wait", subscription.queue, found.messages);
    }
    let names: Vec<QueueName> = subscriptions.iter().map(|subscription| subscription.queue.clone()).collect();
    // All or none: what is taken of one queue while another is somebody else's could only be joined by halves.
    let queues = loop {
        match consume_all(&connection, watch, &endpoint, &names, prefetch).await? {
            Ok(queues) => break queues,
            Err(queue) => sole::wait_for_other(&endpoint, &queue).await,
        }
    };
    let lock = locked.then(|| (endpoint.queues().lock(), former));
    let company = Company::watch(connection, endpoint, names, lock);
    Ok(Subscribed { queues, _company: Some(company) })
}

/// Consumes each of these as the only one, or none of them. The inner error is a queue that somebody else has for itself.
async fn consume_all(
    connection: &Connection,
    watch: &Watch,
    endpoint: &Endpoint,
    names: &[QueueName],
    prefetch: u16,
) -> Result<Result<Vec<Stream>, QueueName>, Failure> {
    let mut queues: Vec<Stream> = Vec::with_capacity(names.len());
    for queue in names {
        match Stream::consume(connection, watch, queue, prefetch, true).await? {
            Ok(stream) => queues.push(stream),
            Err(answer) => {
                for Stream { channel, .. } in queues {
                    while_bytes_come(watch, "closing a channel", channel.close(200, "not yet".into()))
                        .await?;
                }
                return match refused(endpoint, queue, &answer) {
                    (Kind::InUse, _) => Ok(Err(queue.clone())),
                    (_, failure) => Err(failure),
                };
            }
        }
    }
    Ok(Ok(queues))
}

/// Takes more than one at a time from now on.
async fn widen(session: Arc<Session<Subscribed>>, index: usize, prefetch: u16) -> Result<Wide, Failure> {
    let watch = &*session.watch;
    let Stream { channel, deliveries: narrow, .. } = &session.role.queues[index];
    // One after the other: were both there at once, deliveries would not come in the order of their tags, which the
    // acknowledgements of many at once rely on.
    let cancel = channel.basic_cancel(narrow.tag(), BasicCancelOptions::default());
    while_bytes_come(watch, "ending the first subscription", cancel).await?;
    // The broker may have handed out one more before it heard that.
    let mut narrow = narrow.clone();
    let queue = narrow.queue();
    let rest = async {
        let mut early = VecDeque::new();
        while let Some(delivery) = narrow.next().await {
            early.push_back(delivery?);
        }
        Ok(early)
    };
    let early = while_bytes_come(watch, "ending the first subscription", rest).await?;
    while_bytes_come(watch, "setting the prefetch", channel.basic_qos(prefetch, BasicQosOptions::default()))
        .await?;
    let consume =
        channel.basic_consume(queue, "".into(), BasicConsumeOptions::default(), FieldTable::default());
    let deliveries = while_bytes_come(watch, "subscribing", consume).await?;
    Ok(Wide { deliveries, early })
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consumer({})", self.subscription.queue)
    }
}

/// Acknowledges deliveries, or gives them back when it is dropped before that.
pub(in crate::transport) struct Receipt {
    session: Arc<Session<Subscribed>>,
    index: usize,
    entries: Vec<u64>,
    acked: bool,
}

impl Receipt {
    fn book(&self) -> &Book {
        &self.session.role.queues[self.index].book
    }

    pub(in crate::transport) async fn ack(mut self) {
        self.acked = true;
        self.book().decide(&self.entries, Verdict::Acked);
        settled(&self.session, self.index).await;
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
