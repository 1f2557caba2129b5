//! `late`: labels that come when a million predictions wait, or ten million rows are scored.
//!
//! The predictions and the rows are put in with `metric`'s own commits, then labels are committed for some of the
//! predictions, in the order of the predictions and in a random one: the same labels for a table that holds only these
//! predictions, and for the large one. Restart and memory are those of the real program on the large one.

use std::path::Path;
use std::time::{Duration, Instant};

use metric::account::Rejected;
use metric::records::Records;
use metric::store::{Arrival, Limits, Moment, Said};
use metric::trouble::Trouble;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use shared::clock::Timestamp;
use shared::message::Name;

use crate::figures::load;
use crate::processes::{Process, scratch};

/// How many messages are committed at once, as in `metric`.
const GROUP: usize = 1024;

/// Measures and prints.
pub(crate) fn run(pending: u64, scored: u64, labels: u64) -> anyhow::Result<()> {
    println!("labels/s; the load averages were {} at the start", load());
    let small = scratch()?;
    let large = scratch()?;
    let (near, few) = measure(small.path(), 0, 0, labels)?;
    println!("nearly empty table             | in order {near:>7.0} | at random {few:>7.0}");
    let (ordered, random) = measure(large.path(), pending, scored, labels)?;
    println!("{pending} pending, {scored} scored | in order {ordered:>7.0} | at random {random:>7.0}");
    println!(
        "ratio                          | in order {:>7.2} | at random {:>7.2}",
        ordered / near,
        random / few
    );
    restart(large.path())
}

/// Labels a second for predictions that wait, in their order and at random.
fn measure(folder: &Path, pending: u64, scored: u64, labels: u64) -> anyhow::Result<(f64, f64)> {
    let mut records = Records::open(folder).map_err(Trouble::into_error)?;
    for first in (0..scored).step_by(GROUP / 2) {
        let ids: Vec<Name> = (first..scored.min(first + GROUP as u64 / 2)).map(|_| Name::unique()).collect();
        let both = ids.iter().flat_map(|id| [prediction(id), label(id)]).collect::<Vec<_>>();
        commit(&mut records, &both)?;
    }
    let waiting = usize::try_from(pending.max(2 * labels))?;
    let mut ids: Vec<Name> = (0..waiting).map(|_| Name::unique()).collect();
    for group in ids.chunks(GROUP) {
        commit(&mut records, &group.iter().map(prediction).collect::<Vec<_>>())?;
    }
    let labels = usize::try_from(labels)?;
    let start = Instant::now();
    for group in ids[..labels].chunks(GROUP) {
        commit(&mut records, &group.iter().map(label).collect::<Vec<_>>())?;
    }
    let in_order = labels as f64 / start.elapsed().as_secs_f64();
    let mut rest = ids.split_off(labels);
    rest.shuffle(&mut StdRng::seed_from_u64(7));
    let start = Instant::now();
    for group in rest[..labels].chunks(GROUP) {
        commit(&mut records, &group.iter().map(label).collect::<Vec<_>>())?;
    }
    let at_random = labels as f64 / start.elapsed().as_secs_f64();
    records.close().map_err(Trouble::into_error)?;
    Ok((in_order, at_random))
}

fn commit(records: &mut Records, arrivals: &[Arrival]) -> anyhow::Result<()> {
    let now = Moment { wall: Timestamp(1_795_194_245_123), age: 0 };
    let recorded = records
        .commit(arrivals, Rejected::default(), now, &Limits::default())
        .map_err(Trouble::into_error)?;
    records.show(&recorded.labels_log, &recorded.metric_log).map_err(Trouble::into_error)
}

fn label(id: &Name) -> Arrival {
    Arrival { id: Some(id.clone()), said: Said::Label, value: 151.5, published_at: None }
}

fn prediction(id: &Name) -> Arrival {
    let said = Said::Prediction(metric::join::Model::default());
    Arrival { id: Some(id.clone()), said, value: 206.25, published_at: None }
}

/// Kills the program without warning, and starts it again.
fn restart(folder: &Path) -> anyhow::Result<()> {
    let logs = folder.to_string_lossy();
    // A pipeline of its own, so that no broker is needed; its one row waits for its label.
    let args = ["--logs", &logs, "--interval", "1h", "--label-delay", "1h"];
    for _ in 0..2 {
        let home = scratch()?;
        let start = Instant::now();
        let mut pipeline = Process::start_with_admin("pipeline", home.path(), &args)?;
        pipeline.ready()?;
        println!("started and ready after {:.2} s", start.elapsed().as_secs_f64());
        std::thread::sleep(Duration::from_secs(2));
        println!("resident after 2 s: {:.1} MB, of the whole pipeline", pipeline.resident_megabytes()?);
        drop(pipeline);
    }
    Ok(())
}
