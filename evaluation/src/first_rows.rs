//! The first numbers of a stream, which stand in for a reference where a model file has none.

use serde::{Deserialize, Serialize};

/// The first so many numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FirstRows {
    wanted: usize,
    numbers: Vec<f64>,
}

impl FirstRows {
    /// Will hold this many numbers, at most 10 000.
    #[must_use]
    pub fn new(wanted: usize) -> Self {
        Self { wanted: wanted.clamp(1, 10_000), numbers: Vec::new() }
    }

    /// Takes a number in, unless there are enough. NaN is left out; infinity counts as the largest finite number, which has the
    /// same rank.
    pub fn add(&mut self, number: f64) {
        if self.numbers.len() < self.wanted && !number.is_nan() {
            self.numbers.push(finite(number));
        }
    }

    /// All of them, once there are enough.
    #[must_use]
    pub fn all(&self) -> Option<&[f64]> {
        (self.numbers.len() >= self.wanted).then_some(&self.numbers)
    }

    /// How many there are, and how many there shall be.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        (self.numbers.len(), self.wanted)
    }
}

/// The nearest finite number, and 0 for negative 0: it has the same place among others, and JSON can say it.
pub(crate) fn finite(number: f64) -> f64 {
    number.clamp(f64::MIN, f64::MAX) + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ones_and_no_more() {
        let mut rows = FirstRows::new(3);
        for number in [f64::NAN, f64::INFINITY, -0.0] {
            rows.add(number);
        }
        assert_eq!((rows.all(), rows.progress()), (None, (2, 3)));
        rows = serde_json::from_str(&serde_json::to_string(&rows).unwrap()).unwrap();
        rows.add(0.1);
        rows.add(0.2);
        assert_eq!(rows.all(), Some([f64::MAX, 0.0, 0.1].as_slice()));
        assert!(rows.all().unwrap()[1].is_sign_positive());
    }
}
