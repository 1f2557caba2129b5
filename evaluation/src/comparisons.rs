//! Which versions predicted the same rows, and what that says of them.
//!
//! Rows are met by their ids, among the latest: predictions when they are accepted, errors when rows are complete. Nothing is remembered
//! while one model alone predicts.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::bits;
use crate::identity::{Identity, ModelRole};
use crate::pairs::{ALPHA, Finding, Pairs};
use crate::report::{ComparisonReport, DecisionReport, Moment};

/// Among so many of the latest rows the other prediction of a row is looked for, and among as many that are complete.
const ROWS: usize = 32_768;
/// So many comparisons are kept: of sixteen models on the same rows each with each other one.
const MOST: usize = 128;
/// A swap is cleared after so many pairs with a label at the earliest. A version may be as good as the one before on the rows of an
/// hour and bad on one row in a hundred, of which fifty rows often have none.
const FEWEST_TO_CLEAR: u64 = 500;
/// A pause in which one of the two did not predict, rather than a quiet moment or a restart, in milliseconds: one hour.
const PAUSE: i64 = 3_600_000;
/// A swap is undecided for good after so many pairs with a label,
const LAST_PAIR: u64 = 10_000;
/// or so long after its first pair, in milliseconds.
const LAST_DAY: i64 = 7 * 86_400_000;

/// What a version has said of a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Said {
    version: usize,
    #[serde(with = "bits")]
    value: f64,
}

/// What was said of the latest rows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Latest {
    rows: BTreeMap<String, Vec<Said>>,
    order: VecDeque<String>,
}

impl Latest {
    /// What others had said of the row.
    fn meet(&mut self, row: &str, said: Said) -> Vec<Said> {
        if let Some(others) = self.rows.get_mut(row) {
            let met = others.clone();
            others.push(said);
            return met;
        }
        if self.order.len() >= ROWS
            && let Some(oldest) = self.order.pop_front()
        {
            self.rows.remove(&oldest);
        }
        self.order.push_back(row.to_owned());
        self.rows.insert(row.to_owned(), vec![said]);
        Vec::new()
    }
}

/// Two versions.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Comparison {
    /// The numbers of both in the record.
    numbers: (usize, usize),
    new: Identity,
    old: Identity,
    pairs: Pairs,
    first: i64,
    last: i64,
    /// When both last predicted a row.
    last_predicted: i64,
    /// Of a swap: what was decided, which stays.
    decided: Option<Decided>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Decided {
    finding: Finding,
    at: i64,
    rows: u64,
    #[serde(with = "bits")]
    difference: f64,
}

impl Comparison {
    fn new(numbers: (usize, usize), new: Identity, old: Identity, at: i64) -> Self {
        let pairs = Pairs::default();
        Self { numbers, new, old, pairs, first: at, last: at, last_predicted: at, decided: None }
    }

    /// Both have predicted a row. Where it was decided that the new one may serve, and both pause before this row, the new one was
    /// put in the place of the old one once more: that is judged anew.
    fn predicted(&mut self, new: f64, old: f64, at: i64) {
        let is_again = at.saturating_sub(self.last_predicted) >= PAUSE;
        if is_again && self.decided.is_some_and(|decided| decided.finding != Finding::Worse) {
            *self = Self::new(self.numbers, self.new.clone(), self.old.clone(), at);
        }
        self.last_predicted = self.last_predicted.max(at);
        self.pairs.predicted(new, old);
    }

    /// Whether somebody acts on it: on a swap that is not decided yet, or was one for the worse.
    fn matters(&self) -> bool {
        self.is_swap() && self.decided.is_none_or(|decided| decided.finding == Finding::Worse)
    }

    /// Whether the old one is the version before the new one, which goes on in the shadow.
    fn is_swap(&self) -> bool {
        self.new.role == ModelRole::Serving
            && self.old.role == ModelRole::Shadow
            && self.old.serving_model() == self.new.model.as_deref()
    }

    /// Decides a swap, once. `at` is now.
    fn decide(&mut self, at: i64) {
        if self.decided.is_some() || !self.is_swap() {
            return;
        }
        let is_over = self.pairs.rows() >= LAST_PAIR || at.saturating_sub(self.first) >= LAST_DAY;
        let finding = match self.pairs.finding(ALPHA) {
            Finding::Undecided if !is_over => return,
            Finding::NotWorse | Finding::Better if !is_over && self.pairs.rows() < FEWEST_TO_CLEAR => return,
            finding => finding,
        };
        let difference = self.pairs.difference().unwrap_or_default();
        self.decided = Some(Decided { finding, at, rows: self.pairs.rows(), difference });
    }

    fn report(&self, alpha: f64) -> ComparisonReport {
        let Self { pairs, .. } = self;
        let interval = pairs.interval(alpha);
        let (difference, old) = (pairs.difference(), pairs.mae_old());
        let share =
            difference.zip(old).filter(|(_, old)| *old > 0.0).map(|(difference, old)| difference / old);
        ComparisonReport {
            new: self.new.clone(),
            old: self.old.clone(),
            is_swap: self.is_swap(),
            rows: pairs.rows(),
            predicted: pairs.predicted_rows(),
            mae_new: pairs.mae_new(),
            mae_old: old,
            difference,
            share,
            interval,
            finding: self.decided.map_or_else(|| pairs.finding(alpha), |decided| decided.finding),
            decided: self.decided.map(|decided| DecisionReport {
                at: Moment(decided.at),
                rows: decided.rows,
                difference: decided.difference,
            }),
            labels_to_go: self.decided.map_or_else(|| pairs.labels_to_go(alpha), |_| None),
            first: Moment(self.first),
            last: Moment(self.last),
            steps: pairs.steps(),
        }
    }
}

/// All comparisons, and what the next ones need.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Comparisons {
    known: BTreeMap<usize, Identity>,
    predictions: Latest,
    errors: Latest,
    /// Which version predicted last, and how many predictions ago one with another name did.
    last: Option<usize>,
    since_another: usize,
    is_watching: bool,
    kept: Vec<Comparison>,
}

impl Comparisons {
    /// Tells of a version, before anything else of it.
    pub(crate) fn know(&mut self, number: usize, identity: &Identity) {
        self.known.entry(number).or_insert_with(|| identity.clone());
    }

    /// Forgets which ones the others are. Whoever is to be compared again is told of again.
    pub(crate) fn keep(&mut self, is_kept: impl Fn(usize) -> bool) {
        self.known.retain(|number, _| is_kept(*number));
    }

    /// A version has predicted a row.
    pub(crate) fn predicted(&mut self, number: usize, row: &str, value: f64, at: i64) {
        self.look_out(number);
        if !self.is_watching {
            return;
        }
        for other in self.predictions.meet(row, Said { version: number, value }) {
            if let Some((comparison, is_new)) = self.pair(number, other.version, at) {
                let (new, old) = if is_new { (value, other.value) } else { (other.value, value) };
                comparison.predicted(new, old, at);
            }
        }
    }

    /// A row has its label.
    pub(crate) fn scored(&mut self, number: usize, row: &str, y_true: f64, y_pred: f64, at: i64) {
        if !self.is_watching {
            return;
        }
        for other in self.errors.meet(row, Said { version: number, value: y_pred }) {
            if let Some((comparison, is_new)) = self.pair(number, other.version, at) {
                let (new, old) = if is_new { (y_pred, other.value) } else { (other.value, y_pred) };
                comparison.pairs.labelled(y_true, new, old);
                comparison.decide(at);
            }
        }
    }

    /// Time has passed.
    pub(crate) fn look(&mut self, now: i64) {
        self.kept.iter_mut().for_each(|comparison| comparison.decide(now));
    }

    /// Whether a swap to this version was decided to be one for the worse.
    pub(crate) fn is_worse(&self, identity: &Identity) -> bool {
        let is_worse = |of: &Comparison| of.decided.is_some_and(|decided| decided.finding == Finding::Worse);
        self.kept.iter().any(|of| of.new == *identity && is_worse(of))
    }

    /// Begins to remember rows where several models predict, and forgets them where one alone goes on for long.
    fn look_out(&mut self, number: usize) {
        let is_another = self.last.is_some_and(|last| {
            last != number
                && match (self.known.get(&last), self.known.get(&number)) {
                    (Some(last), Some(this)) => !last.is_of_the_same(this),
                    _ => false,
                }
        });
        self.last = Some(number);
        if is_another {
            (self.is_watching, self.since_another) = (true, 0);
        } else if self.is_watching {
            self.since_another += 1;
            if self.since_another > 2 * ROWS {
                (self.predictions, self.errors, self.is_watching) =
                    (Latest::default(), Latest::default(), false);
            }
        }
    }

    /// The comparison of two versions that have a row in common, and whether the first one is the new one. None where there is
    /// nothing to compare.
    fn pair(&mut self, one: usize, other: usize, at: i64) -> Option<(&mut Comparison, bool)> {
        let (identity, rival) = (self.known.get(&one)?, self.known.get(&other)?);
        if !are_compared(identity, rival) {
            return None;
        }
        let is_new = is_newer((identity, one), (rival, other));
        let numbers = if is_new { (one, other) } else { (other, one) };
        let place = match self.kept.iter().position(|comparison| comparison.numbers == numbers) {
            Some(place) => place,
            None => {
                let (new, old) = if is_new { (identity, rival) } else { (rival, identity) };
                let begun = Comparison::new(numbers, new.clone(), old.clone(), at);
                if self.kept.len() >= MOST {
                    let kept = self.kept.iter().enumerate();
                    let idle = kept.min_by_key(|(place, of)| (of.matters(), of.last, *place));
                    idle.map(|(place, _)| place).map(|place| self.kept.remove(place));
                }
                self.kept.push(begun);
                self.kept.len() - 1
            }
        };
        let comparison = self.kept.get_mut(place)?;
        comparison.last = comparison.last.max(at);
        Some((comparison, is_new))
    }

    /// Of the versions that are wanted, those that went on last first. Challengers of the same version share the mistakes that may
    /// be made.
    pub(crate) fn report(&self, wanted: impl Fn(&Identity) -> bool) -> Vec<ComparisonReport> {
        let challenges = |comparison: &Comparison| {
            comparison.new.role == ModelRole::Challenger && comparison.old.role == ModelRole::Serving
        };
        let alpha = |of: &Comparison| {
            let rivals =
                self.kept.iter().filter(|other| challenges(other) && other.numbers.1 == of.numbers.1);
            if challenges(of) { ALPHA / rivals.count().max(1) as f64 } else { ALPHA }
        };
        let mut kept: Vec<&Comparison> =
            self.kept.iter().filter(|of| wanted(&of.new) || wanted(&of.old)).collect();
        kept.sort_by_key(|of| (std::cmp::Reverse(of.last), of.numbers));
        kept.into_iter().map(|comparison| comparison.report(alpha(comparison))).collect()
    }
}

/// Whether two versions that predicted the same row are compared. A shadow is there for the one that took its place alone, and no
/// version is compared with itself, which a row may have met twice where a model was cut off during a swap.
fn are_compared(one: &Identity, other: &Identity) -> bool {
    let is_beside = |shadow: &Identity, serving: &Identity| {
        shadow.role != ModelRole::Shadow
            || (serving.role == ModelRole::Serving
                && serving.serving_model() == shadow.serving_model()
                && serving.version != shadow.version)
    };
    !one.is_of_the_same(other) && is_beside(one, other) && is_beside(other, one)
}

/// Whether the first one is the new one of two: after a swap the one that serves, a challenger beside any other, else the one that
/// was heard of later.
fn is_newer((one, number): (&Identity, usize), (other, rival): (&Identity, usize)) -> bool {
    let rank = |identity: &Identity| match identity.role {
        ModelRole::Challenger => 2,
        ModelRole::Serving => 1,
        ModelRole::Shadow => 0,
    };
    (rank(one), number) > (rank(other), rival)
}

#[cfg(test)]
mod tests;
