//! Tables as people have them: read row by row, in bounded memory, with one meaning for all programs.
//!
//! [`Reader`] hands on records as they arrive, also from a slow pipe. [`Columns`] says which columns are what, [`Dialect`] how
//! cells are written; what neither says is found by looking. [`Table`] is a whole table, for training and for feeding.

mod bad;
mod cells;
mod columns;
mod content;
mod dialect;
mod error;
mod guess;
mod missing;
mod reader;
mod records;
mod text;
mod whole;
mod words;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::message::Cell;
use crate::printable::piece;

pub use columns::{Columns, Labels, Layout};
pub use dialect::{Decimal, Dialect, Separator};
pub use error::TableError;
pub use missing::Missing;
pub use reader::{Reader, Record};

/// A whole table. Cells are raw: categories are text, and what is missing is missing, unless its row was left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The features' names, in the columns' order.
    pub features: Vec<String>,
    /// The label's name, where the table has labels.
    pub target: Option<String>,
    /// The rows' ids as their cells have them, where a column of ids was named: as many as rows.
    pub ids: Option<Vec<Box<str>>>,
    /// The features of each row: as many as `features`. Text only in `one_hot` columns.
    pub rows: Vec<Vec<Cell>>,
    /// The labels: as many as rows, or none where there is no `target`.
    pub labels: Vec<f64>,
    /// The lines where the rows begin, counted from 1 with the header: as many as rows.
    pub lines: Vec<u64>,
    /// The features of which each value is a category, by their places in `features`.
    pub one_hot: Vec<usize>,
    /// What was found by looking, and what was left out: a line each, for people.
    pub notes: Vec<String>,
}

impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// [`TableError`] with the place of the first fault.
    pub fn read(
        file: &Path,
        dialect: &Dialect,
        columns: &Columns,
        labels: Labels,
    ) -> Result<Self, TableError> {
        let name = file.display().to_string();
        let input = File::open(file).map_err(|why| TableError::Unreadable { file: name.clone(), why })?;
        Self::parse(input, &name, dialect, columns, labels)
    }

    /// Reads a stream to its end; `name` is what errors call it.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn parse(
        input: impl Read,
        name: &str,
        dialect: &Dialect,
        columns: &Columns,
        labels: Labels,
    ) -> Result<Self, TableError> {
        let mut reader = Reader::open(input, name, dialect)?;
        let layout = reader.lay_out(columns, labels)?;
        whole::table(reader, &layout, columns.missing)
    }

    /// Whether every feature of every row is a number.
    #[must_use]
    pub fn is_numeric(&self) -> bool {
        self.rows.iter().flatten().all(|cell| matches!(cell, Cell::Number(_)))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows of {} features", self.rows.len(), self.features.len())?;
        match &self.target {
            Some(target) => write!(f, ", label {}", piece(target)),
            None => f.write_str(" without labels"),
        }
    }
}

#[cfg(test)]
mod tests;
