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
use shared::clock::Timestamp;
use shared::message::Queue;
use shared::readiness::Condition;
use shared::service::Context;
use shared::stop::Stop;
use shared::transport::{Batch, Publisher};
use tokio::sync::watch;
use tracing::{error, info};

use logs::Logs;
use recorder::Recorder;

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
    let mut service =
        Service { recorder: Recorder::default(), logs: Some(logs), publisher, writable, stop, rows };

    let result = loop {
        let step = tokio::select! {
            () = service.stop.requested() => break Ok(()),
            batch = labels.take(BATCH) => batch.map(|batch| (batch, Queue::Label)),
            batch = predictions.take(BATCH) => batch.map(|batch| (batch, Queue::Prediction)),
        };
        match step {
            Ok((batch, queue)) => {
                if let Err(why) = service.record(batch, queue).await {
                    break Err(why);
                }
            }
            Err(why) => break Err(why.into()),
        }
    };
    tokio::join!(labels.close(), predictions.close(), service.publisher.close());
    info!("{}", service.recorder.summary());
    result
}

struct Service {
    recorder: Recorder,
    /// Taken while a thread writes to them.
    logs: Option<Logs>,
    publisher: Publisher,
    writable: Condition,
    stop: Stop,
    rows: watch::Sender<u64>,
}

impl Service {
    /// Records a batch and acknowledges it when its lines are on disk and its dead letters confirmed.
    async fn record(&mut self, batch: Batch, queue: Queue) -> anyhow::Result<()> {
        let step = self.recorder.step(&batch.deliveries, queue, Timestamp::now());
        if !step.dead.is_empty() {
            self.publisher.publish(step.dead).await?;
        }
        if !self.write(step.labels_log, step.metric_log).await? {
            // Not written and not acknowledged: whoever starts next gets the batch again.
            return Ok(());
        }
        batch.ack().await;
        self.recorder.report(&step.scored, Timestamp::now());
        self.rows.send_modify(|rows| *rows += step.scored.len() as u64);
        Ok(())
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
                Err(why) => {
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
