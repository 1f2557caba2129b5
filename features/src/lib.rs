//! Publishes rows and labels: a table's as if they happened now, or another program's as they come.
//!
//! [`order`] says which row of a table comes next, [`ndjson`] what a line of JSON says, [`delay`] how late a label is,
//! [`schedule`] what is due when, [`resume`] what was confirmed before, `disturb` what is done to the data on purpose; all of
//! these are pure. A source gives entries, `feed`
//! lets time pass and publishes them.

pub mod cli;
mod csv;
pub mod delay;
mod disturb;
pub mod entry;
mod feed;
mod input;
mod labels;
mod ledger;
pub mod ndjson;
mod options;
pub mod order;
mod pipe;
pub mod resume;
pub mod schedule;
mod shape;
mod source;
mod table;
mod together;
mod traces;
mod wishes;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use shared::service::Context;
use shared::table::{Labels, Table};
use tracing::info;

use delay::Delay;
use disturb::Disturber;
use entry::Entry;
use feed::{Feed, Form};
use ledger::Ledger;
pub use options::{FeaturesOptions, LabelsOptions};
use options::{InputOptions, Pace, Sending};
use order::{Order, Rows};
use pipe::{Pipe, Plan};
use resume::Confirmed;
use schedule::Schedule;
pub use shape::{Body, Shape};
use source::EntrySource;
use table::Drawn;
use wishes::Wishes;

/// Publishes until the rows are through, `--count` is reached, or a stop is requested; then also the labels
/// that are still held, so that no row stays without one. Returns how many rows were confirmed with their labels.
///
/// # Errors
/// A table that cannot be used (nothing is published then), a line of a stream that cannot be read (what came before it is
/// published), a ledger that cannot be written, or an incompatible broker.
pub async fn run(context: Context, options: FeaturesOptions) -> anyhow::Result<u64> {
    options.check()?;
    let seed = options.seed.unwrap_or_else(rand::random);
    // A generator each, so that a delay distribution does not change which rows are drawn.
    let mut seeds = StdRng::seed_from_u64(seed);
    let (row_seed, delay_seed, missing_seed) = (seeds.random(), seeds.random(), seeds.random());
    let schedule = Schedule::new(options.interval(), options.label_delay, delay_seed);
    let (order, count) = (options.order(), options.pace.count);
    let data = if options.is_stream() {
        if options.disturbance.label_missing.is_some() {
            info!("labels are left out by seed {seed}");
        }
        stream("rows", &options.data, options.wishes(missing_seed), &options.input, &options.pace)
    } else {
        let (entries, disturber) = whole_table(&options, order, seed, missing_seed)?;
        let rows = move |len| Rows::new(len, order, row_seed, count);
        Data::Whole { entries, rows: Box::new(rows), disturber }
    };
    feed(context, data, schedule, &options.sending).await
}

/// Publishes labels alone, each once, for rows that went out before. Returns how many were confirmed.
///
/// # Errors
/// As [`run`].
pub async fn run_labels(context: Context, options: LabelsOptions) -> anyhow::Result<u64> {
    let is_stream = input::is_stream(&options.data, options.input.input_format);
    options.sending.check()?;
    options.input.check(is_stream)?;
    let schedule = Schedule::new(options.pace.interval(Duration::ZERO), Delay::Fixed(Duration::ZERO), 0);
    let data = if is_stream {
        stream("labels", &options.data, options.wishes(), &options.input, &options.pace)
    } else {
        let (entries, count) = (labels::entries(&options)?, options.pace.count);
        info!("publishing {} labels, from {}", entries.len(), input::name(&options.data));
        let rows = move |len| Rows::new(len, Order::Once, 0, count);
        Data::Whole { entries, rows: Box::new(rows), disturber: None }
    };
    feed(context, data, schedule, &options.sending).await
}

/// What is to be published.
enum Data {
    /// Entries that were all checked, how they are drawn, and what is done to those that are.
    Whole {
        entries: Vec<Entry>,
        rows: Box<dyn FnOnce(usize) -> Rows + Send>,
        disturber: Option<Disturber>,
    },
    Stream(Plan),
}

/// What is to be published of a stream; `what` says it to people.
fn stream(what: &str, data: &Path, wishes: Wishes, input: &InputOptions, pace: &Pace) -> Data {
    info!("publishing {what} as they come, from {}", input::name(data));
    Data::Stream(Plan { data: data.to_owned(), wishes, skip_bad: input.skip_bad, count: pace.count })
}

/// A table's entries, and what disturbs them when they are drawn.
fn whole_table(
    options: &FeaturesOptions,
    order: Order,
    seed: u64,
    missing_seed: u64,
) -> anyhow::Result<(Vec<Entry>, Option<Disturber>)> {
    let (file, columns) = (&*options.data, &options.columns);
    let mut data = Table::read(file, options.dialect(), columns, options.labels())?;
    for note in &data.notes {
        info!("{}: {note}", file.display());
    }
    info!("publishing {data}, from {}, {order} order, seed {seed}", file.display());
    if data.target.is_none() && options.labels() == Labels::IfThere {
        wishes::say_no_labels(&input::name(file), columns.label());
    }
    if order != Order::Once
        && let Some(column) = &columns.id
    {
        info!(
            "in {order} order rows repeat, so each gets a new id; to send those of {column:?}, use --order once"
        );
        data.ids = None;
    }
    let disturber = table::disturber(&data, file, &options.disturbance, columns.label(), missing_seed)?;
    let entries = table::entries(data, file, options.feature_names)?;
    Ok(match disturber {
        // Before those are left out that a resumed run has confirmed, so that each row has the number it had.
        Some(disturber) if order == Order::Once => (table::disturb(entries, &disturber, file)?, None),
        disturber => (entries, disturber),
    })
}

async fn feed(context: Context, data: Data, schedule: Schedule, sending: &Sending) -> anyhow::Result<u64> {
    let path: Option<&Path> = sending.ledger.as_deref();
    let confirmed = match path.filter(|_| sending.resume) {
        Some(path) => Arc::new(Confirmed::read(path)?),
        None => Arc::default(),
    };
    if let Some(path) = path.filter(|_| sending.resume) {
        info!(
            "{}: {} rows and labels are already confirmed and are not sent again",
            path.display(),
            confirmed.len()
        );
    }
    let ledger = Ledger::open(path, sending.resume)?;
    let source = match data {
        Data::Whole { entries, rows, disturber } => {
            let rest = entries.into_iter().filter_map(|entry| confirmed.rest(entry)).collect();
            EntrySource::Table(Drawn::new(rest, rows, disturber))
        }
        Data::Stream(plan) => EntrySource::Pipe(Pipe::start(plan, Arc::clone(&confirmed))?),
    };
    let form = Form { shape: &sending.shape, rows_per_message: sending.rows_per_message() };
    let result = Feed::new(source, schedule, &ledger, form).run(context).await;
    let (rows, labels) = confirmed.left_out();
    if rows + labels > 0 {
        info!("skipped {rows} rows and {labels} labels that were already confirmed");
    }
    info!("published {} rows and {} labels", ledger.rows(), ledger.labels());
    result.map(|()| ledger.labels())
}
