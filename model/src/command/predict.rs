//! `model predict`: predictions for the rows of a table, as it streams by.

mod columns;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use shared::table::{Dialect, Reader};
use shared::telemetry;

use crate::load::Loader;
use crate::predictor::Predictor;
use columns::{TableColumns, TableRow};

/// How many rows are predicted together.
const BATCH: usize = 1000;
/// What messages call the table.
const TABLE: &str = "standard input";

/// What to predict with.
#[derive(Args, Debug)]
pub struct PredictOptions {
    /// The model file. The table comes from standard input, with a header.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Column with row ids, copied to the output before the prediction.
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,

    /// How the table is written.
    #[command(flatten)]
    dialect: Dialect,

    /// What to do with a row whose missing cell the model has no fill value for.
    #[arg(long, value_enum, value_name = "WAY", default_value_t = Unfilled::Fail)]
    missing: Unfilled,

    /// Refuse rows with a feature outside the trained range.
    #[arg(long)]
    strict: bool,
}

/// What to do with a row whose missing cell the model has no fill value for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Unfilled {
    /// Stop there.
    Fail,
    /// Leave it out, and say how many were.
    Drop,
}

/// Predicts the table on standard input, and writes the predictions to standard output.
///
/// # Errors
/// A model that is refused, a table that lacks a feature, or a cell that cannot be encoded, with its place. What came before
/// it has been predicted and written.
pub fn predict(options: &PredictOptions) -> anyhow::Result<()> {
    let predictor = Loader::of_this_program().load(&options.file)?.predictor;
    let input = io::stdin();
    // Where the table is a file, its length says how far we are.
    let length =
        File::from(input.as_fd().try_clone_to_owned()?).metadata().ok().filter(std::fs::Metadata::is_file);
    let bar = telemetry::progress_of_bytes(length.map(|metadata| metadata.len()));
    let result = stream(&predictor, options, bar.wrap_read(input.lock()), io::stdout().lock(), &|note| {
        bar.suspend(|| eprintln!("{note}"))
    });
    bar.finish_and_clear();
    match result {
        // A reader that has seen enough, such as `head`, is no failure.
        Err(why)
            if why.downcast_ref::<io::Error>().is_some_and(|why| why.kind() == io::ErrorKind::BrokenPipe) =>
        {
            Ok(())
        }
        other => other,
    }
}

fn stream(
    predictor: &Predictor,
    options: &PredictOptions,
    input: impl Read,
    output: impl Write,
    say: &dyn Fn(String),
) -> anyhow::Result<()> {
    let mut reader = Reader::open(input, TABLE, &options.dialect)?;
    let columns = TableColumns::find(reader.header(), predictor.inputs(), options.id.as_deref())?;
    reader.select(&columns.layout);
    let mut output = csv::Writer::from_writer(output);
    let mut head: Vec<&str> = options.id.as_deref().into_iter().collect();
    head.push("prediction");
    output.write_record(head)?;
    let mut batch = Vec::with_capacity(BATCH);
    let mut left_out = 0_u64;
    let mut failure = None;
    for record in reader.by_ref() {
        let parsed = record.map_err(Into::into).and_then(|record| columns.read(record, predictor, options));
        match parsed {
            Ok(Some(row)) => batch.push(row),
            Ok(None) => left_out += 1,
            Err(why) => {
                failure = Some(why);
                break;
            }
        }
        if batch.len() == BATCH {
            write_batch(predictor, &mut batch, &mut output)?;
        }
    }
    write_batch(predictor, &mut batch, &mut output)?;
    // Some of it is found late, such as decimal commas.
    if let Some(found) = reader.found() {
        say(format!("{TABLE}: {found}"));
    }
    if left_out > 0 {
        say(format!("{TABLE}: rows with missing cells that were left out: {left_out}"));
    }
    failure.map_or(Ok(()), Err)
}

fn write_batch<W: Write>(
    predictor: &Predictor,
    batch: &mut Vec<TableRow>,
    output: &mut csv::Writer<W>,
) -> anyhow::Result<()> {
    let rows: Vec<&[f64]> = batch.iter().map(|row| &row.features[..]).collect();
    let mut failure = None;
    for (TableRow { line, id, .. }, prediction) in batch.iter().zip(predictor.predict_each(&rows)) {
        match prediction {
            Ok(prediction) => {
                let prediction = prediction.to_string();
                output.write_record(id.as_deref().into_iter().chain([&*prediction])).map_err(broken_pipe)?;
            }
            Err(why) => {
                failure = Some(anyhow!("{TABLE}, line {line}: {}", why.detail));
                break;
            }
        }
    }
    batch.clear();
    output.flush()?;
    failure.map_or(Ok(()), Err)
}

/// Keeps what the system said, where it said it.
fn broken_pipe(why: csv::Error) -> anyhow::Error {
    match why.into_kind() {
        csv::ErrorKind::Io(why) => why.into(),
        other => anyhow!("cannot write: {other:?}"),
    }
}

#[cfg(test)]
mod tests;
