//! Linear models of scikit-learn's, read from pickle and joblib files without executing anything.
//!
//! A pickle is a program that calls what it names. Here it runs on a machine that knows a dozen data types and calls
//! nothing: a name that is not on the short list in `globals` ends the reading where it stands.

mod classes;
mod error;
mod estimator;
mod format;
mod globals;
mod input;
mod literal;
mod machine;
mod meaning;
mod numpy;
mod opcode;
mod scaler;
mod sklearn;
mod value;
mod way_out;

use std::collections::BTreeMap;

use crate::linear::Scaling;

pub use error::PickleError;

/// A linear model of scikit-learn's, as its pickle says it.
#[derive(Debug, Clone, PartialEq)]
pub struct PickledLinear {
    /// The class, for example `Ridge`, or `Pipeline(StandardScaler, Ridge)`.
    pub class: String,
    /// The version of scikit-learn that saved it.
    pub library_version: Option<String>,
    /// The features' names, where it was fitted on a `DataFrame`.
    pub features: Option<Vec<String>>,
    /// What the scalers before it do to the features, as one, if there are any that do something.
    pub scaling: Option<Scaling>,
    /// One weight a feature.
    pub coefficients: Vec<f64>,
    /// The prediction where every (scaled) feature is zero.
    pub intercept: f64,
    /// `alpha` and `l1_ratio`, where the model has them and they are numbers.
    pub parameters: BTreeMap<String, f64>,
}

/// Reads a model from the bytes of a file. How many they may be is for the caller to bound.
///
/// # Errors
/// The reason why the file is refused.
pub fn read(bytes: &[u8]) -> Result<PickledLinear, PickleError> {
    let stream = format::stream(bytes)?;
    let (arena, root) = machine::load(&stream)?;
    sklearn::linear(&arena, root)
}

#[cfg(test)]
mod tests;
