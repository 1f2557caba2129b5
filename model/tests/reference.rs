//! Holds the fit, the predictions and the scores against scikit-learn's, from `scripts/reference.py`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use model::file::{ModelFile, Training};
use model::predictor::Predictor;
use model::train::fit;
use serde::Deserialize;
use shared::dataset::Dataset;
use shared::message::Name;
use shared::scores::Scores;

#[derive(Deserialize)]
struct Reference {
    ols: Ols,
    scores: Vec<Case>,
}

#[derive(Deserialize)]
struct Ols {
    coefficients: Vec<f64>,
    intercept: f64,
    predictions: Vec<f64>,
    mae: f64,
    rmse: f64,
    r2: f64,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    y_true: Vec<f64>,
    y_pred: Vec<f64>,
    mae: f64,
    rmse: f64,
    r2: f64,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("fixtures/reference.json")).unwrap()
}

fn diabetes() -> Dataset {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/diabetes.csv");
    Dataset::read(&root, "target").unwrap()
}

fn assert_close(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "{what}: got {got:?}, scikit-learn has {want:?}");
}

fn assert_scores(what: &str, scores: &Scores, (mae, rmse, r2): (f64, f64, f64)) {
    assert_close(&format!("{what}, MAE"), scores.mae(), mae, 1e-12 * mae.abs());
    assert_close(&format!("{what}, RMSE"), scores.rmse(), rmse, 1e-12 * rmse.abs());
    assert_close(&format!("{what}, R2"), scores.r2().unwrap(), r2, 1e-12 * r2.abs());
}

#[test]
fn ols_equals_scikit_learn() {
    let (table, ols) = (diabetes(), reference().ols);
    assert_eq!(table.rows.len(), 442);
    let all: Vec<usize> = (0..table.rows.len()).collect();
    let fit = fit(&table, &all).unwrap();
    for ((got, want), name) in fit.coefficients.iter().zip(&ols.coefficients).zip(&table.features) {
        assert_close(name, *got, *want, 1e-9);
    }
    assert_close("intercept", fit.intercept, ols.intercept, 1e-9);

    let training = Training {
        algorithm: "ols".into(),
        library: String::new(),
        data: String::new(),
        data_sha256: String::new(),
        rows: 442,
        seed: 0,
        trained_at: String::new(),
    };
    let (features, target) = (table.features.clone(), table.target.clone());
    let file = ModelFile::linear(features, target, fit.coefficients, fit.intercept, training, None);
    // Through the file's text, as a served model comes.
    let file = ModelFile::parse(&serde_json::to_vec(&file).unwrap()).unwrap();
    let predictor = Predictor::new(&file, Name::parse("v").unwrap()).unwrap();
    let rows: Vec<&[f64]> = table.rows.iter().map(Vec::as_slice).collect();
    let predictions = predictor.predict(&rows);
    assert_eq!(predictions.len(), ols.predictions.len());
    for (row, (got, want)) in predictions.iter().zip(&ols.predictions).enumerate() {
        assert_close(&format!("prediction {row}"), *got, *want, 1e-9);
    }
    let scores = Scores::of(table.labels.iter().copied().zip(ols.predictions));
    assert_scores("the 442 predictions", &scores, (ols.mae, ols.rmse, ols.r2));

    for (row, together) in rows.iter().zip(predictions) {
        assert_eq!(predictor.predict(&[row])[0].to_bits(), together.to_bits(), "alone or in a batch");
    }
}

#[test]
fn scores_equal_scikit_learn() {
    for Case { name, y_true, y_pred, mae, rmse, r2 } in reference().scores {
        let scores = Scores::of(y_true.into_iter().zip(y_pred));
        assert_scores(&name, &scores, (mae, rmse, r2));
    }
}
