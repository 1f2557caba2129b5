//! `backlog`: rows that came while no model ran, beside rows that come while one does.
//!
//! Both in turn, because a machine's speed drifts. How fast a backlog is drained, and the most memory that each service holds.

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::figures::{load, median};
use crate::processes::{Process, metric, models, scratch};
use crate::records::Records;
use crate::{broker, queues};

/// How often the records are looked at.
const STEP: Duration = Duration::from_millis(5);
/// Until everything is published, at this rate at the least.
const SLOWEST: u64 = 1000;

/// Measures and prints.
pub(crate) fn run(url: &str, rows: u64, rounds: usize, per_message: u16) -> anyhow::Result<()> {
    queues::begin_empty(url)?;
    println!(
        "{rows} rows, {per_message} in a message, rows/s: as they come, and all at once after `model` was away"
    );
    println!("round | as they come |  backlog | of that | features MB | model MB | metric MB | load");
    let mut ratios = Vec::new();
    for round in 1..=rounds {
        let (time, _) = broker::three(url, rows, per_message, 1)?;
        let usual = rows as f64 / time.as_secs_f64();
        let Drained { time, megabytes: [features, model, metric] } = drained(url, rows, per_message)?;
        let rate = rows as f64 / time.as_secs_f64();
        ratios.push(rate / usual);
        println!(
            "{round:>5} | {usual:>12.0} | {rate:>8.0} | {:>7.2} | {features:>11.1} | {model:>8.1} | {metric:>9.1} | {}",
            rate / usual,
            load()
        );
    }
    println!("median of that: {:.2}", median(&ratios));
    Ok(())
}

/// A backlog that is gone.
struct Drained {
    /// From the start of `model` until the last row is on disk.
    time: Duration,
    /// The most that features, model and metric held.
    megabytes: [f64; 3],
}

fn drained(url: &str, rows: u64, per_message: u16) -> anyhow::Result<Drained> {
    let folder = scratch()?;
    let logs = folder.path().join("logs");
    let metric = metric(url, folder.path(), &logs)?;
    // Only who reads it has the queue made.
    drop(models(url, &folder.path().join("first"), 1)?);
    let (count, per_message) = (rows.to_string(), per_message.to_string());
    let source = ["--amqp-url", url, "--order", "loop", "--interval", "0s", "--count", &count];
    let source = [&source[..], &["--rows-per-message", &per_message]].concat();
    let mut features = Process::start("features", folder.path(), &source)?;
    let end = Instant::now() + Duration::from_secs(60 + rows / SLOWEST);
    let mut of_features = 0.0;
    while !features.has_ended()? {
        ensure!(Instant::now() < end, "features does not end: {}", features.said());
        of_features = features.peak_megabytes().unwrap_or(of_features);
        std::thread::sleep(Duration::from_millis(100));
    }
    features.end()?;
    let started = Instant::now();
    let [model] =
        models(url, folder.path(), 1)?.try_into().map_err(|_| anyhow::anyhow!("one was started"))?;
    let (last, _) = Records::new(&logs).wait(rows, STEP)?;
    let megabytes = [of_features, model.peak_megabytes()?, metric.peak_megabytes()?];
    Ok(Drained { time: last - started, megabytes })
}
