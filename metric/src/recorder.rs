//! One batch at a time: what it means for the files, the dead letters and the counters.

use shared::clock::Timestamp;
use shared::message::{Label, Prediction, Queue, Rejection, RowId};
use shared::transport::{Delivery, Publication};
use tracing::warn;

use crate::APP;
use crate::board::Board;
use crate::join::{Joiner, LabelHalf, Outcome, PredictionHalf, Scored};
use crate::lines;

/// How many rows are known, for joining and to recognise duplicates.
const KNOWN_ROWS: usize = 1_000_000;

/// The state between batches.
#[derive(Debug)]
pub(crate) struct Recorder {
    join: Joiner,
    board: Board,
}

/// What a batch asks for.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// What to append to `labels_log.txt`.
    pub(crate) labels_log: String,
    /// What to append to `metric_log.csv`.
    pub(crate) metric_log: String,
    /// What goes to the dead letters, with its index in the batch.
    pub(crate) dead: Vec<(usize, Publication)>,
    /// The rows that are complete now.
    pub(crate) scored: Vec<Scored>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { join: Joiner::new(KNOWN_ROWS), board: Board::default() }
    }
}

impl Recorder {
    /// Takes in a batch of one queue that was received at `now`.
    pub(crate) fn step(&mut self, deliveries: &[Delivery], queue: Queue, now: Timestamp) -> Step {
        let mut step = Step::default();
        for (index, delivery) in deliveries.iter().enumerate() {
            let result = match queue {
                Queue::Label => Label::decode(delivery).map(|label| self.label(&mut step, &label, now)),
                _ => Prediction::decode(delivery)
                    .map(|prediction| self.prediction(&mut step, &prediction, now)),
            };
            if let Err(rejection) = result {
                step.dead.push((index, reject(delivery, rejection)));
            }
        }
        let received = metrics::counter!("pipeline_received_total", "queue" => queue.name());
        received.increment(deliveries.len() as u64);
        metrics::gauge!("pipeline_pending_halves").set(self.join.pending() as f64);
        metrics::counter!("pipeline_forgotten_total").absolute(self.join.forgotten());
        step
    }

    fn label(&mut self, step: &mut Step, label: &Label, now: Timestamp) {
        let Some(id) = label.key.id() else {
            count("pipeline_anonymous_total", Queue::Label);
            return lines::label(&mut step.labels_log, now, label);
        };
        let half = LabelHalf { value: label.value, at: label.published_at.unwrap_or(now) };
        match self.join.label(id, half) {
            Outcome::New(scored) => {
                lines::label(&mut step.labels_log, now, label);
                step.complete(scored);
            }
            Outcome::Duplicate => count("pipeline_duplicates_total", Queue::Label),
            Outcome::Conflict(first) => {
                count("pipeline_conflicts_total", Queue::Label);
                warn!(row.id = %id, "a second label {} contradicts the first, {first}, which stays", label.value);
            }
            Outcome::Crowded => ignore(id),
        }
    }

    fn prediction(&mut self, step: &mut Step, prediction: &Prediction, now: Timestamp) {
        let Some(id) = prediction.key.id() else {
            count("pipeline_anonymous_total", Queue::Prediction);
            return lines::prediction(&mut step.labels_log, now, prediction);
        };
        let half = PredictionHalf {
            value: prediction.value,
            at: prediction.published_at.unwrap_or(now),
            model: prediction.model.clone(),
            version: prediction.model_version.clone(),
        };
        match self.join.prediction(id, half) {
            Outcome::New(scored) => {
                lines::prediction(&mut step.labels_log, now, prediction);
                step.complete(scored);
            }
            Outcome::Duplicate => count("pipeline_duplicates_total", Queue::Prediction),
            Outcome::Conflict(first) => {
                count("pipeline_conflicts_total", Queue::Prediction);
                let again = prediction.value;
                warn!(row.id = %id, "a second prediction {again} contradicts the first, {first}, which stays");
            }
            Outcome::Crowded => ignore(id),
        }
    }

    /// Tells of rows that are recorded now.
    pub(crate) fn report(&mut self, scored: &[Scored], now: Timestamp) {
        metrics::counter!("pipeline_scored_total").increment(scored.len() as u64);
        self.board.report(scored, now);
    }

    /// The scores in a line.
    pub(crate) fn summary(&self) -> String {
        self.board.summary()
    }
}

impl Step {
    fn complete(&mut self, scored: Vec<Scored>) {
        for row in scored {
            lines::scored(&mut self.metric_log, &row);
            self.scored.push(row);
        }
    }
}

fn reject(delivery: &Delivery, rejection: Rejection) -> Publication {
    delivery.reject(rejection, APP)
}

fn ignore(id: &RowId) {
    metrics::counter!("pipeline_ignored_total").increment(1);
    warn!(row.id = %id, "one more model has predicted this row than are kept; its prediction is ignored");
}

fn count(name: &'static str, queue: Queue) {
    metrics::counter!(name, "queue" => queue.name()).increment(1);
}
