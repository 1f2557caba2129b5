//! Cells that hold nothing, and what is done with their rows.

use clap::ValueEnum;

/// How people and programs write that there is nothing.
const MARKS: [&str; 13] =
    ["", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "None", "?", "-"];

/// What is done with rows in which a cell is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Missing {
    /// Refuse the table.
    #[default]
    Fail,
    /// Leave those rows out.
    Drop,
    /// `model` fills in the column's mean; `features` sends `null`.
    Mean,
    /// `model` fills in the column's median; `features` sends `null`.
    Median,
}

/// Whether a cell, trimmed, says that there is nothing.
pub(super) fn is_missing(text: &str) -> bool {
    MARKS.contains(&text)
}
