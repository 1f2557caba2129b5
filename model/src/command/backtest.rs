//! `model backtest`: predicts rows that production recorded with a candidate, and compares with what served then, row by row, as
//! the table streams by.

mod candidate;
mod comparison;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use evaluation::pairs::Finding;
use shared::clock::Timestamp;

use crate::recorded::{RecordedRow, RecordedRows, Versions};
use crate::standard;
use candidate::Candidate;
use comparison::Comparison;

pub(crate) use report::Report;

/// What a script is told by the exit code: not enough is known to say that the candidate is better, or that it is worse.
const UNDECIDED: u8 = 3;
/// The candidate is worse.
const WORSE: u8 = 4;

/// How many rows are predicted together, and how many numbers of them.
const BATCH: usize = 1000;
const BATCH_NUMBERS: usize = 1_000_000;

/// What to compare.
#[derive(Args, Debug)]
pub struct BacktestOptions {
    /// The candidate: a model file (.json), or from elsewhere .onnx, .pkl or .joblib.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The rows: the table that `metric export --features` writes; `-` is standard input.
    #[arg(value_name = "TABLE", default_value = "-")]
    table: PathBuf,

    /// The model that served these rows: its file says what the numbers in them are.
    #[arg(long, value_name = "FILE", default_value = "data/model.json")]
    serving: PathBuf,

    /// Print everything as JSON, for programs, and as evidence for `model promote`.
    #[arg(long)]
    json: bool,
}

/// Compares. The exit code is 0 where the candidate is better, 4 where it is worse, and 3 where neither is known.
///
/// # Errors
/// A candidate that could not serve these rows, or a table that cannot be used.
pub fn backtest(options: &BacktestOptions) -> anyhow::Result<(String, ExitCode)> {
    let report = compare(options)?;
    let text = if options.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.text() };
    Ok((text, ExitCode::from(code(report.finding))))
}

fn code(finding: Finding) -> u8 {
    match finding {
        Finding::Better => 0,
        Finding::Worse => WORSE,
        Finding::NotWorse | Finding::Undecided => UNDECIDED,
    }
}

fn compare(options: &BacktestOptions) -> anyhow::Result<Report> {
    let BacktestOptions { file, table, serving, .. } = options;
    let candidate = Candidate::load(file, serving)?;
    let name = standard::input_name(table);
    let input = standard::open(table).with_context(|| format!("cannot read {name}"))?;
    let mut run = Run::new(&candidate);
    for row in RecordedRows::open(input, &name)? {
        run.take(row?).with_context(|| name.clone())?;
    }
    run.predict();
    run.report(standard::file_name(table)).context(name)
}

/// One back-test under way.
struct Run<'a> {
    candidate: &'a Candidate,
    comparison: Comparison,
    by: Versions,
    left_out: report::LeftOut,
    predicted: Option<(Timestamp, Timestamp)>,
    batch: Vec<Waiting>,
    numbers: usize,
}

/// A row that waits to be predicted.
struct Waiting {
    /// What the candidate predicts from.
    vector: Vec<f64>,
    row: RecordedRow,
}

impl<'a> Run<'a> {
    fn new(candidate: &'a Candidate) -> Self {
        Self {
            candidate,
            comparison: Comparison::new(candidate.served.encoding.columns()),
            by: Versions::default(),
            left_out: report::LeftOut::default(),
            predicted: None,
            batch: Vec::new(),
            numbers: 0,
        }
    }

    fn take(&mut self, row: RecordedRow) -> anyhow::Result<()> {
        let Some(features) = &row.features else {
            self.left_out.without_features += 1;
            return Ok(());
        };
        if self.candidate.was_trained_on(row.predicted_at) {
            self.left_out.trained_on += 1;
            return Ok(());
        }
        let raw = match self.candidate.served.raw(&row.by, features) {
            Ok(raw) => raw,
            Err(why) => {
                self.left_out.unfit(row.line, &why);
                return Ok(());
            }
        };
        self.by.count(&row.by)?;
        self.by.refuse_several_models()?;
        match self.candidate.vector(raw) {
            Ok(vector) => {
                self.numbers += vector.len();
                self.batch.push(Waiting { vector, row });
            }
            Err(why) => self.left_out.refused(row.line, &why),
        }
        if self.batch.len() >= BATCH || self.numbers >= BATCH_NUMBERS {
            self.predict();
        }
        Ok(())
    }

    /// Predicts the rows that wait.
    fn predict(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.numbers = 0;
        let vectors: Vec<&[f64]> = batch.iter().map(|waiting| &waiting.vector[..]).collect();
        for (prediction, Waiting { row, .. }) in self.candidate.predict(&vectors).into_iter().zip(&batch) {
            match prediction {
                Ok(new) => {
                    let at = row.predicted_at;
                    let (first, last) = self.predicted.unwrap_or((at, at));
                    self.predicted = Some((first.min(at), last.max(at)));
                    let features = row.features.as_deref().unwrap_or_default();
                    self.comparison.add(features, row.label, new, row.prediction);
                }
                Err(why) => self.left_out.refused(row.line, &why.detail),
            }
        }
    }

    fn report(self, table: String) -> anyhow::Result<Report> {
        let Some((first, last)) = self.predicted else {
            match self.left_out.notes(&self.candidate.file) {
                none if none.is_empty() => bail!("it has no rows"),
                notes => bail!("no rows are left to compare: {}", notes.join("; ")),
            }
        };
        let (largest, _) = self.by.largest();
        Ok(Report::of(self.candidate, table, &largest, (first, last), self.left_out, self.comparison))
    }
}

#[cfg(test)]
mod tests;
