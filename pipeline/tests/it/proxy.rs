//! A TCP proxy before the broker that cuts, refuses, freezes and shapes connections on order.
//!
//! Each order changes the connections that are there and those to come. Rates and delays are those of each connection by
//! itself; what is not sent yet waits in small buffers, so that the sender feels them.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// What the system buffers of a socket, in bytes; it takes twice that.
const SOCKET: u32 = 16 * 1024;
/// How many bytes are read at once.
const READ: usize = 16 * 1024;
/// The most bytes of a direction that are on their way because of a delay.
const IN_FLIGHT: usize = 4 * 1024 * 1024;
/// The lowest rate that halving comes to, in bytes a second.
const LOWEST: u64 = 1_000;
/// For ever, for a test.
const EVER: Duration = Duration::from_secs(86_400);

/// What the proxy does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Passes everything on.
    Pass,
    /// Accepts and closes at once.
    Refuse,
    /// Accepts, reads nothing and answers nothing.
    Freeze,
}

/// How fast a direction is.
#[derive(Debug, Clone, Copy)]
enum Rate {
    Full,
    /// Bytes a second.
    Limited(u64),
    /// Bytes a second at first, and half of that each second later.
    Halving {
        first: u64,
        since: Instant,
    },
    /// Up to so many bytes at a time, and how long each time takes.
    Drip {
        most: usize,
        every: Duration,
    },
}

impl Rate {
    /// How long so many bytes occupy the link.
    fn duration(self, bytes: usize) -> Duration {
        let at = |rate: u64| Duration::from_secs_f64(bytes as f64 / rate as f64);
        match self {
            Self::Full => Duration::ZERO,
            Self::Limited(rate) => at(rate),
            Self::Halving { .. } => at(self.per_second().unwrap()),
            Self::Drip { every, .. } => every,
        }
    }

    /// Bytes a second now, where that is what limits it.
    fn per_second(self) -> Option<u64> {
        match self {
            Self::Full | Self::Drip { .. } => None,
            Self::Limited(rate) => Some(rate),
            Self::Halving { first, since } => {
                let halvings = u32::try_from(since.elapsed().as_secs()).unwrap();
                Some(first.checked_shr(halvings).unwrap_or(0).max(LOWEST))
            }
        }
    }

    /// The most bytes to send at once: what takes a twentieth of a second, so that a change is felt soon.
    fn at_once(self) -> usize {
        match self {
            Self::Drip { most, .. } => rand::rng().random_range(1..=most),
            _ => {
                let rate = self.per_second().unwrap_or(u64::MAX);
                usize::try_from(rate / 20).unwrap_or(READ).clamp(1, READ)
            }
        }
    }
}

/// Everything that is ordered.
#[derive(Debug, Clone, Copy)]
struct Orders {
    mode: Mode,
    /// A connection of an earlier one is cut.
    generation: u64,
    up: Rate,
    down: Rate,
    /// Each way.
    delay: Duration,
    stalled_until: Option<Instant>,
}

impl Orders {
    /// How many bytes of a direction may be read and not sent: what a delay keeps on its way, and little else.
    fn window(&self, rate: Rate) -> usize {
        if self.delay.is_zero() {
            return READ;
        }
        let rate = u128::from(rate.per_second().unwrap_or(u64::MAX));
        let delayed = usize::try_from(rate * self.delay.as_millis() / 1000).unwrap_or(IN_FLIGHT);
        delayed.saturating_add(READ).min(IN_FLIGHT)
    }
}

/// The two directions.
#[derive(Debug, Clone, Copy)]
enum Direction {
    /// To the broker.
    Up,
    /// From the broker.
    Down,
}

/// The proxy. It ends when it is dropped, and its connections with it.
pub struct Proxy {
    pub address: SocketAddr,
    orders: watch::Sender<Orders>,
    held: watch::Receiver<usize>,
    task: tokio::task::JoinHandle<()>,
}

/// What of a connection has come from the broker and is not handed on yet, in bytes, as a part of what all of them hold.
struct Held<'a> {
    bytes: usize,
    all: &'a watch::Sender<usize>,
}

impl Held<'_> {
    fn becomes(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        self.all.send_modify(|all| *all = *all + bytes - before);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.becomes(0);
    }
}

impl Proxy {
    pub async fn before(broker: String) -> Self {
        // Accepted sockets have the buffers of the one that listens.
        let socket = small(TcpSocket::new_v4().unwrap());
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = socket.listen(1024).unwrap();
        let address = listener.local_addr().unwrap();
        let (orders, heard) = watch::channel(Orders {
            mode: Mode::Pass,
            generation: 0,
            up: Rate::Full,
            down: Rate::Full,
            delay: Duration::ZERO,
            stalled_until: None,
        });
        let (all, held) = watch::channel(0);
        let task = tokio::spawn(accept(listener, broker, heard, all));
        Self { address, orders, held, task }
    }

    /// Waits until it holds back something that the broker has sent.
    pub async fn holds_back(&self) {
        self.held.clone().wait_for(|bytes| *bytes > 0).await.unwrap();
    }

    /// Cuts every connection. New ones pass.
    pub fn cut(&self) {
        self.begin(Mode::Pass);
    }

    /// Cuts every connection, and every new one right after it was accepted, until [`Proxy::cut`].
    pub fn refuse(&self) {
        self.begin(Mode::Refuse);
    }

    /// Cuts every connection. New ones are accepted and never answered, as by a frozen node, until [`Proxy::cut`].
    pub fn freeze_new(&self) {
        self.begin(Mode::Freeze);
    }

    /// Both directions pass so many bytes a second.
    pub fn throttle(&self, bytes_per_second: u64) {
        self.shape(|orders| {
            orders.up = Rate::Limited(bytes_per_second);
            orders.down = orders.up;
        });
    }

    /// What comes from the broker passes so many bytes a second, and what goes to it at full speed.
    pub fn down_only(&self, bytes_per_second: u64) {
        self.shape(|orders| {
            orders.up = Rate::Full;
            orders.down = Rate::Limited(bytes_per_second);
        });
    }

    /// Both directions pass so many bytes a second, half of that after a second, and so on down to 1 kB/s.
    pub fn halving(&self, bytes_per_second: u64) {
        self.shape(|orders| {
            orders.up = Rate::Halving { first: bytes_per_second, since: Instant::now() };
            orders.down = orders.up;
        });
    }

    /// Both directions pass 1 to `most` bytes at a time, and so often.
    pub fn drip(&self, most: usize, every: Duration) {
        self.shape(|orders| {
            orders.up = Rate::Drip { most, every };
            orders.down = orders.up;
        });
    }

    /// Everything takes so much longer each way. It limits nothing below 4 MiB on their way.
    pub fn delay(&self, each_way: Duration) {
        self.shape(|orders| orders.delay = each_way);
    }

    /// Nothing passes until [`Proxy::pass`]. Connections stay open.
    pub fn stall(&self) {
        self.stall_for(EVER);
    }

    /// Nothing passes for so long. Connections stay open.
    pub fn stall_for(&self, duration: Duration) {
        self.shape(|orders| orders.stalled_until = Some(Instant::now() + duration));
    }

    /// Everything passes at full speed again. Refusing and freezing end with [`Proxy::cut`] only.
    pub fn pass(&self) {
        self.shape(|orders| {
            (orders.up, orders.down) = (Rate::Full, Rate::Full);
            (orders.delay, orders.stalled_until) = (Duration::ZERO, None);
        });
    }

    fn begin(&self, mode: Mode) {
        self.orders.send_modify(|orders| {
            orders.mode = mode;
            orders.generation += 1;
        });
    }

    fn shape(&self, change: impl FnOnce(&mut Orders)) {
        self.orders.send_modify(change);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn small(socket: TcpSocket) -> TcpSocket {
    socket.set_recv_buffer_size(SOCKET).unwrap();
    socket.set_send_buffer_size(SOCKET).unwrap();
    socket
}

async fn accept(
    listener: TcpListener,
    broker: String,
    orders: watch::Receiver<Orders>,
    held: watch::Sender<usize>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let Orders { mode, generation, .. } = *orders.borrow();
        let (mut cut, orders, broker, held) = (orders.clone(), orders.clone(), broker.clone(), held.clone());
        let serve = async move {
            match mode {
                Mode::Pass => pass(client, &broker, orders, &held).await,
                Mode::Refuse => {}
                Mode::Freeze => std::future::pending().await,
            }
        };
        tokio::spawn(async move {
            tokio::select! {
                () = serve => {}
                // Also where the proxy is gone.
                _ = cut.wait_for(|orders| orders.generation != generation) => {}
            }
        });
    }
}

async fn pass(client: TcpStream, broker: &str, orders: watch::Receiver<Orders>, held: &watch::Sender<usize>) {
    let Ok(server) = connect(broker).await else { return };
    // What is sent late is late on purpose only.
    if client.set_nodelay(true).and(server.set_nodelay(true)).is_err() {
        return;
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let up = carry(from_client, to_server, orders.clone(), Direction::Up, None);
    let down = carry(from_server, to_client, orders, Direction::Down, Some(Held { bytes: 0, all: held }));
    // The end of one direction is handed on and leaves the other; an error ends both.
    _ = tokio::try_join!(up, down);
}

async fn connect(broker: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in lookup_host(broker).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        match small(socket).connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(why) => last = why,
        }
    }
    Err(last)
}

/// Carries one direction to its end.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut orders: watch::Receiver<Orders>,
    direction: Direction,
    mut held: Option<Held<'_>>,
) -> io::Result<()> {
    let mut buffer = vec![0; READ];
    // What was read: when, and what of it is not sent yet.
    let mut flight: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut in_flight = 0;
    let mut ended = false;
    let mut sent = (Instant::now(), 0);
    loop {
        if let Some(held) = &mut held {
            held.becomes(in_flight);
        }
        let now = *orders.borrow_and_update();
        if let Some(until) = now.stalled_until.filter(|until| *until > Instant::now()) {
            tokio::select! {
                () = sleep_until(until) => {}
                changed = orders.changed() => changed.map_err(io::Error::other)?,
            }
            continue;
        }
        if ended && flight.is_empty() {
            return to.shutdown().await;
        }
        let rate = if let Direction::Up = direction { now.up } else { now.down };
        let next = async {
            let Some((read, bytes)) = flight.front() else { return std::future::pending().await };
            let length = rate.at_once().min(bytes.len());
            // The link is free when the last bytes are through at the rate of now.
            let (at, before) = sent;
            let due = (*read + now.delay).max(at + rate.duration(before));
            // A timer rings a millisecond late, also where the time has passed.
            if due > Instant::now() {
                sleep_until(due).await;
            }
            to.write(&bytes[..length]).await
        };
        tokio::select! {
            changed = orders.changed() => changed.map_err(io::Error::other)?,
            length = from.read(&mut buffer), if !ended && in_flight < now.window(rate) => {
                let length = length?;
                ended = length == 0;
                if length > 0 {
                    flight.push_back((Instant::now(), buffer[..length].to_vec()));
                    in_flight += length;
                }
            }
            length = next => {
                let length = length?;
                sent = (Instant::now(), length);
                in_flight -= length;
                let (_, bytes) = flight.front_mut().unwrap();
                bytes.drain(..length);
                if bytes.is_empty() {
                    flight.pop_front();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a machine with much else to do, too.
    const SOON: Duration = Duration::from_secs(60);

    /// Sends back what it gets.
    async fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    _ = tokio::io::copy(&mut from, &mut to).await;
                    _ = to.shutdown().await;
                });
            }
        });
        address
    }

    async fn connected() -> (Proxy, TcpStream) {
        let proxy = Proxy::before(echo().await).await;
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        (proxy, stream)
    }

    /// Sends bytes, gets them back, and returns how long that took.
    async fn round(stream: &mut TcpStream, length: usize) -> Duration {
        let start = Instant::now();
        let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
        let mut back = vec![0; length];
        let (mut from, mut to) = stream.split();
        let both = async { tokio::try_join!(to.write_all(&bytes), from.read_exact(&mut back)) };
        tokio::time::timeout(SOON, both).await.expect("it is stuck").unwrap();
        assert!(back == bytes, "something else came back");
        start.elapsed()
    }

    /// Waits for a round that is as fast as this; others may be held up by what else the machine does.
    async fn comes_below(stream: &mut TcpStream, length: usize, ms: u64) {
        let start = Instant::now();
        while round(stream, length).await >= Duration::from_millis(ms) {
            assert!(start.elapsed() < SOON, "no round took less than {ms} ms");
        }
    }

    async fn nothing_comes(stream: &mut TcpStream, within: Duration) {
        let read = tokio::time::timeout(within, stream.read(&mut [0])).await;
        assert!(read.is_err(), "{read:?}");
    }

    async fn ends(stream: &mut TcpStream) {
        let read = tokio::time::timeout(SOON, stream.read(&mut [0])).await.expect("it is open");
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }

    fn took(took: Duration, from_ms: u64, to_ms: u64) {
        let wanted = Duration::from_millis(from_ms)..Duration::from_millis(to_ms);
        assert!(wanted.contains(&took), "it took {took:?}, expected {wanted:?}");
    }

    #[tokio::test]
    async fn everything_passes_and_ends_where_it_ended() {
        let (_proxy, mut stream) = connected().await;
        round(&mut stream, 8 << 20).await;
        // One direction ends; what is under way in the other still comes.
        stream.write_all(b"last").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert_eq!(rest, b"last");
    }

    #[tokio::test]
    async fn cut_refused_and_frozen_connections_end_and_new_ones_do_as_ordered() {
        let (proxy, mut first) = connected().await;
        round(&mut first, 10).await;
        proxy.refuse();
        ends(&mut first).await;
        let mut refused = TcpStream::connect(proxy.address).await.unwrap();
        ends(&mut refused).await;
        proxy.freeze_new();
        let mut frozen = TcpStream::connect(proxy.address).await.unwrap();
        frozen.write_all(b"hello").await.unwrap();
        nothing_comes(&mut frozen, Duration::from_millis(300)).await;
        proxy.cut();
        ends(&mut frozen).await;
        let mut again = TcpStream::connect(proxy.address).await.unwrap();
        round(&mut again, 10).await;
        proxy.freeze_new();
        ends(&mut again).await;
        let mut frozen = TcpStream::connect(proxy.address).await.unwrap();
        drop(proxy);
        ends(&mut frozen).await;
    }

    #[tokio::test]
    async fn a_throttle_is_felt_by_the_sender_and_can_be_changed() {
        let (proxy, mut stream) = connected().await;
        proxy.throttle(100_000);
        took(round(&mut stream, 60_000).await, 450, 15_000);
        proxy.throttle(10_000_000);
        comes_below(&mut stream, 60_000, 590).await;
        // The sender is held back when the buffers are full.
        proxy.throttle(1_000);
        let sent = tokio::time::timeout(Duration::from_secs(1), stream.write_all(&vec![0; 8 << 20])).await;
        assert!(sent.is_err(), "8 MiB were taken");
    }

    #[tokio::test]
    async fn a_slow_way_down_leaves_the_way_up_fast() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::before(listener.local_addr().unwrap().to_string()).await;
        proxy.down_only(20_000);
        let mut client = TcpStream::connect(proxy.address).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let (mut up, mut down) = (vec![0; 1 << 20], vec![0; 10_000]);
        let start = Instant::now();
        tokio::try_join!(client.write_all(&[1; 1 << 20]), server.read_exact(&mut up)).unwrap();
        took(start.elapsed(), 0, 20_000);
        let start = Instant::now();
        tokio::try_join!(server.write_all(&[2; 10_000]), client.read_exact(&mut down)).unwrap();
        took(start.elapsed(), 350, 15_000);
    }

    #[tokio::test]
    async fn a_delay_makes_each_way_longer_and_not_slower() {
        let (proxy, mut stream) = connected().await;
        proxy.delay(Duration::from_millis(150));
        took(round(&mut stream, 1).await, 295, 15_000);
        // One piece at a time would take half a minute.
        took(round(&mut stream, 2 << 20).await, 295, 20_000);
        proxy.pass();
        comes_below(&mut stream, 1, 290).await;
    }

    #[tokio::test]
    async fn halving_becomes_slower_every_second() {
        let (proxy, mut stream) = connected().await;
        proxy.halving(40_000);
        // 40 000 in the first second, 20 000 in the next, 10 000 then.
        took(round(&mut stream, 65_000).await, 2_000, 40_000);
        let since = Instant::now() - Duration::from_secs(100);
        assert_eq!(Rate::Halving { first: 40_000, since }.per_second(), Some(LOWEST));
    }

    #[tokio::test]
    async fn a_drip_passes_a_few_bytes_at_a_time() {
        let (proxy, mut stream) = connected().await;
        proxy.drip(4, Duration::from_millis(10));
        // 25 times at the least.
        took(round(&mut stream, 100).await, 250, 15_000);
    }

    #[tokio::test]
    async fn a_stall_passes_nothing_and_leaves_connections_open() {
        let (proxy, mut stream) = connected().await;
        proxy.stall_for(Duration::from_millis(400));
        took(round(&mut stream, 10_000).await, 380, 15_000);
        proxy.stall();
        stream.write_all(b"x").await.unwrap();
        nothing_comes(&mut stream, Duration::from_millis(300)).await;
        proxy.pass();
        assert_eq!(tokio::time::timeout(SOON, stream.read_u8()).await.unwrap().unwrap(), b'x');
        round(&mut stream, 100_000).await;
    }
}
