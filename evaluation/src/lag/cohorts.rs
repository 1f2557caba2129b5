//! Lags in bounded memory: rows in cohorts by their prediction's time, labels in bins by their lag.

use serde::{Deserialize, Serialize};

use super::bins::{BINS, bin};
use super::curve::LagCurve;
use super::weight::Weighted;
use crate::sum::Sum;

/// How many cohorts there are at the most.
const COHORTS: usize = 96;

/// How many rows there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub predicted: u64,
    /// Those whose label has come.
    pub labelled: u64,
    /// Those given up.
    pub expired: u64,
    /// The rest.
    pub waiting: u64,
}

/// Rows that were predicted at about the same time. Order does not matter, but for the last bits of the sums of errors.
///
/// Against lists of rows it loses where in its bin a lag is, and where between the cohort's first and last row a waiting one is:
/// the mean of both is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cohort {
    predicted: u64,
    expired: u64,
    /// The first and the last prediction's time.
    span: Option<(i64, i64)>,
    /// The sum of the waiting rows' times of prediction.
    waiting: i128,
    /// The labels, by ascending bin.
    cells: Vec<Cell>,
}

/// The labels of one bin of lags.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Cell {
    bin: u8,
    labels: u64,
    lags: u64,
    losses: Sum,
}

impl Cohort {
    /// A row was predicted.
    pub fn predicted(&mut self, at: i64) {
        self.predicted += 1;
        self.waiting = self.waiting.saturating_add(i128::from(at));
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
    }

    /// A row that was predicted at `at` has its label: `lag` later, with this absolute error.
    pub fn labelled(&mut self, at: i64, lag: i64, loss: f64) {
        self.waiting = self.waiting.saturating_sub(i128::from(at));
        let cell = self.cell(u8::try_from(bin(lag)).unwrap_or(u8::MAX));
        cell.labels += 1;
        cell.lags = cell.lags.saturating_add(lag.max(0).unsigned_abs());
        cell.losses.add(loss);
    }

    /// A row that was predicted at `at` is given up.
    pub fn expired(&mut self, at: i64) {
        self.expired += 1;
        self.waiting = self.waiting.saturating_sub(i128::from(at));
    }

    /// Takes in another cohort's rows.
    pub fn merge(&mut self, other: &Self) {
        self.predicted += other.predicted;
        self.expired += other.expired;
        self.waiting = self.waiting.saturating_add(other.waiting);
        self.span = match (self.span, other.span) {
            (Some(ours), Some(theirs)) => Some((ours.0.min(theirs.0), ours.1.max(theirs.1))),
            (ours, theirs) => ours.or(theirs),
        };
        for theirs in &other.cells {
            let ours = self.cell(theirs.bin);
            ours.labels += theirs.labels;
            ours.lags = ours.lags.saturating_add(theirs.lags);
            ours.losses.merge(theirs.losses);
        }
    }

    fn cell(&mut self, bin: u8) -> &mut Cell {
        let at = self.cells.partition_point(|cell| cell.bin < bin);
        if self.cells.get(at).is_none_or(|cell| cell.bin != bin) {
            self.cells.insert(at, Cell { bin, labels: 0, lags: 0, losses: Sum::default() });
        }
        &mut self.cells[at]
    }

    /// How many rows there are of each kind.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let labelled = self.cells.iter().map(|cell| cell.labels).sum();
        let waiting = self.predicted.saturating_sub(labelled).saturating_sub(self.expired);
        Counts { predicted: self.predicted, labelled, expired: self.expired, waiting }
    }

    /// How many rows are at least this old, as if they lay evenly between the first and the last one.
    fn at_least(&self, now: i64, age: i64) -> f64 {
        let Some((first, last)) = self.span else { return 0.0 };
        let latest = now.saturating_sub(age);
        if latest < first {
            return 0.0;
        }
        let span = i128::from(last) - i128::from(first);
        let part =
            if latest < last { (i128::from(latest) - i128::from(first)) as f64 / span as f64 } else { 1.0 };
        // The first one is.
        (self.predicted as f64 * part).max(1.0)
    }

    /// The share of labels over the lag, of the rows of some cohorts, by bins of lags. Waiting rows count as such up to their
    /// age, at the most the horizon, and expired ones up to the horizon, after which rows are given up.
    #[must_use]
    pub fn curve<'a>(cohorts: impl IntoIterator<Item = &'a Self>, now: i64, horizon: i64) -> LagCurve {
        let mut labelled = [0; BINS];
        let mut waiting = Vec::new();
        let mut oldest = 0;
        for cohort in cohorts {
            for cell in &cohort.cells {
                if let Some(labels) = labelled.get_mut(usize::from(cell.bin)) {
                    *labels += cell.labels;
                }
            }
            let Some((first, last)) = cohort.span else { continue };
            oldest = oldest.max(now.saturating_sub(first).min(horizon));
            let counts = cohort.counts();
            let mean = cohort.waiting.checked_div(i128::from(counts.waiting)).unwrap_or_default();
            let mean = i64::try_from(mean).unwrap_or(first).clamp(first, last);
            // At both ends, with the same mean: some are as old as the oldest label's row, and at risk with it.
            let (before, span) = (i128::from(last) - i128::from(mean), i128::from(last) - i128::from(first));
            let old = i128::from(counts.waiting) * before / span.max(1);
            let old = u64::try_from(old).unwrap_or(0).max(u64::from(counts.waiting > 0)).min(counts.waiting);
            waiting.push((now.saturating_sub(first).min(horizon), old));
            waiting.push((now.saturating_sub(last).min(horizon), counts.waiting - old));
            waiting.push((horizon, counts.expired));
        }
        waiting.retain(|(_, count)| *count > 0);
        LagCurve::binned(&labelled, &waiting, oldest)
    }

    /// The weighted mean absolute error of the rows of some cohorts; see [`Weighted::exact`]. The labels of a bin have the weight
    /// of their mean lag. That evens out the largest weights, those of lags about as long as the oldest age: for a version younger
    /// than its mean lag, the mean comes out up to 2 % lower, and the effective rows up to 40 % more, than they are.
    #[must_use]
    pub fn weighted<'a>(cohorts: impl IntoIterator<Item = &'a Self>, now: i64) -> Option<Weighted> {
        let cohorts: Vec<&Self> = cohorts.into_iter().collect();
        let mut all = Self::default();
        cohorts.iter().for_each(|cohort| all.merge(cohort));
        // All that have a lag are at least as old.
        let mut slower = all.counts().labelled;
        let groups = all.cells.iter().map(|cell| {
            let lag = i64::try_from(cell.lags.checked_div(cell.labels).unwrap_or(0)).unwrap_or(i64::MAX);
            let old_enough: f64 = cohorts.iter().map(|cohort| cohort.at_least(now, lag)).sum();
            let share = old_enough.max(slower as f64) / all.predicted as f64;
            slower = slower.saturating_sub(cell.labels);
            (cell.labels as f64, cell.losses.total(), share)
        });
        Weighted::of(groups)
    }
}

/// All rows of a version, in at most 96 cohorts of equal width: it begins at 1 s and doubles whenever there would be more.
///
/// So a version that is predicted evenly has 48 to 96 of them, and in the risk set of each lag at most the waiting rows of one
/// cohort, the one that is as old, are on the wrong side. Which cohorts are merged depends on the times of prediction alone.
/// Serialised with every bit, so that they go on where they were. About 300 kB of memory, if every cohort has labels in every bin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cohorts {
    width: i64,
    /// By ascending time of prediction, in widths.
    cohorts: Vec<(i64, Cohort)>,
}

impl Default for Cohorts {
    fn default() -> Self {
        Self { width: 1000, cohorts: Vec::new() }
    }
}

impl Cohorts {
    /// A row was predicted.
    pub fn predicted(&mut self, at: i64) {
        self.change(at, |cohort| cohort.predicted(at));
    }

    /// A row that was predicted at `at` has its label: `lag` later, with this absolute error.
    pub fn labelled(&mut self, at: i64, lag: i64, loss: f64) {
        self.change(at, |cohort| cohort.labelled(at, lag, loss));
    }

    /// A row that was predicted at `at` is given up.
    pub fn expired(&mut self, at: i64) {
        self.change(at, |cohort| cohort.expired(at));
    }

    fn change(&mut self, at: i64, change: impl FnOnce(&mut Cohort)) {
        let key = at.div_euclid(self.width.max(1));
        let index = self.cohorts.partition_point(|(other, _)| *other < key);
        match self.cohorts.get_mut(index) {
            Some((other, cohort)) if *other == key => change(cohort),
            _ => {
                let mut cohort = Cohort::default();
                change(&mut cohort);
                self.cohorts.insert(index, (key, cohort));
                while self.cohorts.len() > COHORTS {
                    self.widen();
                }
            }
        }
    }

    fn widen(&mut self) {
        self.width = self.width.saturating_mul(2);
        let narrow = std::mem::take(&mut self.cohorts);
        for (key, cohort) in narrow {
            let key = key.div_euclid(2);
            match self.cohorts.last_mut() {
                Some((last, wide)) if *last == key => wide.merge(&cohort),
                _ => self.cohorts.push((key, cohort)),
            }
        }
    }

    /// The cohorts, by ascending time of prediction.
    pub fn iter(&self) -> impl Iterator<Item = &Cohort> + Clone {
        self.cohorts.iter().map(|(_, cohort)| cohort)
    }

    /// How wide a cohort is, in milliseconds.
    #[must_use]
    pub fn width(&self) -> i64 {
        self.width
    }

    /// How many rows there are of each kind.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.of_at_least(i64::MAX, i64::MIN)
    }

    /// The same of those rows whose whole cohort is at least this old.
    #[must_use]
    pub fn of_at_least(&self, now: i64, age: i64) -> Counts {
        let latest = now.saturating_sub(age);
        let old = self.iter().filter(|cohort| cohort.span.is_none_or(|(_, last)| last <= latest));
        old.map(Cohort::counts).fold(Counts::default(), |sum, counts| Counts {
            predicted: sum.predicted + counts.predicted,
            labelled: sum.labelled + counts.labelled,
            expired: sum.expired + counts.expired,
            waiting: sum.waiting + counts.waiting,
        })
    }

    /// The share of labels over the lag; see [`Cohort::curve`].
    #[must_use]
    pub fn curve(&self, now: i64, horizon: i64) -> LagCurve {
        Cohort::curve(self.iter(), now, horizon)
    }

    /// The weighted mean absolute error; see [`Cohort::weighted`].
    #[must_use]
    pub fn weighted(&self, now: i64) -> Option<Weighted> {
        Cohort::weighted(self.iter(), now)
    }
}
