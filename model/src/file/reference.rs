//! How features, labels and predictions were spread when the model was made: what later rows are compared with.

use evaluation::histogram::{self, commonest};
use serde::{Deserialize, Serialize};

/// The rows that training saw, as the model weighs them: encoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// One histogram an encoded column, in the order of the weights, in the feature's unit.
    pub features: Vec<Histogram>,
    /// The share of the commonest value of each encoded column, from 0 to 1; none in files of format 2.
    #[serde(default)]
    pub commonest: Option<Vec<f64>>,
    /// The labels.
    pub target: Histogram,
    /// The middle of the labels; none in files of format 2.
    #[serde(default)]
    pub label: Option<Centre>,
    /// What the model says of the same rows.
    pub prediction: Histogram,
    /// The errors on rows that a fit had not seen; none in files of format 2, and where no part of the rows could be left
    /// out of a fit.
    #[serde(default)]
    pub residual: Option<Residual>,
}

/// Where the middle of some numbers is, in their unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Centre {
    /// Their mean.
    pub mean: f64,
    /// Their median.
    pub median: f64,
}

/// Prediction minus label, in the label's unit, of rows that were each predicted by a fit to the other parts of the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// How many rows.
    pub rows: u64,
    /// Into how many parts the rows were split.
    pub folds: usize,
    /// The errors with their signs: above zero where the prediction is too high.
    pub error: Histogram,
    /// The errors' sizes.
    pub absolute_error: Histogram,
}

impl Residual {
    /// Of these errors.
    #[must_use]
    pub fn of(errors: &[f64], folds: usize) -> Self {
        Self {
            rows: errors.len() as u64,
            folds,
            error: Histogram::of(errors.iter().copied()),
            absolute_error: Histogram::of(errors.iter().map(|error| error.abs())),
        }
    }
}

impl Centre {
    /// Of finite numbers, if there are any.
    #[must_use]
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let mut sorted = numbers.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = sorted[(sorted.len() - 1) / 2];
        let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
        Some(Self { mean, median: f64::midpoint(lower, upper) })
    }
}

impl Reference {
    /// The spread of encoded rows (each as long as there are columns), their labels and their predictions.
    #[must_use]
    pub fn of(rows: &[&[f64]], labels: &[f64], predictions: &[f64], residual: Option<Residual>) -> Self {
        let columns = rows.first().map_or(0, |row| row.len());
        let column = |column: usize| rows.iter().map(move |row| row[column]);
        Self {
            features: (0..columns).map(|at| Histogram::of(column(at))).collect(),
            commonest: Some(
                (0..columns).map(|at| commonest(column(at)).map_or(0.0, |(_, share)| share)).collect(),
            ),
            target: Histogram::of(labels.iter().copied()),
            label: Centre::of(labels),
            prediction: Histogram::of(predictions.iter().copied()),
            residual,
        }
    }

    pub(super) fn check(&self, columns: usize) -> Result<(), String> {
        if self.features.len() != columns {
            return Err(format!("it has {} histograms for {columns} columns", self.features.len()));
        }
        for (column, histogram) in self.features.iter().enumerate() {
            let checked = histogram.check().and_then(|()| {
                // Its first and last edge are the column's range.
                if histogram.counts.is_empty() { Err("it is empty".to_owned()) } else { Ok(()) }
            });
            checked.map_err(|why| format!("the histogram of column {}: {why}", column + 1))?;
        }
        if let Some(shares) = &self.commonest {
            if shares.len() != columns {
                return Err(format!("it has {} commonest shares for {columns} columns", shares.len()));
            }
            if let Some(share) = shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
                return Err(format!("it has {share} as the share of a commonest value; expected 0 to 1"));
            }
        }
        let residual = self.residual.iter();
        let residual =
            residual.flat_map(|of| [("the errors", &of.error), ("the errors' sizes", &of.absolute_error)]);
        let others = [("the target", &self.target), ("the prediction", &self.prediction)];
        others.into_iter().chain(residual).try_for_each(|(what, histogram)| {
            histogram.check().map_err(|why| format!("the histogram of {what}: {why}"))
        })
    }
}

/// How often a number was where. The bins hold about equally many numbers, so that a comparison by bins weighs every
/// part of the distribution alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// The bins' limits, ascending; the first is the smallest number seen and the last is the largest. Bin `i` holds what
    /// is at least `edges[i]` and less than `edges[i + 1]`; the last one holds the largest number too.
    pub edges: Vec<f64>,
    /// How many numbers each bin holds; one fewer than edges.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// The histogram of finite numbers. Equal numbers are never parted, so a column of few values has few bins.
    #[must_use]
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let histogram::Histogram { edges, counts } = histogram::Histogram::of(numbers);
        Self { edges, counts }
    }

    /// The smallest and the largest number seen, if there were any.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        Some((*self.edges.first()?, *self.edges.last()?))
    }

    fn check(&self) -> Result<(), String> {
        let bins = self.edges.len().saturating_sub(1);
        if self.counts.len() != bins {
            return Err(format!("it has {} counts for {bins} bins", self.counts.len()));
        }
        if self.edges.iter().any(|edge| !edge.is_finite()) || !self.edges.is_sorted() {
            return Err("its edges do not ascend".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_as_by_hand() {
        let centre = |numbers: &[f64]| Centre::of(numbers).map(|centre| (centre.mean, centre.median));
        assert_eq!(centre(&[4.0, 1.0, 10.0]), Some((5.0, 4.0)));
        assert_eq!(centre(&[4.0, 1.0, 2.0, 9.0]), Some((4.0, 3.0)));
        assert_eq!(centre(&[]), None);
    }

    #[test]
    fn errors_keep_their_sign_and_their_size() {
        let residual = Residual::of(&[-3.0, 1.0, 2.0], 5);
        assert_eq!((residual.rows, residual.folds), (3, 5));
        assert_eq!(residual.error.range(), Some((-3.0, 2.0)));
        assert_eq!(residual.absolute_error.range(), Some((1.0, 3.0)));
    }

    #[test]
    fn bins_hold_about_equally_many_and_never_part_equal_numbers() {
        let ten = Histogram::of((0..100).map(f64::from));
        assert_eq!(ten.counts, [10; 10]);
        assert_eq!(ten.edges[..3], [0.0, 9.5, 19.5]);
        assert_eq!(ten.range(), Some((0.0, 99.0)));
        let sexes = Histogram::of([1.0, 2.0, 1.0, 2.0, 2.0]);
        assert_eq!((sexes.edges, sexes.counts), (vec![1.0, 1.5, 2.0], vec![2, 3]));
        let skewed = Histogram::of([0.0; 95].into_iter().chain([1.0, 2.0, 3.0, 4.0, 5.0]));
        assert_eq!((skewed.edges, skewed.counts), (vec![0.0, 0.5, 5.0], vec![95, 5]));
    }

    #[test]
    fn every_number_is_counted_once() {
        for count in 0..60_u32 {
            for step in 1..7 {
                let numbers: Vec<f64> = (0..count).map(|i| f64::from(i * i % (step * 5)) / 3.0).collect();
                let histogram = Histogram::of(numbers.iter().copied());
                histogram.check().unwrap();
                assert_eq!(histogram.counts.iter().sum::<u64>(), u64::from(count));
                for (bin, counted) in histogram.counts.iter().enumerate() {
                    let last = bin + 1 == histogram.counts.len();
                    let (from, to) = (histogram.edges[bin], histogram.edges[bin + 1]);
                    let inside = |x: &&f64| **x >= from && (**x < to || last && **x <= to);
                    assert_eq!(
                        numbers.iter().filter(inside).count() as u64,
                        *counted,
                        "{numbers:?} {histogram:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn one_value_and_neighbouring_numbers_have_a_histogram() {
        assert_eq!(Histogram::of([7.0; 3]), Histogram { edges: vec![7.0, 7.0], counts: vec![3] });
        let next = f64::from_bits(1.0_f64.to_bits() + 1);
        let pair = Histogram::of([1.0, next]);
        assert_eq!((pair.edges, pair.counts), (vec![1.0, next, next], vec![1, 1]));
    }
}
