//! A report of the rows that were predicted from a moment on: what was committed without the others, and how that is told. Pure.

use std::collections::BTreeSet;

use evaluation::report::{Moment, Report};
use shared::clock::Timestamp;

use crate::committed::Committed;

/// Leaves out of each commit, in order, what is of rows that were predicted before a moment.
///
/// Labels stay: they come without a time of prediction, and those before the moment were known to the rows after it.
#[derive(Debug)]
pub(crate) struct Since {
    moment: Timestamp,
    /// The number of the first prediction that stays.
    first: Option<i64>,
    /// The predictions after it that were made before the moment all the same, until they are met or expire.
    left_out: BTreeSet<i64>,
}

impl Since {
    /// From this moment on, by the time at which a prediction was published.
    pub(crate) fn new(moment: Timestamp) -> Self {
        Self { moment, first: None, left_out: BTreeSet::new() }
    }

    /// Leaves them out of the next commit.
    pub(crate) fn keep(&mut self, commit: &mut Committed) {
        // What expires in a commit came before it; the time of its prediction is not told again.
        commit.expired.retain(|half| half.model.is_none() || self.has(half.number));
        commit.accepted.retain(|half| {
            let is_prediction = half.model.is_some();
            let stays = !is_prediction || half.at >= self.moment;
            if is_prediction && stays {
                self.first.get_or_insert(half.number);
            } else if !stays && self.first.is_some() && half.id.is_some() {
                self.left_out.insert(half.number);
            }
            stays
        });
        commit.scored.retain(|row| {
            _ = row.prediction.is_some_and(|number| self.left_out.remove(&number));
            row.predicted_at >= self.moment
        });
    }

    /// Whether a prediction that expires was made from the moment on.
    fn has(&mut self, number: i64) -> bool {
        self.first.is_some_and(|first| number >= first) && !self.left_out.remove(&number)
    }

    /// Says in a report of what is kept that it is of these rows.
    pub(crate) fn say(&self, report: &mut Report) {
        let moment = Moment(self.moment.0);
        report.since = Some(moment);
        if report.versions.is_empty() {
            report.verdict.sentence = format!("No row has been predicted since {moment}.");
            report.verdict.advice = "Ask for an earlier time.".into();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::message::RowId;

    use super::*;
    use crate::committed::{Accepted, Expired};
    use crate::export::parse_model;
    use crate::join::{ModelId, Scored};

    fn id(number: i64) -> RowId {
        RowId::parse(&number.to_string()).unwrap()
    }

    fn model() -> (usize, Arc<ModelId>) {
        (0, Arc::new(parse_model("m@1").unwrap()))
    }

    /// A prediction with this number, made at this time.
    fn predicted((number, at): (i64, i64)) -> Accepted {
        Accepted {
            number,
            id: Some(id(number)),
            model: Some(model()),
            value: 1.0,
            at: Timestamp(at),
            met: false,
            features_published_at: None,
            vector: None,
        }
    }

    fn scored((prediction, predicted_at): (i64, i64)) -> Scored {
        let (number, model) = model();
        Scored {
            id: id(prediction),
            prediction: Some(prediction),
            y_true: 1.0,
            y_pred: 1.0,
            model,
            number,
            predicted_at: Timestamp(predicted_at),
            labelled_at: Timestamp(900),
        }
    }

    fn expired(number: i64) -> Expired {
        Expired { number, id: id(number), model: Some(model()), value: 1.0, received: Timestamp(900) }
    }

    fn commit() -> Committed {
        Committed {
            number: 1,
            received: Timestamp(900),
            age: 0,
            last_scoring: 0,
            expired: vec![],
            accepted: vec![],
            scored: vec![],
        }
    }

    /// Commits one after the other: what is predicted (number and time), scored (number and time of prediction) and expires, and
    /// the numbers of each that stay.
    type Case<'a> = ([&'a [(i64, i64)]; 2], &'a [i64], [&'a [i64]; 3]);

    #[test]
    fn rows_from_a_moment_on_stay() {
        let cases: [Case<'_>; 6] = [
            // Before any that stays: at 99 it does not, at 100 it does.
            ([&[(1, 98), (2, 99), (3, 100)], &[(2, 99)]], &[], [&[3], &[], &[]]),
            // 1 waited from before.
            ([&[(5, 150)], &[(3, 100)]], &[1], [&[5], &[3], &[]]),
            // Two that were made before come late; one of them is met, and one that was met before stays so.
            ([&[(6, 80), (7, 90), (8, 200)], &[(7, 90), (5, 150)]], &[], [&[8], &[5], &[]]),
            ([&[], &[]], &[6, 8], [&[], &[], &[8]]),
            // What is known of 6 and 7 is no longer needed.
            ([&[(9, 300)], &[(9, 300)]], &[], [&[9], &[9], &[]]),
            ([&[], &[]], &[], [&[], &[], &[]]),
        ];
        let mut since = Since::new(Timestamp(100));
        for (step, ([accepted, complete], gone, stay)) in cases.into_iter().enumerate() {
            let mut commit = Committed {
                accepted: accepted.iter().copied().map(predicted).collect(),
                scored: complete.iter().copied().map(scored).collect(),
                expired: gone.iter().copied().map(expired).collect(),
                ..commit()
            };
            since.keep(&mut commit);
            let numbers = [
                commit.accepted.iter().map(|half| half.number).collect::<Vec<_>>(),
                commit.scored.iter().filter_map(|row| row.prediction).collect(),
                commit.expired.iter().map(|half| half.number).collect(),
            ];
            assert_eq!(numbers, stay.map(<[i64]>::to_vec), "commit {step}");
        }
        assert_eq!((since.first, since.left_out.len()), (Some(3), 0));
    }

    #[test]
    fn labels_and_what_has_no_number_stay_or_go_by_their_own_time() {
        let label = Accepted { model: None, ..predicted((1, 10)) };
        let waited = Expired { model: None, ..expired(1) };
        // Of a prediction that was forgotten, the time is still known.
        let old = |at| Scored { prediction: None, ..scored((1, at)) };
        let mut commit = Committed {
            accepted: vec![label.clone()],
            scored: vec![old(99), old(100)],
            expired: vec![waited.clone()],
            ..commit()
        };
        Since::new(Timestamp(100)).keep(&mut commit);
        assert_eq!((commit.accepted, commit.expired), (vec![label], vec![waited]));
        assert_eq!(commit.scored, [old(100)]);
    }
}
