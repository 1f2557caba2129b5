//! Scores over the time of prediction: panes of equal length, and the window of the latest ones.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::confidence::{FEWEST, of_positive, of_r2, of_root, of_signed};
use crate::distribution::student;
use crate::moments::{Influence, Moments};
use crate::sketch::Sketch;
use crate::table::{Dominated, Intervals, ScoreTable};

/// A window is so many panes.
pub const IN_A_WINDOW: i64 = 48;
/// So many neighbours are one group when it is asked how much groups differ: rows may be alike for longer than a pane.
const IN_A_GROUP: i64 = 3;
/// Fewer groups with labels say nothing of how groups differ.
const FEWEST_GROUPS: usize = 8;

/// What was predicted in a pane's time, whenever its labels came.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pane {
    /// How many rows were predicted.
    pub predicted: u64,
    /// How many of them no label came in time for.
    pub expired: u64,
    /// Sums of those that have a label; their number is that of labelled rows.
    pub moments: Moments,
    /// Their |e|.
    pub sketch: Sketch,
}

impl Pane {
    /// Takes in a labelled row, its label and its prediction.
    pub(crate) fn labelled(
        &mut self,
        (y_true, y_pred): (f64, f64),
        constant: Option<f64>,
        persistence: Option<f64>,
    ) {
        self.moments.add(y_true, y_pred, constant, persistence);
        self.sketch.add(y_pred - y_true);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.predicted = self.predicted.saturating_add(other.predicted);
        self.expired = self.expired.saturating_add(other.expired);
        self.moments.merge(&other.moments);
        self.sketch.merge(&other.sketch);
    }
}

/// Panes, each a forty-eighth of a window long and aligned to the epoch. Times are milliseconds since the epoch.
///
/// Windows are merged from whole panes and nothing is subtracted, so a window is as long as it says to within one pane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Panes {
    length: i64,
    /// By the number of the pane: its beginning divided by its length.
    panes: BTreeMap<i64, Pane>,
    latest: Option<i64>,
}

impl Panes {
    /// For windows of `span` milliseconds. Panes that are in no window any more are closed and dropped.
    #[must_use]
    pub fn new(span: i64) -> Self {
        Self { length: (span / IN_A_WINDOW).max(1), panes: BTreeMap::new(), latest: None }
    }

    /// Notes a prediction that was made at this time. False where the pane is closed already, and nothing is noted.
    pub fn predicted(&mut self, at: i64) -> bool {
        self.note(at, |pane| pane.predicted += 1)
    }

    /// Notes that no label came in time for a prediction of this time.
    pub fn expired(&mut self, at: i64) -> bool {
        self.note(at, |pane| pane.expired += 1)
    }

    /// Takes a labelled row into the pane of its prediction: see [`Moments::add`].
    pub fn labelled(
        &mut self,
        at: i64,
        numbers: (f64, f64),
        constant: Option<f64>,
        persistence: Option<f64>,
    ) -> bool {
        self.note(at, |pane| pane.labelled(numbers, constant, persistence))
    }

    fn note(&mut self, at: i64, what: impl FnOnce(&mut Pane)) -> bool {
        let number = at.div_euclid(self.length.max(1));
        let latest = self.latest.map_or(number, |latest| latest.max(number));
        // One more than a window has: it may end a little before the latest.
        let oldest = latest.saturating_sub(IN_A_WINDOW);
        if number < oldest {
            return false;
        }
        if self.latest != Some(latest) {
            self.latest = Some(latest);
            self.panes = self.panes.split_off(&oldest);
        }
        what(self.panes.entry(number).or_default());
        true
    }

    /// How long a pane is, in milliseconds.
    #[must_use]
    pub fn length(&self) -> i64 {
        self.length
    }

    /// The panes that have something, oldest first, each with when it begins.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, &Pane)> {
        self.panes.iter().map(|(number, pane)| (number.saturating_mul(self.length), pane))
    }

    /// What was predicted in the pane of `now` and the 47 before it.
    #[must_use]
    pub fn window(&self, now: i64) -> Window {
        let last = now.div_euclid(self.length.max(1));
        let first = last.saturating_sub(IN_A_WINDOW - 1);
        let group = |number: i64| number.saturating_sub(first) / IN_A_GROUP;
        let panes: Vec<(i64, Pane)> =
            self.panes.range(first..=last).map(|(number, pane)| (group(*number), pane.clone())).collect();
        let mut all = Pane::default();
        panes.iter().for_each(|(_, pane)| all.merge(pane));
        Window { from: first.saturating_mul(self.length), until: now, all, panes }
    }
}

/// The panes of a window, and all of them as one.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// When its first pane begins, in milliseconds since the epoch.
    pub from: i64,
    /// The moment for which it was asked.
    pub until: i64,
    /// All panes merged.
    pub all: Pane,
    /// Each with the number of its group.
    panes: Vec<(i64, Pane)>,
}

impl Window {
    /// All scores of the rows that have a label by now. Quantiles are those of a sketch. Intervals (from 30 rows on) hold for a window
    /// that was chosen without looking; they are by Student's t, of the rows or of groups of three panes, whichever is wider.
    #[must_use]
    pub fn scores(&self) -> ScoreTable {
        let Pane { moments, sketch, .. } = &self.all;
        let share = |power: i32| sketch.share_of_largest(|error| error.powi(power));
        let dominated = Dominated::by(share(1), share(2));
        ScoreTable::of(moments, self.intervals().unwrap_or_default(), dominated).with_sketch(sketch)
    }

    fn intervals(&self) -> Option<Intervals> {
        let moments = &self.all.moments;
        let n = moments.count();
        if n < FEWEST {
            return None;
        }
        let (t, root) = (student(n - 1)?, (n as f64).sqrt());
        let half = |sd: Option<f64>, mean: Option<f64>, of: &dyn Fn(&Moments) -> Option<f64>| {
            let plain = sd? * t / root;
            Some(self.half_by_groups(mean?, of).map_or(plain, |half| plain.max(half)))
        };
        let absolute = half(moments.absolute_sd(), moments.mae(), &Moments::mae);
        let squared = half(moments.squared_sd(), moments.mse(), &Moments::mse);
        let signed = half(moments.signed_sd(), moments.bias(), &Moments::bias);
        let influence = |influence: Influence| {
            half(moments.r2_sd(), Some(0.0), &|pane: &Moments| {
                Some(pane.mean_influence(moments.origin(), influence))
            })
        };
        let r2 = moments.influence().and_then(influence);
        Some(Intervals {
            mae: moments.mae().zip(absolute).and_then(|(mean, half)| of_positive(mean, half)),
            rmse: moments.mse().zip(squared).and_then(|(mean, half)| of_root(mean, half)),
            bias: moments.bias().zip(signed).and_then(|(mean, half)| of_signed(mean, half)),
            r2: moments.r2().zip(r2).and_then(|(r2, half)| of_r2(r2, half)),
        })
    }

    /// Half the width of a mean's interval where neighbours may be alike: the variance of a ratio whose parts are sums over groups
    /// (Cochran, Sampling Techniques, section 9A). None below eight groups with labels.
    fn half_by_groups(&self, mean: f64, of: &dyn Fn(&Moments) -> Option<f64>) -> Option<f64> {
        let mut excesses = BTreeMap::<i64, f64>::new();
        for (group, Pane { moments, .. }) in &self.panes {
            if moments.count() > 0 {
                *excesses.entry(*group).or_default() += moments.count() as f64 * (of(moments)? - mean);
            }
        }
        if excesses.len() < FEWEST_GROUPS {
            return None;
        }
        let groups = excesses.len() as f64;
        let squares: f64 = excesses.values().map(|excess| excess * excess).sum();
        let error = (groups / (groups - 1.0) * squares).sqrt() / self.all.moments.count() as f64;
        Some(error * student(excesses.len() as u64 - 1)?).filter(|half| half.is_finite())
    }
}

#[cfg(test)]
mod tests;
