//! Lets time pass and publishes what falls due.

use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use indicatif::ProgressBar;
use shared::clock::Timestamp;
use shared::message::Role;
use shared::metrics::Counter;
use shared::service::Context;
use shared::stop::Stop;
use shared::telemetry;
use shared::transport::{self, Publisher};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::ledger::Ledger;
use crate::schedule::{Due, Schedule};
use crate::shape::Shape;
use crate::source::EntrySource;
use crate::together;
use crate::traces::Traces;

/// The service's name in its messages' property `app_id`.
const APP: &str = "features";
/// How many messages a batch has at the most, about, and how many rows and labels.
const BATCH: usize = 256;
const MOST_DUE: usize = 8192;
/// How many batches are under way at once.
const DEPTH: usize = 3;

static PUBLISHED: Counter<1> =
    Counter::new("pipeline_published_total", "Rows and labels that were published and confirmed.", ["queue"]);

/// A source on its way to the broker.
pub(crate) struct Feed<'a> {
    source: EntrySource,
    schedule: Schedule,
    ledger: &'a Ledger,
    form: Form<'a>,
}

/// In which form messages go out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) rows_per_message: usize,
}

impl<'a> Feed<'a> {
    pub(crate) fn new(source: EntrySource, schedule: Schedule, ledger: &'a Ledger, form: Form<'a>) -> Self {
        Self { source, schedule, ledger, form }
    }

    /// Publishes until the source ends or a stop is requested, then what is held. What a source that ended early has against
    /// its data comes after that.
    pub(crate) async fn run(mut self, context: Context) -> anyhow::Result<()> {
        [Role::Features, Role::Label].iter().for_each(|role| PUBLISHED.add([role.name()], 0));
        let Context { transport, stop, readiness } = context;
        let publisher = transport.publisher(APP, &stop, &readiness);
        let progress = self.source.total().map(|total| telemetry::progress(total, "rows"));
        let sending = Sending {
            publisher: &publisher,
            ledger: self.ledger,
            form: self.form,
            progress: progress.as_ref(),
            traces: Mutex::default(),
        };
        let mut result = self.play(&sending, &stop).await;
        if result.is_ok() {
            self.hurry();
            // Only what would last too long ends it now.
            result = self.play(&sending, &Stop::default()).await;
        }
        publisher.close().await;
        if let Some(bar) = &progress {
            bar.finish();
        }
        let held = self.schedule.held();
        if held > 0 {
            warn!("stopping with {held} labels unpublished: their rows have no label");
        }
        let withheld = self.schedule.withheld();
        if withheld > 0 {
            info!("kept back {withheld} labels on purpose, as --label-missing says");
        }
        let synced = self.ledger.close().context("cannot write the ledger of confirmed messages");
        let EntrySource::Pipe(pipe) = &mut self.source else { return result.and(synced) };
        if let Some(place) = pipe.closed_at() {
            info!("{place}; to send the rest, send the same stream again, with --resume if you use --ledger");
        }
        result.and(synced).and(pipe.fault().map_or(Ok(()), Err))
    }

    /// From here on nothing new is read, and nothing waits for its time.
    fn hurry(&mut self) {
        self.source.close();
        self.schedule.hurry();
        let held = self.schedule.held();
        if held > 0 {
            info!("publishing the {held} labels that are not due yet");
        }
    }

    /// Publishes what falls due, as it falls due, until there is nothing more or a stop is requested. What is
    /// under way then is still waited for.
    async fn play(&mut self, sending: &Sending<'_>, stop: &Stop) -> anyhow::Result<()> {
        let Self { source, schedule, .. } = self;
        let most = (BATCH * sending.form.rows_per_message).min(MOST_DUE);
        let start = Instant::now();
        let mut flight = FuturesUnordered::new();
        let mut told = false;
        loop {
            while flight.len() < DEPTH && !stop.is_requested() {
                let due = schedule.due(start.elapsed(), most, source);
                if due.is_empty() {
                    break;
                }
                flight.push(sending.send(due));
            }
            if schedule.is_full() && !told {
                told = true;
                warn!(
                    "{} labels are waiting to be sent, the limit: rows wait until some are; a shorter --label-delay holds fewer",
                    schedule.held()
                );
            }
            let idle = flight.len() < DEPTH && !stop.is_requested();
            let wake = if idle { schedule.next(source.is_ready()) } else { None };
            let silent = idle && source.is_silent();
            if wake.is_none() && !silent && flight.is_empty() {
                return Ok(());
            }
            tokio::select! {
                Some(sent) = flight.next() => sent?,
                () = source.wait(), if silent => {}
                () = tokio::time::sleep_until(start + wake.unwrap_or_default()), if wake.is_some() => {}
                () = stop.requested(), if idle => {}
            }
        }
    }
}

struct Sending<'a> {
    publisher: &'a Publisher,
    ledger: &'a Ledger,
    form: Form<'a>,
    progress: Option<&'a ProgressBar>,
    traces: Mutex<Traces>,
}

impl Sending<'_> {
    async fn send(&self, due: Vec<Due>) -> anyhow::Result<()> {
        let now = Timestamp::now();
        let Form { shape, rows_per_message } = self.form;
        let batch = {
            let mut traces = self.traces.lock().unwrap_or_else(PoisonError::into_inner);
            together::messages(&due, rows_per_message, shape, APP, now, &mut traces)
        };
        match self.publisher.publish(batch).await {
            Ok(()) => {}
            Err(transport::Error::Stopped) => {
                warn!(
                    "stopped before {} rows and labels were confirmed; they may or may not have arrived",
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
            PUBLISHED.add([queue.name()], count);
        }
        if let Some(bar) = self.progress {
            bar.inc(rows);
        }
        Ok(())
    }
}
