//! The model file: JSON that says what the model is, how it was made and how good it was.
//!
//! `model-file.schema.json` in this package's folder documents every field.

mod golden;
mod layout;
mod reference;
mod training;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Serializer;
use sha2::{Digest as _, Sha256};
use shared::message::Cell;
use shared::printable::quoted;

use crate::content::Format;
use crate::encode::Encoding;
use crate::linear::{Linear, Scaling};
use crate::replace::replace;

pub use golden::Golden;
use layout::JsonLayout;
pub use reference::{Centre, Histogram, Reference, Residual};
pub use training::{
    Candidate, CrossValidation, Holdout, Origin, PredictedBy, SourceFile, TableSource, Training,
};

/// What `format` says in files of ours.
const FORMAT: &str = "pipeline-model";
/// The version of the format that this program writes.
const FORMAT_VERSION: u32 = 3;
/// The oldest version that it reads.
const OLDEST_VERSION: u32 = 2;

/// A model with everything that is known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    format: String,
    format_version: u32,
    /// What kind of model it is.
    pub kind: Kind,
    /// The features' names, in the order in which a row has them.
    pub features: Vec<String>,
    /// The label's name.
    pub target: String,
    /// What stands for a missing cell, by the feature's name, in the feature's unit.
    #[serde(default)]
    pub fills: BTreeMap<String, f64>,
    /// The categories of the features that have some, by the feature's name. The first one has no column: a row of it is 0
    /// in all columns of the feature, which stand in the feature's place.
    #[serde(default)]
    pub categories: BTreeMap<String, Vec<String>>,
    /// What is done to the encoded columns before they are weighted, if anything.
    pub scaling: Option<Scaling>,
    /// One weight an encoded column, in the label's unit per the (scaled) column's.
    pub coefficients: Vec<f64>,
    /// The prediction where every (scaled) column is zero, in the label's unit.
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
    /// A linear model of encoded rows. It knows nothing of how they were spread yet, and has no golden rows, without which
    /// the file cannot be read.
    #[must_use]
    pub fn linear(encoding: &Encoding, target: String, linear: &Linear, training: Training) -> Self {
        Self {
            format: FORMAT.to_owned(),
            format_version: FORMAT_VERSION,
            kind: Kind::Linear,
            features: encoding.features().to_vec(),
            target,
            fills: encoding.fills(),
            categories: encoding.categories(),
            scaling: linear.scaling().cloned(),
            coefficients: linear.coefficients(),
            intercept: linear.intercept(),
            training,
            holdout: None,
            reference: None,
            golden: Vec::new(),
        }
    }

    /// The same with golden rows out of these raw rows of training, which the model predicts so.
    ///
    /// # Errors
    /// A row that cannot be encoded.
    pub fn with_golden(mut self, rows: &[&[Cell]]) -> Result<Self, String> {
        self.golden = golden::choose(rows, &self.encoding()?, &self.predictor()?)?;
        Ok(self)
    }

    /// What is done to a raw row before it is weighed.
    ///
    /// # Errors
    /// Fills and categories that contradict each other or the features.
    pub fn encoding(&self) -> Result<Encoding, String> {
        Encoding::new(&self.features, &self.fills, &self.categories)
    }

    /// What predicts encoded rows.
    ///
    /// # Errors
    /// A weight that is not finite.
    pub fn predictor(&self) -> Result<Linear, String> {
        Linear::new(self.scaling.clone(), &self.coefficients, self.intercept)
    }

    /// What a file of an older format does not say, for people; none for one of today's.
    #[must_use]
    pub fn lacks(&self) -> Option<String> {
        let golden =
            if self.golden.is_empty() { "golden rows, by which damage would be noticed, nor " } else { "" };
        (self.format_version < FORMAT_VERSION).then(|| {
            format!(
                "format {} has no {golden}out-of-fold errors, label mean and commonest shares, by which later rows are judged; \
                 `model train` writes format {FORMAT_VERSION}, which does",
                self.format_version
            )
        })
    }

    /// Reads the text of a file and holds it to itself: lengths, numbers, golden rows. Returns what encodes and predicts, too.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<(Self, Encoding, Linear), ModelFileError> {
        let malformed =
            |why: serde_json::Error| ModelFileError::Malformed(format!("it is not a model file: {why}"));
        if let Ok(Preamble { format, format_version }) = serde_json::from_slice(bytes)
            && format == FORMAT
            && !(OLDEST_VERSION..=FORMAT_VERSION).contains(&format_version)
        {
            return Err(ModelFileError::Version(format!(
                "its format version is {format_version}, and this program reads {OLDEST_VERSION} to {FORMAT_VERSION}; make it again with `model train` or `model convert`"
            )));
        }
        let model: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        if model.format != FORMAT {
            let why =
                format!("it is not a model file: its format is {}, not {FORMAT:?}", quoted(&model.format));
            return Err(ModelFileError::Malformed(why));
        }
        let inconsistent = ModelFileError::Inconsistent;
        model.check_names().map_err(inconsistent)?;
        let encoding = model.encoding().map_err(inconsistent)?;
        model.check(encoding.columns().len()).map_err(inconsistent)?;
        let linear = model.predictor().map_err(inconsistent)?;
        if model.golden.is_empty() && model.format_version == FORMAT_VERSION {
            let why = "it has no golden rows, by which damage to its weights would be noticed; make it again with `model train` or `model convert`";
            return Err(ModelFileError::Golden(why.to_owned()));
        }
        golden::check(&model.golden, &encoding, &linear).map_err(ModelFileError::Golden)?;
        Ok((model, encoding, linear))
    }

    fn check_names(&self) -> Result<(), String> {
        if self.features.is_empty() {
            return Err("it has no features".to_owned());
        }
        if let Some(name) = self.features.iter().find(|name| name.is_empty()) {
            return Err(format!("it has a feature called {name:?}"));
        }
        let mut names = BTreeSet::new();
        if let Some(name) = self.features.iter().find(|name| !names.insert(*name)) {
            return Err(format!("it has the feature {} twice", quoted(name)));
        }
        Ok(())
    }

    fn check(&self, columns: usize) -> Result<(), String> {
        let features = self.features.len();
        let lengths = |what: &str, length: usize| {
            if length == columns {
                return Ok(());
            }
            let of = if columns == features { "features" } else { "columns, as its features are encoded" };
            Err(format!("it has {length} {what} for {columns} {of}"))
        };
        lengths("coefficients", self.coefficients.len())?;
        if let Some(Scaling { mean, scale }) = &self.scaling {
            lengths("means", mean.len())?;
            lengths("scales", scale.len())?;
            if let Some(scale) = scale.iter().find(|scale| **scale <= 0.0) {
                return Err(format!("it has the scale {scale}; expected numbers above zero"));
            }
        }
        if let Some(golden) = self.golden.iter().find(|golden| golden.features.len() != features) {
            let got = golden.features.len();
            return Err(format!("it has {features} features, but a golden row has {got}"));
        }
        self.reference.as_ref().map_or(Ok(()), |reference| reference.check(columns))
    }

    /// The file's text.
    ///
    /// # Errors
    /// The library's.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut json = Vec::new();
        self.serialize(&mut Serializer::with_formatter(&mut json, JsonLayout::default()))?;
        json.push(b'\n');
        Ok(json)
    }

    /// The file's text, once it is certain that this program serves it: it was read back, and is not too large.
    ///
    /// # Errors
    /// Why it would be refused.
    pub fn servable(&self) -> Result<Vec<u8>, String> {
        let text = self.to_json().map_err(|why| why.to_string())?;
        let (size, most) = (text.len() as u64, Format::Json.most_bytes());
        if size > most {
            return Err(format!(
                "its {} columns would make a file of {:.1} MiB, above the limit of {} MiB; leave columns out with --drop",
                self.coefficients.len(),
                size as f64 / 1024.0 / 1024.0,
                most / 1024 / 1024
            ));
        }
        Self::parse(&text).map_err(|why| why.to_string())?;
        Ok(text)
    }

    /// Writes the file so that a reader sees the old one or the whole new one, also after a power cut. What could not be
    /// served is not written.
    ///
    /// # Errors
    /// Why it would be refused, or what the file system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let text = self.servable().map_err(io::Error::other)?;
        replace(path, &text)
    }
}

/// The SHA-256 of bytes, in hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
