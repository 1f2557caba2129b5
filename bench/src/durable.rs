//! `durable`: `metric` alone, its messages in memory, beside a loop that only inserts into SQLite.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use metric::MetricOptions;
use metric::store::schema;
use metric::write_error::WriteError;
use rusqlite::params;
use shared::clock::{Clock, Timestamp};
use shared::message::{Key, Label, Name, Outgoing, Prediction, RowId};
use shared::readiness::Readiness;
use shared::service::Context;
use shared::stop::Stop;
use shared::transport::Transport;
use tokio::sync::watch;

use crate::figures::{load, median};
use crate::processes::scratch;

/// How many messages are committed at once, as in `metric`.
const GROUP: u64 = 1024;
/// How many messages are published at once.
const BATCH: u64 = 256;

/// Measures and prints.
pub(crate) fn run(rows: u64, rounds: usize) -> anyhow::Result<()> {
    println!("{rows} rows, rows/s; the load averages were {} at the start", load());
    println!("round |  inserts |   metric | ratio");
    let (mut inserts, mut metrics, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        let folder = scratch()?;
        let insert = insert(folder.path(), rows)?;
        let folder = scratch()?;
        let metric = record(folder.path(), rows)?;
        println!("{round:>5} | {insert:>8.0} | {metric:>8.0} | {:.2}", metric / insert);
        inserts.push(insert);
        metrics.push(metric);
        ratios.push(metric / insert);
    }
    println!("median| {:>8.0} | {:>8.0} | {:.2}", median(&inserts), median(&metrics), median(&ratios));
    Ok(())
}

/// The inserts of `metric` and nothing else: two messages and a scored row for each row, in groups of the same size.
fn insert(folder: &Path, rows: u64) -> anyhow::Result<f64> {
    let path = schema::path(folder);
    let mut db = schema::open_to_write(&path).map_err(WriteError::into_error)?;
    schema::migrate(&mut db, &path).map_err(WriteError::into_error)?;
    let ids = ids(rows)?;
    let start = Instant::now();
    let (mut event, mut scoring) = (0_i64, 0_i64);
    for group in ids.chunks(usize::try_from(GROUP / 2)?) {
        let change = db.transaction()?;
        {
            let mut events =
                change.prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
            let mut known = change.prepare_cached("INSERT INTO known VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            let mut scorings =
                change.prepare_cached("INSERT INTO scoring VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
            for id in group {
                for source in 0..2 {
                    event += 1;
                    events.execute(params![event, AT.0, event, source, id, 151.5, AT.0, source])?;
                    known.execute(params![id, event, source, 151.5, AT.0, source])?;
                }
                scoring += 1;
                scorings.execute(params![scoring, event, id, 151.5, 206.25, 1, AT.0, AT.0])?;
            }
        }
        change.commit()?;
    }
    Ok(rows as f64 / start.elapsed().as_secs_f64())
}

const AT: Timestamp = Timestamp(1_795_194_245_123);

fn ids(rows: u64) -> anyhow::Result<Vec<[u8; 16]>> {
    (0..rows).map(|_| RowId::unique().to_uuid().context("an id of ours is a UUID")).collect()
}

/// `metric` on the in-memory transport, until every row is recorded.
fn record(folder: &Path, rows: u64) -> anyhow::Result<f64> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let transport = Transport::in_memory();
        let stop = Stop::default();
        let context =
            Context { transport: transport.clone(), stop: stop.clone(), readiness: Readiness::default() };
        let publisher = transport.publisher("bench", &stop, &context.readiness);
        let options = MetricOptions::in_folder(folder);
        let (count, mut recorded) = watch::channel(0);
        let start = Instant::now();
        let metric = tokio::spawn(metric::run(context, options, Clock::System, count));
        let source = tokio::spawn(async move {
            let model = Name::parse("model").map_err(anyhow::Error::msg)?;
            let version = Name::parse("3fa9c1d2e4b5").map_err(anyhow::Error::msg)?;
            for first in (0..rows).step_by(usize::try_from(BATCH)?) {
                let mut batch: Vec<Outgoing> = Vec::new();
                for _ in first..rows.min(first + BATCH) {
                    let key = Key::Property(RowId::unique());
                    let label = Label { key: key.clone(), value: 151.5, published_at: None };
                    let prediction = Prediction {
                        key,
                        value: 206.25,
                        model: Some(model.clone()),
                        model_version: Some(version.clone()),
                        published_at: None,
                        features_published_at: None,
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
