//! `challengers`: what the main path loses to challengers that are stopped, slow, crashing or make no sense.
//!
//! At half of the rate that it can do: rows per second until the last row is on disk, how long a row takes, and memory. Beside no
//! challenger at all, turn about, because a machine's speed drifts.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use futures_util::StreamExt as _;
use lapin::options::{BasicAckOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Connection};
use shared::transport::queues::EXCHANGE;

use crate::figures::load;
use crate::flow::{ack, consume, publish, take};
use crate::processes::{Process, consumers, scratch};
use crate::{broker, latency, queues};

const NAME: &str = "bench";
const QUEUE: &str = "Features.challenger.bench";
const PREDICTIONS: &str = "y_predict";
const LETTERS: &str = "y_predict.dead";
/// How many rows find out what the main path can do.
const FIRST_ROWS: u64 = 30_000;
/// A slow one takes so long for a row.
const SLOW: Duration = Duration::from_secs(1);
/// A crashing one lives so long.
const LIFE: Duration = Duration::from_secs(2);
/// What makes no sense, in turn: with these as a body, and with this as the role.
const NONSENSE: [(&[u8], &str); 6] = [
    (b"nonsense", "challenger"),
    (b"{\"body\": \"high\"}", "challenger"),
    (b"[1, 2, 3]", "challenger"),
    (b"1e999", "challenger"),
    (b"{}", "challenger"),
    (b"7", "king"),
];

/// What is beside the main path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Beside {
    /// No challenger.
    Nothing,
    /// One that does what it should.
    Good,
    /// One that holds what it was handed out, and does no more.
    Stopped,
    /// One that takes a second for each row.
    Slow,
    /// One that is killed every two seconds, and started again.
    Crashing,
    /// One that answers each row with what is no prediction.
    Nonsense,
}

/// What was measured.
struct Run {
    rate: f64,
    times: Vec<i64>,
    model_mb: f64,
    metric_mb: f64,
    /// Messages in the challenger's queue and dead letters, at the end.
    waiting: u32,
    letters: u32,
}

/// Measures and prints.
pub(crate) fn run(url: &str, seconds: u64, rounds: usize, only: &[Beside]) -> anyhow::Result<()> {
    let only = if only.is_empty() { Beside::value_variants() } else { only };
    let runtime = tokio::runtime::Runtime::new()?;
    let connection = runtime.block_on(async {
        let connection = queues::connect(url).await?;
        queues::expect_ours_empty(&connection).await?;
        anyhow::Ok(connection)
    })?;
    let (time, _) = broker::three(url, FIRST_ROWS, 1, 1)?;
    let most = FIRST_ROWS * 1000 / u64::try_from(time.as_millis())?.max(1);
    let rate = most / 2;
    println!("the main path does {most} rows/s; half of it for {seconds} s beside a challenger that is ...");
    println!("            | rows/s | p50 ms | p99 ms | model MB | metric MB | waiting | dead letters | load");
    for round in 1..=rounds {
        println!("round {round}");
        for beside in only {
            let mut run = measure(&runtime, &connection, url, *beside, (rate, rate * seconds))?;
            run.times.sort_unstable();
            let at = |percent: usize| run.times.get(run.times.len() * percent / 100).copied().unwrap_or(0);
            println!(
                "{:<11} | {:>6.0} | {:>6} | {:>6} | {:>8.1} | {:>9.1} | {:>7} | {:>12} | {}",
                format!("{beside:?}").to_lowercase(),
                run.rate,
                at(50),
                at(99),
                run.model_mb,
                run.metric_mb,
                run.waiting,
                run.letters,
                load()
            );
        }
    }
    Ok(())
}

fn measure(
    runtime: &tokio::runtime::Runtime,
    connection: &Connection,
    url: &str,
    beside: Beside,
    (rate, rows): (u64, u64),
) -> anyhow::Result<Run> {
    let folder = scratch()?;
    let logs = folder.path().join("logs");
    let [metric, model] = consumers(url, folder.path(), &logs)?;
    let side = folder.path().join("challenger");
    std::fs::create_dir(&side)?;
    let mut challenger = None;
    let mut foreign = None;
    if beside != Beside::Nothing {
        // Its owner makes the queue, also for those that are none of ours.
        let started = start(url, &side)?;
        match beside {
            Beside::Nothing | Beside::Good | Beside::Crashing => challenger = Some(started),
            Beside::Stopped => {
                started.signal("STOP")?;
                challenger = Some(started);
            }
            Beside::Slow => {
                drop(started);
                foreign = Some(runtime.spawn(slow(url.to_owned())));
            }
            Beside::Nonsense => {
                drop(started);
                foreign = Some(runtime.spawn(nonsense(url.to_owned())));
            }
        }
    }
    let (count, rate_text) = (rows.to_string(), rate.to_string());
    let source = ["--amqp-url", url, "--order", "loop", "--rate", &rate_text, "--count", &count];
    let mut features = Process::start("features", folder.path(), &source)?;
    let patience = Duration::from_secs(rows / rate) + latency::PATIENCE;
    let file = logs.join("metric_log.csv");
    let following = std::thread::spawn(move || latency::follow(&file, rows, Instant::now() + patience));
    while beside == Beside::Crashing && !following.is_finished() {
        std::thread::sleep(LIFE);
        if let Some(mut alive) = challenger.take() {
            alive.kill()?;
        }
        challenger = Some(start(url, &side)?);
    }
    let times = following.join().map_err(|_| anyhow::anyhow!("whoever follows the file has panicked"))??;
    let time = features.started().elapsed();
    features.end()?;
    let (model_mb, metric_mb) = (model.peak_megabytes()?, metric.peak_megabytes()?);
    let (waiting, letters) = runtime.block_on(async {
        anyhow::Ok((count_of(connection, QUEUE).await?, count_of(connection, LETTERS).await?))
    })?;
    if let Some(task) = foreign {
        task.abort();
    }
    if let Some(challenger) = challenger {
        challenger.signal("CONT")?;
    }
    drop((model, metric));
    runtime.block_on(async {
        let channel = connection.create_channel().await?;
        // A challenger that was killed by its own name left it; whoever comes next begins with none.
        channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await?;
        for queue in [PREDICTIONS, LETTERS] {
            channel.queue_purge(queue.into(), lapin::options::QueuePurgeOptions::default()).await?;
        }
        channel.close(200, "cleaned".into()).await
    })?;
    Ok(Run { rate: rows as f64 / time.as_secs_f64(), times, model_mb, metric_mb, waiting, letters })
}

fn start(url: &str, folder: &Path) -> anyhow::Result<Process> {
    let mut challenger =
        Process::start_with_admin("model", folder, &["--amqp-url", url, "--challenger", NAME])?;
    challenger.ready()?;
    Ok(challenger)
}

/// Takes a second for each row, and says of it what any model may say.
async fn slow(url: String) -> anyhow::Result<()> {
    let connection = queues::connect(&url).await?;
    let channel = queues::confirming(&connection).await?;
    let mut consumer = consume(&connection, QUEUE, 64).await?;
    while let Some(delivery) = consumer.next().await {
        let delivery = delivery?;
        tokio::time::sleep(SLOW).await;
        let id = delivery.properties.message_id().as_ref().map(|id| id.as_str().to_owned());
        publish(&channel, (EXCHANGE, PREDICTIONS), b"150.0", properties(id, "challenger")).await?;
        delivery.acker.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

/// As fast as it can.
async fn nonsense(url: String) -> anyhow::Result<()> {
    let connection = queues::connect(&url).await?;
    let channel = queues::confirming(&connection).await?;
    let mut consumer = consume(&connection, QUEUE, 512).await?;
    let mut kinds = NONSENSE.iter().cycle();
    loop {
        let taken = take(&mut consumer, 256).await?;
        let each = taken.iter().zip(kinds.by_ref()).map(|(delivery, (body, role))| {
            let id = delivery.properties.message_id().as_ref().map(|id| id.as_str().to_owned());
            publish(&channel, (EXCHANGE, PREDICTIONS), body, properties(id, role))
        });
        for published in futures_util::future::join_all(each).await {
            published?;
        }
        if let Some(last) = taken.last() {
            ack(last).await?;
        }
    }
}

fn properties(id: Option<String>, role: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, text) in [("model", NAME), ("model_version", "0000000000aa"), ("model_role", role)] {
        headers.insert(name.into(), AMQPValue::LongString(LongString::from(text)));
    }
    let properties =
        BasicProperties::default().with_content_type("application/json".into()).with_headers(headers);
    match id {
        Some(id) => properties.with_message_id(id.into()),
        None => properties,
    }
}

/// How many messages wait there; none where there is no such queue.
async fn count_of(connection: &Connection, queue: &str) -> anyhow::Result<u32> {
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let Ok(found) = channel.queue_declare(queue.into(), options, FieldTable::default()).await else {
        return Ok(0);
    };
    let count = found.message_count();
    channel.close(200, "seen".into()).await?;
    Ok(count)
}
