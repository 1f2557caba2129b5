//! A model in ONNX, as scikit-learn, XGBoost and LightGBM users export theirs, run by ONNX Runtime.
//!
//! The runtime is a shared library of its own, loaded when the first such model is: whoever has none needs none.

mod runtime;
mod shape;
pub(crate) mod trial;

use std::sync::{Mutex, PoisonError};

use ort::session::SessionInputValue;
use ort::value::{PrimitiveTensorElementType, Tensor};
use shared::message::{Rejection, Row};

use crate::inputs::Inputs;
use shape::{Layout, Precision};

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
    layout: Layout,
}

/// What an ONNX file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The program that wrote it, such as `skl2onnx`.
    pub producer: Option<String>,
    /// What it says to people.
    pub description: Option<String>,
    /// In how many bits it computes: `float32` or `float64`.
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
        let layout = Layout::of(session.inputs(), session.outputs()).map_err(OnnxError::Unusable)?;
        let (about, listed) = {
            let metadata = session.metadata().map_err(unusable)?;
            let text = |text: Option<String>| text.filter(|text| !text.is_empty());
            let precision = layout.precision.name();
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
        let rows: Vec<Vec<f64>> = [0.0, 1.0, 0.25].map(|value| vec![value; self.layout.features]).into();
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        self.predict(&rows[..1])?;
        let predictions = self.predict(&rows)?;
        if predictions.iter().any(|prediction| prediction.is_finite()) {
            return Ok(());
        }
        Err(PredictError(format!("it predicts {} for rows of zeros and for rows of ones", predictions[0])))
    }

    /// Whether a row survives the model's precision.
    ///
    /// # Errors
    /// The feature that does not.
    pub fn check(&self, row: &[f64]) -> Result<(), Rejection> {
        let Precision::Float32 = self.layout.precision else { return Ok(()) };
        match row.iter().position(|value| !narrow(*value).is_finite()) {
            None => Ok(()),
            Some(column) => {
                let detail = format!("feature {} is {}, beyond the model's 32 bits", column + 1, row[column]);
                Err(Rejection::new(Rejection::NOT_FINITE, detail))
            }
        }
    }

    /// Predicts rows as long as there are features.
    ///
    /// # Errors
    /// The library's, or another number of predictions than rows.
    pub fn predict(&self, rows: &[&[f64]]) -> Result<Vec<f64>, PredictError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let ran = match self.layout.precision {
            Precision::Float32 => self.run(rows, narrow),
            Precision::Float64 => self.run(rows, |value| value),
        };
        let predictions = ran.map_err(|why| PredictError(runtime::first_line(why.message())))?;
        if predictions.len() != rows.len() {
            let why = format!(
                "it answers {} rows with {} numbers; wanted is one a row",
                rows.len(),
                predictions.len()
            );
            return Err(PredictError(why));
        }
        Ok(predictions)
    }

    fn run<T: PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static>(
        &self,
        rows: &[&[f64]],
        convert: impl Fn(f64) -> T,
    ) -> ort::Result<Vec<f64>> {
        let tensor = |shape: [usize; 2], values: Vec<T>| {
            Tensor::from_array((shape, values)).map(|tensor| SessionInputValue::from(tensor.into_dyn()))
        };
        let inputs = if self.layout.names.is_some() {
            let column = |column: usize| rows.iter().map(|row| convert(row[column])).collect();
            (0..self.layout.features)
                .map(|c| tensor([rows.len(), 1], column(c)))
                .collect::<ort::Result<Vec<_>>>()?
        } else {
            let values = rows.iter().flat_map(|row| row.iter().map(|value| convert(*value))).collect();
            vec![tensor([rows.len(), self.layout.features], values)?]
        };
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(&inputs[..])?;
        let output = &outputs[&*self.layout.output];
        if let Ok((_, values)) = output.try_extract_tensor::<f32>() {
            return Ok(values.iter().map(|value| f64::from(*value)).collect());
        }
        output.try_extract_tensor::<f64>().map(|(_, values)| values.to_vec())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a 32 bit model takes 32 bits; too large becomes infinite"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}
