//! `broker`: rows per second through RabbitMQ, ours against the bare loop, turn about.
//!
//! Turn about, because a machine's speed drifts: only figures of the same round are compared.

use std::time::Duration;

use clap::ValueEnum;

use crate::figures::{load, median};
use crate::processes::{self, Process, metric, processor_seconds, scratch};
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

/// What to measure.
pub(crate) struct Wishes<'a> {
    pub(crate) url: &'a str,
    /// The broker's process, where its processor time is wanted too.
    pub(crate) broker: Option<u32>,
    pub(crate) rows: u64,
    pub(crate) rounds: usize,
    pub(crate) only: &'a [Subject],
    /// Several are measured one after the other.
    pub(crate) rows_per_message: &'a [u16],
    /// How many `model` share the rows of three processes; several are measured one after the other.
    pub(crate) models: &'a [usize],
}

/// How long a run took, and the processor time of ours and of the broker, in seconds.
struct Run {
    time: Duration,
    ours: Vec<(&'static str, f64)>,
    broker: Option<f64>,
}

/// Measures and prints.
pub(crate) fn run(wishes: &Wishes<'_>) -> anyhow::Result<()> {
    let Wishes { rows, rounds, only, rows_per_message, models, .. } = *wishes;
    let subjects = if only.is_empty() { Subject::value_variants() } else { only };
    let runtime = tokio::runtime::Runtime::new()?;
    println!(
        "{rows} rows through RabbitMQ: rows/s, the ratio to the bare loop of the same round, and processor time a row"
    );
    let all = rows_per_message.iter().flat_map(|rows| models.iter().map(move |models| (*rows, *models)));
    for (per_message, models) in all {
        println!("{per_message} rows a message, {models} model");
        let mut figures = vec![(Vec::new(), Vec::new(), Vec::new()); subjects.len()];
        for round in 1..=rounds {
            let mut line = format!("{round:>5}");
            let mut base = f64::NAN;
            for (subject, (rates, ratios, costs)) in subjects.iter().zip(&mut figures) {
                let run = runtime.block_on(measure(*subject, wishes, (per_message, models)))?;
                let rate = rows as f64 / run.time.as_secs_f64();
                if *subject == Subject::Bare {
                    base = rate;
                }
                let micros = |seconds: f64| seconds * 1e6 / rows as f64;
                let each = run.ours.iter().map(|(name, seconds)| format!(" {name} {:.2}", micros(*seconds)));
                let each: String =
                    each.chain(run.broker.map(|seconds| format!(" broker {:.2}", micros(seconds)))).collect();
                line += &format!(" | {}: {rate:>6.0} {:.2}{each}", subject.title(), rate / base);
                rates.push(rate);
                ratios.push(rate / base);
                let all =
                    run.ours.iter().map(|(_, seconds)| seconds).sum::<f64>() + run.broker.unwrap_or(0.0);
                costs.push(micros(all));
            }
            println!("{line} | load {}", load());
        }
        let mut line = "median".to_owned();
        for (subject, (rates, ratios, costs)) in subjects.iter().zip(&figures) {
            line += &format!(" | {}: {:>6.0} {:.2}", subject.title(), median(rates), median(ratios));
            line += &format!(", {:.2} us a row", median(costs));
        }
        println!("{line}");
    }
    Ok(())
}

async fn measure(
    subject: Subject,
    wishes: &Wishes<'_>,
    (per_message, models): (u16, usize),
) -> anyhow::Result<Run> {
    let Wishes { url, rows, .. } = *wishes;
    let connection = queues::connect(url).await?;
    queues::expect_ours_empty(&connection).await?;
    let broker = || wishes.broker.map(processor_seconds).transpose();
    let before = broker()?;
    let (time, ours) = match subject {
        Subject::Bare => {
            queues::make(&connection).await?;
            let spent = processor_seconds(std::process::id())?;
            let time = bare::run(url, rows, per_message.into()).await;
            queues::remove(&connection).await?;
            (time?, vec![("loop", processor_seconds(std::process::id())? - spent)])
        }
        Subject::Three => tokio::task::block_in_place(|| three(url, rows, per_message, models))?,
        Subject::One => tokio::task::block_in_place(|| one(url, rows, per_message))?,
    };
    let broker = broker()?.zip(before).map(|(after, before)| after - before);
    connection.close(200, "measured".into()).await?;
    Ok(Run { time, ours, broker })
}

/// How long it took, and the processor time of each.
type Ours = (Duration, Vec<(&'static str, f64)>);

/// From the start of features, with model and metric ready, until the last row is on disk.
pub(crate) fn three(url: &str, rows: u64, per_message: u16, models: usize) -> anyhow::Result<Ours> {
    let folder = scratch()?;
    let logs = folder.path().join("logs");
    let mut metric = metric(url, folder.path(), &logs)?;
    let mut models = processes::models(url, folder.path(), models)?;
    let mut of_models = || models.iter_mut().map(Process::processor_seconds).sum::<f64>();
    let (metric_before, models_before) = (metric.processor_seconds(), of_models());
    let (count, per_message) = (rows.to_string(), per_message.to_string());
    let source = ["--amqp-url", url, "--order", "loop", "--interval", "0s", "--count", &count];
    let source = [&source[..], &["--rows-per-message", &per_message]].concat();
    let mut features = Process::start("features", folder.path(), &source)?;
    let (last, _) = Records::new(&logs).wait(rows, STEP)?;
    features.end()?;
    let spent = vec![
        ("features", features.processor_seconds()),
        ("model", of_models() - models_before),
        ("metric", metric.processor_seconds() - metric_before),
    ];
    Ok((last - features.started(), spent))
}

/// From the start of the process until the last row is on disk.
fn one(url: &str, rows: u64, per_message: u16) -> anyhow::Result<Ours> {
    let folder = scratch()?;
    let logs = folder.path().join("logs");
    let (count, per_message, records) = (rows.to_string(), per_message.to_string(), logs.to_string_lossy());
    let args = ["--transport", "amqp", "--amqp-url", url, "--logs", &records];
    let args = [&args[..], &["--order", "loop", "--interval", "0s", "--count", &count]].concat();
    let args = [&args[..], &["--rows-per-message", &per_message]].concat();
    let mut pipeline = Process::start("pipeline", folder.path(), &args)?;
    let (last, _) = Records::new(&logs).wait(rows, STEP)?;
    pipeline.end()?;
    Ok((last - pipeline.started(), vec![("pipeline", pipeline.processor_seconds())]))
}
