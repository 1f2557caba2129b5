//! The four fits: which weights make the squared residuals, and what the weights cost, smallest.
//!
//! With n rows, weights w and residuals r = y - Xw - b, scikit-learn's documentation gives what each one minimises, and
//! the penalty a here is its `alpha`:
//!
//! - ordinary least squares: |r|^2
//! - ridge: |r|^2 + a |w|^2
//! - lasso: |r|^2 / 2n + a |w|_1
//! - elastic net: |r|^2 / 2n + a s |w|_1 + a (1 - s) |w|^2 / 2, with the share s

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{anyhow, bail, ensure};
use clap::ValueEnum;
use linfa::Dataset as Samples;
use linfa::traits::Fit as _;
use linfa_elasticnet::ElasticNet;
use linfa_linear::LinearRegression;
use ndarray::{Array1, Array2, Axis, concatenate};

use super::{Design, columns};
use crate::linear::{Linear, Scaling};

/// When coordinate descent has settled: no weight moves by more than this share of the largest, and what it minimises is
/// within this share of |y|^2 of the smallest value there is.
const SETTLED: f64 = 1e-12;
/// After how many rounds over all weights it is given up.
const ROUNDS: u32 = 100_000;

/// Algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Algorithm {
    /// Ordinary least squares: no penalty.
    Ols,
    /// A penalty on the weights' squares: stable when features are correlated.
    Ridge,
    /// A penalty on the weights' absolute values: many weights become zero.
    Lasso,
    /// Both penalties.
    ElasticNet,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Unwrap safety: no algorithm is skipped on the command line.
        #[expect(clippy::unwrap_used, reason = "see above")]
        f.write_str(self.to_possible_value().unwrap().get_name())
    }
}

/// An algorithm with its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// Algorithm.
    pub algorithm: Algorithm,
    /// What large weights cost; of no meaning to ordinary least squares.
    pub penalty: f64,
    /// The share of the penalty that is on the weights' sizes; only elastic net has one.
    pub l1_ratio: f64,
    /// Whether the features are standardised first.
    pub scale: bool,
}

impl Recipe {
    /// The parameters that this algorithm has, as the model file names them.
    #[must_use]
    pub fn parameters(&self) -> BTreeMap<String, f64> {
        let mut parameters = BTreeMap::new();
        if self.algorithm != Algorithm::Ols {
            parameters.insert("penalty".to_owned(), self.penalty);
        }
        if self.algorithm == Algorithm::ElasticNet {
            parameters.insert("l1_ratio".to_owned(), self.l1_ratio);
        }
        parameters
    }

    /// The share of the penalty that is on the weights' sizes.
    #[must_use]
    pub fn effective_l1_ratio(&self) -> f64 {
        match self.algorithm {
            Algorithm::Ols | Algorithm::Ridge => 0.0,
            Algorithm::Lasso => 1.0,
            Algorithm::ElasticNet => self.l1_ratio,
        }
    }
}

/// Rows and labels with their means taken off, so that no weight has to pay for the intercept; and where rows weigh differently,
/// longer by what theirs is.
#[derive(Debug)]
pub(super) struct Centred {
    pub(super) x: Array2<f64>,
    pub(super) y: Array1<f64>,
    x_mean: Array1<f64>,
    y_mean: f64,
    scaling: Option<Scaling>,
}

impl Centred {
    /// Of these rows, standardised first where that is wanted.
    pub(super) fn of(design: &Design, scale: bool) -> anyhow::Result<Self> {
        let Design { columns, rows, labels, weights } = design;
        ensure!(rows.len() >= 2, "{} training rows are too few; at least 2 are needed", rows.len());
        let mut x = Array2::from_shape_fn((rows.len(), columns.len()), |(row, column)| rows[row][column]);
        let mut y = Array1::from(labels.clone());
        columns::refuse_constant(&x, columns)?;
        let scaling = scale.then(|| Scaling {
            mean: x.mean_axis(Axis(0)).unwrap_or_default().to_vec(),
            scale: x.std_axis(Axis(0), 0.0).to_vec(),
        });
        if let Some(scaling) = &scaling {
            for ((_, column), x) in x.indexed_iter_mut() {
                *x = scaling.apply(column, *x);
            }
        }
        let (x_mean, y_mean) = match weights {
            None => (x.mean_axis(Axis(0)).unwrap_or_default(), y.mean().unwrap_or_default()),
            Some(weights) => {
                let shares = Array1::from(weights.clone()) / weights.iter().sum::<f64>();
                (shares.dot(&x), shares.dot(&y))
            }
        };
        x -= &x_mean;
        y -= y_mean;
        if let Some(weights) = weights {
            // A squared residual counts as often as its row weighs where the row is longer by the root of that. In the mean a row
            // weighs 1, so that a penalty means the same.
            let mean = weights.iter().sum::<f64>() / weights.len() as f64;
            let roots: Array1<f64> = weights.iter().map(|weight| (weight / mean).sqrt()).collect();
            x *= &roots.view().insert_axis(Axis(1));
            y *= &roots;
        }
        let finite = x.iter().chain(&y).all(|value| value.is_finite());
        ensure!(finite, "the numbers are too large to add up");
        Ok(Self { x, y, x_mean, y_mean, scaling })
    }

    fn linear(self, weights: &Array1<f64>) -> anyhow::Result<Linear> {
        let intercept = self.y_mean - weights.dot(&self.x_mean);
        Linear::new(self.scaling, &weights.to_vec(), intercept).map_err(|why| anyhow!(why))
    }
}

/// Fits encoded rows.
///
/// # Errors
/// Too few rows; a feature that never changes; for ordinary least squares also features that determine each other, whose
/// weights would be arbitrary; for the others a penalty so small that the fit does not settle.
pub fn fit(design: &Design, recipe: &Recipe) -> anyhow::Result<Linear> {
    let (columns, count) = (design.columns.len(), design.rows.len());
    if recipe.algorithm == Algorithm::Ols {
        ensure!(
            count > columns + 1,
            "{count} training rows are too few for {columns} features; use more than {}, or --algorithm ridge",
            columns + 1
        );
    }
    let data = Centred::of(design, recipe.scale)?;
    if data.y.iter().all(|label| *label == 0.0) {
        // Labels that do not differ: nothing explains them, and coordinate descent would not see that it has settled.
        return data.linear(&Array1::zeros(columns));
    }
    let weights = match recipe.algorithm {
        Algorithm::Ols => {
            columns::refuse_collinear(&data.x, &design.columns)?;
            least_squares(data.x.clone(), data.y.clone())?
        }
        // The library's coordinate descent cannot tell when it has settled where nothing is on the weights' sizes. But
        // ridge is least squares with one more row for each weight, which says that the weight should be zero.
        Algorithm::Ridge => {
            let rows = Array2::from_diag_elem(columns, recipe.penalty.sqrt());
            let x = concatenate(Axis(0), &[data.x.view(), rows.view()])?;
            let y = concatenate(Axis(0), &[data.y.view(), Array1::zeros(columns).view()])?;
            least_squares(x, y)?
        }
        Algorithm::Lasso | Algorithm::ElasticNet => coordinate_descent(&data, &design.columns, recipe)?,
    };
    data.linear(&weights)
}

/// The weights with the least squared residuals, by a QR decomposition.
fn least_squares(x: Array2<f64>, y: Array1<f64>) -> anyhow::Result<Array1<f64>> {
    let fit = LinearRegression::default().with_intercept(false).fit(&Samples::new(x, y))?;
    Ok(fit.params().clone())
}

fn coordinate_descent(data: &Centred, names: &[String], recipe: &Recipe) -> anyhow::Result<Array1<f64>> {
    // The library takes a column for empty whose squares sum up to less than its rounding.
    for (column, name) in data.x.columns().into_iter().zip(names) {
        if column.dot(&column) < 1e-12 {
            bail!(
                "the feature {name:?} varies too little to be fitted as it is; use --scale, or another unit"
            );
        }
    }
    let fit = ElasticNet::params()
        .penalty(recipe.penalty)
        .l1_ratio(recipe.effective_l1_ratio())
        .with_intercept(false)
        .tolerance(SETTLED)
        .max_iterations(ROUNDS)
        .fit(&Samples::new(data.x.clone(), data.y.clone()))?;
    ensure!(
        fit.n_steps() < ROUNDS,
        "the weights have not settled after {ROUNDS} rounds with the penalty {}; try a larger one, or --scale",
        recipe.penalty
    );
    Ok(fit.hyperplane().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLS: Recipe = Recipe { algorithm: Algorithm::Ols, penalty: 1.0, l1_ratio: 0.5, scale: false };

    fn fit_all(text: &str, recipe: &Recipe) -> Result<Linear, String> {
        fit(&Design::parse(text, "y"), recipe).map_err(|why| why.to_string())
    }

    fn assert_near(got: &[f64], want: &[f64]) {
        assert!(
            got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-12),
            "{got:?}, wanted {want:?}"
        );
    }

    #[test]
    fn finds_the_plane_that_made_the_labels() {
        // y = 1 + 2a - 3b
        let text = "a,b,y\n0,0,1\n1,0,3\n0,1,-2\n1,1,0\n2,1,2\n";
        for scale in [false, true] {
            let fit = fit_all(text, &Recipe { scale, ..OLS }).unwrap();
            let rows: [&[f64]; 2] = [&[0.0, 0.0], &[10.0, -7.0]];
            assert_near(&fit.predict(&rows), &[1.0, 42.0]);
            assert_eq!(fit.scaling().is_some(), scale);
        }
        let fit = fit_all(text, &OLS).unwrap();
        assert_near(&fit.coefficients(), &[2.0, -3.0]);
    }

    /// One centred feature x and label y: ridge is x.y / (x.x + a), lasso is (x.y - n a) / x.x, elastic net both.
    #[test]
    fn penalties_shrink_as_the_formulas_say() {
        let text = "x,y\n-1,-2\n0,1\n1,4\n"; // x.y = 6, x.x = 2, mean of y = 1
        for (algorithm, want) in [
            (Algorithm::Ridge, 6.0 / (2.0 + 0.5)),
            (Algorithm::Lasso, (6.0 - 3.0 * 0.5) / 2.0),
            (Algorithm::ElasticNet, (6.0 - 3.0 * 0.5 * 0.2) / (2.0 + 3.0 * 0.5 * 0.8)),
        ] {
            let fit =
                fit_all(text, &Recipe { algorithm, penalty: 0.5, l1_ratio: 0.2, scale: false }).unwrap();
            assert_near(&[fit.coefficients()[0], fit.intercept()], &[want, 1.0]);
        }
        let none = fit_all(text, &Recipe { algorithm: Algorithm::Lasso, penalty: 2.0, ..OLS }).unwrap();
        assert_near(&none.coefficients(), &[0.0]);
    }

    #[test]
    fn a_row_of_double_weight_counts_as_two_rows() {
        let text = "x,z,y\n-1,3,-2\n0,1,1\n1,2,4\n5,-2,3\n2,2,7\n";
        let twice = "x,z,y\n-1,3,-2\n0,1,1\n0,1,1\n1,2,4\n5,-2,3\n5,-2,3\n2,2,7\n";
        for algorithm in [Algorithm::Ols, Algorithm::Ridge, Algorithm::Lasso, Algorithm::ElasticNet] {
            let recipe = Recipe { algorithm, penalty: 0.5, l1_ratio: 0.4, scale: false };
            let weighed = Design { weights: Some(vec![3.0, 6.0, 3.0, 6.0, 3.0]), ..Design::parse(text, "y") };
            let weighed = fit(&weighed, &recipe).unwrap();
            // Ridge's sum of squares grows with the rows, the others' mean does not.
            let penalty = if algorithm == Algorithm::Ridge { 0.5 * 7.0 / 5.0 } else { 0.5 };
            let twice = fit_all(twice, &Recipe { penalty, ..recipe }).unwrap();
            assert_near(&weighed.coefficients(), &twice.coefficients());
            assert_near(&[weighed.intercept()], &[twice.intercept()]);
            assert_ne!(weighed.coefficients(), fit_all(text, &recipe).unwrap().coefficients());
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_named() {
        let ridge = Recipe { algorithm: Algorithm::Ridge, ..OLS };
        let lasso = Recipe { algorithm: Algorithm::Lasso, ..OLS };
        let tiny = "a,y\n1e-9,1\n2e-9,2\n4e-9,3\n";
        for (text, recipe, want) in [
            ("a,b,y\n0,0,1\n1,0,3\n0,1,2\n", &OLS, "3 training rows are too few for 2 features"),
            ("a,b,y\n0,7,1\n1,7,3\n2,7,2\n3,7,1\n", &OLS, "the feature \"b\" is 7 in every training row"),
            ("a,b,y\n0,7,1\n1,7,3\n2,7,2\n3,7,1\n", &ridge, "the feature \"b\" is 7 in every training row"),
            ("a,b,y\n0,0,1\n1,2,3\n2,4,2\n3,6,1\n4,8,2\n", &OLS, "\"b\" is determined by \"a\""),
            ("a,y\n1,1\n", &ridge, "1 training rows are too few"),
            ("a,y\n1e308,1\n-1e308,2\n1e308,3\n1e308,4\n", &OLS, "too large to add up"),
            (tiny, &lasso, "use --scale"),
        ] {
            let error = fit_all(text, recipe).unwrap_err();
            assert!(error.contains(want), "{error}");
        }
        assert!(
            fit_all("a,b,y\n0,0,1\n1,2,3\n2,4,2\n", &ridge).is_ok(),
            "ridge takes what least squares cannot"
        );
        for recipe in [&OLS, &ridge, &lasso] {
            let flat = fit_all("a,y\n1,5\n2,5\n4,5\n7,5\n", recipe).unwrap();
            assert_eq!(
                (flat.coefficients(), flat.intercept()),
                (vec![0.0], 5.0),
                "labels that do not differ"
            );
        }
        assert!(fit_all(tiny, &Recipe { scale: true, ..lasso }).is_ok());
    }
}
