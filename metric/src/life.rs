//! What a pipeline lives through, made by a formula and a seed, for the tests of what is shown of it.

use evaluation::basis::{Basis, FeatureBasis, Residuals};
use evaluation::fold::{Evaluation, Prediction, Row, Settings};
use evaluation::histogram::Histogram;
use evaluation::identity::Identity;
use evaluation::report::Report;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// 2026-11-27, 08:00 UTC.
const START: i64 = 1_795_766_400_000;
/// Between two rows.
const STEP: i64 = 1000;

fn uniform(from: f64, to: f64) -> Histogram {
    let edge = |tenth: i32| from + (to - from) * f64::from(tenth) / 10.0;
    Histogram { edges: (0..=10).map(edge).collect(), counts: vec![40; 10] }
}

/// A pipeline whose labels come so many rows later.
pub(crate) struct Life {
    evaluation: Evaluation,
    random: StdRng,
    rows: i64,
    version: usize,
    features: usize,
    waiting: Vec<(i64, Row)>,
}

impl Life {
    pub(crate) fn new(features: usize) -> Self {
        let settings = Settings { window: 500, period: 86_400_000, horizon: 86_400_000, versions: 20 };
        let rules = vec!["mae{window=500} > 0.8 for 3".parse().unwrap()];
        let evaluation = Evaluation::new(settings, rules);
        Self {
            evaluation,
            random: StdRng::seed_from_u64(16),
            rows: 0,
            version: 0,
            features,
            waiting: Vec::new(),
        }
    }

    pub(crate) fn serve(&mut self, model: &str, version: &str, with_card: bool) {
        self.version += 1;
        let feature = |number: usize| FeatureBasis {
            name: format!("f{number}"),
            histogram: Some(uniform(0.0, 1.0)),
            commonest: None,
        };
        let basis = Basis {
            features: (0..self.features).map(feature).collect(),
            prediction: Some(uniform(0.0, 1.0)),
            label_median: Some(0.5),
            residuals: Some(Residuals { error: uniform(-1.0, 1.0), absolute_error: uniform(0.0, 1.0) }),
            holdout_mae: Some(0.5),
        };
        let basis = if with_card { basis } else { Basis::default() };
        self.evaluation.know(
            self.version,
            Identity::serving(Some(model.to_owned()), Some(version.to_owned())),
            basis,
        );
    }

    /// Rows whose first feature is `shift` higher, whose errors are `larger`, and whose labels come `late` rows later.
    pub(crate) fn live(&mut self, rows: i64, (shift, larger): (f64, f64), late: Option<i64>) {
        for _ in 0..rows {
            self.rows += 1;
            let at = START + self.rows * STEP;
            let mut vector: Vec<f64> = (0..self.features).map(|_| self.random.random()).collect();
            if let Some(first) = vector.first_mut() {
                *first += shift;
            }
            let y_pred: f64 = self.random.random();
            self.evaluation.predicted(
                self.version,
                &Prediction {
                    number: self.rows,
                    anonymous: false,
                    value: y_pred,
                    at,
                    row_at: None,
                    received: at,
                    vector: (!vector.is_empty()).then_some(&vector[..]),
                },
            );
            let y_true = y_pred + larger * self.random.random_range(-1.0..1.0);
            if let Some(late) = late {
                let then = at + late * STEP;
                let row = Row {
                    prediction: Some(self.rows),
                    y_true,
                    y_pred,
                    predicted_at: at,
                    labelled_at: then,
                    received: then,
                };
                self.waiting.push((then, row));
            }
            let (due, waiting) =
                std::mem::take(&mut self.waiting).into_iter().partition(|(then, _)| *then <= at);
            self.waiting = waiting;
            let due: Vec<(i64, Row)> = due;
            for (then, row) in due {
                self.evaluation.labelled(row.y_true, then);
                self.evaluation.scored(self.version, &row);
            }
            self.evaluation.committed(self.rows, at);
        }
    }

    pub(crate) fn report(&self) -> Report {
        self.evaluation.report(START + self.rows * STEP, |_, _| true)
    }
}
