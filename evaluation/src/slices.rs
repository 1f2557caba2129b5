//! Where a model is bad: its errors by bins of each feature, and which bins are worse than the rest beyond noise.

use serde::{Deserialize, Serialize};

use crate::histogram::bin;
use crate::sum::Sum;

mod compare;
#[cfg(test)]
mod tests;

/// How many features there may be.
const FEATURES: usize = 100;
/// How many bins a feature may have.
const BINS: usize = 10;
/// A slice and the rest of the rows are compared from this many rows each on.
const ROWS: u64 = 30;
/// The chance that any slice is called different where none is.
const ALARM: f64 = 0.05;

/// The errors of a model's rows (prediction minus label) by bins of each feature.
///
/// Serialised with every bit, so that they go on where they were. Order does not matter beyond the last bits and for which row is
/// the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slices {
    features: Vec<Feature>,
    /// Absolute errors and errors are counted from those of the first row on: their squares then cancel hardly.
    origin: Option<(f64, f64)>,
    rows: u64,
    left_out: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Feature {
    /// The limits between bins, ascending; each begins a bin.
    limits: Vec<f64>,
    /// One for each bin, and one for rows without a number.
    cells: Vec<Cell>,
}

/// Sums of the rows of one bin: each row is in one bin of each feature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Cell {
    rows: u64,
    loss: Sum,
    loss_squares: Sum,
    error: Sum,
    error_squares: Sum,
}

/// Mean and variance of some numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// How many.
    pub rows: u64,
    /// Their mean; NaN without rows.
    pub mean: f64,
    /// Their variance, divided by one fewer than rows; NaN below two rows.
    pub variance: f64,
}

/// The rows of one bin of one feature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slice {
    /// Which feature.
    pub feature: usize,
    /// Which bin; none for the rows without a number.
    pub bin: Option<usize>,
    /// From which number on; none for the first bin.
    pub from: Option<f64>,
    /// Before which number; none for the last bin.
    pub to: Option<f64>,
    /// The absolute errors.
    pub loss: Moments,
    /// The errors: above 0 where predictions are too high.
    pub error: Moments,
    /// The absolute errors of all other rows.
    pub rest: Moments,
    /// The chance of so large a difference of `loss` to `rest`, to either side, where there is none, with all slices that are
    /// compared allowed for. None where one of them has fewer than 30 rows or does not vary.
    pub chance: Option<f64>,
}

impl Slice {
    /// How much larger the mean absolute error is than that of the rest.
    #[must_use]
    pub fn difference(&self) -> f64 {
        self.loss.mean - self.rest.mean
    }
}

impl Cell {
    fn add(&mut self, loss: f64, error: f64) {
        self.rows += 1;
        self.loss.add(loss);
        self.loss_squares.add(loss * loss);
        self.error.add(error);
        self.error_squares.add(error * error);
    }

    fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.loss.merge(other.loss);
        self.loss_squares.merge(other.loss_squares);
        self.error.merge(other.error);
        self.error_squares.merge(other.error_squares);
    }

    /// Of the absolute errors and of the errors.
    fn moments(&self, origin: (f64, f64)) -> (Moments, Moments) {
        let of = |sum: Sum, squares: Sum, origin: f64| {
            let (rows, sum) = (self.rows as f64, sum.total());
            // f64::max would make 0 of NaN.
            let variance = (squares.total() - sum * sum / rows) / (rows - 1.0);
            let variance = if variance < 0.0 { 0.0 } else { variance };
            Moments { rows: self.rows, mean: origin + sum / rows, variance }
        };
        (of(self.loss, self.loss_squares, origin.0), of(self.error, self.error_squares, origin.1))
    }
}

impl Slices {
    /// For each feature the limits between its bins: what is equal to a limit is above it.
    ///
    /// # Errors
    ///
    /// More than 100 features, more than 9 limits of one, or limits that do not ascend or are not finite.
    pub fn new(limits: &[Vec<f64>]) -> Result<Self, String> {
        if limits.len() > FEATURES {
            return Err(format!("{} features; expected up to {FEATURES}", limits.len()));
        }
        for (feature, limits) in limits.iter().enumerate() {
            if limits.len() >= BINS || limits.iter().any(|limit| !limit.is_finite()) || !limits.is_sorted() {
                return Err(format!(
                    "the limits of feature {}: expected up to {}, ascending",
                    feature + 1,
                    BINS - 1
                ));
            }
        }
        let features = limits
            .iter()
            .map(|limits| Feature { limits: limits.clone(), cells: vec![Cell::default(); limits.len() + 2] });
        Ok(Self { features: features.collect(), origin: None, rows: 0, left_out: 0 })
    }

    /// In which bin of each feature a row is. A feature that is NaN or not there is in a bin of its own.
    #[must_use]
    pub fn places(&self, features: &[f64]) -> Box<[u8]> {
        let place = |(at, feature): (usize, &Feature)| {
            let number = features.get(at).filter(|number| !number.is_nan());
            let bin = number.map_or(feature.limits.len() + 1, |number| bin(&feature.limits, *number));
            u8::try_from(bin).unwrap_or(u8::MAX)
        };
        self.features.iter().enumerate().map(place).collect()
    }

    /// Takes in a row: its places and its error. Rows whose error is not finite are left out and counted.
    pub fn add(&mut self, places: &[u8], error: f64) {
        if !error.is_finite() {
            self.left_out += 1;
            return;
        }
        self.rows += 1;
        let loss = error.abs();
        let origin = *self.origin.get_or_insert((loss, error));
        for (feature, place) in self.features.iter_mut().zip(places) {
            if let Some(cell) = feature.cells.get_mut(usize::from(*place)) {
                cell.add(loss - origin.0, error - origin.1);
            }
        }
    }

    /// How many rows there are, and how many were left out.
    #[must_use]
    pub fn rows(&self) -> (u64, u64) {
        (self.rows, self.left_out)
    }

    /// All slices that have rows, by feature and bin.
    ///
    /// Each is compared with all other rows by Welch's t test (Biometrika 34, 1947), and all these tests are allowed for by Holm's
    /// correction (Scandinavian Journal of Statistics 6, 1979). That holds for one look, at rows that do not depend on one
    /// another: who looks again and again is shown a slice by chance more often.
    #[must_use]
    pub fn all(&self) -> Vec<Slice> {
        let origin = self.origin.unwrap_or_default();
        let mut slices = Vec::new();
        for (at, feature) in self.features.iter().enumerate() {
            for (bin, cell) in feature.cells.iter().enumerate().filter(|(_, cell)| cell.rows > 0) {
                let mut others = Cell::default();
                // Added up, for a difference of sums would lose what is small.
                let other_cells = feature.cells.iter().enumerate().filter(|(other, _)| *other != bin);
                other_cells.for_each(|(_, other)| others.merge(other));
                let ((loss, error), (rest, _)) = (cell.moments(origin), others.moments(origin));
                let has_number = bin <= feature.limits.len();
                let enough = loss.rows >= ROWS && rest.rows >= ROWS;
                slices.push(Slice {
                    feature: at,
                    bin: has_number.then_some(bin),
                    from: bin
                        .checked_sub(1)
                        .filter(|_| has_number)
                        .and_then(|before| feature.limits.get(before).copied()),
                    to: feature.limits.get(bin).copied(),
                    loss,
                    error,
                    rest,
                    chance: if enough { compare::welch(loss, rest) } else { None },
                });
            }
        }
        compare::holm(&mut slices.iter_mut().filter_map(|slice| slice.chance.as_mut()).collect::<Vec<_>>());
        slices
    }

    /// The slices whose mean absolute error is larger than that of the rest beyond noise, at most so many, those with the largest
    /// difference first.
    #[must_use]
    pub fn worst(&self, most: usize) -> Vec<Slice> {
        let mut slices = self.all();
        slices.retain(|slice| slice.difference() > 0.0 && slice.chance.is_some_and(|chance| chance < ALARM));
        slices.sort_by(|a, b| b.difference().total_cmp(&a.difference()));
        slices.truncate(most);
        slices
    }
}
