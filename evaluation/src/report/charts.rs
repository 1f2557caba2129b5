//! What charts show, as numbers.

use schemars::JsonSchema;
use serde::Serialize;

use super::Moment;

/// Scores of the rows that were predicted within some time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct PaneReport {
    /// When that begins.
    pub from: Moment,
    /// How many rows were predicted, with an id.
    pub predicted: u64,
    /// Of these, labelled.
    pub labelled: u64,
    /// Of these, given up.
    pub expired: u64,
    /// Whether it is so long ago that nine tenths of the labels have had the time to come, or all have come.
    pub mature: bool,
    /// Mean of |e|.
    pub mae: Option<f64>,
    /// Root of the mean of e².
    pub rmse: Option<f64>,
    /// Mean of e.
    pub bias: Option<f64>,
    /// Coefficient of determination.
    pub r2: Option<f64>,
    /// 90 % quantile of |e|, within 1 %.
    pub p90: Option<f64>,
}

/// How many labels have come after a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct LagPoint {
    /// The time.
    pub ms: f64,
    /// The share, from 0 to 1.
    pub share: f64,
}

/// The evidence that errors are larger, over labels that followed each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct EvidencePoint {
    /// The last of them, counted from the first one that was compared.
    pub label: u64,
    /// When that came.
    pub at: Moment,
    /// The highest evidence among them, as a decimal logarithm.
    pub log10: f64,
    /// Whether there was an alarm, after which evidence is collected anew.
    pub alarm: bool,
}

/// A part of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct BinReport {
    /// From this value on; absent where there is no lower limit.
    pub from: Option<f64>,
    /// Below this value; absent where there is no upper limit.
    pub to: Option<f64>,
    /// The share of the last rows, from 0 to 1.
    pub share: f64,
    /// The share of the rows that they are compared with, if there are any.
    pub reference_share: Option<f64>,
}

/// A labelled row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct RowReport {
    /// The number of its prediction, if that is known: by it the row is found among the records.
    pub prediction: Option<i64>,
    /// When it was predicted.
    pub predicted_at: Moment,
    /// The label.
    pub y_true: f64,
    /// The prediction.
    pub y_pred: f64,
}

/// Details of a version that serves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Charts {
    /// The share of the labels that have come after a time: corners of a curve.
    pub lag: Vec<LagPoint>,
    /// The evidence that errors are larger, in the order of the labels.
    pub evidence: Vec<EvidencePoint>,
    /// The errors of the last labelled rows, in bins of equal width but for the outer ones, which have no end.
    pub errors: Vec<BinReport>,
    /// Their sizes, |e|, in bins of equal width from 0 on; the last one has no end.
    pub absolute_errors: Vec<BinReport>,
    /// The last labelled rows, in the order of their labels; 300 at the most.
    pub last: Vec<RowReport>,
    /// Of the window by labels, the ten rows that are furthest off, the worst first.
    pub furthest: Vec<RowReport>,
}
