//! The long-run deviation of numbers that depend on those before them, from means of batches that double.

use serde::{Deserialize, Serialize};

use crate::bits;
use crate::sum::Sum;

/// So many complete batches at most, which is 512 bytes.
const MOST: usize = 64;

/// Means of batches of equal size. When one more than 64 begins, neighbours are averaged in pairs and the size doubles.
///
/// Order matters: numbers come in the order in which they may depend on each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batches {
    size: u64,
    #[serde(with = "bits::list")]
    means: Vec<f64>,
    sum: Sum,
    filled: u64,
}

impl Default for Batches {
    fn default() -> Self {
        Self { size: 1, means: Vec::new(), sum: Sum::default(), filled: 0 }
    }
}

impl Batches {
    /// Takes in the next number.
    pub fn add(&mut self, x: f64) {
        if self.means.len() >= MOST {
            self.means = self.means.chunks_exact(2).map(|two| two[0].midpoint(two[1])).collect();
            self.size = self.size.saturating_mul(2);
        }
        self.sum.add(x);
        self.filled += 1;
        if self.filled >= self.size {
            self.means.push(self.sum.total() / self.size as f64);
            (self.sum, self.filled) = (Sum::default(), 0);
        }
    }

    /// Means of the complete batches, oldest first.
    #[must_use]
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// How many numbers each of the complete batches has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The deviation s for which s/√n is the standard error of the mean of n numbers, whatever their order has to do with their
    /// value (batch means: Schmeiser, Operations Research 30, 1982). In the unit of the numbers; None before two batches are complete.
    #[must_use]
    pub fn long_run_sd(&self) -> Option<f64> {
        long_run_sd(self.size, self.means.iter().copied())
    }
}

/// The same from means of batches of `size` numbers.
pub(crate) fn long_run_sd(size: u64, means: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let count = means.clone().count();
    if count < 2 {
        return None;
    }
    let mean = means.clone().sum::<f64>() / count as f64;
    let squares: f64 = means.map(|one| (one - mean).powi(2)).sum();
    Some((size as f64 * squares / (count - 1) as f64).sqrt()).filter(|sd| sd.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn batches_double() {
        for (rows, size, complete, expected) in
            [(64, 1, 64, 1.067_623_04), (65, 2, 32, 1.295_103_60), (100, 2, 50, 1.313_217_73)]
        {
            let mut batches = Batches::default();
            sample::rows().take(rows).for_each(|(y_true, y_pred)| batches.add((y_pred - y_true).abs()));
            assert_eq!((batches.size(), batches.means().len()), (size, complete), "{rows}");
            let sd = batches.long_run_sd().unwrap();
            assert!((sd - expected).abs() < 5e-9, "{rows}: {sd}");
        }
    }

    #[test]
    fn rows_that_repeat_their_neighbours_say_less_than_they_are() {
        // Each number comes eight times: the mean of n numbers is that of n / 8, so the deviation is √8 times as large.
        let mut batches = Batches::default();
        let (mut x, mut numbers) = (1_u32, Vec::new());
        for _ in 0..2048 {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            numbers.extend([f64::from(x >> 8); 8]);
        }
        numbers.iter().for_each(|number| batches.add(*number));
        let mean = numbers.iter().sum::<f64>() / 16_384.0;
        let sd = (numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / 16_383.0).sqrt();
        let ratio = batches.long_run_sd().unwrap() / sd;
        assert!((2.2..3.5).contains(&ratio), "{ratio}");
    }

    #[test]
    fn they_go_on_where_they_were() {
        let mut whole = Batches::default();
        let mut interrupted = Batches::default();
        for row in 0..1000_u32 {
            let x = 1.0 / f64::from(row + 3);
            whole.add(x);
            interrupted = serde_json::from_str(&serde_json::to_string(&interrupted).unwrap()).unwrap();
            interrupted.add(x);
            assert_eq!(interrupted, whole, "{row}");
        }
    }

    #[test]
    fn nothing_is_said_of_what_is_not_there() {
        let mut batches = Batches::default();
        assert_eq!(batches.long_run_sd(), None);
        batches.add(1.0);
        assert_eq!(batches.long_run_sd(), None);
        batches.add(f64::MAX);
        assert_eq!(batches.long_run_sd(), None);
        (0..1000).for_each(|_| batches.add(f64::NAN));
        assert_eq!(batches.long_run_sd(), None);
    }
}
