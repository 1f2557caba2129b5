//! `peers`: the same rows through services in Python: those of the exercise on pika, and FastStream's.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use lapin::options::QueueDeleteOptions;

use crate::figures::{load, median};
use crate::processes::scratch;
use crate::records::Records;
use crate::{broker, queues};

/// How often the records are looked at.
const STEP: Duration = Duration::from_millis(5);
const QUEUES: [&str; 3] = ["features", "y_true", "y_pred"];

/// Whose services they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Ours,
    Pika,
    FastStream,
}

impl Whose {
    const ALL: [Self; 3] = [Self::Ours, Self::Pika, Self::FastStream];

    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Pika => "pika",
            Self::FastStream => "faststream",
        }
    }
}

/// Measures and prints.
pub(crate) fn run(url: &str, python: &Path, rows: u64, rounds: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    println!(
        "{rows} rows, one in a message, through three services: rows/s; the load averages were {} at the start",
        load()
    );
    println!("round |   ours |   pika | faststream | ours of pika | ours of faststream");
    let mut rates: [Vec<f64>; 3] = Default::default();
    let mut ratios: [Vec<f64>; 2] = Default::default();
    for round in 1..=rounds {
        let mut of_round = [0.0; 3];
        for (whose, rate) in Whose::ALL.into_iter().zip(&mut of_round) {
            runtime.block_on(cleared(url))?;
            let time = match whose {
                Whose::Ours => broker::three(url, rows, 1, 1)?.0,
                Whose::Pika | Whose::FastStream => theirs(whose, url, python, rows)?,
            };
            *rate = rows as f64 / time.as_secs_f64();
        }
        let [ours, pika, faststream] = of_round;
        println!(
            "{round:>5} | {ours:>6.0} | {pika:>6.0} | {faststream:>10.0} | {:>12.1} | {:>18.1}",
            ours / pika,
            ours / faststream
        );
        rates.iter_mut().zip(of_round).for_each(|(rates, rate)| rates.push(rate));
        ratios.iter_mut().zip([ours / pika, ours / faststream]).for_each(|(all, ratio)| all.push(ratio));
    }
    let [ours, pika, faststream] = rates.each_ref().map(|rates| median(rates));
    let [of_pika, of_faststream] = ratios.each_ref().map(|ratios| median(ratios));
    println!(
        "median| {ours:>6.0} | {pika:>6.0} | {faststream:>10.0} | {of_pika:>12.1} | {of_faststream:>18.1}"
    );
    runtime.block_on(cleared(url))
}

/// Our queues are empty, and theirs are gone.
async fn cleared(url: &str) -> anyhow::Result<()> {
    let connection = queues::connect(url).await?;
    queues::expect_ours_empty(&connection).await?;
    let channel = connection.create_channel().await?;
    for whose in [Whose::Pika, Whose::FastStream] {
        for queue in QUEUES {
            let name = format!("bench.{}.{queue}", whose.name());
            channel.queue_delete(name.into(), QueueDeleteOptions::default()).await?;
        }
    }
    connection.close(200, "cleared".into()).await?;
    Ok(())
}

/// From the moment at which their `features` may begin until the last row is in their file.
fn theirs(whose: Whose, url: &str, python: &Path, rows: u64) -> anyhow::Result<Duration> {
    let folder = scratch()?;
    let file = folder.path().join("metric_log.csv");
    let start = |service| Peer::start(whose, service, url, python, rows, &file);
    let (_metric, _model, mut features) = (start("metric")?, start("model")?, start("features")?);
    let begin = Instant::now();
    features.begin()?;
    let (last, _) = Records::new(folder.path()).wait(rows, STEP)?;
    Ok(last - begin)
}

/// A service in Python, which ends with it.
struct Peer {
    child: Child,
    input: ChildStdin,
}

impl Peer {
    /// Starts it and waits until it says that it is ready.
    fn start(
        whose: Whose,
        service: &str,
        url: &str,
        python: &Path,
        rows: u64,
        file: &Path,
    ) -> anyhow::Result<Self> {
        let script = format!("bench/peers/{}_services.py", whose.name());
        let mut child = Command::new(python)
            .args([&script, service, url, &rows.to_string()])
            .arg(file)
            .env("OMP_NUM_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| {
                format!("cannot start {}; install what bench/peers/requirements.txt names", python.display())
            })?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let peer = Self { child, input: input.context("it has an input")? };
        let mut said = String::new();
        BufReader::new(output.context("it has an output")?).read_line(&mut said)?;
        ensure!(said == "ready\n", "{script} {service} is not ready: {said}");
        Ok(peer)
    }

    /// Lets it begin.
    fn begin(&mut self) -> anyhow::Result<()> {
        Ok(self.input.write_all(b"begin\n")?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
