//! `record`: the processor time of a row in the records alone, committed and written to both text files in one thread, beside
//! that of a loop that only inserts into SQLite.

use std::time::Instant;

use metric::arrival::{Arrival, ArrivalKind};
use metric::join::ModelId;
use metric::records::Records;
use metric::write_error::WriteError;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use shared::clock::Timestamp;
use shared::message::{Name, RowId};

use crate::figures::{load, median};
use crate::inserts;
use crate::late::commit;
use crate::processes::{processor_seconds, scratch};

/// What the ids are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Ids {
    /// UUIDs in the order of time, as ours are.
    Uuid,
    /// `order:1` and so on.
    Text,
    /// The same in no order.
    Shuffled,
}

/// Measures and prints.
pub(crate) fn run(rows: usize, rounds: usize, groups: &[usize], kinds: &[Ids]) -> anyhow::Result<()> {
    println!("{rows} rows; the load averages were {} at the start", load());
    println!("us of processor time a row, medians of {rounds} rounds in turn");
    println!("ids      | messages a commit | inserts | record | ratio |   rows/s");
    for kind in kinds {
        let ids = ids(*kind, rows)?;
        let uuids = inserts::ids(rows as u64)?;
        for group in groups {
            let (mut yardstick, mut cost, mut ratios, mut rates) = (vec![], vec![], vec![], vec![]);
            for _ in 0..rounds {
                let folder = scratch()?;
                let (inserted, _) = measure(rows, || inserts::insert(folder.path(), &uuids))?;
                let folder = scratch()?;
                let mut records = Records::open(folder.path()).map_err(WriteError::into_error)?;
                let messages = messages(&ids)?;
                let (recorded, rate) = measure(rows, || {
                    messages.chunks(*group).try_for_each(|group| commit(&mut records, group))
                })?;
                yardstick.push(inserted);
                cost.push(recorded);
                ratios.push(recorded / inserted);
                rates.push(rate);
            }
            println!(
                "{:<8} | {group:>17} | {:>7.2} | {:>6.2} | {:>5.2} | {:>8.0}",
                format!("{kind:?}").to_lowercase(),
                median(&yardstick),
                median(&cost),
                median(&ratios),
                median(&rates)
            );
        }
    }
    Ok(())
}

/// Microseconds of processor time a row, and rows a second.
fn measure(rows: usize, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<(f64, f64)> {
    let (time, start) = (processor_seconds(std::process::id())?, Instant::now());
    work()?;
    let used = processor_seconds(std::process::id())? - time;
    Ok((used * 1e6 / rows as f64, rows as f64 / start.elapsed().as_secs_f64()))
}

fn ids(kind: Ids, rows: usize) -> anyhow::Result<Vec<RowId>> {
    let mut ids: Vec<RowId> = match kind {
        Ids::Uuid => return Ok((0..rows).map(|_| RowId::unique()).collect()),
        Ids::Text | Ids::Shuffled => (0..rows)
            .map(|row| RowId::parse(&format!("order:{row}")).map_err(anyhow::Error::msg))
            .collect::<anyhow::Result<_>>()?,
    };
    if kind == Ids::Shuffled {
        ids.shuffle(&mut StdRng::seed_from_u64(8));
    }
    Ok(ids)
}

/// A label and a prediction of each row, with values of as many digits as they have in life.
fn messages(ids: &[RowId]) -> anyhow::Result<Vec<Arrival>> {
    let named = |text| Name::parse(text).map(Some).map_err(anyhow::Error::msg);
    let model = ModelId { name: named("model")?, version: named("3fa9c1d2e4b5")?, ..ModelId::default() };
    let mut numbers = StdRng::seed_from_u64(5);
    Ok(ids
        .iter()
        .flat_map(|id| {
            let mut arrival = |kind| Arrival {
                id: Some(id.clone()),
                kind,
                value: numbers.random_range(25.0..325.0),
                published_at: Some(Timestamp(1_795_194_245_120)),
            };
            [arrival(ArrivalKind::Label), arrival(ArrivalKind::Prediction(model.clone().into()))]
        })
        .collect())
}
