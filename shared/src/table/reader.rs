//! Reads a table record by record.

use std::fmt;
use std::io::Read;

use super::bad::{self, NoNumber};
use super::cells::{self, Evidence, Unfit};
use super::columns;
use super::content;
use super::dialect::{Decimal, Dialect, Separator};
use super::guess::{Marks, guess};
use super::missing::is_missing;
use super::records::{LONGEST, Raw, Records};
use super::text::Encoding;
use super::words::{argument, name, names, quoted};
use super::{Columns, Labels, Layout, TableError};
use crate::message::Cell;

/// A row of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The line where it begins, counted from 1 with the header.
    pub line: u64,
    /// A cell for each column of the header. Those of columns that are not read ([`Reader::select`]) are missing.
    pub cells: Vec<Cell>,
}

/// How a column's cells are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A number where it is one, else a text.
    Value,
    /// A text, as it stands.
    Category,
    /// A text, also where it looks like nothing.
    Id,
    /// Not at all.
    Unread,
}

/// Reads a table as it streams by: an iterator over its records.
///
/// Memory is bounded: a record has up to 1 MiB and 100 000 cells. Nothing is waited for that is not needed: a record is
/// handed on when its line has ended, and opening waits for the header and one record, by which everything is found that
/// is to be found by looking (from a file, the first 64 KiB decide).
pub struct Reader<R> {
    records: Records<R>,
    header: Vec<String>,
    kinds: Vec<Kind>,
    separator: Separator,
    marks: Marks,
    index: bool,
    found: Vec<String>,
    given: Dialect,
    raw: Raw,
    strict: bool,
    done: bool,
}

impl<R> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("header", &self.header)
            .field("marks", &self.marks)
            .finish_non_exhaustive()
    }
}

impl<R: Read> Reader<R> {
    /// Looks at the beginning and reads the header; `name` is what errors call the table.
    ///
    /// # Errors
    /// What is no table, and what it is instead; what cannot be read.
    pub fn open(input: R, name: &str, dialect: &Dialect) -> Result<Self, TableError> {
        let mut records = Records::open(input, name)?;
        let mut ended = false;
        let guess = loop {
            let guessed = guess(records.ahead(), dialect, ended);
            // The header and a record can be as long as two records.
            if guessed.enough || ended || records.ahead().len() > 2 * LONGEST {
                break guessed;
            }
            // Without a line break, there is nothing new to look at.
            loop {
                let seen = records.ahead().len();
                ended = !records.more()?;
                let new = records.ahead().as_bytes().get(seen..).unwrap_or_default();
                if ended || new.contains(&b'\n') || new.contains(&b'\r') || seen > 2 * LONGEST {
                    break;
                }
            }
        };
        let shape = |why: String| TableError::Shape { file: name.to_owned(), why };
        let of_text = content::refusal_of_text(records.ahead());
        if let Some(why) = of_text.or(guess.no_header) {
            return Err(shape(why.replace("FILE", name)));
        }
        records.begin(guess.preamble, guess.separator);
        let mut raw = Raw::default();
        if !records.next(&mut raw)? {
            return Err(shape("it has no header and no rows, only empty lines and comments".to_owned()));
        }
        if raw.cells().any(|cell| cell.contains('\0')) {
            return Err(shape(content::no_text()));
        }
        let mut found = Vec::new();
        if dialect.separator.is_none() && guess.separator != Separator::COMMA {
            found.push(format!("{} between cells", guess.separator));
        }
        if guess.comments > 0 {
            found.push(format!("comment lines before the header ({})", guess.comments));
        }
        Ok(Self {
            header: raw.cells().map(str::to_owned).collect(),
            kinds: vec![Kind::Value; raw.len()],
            records,
            separator: guess.separator,
            marks: guess.marks,
            index: guess.index,
            found,
            given: dialect.clone(),
            raw,
            strict: false,
            done: false,
        })
    }

    /// From here on a number such as `1.234` is refused as long as nothing has proved which mark is before the decimals: for
    /// whoever cannot take back what a record has led to. Where commas are between cells, it is no doubt.
    #[must_use]
    pub fn without_doubt(self) -> Self {
        Self { strict: true, ..self }
    }

    /// The columns' names, without blanks around them.
    #[must_use]
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// What was found by looking, where it is no plain CSV (UTF-8, commas, decimal points): one line for people, such as
    /// `semicolons between cells, decimal commas`. Characters beyond ASCII and decimals may be found later than the header.
    #[must_use]
    pub fn found(&self) -> Option<String> {
        let mut found = self.found.clone();
        if self.given.decimal.is_none() && self.marks == Marks::Known(Decimal::Comma) {
            found.insert(found.len().min(1), "decimal commas".to_owned());
        }
        match self.records.text().encoding() {
            Encoding::Ascii | Encoding::Utf8 => {}
            Encoding::Windows1252 => found.push("Windows-1252 (Latin-1), because it is not UTF-8".to_owned()),
            Encoding::Utf16 { .. } => found.push("UTF-16".to_owned()),
        }
        if self.records.text().is_gzip() {
            found.push("compressed with gzip".to_owned());
        }
        (!found.is_empty()).then(|| format!("found by looking: {}", found.join(", ")))
    }

    /// Where the columns stand. From here on only these are read: ids and categories as text, others as numbers.
    ///
    /// # Errors
    /// Columns that are not there or have no names, or names that stand twice.
    pub fn lay_out(&mut self, columns: &Columns, labels: Labels) -> Result<Layout, TableError> {
        let layout = match columns.lay_out(&self.header, self.index, labels) {
            Ok(layout) => layout,
            Err(why) => return Err(self.shape(self.unsplit().unwrap_or(why))),
        };
        self.select(&layout);
        Ok(layout)
    }

    /// Whether there are no more records.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The place of a column that a flag names.
    ///
    /// # Errors
    /// It is not there, or twice.
    pub fn place(&self, column: &str, flag: &str) -> Result<usize, TableError> {
        columns::place(&self.header, column, flag).map_err(|why| self.shape(self.unsplit().unwrap_or(why)))
    }

    /// Reads only the columns of a layout from here on: ids and categories as text, others as numbers.
    pub fn select(&mut self, layout: &Layout) {
        self.kinds = vec![Kind::Unread; self.header.len()];
        for column in layout.features.iter().chain(&layout.target) {
            self.kinds[*column] = Kind::Value;
        }
        for column in &layout.one_hot {
            self.kinds[*column] = Kind::Category;
        }
        if let Some(column) = layout.id {
            self.kinds[column] = Kind::Id;
        }
    }

    /// The text of a cell of the record that was read last.
    #[must_use]
    pub fn text(&self, column: usize) -> &str {
        self.raw.cell(column)
    }

    /// A text in the record that was read last, where a number is wanted; `with_ways` out, where it is no fault of its line
    /// alone.
    #[must_use]
    pub fn no_number(&self, line: u64, column: usize, is_label: bool, with_ways: bool) -> TableError {
        let (text, header) = (self.text(column), &*self.header[column]);
        let bad = NoNumber { column: header, text, is_label, other_decimal: self.other_decimal(text) };
        self.cell_error(line, column, if with_ways { bad.with_ways(None) } else { bad.what() })
    }

    /// Nothing in a cell of the record that was read last, where something is wanted.
    #[must_use]
    pub fn missing(&self, line: u64, column: usize, is_label: bool) -> TableError {
        let why = bad::missing(&self.header[column], self.text(column), is_label, None);
        self.cell_error(line, column, why)
    }

    /// What is wrong with a cell of the record that was read last.
    #[must_use]
    pub fn cell_error(&self, line: u64, column: usize, why: String) -> TableError {
        TableError::Cell {
            file: self.records.name().to_owned(),
            line,
            column: name(&self.header[column]),
            why,
        }
    }

    pub(super) fn shape(&self, why: String) -> TableError {
        TableError::Shape { file: self.records.name().to_owned(), why }
    }

    /// Whether a text would be a number with the other decimal mark: then that one, as the flag has it.
    #[must_use]
    pub fn other_decimal(&self, text: &str) -> Option<char> {
        let Marks::Known(decimal) = self.marks else { return None };
        matches!(cells::number(text, decimal.other()), Ok(Some(_))).then(|| decimal.other().mark())
    }

    /// The way out where the header was not split: it is one cell, and has what may be separators.
    fn unsplit(&self) -> Option<String> {
        let [only] = &self.header[..] else { return None };
        let usual = Separator::USUAL.into_iter().find(|other| only.contains(char::from(other.byte())));
        let blank = only.split_whitespace().count() > 1;
        let (what, flag) = match usual {
            Some(separator) => (separator.to_string(), separator.flag()),
            None if blank => ("blanks".to_owned(), "space".to_owned()),
            None => return None,
        };
        Some(format!(
            "with {} as separator the header is a single cell, {}; it seems to be separated by {what}: use --separator {flag}",
            self.separator,
            quoted(only)
        ))
    }

    fn record(&mut self) -> Result<Record, TableError> {
        let (line, want, got) = (self.raw.line, self.header.len(), self.raw.len());
        if got != want {
            let many = if got == 1 { "1 cell".to_owned() } else { format!("{got} cells") };
            let last = self.records.last_line();
            let spans = if last > line {
                format!("; it goes on to line {last}: perhaps a quote (\") is missing")
            } else {
                String::new()
            };
            let why = format!("{many}, but the header has {want} ({}){spans}", names(&self.header));
            return Err(TableError::Line { file: self.records.name().to_owned(), line, why });
        }
        let mut cells = Vec::with_capacity(want);
        for column in 0..want {
            cells.push(self.cell(line, column)?);
        }
        Ok(Record { line, cells })
    }

    /// The mark with which a cell is to be read, where that is not in doubt. The first cell that proves one decides.
    fn decimal(&mut self, column: usize) -> Option<Decimal> {
        if let Marks::Known(decimal) = self.marks {
            return Some(decimal);
        }
        let decimal = match (cells::evidence(self.raw.cell(column)), self.marks) {
            // Read alike with both.
            (Evidence::NoNumber | Evidence::Nothing, _) => return Some(Decimal::Point),
            (Evidence::Only(decimal), Marks::Open | Marks::LikelyPoint) => decimal,
            (Evidence::Point, _) if self.strict && self.separator != Separator::COMMA => return None,
            (Evidence::Point, Marks::Open | Marks::LikelyPoint) => Decimal::Point,
            _ => return None,
        };
        self.marks = Marks::Known(decimal);
        Some(decimal)
    }

    fn cell(&mut self, line: u64, column: usize) -> Result<Cell, TableError> {
        let text = self.raw.cell(column);
        match self.kinds[column] {
            Kind::Unread => return Ok(Cell::Missing),
            Kind::Id => return Ok(Cell::Text(text.into())),
            _ if is_missing(text) => return Ok(Cell::Missing),
            Kind::Category => return Ok(Cell::Text(text.into())),
            Kind::Value => {}
        }
        let Some(decimal) = self.decimal(column) else {
            let why = format!(
                "{} can be read in two ways, and nothing in the table decides which; use --decimal , (decimal comma) or --decimal . (decimal point)",
                quoted(self.raw.cell(column))
            );
            let (file, column) = (self.records.name().to_owned(), name(&self.header[column]));
            return Err(TableError::Doubtful { file, line, column, why });
        };
        let text = self.raw.cell(column);
        match cells::number(text, decimal) {
            Ok(Some(number)) => Ok(Cell::Number(number)),
            Ok(None) => Ok(Cell::Text(text.into())),
            Err(unfit) => {
                let flag = argument(&self.header[column]);
                let why = match unfit {
                    Unfit::LosesDigits => format!(
                        "{} is a whole number beyond 2^53, which would lose its last digits; if it is the row's id, use --id {flag}; if it is not needed, --drop {flag}; if it is a quantity, use a larger unit",
                        quoted(text)
                    ),
                    Unfit::Infinite => format!(
                        "{} is not a finite number; leave the row out of the table, or the column with --drop {flag} where it is \
                         not the label",
                        quoted(text)
                    ),
                };
                Err(self.cell_error(line, column, why))
            }
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Record, TableError>;

    /// The next record, when its line has ended. Records come after a bad one too, unless its end cannot be told: see
    /// [`Reader::is_done`].
    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let found = self.records.next(&mut self.raw);
        self.done = !matches!(found, Ok(true));
        match found {
            Ok(true) => Some(self.record()),
            Ok(false) => None,
            Err(why) => Some(Err(why)),
        }
    }
}
