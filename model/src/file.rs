//! The model file: JSON that says what the model is, how it was made and how good it was.
//!
//! `model-file.schema.json` in this package's folder documents every field.

mod layout;
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Serializer;
use sha2::{Digest as _, Sha256};
use shared::scores::Scores;

use crate::linear::{Linear, Scaling};

use layout::Layout;
pub use reference::{Histogram, Reference};

/// What `format` says in files of ours.
const FORMAT: &str = "pipeline-model";
/// The version of the format that this program writes and reads.
const FORMAT_VERSION: u32 = 2;
/// How many golden rows a file is given at least, where there are as many rows.
const GOLDEN_ROWS: usize = 5;
/// How many it is given at the most.
const MOST_GOLDEN_ROWS: usize = 50;
/// How far a prediction may be from its golden row's, as a share of what it is summed up from: the same sum in another
/// order, on another processor, differs by less, and a model with another weight by more.
const GOLDEN_TOLERANCE: f64 = 1e-12;

/// A model with everything that is known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    format: String,
    format_version: u32,
    /// What kind of model it is.
    pub kind: Kind,
    /// The features' names, in the order of the weights.
    pub features: Vec<String>,
    /// The label's name.
    pub target: String,
    /// What is done to the features before they are weighted, if anything.
    pub scaling: Option<Scaling>,
    /// One weight a feature, in the label's unit per the (scaled) feature's.
    pub coefficients: Vec<f64>,
    /// The prediction where every (scaled) feature is zero, in the label's unit.
    pub intercept: f64,
    /// How and on what it was made.
    pub training: Training,
    /// How good it was on rows that training did not see, if any were held out.
    pub holdout: Option<Holdout>,
    /// How the rows that training saw were spread, if they are known.
    pub reference: Option<Reference>,
    /// Some rows with what the model says of them: who reads the file predicts them before serving it.
    pub golden: Vec<Golden>,
}

/// What kind of model a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Intercept plus a weighted sum of the features.
    Linear,
}

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
    pub data: Option<Source>,
    /// The file that the model was converted from, if it was.
    pub converted_from: Option<Source>,
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
pub struct Source {
    /// The file's name, without its folder.
    pub file: String,
    /// Its SHA-256, in hex.
    pub sha256: String,
}

impl Source {
    /// A file with this content.
    #[must_use]
    pub fn of(path: &Path, bytes: &[u8]) -> Self {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { file, sha256: sha256(bytes) }
    }
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

/// A row with what the model says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// The features, in the order of the weights.
    pub features: Vec<f64>,
    /// The prediction, in the label's unit.
    pub prediction: f64,
}

/// Why the text of a model file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// It is not the JSON of a model file.
    #[error("{0}")]
    Malformed(String),
    /// It is one of a format version that this program does not read.
    #[error("{0}")]
    Version(String),
    /// Its parts contradict each other.
    #[error("{0}")]
    Inconsistent(String),
    /// It does not predict its golden rows: its weights are not those that it was made with.
    #[error("{0}")]
    Golden(String),
}

/// What is asked of a file before anything else.
#[derive(Deserialize)]
struct Preamble {
    format: String,
    format_version: u32,
}

impl ModelFile {
    /// A linear model that knows nothing of how it was spread yet, and has no golden rows.
    #[must_use]
    pub fn linear(features: Vec<String>, target: String, linear: &Linear, training: Training) -> Self {
        Self {
            format: FORMAT.to_owned(),
            format_version: FORMAT_VERSION,
            kind: Kind::Linear,
            features,
            target,
            scaling: linear.scaling().cloned(),
            coefficients: linear.coefficients(),
            intercept: linear.intercept(),
            training,
            holdout: None,
            reference: None,
            golden: Vec::new(),
        }
    }

    /// The same with golden rows out of these, which are all predicted: the ones with the smallest and the largest
    /// prediction and some between, and as many more as it takes, within bounds, for each feature to be other than zero in
    /// one of them: else a change of its weight would not show.
    #[must_use]
    pub fn with_golden(mut self, rows: &[&[f64]], predictions: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|a, b| predictions[*a].total_cmp(&predictions[*b]));
        let count = GOLDEN_ROWS.min(order.len());
        let mut chosen: Vec<usize> =
            (0..count).map(|i| order[i * (order.len() - 1) / (count - 1).max(1)]).collect();
        let shows = |row: usize, column: usize| {
            let x = rows[row][column];
            self.scaling.as_ref().map_or(x, |scaling| scaling.apply(column, x)) != 0.0
        };
        let mut hidden: Vec<usize> = (0..self.features.len())
            .filter(|column| !chosen.iter().any(|row| shows(*row, *column)))
            .collect();
        while chosen.len() < MOST_GOLDEN_ROWS && !hidden.is_empty() {
            let shown = |row: &usize| hidden.iter().filter(|column| shows(*row, **column)).count();
            let Some(best) = (0..rows.len()).max_by_key(shown).filter(|row| shown(row) > 0) else { break };
            hidden.retain(|column| !shows(best, *column));
            chosen.push(best);
        }
        let golden = |row: usize| Golden { features: rows[row].to_vec(), prediction: predictions[row] };
        self.golden = chosen.into_iter().map(golden).collect();
        self
    }

    /// What predicts.
    ///
    /// # Errors
    /// A weight that is not finite.
    pub fn predictor(&self) -> Result<Linear, String> {
        Linear::new(self.scaling.clone(), &self.coefficients, self.intercept)
    }

    /// Reads the text of a file and holds it to itself: lengths, numbers, golden rows. Returns what predicts, too.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<(Self, Linear), ModelFileError> {
        let malformed =
            |why: serde_json::Error| ModelFileError::Malformed(format!("it is not a model file: {why}"));
        if let Ok(Preamble { format, format_version }) = serde_json::from_slice(bytes)
            && format == FORMAT
            && format_version != FORMAT_VERSION
        {
            return Err(ModelFileError::Version(format!(
                "its format version is {format_version}, and this program reads {FORMAT_VERSION}; make it anew with `model \
                 train` or `model convert`"
            )));
        }
        let model: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        if model.format != FORMAT {
            let why = format!("it is not a model file: its format is {:?}, not {FORMAT:?}", model.format);
            return Err(ModelFileError::Malformed(why));
        }
        model.check().map_err(ModelFileError::Inconsistent)?;
        let linear = model.predictor().map_err(ModelFileError::Inconsistent)?;
        model.check_golden(&linear).map_err(ModelFileError::Golden)?;
        Ok((model, linear))
    }

    fn check(&self) -> Result<(), String> {
        let features = self.features.len();
        if features == 0 {
            return Err("it has no features".to_owned());
        }
        if let Some(name) = self.features.iter().find(|name| name.is_empty()) {
            return Err(format!("it has a feature of the name {name:?}"));
        }
        let mut names = BTreeSet::new();
        if let Some(name) = self.features.iter().find(|name| !names.insert(*name)) {
            return Err(format!("it has the feature {name:?} twice"));
        }
        let lengths = |what: &str, length: usize| {
            if length == features {
                Ok(())
            } else {
                Err(format!("it has {length} {what} for {features} features"))
            }
        };
        lengths("coefficients", self.coefficients.len())?;
        if let Some(Scaling { mean, scale }) = &self.scaling {
            lengths("means", mean.len())?;
            lengths("scales", scale.len())?;
            if let Some(scale) = scale.iter().find(|scale| **scale <= 0.0) {
                return Err(format!("it has the scale {scale}; wanted are numbers above zero"));
            }
        }
        for golden in &self.golden {
            lengths("features in a golden row", golden.features.len())?;
        }
        self.reference.as_ref().map_or(Ok(()), |reference| reference.check(features))
    }

    fn check_golden(&self, linear: &Linear) -> Result<(), String> {
        let rows: Vec<&[f64]> = self.golden.iter().map(|golden| &*golden.features).collect();
        for (number, (golden, says)) in self.golden.iter().zip(linear.predict(&rows)).enumerate() {
            let wanted = golden.prediction;
            let near = GOLDEN_TOLERANCE * linear.magnitude(&golden.features).max(wanted.abs());
            // Written so that what is no number is not near.
            let agrees = (says - wanted).abs() <= near;
            if !agrees {
                return Err(format!(
                    "it predicts {says} for its golden row {}, where {wanted} is right: its weights were changed or \
                     damaged after it was made",
                    number + 1
                ));
            }
        }
        Ok(())
    }

    /// The file's text.
    ///
    /// # Errors
    /// The library's.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut json = Vec::new();
        self.serialize(&mut Serializer::with_formatter(&mut json, Layout::default()))?;
        json.push(b'\n');
        Ok(json)
    }

    /// Writes the file so that a reader sees the old one or the whole new one, also after a power cut.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(name);
        let written = write_durably(&temporary, &self.to_json()?).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            _ = fs::remove_file(&temporary);
        }
        written?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The SHA-256 of bytes, in hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
