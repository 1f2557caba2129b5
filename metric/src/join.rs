//! The join: a prediction and the label of the same row, either first, meet exactly once.
//!
//! Pure: no clock, no files. What was seen of a row stays known for as long as the capacity allows, so that
//! duplicates are recognised; beyond it the oldest rows are forgotten, and that is counted.

use std::collections::{HashMap, VecDeque};

use shared::clock::Timestamp;
use shared::message::{Name, RowId};

/// A label as the join keeps it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelHalf {
    /// The true value.
    pub value: f64,
    /// When it was published, or else received.
    pub at: Timestamp,
}

/// A prediction as the join keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionHalf {
    /// The predicted value.
    pub value: f64,
    /// When it was published, or else received.
    pub at: Timestamp,
    /// The model that predicted, if it said.
    pub model: Option<Name>,
    /// The model file's version, if it said.
    pub version: Option<Name>,
}

/// A prediction and its label.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The row.
    pub id: RowId,
    /// Its label.
    pub label: LabelHalf,
    /// What the model said.
    pub prediction: PredictionHalf,
}

impl Scored {
    /// How far off the prediction is, without sign, in the label's unit.
    #[must_use]
    pub fn absolute_error(&self) -> f64 {
        (self.label.value - self.prediction.value).abs()
    }

    /// How long after the prediction the label came, in milliseconds; negative where it came first.
    #[must_use]
    pub fn label_lag_ms(&self) -> i64 {
        self.label.at.0.saturating_sub(self.prediction.at.0)
    }
}

/// What became of a half.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is new. With it these rows are complete: none where its other half is still missing; several where
    /// several models predicted the row.
    New(Vec<Scored>),
    /// The same was there before. Ignored.
    Duplicate,
    /// Another value was there before, this one. The first stays.
    Conflict(f64),
    /// As many models as are kept have predicted this row. Ignored.
    Crowded,
}

/// How many models' predictions of one row are kept.
const MODELS_A_ROW: usize = 16;

/// The halves that wait and the rows that are known.
#[derive(Debug)]
pub struct Joiner {
    known: HashMap<RowId, Known>,
    /// The known rows, oldest first.
    ages: VecDeque<RowId>,
    capacity: usize,
    pending: usize,
    forgotten: u64,
}

/// What is known of a row.
#[derive(Debug, Default)]
struct Known {
    label: Option<LabelHalf>,
    /// One a model; almost always one.
    predictions: Vec<PredictionHalf>,
}

impl Known {
    /// How many halves wait for the other one.
    fn pending(&self) -> usize {
        match self.label {
            Some(_) => usize::from(self.predictions.is_empty()),
            None => self.predictions.len(),
        }
    }
}

impl Joiner {
    /// A join that knows this many rows at the most.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { known: HashMap::new(), ages: VecDeque::new(), capacity, pending: 0, forgotten: 0 }
    }

    /// Takes in a label.
    pub fn label(&mut self, id: &RowId, label: LabelHalf) -> Outcome {
        self.change(id, |known| {
            if let Some(first) = known.label {
                return repeated(first.value, label.value);
            }
            known.label = Some(label);
            let score = |prediction: &PredictionHalf| {
                let prediction = prediction.clone();
                Scored { id: id.clone(), label, prediction }
            };
            Outcome::New(known.predictions.iter().map(score).collect())
        })
    }

    /// Takes in a prediction. Each model's first one of a row counts.
    pub fn prediction(&mut self, id: &RowId, prediction: PredictionHalf) -> Outcome {
        self.change(id, |known| {
            if let Some(first) = known.predictions.iter().find(|first| first.model == prediction.model) {
                return repeated(first.value, prediction.value);
            }
            if known.predictions.len() == MODELS_A_ROW {
                return Outcome::Crowded;
            }
            known.predictions.push(prediction.clone());
            let score = |label| Scored { id: id.clone(), label, prediction };
            Outcome::New(known.label.map(score).into_iter().collect())
        })
    }

    /// How many halves wait for the other one.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// How many halves were forgotten while they waited.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn change(&mut self, id: &RowId, change: impl FnOnce(&mut Known) -> Outcome) -> Outcome {
        if !self.known.contains_key(id) {
            self.make_room();
            self.ages.push_back(id.clone());
        }
        let known = self.known.entry(id.clone()).or_default();
        let before = known.pending();
        let outcome = change(known);
        self.pending = self.pending - before + known.pending();
        outcome
    }

    fn make_room(&mut self) {
        while self.ages.len() >= self.capacity {
            let oldest = self.ages.pop_front().and_then(|id| self.known.remove(&id));
            let waited = oldest.map_or(0, |known| known.pending());
            self.pending -= waited;
            self.forgotten += waited as u64;
        }
    }
}

fn repeated(first: f64, again: f64) -> Outcome {
    if first.to_bits() == again.to_bits() { Outcome::Duplicate } else { Outcome::Conflict(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RowId {
        RowId::parse(text).unwrap()
    }

    fn label(value: f64) -> LabelHalf {
        LabelHalf { value, at: Timestamp(500) }
    }

    fn prediction(value: f64, model: &str) -> PredictionHalf {
        PredictionHalf { value, at: Timestamp(200), model: Some(id(model)), version: None }
    }

    /// What an outcome says: `=` and the joined pairs, or what was wrong.
    fn show(outcome: &Outcome) -> String {
        match outcome {
            Outcome::New(scored) => {
                let pair = |row: &Scored| format!(" {}:{}", row.label.value, row.prediction.value);
                "=".to_owned() + &scored.iter().map(pair).collect::<String>()
            }
            Outcome::Duplicate => "duplicate".to_owned(),
            Outcome::Conflict(first) => format!("conflict with {first}"),
            Outcome::Crowded => "crowded".to_owned(),
        }
    }

    #[test]
    fn either_half_may_come_first_and_later_ones_change_nothing() {
        // `l3` is a label of 3, `p5a` a prediction of 5 by model a; all of one row.
        for (steps, want) in [
            ("l3 p5a", "= | = 3:5"),
            ("p5a l3", "= | = 3:5"),
            ("l3 l3 p5a", "= | duplicate | = 3:5"),
            ("p5a p5a l3", "= | duplicate | = 3:5"),
            ("l3 p5a l3 p5a", "= | = 3:5 | duplicate | duplicate"),
            ("l3 l4 p5a", "= | conflict with 3 | = 3:5"),
            ("p5a p6a l3", "= | conflict with 5 | = 3:5"),
            ("l3 p5a p6a l4", "= | = 3:5 | conflict with 5 | conflict with 3"),
            ("p5a p6b l3", "= | = | = 3:5 3:6"),
            ("l3 p5a p6b p6b", "= | = 3:5 | = 3:6 | duplicate"),
        ] {
            let mut join = Joiner::new(10);
            let outcomes = steps.split(' ').map(|step| {
                let value = f64::from(step.as_bytes()[1] - b'0');
                let outcome = match step.as_bytes() {
                    [b'l', ..] => join.label(&id("r"), label(value)),
                    _ => join.prediction(&id("r"), prediction(value, &step[2..])),
                };
                show(&outcome)
            });
            assert_eq!(outcomes.collect::<Vec<_>>().join(" | "), want, "{steps}");
            assert_eq!(join.pending(), 0, "{steps}");
        }
    }

    #[test]
    fn a_row_keeps_the_predictions_of_a_bounded_number_of_models() {
        let mut join = Joiner::new(10);
        for model in 0..MODELS_A_ROW {
            assert_eq!(show(&join.prediction(&id("r"), prediction(5.0, &model.to_string()))), "=");
        }
        assert_eq!(show(&join.prediction(&id("r"), prediction(5.0, "one-more"))), "crowded");
        assert_eq!(join.pending(), MODELS_A_ROW);
    }

    #[test]
    fn rows_do_not_mix() {
        let mut join = Joiner::new(10);
        join.label(&id("a"), label(1.0));
        join.label(&id("b"), label(2.0));
        assert_eq!(join.pending(), 2);
        assert_eq!(show(&join.prediction(&id("b"), prediction(9.0, "m"))), "= 2:9");
        assert_eq!(join.pending(), 1);
    }

    #[test]
    fn the_oldest_rows_are_forgotten_and_counted() {
        let mut join = Joiner::new(2);
        join.label(&id("a"), label(1.0));
        join.prediction(&id("a"), prediction(1.0, "m"));
        join.label(&id("b"), label(2.0));
        join.label(&id("c"), label(3.0));
        assert_eq!((join.pending(), join.forgotten()), (2, 0), "a was complete");
        join.label(&id("d"), label(4.0));
        assert_eq!((join.pending(), join.forgotten()), (2, 1), "b was waiting");
        assert_eq!(show(&join.prediction(&id("b"), prediction(9.0, "m"))), "=");
    }

    #[test]
    fn a_scored_row_knows_its_error_and_its_lag() {
        let mut join = Joiner::new(2);
        join.label(&id("a"), label(151.0));
        let Outcome::New(scored) = join.prediction(&id("a"), prediction(206.5, "m")) else { panic!() };
        assert_eq!((scored[0].absolute_error(), scored[0].label_lag_ms()), (55.5, 300));
    }
}
