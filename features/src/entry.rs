//! What a source gives, whatever it reads from.

use std::sync::Arc;

use shared::message::{Cell, Features, RowId, scorable};
use shared::printable::quoted;

/// A row's features, its label, or both.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Entry {
    /// The row's id; without one it gets a new one.
    pub id: Option<RowId>,
    /// The features, where there are any to send.
    pub features: Option<Features>,
    /// The features' names as the header `x-feature-names` has them, where they are wanted.
    pub names: Option<Arc<str>>,
    /// The label, where it is known.
    pub label: Option<f64>,
    /// Whether it has a label that is kept back on purpose.
    pub withheld: bool,
}

impl Entry {
    /// How much it is, in bytes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        self.features.as_ref().map_or(NUMBER, size)
    }
}

/// How much a row is, in bytes, about.
pub(crate) fn size(features: &Features) -> usize {
    let cell = |(name, cell): &(Box<str>, Cell)| {
        name.len() + if let Cell::Text(text) = cell { text.len() } else { NUMBER }
    };
    match features {
        Features::Vector(vector) => vector.len() * NUMBER,
        Features::Named(cells) => cells.iter().map(cell).sum(),
    }
}

/// How long a number's text is, in bytes, at the most of those that are usual.
const NUMBER: usize = 20;

/// An entry and where it stood.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbered {
    /// The line it begins on, counted from 1.
    pub line: u64,
    /// What stood there.
    pub entry: Entry,
}

/// Why something cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// One line is bad; what comes after it can be read.
    Line {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing more can be read. The text says of what.
    Input(String),
}

impl Fault {
    /// As people read it; `name` is what it was found in.
    #[must_use]
    pub fn of(self, name: &str) -> anyhow::Error {
        match self {
            Self::Line { line, why } => anyhow::anyhow!("{name}, line {line}: {why}"),
            Self::Input(why) => anyhow::anyhow!(why),
        }
    }
}

/// Holds a label to what can be scored.
///
/// # Errors
/// It is beyond that.
pub(crate) fn label(value: f64) -> Result<f64, String> {
    scorable("the label", value).map_err(|why| why.detail)
}

/// The id that a text is.
///
/// # Errors
/// It is none.
pub(crate) fn id(text: &str) -> Result<RowId, String> {
    RowId::parse(text).map_err(|why| no_id(text, &why))
}

/// That a text is no id.
pub(crate) fn no_id(text: &str, why: &str) -> String {
    format!("{} is not a valid id: {why}", quoted(text))
}

/// Rows and labels as they are read, each once.
pub type Entries = Box<dyn Iterator<Item = Result<Numbered, Fault>>>;
