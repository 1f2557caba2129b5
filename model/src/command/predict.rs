//! `model predict`: predictions for the rows of a table, as it streams by.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;
use csv::StringRecord;
use shared::telemetry;

use crate::inputs::Inputs;
use crate::load::Loader;
use crate::predictor::Predictor;

/// How many rows are predicted together.
const BATCH: usize = 1000;

/// What to predict with.
#[derive(Args, Debug)]
pub struct PredictOptions {
    /// The model file. The table comes from standard input: CSV with a header.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// A column that names a row: it is repeated before the prediction.
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,

    /// Refuses rows with a feature beyond what the model was trained on.
    #[arg(long)]
    strict: bool,
}

/// Predicts the table on standard input, and writes the predictions to standard output.
///
/// # Errors
/// A model that is refused, a table that lacks a feature, or a cell that is not a finite number, with its place. What came
/// before it has been predicted and written.
pub fn predict(options: &PredictOptions) -> anyhow::Result<()> {
    let predictor = Loader::of_this_program().load(&options.file)?.predictor;
    let input = io::stdin();
    // Where the table is a file, its length says how far we are.
    let length =
        File::from(input.as_fd().try_clone_to_owned()?).metadata().ok().filter(std::fs::Metadata::is_file);
    let bar = telemetry::progress_of_bytes(length.map(|metadata| metadata.len()));
    let result = stream(&predictor, options, bar.wrap_read(input.lock()), io::stdout().lock());
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
) -> anyhow::Result<()> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    let header = reader.headers().context("cannot read the table's header")?.clone();
    let columns = columns(&header, predictor.inputs(), options.id.as_deref())?;
    let mut output = csv::Writer::from_writer(output);
    let mut head: Vec<&str> = options.id.as_deref().into_iter().collect();
    head.push("prediction");
    output.write_record(head)?;
    let mut batch = Vec::with_capacity(BATCH);
    let mut failure = None;
    for record in reader.records() {
        let parsed = match record {
            Ok(record) => columns.read(&record, &header, predictor, options.strict),
            Err(why) => Err(anyhow!("the table cannot be read: {why}")),
        };
        match parsed {
            Ok(row) => batch.push(row),
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
    failure.map_or(Ok(()), Err)
}

/// A row of the table.
struct TableRow {
    /// Where it stands.
    line: u64,
    /// Its id, if one is wanted.
    id: Option<String>,
    /// Its features in the model's order.
    features: Vec<f64>,
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
                failure = Some(anyhow!("line {line}: {}", why.detail));
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

/// Where the features stand in the table.
struct TableColumns {
    features: Vec<usize>,
    id: Option<usize>,
}

fn columns(header: &StringRecord, inputs: &Inputs, id: Option<&str>) -> anyhow::Result<TableColumns> {
    let names: Vec<&str> = header.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
    let find = |wanted: &str| names.iter().position(|name| *name == wanted);
    let has = || format!("its header has {}", names.join(", "));
    let id = match id {
        None => None,
        Some(id) => {
            Some(find(id).with_context(|| format!("the table has no column {id:?} for --id; {}", has()))?)
        }
    };
    let features = match inputs.names() {
        // By name: the table may have them in any order, and others beside.
        Some(wanted) => {
            let missing: Vec<&str> =
                wanted.iter().map(String::as_str).filter(|name| find(name).is_none()).collect();
            ensure!(missing.is_empty(), "the table lacks the features {}; {}", missing.join(", "), has());
            wanted.iter().filter_map(|name| find(name)).collect()
        }
        None => {
            let features: Vec<usize> = (0..names.len()).filter(|column| Some(*column) != id).collect();
            let (wanted, got) = (inputs.count(), features.len());
            ensure!(
                wanted == got,
                "the model has {wanted} features of unknown names, and the table {got} columns; {}",
                has()
            );
            features
        }
    };
    Ok(TableColumns { features, id })
}

impl TableColumns {
    fn read(
        &self,
        record: &StringRecord,
        header: &StringRecord,
        predictor: &Predictor,
        strict: bool,
    ) -> anyhow::Result<TableRow> {
        let line = record.position().map_or(0, csv::Position::line);
        let mut features = Vec::with_capacity(self.features.len());
        for &column in &self.features {
            let (value, name) = (&record[column], &header[column]);
            match value.parse().ok().filter(|number: &f64| number.is_finite()) {
                Some(number) => features.push(number),
                None => bail!("line {line}, column {name}: {value:?} is not a finite number"),
            }
        }
        predictor.check_numbers(&features).map_err(|why| anyhow!("line {line}: {}", why.detail))?;
        if strict && let Some(outside) = predictor.inputs().outside(&features).next() {
            bail!("line {line}: {outside}");
        }
        Ok(TableRow { line, id: self.id.map(|column| record[column].to_owned()), features })
    }
}

#[cfg(test)]
mod tests {
    use shared::message::Name;

    use super::*;
    use crate::linear::Linear;
    use crate::predictor::Engine;

    fn predicted(inputs: Inputs, id: Option<&str>, strict: bool, table: &str) -> (String, String) {
        let engine = Engine::Linear(Linear::new(None, &[1.0, 10.0], 0.5).unwrap());
        let predictor = Predictor::new(engine, inputs, Name::parse("v").unwrap());
        let options = PredictOptions { file: PathBuf::new(), id: id.map(str::to_owned), strict };
        let mut output = Vec::new();
        let result = stream(&predictor, &options, table.as_bytes(), &mut output);
        (String::from_utf8(output).unwrap(), result.err().map_or(String::new(), |why| format!("{why:#}")))
    }

    fn named() -> Inputs {
        Inputs::named(vec!["a".to_owned(), "b".to_owned()]).within(Some(vec![(0.0, 9.0), (0.0, 9.0)]))
    }

    #[test]
    fn features_are_found_by_name() {
        let (output, failure) =
            predicted(named(), Some("id"), false, "b,note,id,a\n2,x,row-1,1\n-4,,row-2,3\n");
        assert_eq!((&*output, &*failure), ("id,prediction\nrow-1,21.5\nrow-2,-36.5\n", ""));
    }

    #[test]
    fn without_names_the_columns_are_the_features() {
        let (output, failure) = predicted(Inputs::unnamed(2), Some("id"), true, "id,p,q\n7,1,2\n");
        assert_eq!((&*output, &*failure), ("id,prediction\n7,21.5\n", ""));
    }

    #[test]
    fn what_comes_before_a_fault_is_predicted() {
        for (inputs, id, strict, table, want_output, want_failure) in [
            (
                named(),
                None,
                false,
                "a,b\n1,2\n3,x\n5,6\n",
                "prediction\n21.5\n",
                "line 3, column b: \"x\" is not a finite number",
            ),
            (
                named(),
                None,
                false,
                "a,b\n1,2\n3\n",
                "prediction\n21.5\n",
                "the table cannot be read: CSV error: record 2 (line: 3",
            ),
            (
                named(),
                None,
                true,
                "a,b\n1,2\n3,9.5\n",
                "prediction\n21.5\n",
                "line 3: b is 9.5, and the model was trained on 0 to 9",
            ),
            (named(), None, false, "a,c\n1,2\n", "", "the table lacks the features b; its header has a, c"),
            (
                named(),
                Some("k"),
                false,
                "a,b\n1,2\n",
                "",
                "the table has no column \"k\" for --id; its header has a, b",
            ),
            (
                Inputs::unnamed(2),
                None,
                false,
                "a,b,c\n",
                "",
                "the model has 2 features of unknown names, and the table 3",
            ),
        ] {
            let (output, failure) = predicted(inputs, id, strict, table);
            assert_eq!(output, want_output);
            assert!(failure.starts_with(want_failure), "{failure}");
        }
    }
}
