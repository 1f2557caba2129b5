//! Holds scores and intervals against those of scikit-learn, scipy and numpy, from `scripts/evaluation-reference.py`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use evaluation::confidence::Interval;
use evaluation::distribution::student;
use evaluation::lifetime::Lifetime;
use evaluation::table::{Estimate, ScoreTable};
use evaluation::window::{LastRows, Row};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
    student: Vec<(u64, f64)>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    y_true: Vec<f64>,
    y_pred: Vec<f64>,
    constant: f64,
    mae: f64,
    rmse: f64,
    bias: f64,
    r2: f64,
    quantiles: [f64; 3],
    max: f64,
    wape: f64,
    mape: f64,
    smape: f64,
    skill_to_constant: f64,
    skill_to_persistence: f64,
    label_sd: f64,
    deviations: [f64; 3],
    mae_interval: [f64; 2],
    rmse_interval: [f64; 2],
    bias_interval: [f64; 2],
    r2_interval: [f64; 2],
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("reference.json")).unwrap()
}

fn close(what: &str, found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within * expected.abs().max(1.0), "{what}: {found} for {expected}");
}

/// The window and the lifetime of the rows of a case. The skill to persistence is that to the label three rows before, on rows that
/// have one; its own errors are therefore of those rows.
fn scores(case: &Case) -> (ScoreTable, Lifetime) {
    let mut last = LastRows::new(1000);
    let mut lifetime = Lifetime::default();
    for (row, (y_true, y_pred)) in case.y_true.iter().zip(&case.y_pred).enumerate() {
        let before = row.checked_sub(3).map(|before| case.y_true[before]);
        last.add(Row::new(*y_true, *y_pred, row as i64, 0, before));
        lifetime.add(*y_true, *y_pred, Some(case.constant), before);
    }
    (last.scores(Some(case.constant)), lifetime)
}

#[test]
fn every_score_is_that_of_scikit_learn() {
    let value = |estimate: Option<Estimate>| estimate.unwrap().value;
    let cases = reference().cases;
    assert_eq!(cases.len(), 4);
    for case in cases {
        let (window, lifetime) = scores(&case);
        for (table, of) in [(window, "window"), (lifetime.scores(), "lifetime")] {
            for (what, found, expected) in [
                ("MAE", value(table.mae), case.mae),
                ("RMSE", value(table.rmse), case.rmse),
                ("bias", value(table.bias), case.bias),
                ("R2", value(table.r2), case.r2),
                ("max", table.max.unwrap(), case.max),
                ("WAPE", table.wape.unwrap(), case.wape),
                ("MAPE", table.mape.unwrap().value, case.mape),
                ("sMAPE", table.smape.unwrap(), case.smape),
                ("skill to constant", table.skill_to_constant.unwrap().value, case.skill_to_constant),
                (
                    "skill to persistence",
                    table.skill_to_persistence.unwrap().value,
                    case.skill_to_persistence,
                ),
                ("label sd", table.label_sd.unwrap(), case.label_sd),
            ] {
                close(&format!("{}, {of}, {what}", case.name), found, expected, 1e-9);
            }
            // A sketch is within 1 % of the value at a rank, and is not linear between two.
            let within = if table.sketched { 0.03 } else { 1e-9 };
            let quantiles = [table.median, table.p90].into_iter().chain(table.p99.map(Some));
            for (found, expected) in quantiles.zip(case.quantiles) {
                close(&format!("{}, {of}, quantile", case.name), value(found), expected, within);
            }
        }
    }
}

#[test]
fn every_deviation_is_that_of_numpy() {
    for case in reference().cases {
        let (_, lifetime) = scores(&case);
        let moments = lifetime.moments();
        let found = [moments.absolute_sd(), moments.signed_sd(), moments.squared_sd()];
        for (found, expected) in found.into_iter().zip(case.deviations) {
            close(&case.name, found.unwrap(), expected, 1e-9);
        }
    }
}

#[test]
fn every_interval_is_that_of_scipy() {
    for case in reference().cases {
        let (table, _) = scores(&case);
        for (what, estimate, expected) in [
            ("MAE", table.mae, case.mae_interval),
            ("RMSE", table.rmse, case.rmse_interval),
            ("bias", table.bias, case.bias_interval),
            ("R2", table.r2, case.r2_interval),
        ] {
            let Interval { low, high } = estimate.unwrap().interval.unwrap();
            for (found, expected) in [low, high].into_iter().zip(expected) {
                close(&format!("{}, {what}", case.name), found.unwrap(), expected, 1e-9);
            }
        }
    }
}

#[test]
fn student_s_t_is_that_of_scipy() {
    for (degrees, expected) in reference().student {
        close(&degrees.to_string(), student(degrees).unwrap(), expected, 1e-10);
    }
}
