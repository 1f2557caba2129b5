//! Keeps one connection to the broker alive: opens it, watches it, and after any failure opens the next one.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use lapin::protocol::AMQPErrorKind;
use lapin::{Connection, ConnectionStatus, ErrorKind, Event};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info, info_span, warn};

use super::dial::{self, Round};
use super::endpoint::Endpoint;
use super::guard::watch::Watch;
use super::topology::Failure;
use crate::metrics::{Counter, Gauge};
use crate::printable::within;
use crate::readiness::{Condition, Readiness};
use crate::stop::Stop;
use crate::telemetry::SPANS;
use crate::transport::{Error, connection_condition};

static RECONNECTS: Counter<2> = Counter::new(
    "pipeline_reconnects_total",
    "Connections to RabbitMQ that were lost and are opened again.",
    ["service", "purpose"],
);
static FAILURES: Counter<2> = Counter::new(
    "pipeline_connect_failures_total",
    "Tries to open a connection to RabbitMQ that failed.",
    ["service", "purpose"],
);
static BLOCKED: Gauge<2> = Gauge::new(
    "pipeline_connection_blocked",
    "1 while RabbitMQ takes no messages on this connection, for want of memory or disk; else 0.",
    ["service", "purpose"],
);

/// How long a single call to the broker may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// How long closing may take. A connection that the broker blocks would close never.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// How often the connection's state is looked at, besides the events it reports.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// The longest wait between two rounds over the broker's addresses. With it a service is back within 5 s of the broker.
const LONGEST_WAIT: Duration = Duration::from_millis(1500);
/// The wait after a refusal, which passes when a person has acted.
const AFTER_REFUSAL: Duration = Duration::from_secs(3);
/// A session that lived for less did not work, and must not be met with a storm of connections.
const WORKED: Duration = Duration::from_secs(1);
/// How long the guard may read nothing because too many bytes are held. RabbitMQ ends a connection that takes nothing
/// for 30 s.
const LONGEST_HOLD: Duration = Duration::from_secs(25);

/// The longest reason that is shown, in characters. A command to be pasted may be in it.
const LONGEST_REASON: usize = 1500;

/// Runs `call`, but no longer than [`DEADLINE`].
pub(super) async fn in_time<T>(
    what: &str,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Failure> {
    match timeout(DEADLINE, call).await {
        Ok(result) => result.map_err(|why| failed(what, &why)),
        Err(_) => Err(Failure::Unreachable(format!("{what}: no answer within {DEADLINE:?}"))),
    }
}

fn failed(what: &str, why: &lapin::Error) -> Failure {
    Failure::Unreachable(format!("{what}: {}", shown(&why.to_string())))
}

/// The same, but as long as bytes come, there is time: on a slow link, the answer waits behind a large message.
pub(super) async fn while_bytes_come<T>(
    watch: &Watch,
    what: &str,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Failure> {
    let mut call = std::pin::pin!(call);
    loop {
        let before = watch.bytes_read();
        match timeout(DEADLINE, &mut call).await {
            Ok(result) => return result.map_err(|why| failed(what, &why)),
            // A heartbeat is no progress.
            Err(_) if watch.bytes_read() > before + 64 => {}
            Err(_) => return Err(Failure::Unreachable(format!("{what}: no answer within {DEADLINE:?}"))),
        }
    }
}

/// A connection that is up, with what its role opened on it.
pub(super) struct Session<S> {
    pub(super) role: S,
    pub(super) status: ConnectionStatus,
    pub(super) watch: Arc<Watch>,
    /// Cancelled when the session is unusable.
    pub(super) ended: CancellationToken,
    reason: OnceLock<String>,
}

impl<S> Session<S> {
    pub(super) fn of(connection: &Connection, watch: &Arc<Watch>, role: S) -> Self {
        Self {
            role,
            status: connection.status().clone(),
            watch: Arc::clone(watch),
            ended: CancellationToken::new(),
            reason: OnceLock::new(),
        }
    }

    /// Declares the session unusable. The link opens the next one.
    pub(super) fn fail(&self, reason: impl fmt::Display) {
        _ = self.reason.set(shown(&reason.to_string()));
        self.ended.cancel();
    }

    /// Resolves when the session is unusable.
    pub(super) async fn failed(&self) {
        self.ended.cancelled().await;
    }

    pub(super) fn is_up(&self) -> bool {
        !self.ended.is_cancelled()
    }
}

enum State<S> {
    Down,
    Up(Arc<Session<S>>),
    Refused(Error),
}

/// The handle to a connection that is kept alive in the background until [`Link::close`].
pub(super) struct Link<S> {
    state: watch::Receiver<State<S>>,
    stop: Stop,
    close: CancellationToken,
    keeper: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl<S: Send + Sync + 'static> Link<S> {
    /// Starts to connect. `purpose` completes "connected to RabbitMQ, ..."; `open` makes the role's channels.
    pub(super) fn keep<F>(
        endpoint: Endpoint,
        app: &'static str,
        purpose: String,
        stop: Stop,
        readiness: &Readiness,
        open: impl Fn(Arc<Connection>, Arc<Watch>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<S, Failure>> + Send,
    {
        let (sender, state) = watch::channel(State::Down);
        let close = CancellationToken::new();
        let keeper = SessionKeeper {
            ready: connection_condition(readiness, &purpose),
            endpoint,
            app,
            purpose,
            state: sender,
            close: close.clone(),
        };
        let span = info_span!(
            target: SPANS, "connection",
            service = app, purpose = %keeper.purpose, broker = %keeper.endpoint
        );
        let keeper = tokio::spawn(async move { keeper.run(open).await }.instrument(span));
        Self { state, stop, close, keeper: tokio::sync::Mutex::new(Some(keeper)) }
    }

    /// Waits for a usable session.
    pub(super) async fn session(&self) -> Result<Arc<Session<S>>, Error> {
        let mut state = self.state.clone();
        let usable = state.wait_for(|state| match state {
            State::Down => false,
            State::Up(session) => session.is_up(),
            State::Refused(_) => true,
        });
        let state = tokio::select! {
            state = usable => state.map_err(|_| Error::Stopped)?,
            () = self.stop.overdue() => return Err(Error::Stopped),
        };
        match &*state {
            State::Up(session) => Ok(Arc::clone(session)),
            State::Refused(error) => Err(error.clone()),
            State::Down => unreachable!("waited for another state"),
        }
    }

    /// Whether there is a usable session now that the broker does not block.
    pub(super) fn is_taking(&self) -> bool {
        match &*self.state.borrow() {
            State::Up(session) => session.is_up() && !session.status.blocked(),
            State::Down | State::Refused(_) => false,
        }
    }

    /// Closes the connection and waits until that is done, or its deadline over.
    pub(super) async fn close(&self) {
        self.close.cancel();
        if let Some(keeper) = self.keeper.lock().await.take() {
            _ = keeper.await;
        }
    }
}

impl<S> fmt::Debug for Link<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl<S> Drop for Link<S> {
    fn drop(&mut self) {
        self.close.cancel();
    }
}

struct SessionKeeper<S> {
    endpoint: Endpoint,
    app: &'static str,
    purpose: String,
    ready: Condition,
    state: watch::Sender<State<S>>,
    close: CancellationToken,
}

impl<S: Send + Sync + 'static> SessionKeeper<S> {
    async fn run<F>(self, open: impl Fn(Arc<Connection>, Arc<Watch>) -> F)
    where
        F: Future<Output = Result<S, Failure>>,
    {
        RECONNECTS.add([self.app, &self.purpose], 0);
        FAILURES.add([self.app, &self.purpose], 0);
        self.set_blocked(false);
        let mut backoff = Backoff::new(Duration::from_millis(100), LONGEST_WAIT);
        let mut round = Round::default();
        let mut outage = Outage::default();
        loop {
            let opened = tokio::select! {
                opened = self.open(&open, &mut round) => opened,
                () = self.close.cancelled() => return,
            };
            let pause = match opened {
                Ok((connection, watch, role)) => {
                    let opened = Instant::now();
                    let after = outage.over();
                    let Some(reason) = self.watch(&connection, &watch, role, after).await else {
                        close(&connection).await;
                        return watch.give_up();
                    };
                    if opened.elapsed() >= WORKED {
                        backoff.reset();
                    }
                    warn!("lost RabbitMQ at {}, {}: {reason}; reconnecting", self.endpoint, self.purpose);
                    RECONNECTS.add([self.app, &self.purpose], 1);
                    outage.begin();
                    round.restart();
                    // In the background: the dead connection must not hold up the next one.
                    let ended = Arc::clone(&watch);
                    tokio::spawn(async move {
                        close(&connection).await;
                        ended.give_up();
                    });
                    tokio::select! {
                        () = self.until_let_go(&watch) => {}
                        () = self.close.cancelled() => return,
                    }
                    Some(backoff.next())
                }
                Err(Failure::Lasting(error)) => {
                    self.state.send_replace(State::Refused(error));
                    return;
                }
                Err(failure) => {
                    FAILURES.add([self.app, &self.purpose], 1);
                    outage.begin();
                    outage.say(&self.endpoint, &self.purpose, &failure);
                    // Inside a round there is no pause: the next address may be fine.
                    round.is_over().then(|| match failure {
                        Failure::Refused(_) => AFTER_REFUSAL,
                        _ => backoff.next(),
                    })
                }
            };
            let Some(pause) = pause else { continue };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.close.cancelled() => return,
            }
        }
    }

    async fn open<F>(
        &self,
        open: impl Fn(Arc<Connection>, Arc<Watch>) -> F,
        round: &mut Round,
    ) -> Result<(Arc<Connection>, Arc<Watch>, S), Failure>
    where
        F: Future<Output = Result<S, Failure>>,
    {
        let name = format!("{}, {}", self.app, self.purpose);
        let (connection, watch) = dial::connect(&self.endpoint, round, &name).await?;
        let connection = Arc::new(connection);
        match open(Arc::clone(&connection), Arc::clone(&watch)).await {
            Ok(role) => Ok((connection, watch, role)),
            Err(failure) => {
                close(&connection).await;
                watch.give_up();
                Err(failure)
            }
        }
    }

    /// Waits until what a lost connection has delivered is let go of, where that is so much that another connection's
    /// share would be too much besides.
    async fn until_let_go(&self, watch: &Watch) {
        let held = watch.held();
        if held <= dial::BUDGET / 2 {
            return;
        }
        warn!(
            "{held} bytes of received messages are still being processed, {}; taking no more until they are done",
            self.purpose
        );
        while watch.held() > dial::BUDGET / 2 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Offers the session until it fails, and returns why; or nothing when the link is to be closed.
    async fn watch(
        &self,
        connection: &Connection,
        watch: &Arc<Watch>,
        role: S,
        outage: Option<Duration>,
    ) -> Option<String> {
        let events = connection.events_listener();
        let session = Arc::new(Session::of(connection, watch, role));
        self.state.send_replace(State::Up(Arc::clone(&session)));
        self.ready.set(true);
        let Self { endpoint, purpose, .. } = self;
        match outage {
            None => info!("connected to RabbitMQ at {endpoint}, {purpose}"),
            Some(time) => {
                info!("connected to RabbitMQ at {endpoint}, {purpose}, after {:.1} s", time.as_secs_f64());
            }
        }
        let reason = tokio::select! {
            () = session.failed() => {
                Some(session.reason.get().cloned().unwrap_or_else(|| "closed".to_owned()))
            }
            why = self.broken(connection, watch, events) => { session.fail(&why); Some(why) }
            () = self.close.cancelled() => None,
        };
        self.ready.set(false);
        self.state.send_replace(State::Down);
        reason
    }

    fn set_blocked(&self, blocked: bool) {
        BLOCKED.set([self.app, &self.purpose], f64::from(u8::from(blocked)));
    }

    /// Resolves with the reason when the connection breaks. Reports on the way when the broker blocks it.
    async fn broken(
        &self,
        connection: &Connection,
        watch: &Watch,
        events: impl Stream<Item = Event>,
    ) -> String {
        let mut events = std::pin::pin!(events);
        let mut look = tokio::time::interval(WATCH_EVERY);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = look.tick() => {
                    if watch.choked().is_some_and(|time| time >= LONGEST_HOLD) {
                        return format!("{} bytes of its messages are still waiting to be processed", watch.held());
                    }
                    if connection.status().connected() {
                        continue;
                    }
                    None
                }
            };
            match event {
                Some(Event::ConnectionBlocked(why)) => {
                    self.set_blocked(true);
                    warn!(
                        "RabbitMQ at {} blocks publishing ({}); waiting until it accepts messages again",
                        self.endpoint,
                        shown(&why.to_string())
                    );
                }
                Some(Event::ConnectionUnblocked) => {
                    self.set_blocked(false);
                    info!("RabbitMQ at {} accepts messages again", self.endpoint);
                }
                // A channel that the broker has closed is its user's affair.
                Some(Event::Error(why)) if is_of_a_channel(&why) && connection.status().connected() => {}
                Some(Event::Error(why)) => {
                    self.set_blocked(false);
                    return watch
                        .broken()
                        .map_or_else(|| shown(&why.to_string()), |broken| broken.to_string());
                }
                Some(_) => {}
                None => {
                    self.set_blocked(false);
                    return "connection closed".to_owned();
                }
            }
        }
    }
}

async fn close(connection: &Connection) {
    if connection.status().connected() {
        _ = timeout(CLOSE_DEADLINE, connection.close(200, "bye".into())).await;
    }
}

/// What went wrong, as it may stand in the log: some of the words are the broker's.
fn shown(why: &str) -> String {
    within(why, LONGEST_REASON)
}

fn is_of_a_channel(why: &lapin::Error) -> bool {
    match why.kind() {
        ErrorKind::ProtocolError(error) => matches!(error.kind(), AMQPErrorKind::Soft(_)),
        _ => false,
    }
}

/// What is said of a time without a session.
#[derive(Default)]
struct Outage {
    since: Option<Instant>,
    /// Whether it was said that nobody answers.
    silent: bool,
    /// The refusals that were said.
    refusals: HashSet<String>,
}

impl Outage {
    fn begin(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// It is over. Returns how long it was.
    fn over(&mut self) -> Option<Duration> {
        std::mem::take(self).since.map(|since| since.elapsed())
    }

    /// Says each thing once: that there is no broker, and each other thing that it answers.
    fn say(&mut self, endpoint: &Endpoint, purpose: &str, failure: &Failure) {
        let said = shown(&failure.to_string());
        match failure {
            Failure::Refused(_) if self.refusals.insert(said.clone()) => {
                warn!("RabbitMQ at {endpoint} refuses access, {purpose}: {said}; retrying");
            }
            Failure::Unreachable(_) if !self.silent => {
                warn!("cannot reach RabbitMQ at {endpoint}, {purpose}: {said}; retrying");
                self.silent = true;
            }
            _ => tracing::debug!("still no session with RabbitMQ at {endpoint}: {said}"),
        }
    }
}

/// Waiting times that double from the first to the last, with full jitter, so that services that lost the same
/// broker do not come back in step.
pub(super) struct Backoff {
    first: Duration,
    last: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, last: Duration) -> Self {
        Self { first, last, next: first }
    }

    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }

    pub(super) fn next(&mut self) -> Duration {
        let ceiling = self.next;
        self.next = (ceiling * 2).min(self.last);
        // Never less than half of the first, so that a broker that refuses at once is not stormed.
        ceiling.mul_f64(rand::random::<f64>()).max(self.first / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_end_and_starts_again() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut ceiling = 100;
        for _ in 0..10 {
            let time = backoff.next();
            assert!(time >= Duration::from_millis(50) && time <= Duration::from_millis(ceiling), "{time:?}");
            ceiling = (ceiling * 2).min(5000);
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(100));
    }
}
