//! Rows of numbers in, predictions out.

use std::path::Path;

use linfa::traits::Predict as _;
use linfa_linear::FittedLinearRegression;
use ndarray::Array2;
use serde_json::json;
use shared::message::{Name, Rejection};

use crate::file::{ModelFile, ModelFileError};

/// A model ready to predict.
#[derive(Debug)]
pub struct Predictor {
    regression: FittedLinearRegression<f64>,
    features: Vec<String>,
    version: Name,
}

impl Predictor {
    /// Reads a model file and makes it ready.
    ///
    /// # Errors
    /// The reason why the file is refused.
    pub fn load(path: &Path) -> Result<Self, ModelFileError> {
        let (model, version) = ModelFile::read(path)?;
        Self::new(&model, version)
            .map_err(|why| ModelFileError::Unusable { path: path.to_owned(), why: why.to_string() })
    }

    /// Makes a model ready. `version` is what its predictions will name.
    ///
    /// # Errors
    /// The library's, where it cannot take the weights.
    pub fn new(model: &ModelFile, version: Name) -> Result<Self, serde_json::Error> {
        // The library has no constructor from weights; its own serialised form is the way in.
        let regression = serde_json::from_value(json!({
            "intercept": model.intercept,
            "params": { "v": 1, "dim": [model.coefficients.len()], "data": model.coefficients },
        }))?;
        Ok(Self { regression, features: model.features.clone(), version })
    }

    /// The features' names, in the order that a row must have.
    #[must_use]
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// The model file's version.
    #[must_use]
    pub fn version(&self) -> &Name {
        &self.version
    }

    /// Says whether a row can be predicted.
    ///
    /// # Errors
    /// The reason why not: it has the wrong length.
    pub fn check(&self, row: &[f64]) -> Result<(), Rejection> {
        let (got, want) = (row.len(), self.features.len());
        if got == want {
            return Ok(());
        }
        Err(Rejection::new(Rejection::LENGTH, format!("{got} features, where the model has {want}")))
    }

    /// Predicts rows that passed [`Predictor::check`]: one prediction each, in their order. A row's prediction
    /// does not depend on the rows beside it. Finite features can still overflow to a prediction that is not.
    #[must_use]
    pub fn predict(&self, rows: &[&[f64]]) -> Vec<f64> {
        let shape = (rows.len(), self.features.len());
        let table = Array2::from_shape_fn(shape, |(row, column)| rows[row][column]);
        self.regression.predict(&table).to_vec()
    }
}
