//! Joins predictions with labels by id, records both, and says how good the predictions are.
//!
//! [`join`] decides what meets what, [`account`] counts what became of everything, [`lines`] says how it is written:
//! pure. [`store`] is the database that remembers all of it, [`follow`] tells of it inside the process, `projection` is a text
//! file that shows a part of it, [`records`] the folder of database and text files. [`run`] puts them behind the queues, the others are commands for people.

pub mod account;
mod acknowledgements;
mod age;
mod alerts;
mod api;
pub mod arrival;
mod backup;
mod bases;
mod basis;
mod cards;
pub mod cli;
pub mod committed;
mod compare;
pub mod day;
pub mod decide;
mod disk;
mod draw;
mod error_distribution;
mod evaluate;
mod evaluation_options;
mod evaluator;
mod export;
mod feature_columns;
pub mod follow;
mod group;
mod hints;
mod intake;
pub mod join;
#[cfg(test)]
mod life;
pub mod lines;
mod models;
mod notices;
mod options;
mod page;
mod page_options;
mod patience;
mod picture;
mod plot;
mod projection;
mod prometheus;
mod raster;
mod rebuild;
pub mod records;
mod replace;
mod report;
mod rollback;
mod score_log;
mod since;
mod status;
pub mod store;
mod terminal;
mod views;
mod webhook;
pub mod write_error;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use shared::ask::Asker;
use shared::clock::Clock;
use shared::message::Role;
use shared::service::Context;
use shared::transport::SideQueue;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use api::Source;
use cards::Inbox;
use evaluator::Plan;
use intake::Intake;
use webhook::Webhook;
use writer::Writer;

pub use evaluation_options::{EvaluationOptions, RuleOptions};
pub use options::{MetricOptions, TextFiles};
pub use page_options::{BasePath, PageOptions};
pub use rollback::Rollback;
pub use webhook::WebhookUrl;

/// The service's name in the dead letters it sends.
const APP: &str = "metric";
/// How many messages of each queue are held unacknowledged at the most: while one group is committed, the next fills, and the broker
/// is told of the one before.
const PREFETCH: u16 = 2048;

/// How long answers that are under way may take at a stop.
const PAGE_ENDS: Duration = Duration::from_secs(1);

/// Records until a stop is requested. `rows` is told how many rows of `metric_log.csv` this run has written.
///
/// # Errors
/// A folder that another metric records to, a damaged database, a disk that fails, or an incompatible broker.
pub async fn run(
    context: Context,
    options: MetricOptions,
    clock: Clock,
    rows: watch::Sender<u64>,
) -> anyhow::Result<()> {
    let limits = options.limits()?;
    let (before, texts) = (options.before(), options.text);
    let (settings, rules) =
        (options.evaluation.settings(options.label_horizon, None), options.evaluation.rules()?);
    let folder = options.logs;
    let (groups, received) = mpsc::channel(1);
    let Some(mut writer) = Writer::open(&folder, before, texts, limits, clock, rows, &context).await? else {
        return Ok(());
    };
    let asker = Asker::new(&context.transport, APP, &context.stop);
    let mut evaluated = None;
    let page = if options.no_evaluation {
        None
    } else {
        let webhook = options.alert_webhook.map(Webhook::start);
        let evaluated = evaluated
            .insert(writer.evaluate(Plan { folder: folder.clone(), settings, rules, webhook }))
            .clone();
        views::prometheus::publish(evaluated.clone());
        if raster::IS_BUILT && !options.no_plot {
            writer.beside(error_distribution::keep(folder.clone(), evaluated.clone()));
        }
        page::serve(
            options.page,
            Source {
                rendered: page::Rendered::default(),
                disk: disk::watch(folder.clone(), options.retain, context.stop.clone()),
                folder,
                evaluated,
                asker: Some(asker.clone()),
                readers: Arc::new(Semaphore::new(api::READERS)),
            },
        )
        .await?
    };
    let Context { transport, stop, readiness } = context;
    let queues = [Role::Label, Role::Prediction].map(|role| transport.subscription(role));
    let consumers = transport.sole_consumers(APP, queues, PREFETCH, &stop, &readiness);
    let mut intake = Intake::new(consumers, transport.publisher(APP, &stop, &readiness), stop.clone());
    let card_came = Arc::new(Notify::new());
    let cards = Inbox::open(intake.labels.aside(SideQueue::Cards), Arc::clone(&card_came));
    // Aborted when this function ends.
    let mut telling = JoinSet::new();
    if let Some(evaluated) = evaluated {
        telling.spawn(rollback::tell(intake.publisher.clone(), evaluated, options.rollback, card_came));
    }
    // A task of its own, so that it goes on while this one waits for something else.
    let mut writer = tokio::spawn(writer.run(received, intake.labels.lookout(), cards));
    let (result, writing) = tokio::select! {
        ended = &mut writer => (ended?, false),
        result = intake.run(groups) => (result, true),
    };
    let Intake { labels, predictions, publisher, letters, .. } = intake;
    drop((letters, telling));
    // What the writer has is committed and acknowledged before the connections are closed.
    let result = match result {
        result if writing && stop.is_requested() => writer.await?.and(result),
        result => {
            writer.abort();
            result
        }
    };
    let page = async {
        if let Some(page) = page {
            page.stop(PAGE_ENDS).await;
            asker.close().await;
        }
    };
    tokio::join!(labels.close(), predictions.close(), publisher.close(), page);
    result
}
