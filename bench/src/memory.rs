//! `memory`: the pipeline on the in-memory transport.

use std::time::Duration;

use crate::figures::{load, median};
use crate::processes::{Process, scratch};
use crate::records::Records;

/// How often the records are looked at.
const STEP: Duration = Duration::from_millis(2);

/// Rows per second of one run.
pub(crate) struct Rate {
    /// From the start of the program.
    pub(crate) whole: f64,
    /// From its first row.
    pub(crate) steady: f64,
}

/// Measures and prints.
pub(crate) fn run(rows: u64, rounds: usize) -> anyhow::Result<()> {
    println!("{rows} rows in memory, rows/s; the load averages were {} at the start", load());
    println!("round |  from start | from first row");
    let (mut whole, mut steady) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let rate = measure(rows, &[])?;
        whole.push(rate.whole);
        steady.push(rate.steady);
        println!("{round:>5} | {:>11.0} | {:>14.0}", rate.whole, rate.steady);
    }
    println!("median| {:>11.0} | {:>14.0}", median(&whole), median(&steady));
    Ok(())
}

/// One run with these flags besides.
pub(crate) fn measure(rows: u64, more: &[&str]) -> anyhow::Result<Rate> {
    let folder = scratch()?;
    let logs = folder.path().join("logs");
    let (count, records) = (rows.to_string(), logs.to_string_lossy());
    let args = ["--interval", "0s", "--order", "loop", "--count", &count, "--logs", &records];
    let mut records = Records::new(&logs);
    let mut pipeline = Process::start("pipeline", folder.path(), &[&args, more].concat())?;
    let (first, early) = records.wait(1, STEP)?;
    let (last, _) = records.wait(rows, STEP)?;
    pipeline.end()?;
    Ok(Rate {
        whole: rows as f64 / (last - pipeline.started()).as_secs_f64(),
        steady: (rows - early) as f64 / (last - first).as_secs_f64(),
    })
}
