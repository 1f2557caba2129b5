//! Joins predictions with labels by id, records both, and says how good the predictions are.
//!
//! [`join`] decides what meets what, [`lines`] what is written, `board` keeps the scores; all are pure. `logs`
//! appends to the two files. [`run`] puts them between the queues.

mod board;
pub mod cli;
pub mod join;
pub mod lines;
mod logs;
mod recorder;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use shared::clock::Timestamp;
use shared::message::Queue;
use shared::readiness::Condition;
use shared::service::Context;
use shared::stop::Stop;
use shared::transport::{Batch, Publication};
use tokio::sync::watch;
use tracing::{error, info};

use logs::{AppendError, Logs};
use recorder::{Recorder, Step};

/// The service's name in the dead letters it sends.
const APP: &str = "metric";
/// How many messages are recorded at once at the most.
const BATCH: usize = 512;
/// How many messages of each queue are held unacknowledged at the most.
const PREFETCH: u16 = 1024;
/// How long to wait before a write that failed is tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// Where the records go.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Records")]
pub struct MetricOptions {
    /// The folder of labels_log.txt and metric_log.csv; it is made if it is missing.
    #[arg(long, env = "LOGS", value_name = "FOLDER", default_value = "logs")]
    pub logs: PathBuf,
}

/// Records until a stop is requested. `rows` is told how many rows of `metric_log.csv` this run has written.
///
/// # Errors
/// A folder that cannot be written at the start, or an incompatible broker.
pub async fn run(context: Context, options: MetricOptions, rows: watch::Sender<u64>) -> anyhow::Result<()> {
    let Context { transport, stop, readiness } = context;
    let logs = Logs::open(&options.logs)?;
    info!("recording to {}", options.logs.display());
    let mut labels = transport.consumer(APP, Queue::Label, PREFETCH, &stop, &readiness);
    let mut predictions = transport.consumer(APP, Queue::Prediction, PREFETCH, &stop, &readiness);
    let publisher = transport.publisher(APP, &stop, &readiness);
    let writable = readiness.condition("records can be written");
    writable.set(true);
    let mut service = Service { recorder: Recorder::default(), logs: Some(logs), writable, stop, rows };
    // Dead letters wait for their confirms on the side: an alarm that blocks publishing must not stop recording.
    let mut letters = FuturesUnordered::new();

    let result = loop {
        let stopping = service.stop.is_requested();
        if stopping && letters.is_empty() {
            break Ok(());
        }
        let taken = tokio::select! {
            () = service.stop.requested(), if !stopping => continue,
            Some(sent) = letters.next() => match sent {
                Ok(batch) => {
                    let batch: Batch = batch;
                    batch.ack().await;
                    continue;
                }
                Err(why) => break Err(anyhow::Error::from(why)),
            },
            batch = labels.take(BATCH), if !stopping => batch.map(|batch| (batch, Queue::Label)),
            batch = predictions.take(BATCH), if !stopping => batch.map(|batch| (batch, Queue::Prediction)),
        };
        let recorded = match taken {
            Ok((batch, queue)) => service.record(batch, queue).await,
            Err(why) => Err(why.into()),
        };
        match recorded {
            Ok(Recorded::All) => {}
            Ok(Recorded::Except { batch, dead }) => {
                letters.push(async { publisher.publish(dead).await.map(|()| batch) });
            }
            // Not written and not acknowledged. What the join has learnt from the batch is not true, so nothing
            // more may be taken: whoever starts next gets the batch again.
            Ok(Recorded::Nothing) => break Ok(()),
            Err(why) => break Err(why),
        }
    };
    drop(letters);
    tokio::join!(labels.close(), predictions.close(), publisher.close());
    info!("{}", service.recorder.summary());
    result
}

struct Service {
    recorder: Recorder,
    /// Taken while a thread writes to them.
    logs: Option<Logs>,
    writable: Condition,
    stop: Stop,
    rows: watch::Sender<u64>,
}

/// What became of a batch.
enum Recorded {
    /// It is on disk and acknowledged.
    All,
    /// But for these deliveries, which are acknowledged when their letters are confirmed.
    Except {
        /// The deliveries that cannot be used.
        batch: Batch,
        /// A letter for each.
        dead: Vec<Publication>,
    },
    /// It could not be written before a stop was requested.
    Nothing,
}

impl Service {
    /// Records a batch and acknowledges it when its lines are on disk.
    async fn record(&mut self, mut batch: Batch, queue: Queue) -> anyhow::Result<Recorded> {
        let Step { labels_log, metric_log, dead, scored } =
            self.recorder.step(&batch.deliveries, queue, Timestamp::now());
        if !self.write(labels_log, metric_log).await? {
            return Ok(Recorded::Nothing);
        }
        let (indices, dead): (Vec<usize>, Vec<Publication>) = dead.into_iter().unzip();
        let rejected = (!dead.is_empty()).then(|| batch.set_aside(&indices));
        if !batch.deliveries.is_empty() {
            batch.ack().await;
        }
        self.recorder.report(&scored, Timestamp::now());
        self.rows.send_modify(|rows| *rows += scored.len() as u64);
        Ok(rejected.map_or(Recorded::All, |batch| Recorded::Except { batch, dead }))
    }

    /// Writes until it succeeds. Returns whether it did before a stop was requested.
    async fn write(&mut self, labels_log: String, metric_log: String) -> anyhow::Result<bool> {
        let text = std::sync::Arc::new((labels_log, metric_log));
        loop {
            let Some(mut logs) = self.logs.take() else {
                anyhow::bail!("a thread that wrote the records is gone")
            };
            let lines = std::sync::Arc::clone(&text);
            let (logs, written) = tokio::task::spawn_blocking(move || {
                let written = logs.append(&lines.0, &lines.1);
                (logs, written)
            })
            .await?;
            self.logs = Some(logs);
            match written {
                Ok(()) => {
                    if !self.writable.set(true) {
                        info!("records can be written again");
                    }
                    return Ok(true);
                }
                Err(AppendError::Fatal(why)) => return Err(why),
                Err(AppendError::Again(why)) => {
                    if self.writable.set(false) {
                        error!("{why:#}; nothing is taken from the queues until it can be written");
                    }
                }
            }
            if !self.stop.sleep(WRITE_AGAIN).await {
                return Ok(false);
            }
        }
    }
}
