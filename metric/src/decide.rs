//! What a group of messages leads to. Pure: what is known of its rows comes in, what is to be written goes out, and a store
//! does both.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use shared::clock::Timestamp;
use shared::message::RowId;

use crate::account::Account;
use crate::arrival::{Arrival, ArrivalKind};
use crate::join::{LabelHalf, Outcome, PredictionHalf, RowState, Scored};

/// What is known of the rows that a group speaks of; nothing of those that are not in it.
pub type KnownRows<'a> = HashMap<&'a RowId, RowState, RandomState>;

/// What is to be written, all of it or nothing, in this order.
#[derive(Debug, Default)]
pub struct Effects<'a> {
    /// The messages that were accepted.
    pub events: Vec<Event<'a>>,
    /// The rows that are complete with them.
    pub scored: Vec<Scored>,
    /// The models whose accounts have changed. Those of the labels always may have.
    pub models: BTreeSet<usize>,
    /// What was ignored because it contradicts what was there.
    pub contradictions: Vec<Contradiction>,
    /// Rows of which a prediction was ignored because too many models have predicted them.
    pub crowded: Vec<RowId>,
}

/// A message that was accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event<'a> {
    /// Its number.
    pub seq: i64,
    /// Its row; none where it is anonymous.
    pub id: Option<&'a RowId>,
    /// The number in the account of the model that predicted; none where it is a label.
    pub model: Option<usize>,
    /// The label or the prediction.
    pub value: f64,
    /// When it was published, or else received.
    pub at: Timestamp,
    /// Whether it met its other half when it came.
    pub met: bool,
    /// Where it is a prediction: when its row was published, if that is known.
    pub features_published_at: Option<Timestamp>,
    /// Where it is a prediction: what it was predicted from, if that was said.
    pub vector: Option<&'a Arc<[f64]>>,
}

/// A second value of a half.
#[derive(Debug, PartialEq)]
pub struct Contradiction {
    /// The row.
    pub id: RowId,
    /// A label, or else a prediction.
    pub label: bool,
    /// The value that stays.
    pub first: f64,
    /// The value that is ignored.
    pub again: f64,
}

/// Takes in messages, in their order, and counts what becomes of them. `received` is when that is, and `next` the number of
/// the first one that is accepted: the others follow without a gap.
pub fn decide<'a>(
    arrivals: &'a [Arrival],
    mut rows: KnownRows<'a>,
    account: &mut Account,
    received: Timestamp,
    next: i64,
) -> Effects<'a> {
    let mut effects = Effects {
        events: Vec::with_capacity(arrivals.len()),
        scored: Vec::with_capacity(arrivals.len() / 2),
        ..Effects::default()
    };
    let mut seq = next;
    for arrival in arrivals {
        let (model, origin) = match &arrival.kind {
            ArrivalKind::Label => (None, None),
            ArrivalKind::Prediction(origin) => (Some(account.number(&origin.model)), Some(origin)),
        };
        effects.models.extend(model);
        let (value, at) = (arrival.value, arrival.published_at.unwrap_or(received));
        let event = Event {
            seq,
            id: arrival.id.as_ref(),
            model,
            value,
            at,
            met: false,
            features_published_at: origin.and_then(|origin| origin.features_published_at),
            // Without a single number there is nothing to keep.
            vector: origin.and_then(|origin| origin.vector.as_ref()).filter(|vector| !vector.is_empty()),
        };
        let Some(id) = &arrival.id else {
            account.count(model, |counts| counts.anonymous += 1);
            effects.events.push(event);
            seq += 1;
            continue;
        };
        let row = match rows.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(RowState::default()),
        };
        let label_was_scored = row.label.is_some_and(|label| label.scored);
        let outcome = match model {
            None => row.add_label(id, LabelHalf { value, at, expired: false, scored: false }),
            Some(number) => {
                let model = Arc::clone(&account.models()[number].model);
                row.add_prediction(id, PredictionHalf { seq, value, at, model, number, expired: false })
            }
        };
        if !label_was_scored && row.label.is_some_and(|label| label.scored) {
            account.labels.scored += 1;
        }
        let scored = match outcome {
            Outcome::New(scored) => scored,
            Outcome::Late => {
                account.count(model, |counts| counts.late += 1);
                Vec::new()
            }
            Outcome::Duplicate => {
                account.count(model, |counts| counts.duplicates += 1);
                continue;
            }
            Outcome::Crowded => {
                account.count(model, |counts| counts.crowded += 1);
                effects.crowded.push(id.clone());
                continue;
            }
            Outcome::Conflict(first) => {
                account.count(model, |counts| counts.conflicts += 1);
                let label = model.is_none();
                effects.contradictions.push(Contradiction { id: id.clone(), label, first, again: value });
                continue;
            }
        };
        account.count(model, |counts| counts.received += 1);
        effects.events.push(Event { met: !scored.is_empty(), ..event });
        seq += 1;
        for row in &scored {
            account.score(row.number, row.y_true, row.y_pred);
            effects.models.insert(row.number);
        }
        effects.scored.extend(scored);
    }
    effects
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::ModelId;
    use shared::message::Name;

    const RECEIVED: Timestamp = Timestamp(1000);

    fn id(text: &str) -> Option<RowId> {
        RowId::parse(text).ok()
    }

    fn label(row: &str, value: f64) -> Arrival {
        Arrival { id: id(row), kind: ArrivalKind::Label, value, published_at: None }
    }

    fn prediction(row: &str, value: f64, model: &str) -> Arrival {
        let model = ModelId { name: Name::parse(model).ok(), version: None, ..ModelId::default() };
        Arrival {
            id: id(row),
            kind: ArrivalKind::Prediction(model.into()),
            value,
            published_at: Some(Timestamp(900)),
        }
    }

    #[test]
    fn each_message_is_an_event_or_is_told_of() {
        let mut account = Account::default();
        let arrivals = [
            prediction("a", 5.0, "m"),
            label("a", 3.0),
            label("a", 3.0),
            label("a", 4.0),
            label("-", 1.0),
            prediction("a", 6.0, "n"),
        ];
        let effects = decide(&arrivals, KnownRows::default(), &mut account, RECEIVED, 41);
        let events: Vec<_> =
            effects.events.iter().map(|event| (event.model, event.value, event.met)).collect();
        assert_eq!(
            events,
            [(Some(0), 5.0, false), (None, 3.0, true), (None, 1.0, false), (Some(1), 6.0, true)]
        );
        // When it was not said when it was published, it is when it was received.
        assert_eq!(effects.events.iter().map(|event| event.at.0).collect::<Vec<_>>(), [900, 1000, 1000, 900]);
        let scored: Vec<_> = effects.scored.iter().map(|row| (row.number, row.y_true, row.y_pred)).collect();
        assert_eq!(scored, [(0, 3.0, 5.0), (1, 3.0, 6.0)]);
        // What is ignored takes no number.
        assert_eq!(effects.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [41, 42, 43, 44]);
        let predictions: Vec<_> = effects.scored.iter().map(|row| row.prediction).collect();
        assert_eq!(predictions, [Some(41), Some(44)]);
        let again = Contradiction { id: id("a").unwrap(), label: true, first: 3.0, again: 4.0 };
        assert_eq!(effects.contradictions, [again]);
        assert_eq!(effects.models, BTreeSet::from([0, 1]));
        let labels = account.labels;
        let counts = (labels.received, labels.scored, labels.duplicates, labels.conflicts, labels.anonymous);
        assert_eq!(counts, (1, 1, 1, 1, 1));
    }

    #[test]
    fn what_is_known_counts_and_only_that() {
        let mut account = Account::default();
        let number =
            account.number(&ModelId { name: Name::parse("m").ok(), version: None, ..ModelId::default() });
        let model = Arc::clone(&account.models()[number].model);
        let (a, b) = (id("a").unwrap(), id("b").unwrap());
        let waits = |expired| RowState {
            label: None,
            predictions: vec![PredictionHalf {
                seq: 7,
                value: 5.0,
                at: Timestamp(1),
                model: Arc::clone(&model),
                number,
                expired,
            }],
        };
        let known = KnownRows::from_iter([(&a, waits(false)), (&b, waits(true))]);
        let arrivals = [label("a", 3.0), label("b", 3.0), label("c", 3.0)];
        let effects = decide(&arrivals, known, &mut account, RECEIVED, 41);
        assert_eq!(effects.events.iter().map(|event| event.met).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(effects.scored.iter().map(|row| row.prediction).collect::<Vec<_>>(), [Some(7)]);
        assert_eq!((account.labels.late, account.labels.received), (1, 3));
    }

    #[test]
    fn one_more_model_than_are_kept_is_named() {
        let mut account = Account::default();
        let arrivals: Vec<Arrival> =
            (0..17).map(|model| prediction("a", 1.0, &format!("m{model}"))).collect();
        let effects = decide(&arrivals, KnownRows::default(), &mut account, RECEIVED, 41);
        assert_eq!((effects.events.len(), effects.crowded), (16, vec![id("a").unwrap()]));
    }
}
