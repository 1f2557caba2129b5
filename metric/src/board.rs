//! Tells people and Prometheus of the account and the scores.

use shared::clock::Timestamp;
use shared::message::Role;
use tracing::info;

use crate::account::{Account, Counts, ModelAccount};
use crate::join::Scored;

/// How many rows are shown in a second. Beyond that a log is no longer read; the files have every row.
const ROWS_A_SECOND: u64 = 20;

/// How many models and versions are shown. The latest ones are.
const MODELS: usize = 100;

/// What was shown in the second that is now.
#[derive(Debug, Default)]
pub(crate) struct Board {
    second: i64,
    shown: u64,
    hidden: u64,
}

impl Board {
    /// Tells of scored rows: each row as long as they come slowly, the scores once a second.
    pub(crate) fn report(&mut self, scored: &[Scored], account: &Account, now: Timestamp) {
        if now.seconds() != self.second {
            if self.hidden > 0 {
                info!("and {} more rows in that second | {}", self.hidden, summary(account));
            }
            *self = Self { second: now.seconds(), shown: 0, hidden: 0 };
        }
        for row in scored {
            if self.shown == ROWS_A_SECOND {
                self.hidden += 1;
                continue;
            }
            self.shown += 1;
            let scores = account.models().iter().find(|model| model.model == row.model);
            info!(
                row.id = %row.id,
                "y_true {} y_pred {:.4} error {:.4} | {}",
                row.y_true,
                row.y_pred,
                row.absolute_error(),
                scores.map(show).unwrap_or_default(),
            );
        }
    }
}

/// All scores in a line.
pub(crate) fn summary(account: &Account) -> String {
    let scored: Vec<String> = latest(account).filter(|model| model.counts.scored > 0).map(show).collect();
    if scored.is_empty() { "no rows yet".to_owned() } else { scored.join("; ") }
}

/// Sets the metrics to the account. They are what is in the database, so they go on where they were after a restart.
pub(crate) fn export(account: &Account) {
    const LABELS: &str = Role::Label.name();
    const PREDICTIONS: &str = Role::Prediction.name();
    export_counts(LABELS, "", &account.labels);
    for (queue, rejected) in [(LABELS, account.rejected.labels), (PREDICTIONS, account.rejected.predictions)]
    {
        metrics::counter!("pipeline_dead_letters_total", "queue" => queue).absolute(rejected);
    }
    for ModelAccount { model, counts, scores } in latest(account) {
        let model = model.to_string();
        export_counts(PREDICTIONS, &model, counts);
        metrics::gauge!("pipeline_mae", "model" => model.clone()).set(scores.mae());
        metrics::gauge!("pipeline_rmse", "model" => model.clone()).set(scores.rmse());
        metrics::gauge!("pipeline_r2", "model" => model).set(scores.r2().unwrap_or(f64::NAN));
    }
}

fn export_counts(queue: &'static str, model: &str, counts: &Counts) {
    let Counts { received, scored, expired, late, duplicates, conflicts, crowded, anonymous } = *counts;
    for (name, count) in [
        ("pipeline_received_total", received),
        ("pipeline_scored_total", scored),
        ("pipeline_expired_total", expired),
        ("pipeline_late_total", late),
        ("pipeline_duplicates_total", duplicates),
        ("pipeline_conflicts_total", conflicts),
        ("pipeline_crowded_total", crowded),
        ("pipeline_anonymous_total", anonymous),
    ] {
        metrics::counter!(name, "queue" => queue, "model" => model.to_owned()).absolute(count);
    }
    metrics::gauge!("pipeline_pending", "queue" => queue, "model" => model.to_owned())
        .set(counts.pending() as f64);
}

fn latest(account: &Account) -> impl Iterator<Item = &ModelAccount> {
    let models = account.models();
    models.iter().skip(models.len().saturating_sub(MODELS))
}

fn show(model: &ModelAccount) -> String {
    format!("{}: {}", model.model, model.scores)
}
