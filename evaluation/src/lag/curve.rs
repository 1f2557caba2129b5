//! The share of labels that have come after a time: the estimate of Kaplan and Meier (JASA 53, 1958).

use super::bins::{BINS, bin, bin_range};

/// A predicted row, labelled or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// How long the row has been followed: now minus the prediction's time, at most the horizon after which a row is given up.
    /// In milliseconds.
    pub age: i64,
    /// The label's time minus the prediction's, in milliseconds, where the label has come. A lag above the age is not known yet.
    pub lag: Option<i64>,
}

impl Followed {
    /// The lag, if it is known at this age.
    pub(super) fn known(self) -> Option<i64> {
        self.lag.filter(|lag| *lag <= self.age)
    }
}

/// Where a quantile of the lag is, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quantile {
    /// At this lag.
    At(f64),
    /// The curve does not reach that far: more than this, the oldest age.
    MoreThan(f64),
}

/// How many rows' labels have come after which time, as if no row were waiting any more.
#[derive(Debug, Clone, PartialEq)]
pub struct LagCurve {
    steps: Vec<Step>,
    oldest: f64,
}

/// Between `from` and `to` milliseconds the share rises to this, evenly.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    from: f64,
    to: f64,
    share: f64,
}

impl LagCurve {
    /// The curve of these rows, with each lag as it is.
    #[must_use]
    pub fn exact(rows: &[Followed]) -> Self {
        let mut lags: Vec<i64> = rows.iter().filter_map(|row| row.known()).collect();
        lags.sort_unstable();
        let mut ends: Vec<i64> = rows.iter().map(|row| row.known().unwrap_or(row.age)).collect();
        ends.sort_unstable();
        let mut waiting = 1.0;
        let steps = lags.chunk_by(|a, b| a == b).map(|same| {
            let at_risk = ends.len() - ends.partition_point(|end| *end < same[0]);
            waiting *= 1.0 - same.len() as f64 / at_risk as f64;
            Step { from: same[0] as f64, to: same[0] as f64, share: 1.0 - waiting }
        });
        let steps = steps.collect();
        Self { steps, oldest: rows.iter().map(|row| row.age).max().unwrap_or(0).max(0) as f64 }
    }

    /// The curve of rows that are counted in bins: labels by bin of their lag, and rows without a label by age.
    ///
    /// Such a row counts in the bin of its age for the part of the bin that it has lived through. Against [`LagCurve::exact`], a
    /// quantile is off by less than its bin, which is 26 % wide.
    pub(super) fn binned(labelled: &[u64; BINS], waiting: &[(i64, u64)], oldest: i64) -> Self {
        let mut beyond = labelled.iter().sum::<u64>() + waiting.iter().map(|(_, count)| count).sum::<u64>();
        let mut left = 1.0;
        let mut steps = Vec::new();
        for (at, labels) in labelled.iter().enumerate() {
            let (from, to) = bin_range(at);
            // No lag is above the oldest age.
            let to = to.map_or(oldest, |to| to.min(oldest)).max(from);
            let mut at_risk = *labels as f64;
            beyond = beyond.saturating_sub(*labels);
            for (age, count) in waiting.iter().filter(|(age, _)| bin(*age) == at) {
                beyond = beyond.saturating_sub(*count);
                let lived = (*age - from).max(0) as f64 / (to - from).max(1) as f64;
                at_risk += *count as f64 * lived.min(1.0);
            }
            if *labels > 0 {
                left *= 1.0 - *labels as f64 / (at_risk + beyond as f64);
                steps.push(Step { from: from as f64, to: to as f64, share: 1.0 - left });
            }
        }
        Self { steps, oldest: oldest.max(0) as f64 }
    }

    /// The share of labels that have come within this many milliseconds, from 0 to 1.
    #[must_use]
    pub fn share(&self, lag: f64) -> f64 {
        let next = self.steps.partition_point(|step| step.to <= lag);
        let before = next.checked_sub(1).map_or(0.0, |before| self.steps[before].share);
        match self.steps.get(next) {
            Some(step) if lag > step.from => {
                before + (step.share - before) * (lag - step.from) / (step.to - step.from)
            }
            _ => before,
        }
    }

    /// The lag within which this share of the labels comes.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Quantile {
        // The shares are products; without a margin, nine of ten would not always be 0.9.
        let next = self.steps.partition_point(|step| step.share < share - 1e-12);
        let Some(step) = self.steps.get(next) else {
            return Quantile::MoreThan(self.oldest);
        };
        let before = next.checked_sub(1).map_or(0.0, |before| self.steps[before].share);
        let part = ((share - before) / (step.share - before)).clamp(0.0, 1.0);
        Quantile::At(step.from + (step.to - step.from) * part)
    }

    /// Up to which share the curve goes: the share of labels that come within the oldest age.
    #[must_use]
    pub fn reached(&self) -> f64 {
        self.steps.last().map_or(0.0, |step| step.share)
    }

    /// The age of the oldest row, in milliseconds: the curve says nothing of lags above it.
    #[must_use]
    pub fn oldest(&self) -> f64 {
        self.oldest
    }

    /// The curve's corners for a chart: milliseconds, and the share up to there. Between two it rises evenly.
    pub fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let before = std::iter::once(0.0).chain(self.steps.iter().map(|step| step.share));
        self.steps.iter().zip(before).flat_map(|(step, before)| [(step.from, before), (step.to, step.share)])
    }

    /// Whether a version of this age, in milliseconds, is too young for its scores to be more than those of the quick labels: it
    /// has not lived for as long as nine of ten labels take, or that is not known yet.
    #[must_use]
    pub fn is_provisional(&self, age: i64) -> bool {
        match self.quantile(0.9) {
            Quantile::At(lag) => (age as f64) < lag,
            Quantile::MoreThan(_) => true,
        }
    }
}
