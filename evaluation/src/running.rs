//! The mean of numbers as they come, and how they spread about it.

use serde::{Deserialize, Serialize};

use crate::bits;

/// Welford's mean and sum of squares about it (Technometrics 4, 1962), which lose little to rounding however large the mean is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Running {
    count: u64,
    #[serde(with = "bits")]
    mean: f64,
    #[serde(with = "bits")]
    squares: f64,
}

impl Running {
    /// Takes in the next number.
    pub(crate) fn add(&mut self, number: f64) {
        self.count += 1;
        let before = number - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (number - self.mean);
    }

    /// How many numbers there were.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; None without any.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// Their standard deviation, by n - 1; None below two.
    pub(crate) fn sd(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares.max(0.0) / (self.count - 1) as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_of_numbers_that_are_large_and_near_each_other() {
        let mut running = Running::default();
        assert_eq!((running.mean(), running.sd()), (None, None));
        running.add(1e9 + 1.0);
        assert_eq!((running.mean(), running.sd()), (Some(1e9 + 1.0), None));
        [3.0, 5.0, 7.0].iter().for_each(|more| running.add(1e9 + more));
        assert_eq!((running.count(), running.mean()), (4, Some(1e9 + 4.0)));
        assert!((running.sd().unwrap() - (20.0_f64 / 3.0).sqrt()).abs() < 1e-9);
    }
}
