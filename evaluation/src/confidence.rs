//! How far a score can be trusted: intervals of a window, and intervals that may be looked at all the time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::batches::Batches;
use crate::distribution::student;

/// Fewer rows have no interval.
pub const FEWEST: u64 = 30;
/// The share of intervals that may be wrong.
pub const ALPHA: f64 = 0.05;
/// At so many rows the interval since the swap is narrowest, as a multiple of what it could be.
pub const BEST: f64 = 2000.0;
/// Where the largest hundredth of the rows has more than this share of all |e|, the mean absolute error says little.
pub const DOMINATED_ABSOLUTE: f64 = 0.10;
/// The same for all e².
pub const DOMINATED_SQUARED: f64 = 0.25;
/// From so many rows on a window is cut into 20 batches, so that neighbours that are alike do not make it look sure.
const ENOUGH_FOR_BATCHES: usize = 100;
const BATCHES: usize = 20;

/// From where to where, in the unit of the score. An end that is not known is open.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The lower end.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

impl Interval {
    /// Both ends; None where one of them is no number.
    #[must_use]
    pub fn closed(low: f64, high: f64) -> Option<Self> {
        (low.is_finite() && high.is_finite()).then_some(Self { low: Some(low), high: Some(high) })
    }

    /// Whether a value lies inside, ends included.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.low.is_none_or(|low| low <= value) && self.high.is_none_or(|high| value <= high)
    }

    /// Both ends, an open one infinite.
    #[must_use]
    pub fn ends(&self) -> (f64, f64) {
        (self.low.unwrap_or(f64::NEG_INFINITY), self.high.unwrap_or(f64::INFINITY))
    }

    /// Whether neither end is known.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.low.is_none() && self.high.is_none()
    }
}

/// ρ² for which the interval after `best` numbers is as narrow as it can be (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
/// Annals of Statistics 52, 2024, arXiv 2103.06476).
#[must_use]
pub fn rho2(best: f64, alpha: f64) -> f64 {
    let a = -2.0 * alpha.ln();
    (a + a.ln_1p()) / best
}

/// Half the width of a two-sided asymptotic confidence sequence after `t` numbers, as a multiple of their deviation (the same
/// paper). With probability 1 - `alpha` the mean is inside at every `t`. `rho2` is of `alpha`.
#[must_use]
pub fn two_sided(t: f64, rho2: f64, alpha: f64) -> f64 {
    let v = t * rho2 + 1.0;
    (2.0 * v / (t * t * rho2) * (v.sqrt() / alpha).ln()).sqrt()
}

/// The same for one side. `rho2` is of 2 `alpha`.
#[must_use]
pub fn one_sided(t: f64, rho2: f64, alpha: f64) -> f64 {
    let v = t * rho2 + 1.0;
    (2.0 * v / (t * t * rho2) * (v.sqrt() / (2.0 * alpha)).ln_1p()).sqrt()
}

/// Half the width of the interval since the swap after `n` rows, as a multiple of their deviation; None below 30 rows.
#[must_use]
pub fn since_the_swap(n: u64) -> Option<f64> {
    (n >= FEWEST).then(|| two_sided(n as f64, rho2(BEST, ALPHA), ALPHA))
}

/// The larger of the plain deviation of all rows and that of batches, so that neither order nor too few batches make it small.
#[must_use]
pub fn larger(plain: f64, batches: &Batches) -> f64 {
    batches.long_run_sd().map_or(plain, |long_run| plain.max(long_run))
}

/// Half the width of a window's interval of a mean: Student's t, from the rows or from 20 batches of them, whichever is wider.
/// The rows are in the order in which they were predicted. None below 30 rows, or where they do not differ.
#[must_use]
pub fn half_width(rows: &[f64]) -> Option<f64> {
    let n = rows.len();
    if (n as u64) < FEWEST {
        return None;
    }
    let mut half = standard_error(rows)? * student(n as u64 - 1)?;
    if n >= ENOUGH_FOR_BATCHES {
        let batch = |i: usize| &rows[i * n / BATCHES..(i + 1) * n / BATCHES];
        let means: Vec<f64> = (0..BATCHES).map(|i| mean(batch(i))).collect();
        half = half.max(standard_error(&means)? * student(BATCHES as u64 - 1)?);
    }
    (half > 0.0 && half.is_finite()).then_some(half)
}

/// Around the mean of what is never negative: on its logarithm, so that the lower end stays above zero.
#[must_use]
pub fn of_positive(mean: f64, half: f64) -> Option<Interval> {
    if !(mean > 0.0 && half > 0.0) {
        return None;
    }
    let ratio = (half / mean).exp();
    Interval::closed(mean / ratio, mean * ratio)
}

/// Around the root of a mean of squares.
#[must_use]
pub fn of_root(mean_square: f64, half: f64) -> Option<Interval> {
    let Interval { low, high } = of_positive(mean_square, half)?;
    Interval::closed(low?.sqrt(), high?.sqrt())
}

/// Around a mean that may be negative.
#[must_use]
pub fn of_signed(mean: f64, half: f64) -> Option<Interval> {
    if half > 0.0 { Interval::closed(mean - half, mean + half) } else { None }
}

/// Around a coefficient of determination: on the logarithm of what it lacks.
#[must_use]
pub fn of_r2(r2: f64, half: f64) -> Option<Interval> {
    let Interval { low, high } = of_positive(1.0 - r2, half)?;
    Interval::closed(1.0 - high?, 1.0 - low?)
}

/// The share of `all` that the largest hundredth of non-negative numbers in ascending order has. A part of a number counts in
/// part. None where there is no such share.
#[must_use]
pub fn share_of_largest(ascending: &[f64]) -> Option<f64> {
    let mut wanted = ascending.len() as f64 / 100.0;
    let mut largest = 0.0;
    for number in ascending.iter().rev() {
        if wanted <= 0.0 {
            break;
        }
        largest += number * wanted.min(1.0);
        wanted -= 1.0;
    }
    Some(largest / ascending.iter().sum::<f64>()).filter(|share| share.is_finite())
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// Of the mean; None where it is no number.
fn standard_error(numbers: &[f64]) -> Option<f64> {
    let n = numbers.len() as f64;
    let mean = mean(numbers);
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    Some((squares / (n - 1.0) / n).sqrt()).filter(|error| error.is_finite())
}

#[cfg(test)]
mod tests;
