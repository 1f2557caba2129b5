//! Tells the evaluation of what was committed, in its words. Pure, but for the cards that are asked for.

use evaluation::basis::Basis;
use evaluation::fold::{Evaluation, Prediction, Row};
use shared::message::Name;

use crate::committed::{Accepted, Committed};
use crate::follow::Next;
use crate::join::ModelId;

/// Tells of what comes next. `basis` is asked for what is known of a model, at its first prediction.
pub(crate) fn tell(evaluation: &mut Evaluation, next: &Next, basis: impl Fn(&ModelId) -> Basis) {
    match next {
        Next::Commit(commit) => tell_commit(evaluation, commit, basis),
        Next::Gap { first, last } => evaluation.forgotten(*first, *last),
    }
}

fn tell_commit(evaluation: &mut Evaluation, commit: &Committed, basis: impl Fn(&ModelId) -> Basis) {
    let know = |evaluation: &mut Evaluation, number: usize, model: &ModelId| {
        if !evaluation.knows(number) {
            let text = |name: &Option<Name>| name.as_ref().map(|name| name.as_str().to_owned());
            evaluation.know(number, text(&model.name), text(&model.version), basis(model));
        }
    };
    let received = commit.received.0;
    for half in &commit.expired {
        if let Some((number, model)) = &half.model {
            know(evaluation, *number, model);
            evaluation.expired(*number, half.number, half.received.0);
        }
    }
    for Accepted { number, id, model, value, at, features_published_at, vector, .. } in &commit.accepted {
        let Some((version, model)) = model else {
            evaluation.labelled(*value, at.0);
            continue;
        };
        know(evaluation, *version, model);
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
    }
    for row in &commit.scored {
        know(evaluation, row.number, &row.model);
        let complete = Row {
            prediction: row.prediction,
            y_true: row.y_true,
            y_pred: row.y_pred,
            predicted_at: row.predicted_at.0,
            labelled_at: row.labelled_at.0,
            received,
        };
        evaluation.scored(row.number, &complete);
    }
    evaluation.committed(commit.number, received);
}
