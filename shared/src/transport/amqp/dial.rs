//! Chooses among the broker's addresses and connects to one.
//!
//! The client library would take the first address that accepts, however long it takes to answer, and come back to it at
//! each try. So the addresses are resolved and tried here: from a random one on, the next after any failure, each with
//! a limit, and only after a whole round is there a pause.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use lapin::tcp::AsyncTcpStream;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Connection, ConnectionProperties};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

use super::address::Host;
use super::endpoint::{Endpoint, Target};
use super::guard::Guard;
use super::guard::frame::{Broken, Limits};
use super::guard::runtime::Kit;
use super::guard::watch::Watch;
use super::refusal::{self, Operation};
use super::tls;
use super::topology::{Failure, answer_of};
use crate::printable::printable;

/// How long one address may take to accept, where the address does not say it with `connection_timeout`.
const ACCEPTS: Duration = Duration::from_millis(1500);
/// How long it may take from there until the connection can be used, encryption included.
const SHAKES_HANDS: Duration = Duration::from_secs(3);
/// How long a name may take to become addresses.
const RESOLVES: Duration = Duration::from_secs(2);
/// How much the system may hold of what we have written. What it holds counts as written, though nobody has read it.
const SEND_BUFFER: u32 = 256 * 1024;
/// How many bytes of deliveries one connection may hold.
pub(super) const BUDGET: u64 = 32 * 1024 * 1024;

type Stream = Guard<tls::Stream>;

/// The addresses that are left of a round.
#[derive(Default)]
pub(super) struct Round(VecDeque<(Host, SocketAddr)>);

impl Round {
    /// Whether every address was tried, so that it is time for a pause.
    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// Begins anew with all addresses, the one that was just lost last.
    pub(super) fn restart(&mut self) {
        self.0.clear();
    }

    /// The next address to try.
    async fn next(&mut self, target: &Target) -> Result<(Host, SocketAddr), Failure> {
        if let Some(next) = self.0.pop_front() {
            return Ok(next);
        }
        let mut problem = None;
        for host in &target.address.hosts {
            match timeout(RESOLVES, lookup_host((host.name.as_str(), host.port))).await {
                Ok(Ok(found)) => self.0.extend(found.map(|address| (host.clone(), address))),
                Ok(Err(why)) => problem = Some(format!("the name {} cannot be resolved: {why}", host.name)),
                Err(_) => {
                    problem = Some(format!("the name {} was not resolved within {RESOLVES:?}", host.name))
                }
            }
        }
        if !self.0.is_empty() {
            let start = rand::random_range(0..self.0.len());
            self.0.rotate_left(start);
        }
        let nothing =
            || Failure::Unreachable(problem.unwrap_or_else(|| "the name resolves to no address".to_owned()));
        self.0.pop_front().ok_or_else(nothing)
    }
}

/// Connects to the round's next address.
pub(super) async fn connect(
    endpoint: &Endpoint,
    round: &mut Round,
    name: &str,
) -> Result<(Connection, Arc<Watch>), Failure> {
    let target = endpoint.target().map_err(|why| Failure::Refused(format!("{why:#}")))?;
    let (host, address) = round.next(&target).await?;
    let at = |why: String| {
        if target.address.hosts.len() > 1 || host.name != address.ip().to_string() {
            format!("{why} ({address})")
        } else {
            why
        }
    };
    let accepts = target.address.connection_timeout.map_or(ACCEPTS, Duration::from_millis);
    let stream = match timeout(accepts, open(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(why)) => return Err(Failure::Unreachable(at(reason(&why)))),
        Err(_) => {
            return Err(Failure::Unreachable(at(format!("does not accept connections within {accepts:?}"))));
        }
    };
    match timeout(SHAKES_HANDS, shake_hands(endpoint, target.clone(), &host, stream, name)).await {
        Ok(shaken) => shaken.map_err(|failure| match failure {
            Failure::Unreachable(why) => Failure::Unreachable(at(why)),
            other => other,
        }),
        Err(_) => {
            Err(Failure::Unreachable(at(format!("accepts, but does not answer within {SHAKES_HANDS:?}"))))
        }
    }
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

async fn shake_hands(
    endpoint: &Endpoint,
    target: Target,
    host: &Host,
    stream: TcpStream,
    name: &str,
) -> Result<(Connection, Arc<Watch>), Failure> {
    let encrypts = target.address.tls;
    let mut stream = tls::plain(stream);
    if encrypts {
        stream = tls::encrypted(stream, &host.name, &target.authorities).await.map_err(|why| {
            // What answers in plain text is no TLS record.
            let plain = why.to_string().to_lowercase().contains("corrupt");
            let hint = if plain { format!("; {}", refusal::wrong_port(true)) } else { String::new() };
            Failure::Unreachable(format!("no encrypted connection to {host}: {why}{hint}"))
        })?;
    }
    let watch = Watch::new(BUDGET);
    // The client reads on a thread of its own, which would wait for a silent broker for ever.
    let unless_connected = GiveUp(Some(Arc::clone(&watch)));
    let guard: Mutex<Option<Stream>> =
        Mutex::new(Some(Guard::new(stream, Arc::clone(&watch), Limits::default())));
    let connect = async move |_, _| {
        let guard = guard.lock().unwrap_or_else(PoisonError::into_inner).take();
        let guard = guard.ok_or_else(|| io::Error::other("the connection is gone"))?;
        Ok(AsyncTcpStream::Plain(guard))
    };
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let runtime = async_rs::Runtime::new(Kit::current());
    match Connection::connector(uri(&target, host), runtime, connect, properties).await {
        Ok(connection) => {
            unless_connected.not();
            Ok((connection, watch))
        }
        Err(why) => Err(match (watch.broken(), answer_of(&why)) {
            (Some(Broken::Tls), _) if !encrypts => {
                Failure::Unreachable(refusal::wrong_port(false).to_owned())
            }
            (Some(broken), _) => Failure::Unreachable(broken.to_string()),
            (None, Some(answer)) => Failure::Refused(endpoint.refused(&Operation::Connect, &answer).sentence),
            (None, None) => Failure::Unreachable(printable(&why.to_string())),
        }),
    }
}

/// Gives a connection up when it is dropped.
struct GiveUp(Option<Arc<Watch>>);

impl GiveUp {
    fn not(mut self) {
        self.0 = None;
    }
}

impl Drop for GiveUp {
    fn drop(&mut self) {
        if let Some(watch) = &self.0 {
            watch.give_up();
        }
    }
}

fn uri(target: &Target, host: &Host) -> AMQPUri {
    let address = &target.address;
    AMQPUri {
        scheme: if address.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: address.user.clone(), password: address.password.clone() },
            host: host.name.clone(),
            port: host.port,
        },
        vhost: address.vhost.clone(),
        query: AMQPQueryString {
            heartbeat: Some(address.heartbeat.unwrap_or(10)),
            // What brokers propose. Named here, because the client otherwise learns it late and grows its buffers by
            // writing to all of their 8 MiB.
            frame_max: Some(address.frame_max.unwrap_or(131_072)),
            channel_max: address.channel_max,
            ..AMQPQueryString::default()
        },
    }
}

/// An error of the system as people say it.
fn reason(why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "there is no route to that address".to_owned()
        }
        _ => why.to_string(),
    }
}
