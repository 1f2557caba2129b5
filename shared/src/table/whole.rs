//! A table as a whole: what is wrong with any of its rows is said at once, and rows are left out where that is wanted.

use std::io::Read;

use super::bad::{self, NoNumber};
use super::words::{argument, name, quoted};
use super::{Layout, Missing, Reader, Record, Table, TableError, cells};
use crate::message::Cell;

/// How many columns are listed.
const LISTED: usize = 10;

/// Reads the rest of a table.
pub(super) fn table<R: Read>(
    mut reader: Reader<R>,
    layout: &Layout,
    missing: Missing,
) -> Result<Table, TableError> {
    let header = reader.header().to_vec();
    let name = |column: &usize| header[*column].clone();
    let mut table = Table {
        features: layout.features.iter().map(name).collect(),
        target: layout.target.as_ref().map(name),
        ids: layout.id.map(|_| Vec::new()),
        rows: Vec::new(),
        labels: Vec::new(),
        lines: Vec::new(),
        one_hot: (0..layout.features.len())
            .filter(|at| layout.one_hot.contains(&layout.features[*at]))
            .collect(),
        notes: Vec::new(),
    };
    let mut faults = Faults::default();
    let (mut read, mut left_out) = (0_u64, LeftOut::default());
    let mut has_value = vec![false; header.len()];
    while let Some(record) = reader.next() {
        let Record { line, mut cells } = record?;
        read += 1;
        let good = faults.check(&reader, line, &cells, layout, missing);
        for column in &layout.features {
            has_value[*column] |= cells[*column] != Cell::Missing;
        }
        let no_label = layout.target.is_some_and(|column| cells[column] == Cell::Missing);
        let incomplete = layout.features.iter().any(|column| cells[*column] == Cell::Missing);
        if no_label || (incomplete && missing == Missing::Drop) {
            left_out.count(no_label);
            continue;
        }
        // The rest is read for its faults only.
        if !good || !faults.is_empty() {
            continue;
        }
        let mut take = |column: usize| std::mem::replace(&mut cells[column], Cell::Missing);
        if let Some(Cell::Number(label)) = layout.target.map(&mut take) {
            table.labels.push(label);
        }
        if let (Some(ids), Some(Cell::Text(id))) = (&mut table.ids, layout.id.map(&mut take)) {
            ids.push(id);
        }
        table.rows.push(layout.features.iter().map(|column| take(*column)).collect());
        table.lines.push(line);
    }
    faults.say(&reader, read, missing)?;
    if let (Some(column), true) = (layout.features.iter().find(|column| !has_value[**column]), read > 0)
        && missing != Missing::Drop
    {
        let flag = argument(&header[*column]);
        let why = format!("the column {flag} is empty in every row; leave it out with --drop {flag}");
        return Err(reader.shape(why));
    }
    if table.rows.is_empty() {
        return Err(reader.shape(match read {
            0 => "it has a header but no rows".to_owned(),
            _ => format!("all {read} rows have a missing cell: without them none is left"),
        }));
    }
    table.notes =
        reader.found().into_iter().chain(layout.notes.iter().cloned()).chain(left_out.say(read)).collect();
    Ok(table)
}

#[derive(Default)]
struct LeftOut {
    rows: u64,
    without_label: u64,
}

impl LeftOut {
    fn count(&mut self, no_label: bool) {
        self.rows += 1;
        self.without_label += u64::from(no_label);
    }

    fn say(&self, read: u64) -> Option<String> {
        let Self { rows, without_label } = self;
        (*rows > 0).then(|| match without_label {
            0 => format!("{rows} of {read} rows have a missing cell and are left out"),
            n if n == rows => format!("{rows} of {read} rows have no label and are left out"),
            n => format!(
                "{rows} of {read} rows have a missing cell and are left out, {n} of them because the label is missing"
            ),
        })
    }
}

/// What is wrong with a table's rows.
#[derive(Default)]
struct Faults {
    /// Columns of text, in the order in which they were met.
    texts: Vec<Texts>,
    missing: Option<Hole>,
}

/// A column that holds text where a number is wanted.
struct Texts {
    column: usize,
    is_label: bool,
    line: u64,
    first: String,
    rows: u64,
}

/// The first cell that is missing, and how many rows have one.
struct Hole {
    line: u64,
    column: usize,
    text: String,
    is_label: bool,
    rows: u64,
}

impl Faults {
    fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.missing.is_none()
    }

    /// Whether a row is good as it is.
    fn check<R: Read>(
        &mut self,
        reader: &Reader<R>,
        line: u64,
        cells: &[Cell],
        layout: &Layout,
        missing: Missing,
    ) -> bool {
        let mut good = true;
        let mut hole = None;
        for column in layout.features.iter().chain(&layout.target).copied() {
            let is_label = Some(column) == layout.target;
            match &cells[column] {
                Cell::Number(_) => {}
                Cell::Text(_) if layout.one_hot.contains(&column) => {}
                Cell::Text(text) => {
                    good = false;
                    self.text(column, is_label, line, text);
                }
                Cell::Missing if missing == Missing::Fail => {
                    good = false;
                    hole = hole.or(Some((column, is_label)));
                }
                Cell::Missing => {}
            }
        }
        if let Some((column, is_label)) = hole {
            let text = || reader.text(column).to_owned();
            self.missing
                .get_or_insert_with(|| Hole { line, column, text: text(), is_label, rows: 0 })
                .rows += 1;
        }
        good
    }

    fn text(&mut self, column: usize, is_label: bool, line: u64, text: &str) {
        match self.texts.iter_mut().find(|other| other.column == column) {
            Some(texts) => texts.rows += 1,
            None => self.texts.push(Texts { column, is_label, line, first: text.to_owned(), rows: 1 }),
        }
    }

    fn say<R: Read>(&self, reader: &Reader<R>, read: u64, missing: Missing) -> Result<(), TableError> {
        let label = self.texts.iter().find(|texts| texts.is_label);
        match (label, &self.texts[..]) {
            (Some(texts), _) | (None, [texts]) => {
                let why = texts.bad(reader).with_ways(Some((texts.rows, read)));
                return Err(reader.cell_error(texts.line, texts.column, why));
            }
            (None, []) => {}
            (None, several) => return Err(reader.shape(several_texts(reader, several))),
        }
        match &self.missing {
            Some(Hole { line, column, text, is_label, rows }) if missing == Missing::Fail => {
                let why = bad::missing(&reader.header()[*column], text, *is_label, Some((*rows, read)));
                Err(reader.cell_error(*line, *column, why))
            }
            _ => Ok(()),
        }
    }
}

impl Texts {
    /// The first of them.
    fn bad<'a, R: Read>(&'a self, reader: &'a Reader<R>) -> NoNumber<'a> {
        NoNumber {
            column: &reader.header()[self.column],
            text: &self.first,
            is_label: self.is_label,
            other_decimal: reader.other_decimal(&self.first),
        }
    }
}

fn several_texts<R: Read>(reader: &Reader<R>, texts: &[Texts]) -> String {
    let header = reader.header();
    let listed = texts.iter().take(LISTED).map(|texts| {
        let date = if cells::is_date(&texts.first) { " looks like a date" } else { "" };
        format!("{} ({}{date}, line {})", name(&header[texts.column]), quoted(&texts.first), texts.line)
    });
    let mut list = listed.collect::<Vec<_>>().join(", ");
    if texts.len() > LISTED {
        list += &format!(" and {} more", texts.len() - LISTED);
    }
    let flags = |dates: bool| {
        let names = texts.iter().filter(|texts| dates || !cells::is_date(&texts.first)).take(LISTED);
        argument(&names.map(|texts| &*header[texts.column]).collect::<Vec<_>>().join(","))
    };
    let hint = texts.iter().find_map(|texts| texts.bad(reader).hint());
    let hint = hint.map_or(String::new(), |hint| hint + "; else ");
    let (drop, one_hot) = (flags(true), flags(false));
    let encode = if texts.iter().all(|texts| cells::is_date(&texts.first)) {
        String::new()
    } else {
        format!(", or make a feature of each text with --one-hot {one_hot}")
    };
    format!(
        "{} columns are not numeric: {list}; {hint}leave them out with --drop {drop}{encode}",
        texts.len()
    )
}
