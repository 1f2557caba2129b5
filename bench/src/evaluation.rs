//! `evaluation`: what the evaluation costs `metric` while it records, and how soon a start has what was evaluated before.

use std::time::{Duration, Instant};

use evaluation::basis::{Basis, FeatureBasis};
use evaluation::fold::{Evaluation, Prediction, Row, Settings};
use evaluation::histogram::Histogram;
use evaluation::identity::Identity;
use metric::{MetricOptions, PageOptions};

use crate::durable::record;
use crate::figures::{load, median};
use crate::processes::{resident_megabytes, scratch};

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
            let page = PageOptions { page_addr: Some(shared::admin::Listen::Off), ..PageOptions::default() };
            let options = MetricOptions { no_evaluation, page, ..MetricOptions::in_folder(folder.path()) };
            rates[usize::from(no_evaluation)] = record(options, rows, FEATURES)?;
        }
        let [evaluated, records] = rates;
        println!("{round:>5} | {records:>12.0} | {evaluated:>13.0} | {:.2}", evaluated / records);
        without.push(records);
        with.push(evaluated);
        ratios.push(evaluated / records);
    }
    println!("median| {:>12.0} | {:>13.0} | {:.2}", median(&without), median(&with), median(&ratios));
    restart(rows)?;
    memory()
}

/// How long a start takes with what was recorded, from the state that was saved and without it.
fn restart(rows: u64) -> anyhow::Result<()> {
    let folder = scratch()?;
    let page = PageOptions { page_addr: Some(shared::admin::Listen::Off), ..PageOptions::default() };
    let options = || MetricOptions { page: page.clone(), ..MetricOptions::in_folder(folder.path()) };
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

/// What an evaluation holds with as many versions as are kept, a hundred features each, and as many rows that wait as it remembers.
fn memory() -> anyhow::Result<()> {
    const VERSIONS: usize = 20;
    const WIDE: usize = 100;
    const ROWS: i64 = 5000;
    const WAITING: i64 = 70_000;
    let before = resident_megabytes(std::process::id())?;
    let settings = Settings { window: 500, period: 86_400_000, horizon: 86_400_000, versions: VERSIONS };
    let mut evaluation = Evaluation::new(settings, Vec::new());
    let mut number = 0;
    let mut vector = vec![0.0; WIDE];
    for version in 0..VERSIONS {
        let feature = |at| FeatureBasis {
            name: format!("feature {at}"),
            histogram: Some(Histogram {
                edges: (0..=10).map(|tenth| f64::from(tenth) / 10.0).collect(),
                counts: vec![100; 10],
            }),
            commonest: None,
        };
        let basis = Basis { features: (0..WIDE).map(feature).collect(), ..Basis::default() };
        evaluation.know(version, Identity::serving(Some("model".into()), Some(version.to_string())), basis);
        let rows = if version + 1 == VERSIONS { ROWS + WAITING } else { ROWS };
        for row in 0..rows {
            number += 1;
            let at = number * 100;
            vector
                .iter_mut()
                .zip(1_i64..)
                .for_each(|(of, at)| *of = ((number * 7919 + at * 31) % 1009) as f64 / 1009.0);
            let prediction = Prediction {
                number,
                anonymous: false,
                value: vector[0],
                at,
                row_at: None,
                received: at,
                vector: Some(&vector),
            };
            evaluation.predicted(version, &prediction);
            if row < ROWS {
                let (y_true, y_pred, labelled_at) = (vector[1], vector[0], at + 50);
                evaluation.labelled(y_true, labelled_at);
                let complete = Row {
                    prediction: Some(number),
                    y_true,
                    y_pred,
                    predicted_at: at,
                    labelled_at,
                    received: labelled_at,
                };
                evaluation.scored(version, &complete);
            }
        }
        evaluation.committed(number, number * 100);
    }
    let begin = Instant::now();
    let report = evaluation.report(number * 100, |_, _| true);
    let (made, bytes) =
        (begin.elapsed(), evaluation::saved::save(&evaluation).map_or(0, |bytes| bytes.len()));
    println!(
        "{} versions of {WIDE} features: {:.1} MB more resident, a report in {:.1} ms, a saved state of {:.1} MB",
        report.versions.len(),
        resident_megabytes(std::process::id())? - before,
        made.as_secs_f64() * 1000.0,
        bytes as f64 / 1e6,
    );
    Ok(())
}
