//! Rows as production recorded them: the table that `metric export --features` writes, read as it streams by. Memory is that of
//! one row.

mod served;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::Read;

use anyhow::{Context as _, anyhow, bail, ensure};
use shared::clock::Timestamp;
use shared::message::{Cell, scorable};
use shared::printable::{names, piece, quoted};
use shared::table::{Decimal, Dialect, Layout, Reader, Record, Separator};

pub(crate) use served::Served;

/// How the columns begin that hold what a row was predicted from: `feature_1` and so on.
const FEATURE: &str = "feature_";
/// How a table like this comes about.
const WAY: &str = "expected what `metric export --features` writes";
/// How many versions a table may name.
const MOST_VERSIONS: usize = 1000;
/// How many versions are named to people and in model files.
const NAMED: usize = 20;

/// A labelled row, and what was predicted of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RecordedRow {
    /// Where it stands in the table.
    pub(crate) line: u64,
    /// Who predicted it.
    pub(crate) by: By,
    /// When.
    pub(crate) predicted_at: Timestamp,
    /// The label.
    pub(crate) label: f64,
    /// The prediction.
    pub(crate) prediction: f64,
    /// What it was predicted from, as that model weighed it. None where that is not known, or not all of it is a finite number.
    pub(crate) features: Option<Vec<f64>>,
}

/// A model's name and version, as a table has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct By {
    /// The model's name, if it gave one.
    pub(crate) model: Option<Box<str>>,
    /// Its version, if it gave one.
    pub(crate) version: Option<Box<str>>,
}

/// As `metric export --model` takes it.
impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |part: &Option<Box<str>>| part.as_deref().map_or("-".to_owned(), piece);
        write!(f, "{}@{}", part(&self.model), part(&self.version))
    }
}

/// Reads such a table.
pub(crate) struct RecordedRows<R> {
    reader: Reader<R>,
    name: String,
    columns: Columns,
}

/// Where everything stands.
struct Columns {
    label: usize,
    prediction: usize,
    predicted_at: usize,
    model: usize,
    version: usize,
    features: Vec<usize>,
}

impl<R: Read> RecordedRows<R> {
    /// Reads the header; `name` is what errors call the table.
    ///
    /// # Errors
    /// It is no such table.
    pub(crate) fn open(input: R, name: &str) -> anyhow::Result<Self> {
        let dialect = Dialect { separator: Some(Separator::COMMA), decimal: Some(Decimal::Point) };
        let mut reader = Reader::open(input, name, &dialect)?;
        let columns = Columns::find(reader.header()).with_context(|| name.to_owned())?;
        reader.select(&columns.as_texts());
        Ok(Self { reader, name: name.to_owned(), columns })
    }

    fn row(&self, Record { line, mut cells }: Record) -> anyhow::Result<RecordedRow> {
        let of = &self.columns;
        let wrong = |column: usize, why: String| {
            anyhow!("{}, line {line}, column {}: {why}", self.name, piece(&self.reader.header()[column]))
        };
        let features = self.features(&cells, &wrong)?;
        let value = |column: usize, what: &str| {
            let number = cells[column].to_number(what).and_then(|number| scorable(what, number));
            number.map_err(|why| wrong(column, why.detail))
        };
        let (label, prediction) = (value(of.label, "the label")?, value(of.prediction, "the prediction")?);
        let time = &cells[of.predicted_at];
        let predicted_at = match time {
            Cell::Text(text) => Timestamp::parse(text),
            Cell::Number(_) | Cell::Missing => None,
        };
        let predicted_at = predicted_at.ok_or_else(|| {
            let why =
                format!("{}; expected a time in UTC, such as 2026-11-22T10:00:00.000Z", time_shown(time));
            wrong(of.predicted_at, why)
        })?;
        let mut take = |column: usize| match std::mem::replace(&mut cells[column], Cell::Missing) {
            Cell::Text(text) => Some(text),
            Cell::Number(_) | Cell::Missing => None,
        };
        let by = By { model: take(of.model), version: take(of.version) };
        Ok(RecordedRow { line, by, predicted_at, label, prediction, features })
    }

    fn features(
        &self,
        cells: &[Cell],
        wrong: &dyn Fn(usize, String) -> anyhow::Error,
    ) -> anyhow::Result<Option<Vec<f64>>> {
        let places = &self.columns.features;
        // What a narrower model has none of is empty.
        let width =
            places.iter().rposition(|column| cells[*column] != Cell::Missing).map_or(0, |last| last + 1);
        let mut features = Vec::with_capacity(width);
        for column in &places[..width] {
            match &cells[*column] {
                Cell::Missing => return Ok(None),
                Cell::Number(number) => features.push(*number),
                Cell::Text(text) => match text.parse::<f64>() {
                    Ok(number) if number.is_finite() => features.push(number),
                    Ok(_) => return Ok(None),
                    Err(_) => return Err(wrong(*column, format!("{} is not a number; {WAY}", quoted(text)))),
                },
            }
        }
        Ok((width > 0).then_some(features))
    }
}

fn time_shown(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => quoted(text),
        Cell::Number(number) => number.to_string(),
        Cell::Missing => "it is empty".to_owned(),
    }
}

impl<R: Read> Iterator for RecordedRows<R> {
    type Item = anyhow::Result<RecordedRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.reader.next()?;
        Some(record.map_err(Into::into).and_then(|record| self.row(record)))
    }
}

impl Columns {
    fn find(header: &[String]) -> anyhow::Result<Self> {
        let places: HashMap<&str, usize> =
            header.iter().enumerate().rev().map(|(at, name)| (&**name, at)).collect();
        let place = |name: &str| places.get(name).copied();
        let needed = |name: &str| {
            let found = place(name);
            found.with_context(|| format!("it has no column {name}, but {}; {WAY}", names(header)))
        };
        let mut features = Vec::new();
        while let Some(column) = place(&format!("{FEATURE}{}", features.len() + 1)) {
            features.push(column);
        }
        let columns = Self {
            label: needed("y_true")?,
            prediction: needed("y_pred")?,
            predicted_at: needed("predicted_at")?,
            model: needed("model")?,
            version: needed("model_version")?,
            features,
        };
        if columns.features.is_empty() {
            bail!("it does not say what the rows were predicted from; {WAY}");
        }
        Ok(columns)
    }

    /// All of them as texts: numbers are read here, to the bit, and without looking for decimal commas.
    fn as_texts(&self) -> Layout {
        let Self { label, prediction, predicted_at, model, version, features } = self;
        let mut columns = vec![*label, *prediction, *predicted_at, *model, *version];
        columns.extend(features);
        Layout { one_hot: columns.clone(), features: columns, ..Layout::default() }
    }
}

/// Who predicted how many rows, within bounds.
#[derive(Debug, Default)]
pub(crate) struct Versions(BTreeMap<By, u64>);

impl Versions {
    /// Counts a row.
    ///
    /// # Errors
    /// The table names too many.
    pub(crate) fn count(&mut self, by: &By) -> anyhow::Result<()> {
        if let Some(rows) = self.0.get_mut(by) {
            *rows += 1;
            return Ok(());
        }
        ensure!(
            self.0.len() < MOST_VERSIONS,
            "more than {MOST_VERSIONS} versions predicted these rows; choose some with `metric export --features --model NAME@VERSION`"
        );
        self.0.insert(by.clone(), 1);
        Ok(())
    }

    /// Those with the most rows first, as many as are named, and how many there are besides.
    pub(crate) fn largest(&self) -> (Vec<(&By, u64)>, usize) {
        let mut all: Vec<(&By, u64)> = self.0.iter().map(|(by, rows)| (by, *rows)).collect();
        all.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        let more = all.len().saturating_sub(NAMED);
        all.truncate(NAMED);
        (all, more)
    }

    /// Refuses rows of several models: each of them may have predicted the same row.
    ///
    /// # Errors
    /// Names some of them.
    pub(crate) fn refuse_several_models(&self) -> anyhow::Result<()> {
        let mut models: Vec<Option<&str>> = self.0.keys().map(|by| by.model.as_deref()).collect();
        models.dedup();
        let named = models.iter().take(NAMED).map(|model| model.map_or("-".to_owned(), quoted));
        ensure!(
            models.len() <= 1,
            "it has rows of {} models, {}, and may have a row once for each; choose one with `metric export --features --model NAME`",
            models.len(),
            named.collect::<Vec<_>>().join(", ")
        );
        Ok(())
    }
}

/// For people: `model@54fbcddf67d0 (442 rows), model@12a663b754a4 (10)`.
impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (largest, more) = self.largest();
        let each = largest.iter().enumerate().map(|(at, (by, rows))| match at {
            0 => format!("{by} ({rows} rows)"),
            _ => format!("{by} ({rows})"),
        });
        f.write_str(&each.collect::<Vec<_>>().join(", "))?;
        if more > 0 { write!(f, " and {more} more") } else { Ok(()) }
    }
}
