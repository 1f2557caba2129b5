//! What is said of a cell that is not what is wanted: in the same words for a table as a whole and for one that streams by.

use super::cells;
use super::words::{argument, quoted};

/// A text where a number is wanted.
pub(super) struct NoNumber<'a> {
    pub(super) column: &'a str,
    pub(super) text: &'a str,
    pub(super) is_label: bool,
    /// The other decimal mark, where it would be a number with that.
    pub(super) other_decimal: Option<char>,
}

impl NoNumber<'_> {
    /// What is wrong.
    pub(super) fn what(&self) -> String {
        format!("{} is not a number", quoted(self.text))
    }

    /// That, with the ways out. `often`: how many rows have a text there, and of how many.
    pub(super) fn with_ways(&self, often: Option<(u64, u64)>) -> String {
        let flag = argument(self.column);
        if !self.is_label && cells::is_date(self.text) {
            return format!(
                "{} looks like a date; leave the column out with --drop {flag}, or make a number of it",
                quoted(self.text)
            );
        }
        let often =
            often.map_or(String::new(), |(rows, read)| format!("; {rows} of {read} rows have a text there"));
        let hint = self.hint().map_or(String::new(), |hint| hint + "; else ");
        let way = if self.is_label {
            "name another column with --target: labels must be numbers".to_owned()
        } else {
            format!(
                "leave the column out with --drop {flag}, or make a feature of each text with --one-hot {flag}"
            )
        };
        format!("{}{often}; {hint}{way}", self.what())
    }

    /// What it most probably is, and the way out of that.
    pub(super) fn hint(&self) -> Option<String> {
        let mark = self.other_decimal?;
        Some(format!("if it is a number with the decimal mark {mark}, say so with --decimal {mark}"))
    }
}

/// A cell with nothing in it. `often`: how many rows have a missing cell, and of how many.
pub(super) fn missing(column: &str, text: &str, is_label: bool, often: Option<(u64, u64)>) -> String {
    let what = if is_label { "the label is missing" } else { "the cell is missing" };
    let stands = if text.is_empty() { "it is empty".to_owned() } else { format!("it is {}", quoted(text)) };
    let often = often.map_or(String::new(), |(rows, read)| match rows {
        1 => format!("; 1 row has a missing cell, of {read}"),
        _ => format!("; {rows} rows have a missing cell, of {read}"),
    });
    let ways = if is_label {
        "leave rows without a label out with --missing drop".to_owned()
    } else {
        format!(
            "leave such rows out with --missing drop, fill them with --missing mean or --missing median, or leave the column \
             out with --drop {}",
            argument(column)
        )
    };
    format!("{what} ({stands}){often}; {ways}")
}
