//! A model in ONNX, as scikit-learn, XGBoost and LightGBM users export theirs, run by ONNX Runtime.
//!
//! The runtime is a shared library of its own, loaded when the first such model is: whoever has none needs none.

pub(crate) mod beside;
mod message;
mod runtime;
mod shape;
pub(crate) mod trial;

use std::sync::{Mutex, PoisonError};

use ort::session::SessionInputValue;
use ort::value::{PrimitiveTensorElementType, Tensor};
use shared::message::{Rejection, Row};

use crate::inputs::Inputs;
use shape::{Precision, Signature, narrow};

/// The entry of a file's metadata that names the features: as the header `x-feature-names` does.
const FEATURE_NAMES: &str = "feature_names";

/// Why an ONNX file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// The library is not there.
    #[error("{0}")]
    NoRuntime(String),
    /// The library does not take the file, or the model is no regression of rows of numbers.
    #[error("{0}")]
    Unusable(String),
    /// The process that tries it cannot be started.
    #[error("{0}")]
    Untried(String),
    /// The library came to harm with it.
    #[error("{0}")]
    Harmful(String),
}

/// Why a checked row could not be predicted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PredictError(pub String);

/// What a trial says of a missing library, before the reason.
const NO_RUNTIME: &str = "no runtime: ";

impl OnnxError {
    /// The error as a trial in another process says it.
    fn for_trial(&self) -> String {
        match self {
            Self::NoRuntime(why) => format!("{NO_RUNTIME}{why}"),
            Self::Unusable(why) | Self::Untried(why) | Self::Harmful(why) => why.clone(),
        }
    }

    /// What a trial said.
    fn from_trial(said: &str) -> Self {
        match said.strip_prefix(NO_RUNTIME) {
            Some(why) => Self::NoRuntime(why.to_owned()),
            None => Self::Unusable(runtime::first_line(said)),
        }
    }
}

/// A model that ONNX Runtime has taken.
#[derive(Debug)]
pub struct Session {
    // The library wants to be alone with a session while it runs.
    session: Mutex<ort::session::Session>,
    layout: Signature,
}

/// What an ONNX file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The program that wrote it, such as `skl2onnx`.
    pub producer: Option<String>,
    /// What it says to people.
    pub description: Option<String>,
    /// What numbers it takes: `float32`, `float64`, `int32`, `int64`, or `mixed numbers`.
    pub precision: &'static str,
}

impl Session {
    /// Loads a model from its file's bytes and tries it.
    ///
    /// # Errors
    /// A missing library, or what is wrong with the file: an operator that the library does not know is named.
    pub fn load(bytes: &[u8]) -> Result<(Self, Inputs, About), OnnxError> {
        let unusable = |why: ort::Error| OnnxError::Unusable(runtime::first_line(why.message()));
        let session = runtime::session(bytes)?;
        let layout = Signature::of(session.inputs(), session.outputs()).map_err(OnnxError::Unusable)?;
        let (about, listed) = {
            let metadata = session.metadata().map_err(unusable)?;
            let text = |text: Option<String>| text.filter(|text| !text.is_empty());
            let same = layout.precisions.windows(2).all(|pair| pair[0] == pair[1]);
            let precision = if same { layout.precision(0).name() } else { "mixed numbers" };
            let about = About {
                producer: text(metadata.producer()),
                description: text(metadata.description()),
                precision,
            };
            (about, metadata.custom(FEATURE_NAMES))
        };
        let names = listed.map(|text| Row::parse_names(&text)).or_else(|| layout.names.clone());
        let inputs = match names {
            None => Inputs::unnamed(layout.features),
            Some(names) if names.len() == layout.features => Inputs::named(names),
            Some(names) => {
                let why = format!(
                    "its metadata has {} {FEATURE_NAMES} for {} features",
                    names.len(),
                    layout.features
                );
                return Err(OnnxError::Unusable(why));
            }
        };
        let session = Self { session: Mutex::new(session), layout };
        session.probe().map_err(|why| OnnxError::Unusable(why.0))?;
        Ok((session, inputs, about))
    }

    /// Predicts some rows, alone and together: what fails on each of them would fail on every row that comes.
    fn probe(&self) -> Result<(), PredictError> {
        let last =
            if self.layout.precisions.iter().any(|precision| precision.is_whole()) { 2.0 } else { 0.25 };
        let rows: Vec<Vec<f64>> = [0.0, 1.0, last].map(|value| vec![value; self.layout.features]).into();
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        self.predict(&rows[..1])?;
        let predictions = self.predict(&rows)?;
        if predictions.iter().any(|prediction| prediction.is_finite()) {
            return Ok(());
        }
        Err(PredictError(format!(
            "it predicts {} both for rows of zeros and for rows of ones",
            predictions[0]
        )))
    }

    /// Whether a row survives the model's precision. `name` is what a feature is called.
    ///
    /// # Errors
    /// The feature that does not.
    pub fn check(&self, row: &[f64], name: impl Fn(usize) -> String) -> Result<(), Rejection> {
        for (column, value) in row.iter().enumerate() {
            let precision = self.layout.precision(column);
            let feature = || format!("feature {} ({}) is {value}", column + 1, name(column));
            if precision.is_whole() && value.fract() != 0.0 {
                let detail = format!("{}, but the model takes whole numbers there", feature());
                return Err(Rejection::new(Rejection::NOT_WHOLE, detail));
            }
            if !precision.holds(*value) {
                let detail = format!("{}, beyond the model's {}", feature(), precision.name());
                return Err(Rejection::new(Rejection::NOT_FINITE, detail));
            }
        }
        Ok(())
    }

    /// Predicts rows as long as there are features.
    ///
    /// # Errors
    /// The library's, or another number of predictions than rows.
    pub fn predict(&self, rows: &[&[f64]]) -> Result<Vec<f64>, PredictError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let predictions = self.run(rows).map_err(|why| PredictError(runtime::first_line(why.message())))?;
        if predictions.len() != rows.len() {
            let why = format!(
                "it answers {} rows with {} numbers; expected one per row",
                rows.len(),
                predictions.len()
            );
            return Err(PredictError(why));
        }
        Ok(predictions)
    }

    fn run(&self, rows: &[&[f64]]) -> ort::Result<Vec<f64>> {
        let width = if self.layout.names.is_some() { 1 } else { self.layout.features };
        let inputs = self.layout.precisions.iter().enumerate().map(|(input, precision)| {
            let values = rows.iter().flat_map(|row| &row[input * width..][..width]).copied();
            let shape = [rows.len(), width];
            match precision {
                Precision::Float32 => tensor(shape, values.map(narrow).collect()),
                Precision::Float64 => tensor(shape, values.collect()),
                Precision::Int32 => tensor(shape, values.map(whole_32).collect()),
                Precision::Int64 => tensor(shape, values.map(whole_64).collect()),
            }
        });
        let inputs = inputs.collect::<ort::Result<Vec<_>>>()?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(&inputs[..])?;
        let output = &outputs[&*self.layout.output];
        if let Ok((_, values)) = output.try_extract_tensor::<f32>() {
            return Ok(values.iter().map(|value| f64::from(*value)).collect());
        }
        output.try_extract_tensor::<f64>().map(|(_, values)| values.to_vec())
    }
}

fn tensor<T: PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static>(
    shape: [usize; 2],
    values: Vec<T>,
) -> ort::Result<SessionInputValue<'static>> {
    Tensor::from_array((shape, values)).map(|tensor| SessionInputValue::from(tensor.into_dyn()))
}

#[expect(clippy::cast_possible_truncation, reason = "`check` lets nothing pass that is not in it")]
fn whole_32(value: f64) -> i32 {
    value as i32
}

#[expect(clippy::cast_possible_truncation, reason = "`check` lets nothing pass that is not in it")]
fn whole_64(value: f64) -> i64 {
    value as i64
}
