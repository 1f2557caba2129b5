//! Two versions that predicted the same rows: which of them errs less, with evidence that may be looked at after every label.
//!
//! Of a row that both have predicted, D = |e of the new one| - |e of the old one|, in the order of the labels. Label and lag are
//! the same for both, so neither a world that moves nor labels that come late favour either of them. The mean of D has a bound
//! on each side that holds at every moment at once (a one-sided asymptotic confidence sequence: Waudby-Smith, Arbour, Sinha,
//! Kennedy and Ramdas, Annals of Statistics 52, 2024), in the multiple S of [`one_sided`]:
//!
//! S = max(deviation of D, its long-run deviation, R), with R = √ mean (prediction of the new one - prediction of the old one)².
//!
//! No |error| differs by more than the predictions do, so R bounds the spread of D, and it is known from many rows before the first
//! label. Without it, a version that is a little worse on most rows and much better on a few, and equal in the mean, would soon
//! look worse.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::batches::Batches;
use crate::confidence::{Interval, one_sided, rho2};
use crate::running::Running;
use crate::sum::Sum;

/// With fewer pairs nothing is said of which is better.
pub const FEWEST: u64 = 50;
/// The share of comparisons of two equal versions in which one is ever called worse, and as many in which one is called better.
pub const ALPHA: f64 = 0.05;
/// From so many pairs on a chart shows the bounds.
const SHOWN: u64 = 10;
/// At so many pairs a bound is narrowest, as a multiple of what it could be.
const BEST: f64 = 500.0;
/// A difference below this share of the old version's mean |error| is none that matters.
const SMALL: f64 = 0.05;
/// How many steps of the comparison are kept for a chart.
const STEPS: usize = 200;
/// Further ahead than so many pairs nothing is foretold.
const FAR: u64 = 1 << 20;

/// What pairs say of the new one of two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// It errs less.
    Better,
    /// It errs more.
    Worse,
    /// It errs less than 5 % more than the other one, if at all.
    NotWorse,
    /// Too little is known.
    Undecided,
}

/// The comparison after some of its pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// After how many pairs with a label.
    pub rows: u64,
    /// The mean of |e of the new one| - |e of the old one|, in the label's unit.
    pub difference: f64,
    /// How far its bounds are from it.
    pub half: f64,
}

/// What is known of the pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pairs {
    /// Of the pairs with a label: the sums of both |errors| and of D, and how D spreads.
    new: Sum,
    old: Sum,
    sum: Sum,
    spread: Running,
    batches: Batches,
    /// Pairs with a label or without, and the sum of the squares by which their predictions differ.
    predicted: u64,
    apart: Sum,
    steps: Vec<Step>,
    stride: u64,
}

impl Default for Pairs {
    fn default() -> Self {
        Self {
            new: Sum::default(),
            old: Sum::default(),
            sum: Sum::default(),
            spread: Running::default(),
            batches: Batches::default(),
            predicted: 0,
            apart: Sum::default(),
            steps: Vec::new(),
            stride: 1,
        }
    }
}

impl Pairs {
    /// Both have predicted a row, whether its label is known or not.
    pub fn predicted(&mut self, new: f64, old: f64) {
        self.predicted += 1;
        self.apart.add((new - old).powi(2));
    }

    /// The label of a row has come that both have predicted.
    pub fn labelled(&mut self, y_true: f64, new: f64, old: f64) {
        let (new, old) = ((new - y_true).abs(), (old - y_true).abs());
        let difference = new - old;
        self.new.add(new);
        self.old.add(old);
        self.sum.add(difference);
        self.batches.add(difference);
        self.spread.add(difference);
        self.remember();
    }

    /// Pairs with a label.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.spread.count()
    }

    /// Pairs with a label or without.
    #[must_use]
    pub fn predicted_rows(&self) -> u64 {
        self.predicted
    }

    /// The mean |error| of the new version on the pairs with a label, in the label's unit; None without any.
    #[must_use]
    pub fn mae_new(&self) -> Option<f64> {
        self.mean_of(self.new)
    }

    /// The same of the old version.
    #[must_use]
    pub fn mae_old(&self) -> Option<f64> {
        self.mean_of(self.old)
    }

    /// The mean of D: by how much the new version's mean |error| is larger. None without any pair.
    #[must_use]
    pub fn difference(&self) -> Option<f64> {
        self.mean_of(self.sum)
    }

    fn mean_of(&self, sum: Sum) -> Option<f64> {
        (self.rows() > 0).then(|| sum.total() / self.rows() as f64).filter(|mean| mean.is_finite())
    }

    /// S: the spread of D, never below what the predictions allow; None where it is no number.
    fn spread(&self) -> Option<f64> {
        let sd = self.spread.sd().unwrap_or(0.0);
        let long_run = self.batches.long_run_sd().unwrap_or(0.0);
        let apart =
            if self.predicted > 0 { (self.apart.total() / self.predicted as f64).sqrt() } else { 0.0 };
        Some(sd.max(long_run).max(apart)).filter(|spread| spread.is_finite())
    }

    /// How far the bounds are from the mean; each of them is ever passed by it with a probability of `alpha` at the most.
    fn half(&self, alpha: f64) -> Option<f64> {
        let multiple = one_sided(self.rows() as f64, rho2(BEST, 2.0 * alpha), alpha);
        (self.rows() > 0).then(|| self.spread()).flatten().map(|spread| spread * multiple)
    }

    /// The bounds of the difference, each of which holds at every moment at once with a probability of 1 - `alpha`; None below ten
    /// pairs.
    #[must_use]
    pub fn interval(&self, alpha: f64) -> Option<Interval> {
        let (mean, half) = (self.difference()?, self.half(alpha).filter(|_| self.rows() >= SHOWN)?);
        Interval::closed(mean - half, mean + half)
    }

    /// What is to be said, where each of the two mistakes may be made with a probability of `alpha` over all moments.
    #[must_use]
    pub fn finding(&self, alpha: f64) -> Finding {
        let known = self.interval(alpha).filter(|_| self.rows() >= FEWEST).zip(self.mae_old());
        let Some((interval, old)) = known else { return Finding::Undecided };
        let (low, high) = interval.ends();
        if low > 0.0 {
            Finding::Worse
        } else if high < 0.0 {
            Finding::Better
        } else if high < SMALL * old {
            Finding::NotWorse
        } else {
            Finding::Undecided
        }
    }

    /// How many more labels it takes until something can be said, if difference and spread stay as they are: that one is better,
    /// or that they hardly differ. None where something is said, or where it would take more than a million.
    #[must_use]
    pub fn labels_to_go(&self, alpha: f64) -> Option<u64> {
        if self.finding(alpha) != Finding::Undecided {
            return None;
        }
        let (mean, spread, old) = (self.difference()?, self.spread()?, self.mae_old()?);
        let rho2 = rho2(BEST, 2.0 * alpha);
        let is_enough = |rows: u64| {
            let half = spread * one_sided(rows as f64, rho2, alpha);
            rows >= FEWEST && (mean.abs() > half || mean + half < SMALL * old)
        };
        if !is_enough(FAR) {
            return None;
        }
        // The bounds come closer with each pair, so there is one place from which on it is enough.
        let (mut too_few, mut enough) = (self.rows(), FAR);
        while enough - too_few > 1 {
            let middle = too_few.midpoint(enough);
            if is_enough(middle) { enough = middle } else { too_few = middle }
        }
        Some(enough.saturating_sub(self.rows()).max(1))
    }

    /// The comparison pair by pair, in as many steps as a chart can show; the last one is of all pairs.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let last = self.step().filter(|now| self.steps.last().is_none_or(|last| last.rows < now.rows));
        self.steps.iter().copied().chain(last).collect()
    }

    fn step(&self) -> Option<Step> {
        let (difference, half) = (self.difference()?, self.half(ALPHA).filter(|_| self.rows() >= SHOWN)?);
        (difference.is_finite() && half.is_finite()).then_some(Step { rows: self.rows(), difference, half })
    }

    fn remember(&mut self) {
        if !self.rows().is_multiple_of(self.stride.max(1)) {
            return;
        }
        self.steps.extend(self.step());
        if self.steps.len() > STEPS {
            self.stride = self.stride.max(1).saturating_mul(2);
            let stride = self.stride;
            self.steps.retain(|step| step.rows.is_multiple_of(stride));
        }
    }
}

#[cfg(test)]
mod tests;
