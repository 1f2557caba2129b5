//! What is told of two versions that predicted the same rows.

use schemars::JsonSchema;
use serde::Serialize;

use super::Moment;
use crate::confidence::Interval;
use crate::identity::Identity;
use crate::pairs::{Finding, Step};

/// Two versions that predicted the same rows. Differences are of the new one minus the old one, in the label's unit.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ComparisonReport {
    /// After a swap the version that serves; a challenger; else the one that was heard of later.
    pub new: Identity,
    /// The one that it is compared with.
    pub old: Identity,
    /// Whether the old one is the version before the new one, which goes on in the shadow.
    pub is_swap: bool,
    /// Rows that both have predicted and that have their label.
    pub rows: u64,
    /// Rows that both have predicted, labelled or not.
    pub predicted: u64,
    /// Mean |error| of the new one on the labelled rows.
    pub mae_new: Option<f64>,
    /// Mean |error| of the old one on the same rows.
    pub mae_old: Option<f64>,
    /// By how much that of the new one is larger.
    pub difference: Option<f64>,
    /// The same as a share of that of the old one.
    pub share: Option<f64>,
    /// The bounds of the difference: each holds at every moment at once, with 95 %; challengers of the same version share what is
    /// missing to 100 %.
    pub interval: Option<Interval>,
    /// What that says of the new one; of a swap, what was decided.
    pub finding: Finding,
    /// Of a swap: what was decided, once.
    pub decided: Option<DecisionReport>,
    /// About how many more labels it takes until something can be said.
    pub labels_to_go: Option<u64>,
    /// When the first row came that both have predicted.
    pub first: Moment,
    /// When the last one came, or its label.
    pub last: Moment,
    /// The comparison label by label, in as many steps as a chart can show.
    pub steps: Vec<Step>,
}

/// What was decided of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct DecisionReport {
    /// When.
    pub at: Moment,
    /// After how many rows.
    pub rows: u64,
    /// The difference then.
    pub difference: f64,
}
