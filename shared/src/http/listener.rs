//! Accepts connections, makes room when all places are taken, and stops. All of it, the routes included, runs on a thread of
//! its own: whoever connects competes with the pipeline for the processors as another program would, and cannot get
//! between the tasks of its runtime (measured: 10 500 clients cost a tenth of the rate there).

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::map_request;
use axum::{RequestExt as _, Router};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, Id, JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::connection;
use super::limits::{self, Limits};
use super::pace::Pace;
use super::refusal::Refusal;
use super::watched::Seat;

/// How long to wait before accepting is tried again where the system refuses.
const PAUSE: Duration = Duration::from_millis(100);

/// How often the same thing is said in the log at the most.
const SAID_AGAIN: Duration = Duration::from_secs(60);

/// A port that is open, with connections waiting in the system's queue.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    socket: TcpListener,
    limits: Limits,
}

impl Listener {
    /// Opens the port; port 0 takes a free one. `name` is what the log calls it, such as `the admin endpoint`.
    /// Where the process may open few files, fewer connections are taken than `limits` says, and the log says so.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind(name: &'static str, address: SocketAddr, limits: Limits) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let files = limits::files();
        let connections = limits.connections_of(files);
        if let Some(files) = files.filter(|_| connections < limits.connections) {
            warn!(
                "{name} takes {connections} connections at once, not {}: the process may open {files} files only (ulimit -n), \
                 and needs the rest for its work",
                limits.connections
            );
        }
        Ok(Self { name, socket, limits: Limits { connections, ..limits } })
    }

    /// The address, with the port that was taken.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves the routes in the background, until the server is stopped or the process ends.
    ///
    /// # Errors
    /// There is no thread or no file left for it.
    pub fn serve(self, routes: Router) -> io::Result<Server> {
        // Outermost comes last: the bound has to be known where it is put around the body.
        let routes = routes
            .layer(map_request(async |request: Request| request.with_limited_body()))
            .layer(DefaultBodyLimit::max(self.limits.body_bytes));
        let stop = CancellationToken::new();
        let Self { name, socket, limits } = self;
        let socket = socket.into_std()?;
        let (ended, end) = oneshot::channel::<()>();
        // First the thread: a runtime must not be dropped by the tasks of another one, as it would be if there was none.
        let (hand_over, handed_over) = mpsc::channel::<Runtime>();
        thread::Builder::new().name("http".into()).spawn(move || {
            if let Ok(runtime) = handed_over.recv() {
                // An error is how the other half being gone is told.
                _ = runtime.block_on(end);
            }
        })?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let is_stopped = stop.clone();
        let task = runtime.spawn(async move {
            let _ended = ended;
            // It was one of another runtime until now.
            match TcpListener::from_std(socket) {
                Ok(socket) => accept(Self { name, socket, limits }, routes, is_stopped).await,
                Err(why) => error!("{name} does not answer: {why}"),
            }
        });
        // The thread waits for it.
        _ = hand_over.send(runtime);
        Ok(Server { stop, task })
    }
}

/// Routes that are being served.
#[derive(Debug)]
pub struct Server {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    /// Takes no more connections, closes those that wait for nothing, and lets the others finish their answer for so
    /// long.
    pub async fn stop(mut self, within: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(within, &mut self.task).await.is_err() {
            self.task.abort();
            _ = self.task.await;
        }
    }
}

async fn accept(listener: Listener, routes: Router, stop: CancellationToken) {
    let Listener { name, socket, limits } = listener;
    // One place is that of the connection which has just been accepted.
    let places = limits.connections - 1;
    let mut room = Room::default();
    let mut pace = Pace::new(limits.new_per_second, limits.new_per_second / 4, Instant::now());
    let (mut full, mut failed) = (Said::default(), Said::default());
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            () = room.left() => continue,
            accepted = socket.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(why) if is_of_one_connection(&why) => continue,
            Err(why) => {
                if failed.is_due(Instant::now()) {
                    warn!("{name} cannot take connections for now: {why}");
                }
                // If files are what is missing, ours come first.
                room.make().await;
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let wait = pace.take(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let mut is_turned_away = false;
        while room.taken() >= places && !is_turned_away {
            if full.is_due(Instant::now()) {
                info!(
                    "all {} connections of {name} are in use: whoever keeps it waiting longest makes room for the next one",
                    limits.connections
                );
            }
            is_turned_away = !room.make().await;
        }
        if is_turned_away {
            turn_away(&stream, limits.connections);
            continue;
        }
        let seat = Seat::new(Instant::now());
        let served = connection::serve(stream, routes.clone(), limits, seat.clone(), stop.clone());
        room.enter(seat, served);
    }
    drop(socket);
    while room.taken() > 0 {
        room.left().await;
    }
}

/// The connections that are open.
#[derive(Default)]
struct Room {
    tasks: JoinSet<()>,
    seats: HashMap<Id, (Seat, AbortHandle)>,
}

impl Room {
    fn taken(&self) -> usize {
        self.tasks.len()
    }

    fn enter(&mut self, seat: Seat, served: impl Future<Output = ()> + Send + 'static) {
        let handle = self.tasks.spawn(served);
        self.seats.insert(handle.id(), (seat, handle));
    }

    /// Waits until a connection has ended; for ever when there is none.
    async fn left(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => {
                let id = ended.map_or_else(|why: JoinError| why.id(), |(id, ())| id);
                self.seats.remove(&id);
            }
            None => std::future::pending().await,
        }
    }

    /// Closes the connection whose client keeps us waiting longest, and returns whether there is one.
    async fn make(&mut self) -> bool {
        let waiting = self.seats.values().filter_map(|(seat, handle)| {
            let since = seat.with(|progress| progress.awaited())?;
            Some((since, handle))
        });
        let Some((_, longest)) = waiting.min_by_key(|(since, _)| *since) else { return false };
        longest.abort();
        self.left().await;
        true
    }
}

/// Says that there is no room, to whoever can hear it at once: waiting would take a place too.
fn turn_away(stream: &TcpStream, places: usize) {
    // What is left unread would take back what is said.
    _ = stream.try_read(&mut [0; 16_384]);
    _ = stream.try_write(&Refusal::Full(places).bytes());
}

/// Whether it was the one connection that failed, and not accepting as such.
fn is_of_one_connection(why: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(why.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// When something was said last.
#[derive(Debug, Default)]
struct Said(Option<Instant>);

impl Said {
    /// Whether it may be said again; then it is.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.0.is_none_or(|last| now >= last + SAID_AGAIN);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aborted_connection_is_no_reason_to_wait() {
        let of = |number| is_of_one_connection(&io::Error::from_raw_os_error(number));
        // ECONNABORTED, EINTR.
        assert_eq!([103, 4].map(of), [true; 2]);
        // EMFILE, ENFILE, ENOBUFS, ENOMEM.
        assert_eq!([24, 23, 105, 12].map(of), [false; 4]);
    }

    #[test]
    fn the_same_is_said_once_a_minute() {
        let start = Instant::now();
        let mut said = Said::default();
        let due = [0, 1, 59, 60, 61, 200].map(|second| said.is_due(start + Duration::from_secs(second)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
