//! Publishing messages of ours until each is confirmed.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lapin::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tracing::{info, warn};

use super::attempts::LONGEST;
use super::content::{Parcel, properties};
use super::endpoint::Endpoint;
use super::lane::{self, Fate, Lane};
use super::link::{Backoff, Link, Session};
use super::refusal::{Kind, Operation};
use super::replies::Replies;
use super::stand_in::StandIn;
use super::topology::{self, Answer, Failure};
use super::undertaker::{self, Grave, MOST_PARKED};
use super::unread::{Published, Unread};
use crate::message::{Outgoing, Role};
use crate::readiness::Readiness;
use crate::stop::Stop;
use crate::transport::queues::{EXCHANGE, Queues, owner};
use crate::transport::{Burial, DeadLetter, Error};

/// How many batches can be under way at once.
const LANES: usize = 4;
/// How long a process that is to end waits for letters. They are not lost: what they speak of goes back to its queue.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// How often it is looked whether a missing queue is there.
const LOOK: Duration = Duration::from_millis(500);

/// Publishes over one connection. Clones share it.
#[derive(Debug, Clone)]
pub struct Publisher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    link: Arc<Link<Lanes>>,
    endpoint: Endpoint,
    stop: Stop,
    /// Whether a role's queue is published to by its name, because it cannot be bound to our exchange.
    by_name: [AtomicBool; Role::ALL.len()],
    /// Whether even that is refused.
    not_by_name: AtomicBool,
    /// The complaints that were said and still hold.
    said: Mutex<HashSet<String>>,
    stand_in: StandIn,
    published: Arc<Published>,
    letters: mpsc::UnboundedSender<Grave>,
    parked: Arc<AtomicUsize>,
    undertaker: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.undertaker.abort();
    }
}

/// What a publisher's session has.
pub(super) struct Lanes {
    pub(super) connection: Arc<Connection>,
    lanes: Vec<Lane>,
    /// Of its own, so that a letter that the broker answers by closing the channel disturbs nothing else.
    pub(super) letters: Lane,
    /// For what may fail without harm.
    pub(super) aside: Lane,
    /// For replies, whose askers may be gone.
    pub(super) replies: Lane,
    next: AtomicUsize,
    _unread: Unread,
}

/// Why a message was not taken.
struct Complaint {
    sentence: String,
    /// The broker's limit, where one is larger than that.
    max: Option<u64>,
    /// Whether nothing is wrong but that another service has not started yet.
    early: bool,
}

impl Publisher {
    pub(in crate::transport) fn new(
        endpoint: Endpoint,
        app: &'static str,
        stop: Stop,
        readiness: &Readiness,
    ) -> Self {
        let purpose = "publishing".to_owned();
        let (for_lanes, settings) = (endpoint.clone(), endpoint.clone());
        let published = Arc::new(Published::default());
        let to_watch = Arc::clone(&published);
        let open = move |connection: Arc<Connection>, _| {
            open_lanes(connection, for_lanes.clone(), Arc::clone(&to_watch))
        };
        let link = Arc::new(Link::keep(settings, app, purpose, stop.clone(), readiness, open));
        let (letters, incoming) = mpsc::unbounded_channel();
        let parked = Arc::new(AtomicUsize::new(0));
        let room = readiness.condition("dead letters can be published");
        room.set(true);
        let undertaker =
            undertaker::start(Arc::clone(&link), endpoint.clone(), app, incoming, Arc::clone(&parked), room);
        Self(Arc::new(Inner {
            link,
            endpoint,
            stop,
            by_name: Default::default(),
            not_by_name: AtomicBool::new(false),
            said: Mutex::default(),
            stand_in: StandIn::default(),
            published,
            letters,
            parked,
            undertaker,
        }))
    }

    /// Hands a letter to whoever publishes letters, and says when it is safe.
    pub(in crate::transport) fn bury(
        &self,
        letter: DeadLetter,
    ) -> impl Future<Output = Option<Result<Burial, Error>>> + Send + 'static {
        let (burial, buried) = oneshot::channel();
        // Where nobody listens any more, the process ends, and `buried` says so.
        _ = self.0.letters.send(Grave::new(letter, burial));
        let stop = self.0.stop.clone();
        async move {
            let told_to_stop = async {
                stop.requested().await;
                tokio::time::sleep(LAST_WAIT).await;
            };
            tokio::select! {
                buried = buried => buried.ok().map(Ok),
                () = told_to_stop => Some(Ok(Burial::GivenBack)),
                () = stop.overdue() => Some(Err(Error::Stopped)),
            }
        }
    }

    pub(in crate::transport) fn is_taking(&self) -> bool {
        self.0.link.is_taking()
    }

    pub(in crate::transport) fn is_overfull(&self) -> bool {
        self.0.parked.load(Ordering::Relaxed) >= MOST_PARKED
    }

    pub(in crate::transport) async fn publish(&self, batch: &[Outgoing]) -> Result<(), Error> {
        for part in lane::parts(batch, |message| message.body.len()) {
            self.publish_part(part).await?;
        }
        Ok(())
    }

    /// Publishes what fits onto a lane.
    async fn publish_part(&self, part: &[Outgoing]) -> Result<(), Error> {
        let Inner { link, endpoint, stop, .. } = &*self.0;
        let mut pending: Vec<&Outgoing> = part.iter().collect();
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let (mut complaints, mut waits) = (HashSet::new(), HashSet::new());
        // What the broker takes at the most, once it has said so: what is larger goes after the others, one by one.
        let mut max = u64::MAX;
        while !pending.is_empty() {
            let session = link.session().await?;
            let (mut now, mut later): (Vec<&Outgoing>, _) =
                pending.into_iter().partition(|message| message.body.len() as u64 <= max);
            let too_large = now.is_empty();
            if too_large {
                now = later.split_off(later.len() - 1);
            }
            let parcels: Vec<_> = now.iter().map(|message| self.parcel(message)).collect();
            let fates = tokio::select! {
                fates = session.role.publish(&session, &parcels) => fates,
                () = stop.overdue() => return Err(Error::Stopped),
            };
            drop(parcels);
            let mut left: Vec<(&Outgoing, Fate)> = now.into_iter().zip(fates).collect();
            left.retain(|(_, fate)| !matches!(fate, Fate::Confirmed));
            let complaint = tokio::select! {
                complaint = self.complaint(&session, &left) => complaint,
                () = stop.overdue() => return Err(Error::Stopped),
            };
            pending = left.into_iter().map(|(message, _)| message).chain(later).collect();
            if let Some(complaint) = complaint {
                let kind = if complaint.early { &mut waits } else { &mut complaints };
                kind.insert(complaint.sentence.clone());
                // Several batches may be refused for one reason.
                let first = lock(&self.0.said).insert(complaint.sentence.clone());
                if first && complaint.early {
                    info!("waiting: {}", complaint.sentence);
                } else if first {
                    warn!(
                        "RabbitMQ at {endpoint} did not accept {} message(s): {}; retrying",
                        pending.len(),
                        complaint.sentence
                    );
                }
                max = complaint.max.unwrap_or(max);
                let after = if too_large { LONGEST } else { backoff.next() };
                tokio::select! {
                    () = tokio::time::sleep(after) => {}
                    () = stop.overdue() => return Err(Error::Stopped),
                }
            }
        }
        part.iter().for_each(|message| self.0.published.add(message.role));
        let mut said = lock(&self.0.said);
        waits.iter().for_each(|wait| _ = said.remove(wait));
        if complaints.iter().filter(|complaint| said.remove(*complaint)).count() > 0 {
            info!("RabbitMQ at {endpoint} accepted the messages after all");
        }
        Ok(())
    }

    fn parcel<'a>(&'a self, message: &'a Outgoing) -> Parcel<'a> {
        let by_name = self.by_name(message.role).load(Ordering::Relaxed);
        Parcel {
            exchange: if by_name { "" } else { EXCHANGE },
            routing_key: self.0.endpoint.queues().name(message.role).as_str(),
            body: &message.body,
            properties: properties(message),
            mandatory: true,
        }
    }

    fn by_name(&self, role: Role) -> &AtomicBool {
        let index = Role::ALL.iter().position(|other| *other == role).unwrap_or_default();
        &self.0.by_name[index]
    }

    /// What people should know of the messages that were not taken, after mending what can be mended. None where the
    /// session ended, which is said by whoever keeps it.
    async fn complaint(&self, session: &Session<Lanes>, left: &[(&Outgoing, Fate)]) -> Option<Complaint> {
        let endpoint = &self.0.endpoint;
        let (message, fate) = left.iter().find(|(_, fate)| !matches!(fate, Fate::Lost))?;
        let queue = endpoint.queues().name(message.role);
        let later = |sentence| Some(Complaint { sentence, max: None, early: false });
        match fate {
            Fate::Confirmed | Fate::Lost => None,
            Fate::Full => later(format!("queue {queue} is full or unavailable")),
            Fate::Returned => match topology::route(&session.role.connection, endpoint, queue).await {
                Ok(topology::Route::Bound) => {
                    self.0.stand_in.found(message.role);
                    later(format!("queue {queue} was not bound to {EXCHANGE}; it is now"))
                }
                Ok(topology::Route::Missing) => {
                    let returned = left.iter().filter(|(_, fate)| matches!(fate, Fate::Returned));
                    let roles: HashSet<Role> = returned.map(|(message, _)| message.role).collect();
                    let mut complaint = None;
                    // All of them, so that their consumers' time runs at once.
                    for role in roles {
                        match self.missing(session, role).await {
                            Ok(missing) => complaint = complaint.or(missing),
                            Err(why) => session.fail(why),
                        }
                    }
                    complaint
                }
                Ok(topology::Route::ByName) if self.0.not_by_name.load(Ordering::Relaxed) => later(format!(
                    "queue {queue} is not bound to {EXCHANGE}, and this user may neither bind it nor publish to it directly: have an administrator run `pipeline topology`"
                )),
                Ok(topology::Route::ByName) => {
                    self.by_name(message.role).store(true, Ordering::Relaxed);
                    later(format!(
                        "queue {queue} is not bound to {EXCHANGE}, and this user may not bind it; publishing to the queue directly"
                    ))
                }
                Err(why) => {
                    session.fail(why);
                    None
                }
            },
            Fate::Closed(code, text) => {
                let by_name = self.by_name(message.role);
                let exchange = if by_name.load(Ordering::Relaxed) { "" } else { EXCHANGE };
                let refusal = endpoint
                    .refused(&Operation::Publish { exchange }, &Answer { code: *code, text: text.clone() });
                match refusal.kind {
                    Kind::TooLarge { max } => {
                        let largest =
                            left.iter().map(|(message, _)| message.body.len()).max().unwrap_or_default();
                        let sentence = format!(
                            "a message of {largest} bytes for {queue} is larger than the broker's limit of {max}: raise max_message_size on the broker"
                        );
                        Some(Complaint { sentence, max: Some(max), early: false })
                    }
                    Kind::Missing => {
                        if let Err(why) =
                            topology::exchange(&session.role.connection, endpoint, EXCHANGE).await
                        {
                            return later(why.to_string());
                        }
                        None
                    }
                    Kind::NoRight if exchange.is_empty() => {
                        by_name.store(false, Ordering::Relaxed);
                        self.0.not_by_name.store(true, Ordering::Relaxed);
                        None
                    }
                    _ => later(refusal.sentence),
                }
            }
        }
    }

    /// What is to be said of a role's queue where it is missing. None where it is there, or was made now.
    async fn missing(&self, session: &Session<Lanes>, role: Role) -> Result<Option<Complaint>, Failure> {
        let Inner { endpoint, stand_in, .. } = &*self.0;
        let connection = &session.role.connection;
        if topology::look(connection, endpoint, endpoint.queues().name(role)).await?.is_some() {
            stand_in.found(role);
            return Ok(None);
        }
        if stand_in.missed(connection, endpoint, role).await? {
            return Ok(None);
        }
        let (queue, whose) = (endpoint.queues().name(role), owner(role));
        let sentence = format!("queue {queue} does not exist yet: {whose}, its consumer, creates it");
        Ok(Some(Complaint { sentence, max: None, early: true }))
    }

    /// Waits until messages of a role have a queue to go to, at least for some time.
    pub(in crate::transport) async fn has_place(&self, role: Role) -> Result<(), Error> {
        let Inner { link, endpoint, .. } = &*self.0;
        loop {
            let session = link.session().await?;
            match self.missing(&session, role).await {
                // Without any right on it nobody can look; whoever publishes finds out.
                Ok(None) | Err(Failure::Refused(_)) => return Ok(()),
                Ok(Some(complaint)) => {
                    endpoint.once(&complaint.sentence, || info!("waiting: {}", complaint.sentence));
                    tokio::select! {
                        () = tokio::time::sleep(LOOK) => {}
                        () = self.0.stop.overdue() => return Err(Error::Stopped),
                    }
                }
                Err(why) => session.fail(why),
            }
        }
    }

    pub(in crate::transport) fn replies(&self) -> Replies {
        Replies::start(Arc::clone(&self.0.link), self.0.endpoint.clone())
    }

    pub(in crate::transport) fn queues(&self) -> &Queues {
        self.0.endpoint.queues()
    }

    pub(in crate::transport) fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Waits for a connection.
    pub(super) async fn session(&self) -> Result<Arc<Session<Lanes>>, Error> {
        self.0.link.session().await
    }

    pub(in crate::transport) async fn close(&self) {
        self.0.link.close().await;
    }
}

impl Lanes {
    async fn publish(&self, session: &Session<Self>, parcels: &[Parcel<'_>]) -> Vec<Fate> {
        let lane = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
        self.lanes[lane].publish(session, &self.connection, parcels, None).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn open_lanes(
    connection: Arc<Connection>,
    endpoint: Endpoint,
    published: Arc<Published>,
) -> Result<Lanes, Failure> {
    topology::exchange(&connection, &endpoint, EXCHANGE).await?;
    let mut lanes = Vec::with_capacity(LANES);
    for _ in 0..LANES {
        lanes.push(Lane::open(&connection).await?);
    }
    let (letters, aside, replies) = (Lane::default(), Lane::default(), Lane::default());
    let unread = Unread::watch(Arc::clone(&connection), endpoint, published);
    Ok(Lanes { connection, lanes, letters, aside, replies, next: AtomicUsize::new(0), _unread: unread })
}
