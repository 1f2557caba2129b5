//! `broker`: rows per second through RabbitMQ, ours against the bare loop, turn about.
//!
//! Turn about, because a machine's speed drifts: only figures of the same round are compared.

use std::time::Duration;

use clap::ValueEnum;

use crate::figures::{load, median};
use crate::processes::{Process, scratch};
use crate::records::Records;
use crate::{bare, queues};

/// How often the records are looked at.
const STEP: Duration = Duration::from_millis(5);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// The client library alone.
    Bare,
    /// features, model and metric.
    Three,
    /// pipeline.
    One,
}

impl Subject {
    fn title(self) -> &'static str {
        match self {
            Self::Bare => "bare loop",
            Self::Three => "three processes",
            Self::One => "one process",
        }
    }
}

/// Measures and prints.
pub(crate) fn run(url: &str, rows: u64, rounds: usize, only: &[Subject]) -> anyhow::Result<()> {
    let subjects = if only.is_empty() { Subject::value_variants() } else { only };
    let runtime = tokio::runtime::Runtime::new()?;
    println!("{rows} rows through RabbitMQ, rows/s and the ratio to the bare loop of the same round");
    let mut figures = vec![Vec::new(); subjects.len()];
    let mut ratios = vec![Vec::new(); subjects.len()];
    for round in 1..=rounds {
        let mut line = format!("{round:>5}");
        let mut base = f64::NAN;
        for (index, subject) in subjects.iter().enumerate() {
            let rate = rows as f64 / runtime.block_on(measure(*subject, url, rows))?.as_secs_f64();
            if *subject == Subject::Bare {
                base = rate;
            }
            figures[index].push(rate);
            ratios[index].push(rate / base);
            line += &format!(" | {}: {rate:>6.0} {:.2}", subject.title(), rate / base);
        }
        println!("{line} | load {}", load());
    }
    let mut line = "median".to_owned();
    for (index, subject) in subjects.iter().enumerate() {
        line += &format!(
            "| {}: {:>6.0} {:.2} ",
            subject.title(),
            median(&figures[index]),
            median(&ratios[index])
        );
    }
    println!("{line}");
    Ok(())
}

async fn measure(subject: Subject, url: &str, rows: u64) -> anyhow::Result<Duration> {
    let connection = queues::connect(url).await?;
    queues::expect_ours_empty(&connection).await?;
    let time = match subject {
        Subject::Bare => {
            queues::make(&connection).await?;
            let time = bare::run(url, rows).await;
            queues::remove(&connection).await?;
            time
        }
        Subject::Three => tokio::task::block_in_place(|| three(url, rows)),
        Subject::One => tokio::task::block_in_place(|| one(url, rows)),
    }?;
    connection.close(200, "measured".into()).await?;
    Ok(time)
}

/// From the start of features, with model and metric ready, until the last row is on disk.
fn three(url: &str, rows: u64) -> anyhow::Result<Duration> {
    let folder = scratch()?;
    let logs = folder.path().join("logs");
    let records = ["--amqp-url", url, "--logs", &logs.to_string_lossy()];
    let mut metric = Process::start_with_admin("metric", folder.path(), &records)?;
    let mut model = Process::start_with_admin("model", folder.path(), &["--amqp-url", url])?;
    metric.ready()?;
    model.ready()?;
    let count = rows.to_string();
    let source = ["--amqp-url", url, "--order", "loop", "--interval", "0s", "--count", &count];
    let mut features = Process::start("features", folder.path(), &source)?;
    let (last, _) = Records::new(&logs).wait(rows, STEP)?;
    features.end()?;
    Ok(last - features.started())
}

/// From the start of the process until the last row is on disk.
fn one(url: &str, rows: u64) -> anyhow::Result<Duration> {
    let folder = scratch()?;
    let logs = folder.path().join("logs");
    let (count, records) = (rows.to_string(), logs.to_string_lossy());
    let args = ["--transport", "amqp", "--amqp-url", url, "--logs", &records];
    let args = [&args[..], &["--order", "loop", "--interval", "0s", "--count", &count]].concat();
    let mut pipeline = Process::start("pipeline", folder.path(), &args)?;
    let (last, _) = Records::new(&logs).wait(rows, STEP)?;
    pipeline.end()?;
    Ok(last - pipeline.started())
}
