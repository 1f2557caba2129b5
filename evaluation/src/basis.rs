//! What is known of a version before its first row: what its model file says of the rows that it was made of.

use serde::{Deserialize, Serialize};

use crate::histogram::Histogram;

/// A feature, as the model weighs it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureBasis {
    /// What it is called.
    pub name: String,
    /// How it was spread, if that is known.
    pub histogram: Option<Histogram>,
    /// The share of its commonest value, from 0 to 1, if that is known.
    pub commonest: Option<f64>,
}

/// The errors on rows that the fit had not seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Residuals {
    /// The errors, prediction minus label.
    pub error: Histogram,
    /// Their sizes.
    pub absolute_error: Histogram,
}

/// What a model file says. Whatever is missing is taken from the version's own first rows, where they can stand in for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// The features, in the order of the vectors.
    pub features: Vec<FeatureBasis>,
    /// The predictions.
    pub prediction: Option<Histogram>,
    /// The median of the labels: what a constant would have said.
    pub label_median: Option<f64>,
    /// The errors.
    pub residuals: Option<Residuals>,
    /// The mean absolute error on rows held out.
    pub holdout_mae: Option<f64>,
}
