//! The stream, over a pipe whose other end plays the broker.

use std::future::poll_fn;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::{sleep, timeout};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

use super::frame::tests::{body, deliver, frame, header, small};
use super::properties::tests::block;
use super::*;

type Piped = Guard<Compat<DuplexStream>>;

fn guarded(limits: Limits, budget: u64) -> (Piped, DuplexStream, Arc<Watch>) {
    let (ours, broker) = tokio::io::duplex(1 << 20);
    let watch = Watch::new(budget);
    (Guard::new(ours.compat(), Arc::clone(&watch), limits), broker, watch)
}

async fn read_some(guard: &mut Piped, out: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| Pin::new(&mut *guard).poll_read(cx, out)).await
}

async fn expect(guard: &mut Piped, bytes: &[u8]) {
    let start = Instant::now();
    let mut out = vec![0; bytes.len()];
    let mut done = 0;
    while done < bytes.len() {
        let read = timeout(Duration::from_secs(20), read_some(guard, &mut out[done..])).await;
        done += read.expect("bytes").expect("no error");
    }
    assert_eq!(out, bytes);
    // Time that is up looks once more, and finds what nobody was woken for.
    assert!(start.elapsed() < Duration::from_secs(15), "nobody was woken");
}

async fn expect_nothing(guard: &mut Piped, time: Duration) {
    let mut out = [0; 64];
    let read = timeout(time, read_some(guard, &mut out)).await;
    assert!(read.is_err(), "{:?} {out:?}", read.expect("just seen"));
}

/// With a second's time for what takes five.
fn hasty() -> Limits {
    Limits { patience: Duration::from_secs(1), quiet: Duration::from_millis(200), ..small() }
}

#[tokio::test]
async fn bytes_are_counted_both_ways() {
    let (mut guard, mut broker, watch) = guarded(Limits::default(), 0);
    let message = [deliver(1, 1), header(1, 2, &block(&[])), body(1, b"ab")].concat();
    broker.write_all(&message).await.unwrap();
    expect(&mut guard, &message).await;
    assert_eq!(watch.bytes_read(), message.len() as u64);
    assert_eq!(poll_fn(|cx| Pin::new(&mut guard).poll_write(cx, b"abc")).await.unwrap(), 3);
    assert_eq!(watch.bytes_written(), 3);
    poll_fn(|cx| Pin::new(&mut guard).poll_flush(cx)).await.unwrap();
    let mut got = [0; 3];
    broker.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"abc");
    drop(broker);
    assert_eq!(read_some(&mut guard, &mut [0; 9]).await.unwrap(), 0, "the end");
}

#[tokio::test]
async fn the_room_of_a_large_frame_is_given_back() {
    let (mut guard, mut broker, _) = guarded(Limits::default(), u64::MAX);
    let bytes = vec![b'x'; 131_064];
    let message = [deliver(1, 1), header(1, bytes.len() as u64, &block(&[])), body(1, &bytes)].concat();
    for _ in 0..3 {
        broker.write_all(&message).await.unwrap();
        expect(&mut guard, &message).await;
        assert!(guard.came.bytes.len() > READ);
        expect_nothing(&mut guard, Duration::from_millis(1)).await;
        assert_eq!(guard.came.bytes.len(), READ);
    }
}

#[tokio::test]
async fn what_no_connection_survives_is_told() {
    let (mut guard, mut broker, watch) = guarded(Limits::default(), 0);
    let good = frame(8, 0, b"");
    broker.write_all(&[&*good, b"HTTP"].concat()).await.unwrap();
    expect(&mut guard, &good).await;
    assert_eq!(watch.broken(), None);
    for _ in 0..2 {
        let error = read_some(&mut guard, &mut [0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(error.to_string(), "the broker sent a frame of the unknown kind 72");
    }
    assert_eq!(watch.broken(), Some(Broken::Frame("a frame of the unknown kind 72".to_owned())));
}

#[tokio::test]
async fn a_slow_body_ends_although_nothing_comes() {
    let (mut guard, mut broker, watch) = guarded(Limits { quiet: Duration::from_secs(9), ..hasty() }, 100);
    broker.write_all(&[deliver(1, 1), header(1, 500, &block(&[])), body(1, b"abc")].concat()).await.unwrap();
    expect(&mut guard, &deliver(1, 1)).await;
    expect_nothing(&mut guard, Duration::from_millis(500)).await;
    expect(&mut guard, &[header(1, 3, &block(&[])), body(1, b"abc")].concat()).await;
    let finding = watch.take_note(1, 1).finding.unwrap();
    assert_eq!(finding.body.unwrap().sha256, None);
}

#[tokio::test]
async fn the_client_gets_heartbeats_while_the_broker_sends_what_is_swallowed() {
    let (mut guard, mut broker, _) = guarded(Limits { patience: Duration::from_secs(60), ..hasty() }, 100);
    broker.write_all(&deliver(1, 1)).await.unwrap();
    expect(&mut guard, &deliver(1, 1)).await;
    broker.write_all(&header(1, 500, &block(&[]))).await.unwrap();
    expect(&mut guard, &HEARTBEAT).await;
    // A broker that is silent may be dead, and the client must find out.
    expect_nothing(&mut guard, Duration::from_millis(600)).await;
    // Half a frame is a sign of life too.
    let whole = body(1, b"abc");
    let (half, rest) = whole.split_at(4);
    for part in [half, rest] {
        broker.write_all(part).await.unwrap();
        expect(&mut guard, &HEARTBEAT).await;
    }
    expect_nothing(&mut guard, Duration::from_millis(600)).await;
}

#[tokio::test]
async fn heartbeats_come_between_frames_only() {
    let (mut guard, mut broker, _) = guarded(hasty(), 100);
    let good = frame(8, 0, b"");
    broker.write_all(&[&good, &good[..3]].concat()).await.unwrap();
    expect(&mut guard, &good[..2]).await;
    sleep(Duration::from_millis(300)).await;
    expect(&mut guard, &good[2..]).await;
    expect_nothing(&mut guard, Duration::from_millis(100)).await;
    broker.write_all(&good[3..]).await.unwrap();
    expect(&mut guard, &good).await;
}

#[tokio::test]
async fn the_spent_budget_holds_the_next_delivery() {
    let (mut guard, mut broker, watch) = guarded(hasty(), 40);
    let message = |tag| [deliver(1, tag), header(1, 50, &block(&[])), body(1, &[b'x'; 50])].concat();
    broker.write_all(&[message(1), message(2)].concat()).await.unwrap();
    expect(&mut guard, &message(1)).await;
    assert_eq!((watch.held(), watch.choked()), (52, None));
    let first = watch.take_note(1, 1);
    let method = deliver(1, 2);
    expect(&mut guard, &method).await;
    for _ in 0..3 {
        expect(&mut guard, &HEARTBEAT).await;
        assert!(watch.choked().is_some());
    }
    assert!(watch.choked().unwrap() >= Duration::from_millis(500));
    let second = message(2);
    // No heartbeat is due when the bytes come back, so they are what wakes the reader.
    let (_, woken) = tokio::join!(
        async {
            sleep(Duration::from_millis(20)).await;
            drop(first);
        },
        timeout(Duration::from_millis(150), expect(&mut guard, &second[method.len()..])),
    );
    woken.expect("woken by the bytes that came back");
    assert_eq!(watch.held(), 52);
    assert!(watch.choked().is_some(), "who knows what else the broker wants to send");
    expect_nothing(&mut guard, Duration::from_millis(1)).await;
    assert_eq!(watch.choked(), None, "nothing else");
    assert_eq!(watch.take_note(1, 2).charge.map(|_| ()), Some(()));
    assert_eq!(watch.held(), 0);
}

#[tokio::test]
async fn a_message_once_in_a_while_does_not_end_the_choke() {
    let limits = Limits { quiet: Duration::from_secs(9), body: 5_000, ..hasty() };
    let (mut guard, mut broker, watch) = guarded(limits, 40);
    let message = [deliver(1, 1), header(1, 50, &block(&[])), body(1, &[b'x'; 50])].concat();
    let count = 65_000 / message.len();
    broker.write_all(&message.repeat(count)).await.unwrap();
    let mut out = [0; 1000];
    let mut done = 0;
    let mut times = Vec::new();
    while done < count * message.len() {
        match timeout(Duration::from_millis(1), read_some(&mut guard, &mut out)).await {
            Ok(length) => done += length.unwrap(),
            Err(_) => {
                times.push(watch.choked().expect("choked"));
                drop(watch.take_note(1, 1));
            }
        }
    }
    // 65 000 bytes are three times 20 000 and some.
    assert_eq!(times.windows(2).filter(|times| times[1] < times[0]).count(), 3, "{times:?}");
    expect_nothing(&mut guard, Duration::from_millis(1)).await;
    assert_eq!(watch.choked(), None);
}

#[tokio::test]
async fn a_thread_outside_the_runtime_may_read() {
    let (mut guard, mut broker, watch) = guarded(hasty(), 0);
    broker.write_all(&[deliver(1, 1), header(1, 500, &block(&[]))].concat()).await.unwrap();
    let end = [deliver(1, 1), header(1, 0, &block(&[]))].concat();
    let reader = std::thread::spawn(move || read_outside(&mut guard, end.len()));
    tokio::task::spawn_blocking(|| reader.join().unwrap()).await.unwrap();
    assert!(watch.take_note(1, 1).finding.is_some());
    drop(broker);
}

#[tokio::test]
async fn bytes_that_come_back_at_any_moment_wake_the_reader() {
    let limits = Limits { quiet: Duration::from_secs(99), ..small() };
    let (mut guard, mut broker, watch) = guarded(limits, 40);
    let message = |tag| [deliver(1, tag), header(1, 50, &block(&[])), body(1, &[b'x'; 50])].concat();
    let all: Vec<u8> = (0..8_000).flat_map(message).collect();
    broker.write_all(&all).await.unwrap();
    let reader = std::thread::spawn(move || read_outside(&mut guard, all.len()));
    let giver = std::thread::spawn(move || {
        for tag in 0..8_000 {
            while watch.take_note(1, tag).charge.is_none() {
                std::thread::yield_now();
            }
        }
    });
    tokio::task::spawn_blocking(|| {
        reader.join().unwrap();
        giver.join().unwrap();
    })
    .await
    .unwrap();
}

/// Reads as the client does.
fn read_outside(guard: &mut Piped, mut length: usize) {
    let (ring, rung) = std::sync::mpsc::channel();
    let waker = std::task::Waker::from(Arc::new(Ring(ring)));
    let mut cx = Context::from_waker(&waker);
    let mut out = [0; 256];
    while length > 0 {
        match Pin::new(&mut *guard).poll_read(&mut cx, &mut out) {
            Poll::Ready(read) => length -= read.unwrap(),
            Poll::Pending => rung.recv_timeout(Duration::from_secs(15)).expect("woken"),
        }
    }
}

struct Ring(std::sync::mpsc::Sender<()>);

impl std::task::Wake for Ring {
    fn wake(self: Arc<Self>) {
        _ = self.0.send(());
    }
}
