//! Keeps one connection to the broker alive: opens it, watches it, and after any failure opens the next one.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use lapin::{Channel, Connection, ConnectionProperties, ConnectionStatus, Event};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::endpoint::{Endpoint, Target};
use super::topology::{self, Failure};
use crate::readiness::{Condition, Readiness};
use crate::stop::Stop;
use crate::transport::{Error, connection_condition};

/// How long a single call to the broker may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// How long closing may take. A connection that the broker blocks would close never.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// How often the connection's state is looked at, besides the events it reports.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// The longest wait between two tries. With it a service is back within 5 s of the broker.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// A session that lived for less did not work: a message that the client cannot even parse ends each session
/// at its first delivery, and must not be met with a storm of connections.
const WORKED: Duration = Duration::from_secs(1);

/// Runs `call`, but no longer than [`DEADLINE`].
pub(super) async fn in_time<T>(
    what: &str,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Failure> {
    match timeout(DEADLINE, call).await {
        Ok(result) => result.map_err(|why| Failure::Passing(format!("{what}: {why}"))),
        Err(_) => Err(Failure::Passing(format!("{what}: no answer within {DEADLINE:?}"))),
    }
}

/// A connection that is up, with what its role opened on it.
pub(super) struct Session<S> {
    pub(super) role: S,
    pub(super) status: ConnectionStatus,
    ended: CancellationToken,
    reason: OnceLock<String>,
}

impl<S> Session<S> {
    /// Declares the session unusable. The link opens the next one.
    pub(super) fn fail(&self, reason: impl fmt::Display) {
        _ = self.reason.set(reason.to_string());
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
        open: impl Fn(Arc<Connection>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<S, Failure>> + Send,
    {
        let (sender, state) = watch::channel(State::Down);
        let close = CancellationToken::new();
        let keeper = Keeper {
            ready: connection_condition(readiness, &purpose),
            endpoint,
            app,
            purpose,
            state: sender,
            close: close.clone(),
        };
        let keeper = tokio::spawn(async move { keeper.run(open).await });
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

struct Keeper<S> {
    endpoint: Endpoint,
    app: &'static str,
    purpose: String,
    ready: Condition,
    state: watch::Sender<State<S>>,
    close: CancellationToken,
}

impl<S: Send + Sync + 'static> Keeper<S> {
    async fn run<F>(self, open: impl Fn(Arc<Connection>) -> F)
    where
        F: Future<Output = Result<S, Failure>>,
    {
        let mut backoff = Backoff::new(Duration::from_millis(100), LONGEST_WAIT);
        let mut outage: Option<Instant> = None;
        loop {
            let opened = tokio::select! {
                opened = self.open(&open) => opened,
                () = self.close.cancelled() => return,
            };
            match opened {
                Ok((connection, role)) => {
                    let opened = Instant::now();
                    let after = outage.take().map(|since| since.elapsed());
                    let reason = match self.watch(&connection, role, after).await {
                        Some(reason) => reason,
                        None => return close(&connection).await,
                    };
                    if opened.elapsed() >= WORKED {
                        backoff.reset();
                    }
                    warn!("lost RabbitMQ at {}, {}: {reason}; reconnecting", self.endpoint, self.purpose);
                    metrics::counter!("pipeline_reconnects_total", "service" => self.app, "purpose" => self.purpose.clone()).increment(1);
                    outage = Some(Instant::now());
                    // In the background: the dead connection must not hold up the next one.
                    tokio::spawn(async move { close(&connection).await });
                }
                Err(Failure::Lasting(error)) => {
                    self.state.send_replace(State::Refused(error));
                    return;
                }
                Err(Failure::Passing(why)) => {
                    metrics::counter!("pipeline_connect_failures_total", "service" => self.app, "purpose" => self.purpose.clone()).increment(1);
                    if outage.is_none() {
                        outage = Some(Instant::now());
                        warn!(
                            "no RabbitMQ at {}, {}: {why}; trying until there is",
                            self.endpoint, self.purpose
                        );
                    } else {
                        tracing::debug!("still no RabbitMQ at {}: {why}", self.endpoint);
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next()) => {}
                () = self.close.cancelled() => return,
            }
        }
    }

    async fn open<F>(&self, open: impl Fn(Arc<Connection>) -> F) -> Result<(Arc<Connection>, S), Failure>
    where
        F: Future<Output = Result<S, Failure>>,
    {
        let Target { uri, tls } =
            self.endpoint.target().map_err(|why| Failure::Passing(format!("{why:#}")))?;
        let name = format!("{}, {}", self.app, self.purpose);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let runtime = lapin::runtime::default_runtime().map_err(|why| Failure::Passing(why.to_string()))?;
        let connecting = Connection::connect_uri_with_config(uri, properties, tls, runtime);
        let connection = Arc::new(in_time("connecting", connecting).await?);
        let prepared = async {
            let channel = in_time("opening a channel", connection.create_channel()).await?;
            match timeout(DEADLINE, topology::declare(&channel, &self.endpoint)).await {
                Ok(declared) => declared?,
                Err(_) => {
                    let why = format!("declaring the queues: no answer within {DEADLINE:?}");
                    return Err(Failure::Passing(why));
                }
            }
            in_time("closing a channel", channel.close(200, "declared".into())).await?;
            open(Arc::clone(&connection)).await
        };
        match prepared.await {
            Ok(role) => Ok((connection, role)),
            Err(failure) => {
                close(&connection).await;
                Err(failure)
            }
        }
    }

    /// Offers the session until it fails, and returns why; or nothing when the link is to be closed.
    async fn watch(&self, connection: &Connection, role: S, outage: Option<Duration>) -> Option<String> {
        let events = connection.events_listener();
        let session = Arc::new(Session {
            role,
            status: connection.status().clone(),
            ended: CancellationToken::new(),
            reason: OnceLock::new(),
        });
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
            why = self.broken(connection, events) => { session.fail(&why); Some(why) }
            () = self.close.cancelled() => None,
        };
        self.ready.set(false);
        self.state.send_replace(State::Down);
        reason
    }

    /// Resolves with the reason when the connection breaks. Reports on the way when the broker blocks it.
    async fn broken(&self, connection: &Connection, events: impl Stream<Item = Event>) -> String {
        let purpose = self.purpose.clone();
        let blocked =
            metrics::gauge!("pipeline_connection_blocked", "service" => self.app, "purpose" => purpose);
        let mut events = std::pin::pin!(events);
        let mut look = tokio::time::interval(WATCH_EVERY);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = look.tick() => {
                    if connection.status().connected() {
                        continue;
                    }
                    None
                }
            };
            match event {
                Some(Event::ConnectionBlocked(why)) => {
                    blocked.set(1.0);
                    warn!(
                        "RabbitMQ at {} takes no messages now ({why}); waiting until it does",
                        self.endpoint
                    );
                }
                Some(Event::ConnectionUnblocked) => {
                    blocked.set(0.0);
                    info!("RabbitMQ at {} takes messages again", self.endpoint);
                }
                Some(Event::Error(why)) => {
                    blocked.set(0.0);
                    return why.to_string();
                }
                Some(_) => {}
                None => {
                    blocked.set(0.0);
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

/// Opens a channel that waits for confirms.
pub(super) async fn confirming_channel(connection: &Connection) -> Result<Channel, Failure> {
    let channel = in_time("opening a channel", connection.create_channel()).await?;
    in_time("asking for confirms", channel.confirm_select(lapin::options::ConfirmSelectOptions::default()))
        .await?;
    Ok(channel)
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
