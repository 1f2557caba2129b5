//! A model ready to predict: rows of numbers in, predictions out, whatever kind of file it came from.

use shared::message::{Features, Name, Rejection, scorable};

use crate::inputs::Inputs;
use crate::linear::Linear;
use crate::onnx::Session;

pub use crate::onnx::PredictError;

/// A model ready to predict.
#[derive(Debug)]
pub struct Predictor {
    engine: Engine,
    inputs: Inputs,
    version: Name,
}

/// What does the computing.
#[derive(Debug)]
pub enum Engine {
    /// A weighted sum.
    Linear(Linear),
    /// ONNX Runtime.
    Onnx(Session),
}

impl Predictor {
    /// A model whose predictions name this version.
    #[must_use]
    pub fn new(engine: Engine, inputs: Inputs, version: Name) -> Self {
        Self { engine, inputs, version }
    }

    /// What the model wants of a row.
    #[must_use]
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// What predictions name as their model's version: the first 12 hex digits of the file's SHA-256.
    #[must_use]
    pub fn version(&self) -> &Name {
        &self.version
    }

    /// The same model, which goes by another one's names of features where it knows none.
    #[must_use]
    pub fn named_as(self, others: &Inputs) -> Self {
        Self { inputs: self.inputs.named_as(others), ..self }
    }

    /// What clients of the Open Inference Protocol are told that it runs on.
    #[must_use]
    pub fn platform(&self) -> &'static str {
        match self.engine {
            Engine::Linear(_) => "linfa_json",
            Engine::Onnx(_) => "onnxruntime_onnx",
        }
    }

    /// Whether a batch can take milliseconds, so that it belongs on a thread that may wait.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        matches!(self.engine, Engine::Onnx(_))
    }

    /// What the model predicts from: a row's features in its order. `names` is what the row's producer said they are.
    ///
    /// # Errors
    /// The reason why the row cannot be predicted.
    pub fn vector(&self, features: Features, names: Option<&str>) -> Result<Vec<f64>, Rejection> {
        let vector = self.inputs.vector(features, names)?;
        self.check_numbers(&vector).map(|()| vector)
    }

    /// Holds numbers to what the engine can take.
    ///
    /// # Errors
    /// The feature that it cannot.
    pub fn check_numbers(&self, features: &[f64]) -> Result<(), Rejection> {
        match &self.engine {
            Engine::Linear(_) => Ok(()),
            Engine::Onnx(session) => session.check(features, |column| self.inputs.column(column)),
        }
    }

    /// As [`Predictor::predict`]; where that fails, each row alone, so that a row only fails by itself. A prediction that
    /// cannot be scored is a failure too.
    #[must_use]
    pub fn predict_each(&self, rows: &[&[f64]]) -> Vec<Result<f64, Rejection>> {
        match self.predict(rows) {
            Ok(values) => values.into_iter().map(|value| scorable("the prediction", value)).collect(),
            Err(why) if rows.len() == 1 => vec![Err(Rejection::new(Rejection::FAILED, why))],
            Err(_) => rows.iter().flat_map(|row| self.predict_each(&[row])).collect(),
        }
    }

    /// Predicts what [`Predictor::vector`] gave: one prediction each, in their order, in the label's unit. A
    /// linear model's prediction of a row does not depend on the rows beside it. Finite features can still give a
    /// prediction that is not finite.
    ///
    /// # Errors
    /// ONNX Runtime's.
    pub fn predict(&self, rows: &[&[f64]]) -> Result<Vec<f64>, PredictError> {
        match &self.engine {
            Engine::Linear(linear) => Ok(linear.predict(rows)),
            Engine::Onnx(session) => session.predict(rows),
        }
    }
}
