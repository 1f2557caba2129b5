//! Fits a model to a table and says how good it is on rows that it has not seen.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use linfa::Dataset as Samples;
use linfa::traits::Fit as _;
use linfa_linear::LinearRegression;
use ndarray::{Array1, Array2};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use shared::clock::Timestamp;
use shared::dataset::Dataset;
use shared::message::Name;
use shared::scores::Scores;

use crate::file::{Holdout, ModelFile, Training, sha256};
use crate::predictor::Predictor;

/// The library that fits, as the model file names it.
const LIBRARY: &str = "linfa-linear 0.8";

/// What to train from and where to.
#[derive(Args, Debug, Clone)]
pub struct TrainOptions {
    /// CSV file with a header; every cell a number.
    #[arg(long, env = "DATA", value_name = "FILE", default_value = "data/diabetes.csv")]
    pub data: PathBuf,

    /// The column that holds the label.
    #[arg(long, env = "TARGET", value_name = "COLUMN", default_value = "target")]
    pub target: String,

    /// The model file to write.
    #[arg(long, env = "MODEL", value_name = "FILE", default_value = "data/model.json")]
    pub model: PathBuf,

    /// Share of the rows to hold out from training, to say how good the model is on rows it has not seen.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = parse_share)]
    pub holdout: f64,

    /// Seed of the split into training and hold-out rows.
    #[arg(long, value_name = "NUMBER", default_value_t = 42)]
    pub seed: u64,
}

/// What `model train` takes without flags.
impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            data: "data/diabetes.csv".into(),
            target: "target".to_owned(),
            model: "data/model.json".into(),
            holdout: 0.2,
            seed: 42,
        }
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "wanted is a number from 0 to 0.9".to_owned())?;
    if (0.0..=0.9).contains(&share) { Ok(share) } else { Err("wanted is a number from 0 to 0.9".to_owned()) }
}

/// Trains and writes the model file.
///
/// # Errors
/// A table that cannot be used or fitted, or a file that cannot be written.
pub fn train(options: &TrainOptions) -> anyhow::Result<ModelFile> {
    let TrainOptions { data, target, model: path, holdout, seed } = options;
    let table = Dataset::read(data, target)?;
    let bytes = std::fs::read(data).with_context(|| format!("cannot read {}", data.display()))?;
    let (seen, unseen) = split(table.rows.len(), *holdout, *seed);
    let fit = fit(&table, &seen).with_context(|| format!("cannot fit {}", data.display()))?;
    let training = Training {
        algorithm: "ols".to_owned(),
        library: LIBRARY.to_owned(),
        data: file_name(data),
        data_sha256: sha256(&bytes),
        rows: seen.len(),
        seed: *seed,
        trained_at: Timestamp::now().to_string(),
    };
    let Fit { coefficients, intercept } = fit;
    let mut model = ModelFile::linear(
        table.features.clone(),
        table.target.clone(),
        coefficients,
        intercept,
        training,
        None,
    );
    model.holdout = evaluate(&model, &table, &unseen)?;
    model.write(path).with_context(|| format!("cannot write the model file {}", path.display()))?;
    Ok(model)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Splits row indices at random into those to train on and those to hold out. Both keep the table's order.
#[must_use]
pub fn split(rows: usize, holdout: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut shuffled: Vec<usize> = (0..rows).collect();
    shuffled.shuffle(&mut StdRng::seed_from_u64(seed));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count fits")]
    let held = (rows as f64 * holdout).round() as usize;
    let (unseen, seen) = shuffled.split_at(held);
    let sorted = |indices: &[usize]| {
        let mut indices = indices.to_vec();
        indices.sort_unstable();
        indices
    };
    (sorted(seen), sorted(unseen))
}

/// What ordinary least squares finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// One weight a feature.
    pub coefficients: Vec<f64>,
    /// The prediction where every feature is zero.
    pub intercept: f64,
}

/// Fits ordinary least squares to the rows with these indices.
///
/// # Errors
/// Too few rows, a feature that never changes, or features that determine each other: then the weights that
/// the solver returns would be arbitrary.
pub fn fit(table: &Dataset, rows: &[usize]) -> anyhow::Result<Fit> {
    let columns = table.features.len();
    ensure!(
        rows.len() > columns + 1,
        "{} rows to train on are too few for {columns} features; more than {} are needed",
        rows.len(),
        columns + 1
    );
    for (column, name) in table.features.iter().enumerate() {
        let first = table.rows[rows[0]][column];
        if rows.iter().all(|&row| table.rows[row][column].to_bits() == first.to_bits()) {
            bail!("the feature {name:?} is {first} in every row; leave the column out");
        }
    }
    let x = Array2::from_shape_fn((rows.len(), columns), |(row, column)| table.rows[rows[row]][column]);
    let y = Array1::from_shape_fn(rows.len(), |row| table.labels[rows[row]]);
    let spread: Vec<f64> = x.columns().into_iter().map(|column| column.std(0.0)).collect();
    let label_spread = y.std(0.0);
    let regression = LinearRegression::default().fit(&Samples::new(x, y))?;
    let coefficients = regression.params().to_vec();
    let intercept = regression.intercept();
    for ((weight, spread), name) in coefficients.iter().zip(spread).zip(&table.features) {
        // A weight that moves the prediction a million times as far as labels ever move is the solver's
        // division by almost zero.
        let arbitrary =
            !weight.is_finite() || (weight * spread).abs() > 1e6 * label_spread.max(f64::MIN_POSITIVE);
        ensure!(!arbitrary, "the feature {name:?} is determined by others; leave one of them out");
    }
    Ok(Fit { coefficients, intercept })
}

fn evaluate(model: &ModelFile, table: &Dataset, unseen: &[usize]) -> anyhow::Result<Option<Holdout>> {
    if unseen.is_empty() {
        return Ok(None);
    }
    let version = Name::parse("unsaved").map_err(anyhow::Error::msg)?;
    let predictor = Predictor::new(model, version)?;
    let rows: Vec<&[f64]> = unseen.iter().map(|&row| &*table.rows[row]).collect();
    let labels = unseen.iter().map(|&row| table.labels[row]);
    let scores = Scores::of(labels.zip(predictor.predict(&rows)));
    Ok(Some(Holdout { rows: scores.count(), mae: scores.mae(), rmse: scores.rmse(), r2: scores.r2() }))
}

/// What a person wants to know after training.
#[must_use]
pub fn report(model: &ModelFile, path: &Path) -> String {
    let Training { rows, data, .. } = &model.training;
    let mut text = format!(
        "trained on {rows} rows of {data}: {} features, label {}\n",
        model.features.len(),
        model.target
    );
    text += &match &model.holdout {
        None => "no rows held out, so nothing is known about unseen rows\n".to_owned(),
        Some(Holdout { rows, mae, rmse, r2 }) => {
            let r2 = r2.map_or("not defined".to_owned(), |r2| format!("{r2:.4}"));
            format!("on {rows} rows held out: MAE {mae:.4}, RMSE {rmse:.4}, R2 {r2}\n")
        }
    };
    text + &format!("wrote {}\n", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Dataset {
        Dataset::parse(text.as_bytes(), Path::new("t.csv"), "y").unwrap()
    }

    fn fit_all(text: &str) -> Result<Fit, String> {
        let table = table(text);
        let rows: Vec<usize> = (0..table.rows.len()).collect();
        fit(&table, &rows).map_err(|why| why.to_string())
    }

    #[test]
    fn finds_the_plane_that_made_the_labels() {
        // y = 1 + 2a - 3b
        let fit = fit_all("a,b,y\n0,0,1\n1,0,3\n0,1,-2\n1,1,0\n2,1,2\n").unwrap();
        let close = |got: f64, want: f64| (got - want).abs() < 1e-12;
        assert!(close(fit.intercept, 1.0) && close(fit.coefficients[0], 2.0), "{fit:?}");
        assert!(close(fit.coefficients[1], -3.0), "{fit:?}");
    }

    #[test]
    fn what_cannot_be_fitted_is_named() {
        for (text, want) in [
            ("a,b,y\n0,0,1\n1,0,3\n0,1,2\n", "3 rows to train on are too few for 2 features"),
            ("a,b,y\n0,7,1\n1,7,3\n2,7,2\n3,7,1\n", "the feature \"b\" is 7 in every row"),
            ("a,b,y\n0,0,1\n1,2,3\n2,4,2\n3,6,1\n4,8,2\n", "is determined by others"),
        ] {
            let error = fit_all(text).unwrap_err();
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn a_split_is_by_seed_and_leaves_no_row_out() {
        let (seen, unseen) = split(100, 0.2, 1);
        assert_eq!((seen.len(), unseen.len()), (80, 20));
        let mut all = [&seen[..], &unseen[..]].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert_eq!(split(100, 0.2, 1), (seen, unseen.clone()));
        assert_ne!(split(100, 0.2, 2).1, unseen);
        assert_eq!(split(10, 0.0, 1).1, [0; 0]);
    }
}
