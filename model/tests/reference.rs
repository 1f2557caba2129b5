//! Holds the fit, the predictions and the scores against scikit-learn's, from `scripts/reference.py`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use clap::ValueEnum as _;
use evaluation::scores::Scores;
use model::encode::Encoding;
use model::file::ModelFile;
use model::train::fit::{Algorithm, Recipe, fit};
use model::train::{Design, learn};
use serde::Deserialize;
use shared::message::Cell;
use shared::table::{Columns, Dialect, Labels, Missing, Table};

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

fn table(name: &str) -> Table {
    let folder = if name == "diabetes" { "../data" } else { "tests/fixtures" };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(format!("{name}.csv"));
    Table::read(&file, &Dialect::default(), &Columns::target("target"), Labels::Required).unwrap()
}

fn design(table: &Table) -> Design {
    let all: Vec<usize> = (0..table.rows.len()).collect();
    Design::of(table, &all, &Encoding::plain(table.features.clone()), None)
}

fn assert_close(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "{what}: got {got:?}, scikit-learn has {want:?}");
}

fn assert_scores(what: &str, scores: &Scores, (mae, rmse, r2): (f64, f64, f64)) {
    assert_close(&format!("{what}, MAE"), scores.mae(), mae, 1e-12 * mae.abs());
    assert_close(&format!("{what}, RMSE"), scores.rmse(), rmse, 1e-12 * rmse.abs());
    assert_close(&format!("{what}, R2"), scores.r2().unwrap(), r2, 1e-12 * r2.abs());
}

fn recipe(algorithm: Algorithm, penalty: f64, l1_ratio: f64, scale: bool) -> Recipe {
    Recipe { algorithm, penalty, l1_ratio, scale }
}

#[test]
fn ols_equals_scikit_learn() {
    let (table, ols) = (table("diabetes"), reference().ols);
    assert_eq!(table.rows.len(), 442);
    let design = design(&table);
    let fit = fit(&design, &recipe(Algorithm::Ols, 0.0, 0.0, false)).unwrap();
    for ((got, want), name) in fit.coefficients().iter().zip(&ols.coefficients).zip(&table.features) {
        assert_close(name, *got, *want, 1e-9);
    }
    assert_close("intercept", fit.intercept(), ols.intercept, 1e-9);

    let training = serde_json::json!({"algorithm": "ols", "parameters": {}, "libraries": {}, "made_at": ""});
    let training = serde_json::from_value(training).unwrap();
    let raw: Vec<&[Cell]> = table.rows.iter().map(Vec::as_slice).collect();
    let encoding = Encoding::plain(table.features.clone());
    let file = ModelFile::linear(&encoding, "target".to_owned(), &fit, training).with_golden(&raw).unwrap();
    // Through the file's text, as a served model comes.
    let (_, _, linear) = ModelFile::parse(&file.servable().unwrap()).unwrap();
    let rows = design.vectors();
    let predictions = linear.predict(&rows);
    assert_eq!(predictions.len(), ols.predictions.len());
    for (row, (got, want)) in predictions.iter().zip(&ols.predictions).enumerate() {
        assert_close(&format!("prediction {row}"), *got, *want, 1e-9);
    }
    let scores = Scores::of(table.labels.iter().copied().zip(ols.predictions));
    assert_scores("the 442 predictions", &scores, (ols.mae, ols.rmse, ols.r2));

    for (row, together) in rows.iter().zip(predictions) {
        assert_eq!(linear.predict(&[row])[0].to_bits(), together.to_bits(), "alone or in a batch");
    }
}

#[derive(Deserialize)]
struct Answer {
    table: String,
    scale: bool,
    algorithm: String,
    penalty: Option<f64>,
    l1_ratio: Option<f64>,
    coefficients: Vec<f64>,
    intercept: f64,
    predictions: Vec<f64>,
}

/// How far a weight may be from scikit-learn's, as a share of the largest weight.
const WEIGHTS: f64 = 1e-7;

#[test]
fn every_algorithm_equals_scikit_learn() {
    let answers: Vec<Answer> = serde_json::from_str(include_str!("fixtures/fits.json")).unwrap();
    let mut tables = BTreeMap::new();
    for answer in &answers {
        let design = tables.entry(&answer.table).or_insert_with(|| design(&table(&answer.table)));
        let algorithm = Algorithm::from_str(&answer.algorithm, false).unwrap();
        let recipe = recipe(
            algorithm,
            answer.penalty.unwrap_or_default(),
            answer.l1_ratio.unwrap_or_default(),
            answer.scale,
        );
        let what = format!("{}, {recipe:?}", answer.table);
        let fit = fit(design, &recipe).unwrap_or_else(|why| panic!("{what}: {why:#}"));
        let largest = answer.coefficients.iter().fold(0.0_f64, |largest, weight| largest.max(weight.abs()));
        for ((got, want), name) in fit.coefficients().iter().zip(&answer.coefficients).zip(&design.columns) {
            assert_close(&format!("{what}, {name}"), *got, *want, WEIGHTS * largest);
        }
        assert_close(
            &format!("{what}, intercept"),
            fit.intercept(),
            answer.intercept,
            1e-6 * answer.intercept.abs().max(1.0),
        );
        let rows = &design.vectors()[..answer.predictions.len()];
        for (got, want) in fit.predict(rows).iter().zip(&answer.predictions) {
            assert_close(&format!("{what}, prediction"), *got, *want, 1e-7 * want.abs());
        }
    }
    assert_eq!((tables.len(), answers.len()), (4, 4 * 2 * 7));
}

#[test]
fn scores_equal_scikit_learn() {
    for Case { name, y_true, y_pred, mae, rmse, r2 } in reference().scores {
        let scores = Scores::of(y_true.into_iter().zip(y_pred));
        assert_scores(&name, &scores, (mae, rmse, r2));
    }
}

#[derive(Deserialize)]
struct Encoded {
    missing: String,
    scale: bool,
    algorithm: String,
    penalty: Option<f64>,
    predictions: Vec<f64>,
}

/// Fills and categories in front of a fit, as SimpleImputer and OneHotEncoder(drop="first").
#[test]
fn what_is_filled_and_encoded_is_predicted_as_scikit_learn_does() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/houses.csv");
    let answers: Vec<Encoded> = serde_json::from_str(include_str!("fixtures/encoded.json")).unwrap();
    for Encoded { missing, scale, algorithm, penalty, predictions } in &answers {
        let what = format!("{algorithm}, {missing}, scaled {scale}");
        let missing = Missing::from_str(missing, false).unwrap();
        let one_hot = ["heating", "floor"].map(str::to_owned).to_vec();
        let columns = Columns { missing, one_hot, ..Columns::target("price") };
        let table = Table::read(&file, &Dialect::default(), &columns, Labels::Required).unwrap();
        assert!(table.rows.iter().flatten().any(|cell| *cell == Cell::Missing));
        let all: Vec<usize> = (0..table.rows.len()).collect();
        let encoding = learn::encoding(&table, &all, missing).unwrap();
        let algorithm = Algorithm::from_str(algorithm, false).unwrap();
        let recipe = recipe(algorithm, penalty.unwrap_or_default(), 0.0, *scale);
        let linear = fit(&Design::of(&table, &all, &encoding, None), &recipe).unwrap();
        assert_eq!(predictions.len(), table.rows.len());
        for (row, want) in table.rows.iter().zip(predictions) {
            let got = linear.predict(&[&encoding.encode(row).unwrap()])[0];
            assert_close(&what, got, *want, 1e-9 * want.abs());
        }
    }
    assert_eq!(answers.len(), 2 * 2 * 2);
}
