//! A model ready to predict: rows of numbers in, predictions out, whatever kind of file it came from.

use shared::message::{Name, Rejection, Row};

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

    /// Whether a batch can take milliseconds, so that it belongs on a thread that may wait.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        matches!(self.engine, Engine::Onnx(_))
    }

    /// Holds a row to what the model wants.
    ///
    /// # Errors
    /// The reason why it cannot be predicted.
    pub fn check(&self, row: &Row) -> Result<(), Rejection> {
        self.inputs.check(row)?;
        match &self.engine {
            Engine::Linear(_) => Ok(()),
            Engine::Onnx(session) => session.check(&row.features),
        }
    }

    /// Predicts rows that passed [`Predictor::check`]: one prediction each, in their order, in the label's unit. A
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
