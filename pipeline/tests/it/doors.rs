//! Whoever connects to the admin port slows nothing down and stops nothing: idle and half-open connections by the
//! thousand, slow and endless heads, with many and with few files to open.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command as AsyncCommand;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::account::{Books, TEXTS, wait_for};
use crate::processes::{Process, asked, repository};

/// As long as `healthcheck` waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most connections that the admin port takes.
const PLACES: usize = 256;

/// The pipeline with so many files to open, started by a shell.
fn pipeline(books: &Books, files: Option<u64>, arguments: &[&str]) -> Process {
    let program = env!("CARGO_BIN_EXE_pipeline");
    let limit = files.map_or_else(String::new, |files| format!("ulimit -n {files}; "));
    let mut command = AsyncCommand::new("sh");
    command.arg("-c").arg(format!("{limit}exec \"$0\" \"$@\"")).arg(program).current_dir(repository("."));
    command.arg("--logs").arg(books.logs()).arg("--ledger").arg(books.ledger()).args(arguments);
    Process::spawn(books, "pipeline", command)
}

/// Asks for a path on a new connection. An answer must come in time.
async fn probe(address: &str, path: &str) -> u16 {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    };
    timeout(PATIENCE, ask).await.unwrap_or_else(|_| panic!("{path} is not answered within {PATIENCE:?}"))
}

/// How many of so many connections this process can hold, having asked the system for more files.
fn affordable(wanted: usize) -> usize {
    let us = std::process::id().to_string();
    let files = |which: usize| {
        let text = fs::read_to_string("/proc/self/limits").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        line.split_whitespace().nth(which).unwrap().parse::<usize>().unwrap_or(usize::MAX)
    };
    let hard = files(1);
    if files(0) < hard {
        // A test has no other way without unsafe code; where it fails, fewer connections are held.
        _ = Command::new("prlimit").args(["--pid", &us, &format!("--nofile={hard}:{hard}")]).status();
    }
    let can = files(0).saturating_sub(500).min(wanted);
    if can < wanted {
        println!(
            "left out: {} of {wanted} connections, this process may open {} files only",
            wanted - can,
            files(0)
        );
    }
    can
}

/// What has happened to the connections of a load.
#[derive(Debug, Default)]
struct Seen {
    opened: AtomicUsize,
    closed: AtomicUsize,
    too_large: AtomicUsize,
}

impl Seen {
    fn of(count: &AtomicUsize) -> usize {
        count.load(Ordering::Relaxed)
    }
}

/// Clients that take what they get and ask for nothing. They end with it.
struct Load {
    _clients: JoinSet<()>,
    seen: Arc<Seen>,
}

impl Load {
    /// Idle and half-open connections, 20 slow heads, and 4 clients that send heads of 1 MiB. Who is closed comes back
    /// after 10 s or so.
    fn new(address: &str, idle: usize, half_open: usize) -> Self {
        let seen = Arc::<Seen>::default();
        let mut clients = JoinSet::new();
        let address: Arc<str> = address.into();
        for number in 0..idle + half_open {
            let begun = if number < idle { "" } else { "GET /live HTTP/1.1\r\nHost: x\r\nX-Half: o" };
            let (address, seen) = (Arc::clone(&address), Arc::clone(&seen));
            clients.spawn(async move {
                loop {
                    if let Ok(mut stream) = TcpStream::connect(&*address).await {
                        seen.opened.fetch_add(1, Ordering::Relaxed);
                        _ = stream.write_all(begun.as_bytes()).await;
                        while matches!(stream.read(&mut [0; 512]).await, Ok(1..)) {}
                        seen.closed.fetch_add(1, Ordering::Relaxed);
                    }
                    let pause = rand::rng().random_range(5000..15_000);
                    sleep(Duration::from_millis(pause)).await;
                }
            });
        }
        for _ in 0..20 {
            let address = Arc::clone(&address);
            clients.spawn(async move {
                loop {
                    if let Ok(mut stream) = TcpStream::connect(&*address).await {
                        _ = stream.write_all(b"GET /live HTTP/1.1\r\nX-Slow: ").await;
                        while stream.write_all(b"o").await.is_ok() {
                            sleep(Duration::from_millis(100)).await;
                        }
                    }
                    sleep(Duration::from_millis(100)).await;
                }
            });
        }
        for _ in 0..4 {
            let (address, seen) = (Arc::clone(&address), Arc::clone(&seen));
            clients.spawn(async move {
                let head =
                    format!("GET /live HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", "x".repeat(1 << 20));
                loop {
                    if let Ok(mut stream) = TcpStream::connect(&*address).await {
                        _ = stream.write_all(head.as_bytes()).await;
                        let mut answer = Vec::new();
                        _ = stream.read_to_end(&mut answer).await;
                        if answer.starts_with(b"HTTP/1.1 431 ") {
                            seen.too_large.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    sleep(Duration::from_millis(250)).await;
                }
            });
        }
        Self { _clients: clients, seen }
    }

    /// Waits until all have come once and some were sent away.
    async fn is_on(&self, connections: usize) {
        let Seen { opened, closed, too_large } = &*self.seen;
        let is_on = || Seen::of(opened) >= connections && Seen::of(closed) > 0 && Seen::of(too_large) > 0;
        wait_for("the load", is_on, || format!("{:?}", self.seen)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_many_files_to_open() {
    holds_against_everybody(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_few_files_to_open() {
    holds_against_everybody(Some(64)).await;
}

async fn holds_against_everybody(files: Option<u64>) {
    let idle = affordable(asked("DOORS").unwrap_or(2000));
    let half_open = idle / 20;
    let books = Books::new();
    let mut process = pipeline(&books, files, &["--rate", "300"]);
    let address = process.admin().await;
    books.wait_for_rows(100).await;
    let before = process.sockets();
    let load = Load::new(&address, idle, half_open);
    load.is_on(idle + half_open).await;
    let places = files.map_or(PLACES, |files| usize::try_from(files / 4).unwrap());

    let mut old = [Vec::new(), Vec::new()];
    let mut slowest = Duration::ZERO;
    for _ in 0..3 {
        for path in ["/live", "/ready", "/metrics"].iter().cycle().take(12) {
            let start = Instant::now();
            assert_eq!(probe(&address, path).await, 200, "{path}");
            slowest = slowest.max(start.elapsed());
            let connections = process.sockets().saturating_sub(before);
            assert!(connections <= places, "{connections} connections");
        }
        for (name, old) in TEXTS.into_iter().zip(&mut old) {
            let aside = books.path(name);
            fs::rename(books.logs().join(name), &aside).unwrap();
            wait_for("a new file", || books.logs().join(name).exists(), || process.log()).await;
            old.extend(fs::read(&aside).unwrap());
        }
        books.wait_for_rows(200).await;
    }
    println!("held: {places} places, {:?}, the slowest answer after {slowest:?}", load.seen);
    let log = process.log();
    let is_said =
        log.contains("takes 16 connections at once, not 256: the process may open 64 files only (ulimit -n)");
    assert_eq!(is_said, files.is_some(), "{log}");
    assert_eq!(log.matches("of the admin endpoint are in use").count(), 1, "{log}");
    process.stop().await;
    drop(load);

    // Every row that was published is in one of the parts, once.
    let (rows, _) = books.confirmed();
    let text = [&old[1][..], &books.text(TEXTS[1])].concat();
    let text = String::from_utf8(text).unwrap();
    let mut recorded: Vec<&str> = text.lines().filter_map(|line| line.split(',').next()).collect();
    recorded.retain(|id| *id != "id");
    recorded.sort_unstable();
    assert!(recorded.iter().eq(rows.iter()), "{} of {} rows", recorded.len(), rows.len());
}

/// With no file left to accept with, the port's own connections go first, the log says it once, and nothing spins.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_file_for_the_next_connection() {
    let used = {
        let books = Books::new();
        let process = pipeline(&books, None, &["--rate", "50"]);
        books.wait_for_rows(20).await;
        process.descriptors()
    };
    let books = Books::new();
    let files = u64::try_from(used).unwrap() + 2;
    let mut process = pipeline(&books, Some(files), &["--rate", "50"]);
    let address = process.admin().await;
    books.wait_for_rows(20).await;
    let mut held = Vec::new();
    for _ in 0..12 {
        held.push(TcpStream::connect(&address).await.unwrap());
    }
    process.says("the admin endpoint cannot take connections for now: ").await;
    let (start, cpu) = (Instant::now(), process.cpu());
    for _ in 0..20 {
        assert_eq!(probe(&address, "/live").await, 200);
        sleep(Duration::from_millis(100)).await;
    }
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), process.cpu() - cpu);
    assert!(cpu < 0.5 * seconds, "it took {cpu} s of {seconds} s");
    assert_eq!(process.log().matches("cannot take connections").count(), 1, "{}", process.log());
    drop(held);
    process.stop().await;
    books.settle_exactly().await;
}

/// The rate in bytes of `metric_log.csv` a second, and the processor time of a megabyte of them.
async fn measure(books: &Books, process: &Process) -> (f64, f64) {
    let size = || fs::metadata(books.logs().join(TEXTS[1])).unwrap().len() as f64;
    let (start, before, cpu) = (Instant::now(), size(), process.cpu());
    sleep(Duration::from_secs(10)).await;
    let written = size() - before;
    (written / start.elapsed().as_secs_f64(), (process.cpu() - cpu) / written * 1e6)
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// The rate of a pipeline under load, beside that of the same pipeline while the same clients are busy with another
/// one's port, so that what the clients cost themselves is in both: the median of the ratios of `ROUNDS`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes, and a machine with nothing else to do: scripts/long"]
async fn the_rate_stays() {
    let rounds = asked("ROUNDS").unwrap_or(5);
    let idle = affordable(asked("DOORS").unwrap_or(10_000));
    let half_open = idle / 20;
    for files in [None, Some(64)] {
        let other = Books::new();
        let elsewhere = pipeline(&other, files, &["--rate", "1"]);
        let elsewhere = (elsewhere.admin().await, elsewhere);
        let books = Books::new();
        let mut process = pipeline(&books, files, &["--interval", "0s"]);
        let address = process.admin().await;
        books.wait_for_rows(10_000).await;
        // One after the other in turn, for the rate falls as the database grows.
        let (mut alone, mut rates, mut costs) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            alone.push(measure(&books, &process).await);
            let mut both = [(&elsewhere.0, (0.0, 0.0)), (&address, (0.0, 0.0))];
            both.rotate_left(round % 2);
            for (address, measured) in &mut both {
                let load = Load::new(address, idle, half_open);
                load.is_on(idle + half_open).await;
                *measured = measure(&books, &process).await;
                assert_eq!(probe(address, "/live").await, 200);
            }
            both.rotate_right(round % 2);
            let [beside, under] = both.map(|(_, measured)| measured);
            println!(
                "round {round}: {:.0} kB/s alone, {:.0} with the clients elsewhere, {:.0} with them here",
                alone.last().unwrap().0 / 1e3,
                beside.0 / 1e3,
                under.0 / 1e3
            );
            rates.push(under.0 / beside.0);
            costs.push(under.1 / beside.1);
        }
        let (rate, cost) = (median(rates), median(costs));
        println!(
            "held: {files:?} files, {idle} idle and {half_open} half-open: {rate:.3} of the rate with the clients elsewhere; \
             processor time a row {cost:.3} of that"
        );
        assert!(rate >= 0.95, "{rate}");
        process.stop().await;
    }
}
