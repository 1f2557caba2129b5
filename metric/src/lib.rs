//! Joins predictions with labels by id, records both, and says how good the predictions are.
//!
//! [`join`] decides what meets what, [`account`] counts what became of everything, [`lines`] says how it is written:
//! pure. [`store`] is the database that remembers all of it, `projection` a text file that shows a part of it,
//! [`records`] the folder of the three. [`run`] puts them behind the queues, the others are commands for people.

pub mod account;
mod age;
pub mod cli;
mod export;
mod group;
mod hints;
pub mod join;
pub mod lines;
mod notices;
mod options;
mod patience;
mod projection;
mod prometheus;
mod rebuild;
pub mod records;
mod score_log;
mod status;
pub mod store;
pub mod write_error;
mod writer;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use shared::clock::Clock;
use shared::message::Role;
use shared::service::Context;
use shared::transport::Burial;
use tokio::sync::{mpsc, watch};

use group::Group;
use writer::Writer;

pub use options::MetricOptions;

/// The service's name in the dead letters it sends.
const APP: &str = "metric";
/// How many messages of each queue are held unacknowledged at the most: while one group is committed, the next fills.
const PREFETCH: u16 = 2048;

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
    let folder = options.logs;
    let (groups, received) = mpsc::channel(1);
    let Some(writer) = Writer::open(&folder, limits, clock, rows, &context).await? else { return Ok(()) };
    let Context { transport, stop, readiness } = context;
    let queues = [Role::Label, Role::Prediction].map(|role| transport.subscription(role));
    let [mut labels, mut predictions] = transport.sole_consumers(APP, queues, PREFETCH, &stop, &readiness);
    let publisher = transport.publisher(APP, &stop, &readiness);
    // A task of its own, so that it goes on while this one waits for something else.
    let mut writer = tokio::spawn(writer.run(received, labels.lookout()));
    let mut writing = true;
    let mut group = Group::default();
    // Dead letters wait for their confirms on the side: an alarm that blocks publishing must not stop recording.
    let mut letters = FuturesUnordered::new();

    let result = loop {
        let stopping = stop.is_requested();
        if stopping && letters.is_empty() && group.is_empty() {
            break Ok(());
        }
        let due = group.is_due() || (stopping && !group.is_empty());
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
            Ok(room) = groups.reserve(), if due => {
                room.send(std::mem::take(&mut group));
                continue;
            }
            () = group.deadline(), if !due => continue,
            batch = labels.take(group.room()), if taking => batch.map(|batch| (batch, Role::Label)),
            batch = predictions.take(group.room()), if taking => batch.map(|batch| (batch, Role::Prediction)),
        };
        match taken {
            Ok((batch, queue)) => {
                let span = batch.span();
                for (dead, letter) in span.in_scope(|| group.add(batch, queue)) {
                    let burial = publisher.bury(letter);
                    letters.push(async move { burial.await.map(|burial| (burial, dead)) });
                }
            }
            Err(why) => break Err(why.into()),
        }
    };
    drop(letters);
    drop(groups);
    // What the writer has is committed and acknowledged before the connections are closed.
    let result = match result {
        result if writing && stop.is_requested() => writer.await?.and(result),
        result => {
            writer.abort();
            result
        }
    };
    tokio::join!(labels.close(), predictions.close(), publisher.close());
    result
}
