//! A listener with real sockets, short times and few places, against clients that do all wrong.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use futures_util::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout};

use super::{Limits, Listener, Server};

const MS: Duration = Duration::from_millis(1);

/// More than any limit below, and less than anybody wants to wait.
const SOON: Duration = Duration::from_secs(10);

const LIMITS: Limits = Limits {
    connections: 64,
    new_per_second: 10_000,
    header_bytes: 16 << 10,
    header: Duration::from_millis(300),
    body_bytes: 1000,
    request: Duration::from_millis(300),
    answer: Duration::from_millis(300),
    idle: Duration::from_millis(1500),
};

/// A door that tells when somebody has come to it, and lets so many through.
#[derive(Clone)]
struct Gate {
    come: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn new() -> Self {
        Self { come: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }

    async fn pass(self) -> &'static str {
        self.come.add_permits(1);
        self.open.acquire().await.unwrap().forget();
        "open\n"
    }

    /// Waits until somebody has come.
    async fn somebody(&self) {
        timeout(SOON, self.come.acquire()).await.expect("nobody comes").unwrap().forget();
    }
}

async fn serve(limits: Limits) -> (SocketAddr, Server) {
    let (address, server, _) = serve_with_gate(limits).await;
    (address, server)
}

async fn serve_with_gate(limits: Limits) -> (SocketAddr, Server, Gate) {
    let gate = Gate::new();
    let routes = Router::new()
        .route("/", get(async || "here\n"))
        .route("/length", post(async |body: Bytes| format!("{}\n", body.len())))
        .route("/never", get(std::future::pending::<()>))
        .route(
            "/gate",
            get({
                let gate = gate.clone();
                async move || gate.pass().await
            }),
        )
        .route("/large", get(async || vec![b'x'; 64 << 20]));
    let (address, server) = serve_routes(limits, routes).await;
    (address, server, gate)
}

async fn serve_routes(limits: Limits, routes: Router) -> (SocketAddr, Server) {
    let listener = Listener::bind("a test", (Ipv4Addr::LOCALHOST, 0).into(), limits).await.unwrap();
    (listener.address().unwrap(), listener.serve(routes).unwrap())
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Sends a text on a new connection, and returns all that comes until the other side closes it.
async fn say(address: SocketAddr, text: &str) -> String {
    let mut stream = connect(address).await;
    // It may be answered and closed before it has taken everything.
    _ = stream.write_all(text.as_bytes()).await;
    rest(stream).await
}

async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answer)).await.expect("the connection stays open").unwrap();
    String::from_utf8(answer).unwrap()
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(
        timeout(SOON, stream.read(&mut [0; 1])).await.expect("the connection stays open"),
        Ok(0) | Err(_)
    )
}

/// Reads one answer of `/` or `/gate` and leaves the connection open.
async fn one_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"here\n") && !answer.ends_with(b"open\n") {
        let mut byte = [0];
        assert_eq!(timeout(SOON, stream.read(&mut byte)).await.expect("no answer").unwrap(), 1);
        answer.extend(byte);
    }
    String::from_utf8(answer).unwrap()
}

fn is_refusal(answer: &str, status: &str, line: &str) -> bool {
    answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.ends_with(&format!("\r\n\r\n{line}\n"))
}

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const ASK: &str = "GET /gate HTTP/1.1\r\nHost: x\r\n\r\n";
const LAST: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn half_open_and_slow_heads_end_in_time() {
    let (address, _server) = serve(LIMITS).await;
    let start = Instant::now();
    assert_eq!(say(address, "").await, "");
    assert!(start.elapsed() >= LIMITS.header, "{:?}", start.elapsed());
    let answer = say(address, "GET / HTTP/1.1\r\nHos").await;
    assert!(
        is_refusal(&answer, "408 Request Timeout", "the head of the request was not complete within 300ms"),
        "{answer}"
    );
    // A byte now and then makes it no longer.
    let start = Instant::now();
    let mut stream = connect(address).await;
    for byte in GET.bytes().cycle() {
        if stream.write_all(&[byte]).await.is_err() || start.elapsed() > SOON {
            break;
        }
        sleep(40 * MS).await;
    }
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_is_refused_and_the_client_hears_it() {
    let (address, _server) = serve(LIMITS).await;
    let answer =
        say(address, &format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(1 << 20))).await;
    assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer}");
    let line = "the body of the request is longer than 1000 bytes";
    let post = "POST /length HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    for body in ["", &"x".repeat(1 << 20)] {
        let answer = say(address, &format!("{post}Content-Length: 1048576\r\n\r\n{body}")).await;
        assert!(is_refusal(&answer, "413 Payload Too Large", line), "{answer}");
    }
    // Whoever does not say how long it is, is measured.
    let chunk = |bytes: usize| {
        format!("{post}Transfer-Encoding: chunked\r\n\r\n{bytes:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(bytes))
    };
    let answer = say(address, &chunk(1001)).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let answer = say(address, &chunk(1000)).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n1000\n"), "{answer}");
    // Nobody asked for this body, and nobody reads it.
    let answer =
        say(address, &format!("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{}", "x".repeat(900)))
            .await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_and_slow_answers_are_told_apart() {
    let (address, _server) = serve(LIMITS).await;
    let answer = say(address, "POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert!(
        is_refusal(&answer, "408 Request Timeout", "the body of the request was not complete within 300ms"),
        "{answer}"
    );
    let answer = say(address, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(
        is_refusal(&answer, "503 Service Unavailable", "there was no answer within 300ms; try again later"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_read_ends_and_one_that_is_slowly_read_too() {
    let (address, _server) = serve(LIMITS).await;
    let ask = "GET /large HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut stream = connect(address).await;
    send(&mut stream, ask).await;
    sleep(3 * LIMITS.answer).await;
    let mut all = Vec::new();
    _ = timeout(SOON, stream.read_to_end(&mut all)).await.expect("the connection stays open");
    assert!(all.len() < 32 << 20, "{} bytes", all.len());

    let start = Instant::now();
    let mut stream = connect(address).await;
    send(&mut stream, ask).await;
    while matches!(stream.read(&mut [0; 65_536]).await, Ok(1..)) && start.elapsed() < SOON {
        sleep(20 * MS).await;
    }
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

/// A stream outlives all times while it is read, and ends when it is not. Its source is dropped with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_stays_open_while_it_is_read() {
    struct Source(mpsc::UnboundedSender<&'static str>, &'static str);
    impl Drop for Source {
        fn drop(&mut self) {
            _ = self.0.send(self.1);
        }
    }
    let (gone, mut ended) = mpsc::unbounded_channel();
    let of = |name, pause: Duration, bytes: usize| {
        let gone = gone.clone();
        async move || {
            let source = Source(gone.clone(), name);
            Body::from_stream(stream::unfold(source, move |source| async move {
                sleep(pause).await;
                Some((Ok::<_, Infallible>(vec![b'x'; bytes]), source))
            }))
        }
    };
    let routes = Router::new()
        .route("/ticks", get(of("ticks", 200 * MS, 1)))
        .route("/flood", get(of("flood", MS, 1 << 20)));
    let (address, server) = serve_routes(LIMITS, routes).await;
    let mut ticks = connect(address).await;
    send(&mut ticks, "GET /ticks HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut flood = connect(address).await;
    send(&mut flood, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(timeout(SOON, ended.recv()).await.expect("what nobody reads stays open"), Some("flood"));
    let start = Instant::now();
    while start.elapsed() < 2 * LIMITS.idle {
        assert!(timeout(SOON, ticks.read(&mut [0; 64])).await.expect("no tick").unwrap() > 0);
    }
    assert!(ended.try_recv().is_err());
    // A stop waits for it only so long.
    server.stop(100 * MS).await;
    assert_eq!(timeout(SOON, ended.recv()).await.expect("it outlives its server"), Some("ticks"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_used_again_within_its_idle_time() {
    let (address, _server) = serve(LIMITS).await;
    let mut stream = connect(address).await;
    for _ in 0..3 {
        send(&mut stream, GET).await;
        assert!(one_answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
        sleep(LIMITS.header + 100 * MS).await;
    }
    send(&mut stream, "GET / HT").await;
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let mut stream = connect(address).await;
    send(&mut stream, GET).await;
    one_answer(&mut stream).await;
    let start = Instant::now();
    assert!(is_closed(&mut stream).await);
    assert!(start.elapsed() > LIMITS.idle - 100 * MS, "{:?}", start.elapsed());
}

/// With all places taken, whoever waits longest for its own client yields; nobody who is being served does.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_listener_makes_room() {
    let long = Duration::from_secs(60);
    let limits = Limits { connections: 4, header: long, request: long, idle: long, ..LIMITS };
    let (address, _server, gate) = serve_with_gate(limits).await;
    let mut served = connect(address).await;
    send(&mut served, ASK).await;
    gate.somebody().await;
    // They are taken in the order in which they come.
    let mut held = vec![connect(address).await, connect(address).await];
    send(&mut held[1], "GET / HT").await;
    for number in 0..2 {
        let answer = say(address, LAST).await;
        assert!(answer.ends_with("\r\n\r\nhere\n"), "{number}: {answer}");
        assert!(is_closed(&mut held.remove(0)).await);
        // For the next one to find all places taken.
        held.push(connect(address).await);
    }
    // A hundred more: the latest is answered as well.
    for _ in 0..100 {
        held.push(connect(address).await);
    }
    assert!(say(address, LAST).await.ends_with("\r\n\r\nhere\n"));
    gate.open.add_permits(1);
    assert!(one_answer(&mut served).await.ends_with("open\n"), "a request that is being served was cut off");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_everybody_is_served_the_next_one_is_turned_away() {
    let limits = Limits { connections: 3, request: Duration::from_secs(60), ..LIMITS };
    let (address, _server, gate) = serve_with_gate(limits).await;
    let mut served = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(address).await;
        send(&mut stream, ASK).await;
        gate.somebody().await;
        served.push(stream);
    }
    let answer = rest(connect(address).await).await;
    let line = "all 3 connections are in use; try again in a second";
    assert!(is_refusal(&answer, "503 Service Unavailable", line), "{answer}");
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    // Clients that go away give their places back. Whoever is turned away with a request on its way may see a reset instead.
    drop(served);
    let start = Instant::now();
    let is_served = async || {
        let mut stream = connect(address).await;
        let mut answer = String::new();
        _ = stream.write_all(LAST.as_bytes()).await;
        let read =
            timeout(SOON, stream.read_to_string(&mut answer)).await.expect("the connection stays open");
        read.is_ok() && answer.ends_with("\r\n\r\nhere\n")
    };
    while !is_served().await {
        assert!(start.elapsed() < SOON, "nobody has made room");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_answers_end_and_gives_the_port_back() {
    let long = Duration::from_secs(60);
    let limits = Limits { header: long, request: long, idle: long, ..LIMITS };
    let (address, server, gate) = serve_with_gate(limits).await;
    let mut silent = connect(address).await;
    let mut idle = connect(address).await;
    send(&mut idle, GET).await;
    one_answer(&mut idle).await;
    let mut served = connect(address).await;
    send(&mut served, ASK).await;
    gate.somebody().await;
    let stop = tokio::spawn(server.stop(long));
    assert!(is_closed(&mut idle).await && is_closed(&mut silent).await);
    gate.open.add_permits(1);
    assert!(one_answer(&mut served).await.ends_with("open\n"));
    timeout(SOON, stop).await.expect("it does not stop").unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    tokio::net::TcpListener::bind(address).await.expect("the port is free");
}
