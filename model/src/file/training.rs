//! What a model file says of how the model was made, and of how good it was.

use std::collections::BTreeMap;
use std::path::Path;

use evaluation::scores::Scores;
use serde::{Deserialize, Serialize};

use super::sha256;

/// How and on what a model was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The algorithm: `ols`, `ridge`, `lasso` or `elastic-net`, or the class of a model made elsewhere.
    pub algorithm: String,
    /// Its parameters: `penalty`, `l1_ratio`, or what the class has.
    pub parameters: BTreeMap<String, f64>,
    /// The libraries that fitted, with their versions.
    pub libraries: BTreeMap<String, String>,
    /// The table, if it is known.
    pub data: Option<TableSource>,
    /// The file that the model was converted from, if it was.
    pub converted_from: Option<SourceFile>,
    /// How many rows training saw, if that is known.
    pub rows: Option<usize>,
    /// The seed of the split and of the folds.
    pub seed: Option<u64>,
    /// How the penalty was chosen, if it was.
    pub cross_validation: Option<CrossValidation>,
    /// When the file was made, in UTC.
    pub made_at: String,
}

/// A file that a model was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// The file's name, without its folder.
    pub file: String,
    /// Its SHA-256, in hex.
    pub sha256: String,
}

impl SourceFile {
    /// A file with this content.
    #[must_use]
    pub fn of(path: &Path, bytes: &[u8]) -> Self {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { file, sha256: sha256(bytes) }
    }
}

/// A table that a model was fitted to, and how it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSource {
    /// The file's name, without its folder.
    pub file: String,
    /// The SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// How many of its rows were used, for training and hold-out; none in files of format 2.
    #[serde(default)]
    pub rows: Option<usize>,
    /// What was done about missing cells: `fail`, `drop`, `mean` or `median`; none in files of format 2.
    #[serde(default)]
    pub missing: Option<String>,
    /// What was found by looking at how it is written, and what was left out of it: a line each, for people.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Which rows these are, where they were recorded in production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Rows that were recorded in production, as `metric export --features` has them. Times are in UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// When the first of them was predicted.
    pub predicted_from: String,
    /// When the last one was.
    pub predicted_to: String,
    /// From when on they were held out, if any were.
    pub held_out_from: Option<String>,
    /// Who predicted them: those with the most rows.
    pub predicted_by: Vec<PredictedBy>,
    /// The version whose file says what the numbers of a row are.
    pub encoded_as: String,
    /// After how many seconds of age a row weighs half, where age counts.
    pub half_life_s: Option<f64>,
}

/// A version that predicted rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictedBy {
    /// The model's name, if it gave one.
    pub model: Option<String>,
    /// Its version, if it gave one.
    pub version: Option<String>,
    /// How many.
    pub rows: u64,
}

/// The penalties that were tried, each on rows that its fit had not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossValidation {
    /// Into how many parts the rows were split.
    pub folds: usize,
    /// What was tried, by falling penalty.
    pub candidates: Vec<Candidate>,
}

/// One penalty, and its scores over all folds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The penalty; none for ordinary least squares.
    pub penalty: Option<f64>,
    /// How good.
    pub scores: Holdout,
}

/// Scores on rows that training did not see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holdout {
    /// How many rows.
    pub rows: u64,
    /// Mean absolute error, in the label's unit.
    pub mae: f64,
    /// Root mean squared error, in the label's unit.
    pub rmse: f64,
    /// Coefficient of determination; none where the labels do not differ.
    pub r2: Option<f64>,
}

impl From<&Scores> for Holdout {
    fn from(scores: &Scores) -> Self {
        Self { rows: scores.count(), mae: scores.mae(), rmse: scores.rmse(), r2: scores.r2() }
    }
}
