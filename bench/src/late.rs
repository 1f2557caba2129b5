//! `late`: labels that come when a million predictions wait, or ten million rows are scored.
//!
//! The predictions and the rows are put in with `metric`'s own commits, then labels are committed for some of the
//! predictions, in the order of the predictions and in a random one: the same labels for a table that holds only these
//! predictions, and for the large one. Restart and memory are those of the real program on the large one.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use metric::account::Rejected;
use metric::arrival::{Arrival, ArrivalKind};
use metric::records::Records;
use metric::store::{CommitTime, Limits, schema};
use metric::write_error::WriteError;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use shared::clock::Timestamp;
use shared::message::RowId;

use crate::figures::{load, median};
use crate::processes::{Process, resident_megabytes, scratch};

/// How many messages are committed at once, as in `metric`.
const GROUP: usize = 1024;

/// How often each is measured, in turn, because a machine's speed drifts.
const ROUNDS: usize = 3;

/// Measures and prints.
pub(crate) fn run(pending: u64, scored: u64, labels: u64) -> anyhow::Result<()> {
    println!("labels/s; the load averages were {} at the start", load());
    let labels = usize::try_from(labels)?;
    let (near, far) = (scratch()?, scratch()?);
    let mut small = Table::fill(near.path(), 0, 0, labels)?;
    let mut large = Table::fill(far.path(), pending, scored, labels)?;
    // What was written so far is not to be measured.
    Command::new("sync").status()?;
    println!("{:>9} | nearly empty | {pending} pending, {scored} scored | ratio", "");
    for (order, at_random) in [("in order", false), ("at random", true)] {
        let (mut few, mut many, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let pair = (small.label(labels, at_random)?, large.label(labels, at_random)?);
            println!("{order:>9} | {:>12.0} | {:>12.0} | {:.2}", pair.0, pair.1, pair.1 / pair.0);
            few.push(pair.0);
            many.push(pair.1);
            ratios.push(many[round] / few[round]);
        }
        let (few, many, ratio) = (median(&few), median(&many), median(&ratios));
        println!("{:>9} | {few:>12.0} | {many:>12.0} | {ratio:.2}", "median");
    }
    small.close()?;
    large.close()?;
    let joined = Command::new(std::env::current_exe()?).arg("join").arg(far.path()).status()?;
    ensure!(joined.success(), "joining in a process of its own failed");
    restart(far.path())
}

/// A folder with predictions that wait.
struct Table {
    records: Records,
    waiting: Vec<RowId>,
}

impl Table {
    /// Puts in scored rows and predictions, of which as many wait as all rounds label, at least.
    fn fill(folder: &Path, pending: u64, scored: u64, labels: usize) -> anyhow::Result<Self> {
        let mut records = Records::open(folder).map_err(WriteError::into_error)?;
        for first in (0..scored).step_by(GROUP / 2) {
            let ids: Vec<RowId> =
                (first..scored.min(first + GROUP as u64 / 2)).map(|_| RowId::unique()).collect();
            let both = ids.iter().flat_map(|id| [prediction(id), label(id)]).collect::<Vec<_>>();
            commit(&mut records, &both)?;
        }
        let count = usize::try_from(pending)?.max(2 * ROUNDS * labels);
        let waiting: Vec<RowId> = (0..count).map(|_| RowId::unique()).collect();
        for group in waiting.chunks(GROUP) {
            commit(&mut records, &group.iter().map(prediction).collect::<Vec<_>>())?;
        }
        Ok(Self { records, waiting })
    }

    /// Labels a second for predictions that wait, in their order or at random.
    fn label(&mut self, labels: usize, at_random: bool) -> anyhow::Result<f64> {
        if at_random {
            self.waiting.shuffle(&mut StdRng::seed_from_u64(7));
        }
        let chosen: Vec<RowId> = self.waiting.drain(..labels).collect();
        let start = Instant::now();
        for group in chosen.chunks(GROUP) {
            commit(&mut self.records, &group.iter().map(label).collect::<Vec<_>>())?;
        }
        Ok(labels as f64 / start.elapsed().as_secs_f64())
    }

    fn close(self) -> anyhow::Result<()> {
        self.records.close().map_err(WriteError::into_error)
    }
}

/// Commits messages and writes their lines.
pub(crate) fn commit(records: &mut Records, arrivals: &[Arrival]) -> anyhow::Result<()> {
    let now = CommitTime { wall: Timestamp(1_795_194_245_123), age: 0 };
    let recorded = records
        .commit(arrivals, Rejected::default(), now, &Limits::default())
        .map_err(WriteError::into_error)?;
    records.show(&recorded.labels_log, &recorded.metric_log).map_err(WriteError::into_error)
}

fn label(id: &RowId) -> Arrival {
    Arrival { id: Some(id.clone()), kind: ArrivalKind::Label, value: 151.5, published_at: None }
}

fn prediction(id: &RowId) -> Arrival {
    let kind = ArrivalKind::Prediction(metric::arrival::Origin::default());
    Arrival { id: Some(id.clone()), kind, value: 206.25, published_at: None }
}

/// Commits a label for every fifth prediction of a folder, at random, and prints what is resident in this process, which
/// has done nothing else.
pub(crate) fn join(folder: &Path) -> anyhow::Result<()> {
    let mut ids: Vec<[u8; 16]> = schema::open_to_read(folder)?
        .prepare("SELECT id FROM known ORDER BY id DESC LIMIT 1000000")?
        .query_map([], |row| row.get(0))?
        .step_by(5)
        .collect::<rusqlite::Result<_>>()?;
    ids.shuffle(&mut StdRng::seed_from_u64(8));
    let mut records = Records::open(folder).map_err(WriteError::into_error)?;
    for group in ids.chunks(GROUP) {
        commit(&mut records, &group.iter().map(|id| label(&RowId::from_uuid(*id))).collect::<Vec<_>>())?;
    }
    println!(
        "resident after {} labels at random: {:.1} MB",
        ids.len(),
        resident_megabytes(std::process::id())?
    );
    records.close().map_err(WriteError::into_error)
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
