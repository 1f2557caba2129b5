//! Publishes dead letters, on a channel of their own, until each is safe in its queue.
//!
//! Letters never hold up what is good: whoever rejects a delivery sets it aside, hands its letter over, and goes on. What
//! to do with a letter that is not taken is decided in `attempts`; here it is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::{info, warn};

use super::attempts::{Attempts, LONGEST, Next, Tried};
use super::endpoint::Endpoint;
use super::lane::{Fate, MOST_BYTES, MOST_MESSAGES};
use super::link::{Link, Session};
use super::publisher::Lanes;
use super::refusal::{Kind, Operation};
use super::topology::{self, Answer};
use crate::metrics::Gauge;
use crate::readiness::Condition;
use crate::transport::queues::DEAD_EXCHANGE;
use crate::transport::{Burial, DeadLetter};

static PARKED: Gauge<1> = Gauge::new(
    "pipeline_dead_letters_parked",
    "Dead letters that RabbitMQ does not take now. Their messages stay in their queue, and each is tried again.",
    ["service"],
);

/// How many letters may be parked before nothing more is taken.
pub(super) const MOST_PARKED: usize = 1000;
/// How many bytes of body parked letters keep, all together. What is beyond that is let go of, and its message given
/// back when its turn comes: it is still in its queue.
const KEPT_WHILE_PARKED: usize = 8 * 1024 * 1024;
/// How long a letter may be under way while others wait for it.
const UNDER_WAY: Duration = Duration::from_secs(30);
/// How often it is looked whether deliveries come again by themselves.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A letter that is not safe yet.
pub(super) struct Grave {
    letter: DeadLetter,
    attempts: Attempts,
    due: Instant,
    /// Whether its body was let go of.
    emptied: bool,
    burial: oneshot::Sender<Burial>,
}

impl Grave {
    pub(super) fn new(letter: DeadLetter, burial: oneshot::Sender<Burial>) -> Self {
        Self { letter, attempts: Attempts::default(), due: Instant::now(), emptied: false, burial }
    }

    fn bytes(&self) -> usize {
        self.letter.body_len(self.attempts.form)
    }
}

/// Starts to publish the letters that come in, until nobody can send any.
pub(super) fn start(
    link: Arc<Link<Lanes>>,
    endpoint: Endpoint,
    app: &'static str,
    incoming: mpsc::UnboundedReceiver<Grave>,
    parked: Arc<AtomicUsize>,
    room: Condition,
) -> AbortHandle {
    set_parked(app, 0);
    let undertaker = Undertaker { link, endpoint, app, incoming, graves: Vec::new(), parked, room };
    tokio::spawn(undertaker.run()).abort_handle()
}

struct Undertaker {
    link: Arc<Link<Lanes>>,
    endpoint: Endpoint,
    app: &'static str,
    incoming: mpsc::UnboundedReceiver<Grave>,
    graves: Vec<Grave>,
    parked: Arc<AtomicUsize>,
    room: Condition,
}

impl Undertaker {
    async fn run(mut self) {
        let mut before: Option<Arc<Session<Lanes>>> = None;
        loop {
            self.forget_overtaken();
            let due = self.graves.iter().map(|grave| grave.due).min();
            tokio::select! {
                received = self.incoming.recv() => match received {
                    Some(grave) => self.graves.push(grave),
                    None => return,
                },
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                () = tokio::time::sleep(LOOK_EVERY), if due.is_some() => {}
            }
            while let Ok(grave) = self.incoming.try_recv() {
                self.graves.push(grave);
            }
            let Ok(session) = self.link.session().await else { return };
            self.forget_overtaken();
            if before.as_ref().is_none_or(|before| !Arc::ptr_eq(before, &session)) {
                // Whatever was in the way may be gone.
                self.graves.iter_mut().for_each(|grave| grave.due = Instant::now());
                before = Some(Arc::clone(&session));
            }
            let batch = self.batch();
            if !batch.is_empty() {
                self.publish(&session, batch).await;
            }
        }
    }

    /// Lets go of letters whose delivery comes again: its connection has ended.
    fn forget_overtaken(&mut self) {
        let now = Instant::now();
        let (back, stay): (Vec<Grave>, _) = self.graves.drain(..).partition(|grave| {
            grave.letter.content().session.is_cancelled() || (grave.emptied && grave.due <= now)
        });
        self.graves = stay;
        self.count();
        for grave in back {
            _ = grave.burial.send(Burial::GivenBack);
        }
    }

    /// What to publish together now: what fits onto a channel, or one letter that must go alone. Parked ones come last.
    fn batch(&mut self) -> Vec<Grave> {
        let now = Instant::now();
        self.graves.sort_by_key(|grave| (grave.attempts.parked, grave.due));
        let mut chosen: Vec<usize> = Vec::new();
        let mut bytes = 0;
        for (index, grave) in self.graves.iter().enumerate().filter(|(_, grave)| grave.due <= now) {
            let alone = grave.attempts.alone || bytes + grave.bytes() > MOST_BYTES;
            if !chosen.is_empty() && (alone || chosen.len() == MOST_MESSAGES) {
                break;
            }
            bytes += grave.bytes();
            chosen.push(index);
            if grave.attempts.alone {
                break;
            }
        }
        // In one go: there may be thousands.
        let (mut batch, mut stay) = (Vec::with_capacity(chosen.len()), Vec::with_capacity(self.graves.len()));
        for (index, grave) in self.graves.drain(..).enumerate() {
            if chosen.binary_search(&index).is_ok() { &mut batch } else { &mut stay }.push(grave);
        }
        self.graves = stay;
        batch
    }

    async fn publish(&mut self, session: &Session<Lanes>, batch: Vec<Grave>) {
        let lanes = &session.role;
        let parcels: Vec<_> = batch.iter().map(|grave| grave.letter.parcel(grave.attempts.form)).collect();
        let fates = lanes.letters.publish(session, &lanes.connection, &parcels, Some(UNDER_WAY)).await;
        drop(parcels);
        let (mut healed, mut safe) = (false, Vec::new());
        let mut kept: usize =
            self.graves.iter().filter(|grave| grave.attempts.parked).map(Grave::bytes).sum();
        for (mut grave, fate) in batch.into_iter().zip(fates) {
            let (tried, said) = self.tried(fate);
            if tried == Tried::Refused && !healed && session.is_up() {
                healed = true;
                // Where we may, the queue of the dead letters is made anew.
                if let Err(why) =
                    topology::dead_letters(&lanes.connection, &self.endpoint, &grave.letter.subscription)
                        .await
                {
                    tracing::debug!("{why}");
                }
            }
            let was_parked = grave.attempts.parked;
            let letter = &grave.letter;
            match grave.attempts.tried(tried, |form| letter.body_len(form)) {
                Next::Done => {
                    if was_parked {
                        info!("published the dead letter of {} at last", grave.letter.summary());
                    }
                    safe.push(grave.burial);
                }
                Next::Again(after) => {
                    if grave.attempts.parked && !was_parked {
                        warn!(
                            "cannot publish the dead letter of {}: {said}; retrying at least every {LONGEST:?}. Other messages go on; this one stays in its queue until then",
                            grave.letter.summary()
                        );
                        kept += grave.bytes();
                        if kept > KEPT_WHILE_PARKED {
                            grave.emptied = true;
                            grave.letter.forget_content();
                        }
                    }
                    grave.due = Instant::now() + after;
                    self.graves.push(grave);
                }
            }
        }
        // Before whoever waits is told, so that it finds the new count.
        self.count();
        for burial in safe {
            _ = burial.send(Burial::Confirmed);
        }
    }

    /// What a fate means, and what people should know of it.
    fn tried(&self, fate: Fate) -> (Tried, String) {
        match fate {
            Fate::Confirmed => (Tried::Confirmed, String::new()),
            Fate::Full => (Tried::Refused, "its queue is full or unavailable".to_owned()),
            Fate::Returned => (Tried::Refused, format!("no queue is bound to {DEAD_EXCHANGE} for it")),
            Fate::Lost => (Tried::Lost, "the connection ended each time".to_owned()),
            Fate::Closed(code, text) => {
                let operation = Operation::Publish { exchange: DEAD_EXCHANGE };
                let refusal = self.endpoint.refused(&operation, &Answer { code, text });
                let tried = match refusal.kind {
                    Kind::TooLarge { max } => Tried::TooLarge(max),
                    Kind::Missing | Kind::NoRight => Tried::Refused,
                    _ => Tried::Lost,
                };
                (tried, refusal.sentence)
            }
        }
    }

    /// Tells how many are parked.
    fn count(&self) {
        let parked = self.graves.iter().filter(|grave| grave.attempts.parked).count();
        if self.parked.swap(parked, Ordering::Relaxed) != parked {
            set_parked(self.app, parked);
            self.room.set(parked < MOST_PARKED);
        }
    }
}

fn set_parked(service: &str, count: usize) {
    PARKED.set([service], count as f64);
}
