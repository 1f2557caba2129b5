//! The scores of every model and version, and when a person is told of them.

use std::collections::BTreeMap;

use shared::clock::Timestamp;
use shared::scores::Scores;
use tracing::info;

use crate::join::Scored;
use crate::lines::model_at_version;

/// How many rows are shown in a second. Beyond that a log is no longer read; the files have every row.
const ROWS_A_SECOND: u64 = 20;

/// How many models and versions have scores of their own. Later ones share those of `others`.
const MODELS: usize = 100;

/// Scores by `model@version`.
#[derive(Debug, Default)]
pub(crate) struct Board {
    models: BTreeMap<String, Scores>,
    /// The second that rows are shown in now, and how many of it were shown and not shown.
    second: i64,
    shown: u64,
    hidden: u64,
}

impl Board {
    /// Takes in scored rows and tells of them: each row as long as they come slowly, the scores once a second.
    pub(crate) fn report(&mut self, scored: &[Scored], now: Timestamp) {
        if now.seconds() != self.second {
            self.tell_hidden();
            *self =
                Self { models: std::mem::take(&mut self.models), second: now.seconds(), shown: 0, hidden: 0 };
        }
        for row in scored {
            let prediction = &row.prediction;
            let mut model = model_at_version(prediction.model.as_ref(), prediction.version.as_ref());
            if self.models.len() >= MODELS && !self.models.contains_key(&model) {
                "others".clone_into(&mut model);
            }
            let scores = self.models.entry(model.clone()).or_default();
            scores.add(row.label.value, row.prediction.value);
            if self.shown < ROWS_A_SECOND {
                self.shown += 1;
                info!(
                    row.id = %row.id,
                    "y_true {} y_pred {:.4} error {:.4} | {model}: {scores}",
                    row.label.value,
                    row.prediction.value,
                    row.absolute_error(),
                );
            } else {
                self.hidden += 1;
            }
        }
        for (model, scores) in &self.models {
            metrics::gauge!("pipeline_mae", "model" => model.clone()).set(scores.mae());
            metrics::gauge!("pipeline_rmse", "model" => model.clone()).set(scores.rmse());
            metrics::gauge!("pipeline_r2", "model" => model.clone()).set(scores.r2().unwrap_or(f64::NAN));
        }
    }

    fn tell_hidden(&self) {
        if self.hidden > 0 {
            info!("and {} more rows in that second | {}", self.hidden, self.summary());
        }
    }

    /// All scores in a line.
    pub(crate) fn summary(&self) -> String {
        if self.models.is_empty() {
            return "no rows yet".to_owned();
        }
        let show = |(model, scores): (&String, &Scores)| format!("{model}: {scores}");
        self.models.iter().map(show).collect::<Vec<_>>().join("; ")
    }
}
