//! The join: a prediction and the label of the same row, either first, meet exactly once.
//!
//! Pure: no clock, no files. A [`RowState`] is what is known of one row, wherever that is kept; it says what becomes of
//! one more half.

use std::sync::Arc;

use shared::clock::Timestamp;
use shared::message::{ModelRole, Name, RowId};

/// A model and its version, as predictions name them, which both may be missing, and what it predicts for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId {
    /// The model that predicted, if it said.
    pub name: Option<Name>,
    /// The model file's version, if it said.
    pub version: Option<Name>,
    /// Whether it serves, or predicts to be compared.
    pub role: ModelRole,
}

impl ModelId {
    /// Whether this, asked for with or without a version, means that one.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        self.name == other.name && (self.version.is_none() || self.version == other.version)
    }

    /// Whether only the first prediction of a row counts of these two.
    fn is_rival_of(&self, other: &Self) -> bool {
        self.name == other.name && self.role == other.role
    }

    /// `model@version` as files have it, with a dash for what was not said: one word, whatever it is.
    #[must_use]
    pub fn tag(&self) -> String {
        let mut tag = String::new();
        self.push_tag(&mut tag);
        tag
    }

    /// From what was recorded of it. What can be no name is as if it was not given.
    #[must_use]
    pub fn recorded(name: Option<&str>, version: Option<&str>) -> Self {
        let part = |text: Option<&str>| text.and_then(|text| Name::recorded(text).ok());
        Self { name: part(name), version: part(version), ..Self::default() }
    }

    /// Adds [`ModelId::tag`] to a text.
    pub fn push_tag(&self, text: &mut String) {
        text.push_str(self.name.as_ref().map_or("-", Name::as_str));
        text.push('@');
        text.push_str(self.version.as_ref().map_or("-", Name::as_str));
    }
}

/// As people name it: `model@version`, or `unnamed model`.
impl std::fmt::Display for ModelId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.name.as_ref().map(Name::as_str), self.version.as_ref().map(Name::as_str)) {
            (Some(name), Some(version)) => write!(f, "{name}@{version}"),
            (Some(name), None) => f.write_str(name),
            (None, Some(version)) => write!(f, "unnamed model, version {version}"),
            (None, None) => f.write_str("unnamed model"),
        }
    }
}

/// A label as the join knows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelHalf {
    /// The true value.
    pub value: f64,
    /// When it was published, or else received.
    pub at: Timestamp,
    /// Whether its horizon is over: it meets nothing any more.
    pub expired: bool,
    /// Whether it has met a prediction.
    pub scored: bool,
}

/// A prediction as the join knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionHalf {
    /// Its number: that of its message.
    pub seq: i64,
    /// The predicted value.
    pub value: f64,
    /// When it was published, or else received.
    pub at: Timestamp,
    /// Who predicted.
    pub model: Arc<ModelId>,
    /// The number that the model has in the account.
    pub number: usize,
    /// Whether its horizon is over: it meets nothing any more.
    pub expired: bool,
}

/// A prediction and its label.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The row.
    pub id: RowId,
    /// The number of its prediction; none where that was not kept yet when it was scored.
    pub prediction: Option<i64>,
    /// Its label.
    pub y_true: f64,
    /// What the model said.
    pub y_pred: f64,
    /// Who predicted.
    pub model: Arc<ModelId>,
    /// The number that the model has in the account.
    pub number: usize,
    /// When the prediction was published.
    pub predicted_at: Timestamp,
    /// When the label was published.
    pub labelled_at: Timestamp,
}

impl Scored {
    fn new(id: &RowId, label: &LabelHalf, prediction: &PredictionHalf) -> Self {
        Self {
            id: id.clone(),
            prediction: Some(prediction.seq),
            y_true: label.value,
            y_pred: prediction.value,
            model: Arc::clone(&prediction.model),
            number: prediction.number,
            predicted_at: prediction.at,
            labelled_at: label.at,
        }
    }

    /// Whether `metric_log.csv` has a line of it: the prediction was the answer of the pipeline, not made beside it.
    #[must_use]
    pub fn has_line(&self) -> bool {
        self.model.role == ModelRole::Serving
    }

    /// How far off the prediction is, without sign, in the label's unit.
    #[must_use]
    pub fn absolute_error(&self) -> f64 {
        (self.y_true - self.y_pred).abs()
    }

    /// How long after the prediction the label came, in milliseconds; negative where it came first.
    #[must_use]
    pub fn label_lag_ms(&self) -> i64 {
        self.labelled_at.0.saturating_sub(self.predicted_at.0)
    }
}

/// What became of a half.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is new. With it these rows are complete: none where its other half is still missing; several where
    /// several models predicted the row.
    New(Vec<Scored>),
    /// It is new, but all that it could have met had expired. It waits for another one.
    Late,
    /// The same was there before. Ignored.
    Duplicate,
    /// Another value was there before, this one. The first stays.
    Conflict(f64),
    /// As many models as are kept have predicted this row. Ignored.
    Crowded,
}

/// How many models' predictions of one row are kept.
pub const MODELS_A_ROW: usize = 16;

/// What is known of a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowState {
    /// Its label.
    pub label: Option<LabelHalf>,
    /// Its predictions, one a model; almost always one.
    pub predictions: Vec<PredictionHalf>,
}

impl RowState {
    /// Takes in a label. `id` is the row's.
    pub fn add_label(&mut self, id: &RowId, label: LabelHalf) -> Outcome {
        if let Some(first) = self.label {
            return repeated(first.value, label.value);
        }
        let waiting = self.predictions.iter().filter(|prediction| !prediction.expired);
        let scored: Vec<Scored> = waiting.map(|prediction| Scored::new(id, &label, prediction)).collect();
        self.label = Some(LabelHalf { scored: !scored.is_empty(), ..label });
        if scored.is_empty() && !self.predictions.is_empty() { Outcome::Late } else { Outcome::New(scored) }
    }

    /// Takes in a prediction. `id` is the row's. Each model's first one counts, whatever its version. A challenger that has taken
    /// the name of the model that serves keeps none of its predictions out.
    pub fn add_prediction(&mut self, id: &RowId, prediction: PredictionHalf) -> Outcome {
        if let Some(first) = self.predictions.iter().find(|first| first.model.is_rival_of(&prediction.model))
        {
            return repeated(first.value, prediction.value);
        }
        if self.predictions.len() == MODELS_A_ROW {
            return Outcome::Crowded;
        }
        let outcome = match &mut self.label {
            None => Outcome::New(Vec::new()),
            Some(label) if label.expired => Outcome::Late,
            Some(label) => {
                label.scored = true;
                Outcome::New(vec![Scored::new(id, label, &prediction)])
            }
        };
        if self.predictions.is_empty() {
            self.predictions.reserve_exact(1);
        }
        self.predictions.push(prediction);
        outcome
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
        LabelHalf { value, at: Timestamp(500), expired: false, scored: false }
    }

    /// `a@1` is version 1 of a; `a?` challenges under that name.
    fn prediction(value: f64, model: &str) -> PredictionHalf {
        let role = if model.ends_with('?') { ModelRole::Challenger } else { ModelRole::Serving };
        let model = model.trim_end_matches('?');
        let (name, version) = model.split_once('@').unwrap_or((model, "v"));
        let named = |text| Some(Name::parse(text).unwrap());
        let model = Arc::new(ModelId { name: named(name), version: named(version), role });
        PredictionHalf { seq: 7, value, at: Timestamp(200), model, number: 0, expired: false }
    }

    /// What an outcome says: `=` and the joined pairs, or what was wrong.
    fn show(outcome: &Outcome) -> String {
        match outcome {
            Outcome::New(scored) => {
                let pair = |row: &Scored| format!(" {}:{}", row.y_true, row.y_pred);
                "=".to_owned() + &scored.iter().map(pair).collect::<String>()
            }
            Outcome::Late => "late".to_owned(),
            Outcome::Duplicate => "duplicate".to_owned(),
            Outcome::Conflict(first) => format!("conflict with {first}"),
            Outcome::Crowded => "crowded".to_owned(),
        }
    }

    #[test]
    fn halves_meet_once_and_within_the_horizon() {
        // `l3` is a label of 3, `p5a` a prediction of 5 by model a; `x` expires what is there; all of one row.
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
            ("p5a@1 p5a@2 p6a@2 l3", "= | duplicate | conflict with 5 | = 3:5"),
            ("p6a? p5a p7a? l3", "= | = | conflict with 6 | = 3:6 3:5"),
            ("p5a x l3", "= | x | late"),
            ("l3 x p5a", "= | x | late"),
            ("p5a x p6b l3", "= | x | = | = 3:6"),
            ("p5a x l3 p6b l3 p5a", "= | x | late | = 3:6 | duplicate | duplicate"),
            ("l3 p5a x l3 p6b p6a", "= | = 3:5 | x | duplicate | late | conflict with 5"),
        ] {
            let mut row = RowState::default();
            let outcomes = steps.split(' ').map(|step| match step.as_bytes() {
                [b'x'] => {
                    row.label.iter_mut().for_each(|label| label.expired = true);
                    row.predictions.iter_mut().for_each(|prediction| prediction.expired = true);
                    "x".to_owned()
                }
                [kind, value, ..] => {
                    let value = f64::from(value - b'0');
                    show(&match kind {
                        b'l' => row.add_label(&id("r"), label(value)),
                        _ => row.add_prediction(&id("r"), prediction(value, &step[2..])),
                    })
                }
                [..] => unreachable!(),
            });
            assert_eq!(outcomes.collect::<Vec<_>>().join(" | "), want, "{steps}");
            assert_eq!(row.label.is_some_and(|label| label.scored), want.contains(':'), "{steps}");
        }
    }

    #[test]
    fn a_row_keeps_the_predictions_of_a_bounded_number_of_models() {
        let mut row = RowState::default();
        for model in 0..MODELS_A_ROW {
            assert_eq!(show(&row.add_prediction(&id("r"), prediction(5.0, &model.to_string()))), "=");
        }
        assert_eq!(show(&row.add_prediction(&id("r"), prediction(5.0, "one-more"))), "crowded");
        assert_eq!(row.predictions.len(), MODELS_A_ROW);
    }

    #[test]
    fn a_scored_row_knows_its_error_and_its_lag() {
        let mut row = RowState::default();
        row.add_label(&id("a"), label(151.0));
        let Outcome::New(scored) = row.add_prediction(&id("a"), prediction(206.5, "m")) else { panic!() };
        assert_eq!((scored[0].absolute_error(), scored[0].label_lag_ms()), (55.5, 300));
        assert_eq!(scored[0].prediction, Some(7));
    }

    #[test]
    fn a_model_is_one_word_in_files_and_has_a_name_for_people() {
        let named = |text: &str| Some(Name::parse(text).unwrap());
        for (name, version, tag, shown) in [
            (named("a"), named("b"), "a@b", "a@b"),
            (named("a"), None, "a@-", "a"),
            (None, named("b"), "-@b", "unnamed model, version b"),
            (None, None, "-@-", "unnamed model"),
        ] {
            let model = ModelId { name, version, ..ModelId::default() };
            assert_eq!((model.tag().as_str(), model.to_string().as_str()), (tag, shown));
        }
    }
}
