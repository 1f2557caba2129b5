//! Quantiles of many errors in bounded memory, each within 1 % of the error at its rank.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bits;

/// The relative error of a quantile.
pub const ACCURACY: f64 = 0.01;
const GAMMA: f64 = (1.0 + ACCURACY) / (1.0 - ACCURACY);
/// Its natural logarithm, which takes as long as that of an error.
const LN_GAMMA: f64 = 0.020_000_666_706_669_525;

/// So many buckets at most: those of errors that differ by a factor of 10^17.
const MOST: usize = 2048;

/// Counts of errors by their logarithm: DDSketch (Masson, Rim and Lee, Proceedings of the VLDB Endowment 12, 2019).
///
/// It does not depend on order, and merging gives what all errors together would have given. Where there are too many buckets, the
/// lowest become one, so that the accuracy of low quantiles is lost and not that of high ones. The logarithm may differ in its last
/// bit from one platform to the next, and so may the bucket of an error at its limit: compare quantiles, not buckets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "Stored", from = "Stored")]
pub struct Sketch {
    count: u64,
    zeros: u64,
    buckets: BTreeMap<i32, u64>,
    max: f64,
}

/// The numbers of zeros, then of each bucket its distance from the one below and its count.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(with = "bits")]
    max: f64,
    zeros: u64,
    buckets: Vec<(i32, u64)>,
}

impl From<Sketch> for Stored {
    fn from(sketch: Sketch) -> Self {
        let mut last = 0_i32;
        let step = |(index, count): (i32, u64)| {
            let distance = index.wrapping_sub(last);
            last = index;
            (distance, count)
        };
        Self { max: sketch.max, zeros: sketch.zeros, buckets: sketch.buckets.into_iter().map(step).collect() }
    }
}

impl From<Stored> for Sketch {
    fn from(Stored { max, zeros, buckets }: Stored) -> Self {
        let mut sketch = Self { count: zeros, zeros, max, buckets: BTreeMap::new() };
        let mut index = 0_i32;
        for (distance, count) in buckets {
            index = index.wrapping_add(distance);
            sketch.put(index, count);
        }
        sketch
    }
}

impl Sketch {
    /// Takes in an error. Its sign does not count, and what is no number is infinite.
    pub fn add(&mut self, error: f64) {
        let error = if error.is_nan() { f64::INFINITY } else { error.abs() };
        self.max = self.max.max(error);
        if error == 0.0 {
            self.count += 1;
            self.zeros += 1;
        } else {
            self.put(index_of(error), 1);
        }
    }

    /// Takes in what another sketch has.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.zeros;
        self.zeros += other.zeros;
        self.max = self.max.max(other.max);
        other.buckets.iter().for_each(|(index, count)| self.put(*index, *count));
    }

    /// Puts errors into a bucket, and makes room where there are too many.
    fn put(&mut self, index: i32, count: u64) {
        self.count = self.count.saturating_add(count);
        let entry = self.buckets.entry(index).or_default();
        *entry = entry.saturating_add(count);
        if self.buckets.len() > MOST
            && let Some((_, lowest)) = self.buckets.pop_first()
            && let Some(mut next) = self.buckets.first_entry()
        {
            *next.get_mut() = next.get().saturating_add(lowest);
        }
    }

    /// How many errors.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The largest error itself; None where there is none.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }

    /// The error at rank q(n - 1), rounded down, to within 1 %. None where there is none, or `q` is outside 0 to 1.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank is at most the count"
    )]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = (q * self.count.checked_sub(1)? as f64) as u64;
        let mut below = self.zeros;
        if rank < below {
            return Some(0.0);
        }
        for (index, count) in &self.buckets {
            below = below.saturating_add(*count);
            if rank < below {
                return Some(self.value_of(*index));
            }
        }
        Some(self.max)
    }

    /// Which share of the sum of `weight` over all errors is that of the largest hundredth of them, to within a few percent of
    /// itself. A part of an error counts in part. None where there is no such share.
    #[must_use]
    pub fn share_of_largest(&self, weight: impl Fn(f64) -> f64) -> Option<f64> {
        let mut wanted = self.count as f64 / 100.0;
        let (mut largest, mut all) = (0.0, 0.0);
        for (index, count) in self.buckets.iter().rev() {
            let (each, count) = (weight(self.value_of(*index)), *count as f64);
            largest += each * count.min(wanted);
            wanted -= count.min(wanted);
            all += each * count;
        }
        Some(largest / all).filter(|share| share.is_finite())
    }

    /// The middle of a bucket, which is within 1 % of all that it has; never above what was seen.
    fn value_of(&self, index: i32) -> f64 {
        if index == i32::MAX {
            return f64::INFINITY;
        }
        (2.0 / (GAMMA + 1.0) * (f64::from(index) * LN_GAMMA).exp()).min(f64::MAX).min(self.max)
    }
}

/// The bucket of an error above 0; that of an infinite one is the last there is.
#[expect(clippy::cast_possible_truncation, reason = "saturates where the error is infinite")]
fn index_of(error: f64) -> i32 {
    (error.ln() / LN_GAMMA).ceil() as i32
}

#[cfg(test)]
mod tests;
