//! Joins predictions with labels by id, records both, and says how good the predictions are.
//!
//! [`join`] decides what meets what, [`account`] counts what became of everything, [`lines`] says how it is written:
//! pure. [`store`] is the database that remembers all of it, [`follow`] tells of it inside the process, `projection` is a text
//! file that shows a part of it, [`records`] the folder of database and text files. [`run`] puts them behind the queues, the others are commands for people.

pub mod account;
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

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use shared::ask::Asker;
use shared::clock::Clock;
use shared::message::Role;
use shared::service::Context;
use shared::transport::{Burial, SideQueue};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use api::Source;
use cards::Inbox;
use evaluator::Plan;
use group::Group;
use webhook::Webhook;
use writer::Writer;

pub use evaluation_options::{EvaluationOptions, RuleOptions};
pub use options::{MetricOptions, TextFiles};
pub use page_options::{BasePath, PageOptions};
pub use rollback::Rollback;
pub use webhook::WebhookUrl;

/// The service's name in the dead letters it sends.
const APP: &str = "metric";
/// How many messages of each queue are held unacknowledged at the most: while one group is committed, the next fills.
const PREFETCH: u16 = 2048;
/// How long after the beginning of a commit of several messages the next one may begin, so that some go together: without it, at
/// 1000 rows/s the syncs of this disk compete with those of a broker on the same one. A row that comes alone, and its label, are
/// committed at once.
const PACE: Duration = Duration::from_millis(2);
const SEVERAL: u64 = 3;

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
    let [mut labels, mut predictions] = transport.sole_consumers(APP, queues, PREFETCH, &stop, &readiness);
    let publisher = transport.publisher(APP, &stop, &readiness);
    let card_came = Arc::new(Notify::new());
    let cards = Inbox::open(labels.aside(SideQueue::Cards), Arc::clone(&card_came));
    // Aborted when this function ends.
    let mut telling = JoinSet::new();
    if let Some(evaluated) = evaluated {
        telling.spawn(rollback::tell(publisher.clone(), evaluated, options.rollback, card_came));
    }
    // A task of its own, so that it goes on while this one waits for something else.
    let mut writer = tokio::spawn(writer.run(received, labels.lookout(), cards));
    let mut writing = true;
    let mut group = Group::default();
    // A group fills while the one before is committed: that is what its first message waits for.
    let turns = Arc::new(Semaphore::new(1));
    let mut next = Instant::now();
    // Dead letters wait for their confirms on the side: an alarm that blocks publishing must not stop recording.
    let mut letters = FuturesUnordered::new();

    let result = loop {
        let stopping = stop.is_requested();
        if stopping && letters.is_empty() && group.is_empty() {
            break Ok(());
        }
        let due = !group.is_empty() && (stopping || group.room() == 0 || next <= Instant::now());
        let taking = !stopping && group.room() > 0 && !publisher.is_overfull();
        let taken = tokio::select! {
            ended = &mut writer => {
                writing = false;
                break ended?;
            }
            () = stop.requested(), if !stopping => continue,
            Some(buried) = letters.next() => match buried {
                Ok((Burial::Confirmed, dead)) => {
                    group.reject(dead);
                    continue;
                }
                // It comes again, and counts then.
                Ok((Burial::GivenBack, _)) => continue,
                Err(why) => break Err(anyhow::Error::from(why)),
            },
            Ok(turn) = Arc::clone(&turns).acquire_owned(), if due => {
                let pause = if group.messages() < SEVERAL { Duration::ZERO } else { PACE };
                // Where the writer has ended, that is heard of above.
                _ = groups.send((std::mem::take(&mut group), turn)).await;
                next = Instant::now() + pause;
                continue;
            }
            () = sleep_until(next), if !due && !group.is_empty() => continue,
            batch = labels.take(group.room()), if taking => batch.map(|batch| (batch, Role::Label)),
            batch = predictions.take(group.room()), if taking => batch.map(|batch| (batch, Role::Prediction)),
        };
        match taken {
            Ok((batch, queue)) => {
                let span = batch.span();
                for (dead, of_it) in span.in_scope(|| group.add(batch, queue)) {
                    let burial = publisher.bury_all(of_it);
                    letters.push(async move { burial.await.map(|burial| (burial, dead)) });
                }
            }
            Err(why) => break Err(why.into()),
        }
    };
    drop(letters);
    drop(groups);
    drop(telling);
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
