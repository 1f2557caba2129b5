//! How a feature, label or prediction was spread: counts in bins whose outer ones have no end.

use serde::{Deserialize, Serialize};

use crate::first_rows::finite;
use crate::histogram::{Histogram, bin, commonest};

/// How many bins a histogram from elsewhere may have.
const MOST_BINS: usize = 64;

/// A histogram that later numbers are compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// The limits between bins, ascending; each begins a bin.
    limits: Vec<f64>,
    counts: Vec<u64>,
    /// The smallest and the largest number.
    range: (f64, f64),
    /// The share of the commonest number, if it is known.
    commonest: Option<f64>,
}

impl Reference {
    /// Of a histogram: its edges ascend, bin `i` holds what is at least `edges[i]` and less than `edges[i + 1]`, and the last one
    /// the last edge too. `commonest` is the share of the commonest single number, if it is known.
    ///
    /// # Errors
    ///
    /// Edges that do not ascend or are not finite, counts that do not fit them, no bin, more than 64 bins, or no row.
    pub fn new(edges: &[f64], counts: &[u64], commonest: Option<f64>) -> Result<Self, String> {
        if counts.is_empty() || counts.len() > MOST_BINS || edges.len() != counts.len() + 1 {
            let (edges, counts) = (edges.len(), counts.len());
            return Err(format!(
                "{edges} edges and {counts} counts; expected 1 to {MOST_BINS} counts, and one edge more"
            ));
        }
        if edges.iter().any(|edge| !edge.is_finite()) || !edges.is_sorted() {
            return Err("the edges do not ascend".to_owned());
        }
        let rows = counts.iter().try_fold(0_u64, |sum, count| sum.checked_add(*count));
        if rows.is_none_or(|rows| rows == 0) {
            return Err("the counts are of no row, or of more than can be counted".to_owned());
        }
        let range = (edges[0], edges[edges.len() - 1]);
        let mut limits = edges[1..edges.len() - 1].to_vec();
        let mut counts = counts.to_vec();
        if let ([rows], true) = (counts.as_slice(), range.0 == range.1) {
            // One number only: whatever is below or above it has a bin.
            counts = vec![0, *rows, 0];
            limits = vec![range.0, range.0.next_up()];
        }
        Ok(Self { limits, counts, range, commonest: commonest.filter(|share| (0.0..=1.0).contains(share)) })
    }

    /// Of numbers: see [`Histogram::of`]. NaN is left out. None without numbers.
    #[must_use]
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let known = numbers.iter().filter(|number| !number.is_nan()).map(|number| finite(*number));
        let Histogram { edges, counts } = Histogram::of(known.clone());
        Self::new(&edges, &counts, commonest(known).map(|(_, share)| share)).ok()
    }

    /// The bin of a number.
    #[must_use]
    pub fn bin(&self, number: f64) -> usize {
        bin(&self.limits, number)
    }

    /// How many rows each bin holds.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The limits between the bins, one fewer than these.
    #[must_use]
    pub fn limits(&self) -> &[f64] {
        &self.limits
    }

    /// How many rows it was made of.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Whether no number that was seen is that small or that large.
    #[must_use]
    pub fn is_out_of_range(&self, number: f64) -> bool {
        number < self.range.0 || number > self.range.1
    }

    /// The share of the commonest number, from 0 to 1, if it is known.
    #[must_use]
    pub fn commonest(&self) -> Option<f64> {
        self.commonest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_taken_or_refused() {
        let reference = Reference::new(&[0.0, 1.0, 4.0], &[3, 5], Some(0.2)).unwrap();
        assert_eq!([-9.0, 0.99, 1.0, 4.0, 1e9].map(|number| reference.bin(number)), [0, 0, 1, 1, 1]);
        assert_eq!(
            [-0.1, 0.0, 4.0, 4.1].map(|number| reference.is_out_of_range(number)),
            [true, false, false, true]
        );
        assert_eq!((reference.rows(), reference.commonest()), (8, Some(0.2)));
        for (edges, counts) in [
            (vec![0.0, 1.0], vec![]),
            (vec![0.0], vec![]),
            (vec![0.0, 1.0], vec![1, 1]),
            (vec![1.0, 0.0], vec![1]),
            (vec![0.0, f64::NAN], vec![1]),
            (vec![0.0, f64::INFINITY], vec![1]),
            (vec![0.0, 1.0], vec![0]),
            (vec![0.0, 1.0, 2.0], vec![u64::MAX, 1]),
            ((0..66).map(f64::from).collect(), vec![1; 65]),
        ] {
            assert!(Reference::new(&edges, &counts, None).is_err(), "{edges:?} {counts:?}");
        }
        assert_eq!(Reference::new(&[0.0, 1.0], &[1], Some(f64::NAN)).unwrap().commonest(), None);
    }

    #[test]
    fn one_number_has_neighbours() {
        let reference = Reference::of(&[7.0; 20]).unwrap();
        assert_eq!(reference.counts(), [0, 20, 0]);
        assert_eq!([6.9, 7.0, 7.1].map(|number| reference.bin(number)), [0, 1, 2]);
        assert_eq!(reference.commonest(), Some(1.0));
    }

    #[test]
    fn numbers_make_bins_of_equal_counts() {
        let numbers: Vec<f64> = (0..500).map(|i| f64::from(i * 7 % 500)).collect();
        let reference = Reference::of(&numbers).unwrap();
        assert_eq!((reference.counts(), reference.limits()[0]), ([50; 10].as_slice(), 49.5));
        assert_eq!(reference.commonest(), Some(1.0 / 500.0));
        let ties = Reference::of(&[1.0, 2.0, 2.0, 1.0, 2.0]).unwrap();
        assert_eq!(
            (ties.limits(), ties.counts(), ties.commonest()),
            ([1.5].as_slice(), [2, 3].as_slice(), Some(0.6))
        );
        let odd = Reference::of(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0]).unwrap();
        assert_eq!((odd.rows(), odd.commonest()), (4, Some(0.5)));
        assert_eq!(Reference::of(&[f64::NAN]), None);
    }
}
