//! What a model wants of a row: how many numbers, of which features, and between which limits it has seen them.

use std::collections::HashMap;
use std::fmt;

use shared::message::{Cell, Features, Rejection, Row};
use shared::printable::{piece, quoted};

use crate::encode::Encoding;

/// The features of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    count: usize,
    /// The features' names and what is done to each, where the model knows them.
    encoding: Option<Encoding>,
    /// The names as our own `features` sends them, so that a row of its is checked by one comparison.
    header: Option<Box<str>>,
    /// The label's name, where the model knows it.
    target: Option<String>,
    /// The smallest and the largest number that training saw of each encoded column.
    ranges: Option<Vec<(f64, f64)>>,
}

impl Inputs {
    /// So many numbers of unknown names.
    #[must_use]
    pub fn unnamed(count: usize) -> Self {
        Self { count, encoding: None, header: None, target: None, ranges: None }
    }

    /// Numbers of these names.
    #[must_use]
    pub fn named(names: Vec<String>) -> Self {
        Self::encoded(Encoding::plain(names))
    }

    /// Features that are encoded before they are weighed.
    #[must_use]
    pub fn encoded(encoding: Encoding) -> Self {
        let header = Some(Row::names_header(encoding.features()).into());
        Self { header, encoding: Some(encoding.clone()), ..Self::unnamed(encoding.features().len()) }
    }

    /// The same where training saw each encoded column between these limits.
    #[must_use]
    pub fn within(self, ranges: Option<Vec<(f64, f64)>>) -> Self {
        Self { ranges, ..self }
    }

    /// The same for the label of this name.
    #[must_use]
    pub fn of_target(self, target: impl Into<String>) -> Self {
        Self { target: Some(target.into()), ..self }
    }

    /// How many features a row has, as its producer sends it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The features' names in the order in which a row has them, where the model knows them.
    #[must_use]
    pub fn names(&self) -> Option<&[String]> {
        self.encoding.as_ref().map(Encoding::features)
    }

    /// What is done to the features, where the model knows their names.
    #[must_use]
    pub fn encoding(&self) -> Option<&Encoding> {
        self.encoding.as_ref()
    }

    /// The label's name, where the model knows it.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// What a person calls an encoded column: its name, as it may be shown, or its place.
    #[must_use]
    pub fn column(&self, column: usize) -> String {
        match &self.encoding {
            Some(encoding) => piece(&encoding.columns()[column]),
            None => format!("x{column}"),
        }
    }

    /// Whether the model may be given the rows of another one, and predicts the same label: as many features, of the same
    /// names and kinds where both know them.
    #[must_use]
    pub fn fits(&self, other: &Self) -> bool {
        self.difference(other).is_none() && self.other_target(other).is_none()
    }

    /// The first place where this model wants another feature than the other one: what it has there, and what the other has.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<(String, String)> {
        if self.count != other.count {
            return Some((format!("it has {} features", self.count), other.count.to_string()));
        }
        let why = match (&self.encoding, &other.encoding) {
            (Some(ours), Some(theirs)) => {
                difference(ours.features(), theirs.features()).or_else(|| ours.difference(theirs))
            }
            // Without names, its features are numbers.
            (None, Some(theirs)) => Encoding::plain(theirs.features().to_vec()).difference(theirs),
            _ => None,
        };
        why.map(|(ours, theirs)| (format!("its {ours}"), theirs))
    }

    /// The labels' names, this model's first, where they differ.
    #[must_use]
    pub fn other_target<'a>(&'a self, other: &'a Self) -> Option<(&'a str, &'a str)> {
        let (ours, theirs) = (self.target()?, other.target()?);
        (ours != theirs).then_some((ours, theirs))
    }

    /// What rows of the other model's this one refuses for what is in them, for people: the first such kind.
    #[must_use]
    pub fn narrower(&self, other: &Self) -> Option<String> {
        self.encoding.as_ref()?.narrower(other.encoding.as_ref()?)
    }

    /// The same, and what this model does not know of names and label, as the other says it, whose rows it will get.
    #[must_use]
    pub fn named_as(self, other: &Self) -> Self {
        let target = self.target.or_else(|| other.target.clone());
        match self.encoding {
            Some(_) => Self { target, ..self },
            None => {
                let encoding = other.names().map(|names| Encoding::plain(names.to_vec()));
                Self { encoding, header: other.header.clone(), target, ..self }
            }
        }
    }

    /// Whether it is known what training has seen of each feature.
    #[must_use]
    pub fn knows_ranges(&self) -> bool {
        self.ranges.is_some()
    }

    /// What the model predicts from: a row's features in its order, filled and encoded. `sent` is what the row's producer said
    /// that the names are.
    ///
    /// # Errors
    /// The reason why the row cannot be predicted: another count, other names, a cell that cannot be encoded.
    pub fn vector(&self, features: Features, sent: Option<&str>) -> Result<Vec<f64>, Rejection> {
        match features {
            Features::Vector(vector) => {
                self.check(&vector, sent)?;
                self.encode_numbers(vector)
            }
            Features::Named(cells) => self.ordered(&cells),
        }
    }

    /// A row of numbers in the model's order.
    fn encode_numbers(&self, vector: Vec<f64>) -> Result<Vec<f64>, Rejection> {
        let Some(encoding) = self.encoding.as_ref().filter(|encoding| !encoding.is_plain()) else {
            return Ok(vector);
        };
        if let Some(name) = encoding.textual() {
            let detail =
                format!("the model's feature {} is a category; send the features by name", quoted(name));
            return Err(Rejection::new(Rejection::SHAPE, detail));
        }
        encoding.encode(vector.into_iter().map(Cell::Number))
    }

    /// Puts cells that came by name in order; others beside them are ignored.
    fn ordered(&self, cells: &[(Box<str>, Cell)]) -> Result<Vec<f64>, Rejection> {
        let Some(encoding) = &self.encoding else {
            let detail = "features by name, but the model has no feature names; send an array";
            return Err(Rejection::new(Rejection::NAMES, detail));
        };
        let names = encoding.features();
        // Most producers have the model's order.
        if names.len() == cells.len() && names.iter().zip(cells).all(|(name, (sent, _))| **sent == **name) {
            return encoding.encode(cells.iter().map(|(_, cell)| cell));
        }
        let sent: HashMap<&str, &Cell> = cells.iter().map(|(name, cell)| (&**name, cell)).collect();
        let find = |name: &String| {
            let lacks =
                || Rejection::new(Rejection::NAMES, format!("the feature {} is missing", quoted(name)));
            sent.get(&**name).copied().ok_or_else(lacks)
        };
        encoding.encode(names.iter().map(find).collect::<Result<Vec<&Cell>, _>>()?)
    }

    fn check(&self, vector: &[f64], sent: Option<&str>) -> Result<(), Rejection> {
        let (got, want) = (vector.len(), self.count);
        if got != want {
            let detail = format!("{got} features, the model expects {want}");
            return Err(Rejection::new(Rejection::LENGTH, detail));
        }
        let (Some(sent), Some(names)) = (sent, self.names()) else { return Ok(()) };
        if self.header.as_deref() == Some(sent) {
            return Ok(());
        }
        let sent = Row::parse_names(sent);
        if sent == *names {
            return Ok(());
        }
        let why = difference(&sent, names)
            .map_or(String::new(), |(sent, wanted)| format!("{sent}, the model expects {wanted}"));
        Err(Rejection::new(Rejection::NAMES, why))
    }

    /// The encoded columns of a checked row that are smaller or larger than training has seen them.
    pub fn outside(&self, row: &[f64]) -> impl Iterator<Item = Outside> {
        let seen = self.ranges.iter().flatten().zip(row).enumerate();
        let beyond = seen.filter(|(_, ((least, most), value))| !(*least..=*most).contains(*value));
        beyond.map(|(column, (range, value))| Outside {
            name: self.column(column),
            value: *value,
            range: *range,
        })
    }
}

/// A number beyond what training has seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Outside {
    /// The encoded column's name.
    pub name: String,
    value: f64,
    range: (f64, f64),
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, range: (least, most) } = self;
        write!(f, "{name} is {value}, outside the trained range {least} to {most}")
    }
}

/// The first place where two lists of names differ.
fn difference(ours: &[String], theirs: &[String]) -> Option<(String, String)> {
    let place = (0..ours.len().max(theirs.len())).find(|place| ours.get(*place) != theirs.get(*place))?;
    let say = |names: &[String]| names.get(place).map_or("nothing".to_owned(), |name| quoted(name));
    Some((format!("feature {} is {}", place + 1, say(ours)), say(theirs)))
}

impl fmt::Display for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[String]| names.iter().map(|name| piece(name)).collect::<Vec<_>>().join(", ");
        match self.names() {
            None => write!(f, "{} features", self.count),
            Some(names) if names.len() <= 12 => write!(f, "{} features ({})", self.count, list(names)),
            Some(names) => write!(f, "{} features ({}, ...)", self.count, list(&names[..10])),
        }
    }
}

#[cfg(test)]
mod tests;
