//! Two versions that predicted different rows, one after the other: advice, and never a reason to act. No window is fair to a world that
//! moves; rows that both have predicted say more, and sooner ([`crate::pairs`]).
//!
//! Of both count only rows that are as old as nine tenths of the lags, and whose label came within that time: where quick labels have
//! the larger errors, a young version looks worse than it is until slow ones have come.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::Serialize;

use crate::batches::Batches;
use crate::confidence::{larger, one_sided, rho2};
use crate::pairs::Finding;
use crate::running::Running;

/// Of the old version so many of the last rows count at the most,
const MOST: usize = 10_000;
/// and with fewer nothing is said.
pub const FEWEST_OLD: usize = 2000;
/// With fewer rows of the new version nothing is said.
pub const FEWEST_NEW: u64 = 50;
/// At so many rows the new version's bound is narrowest, as a multiple of what it could be.
const BEST: f64 = 500.0;
/// The share of wrong judgements that each side of the comparison may bring about.
const ALPHA: f64 = 0.025;
/// Its quantile of the normal distribution, for the old version's rows, which are looked at once.
const NORMAL: f64 = 1.959_964;

/// What is found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Advice {
    /// Rows of the new version that count.
    pub rows_new: u64,
    /// Rows of the old version that count.
    pub rows_old: u64,
    /// Mean |error| of the new version, in the label's unit.
    pub mae_new: Option<f64>,
    /// Mean |error| of the old version.
    pub mae_old: Option<f64>,
    /// Labels count that came within this time, in milliseconds, and rows that are as old.
    pub maturity: i64,
    /// What that says of the new one, as advice.
    pub finding: Finding,
}

/// Takes in the labelled rows of both versions, each in the order of their labels.
#[derive(Debug, Clone)]
pub struct BeforeAfter {
    maturity: i64,
    now: i64,
    old: VecDeque<f64>,
    new: Running,
    batches: Batches,
}

impl BeforeAfter {
    /// `maturity` is the time within which nine tenths of the old version's labels come; both are in milliseconds.
    #[must_use]
    pub fn new(maturity: i64, now: i64) -> Self {
        let (old, new, batches) = (VecDeque::new(), Running::default(), Batches::default());
        Self { maturity, now, old, new, batches }
    }

    fn counts(&self, predicted_at: i64, labelled_at: i64) -> bool {
        labelled_at.saturating_sub(predicted_at) <= self.maturity
            && self.now.saturating_sub(predicted_at) >= self.maturity
    }

    /// A row of the old version, with the size of its error.
    pub fn old_row(&mut self, predicted_at: i64, labelled_at: i64, error: f64) {
        if self.counts(predicted_at, labelled_at) {
            if self.old.len() >= MOST {
                self.old.pop_front();
            }
            self.old.push_back(error);
        }
    }

    /// A row of the new version, with the size of its error.
    pub fn new_row(&mut self, predicted_at: i64, labelled_at: i64, error: f64) {
        if self.counts(predicted_at, labelled_at) {
            self.new.add(error);
            self.batches.add(error);
        }
    }

    /// What they say.
    #[must_use]
    pub fn advice(&self) -> Advice {
        let old = self.old.len() as f64;
        let mae_old = (old > 0.0).then(|| self.old.iter().sum::<f64>() / old);
        Advice {
            rows_new: self.new.count(),
            rows_old: self.old.len() as u64,
            mae_new: self.new.mean(),
            mae_old,
            maturity: self.maturity,
            finding: mae_old.map_or(Finding::Undecided, |mean| self.finding(mean)),
        }
    }

    fn finding(&self, mae_old: f64) -> Finding {
        let (Some(mean), Some(sd)) = (self.new.mean(), self.new.sd()) else { return Finding::Undecided };
        if self.old.len() < FEWEST_OLD || self.new.count() < FEWEST_NEW {
            return Finding::Undecided;
        }
        let old = self.old.len() as f64;
        let squares: f64 = self.old.iter().map(|error| (error - mae_old).powi(2)).sum();
        let half_old = NORMAL * (squares / (old - 1.0) / old).sqrt();
        let half =
            larger(sd, &self.batches) * one_sided(self.new.count() as f64, rho2(BEST, 2.0 * ALPHA), ALPHA);
        if mean - half > mae_old + half_old {
            Finding::Worse
        } else if mean + half < mae_old - half_old {
            Finding::Better
        } else {
            Finding::Undecided
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;
    use crate::noise::normal;

    /// The old version's errors are those of a normal distribution, the new one's so many times as large; lags are exponential.
    fn of(rows: [usize; 2], larger: f64, slow_are_small: bool, seed: u64) -> Advice {
        let mut random = StdRng::seed_from_u64(seed);
        // An hour of rows a second; nine tenths of the labels come within 23 minutes.
        let (start, lag, maturity) = (10_000_000_i64, 600_000.0, 1_381_551);
        let mut all = BeforeAfter::new(maturity, start + rows[1] as i64 * 1000);
        for (at, scale, first) in [(0, 1.0, start - rows[0] as i64 * 1000), (1, larger, start)] {
            let mut labelled: Vec<(i64, i64, f64)> = (0..rows[at])
                .map(|row| {
                    let predicted_at = first + row as i64 * 1000;
                    let share: f64 = random.random();
                    let late = -(1.0 - share).ln() * lag;
                    // Quick labels with the large errors: what is known first looks bad.
                    let size = if slow_are_small { 1.5 - share } else { 1.0 };
                    #[expect(clippy::cast_possible_truncation, reason = "a few hours at the most")]
                    let labelled_at = predicted_at + late as i64;
                    (predicted_at, labelled_at, (scale * size * normal(&mut random)).abs())
                })
                .collect();
            labelled.sort_by_key(|(_, labelled_at, _)| *labelled_at);
            for (predicted_at, labelled_at, error) in labelled {
                let is_known = labelled_at <= start + rows[1] as i64 * 1000;
                match at {
                    0 if is_known => all.old_row(predicted_at, labelled_at, error),
                    1 if is_known => all.new_row(predicted_at, labelled_at, error),
                    _ => {}
                }
            }
        }
        all.advice()
    }

    #[test]
    fn a_version_that_is_worse_is_called_so_and_an_equal_one_is_not() {
        for seed in 0..20 {
            assert_eq!(of([4000, 4000], 1.25, false, seed).finding, Finding::Worse, "{seed}");
            assert_eq!(of([4000, 4000], 1.0, false, seed).finding, Finding::Undecided, "{seed}");
            assert_eq!(of([4000, 4000], 0.75, false, seed).finding, Finding::Better, "{seed}");
            // Where quick labels have the large errors, rows of the same maturity alone are fair.
            assert_eq!(of([4000, 2500], 1.0, true, seed).finding, Finding::Undecided, "{seed}");
        }
    }

    #[test]
    fn too_few_rows_say_nothing() {
        let few = of([1500, 4000], 3.0, false, 1);
        assert_eq!((few.finding, few.rows_old < FEWEST_OLD as u64), (Finding::Undecided, true));
        // All of the new one are too young.
        let young = of([4000, 1000], 3.0, false, 1);
        assert_eq!((young.finding, young.rows_new, young.mae_new), (Finding::Undecided, 0, None));
    }
}
