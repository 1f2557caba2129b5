//! Data that are disturbed on purpose, to see that the monitoring of them works: drift of a feature, labels that mean something
//! else from some row on, labels that never come. Pure: what becomes of a row depends on its number and a seed alone.

use std::fmt;
use std::str::FromStr;

use clap::Args;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use shared::message::{Cell, Features, LARGEST_VALUE};
use shared::printable::quoted;

use crate::entry::{Entry, Fault, Numbered};

/// What is done to the data. ROW counts the rows of a run from 0, also those that a resumed run leaves out.
#[derive(Args, Debug, Clone, Default, PartialEq)]
pub struct Disturbance {
    /// Disturb a feature from a row of this run on, counted from 0: `bmi:+0.05@500`, also `-`, `*`, or `=` for a value that it
    /// is stuck at. Several, separated by commas.
    #[arg(long, value_name = "COLUMN:CHANGE@ROW", value_delimiter = ',')]
    pub drift: Vec<Drift>,

    /// Disturb labels from a row on: `*1.3@2000`, also `+`, `-` and `=`.
    #[arg(long, value_name = "CHANGE@ROW", allow_hyphen_values = true)]
    pub label_shift: Option<Shift>,

    /// Share of the labels that are never sent, drawn by the seed: `5%` or `0.05`.
    #[arg(long, value_name = "SHARE")]
    pub label_missing: Option<Share>,
}

/// What is done to a number.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    Add(f64),
    Subtract(f64),
    Multiply(f64),
    Stick(f64),
}

impl Change {
    fn of(self, value: f64, most: f64) -> f64 {
        let changed = match self {
            Self::Add(by) => value + by,
            Self::Subtract(by) => value - by,
            Self::Multiply(by) => value * by,
            Self::Stick(at) => at,
        };
        changed.clamp(-most, most)
    }
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let change: fn(f64) -> Self = match text.chars().next() {
            Some('+') => Self::Add,
            Some('-') => Self::Subtract,
            Some('*') => Self::Multiply,
            Some('=') => Self::Stick,
            _ => {
                return Err(format!("expected a change such as +0.05, -3, *1.3 or =0, not {}", quoted(text)));
            }
        };
        let number: Option<f64> = text[1..].parse().ok().filter(|number: &f64| number.is_finite());
        number.map(change).ok_or_else(|| format!("{} is not a number", quoted(&text[1..])))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, number) = match self {
            Self::Add(by) => ('+', by),
            Self::Subtract(by) => ('-', by),
            Self::Multiply(by) => ('*', by),
            Self::Stick(at) => ('=', at),
        };
        write!(f, "{sign}{number}")
    }
}

/// A change from a row on: `*1.3@2000`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    change: Change,
    from: u64,
}

impl Shift {
    fn of(self, row: u64, value: f64, most: f64) -> f64 {
        if row < self.from { value } else { self.change.of(value, most) }
    }
}

impl FromStr for Shift {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (change, row) =
            text.rsplit_once('@').ok_or("expected CHANGE@ROW, such as *1.3@2000: from which row on?")?;
        let from = row.parse().map_err(|_| format!("{} is not the number of a row", quoted(row)))?;
        Ok(Self { change: change.parse()?, from })
    }
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.change, self.from)
    }
}

/// A change of a feature from a row on: `bmi:+0.05@500`.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    column: String,
    shift: Shift,
}

impl FromStr for Drift {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // From behind: a column's name may have any character.
        let (column, shift) =
            text.rsplit_once(':').ok_or("expected COLUMN:CHANGE@ROW, such as bmi:+0.05@500")?;
        Ok(Self { column: column.to_owned(), shift: shift.parse()? })
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.column, self.shift)
    }
}

/// A share from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(f64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, all) = text.strip_suffix('%').map_or((text, 1.0), |number| (number.trim_end(), 100.0));
        let share = number.parse().ok().map(|number: f64| number / all);
        share.filter(|share| (0.0..=1.0).contains(share)).map(Self).ok_or_else(|| {
            format!("expected a share from 0% to 100%, such as 5% or 0.05, not {}", quoted(text))
        })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The columns of a table that a disturbance is held to.
pub(crate) struct Header<'a> {
    pub(crate) features: Vec<&'a str>,
    /// Those of them that are categories.
    pub(crate) texts: Vec<&'a str>,
    /// What the label's column is called, and whether it is there.
    pub(crate) label: (&'a str, bool),
}

impl Disturbance {
    /// Whether anything is done at all.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Holds it to whether labels are sent.
    ///
    /// # Errors
    /// Labels are to be disturbed, and none are sent.
    pub(crate) fn check(&self, labels: bool) -> anyhow::Result<()> {
        let flag = self.label_flag().filter(|_| !labels);
        flag.map_or(Ok(()), |flag| Err(anyhow::anyhow!("{flag} needs labels: leave out --no-labels")))
    }

    /// A flag that is about labels, if one is given.
    fn label_flag(&self) -> Option<&'static str> {
        let shift = self.label_shift.map(|_| "--label-shift");
        shift.or(self.label_missing.map(|_| "--label-missing"))
    }

    /// What is done, for people.
    #[must_use]
    pub fn settings(&self) -> String {
        let drifts = self.drift.iter().map(ToString::to_string);
        let shift = self.label_shift.map(|shift| format!("labels {shift}"));
        let missing = self.label_missing.map(|share| format!("a share of {share} of the labels missing"));
        let all: Vec<String> = drifts.chain(shift).chain(missing).collect();
        format!("disturbed on purpose ({})", all.join(", "))
    }

    /// Holds it to the columns of a table.
    ///
    /// # Errors
    /// A column that is no feature, or has texts; labels that are not there.
    pub(crate) fn of_table(&self, header: &Header<'_>, seed: u64) -> Result<Disturber, String> {
        let Header { features, texts, label: (label, is_there) } = header;
        let mut places = Vec::with_capacity(self.drift.len());
        for Drift { column, .. } in &self.drift {
            if column == label && *is_there {
                return Err(format!(
                    "--drift names the label {}: to disturb labels, use --label-shift",
                    quoted(column)
                ));
            }
            if texts.contains(&&**column) {
                return Err(format!(
                    "--drift names {}, which has texts: only numbers can drift",
                    quoted(column)
                ));
            }
            let place = features.iter().position(|name| name == column);
            places.push(place.ok_or_else(|| unknown(column, features))?);
        }
        if let (Some(flag), false) = (self.label_flag(), is_there) {
            return Err(format!("{flag} needs labels, but there is no column {}", quoted(label)));
        }
        Ok(Disturber { what: self.clone(), places, seed })
    }

    /// For rows that have names of their own, of which the first one tells the columns.
    pub(crate) fn by_name(&self, seed: u64) -> Disturber {
        Disturber { what: self.clone(), places: Vec::new(), seed }
    }
}

fn unknown(column: &str, features: &[&str]) -> String {
    const MOST: usize = 30;
    let names: Vec<&str> = features.iter().copied().take(MOST).collect();
    let more = if features.len() > MOST { " ..." } else { "" };
    format!("--drift names {}, which is no feature; those are {}{more}", quoted(column), names.join(", "))
}

/// Disturbs rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Disturber {
    what: Disturbance,
    /// Where each drifting column stands in rows without names.
    places: Vec<usize>,
    seed: u64,
}

impl Disturber {
    /// What becomes of an entry. What is missing stays missing, and numbers stay such as can be sent and scored.
    ///
    /// # Errors
    /// A text where a number is to drift.
    pub(crate) fn disturb(&self, row: u64, mut entry: Entry) -> Result<Entry, String> {
        for (number, Drift { column, shift }) in self.what.drift.iter().enumerate() {
            match &mut entry.features {
                Some(Features::Vector(vector)) => {
                    let place = self.places.get(number).and_then(|place| vector.get_mut(*place));
                    place.into_iter().for_each(|value| *value = shift.of(row, *value, f64::MAX));
                }
                Some(Features::Named(cells)) => match cells.iter_mut().find(|(name, _)| **name == **column) {
                    Some((_, Cell::Number(value))) => *value = shift.of(row, *value, f64::MAX),
                    Some((_, Cell::Text(_))) => {
                        let name = quoted(column);
                        return Err(format!(
                            "{name} is a text, but --drift names it: only numbers can drift"
                        ));
                    }
                    Some((_, Cell::Missing)) | None => {}
                },
                None => {}
            }
        }
        if self.is_missing(row) {
            entry.withheld = entry.label.take().is_some();
        }
        if let (Some(label), Some(shift)) = (&mut entry.label, self.what.label_shift) {
            *label = shift.of(row, *label, LARGEST_VALUE);
        }
        Ok(entry)
    }

    /// Drawn for each row by itself, so that a run that is resumed leaves the same labels out.
    fn is_missing(&self, row: u64) -> bool {
        let Some(Share(share)) = self.what.label_missing else { return false };
        // An odd factor gives each row a seed of its own, and a large one keeps the rows of seeds 1 and 2 apart.
        let seed = self.seed.wrapping_add(row.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        StdRng::seed_from_u64(seed).random::<f64>() < share
    }

    /// That the first row has the columns that are to drift.
    fn check_first(&self, entry: &Entry) -> Result<(), String> {
        let Some(Features::Named(cells)) = &entry.features else { return Ok(()) };
        let names: Vec<&str> = cells.iter().map(|(name, _)| &**name).collect();
        let columns = self.what.drift.iter().map(|drift| &*drift.column);
        columns.filter(|column| !names.contains(column)).try_for_each(|column| Err(unknown(column, &names)))
    }
}

/// The entries of a stream, disturbed by their number.
pub(crate) struct Disturbed<I> {
    entries: I,
    /// What errors call the stream.
    name: String,
    disturber: Disturber,
    row: u64,
}

impl<I> Disturbed<I> {
    pub(crate) fn new(entries: I, name: &str, disturber: Disturber) -> Self {
        Self { entries, name: name.to_owned(), disturber, row: 0 }
    }
}

impl<I: Iterator<Item = Result<Numbered, Fault>>> Iterator for Disturbed<I> {
    type Item = Result<Numbered, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let Numbered { line, entry } = match self.entries.next()? {
            Ok(numbered) => numbered,
            Err(fault) => return Some(Err(fault)),
        };
        let row = self.row;
        self.row += 1;
        if row == 0
            && let Err(why) = self.disturber.check_first(&entry)
        {
            return Some(Err(Fault::Input(format!("{}, line {line}: {why}", self.name))));
        }
        let disturbed = self.disturber.disturb(row, entry);
        Some(disturbed.map(|entry| Numbered { line, entry }).map_err(|why| Fault::Line { line, why }))
    }
}

#[cfg(test)]
mod tests;
