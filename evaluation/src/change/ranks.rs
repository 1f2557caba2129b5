//! The rank of a number among those of a reference.

use serde::{Deserialize, Serialize};

use crate::drift::Reference;
use crate::first_rows::finite;

/// What numbers are ranked among.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Ranks {
    /// A histogram: all numbers of a bin have the rank of its middle.
    Histogram(Reference),
    /// Numbers, ascending.
    Sample(Vec<f64>),
}

impl Ranks {
    /// Among these numbers; NaN is left out. None without numbers.
    #[must_use]
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let mut sample: Vec<f64> =
            numbers.iter().filter(|number| !number.is_nan()).map(|number| finite(*number)).collect();
        sample.sort_unstable_by(f64::total_cmp);
        (!sample.is_empty()).then_some(Self::Sample(sample))
    }

    /// The share of the reference that is below, and half of what is equal or in the same bin: from 0 to 1, and ½ in the mean for
    /// numbers of the reference's distribution. None for NaN.
    #[must_use]
    pub fn rank(&self, number: f64) -> Option<f64> {
        let (below, same, all) = match self {
            _ if number.is_nan() => return None,
            Self::Histogram(reference) => {
                let (bin, counts) = (reference.bin(number), reference.counts());
                let below: u64 = counts.iter().take(bin).sum();
                (below as f64, *counts.get(bin)? as f64, reference.rows() as f64)
            }
            Self::Sample(sample) => {
                let number = finite(number);
                let below = sample.partition_point(|other| *other < number);
                let same = sample.partition_point(|other| *other <= number) - below;
                (below as f64, same as f64, sample.len() as f64)
            }
        };
        Some((below + same / 2.0) / all)
    }

    /// How many numbers the reference has.
    #[must_use]
    pub fn rows(&self) -> u64 {
        match self {
            Self::Histogram(reference) => reference.rows(),
            Self::Sample(sample) => sample.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_by_hand() {
        let histogram = Ranks::Histogram(Reference::new(&[0.0, 1.0, 2.0, 4.0], &[2, 6, 2], None).unwrap());
        for (number, rank) in
            [(-1.0, 0.1), (0.5, 0.1), (1.0, 0.5), (2.0, 0.9), (9.0, 0.9), (f64::INFINITY, 0.9)]
        {
            assert_eq!(histogram.rank(number), Some(rank), "{number}");
        }
        let sample = Ranks::of(&[3.0, f64::NAN, 1.0, 2.0, 2.0]).unwrap();
        for (number, rank) in
            [(0.0, 0.0), (1.0, 0.125), (1.5, 0.25), (2.0, 0.5), (3.0, 0.875), (f64::INFINITY, 1.0)]
        {
            assert_eq!(sample.rank(number), Some(rank), "{number}");
        }
        assert_eq!([&histogram, &sample].map(|ranks| ranks.rank(f64::NAN)), [None, None]);
        assert_eq!([&histogram, &sample].map(Ranks::rows), [10, 4]);
        assert_eq!(Ranks::of(&[f64::NAN]), None);
    }

    #[test]
    fn the_mean_rank_of_the_reference_itself_is_a_half() {
        let numbers: Vec<f64> = (0..354).map(|i| f64::from(i * i % 83)).collect();
        let reference = crate::drift::Reference::of(&numbers).unwrap();
        for ranks in [Ranks::of(&numbers).unwrap(), Ranks::Histogram(reference)] {
            let mean = numbers.iter().map(|number| ranks.rank(*number).unwrap()).sum::<f64>() / 354.0;
            assert!((mean - 0.5).abs() < 1e-12, "{mean}");
        }
    }
}
