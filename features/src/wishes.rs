//! What is wanted of what is read.

use clap::ValueEnum;
use shared::table::{Columns, Dialect, Labels};
use tracing::info;

use crate::disturb::Disturbance;

/// What lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LineFormat {
    /// A header, then a row a line.
    Csv,
    /// A JSON object a line.
    Ndjson,
}

/// What is wanted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Rows, and their labels.
    Rows(Labels),
    /// Labels and the ids of their rows.
    Labels,
}

/// What is wanted of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Wishes {
    pub(crate) what: What,
    pub(crate) columns: Columns,
    pub(crate) dialect: Dialect,
    pub(crate) format: Option<LineFormat>,
    /// Whether each row goes with its features' names.
    pub(crate) names: bool,
    /// What is done to rows on purpose, and the seed of that.
    pub(crate) disturbance: Option<(Disturbance, u64)>,
}

impl Wishes {
    /// Says where rows go without labels though nobody asked for that.
    pub(crate) fn say_labels(&self, name: &str, has_labels: bool) {
        if self.what == What::Rows(Labels::IfThere) && !has_labels {
            say_no_labels(name, self.columns.label());
        }
    }
}

/// Says that rows go without labels.
pub(crate) fn say_no_labels(name: &str, label: &str) {
    info!(
        "{name} has no column {label:?}: publishing rows without labels; send those later with `features labels`, or name their column with --target"
    );
}

#[cfg(test)]
impl Default for Wishes {
    fn default() -> Self {
        Self {
            what: What::Labels,
            columns: Columns::default(),
            dialect: Dialect::default(),
            format: None,
            names: false,
            disturbance: None,
        }
    }
}
