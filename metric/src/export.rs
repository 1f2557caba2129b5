//! `metric export`: scored rows out of the database, as a stream, while metric runs or not.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use shared::clock::Timestamp;
use shared::message::Name;

use crate::account::Account;
use crate::feature_columns::FeatureColumns;
use crate::join::{ModelId, Scored};
use crate::lines::{LineWriter, METRIC_HEADER};
use crate::store::{Reader, Selection, WithVector};

/// How many rows are read at once.
const PAGE: usize = 10_000;

/// How many models are named where a wrong one was asked for.
const CHOICES: usize = 20;

/// Stands for the name that a model did not say. No name begins like that.
const UNNAMED: &str = "-";

/// Writes scored rows to standard output.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// Folder of the records.
    #[arg(long, value_name = "FOLDER", default_value = "logs")]
    logs: PathBuf,

    /// Output format.
    #[arg(long, value_enum, default_value_t = OutputFormat::Csv)]
    format: OutputFormat,

    /// Only rows whose later half was published at this time or later: 2026-11-22, or 2026-11-22T10:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = Timestamp::of_person)]
    since: Option<Timestamp>,

    /// Only rows of this model, or of this version of it; `-` is a model that did not give its name.
    #[arg(long, value_name = "NAME[@VERSION]", value_parser = parse_model, allow_hyphen_values = true)]
    model: Option<ModelId>,

    /// Also what each row was predicted from, as the model weighs it: further columns `feature_1`, `feature_2` and so on, empty
    /// where it is not known or a model has fewer. Ends with the last row that was there at the beginning.
    #[arg(long)]
    features: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    /// Like metric_log.csv.
    Csv,
    /// One JSON object per line.
    Ndjson,
}

impl Export {
    /// Writes them.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let reader = Reader::open(&self.logs)?;
        let mut out = BufWriter::new(io::stdout().lock());
        match self.write(&reader, &mut out) {
            // Whoever reads has seen enough, as `head` has.
            Err(why) if is_broken_pipe(&why) => Ok(()),
            written => written,
        }
    }

    fn write(&self, reader: &Reader, out: &mut impl Write) -> anyhow::Result<()> {
        let mut selection = Selection { since: self.since, model: self.model.clone(), until: None };
        let mut columns = FeatureColumns::default();
        if self.features {
            // A wider row that comes later would have no columns.
            selection.until = Some(reader.last_scored()?);
            columns = FeatureColumns::numbered(reader.widest(&selection)?);
        }
        if self.format == OutputFormat::Csv {
            let mut header = METRIC_HEADER.trim_end().to_owned();
            columns.push_header(&mut header);
            header.push('\n');
            out.write_all(header.as_bytes())?;
        }
        let (mut after, mut count) = (0, 0);
        let (mut text, mut writer) = (String::new(), LineWriter::default());
        while let Some((last, mut rows)) = self.page(reader, after, &selection)? {
            after = last;
            // Whoever asks for a shadow or a challenger by its name gets it.
            rows.retain(|(row, _)| self.model.is_some() || row.has_line());
            text.clear();
            count += rows.len();
            for (row, vector) in &rows {
                let numbers = vector.as_deref().unwrap_or_default();
                match self.format {
                    OutputFormat::Csv => {
                        writer.scored(&mut text, row);
                        text.pop();
                        columns.push_cells(&mut text, numbers);
                    }
                    OutputFormat::Ndjson => {
                        text += &serde_json::to_string(&Record::from(row))?;
                        text.pop();
                        columns.push_members(&mut text, numbers);
                        text.push('}');
                    }
                }
                text.push('\n');
            }
            out.write_all(text.as_bytes())?;
        }
        out.flush()?;
        if let (0, Some(model)) = (count, &self.model) {
            eprintln!("{}", nothing_of(model, &reader.account()?));
        }
        Ok(())
    }
}

impl Export {
    /// The next rows, with what they were predicted from where that is wanted.
    fn page(
        &self,
        reader: &Reader,
        after: i64,
        selection: &Selection,
    ) -> anyhow::Result<Option<(i64, Vec<WithVector>)>> {
        if self.features {
            return reader.scored_with_vectors(after, PAGE, selection);
        }
        let without = |rows: Vec<Scored>| rows.into_iter().map(|row| (row, None)).collect();
        Ok(reader.scored(after, PAGE, selection)?.map(|(last, rows)| (last, without(rows))))
    }
}

/// What is said where a model has no rows.
fn nothing_of(model: &ModelId, account: &Account) -> String {
    let scored = account.models().iter().filter(|known| known.counts.scored > 0);
    let choices: Vec<String> = scored.take(CHOICES + 1).map(|known| choice(&known.model)).collect();
    if choices.is_empty() {
        return "no row has been scored yet".to_owned();
    }
    let more = if choices.len() > CHOICES { ", ..." } else { "" };
    let choices = &choices[..choices.len().min(CHOICES)];
    format!("no rows of {model} match; choose from {}{more}", choices.join(", "))
}

/// The flag that chooses a model.
fn choice(model: &ModelId) -> String {
    match &model.version {
        Some(_) => format!("--model {}", model.tag()),
        None => format!("--model {}", model.name.as_ref().map_or(UNNAMED, Name::as_str)),
    }
}

/// A row as a JSON object, its keys in the order of the columns.
#[derive(Serialize)]
struct Record<'a> {
    id: String,
    y_true: f64,
    y_pred: f64,
    absolute_error: f64,
    model: Option<&'a str>,
    model_version: Option<&'a str>,
    predicted_at: String,
    labelled_at: String,
    label_lag_ms: i64,
}

impl<'a> From<&'a Scored> for Record<'a> {
    fn from(row: &'a Scored) -> Self {
        Self {
            id: row.id.to_string(),
            y_true: row.y_true,
            y_pred: row.y_pred,
            absolute_error: row.absolute_error(),
            model: row.model.name.as_ref().map(Name::as_str),
            model_version: row.model.version.as_ref().map(Name::as_str),
            predicted_at: row.predicted_at.to_string(),
            labelled_at: row.labelled_at.to_string(),
            label_lag_ms: row.label_lag_ms(),
        }
    }
}

fn is_broken_pipe(why: &anyhow::Error) -> bool {
    why.downcast_ref::<io::Error>().is_some_and(|why| why.kind() == io::ErrorKind::BrokenPipe)
}

pub(crate) fn parse_model(text: &str) -> Result<ModelId, String> {
    let (name, version) = text.split_once('@').map_or((text, None), |(name, version)| (name, Some(version)));
    let part = |what, text: &str| match text {
        // As people see it, too.
        UNNAMED | "unnamed model" => Ok(None),
        text => Name::parse(text).map(Some).map_err(|why| format!("invalid {what}: {why}")),
    };
    let version = version.map_or(Ok(None), |version| part("version", version))?;
    Ok(ModelId { name: part("name", name)?, version, ..ModelId::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_with_or_without_its_version() {
        for (text, tag) in [
            ("m", "m@-"),
            ("m@0a", "m@0a"),
            ("m@-", "m@-"),
            ("-", "-@-"),
            ("unnamed model", "-@-"),
            ("-@0a", "-@0a"),
            ("unnamed", "unnamed@-"),
        ] {
            assert_eq!(parse_model(text).unwrap().tag(), tag, "{text}");
        }
        for bad in ["m@", "", "@0a", "a b"] {
            assert!(parse_model(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_model_without_rows_is_told_with_those_that_have_some() {
        let mut account = Account::default();
        let asked = parse_model("other").unwrap();
        assert_eq!(nothing_of(&asked, &account), "no row has been scored yet");
        for known in ["-", "m@0a", "m@-", "none"] {
            let number = account.number(&parse_model(known).unwrap());
            account.count(Some(number), |counts| counts.scored += u64::from(known != "none"));
        }
        assert_eq!(
            nothing_of(&asked, &account),
            "no rows of other match; choose from --model -, --model m@0a, --model m"
        );
    }
}
