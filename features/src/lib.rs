//! Publishes rows of a table as if they happened now: the features at once, the label with them or later.
//!
//! [`order`] says which row comes next, [`delay`] how late its label is, [`schedule`] what is due when; all
//! three are pure. [`run`] reads the table, lets time pass and publishes.

pub mod cli;
pub mod delay;
mod ledger;
mod options;
pub mod order;
pub mod schedule;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use shared::clock::Timestamp;
use shared::dataset::Dataset;
use shared::message::{Key, Label, Outgoing, Role, Row, RowId};
use shared::service::Context;
use shared::stop::Stop;
use shared::telemetry;
use shared::transport::{self, Publisher};
use tokio::time::Instant;
use tracing::{info, warn};

use ledger::Ledger;
pub use options::{Body, FeaturesOptions};
use order::Rows;
use schedule::{Due, Schedule};

/// The service's name in its messages' property `app_id`.
const APP: &str = "features";
/// How many rows and labels a batch has at the most.
const BATCH: usize = 256;
/// How many batches are under way at once.
const DEPTH: usize = 3;

/// Publishes until the rows are through, `--count` is reached, or a stop is requested; then also the labels
/// that are still held, so that no row stays without one. Returns how many rows were confirmed.
///
/// # Errors
/// A table that cannot be used (nothing is published then), a ledger that cannot be written, or an
/// incompatible broker.
pub async fn run(context: Context, options: FeaturesOptions) -> anyhow::Result<u64> {
    let data = Dataset::read(&options.data, &options.columns)?;
    let seed = options.seed.unwrap_or_else(rand::random);
    info!("publishing {data}, from {}, {} order, seed {seed}", options.data.display(), options.order);
    let ledger = Ledger::open(options.ledger.as_deref())?;

    let Context { transport, stop, readiness } = context;
    let publisher = transport.publisher(APP, &stop, &readiness);
    // Two generators, so that a delay distribution does not change which rows are drawn.
    let mut seeds = StdRng::seed_from_u64(seed);
    let rows = Rows::new(data.rows.len(), options.order, seeds.random(), options.count);
    let schedule = Schedule::new(options.interval(), options.label_delay, seeds.random());
    let total = rows.total();
    let mut source = Source {
        sending: Sending { publisher: &publisher, ledger: &ledger, progress: total.map(progress_bar) },
        data: &data,
        form: Form {
            body: options.body,
            names: options.feature_names.then(|| Row::names_header(&data.features).into()),
        },
        rows,
        schedule,
    };

    let result = match source.play(&stop).await {
        Ok(()) => source.flush().await,
        failed => failed,
    };
    publisher.close().await;
    if let Some(bar) = &source.sending.progress {
        bar.finish();
    }
    let held = source.schedule.held();
    if held > 0 {
        warn!("ends with {held} labels that were not published: their rows stay without one");
    }
    info!("published {} rows and {} labels", ledger.rows(), ledger.labels());
    result.map(|()| ledger.rows())
}

fn progress_bar(total: u64) -> indicatif::ProgressBar {
    telemetry::progress(total, "rows")
}

struct Source<'a> {
    sending: Sending<'a>,
    data: &'a Dataset,
    form: Form,
    rows: Rows,
    schedule: Schedule,
}

/// In which form a row travels.
struct Form {
    body: Body,
    /// The features' names, where they are sent.
    names: Option<Arc<str>>,
}

struct Sending<'a> {
    publisher: &'a Publisher,
    ledger: &'a Ledger,
    progress: Option<indicatif::ProgressBar>,
}

impl Source<'_> {
    /// Publishes what falls due, as it falls due, until there is nothing more or a stop is requested. What is
    /// under way then is still waited for.
    async fn play(&mut self, stop: &Stop) -> anyhow::Result<()> {
        let Self { sending, data, form, rows, schedule } = self;
        let start = Instant::now();
        let mut flight = FuturesUnordered::new();
        loop {
            while flight.len() < DEPTH && !stop.is_requested() {
                let due = schedule.due(start.elapsed(), BATCH, rows);
                if due.is_empty() {
                    break;
                }
                flight.push(sending.send(due, data, form));
            }
            let idle = flight.len() < DEPTH && !stop.is_requested();
            let wake = if idle { schedule.next(rows) } else { None };
            if wake.is_none() && flight.is_empty() {
                return Ok(());
            }
            tokio::select! {
                Some(sent) = flight.next() => sent?,
                () = tokio::time::sleep_until(start + wake.unwrap_or_default()), if wake.is_some() => {}
                () = stop.requested(), if idle => {}
            }
        }
    }

    /// Publishes the labels that are still held, at once.
    async fn flush(&mut self) -> anyhow::Result<()> {
        let held = self.schedule.held();
        if held > 0 {
            info!("publishing the {held} labels that are not due yet");
        }
        let Self { sending, data, form, schedule, .. } = self;
        let mut flight = FuturesUnordered::new();
        loop {
            while flight.len() < DEPTH && schedule.held() > 0 {
                flight.push(sending.send(schedule.take_held(BATCH), data, form));
            }
            match flight.next().await {
                Some(sent) => sent?,
                None => return Ok(()),
            }
        }
    }
}

impl Sending<'_> {
    async fn send(&self, due: Vec<Due>, data: &Dataset, form: &Form) -> anyhow::Result<()> {
        let now = Timestamp::now();
        let key = |id: &RowId| match form.body {
            Body::Bare => Key::Property(id.clone()),
            Body::Wrapped => Key::wrapped(id.clone()),
        };
        let batch: Vec<Outgoing> = due
            .iter()
            .map(|due| match due {
                Due::Row { id, row } => {
                    let (features, names) = (data.rows[*row].clone(), form.names.clone());
                    Row { key: key(id), features, names, published_at: Some(now) }.encode(APP, now)
                }
                Due::Label { id, row } => {
                    let value = data.labels[*row];
                    Label { key: key(id), value, published_at: Some(now) }.encode(APP, now)
                }
            })
            .collect();
        match self.publisher.publish(batch).await {
            Ok(()) => {}
            Err(transport::Error::Stopped) => {
                warn!(
                    "stopped before {} messages were confirmed; they may or may not have arrived",
                    due.len()
                );
                return Err(transport::Error::Stopped.into());
            }
            Err(other) => return Err(other.into()),
        }
        self.ledger.confirmed(&due).context("cannot write the ledger of confirmed messages")?;
        let rows = due.iter().filter(|due| matches!(due, Due::Row { .. })).count() as u64;
        let labels = due.len() as u64 - rows;
        for (queue, count) in [(Role::Features, rows), (Role::Label, labels)] {
            metrics::counter!("pipeline_published_total", "queue" => queue.name()).increment(count);
        }
        if let Some(bar) = &self.progress {
            bar.inc(rows);
        }
        Ok(())
    }
}

/// The pace when nothing else is said: the exercise's.
pub(crate) const INTERVAL: Duration = Duration::from_secs(2);
