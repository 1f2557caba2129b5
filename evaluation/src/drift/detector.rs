//! The last rows of one feature or of the prediction, looked at again and again.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::reference::Reference;
use super::statistics::Statistics;
use super::thresholds::{Thresholds, tail};
use crate::first_rows::finite;
use crate::histogram::{commonest, commonest_at_most};

/// An alarm ends below this part of its limit.
const ENDS: f64 = 0.8;

/// When an alarm began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// At which row, counted from 1.
    pub row: u64,
    /// At that row's time, in milliseconds.
    pub at: i64,
}

/// Watches one histogram. Serialised with every bit, so that it goes on where it was; about 10 kB of JSON at 500 rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    reference: Reference,
    thresholds: Thresholds,
    window: usize,
    last: VecDeque<f64>,
    /// The last rows by bin.
    counts: Vec<u64>,
    rows: u64,
    moved: Option<Since>,
    stuck: Option<Since>,
}

impl Detector {
    /// With the last `window` rows (50 to 100 000; 500 is a good choice), looked at after every tenth of that many. `histograms`
    /// is how many are watched of the same model: the false alarms of all of them together are bounded; see [`tail`].
    #[must_use]
    pub fn new(reference: Reference, window: usize, histograms: usize) -> Self {
        let window = window.clamp(50, 100_000);
        let bins = reference.counts().len();
        Self {
            thresholds: Thresholds::new(tail(window, histograms), bins),
            reference,
            window,
            last: VecDeque::new(),
            counts: vec![0; bins],
            rows: 0,
            moved: None,
            stuck: None,
        }
    }

    /// Takes a row in, of this time in milliseconds, and says whether it was looked at the window. NaN is left out.
    pub fn add(&mut self, number: f64, at: i64) -> bool {
        if number.is_nan() {
            return false;
        }
        let number = finite(number);
        if self.last.len() >= self.window
            && let Some(old) = self.last.pop_front()
            && let Some(count) = self.counts.get_mut(self.reference.bin(old))
        {
            *count = count.saturating_sub(1);
        }
        self.last.push_back(number);
        if let Some(count) = self.counts.get_mut(self.reference.bin(number)) {
            *count += 1;
        }
        self.rows += 1;
        let looks = self.rows.is_multiple_of((self.window / 10).max(1) as u64);
        looks && self.look(Since { row: self.rows, at })
    }

    fn look(&mut self, now: Since) -> bool {
        let Some(statistics) = self.statistics() else { return false };
        let over =
            |limit: Option<f64>, value: f64, part: f64| limit.is_some_and(|limit| value > limit * part);
        let moved = |part: f64| {
            over(self.thresholds.moved(statistics.bins), statistics.moved(), part)
                || over(self.thresholds.rest(statistics.bins), statistics.rest, part)
        };
        self.moved = if moved(if self.moved.is_some() { ENDS } else { 1.0 }) {
            self.moved.or(Some(now))
        } else {
            None
        };

        if let Some(usual) = self.reference.commonest() {
            let limit = self.thresholds.commonest(usual, statistics.window, statistics.reference);
            let part = if self.stuck.is_some() { ENDS } else { 1.0 };
            let is_over = |share: f64| share - usual > (limit - usual) * part;
            // No number is commoner than its bin, nor than all that share its place: few looks need to sort the window.
            let fullest = self.counts.iter().max().copied().unwrap_or(0) as f64 / statistics.window as f64;
            let is_stuck = is_over(fullest)
                && is_over(commonest_at_most(self.last.iter().copied()))
                && self.commonest().is_some_and(|(_, share)| is_over(share));
            self.stuck = if is_stuck { self.stuck.or(Some(now)) } else { None };
        }
        true
    }

    /// The window against the reference; none until it is full.
    #[must_use]
    pub fn statistics(&self) -> Option<Statistics> {
        (self.last.len() >= self.window).then(|| Statistics::of(&self.counts, self.reference.counts()))?
    }

    /// Since when the window has been spread differently, if it is.
    #[must_use]
    pub fn moved(&self) -> Option<Since> {
        self.moved
    }

    /// Since when one number has been too common, if it is.
    #[must_use]
    pub fn stuck(&self) -> Option<Since> {
        self.stuck
    }

    /// The commonest number of the window, and its share from 0 to 1; none without rows.
    #[must_use]
    pub fn commonest(&self) -> Option<(f64, f64)> {
        commonest(self.last.iter().copied())
    }

    /// The share of the window's numbers that are smaller or larger than all of the reference, from 0 to 1; none without rows.
    #[must_use]
    pub fn out_of_range(&self) -> Option<f64> {
        let out = self.last.iter().filter(|number| self.reference.is_out_of_range(**number)).count();
        (!self.last.is_empty()).then(|| out as f64 / self.last.len() as f64)
    }

    /// The window's rows by bin of the reference, for a chart.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// What it is compared with.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// How many rows it has seen.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }
}
