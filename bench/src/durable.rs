//! `durable`: `metric` alone, its messages in memory, beside a loop that only inserts into SQLite.

use std::time::Instant;

use metric::MetricOptions;
use shared::clock::{Clock, Timestamp};
use shared::message::{Key, Label, ModelRole, Name, Outgoing, Prediction, RowId};
use shared::readiness::Readiness;
use shared::service::Context;
use shared::stop::Stop;
use shared::transport::Transport;
use tokio::sync::watch;

use crate::figures::{load, median};
use crate::inserts::{self, ids};
use crate::processes::scratch;

/// How many messages are published at once.
const BATCH: u64 = 256;

/// Measures and prints.
pub(crate) fn run(rows: u64, rounds: usize) -> anyhow::Result<()> {
    println!("{rows} rows, rows/s; the load averages were {} at the start", load());
    println!("round |  inserts |   metric | ratio");
    let (mut inserts, mut metrics, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        let folder = scratch()?;
        let ids = ids(rows)?;
        let start = Instant::now();
        inserts::insert(folder.path(), &ids)?;
        let insert = rows as f64 / start.elapsed().as_secs_f64();
        let folder = scratch()?;
        let options = MetricOptions { no_evaluation: true, ..MetricOptions::in_folder(folder.path()) };
        let metric = record(options, rows, 0)?;
        println!("{round:>5} | {insert:>8.0} | {metric:>8.0} | {:.2}", metric / insert);
        inserts.push(insert);
        metrics.push(metric);
        ratios.push(metric / insert);
    }
    println!("median| {:>8.0} | {:>8.0} | {:.2}", median(&inserts), median(&metrics), median(&ratios));
    Ok(())
}

/// What a row was predicted from: other numbers in each row, spread evenly.
fn vector(row: u64, features: usize) -> Option<Box<[f64]>> {
    let number = |feature: usize| ((row * 7919 + feature as u64 * 104_729) % 10_007) as f64 / 10_007.0;
    (features > 0).then(|| (0..features).map(number).collect())
}

const AT: Timestamp = Timestamp(1_795_194_245_123);

/// `metric` on the in-memory transport, until every row is recorded: rows per second. Predictions say their `features`.
pub(crate) fn record(options: MetricOptions, rows: u64, features: usize) -> anyhow::Result<f64> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let transport = Transport::in_memory();
        let stop = Stop::default();
        let context =
            Context { transport: transport.clone(), stop: stop.clone(), readiness: Readiness::default() };
        let publisher = transport.publisher("bench", &stop, &context.readiness);
        let (count, mut recorded) = watch::channel(0);
        let start = Instant::now();
        let metric = tokio::spawn(metric::run(context, options, Clock::System, count));
        let source = tokio::spawn(async move {
            let model = Name::parse("model").map_err(anyhow::Error::msg)?;
            let version = Name::parse("3fa9c1d2e4b5").map_err(anyhow::Error::msg)?;
            for first in (0..rows).step_by(usize::try_from(BATCH)?) {
                let mut batch: Vec<Outgoing> = Vec::new();
                for row in first..rows.min(first + BATCH) {
                    let key = Key::Property(RowId::unique());
                    let label = Label { key: key.clone(), value: 151.5, published_at: None };
                    let prediction = Prediction {
                        key,
                        value: 206.25,
                        model: Some(model.clone()),
                        model_version: Some(version.clone()),
                        role: ModelRole::Serving,
                        published_at: None,
                        features_published_at: None,
                        vector: vector(row, features),
                    };
                    let messages: [Outgoing; 2] = [label.encode("bench", AT), prediction.encode("bench", AT)];
                    batch.extend(messages);
                }
                publisher.publish(batch).await?;
            }
            anyhow::Ok(())
        });
        source.await??;
        recorded.wait_for(|recorded| *recorded >= rows).await?;
        let time = start.elapsed();
        stop.request();
        metric.await??;
        Ok(rows as f64 / time.as_secs_f64())
    })
}
