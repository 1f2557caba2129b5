//! The linear model: features, scaled or not, weighted and summed up.

use linfa::traits::Predict as _;
use linfa_linear::FittedLinearRegression;
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Intercept plus a weighted sum of the features.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    scaling: Option<Scaling>,
    regression: FittedLinearRegression<f64>,
}

/// Standardising: a feature becomes `(x - mean) / scale`. One mean and one scale a feature, in its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// What is taken off.
    pub mean: Vec<f64>,
    /// What the rest is divided by; above zero.
    pub scale: Vec<f64>,
}

impl Scaling {
    /// Scales a number of a column.
    #[must_use]
    pub fn apply(&self, column: usize, x: f64) -> f64 {
        (x - self.mean[column]) / self.scale[column]
    }
}

impl Linear {
    /// A model of one weight a feature, in the label's unit per the (scaled) feature's, and the prediction where every
    /// (scaled) feature is zero. The scaling is as long as there are weights.
    ///
    /// # Errors
    /// A weight or an intercept that is not finite.
    pub fn new(scaling: Option<Scaling>, coefficients: &[f64], intercept: f64) -> Result<Self, String> {
        if let Some(weight) = coefficients.iter().chain([&intercept]).find(|weight| !weight.is_finite()) {
            return Err(format!("it has the weight {weight}; expected finite numbers"));
        }
        // The library has no constructor from weights; its own serialised form is the way in.
        let regression = serde_json::from_value(json!({
            "intercept": intercept,
            "params": { "v": 1, "dim": [coefficients.len()], "data": coefficients },
        }));
        Ok(Self { scaling, regression: regression.map_err(|why| why.to_string())? })
    }

    /// What is done to the features first, if anything.
    #[must_use]
    pub fn scaling(&self) -> Option<&Scaling> {
        self.scaling.as_ref()
    }

    /// One weight a feature.
    #[must_use]
    pub fn coefficients(&self) -> Vec<f64> {
        self.regression.params().to_vec()
    }

    /// The prediction where every scaled feature is zero.
    #[must_use]
    pub fn intercept(&self) -> f64 {
        self.regression.intercept()
    }

    /// Predicts rows as long as there are weights: one prediction each, in their order, in the label's unit. A row's
    /// prediction does not depend on the rows beside it.
    #[must_use]
    pub fn predict(&self, rows: &[&[f64]]) -> Vec<f64> {
        self.regression.predict(&self.table(rows)).to_vec()
    }

    /// The sum of the sizes of what a prediction is summed up from: what rounding is measured against.
    #[must_use]
    pub fn magnitude(&self, row: &[f64]) -> f64 {
        let terms = self.table(&[row]);
        let sizes = terms.iter().zip(self.regression.params()).map(|(x, weight)| (x * weight).abs());
        self.intercept().abs() + sizes.sum::<f64>()
    }

    fn table(&self, rows: &[&[f64]]) -> Array2<f64> {
        let shape = (rows.len(), self.regression.params().len());
        match &self.scaling {
            None => Array2::from_shape_fn(shape, |(row, column)| rows[row][column]),
            Some(scaling) => {
                Array2::from_shape_fn(shape, |(row, column)| scaling.apply(column, rows[row][column]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let scaling = Scaling { mean: vec![1.0, 2.0], scale: vec![2.0, 4.0] };
        for (scaling, predicted, magnitude) in [(None, -42.0, 72.0), (Some(scaling), -11.0, 23.0)] {
            let linear = Linear::new(scaling.clone(), &[3.0, -5.0], -7.0).unwrap();
            assert_eq!((linear.coefficients(), linear.intercept()), (vec![3.0, -5.0], -7.0));
            assert_eq!(linear.scaling(), scaling.as_ref());
            assert_eq!(linear.predict(&[&[5.0, 10.0]]), [predicted]);
            assert_eq!(linear.magnitude(&[5.0, 10.0]), magnitude);
            assert_eq!(linear.predict(&[&[5.0, 10.0], &[1.0, 2.0]])[0], predicted);
        }
    }

    #[test]
    fn weights_are_finite_numbers() {
        for (weight, intercept) in [(f64::NAN, 0.0), (f64::INFINITY, 0.0), (1.0, f64::NAN)] {
            let why = Linear::new(None, &[1.0, weight], intercept).unwrap_err();
            assert!(why.ends_with("expected finite numbers"), "{why}");
        }
    }
}
