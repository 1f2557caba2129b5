//! `http`: single rows over HTTP, one request after the other on each of some connections, beside the usual service in Python.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::figures::{load, median};
use crate::processes::{PATIENCE, Process, free_address, get, scratch};

/// A row of ten features, as all of them are asked.
const ROW: &str = "[[0.038,0.05,0.061,0.021,-0.044,-0.034,-0.043,-0.0025,0.019,-0.017]]";

/// Who answers.
#[derive(Debug, Clone, Copy)]
enum Server {
    /// Ours, and every prediction is published and recorded before it is answered.
    Recorded,
    /// Ours, without a trace.
    Plain,
    /// FastAPI with scikit-learn, a process for each processor.
    FastApi,
}

impl Server {
    const ALL: [Self; 3] = [Self::Recorded, Self::Plain, Self::FastApi];

    fn name(self) -> &'static str {
        match self {
            Self::Recorded => "ours, recorded",
            Self::Plain => "ours, --http-record off",
            Self::FastApi => "FastAPI",
        }
    }
}

/// A figure of a round: requests per second, and times of one in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Figures {
    rate: f64,
    p50: f64,
    p99: f64,
}

/// Measures and prints.
pub(crate) fn run(python: &Path, connections: usize, seconds: u64, rounds: usize) -> anyhow::Result<()> {
    println!("{connections} connections, {seconds} s each; the load averages were {} at the start", load());
    println!("round | who answers | requests/s | p50 ms | p99 ms");
    let mut all: [Vec<Figures>; Server::ALL.len()] = Default::default();
    for round in 1..=rounds {
        for (server, figures) in Server::ALL.into_iter().zip(&mut all) {
            let measured = measured(server, python, connections, Duration::from_secs(seconds))
                .with_context(|| server.name())?;
            let Figures { rate, p50, p99 } = measured;
            println!("{round:>5} | {} | {rate:.0} | {p50:.2} | {p99:.2}", server.name());
            figures.push(measured);
        }
    }
    let of = |figures: &[Figures], what: fn(&Figures) -> f64| {
        median(&figures.iter().map(what).collect::<Vec<_>>())
    };
    let [.., theirs] = &all;
    for (server, figures) in Server::ALL.into_iter().zip(&all) {
        let ratios: Vec<f64> =
            figures.iter().zip(theirs).map(|(ours, theirs)| ours.rate / theirs.rate).collect();
        println!(
            "median | {} | {:.0} | {:.2} | {:.2} | {:.1} times FastAPI's rate",
            server.name(),
            of(figures, |of| of.rate),
            of(figures, |of| of.p50),
            of(figures, |of| of.p99),
            median(&ratios)
        );
    }
    Ok(())
}

fn measured(server: Server, python: &Path, connections: usize, time: Duration) -> anyhow::Result<Figures> {
    let folder = scratch()?;
    let address = free_address()?;
    let logs = folder.path().join("logs");
    let record = if matches!(server, Server::Plain) { "off" } else { "on" };
    let (at, logs) = (address.to_string(), logs.to_string_lossy());
    let _running: Box<dyn Running> = match server {
        Server::FastApi => Box::new(Peer::start(python, address)?),
        Server::Recorded | Server::Plain => {
            let serve = ["--interval", "1h", "--label-delay", "1h", "--page-addr", "off", "--logs", &logs];
            let http = ["--http-addr", &at, "--http-record", record];
            let mut pipeline =
                Process::start_with_admin("pipeline", folder.path(), &[&serve[..], &http].concat())?;
            pipeline.ready()?;
            Box::new(pipeline)
        }
    };
    let start = Instant::now();
    while !get(address, "/ping").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
        ensure!(start.elapsed() < PATIENCE, "it does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
    // So that nobody is measured while it warms up.
    asked(address, connections, Duration::from_secs(1))?;
    let mut times = asked(address, connections, time)?;
    times.sort_unstable();
    let at = |percent: usize| -> anyhow::Result<f64> {
        let time = times.get(times.len() * percent / 100).context("nothing was answered")?;
        Ok(time.as_secs_f64() * 1000.0)
    };
    Ok(Figures { rate: times.len() as f64 / time.as_secs_f64(), p50: at(50)?, p99: at(99)? })
}

/// How long each request took, of all connections.
fn asked(address: SocketAddr, connections: usize, time: Duration) -> anyhow::Result<Vec<Duration>> {
    let end = Instant::now() + time;
    let threads: Vec<_> = (0..connections).map(|_| std::thread::spawn(move || one(address, end))).collect();
    let mut all = Vec::new();
    for thread in threads {
        let Ok(times) = thread.join() else { bail!("a connection's thread has failed") };
        all.extend(times?);
    }
    Ok(all)
}

/// One connection: a request after the other.
fn one(address: SocketAddr, end: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let request = format!(
        "POST /invocations HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{ROW}",
        ROW.len()
    );
    let mut times = Vec::new();
    let (mut line, mut body) = (String::new(), Vec::new());
    while Instant::now() < end {
        let start = Instant::now();
        stream.write_all(request.as_bytes())?;
        let (mut length, mut is_first) = (None, true);
        loop {
            line.clear();
            ensure!(answers.read_line(&mut line)? > 0, "the connection was closed");
            ensure!(!is_first || line.starts_with("HTTP/1.1 200"), "it answered {line}");
            is_first = false;
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse()?);
            }
        }
        body.resize(length.context("the answer has no length")?, 0);
        answers.read_exact(&mut body)?;
        times.push(start.elapsed());
        let answer: Vec<f64> = serde_json::from_slice(&body)?;
        ensure!(answer.len() == 1 && answer[0].is_finite(), "it answered {answer:?}");
    }
    Ok(times)
}

/// Runs until it is dropped.
trait Running {}
impl Running for Process {}
impl Running for Peer {}

/// The service in Python.
struct Peer(Child);

impl Peer {
    fn start(python: &Path, address: SocketAddr) -> anyhow::Result<Self> {
        let workers = std::thread::available_parallelism()?.to_string();
        let child = Command::new(python)
            .args(["-m", "uvicorn", "--app-dir", concat!(env!("CARGO_MANIFEST_DIR"), "/peers")])
            .args(["--port", &address.port().to_string(), "--workers", &workers])
            .args(["--no-access-log", "--log-level", "warning", "fastapi_service:app"])
            .env("OMP_NUM_THREADS", "1")
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", python.display()))?;
        Ok(Self(child))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends its workers.
        _ = Command::new("kill").arg(self.0.id().to_string()).status();
        _ = self.0.wait();
    }
}
