//! `evaluation`: what the evaluation costs `metric` while it records, and how soon a start has what was evaluated before.

use std::time::{Duration, Instant};

use metric::MetricOptions;

use crate::durable::record;
use crate::figures::{load, median};
use crate::processes::scratch;

/// How many features the rows have.
const FEATURES: usize = 10;

/// Measures and prints.
pub(crate) fn run(rows: u64, rounds: usize) -> anyhow::Result<()> {
    println!("{rows} rows of {FEATURES} features, rows/s; the load averages were {} at the start", load());
    println!("round | records only | evaluated too | ratio");
    let (mut without, mut with, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        // In turn, and each first as often as the other.
        let order = if round % 2 == 1 { [true, false] } else { [false, true] };
        let mut rates = [0.0; 2];
        for no_evaluation in order {
            let folder = scratch()?;
            let page_addr = Some(shared::admin::Listen::Off);
            let options =
                MetricOptions { no_evaluation, page_addr, ..MetricOptions::in_folder(folder.path()) };
            rates[usize::from(no_evaluation)] = record(options, rows, FEATURES)?;
        }
        let [evaluated, records] = rates;
        println!("{round:>5} | {records:>12.0} | {evaluated:>13.0} | {:.2}", evaluated / records);
        without.push(records);
        with.push(evaluated);
        ratios.push(evaluated / records);
    }
    println!("median| {:>12.0} | {:>13.0} | {:.2}", median(&without), median(&with), median(&ratios));
    restart(rows)
}

/// How long a start takes with what was recorded, from the state that was saved and without it.
fn restart(rows: u64) -> anyhow::Result<()> {
    let folder = scratch()?;
    let page_addr = Some(shared::admin::Listen::Off);
    let options = || MetricOptions { page_addr, ..MetricOptions::in_folder(folder.path()) };
    record(options(), rows, FEATURES)?;
    let state = folder.path().join("metric.evaluation");
    let bytes = std::fs::metadata(&state)?.len();
    let start = || -> anyhow::Result<Duration> {
        let begin = Instant::now();
        record(options(), 1, FEATURES)?;
        Ok(begin.elapsed())
    };
    let saved = start()?;
    std::fs::remove_file(&state)?;
    let anew = start()?;
    println!(
        "start, one more row, stop: {:.2} s from a saved state of {bytes} bytes, {:.2} s without it",
        saved.as_secs_f64(),
        anew.as_secs_f64()
    );
    Ok(())
}
