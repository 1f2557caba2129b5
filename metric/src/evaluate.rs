//! Tells the evaluation of what was committed, in its words.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use evaluation::basis::Basis;
use evaluation::fold::{Evaluation, Prediction, Row};
use evaluation::identity::{Identity, ModelRole};
use shared::message::{self, Name};

use crate::bases::Bases;
use crate::committed::{Accepted, Committed};
use crate::follow::Next;
use crate::join::ModelId;

/// Tells of what comes next.
///
/// # Errors
/// Cards that cannot be read; then nothing was told.
pub(crate) fn tell(evaluation: &mut Evaluation, next: &Next, bases: &mut Bases) -> anyhow::Result<()> {
    let commit = match next {
        Next::Commit(commit) => commit,
        Next::Gap { first, last } => {
            // What waits would wait for ever: its label may be among what is forgotten.
            if evaluation.commit() > 0 && !evaluation.is_all_forgotten() {
                *evaluation = evaluation.anew();
                evaluation.forgotten(1, *last);
            } else {
                evaluation.forgotten(*first, *last);
            }
            return Ok(());
        }
    };
    // Of all models of the commit: to tell of one may let another one go.
    let mut known = BTreeMap::new();
    for (number, model) in models(commit) {
        if let Entry::Vacant(place) = known.entry(number) {
            place.insert(bases.of(model, commit.received)?);
        }
    }
    let mut learnt = Vec::new();
    for (number, model, version) in evaluation.lacking() {
        let model = ModelId::recorded(model, version);
        if let Some(basis) = bases.of(&model, commit.received)? {
            learnt.push((number, basis));
        }
    }
    for (number, basis) in learnt {
        evaluation.learn(number, Basis::clone(&basis));
    }
    tell_commit(evaluation, commit, &known);
    Ok(())
}

/// The models of a commit by their numbers; one may be there several times.
fn models(commit: &Committed) -> impl Iterator<Item = (usize, &ModelId)> {
    let expired = commit.expired.iter().filter_map(|half| half.model.as_ref());
    let accepted = commit.accepted.iter().filter_map(|half| half.model.as_ref());
    let halves = expired.chain(accepted).map(|(number, model)| (*number, &**model));
    halves.chain(commit.scored.iter().map(|row| (row.number, &*row.model)))
}

fn tell_commit(evaluation: &mut Evaluation, commit: &Committed, known: &BTreeMap<usize, Option<Arc<Basis>>>) {
    let know = |evaluation: &mut Evaluation, number: usize, model: &ModelId| {
        let text = |name: &Option<Name>| name.as_ref().map(|name| name.as_str().to_owned());
        let basis = known.get(&number).and_then(Option::as_deref).cloned().unwrap_or_default();
        evaluation.know(
            number,
            Identity { model: text(&model.name), version: text(&model.version), role: role_of(model) },
            basis,
        );
    };
    let received = commit.received.0;
    for half in &commit.expired {
        if let Some((number, model)) = &half.model {
            if !evaluation.has_known(*number) {
                know(evaluation, *number, model);
            }
            evaluation.expired(*number, half.number, half.received.0);
        }
    }
    for Accepted { number, id, model, value, at, features_published_at, vector, .. } in &commit.accepted {
        let Some((version, model)) = model else {
            evaluation.labelled(*value, at.0);
            continue;
        };
        if !evaluation.knows(*version) {
            know(evaluation, *version, model);
        }
        let prediction = Prediction {
            number: *number,
            anonymous: id.is_none(),
            value: *value,
            at: at.0,
            row_at: features_published_at.map(|at| at.0),
            received,
            vector: vector.as_deref(),
        };
        evaluation.predicted(*version, &prediction);
        if let Some(id) = id {
            evaluation.row_predicted(*version, id.text(&mut [0; 36]), *value, received);
        }
    }
    for row in &commit.scored {
        if !evaluation.has_known(row.number) {
            know(evaluation, row.number, &row.model);
        }
        let complete = Row {
            prediction: row.prediction,
            y_true: row.y_true,
            y_pred: row.y_pred,
            predicted_at: row.predicted_at.0,
            labelled_at: row.labelled_at.0,
            received,
        };
        evaluation.scored(row.number, &complete);
        evaluation.row_scored(row.number, row.id.text(&mut [0; 36]), &complete);
    }
    evaluation.committed(commit.number, received);
}

/// What a model predicts for, in the words of the evaluation.
fn role_of(model: &ModelId) -> ModelRole {
    match model.role {
        message::ModelRole::Serving => ModelRole::Serving,
        message::ModelRole::Shadow => ModelRole::Shadow,
        message::ModelRole::Challenger => ModelRole::Challenger,
    }
}
