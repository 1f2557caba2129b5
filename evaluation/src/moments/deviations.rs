//! How much single pairs deviate from the scores of all, for their intervals.

use super::Moments;
use crate::sum::Sum;

/// What rounding may have left of a difference of sums, as a share of them.
const ROUNDING: f64 = 8.0 * f64::EPSILON;

impl Moments {
    /// Σx² - (Σx)²/n over n - 1; 0 where it is not beyond rounding.
    fn variance(&self, sum: Sum, squares: Sum) -> Option<f64> {
        let (n, sum, squares) = (self.count as f64, sum.total(), squares.total());
        let scatter = squares - sum * sum / n;
        let scatter = if scatter > ROUNDING * squares { scatter } else { 0.0 };
        (self.count > 1 && squares.is_finite())
            .then_some(scatter / (n - 1.0))
            .filter(|variance| variance.is_finite())
    }

    /// Standard deviation of |e|; None below two pairs, or where a sum is beyond what 64 bits hold.
    #[must_use]
    pub fn absolute_sd(&self) -> Option<f64> {
        self.variance(self.absolute, self.squared).map(f64::sqrt)
    }

    /// Standard deviation of e, likewise.
    #[must_use]
    pub fn signed_sd(&self) -> Option<f64> {
        self.variance(self.signed, self.squared).map(f64::sqrt)
    }

    /// Standard deviation of e², likewise.
    #[must_use]
    pub fn squared_sd(&self) -> Option<f64> {
        self.variance(self.squared, self.fourth).map(f64::sqrt)
    }

    /// What R² is linear in, near these pairs; None where it is not defined.
    pub(crate) fn influence(&self) -> Option<Influence> {
        let n = self.count as f64;
        let (error, spread) = (self.mse()?, self.scatter()? / n);
        (spread > 0.0 && error.is_finite()).then(|| Influence {
            error,
            spread,
            mean: self.labels[0].total() / n,
        })
    }

    /// The mean influence of these pairs on the R² of more pairs, whose labels are counted from `origin`.
    pub(crate) fn mean_influence(&self, origin: f64, on: Influence) -> f64 {
        let n = self.count as f64;
        let [labels, squared_labels, ..] = self.counted_from(origin).labels;
        on.of(self.squared.total() / n, labels.total() / n, squared_labels.total() / n)
    }

    /// Standard deviation of each pair's influence on R²: v = -(e² - A)/B + A((y - ȳ)² - B)/B² with A the mean of e² and B that
    /// of (y - ȳ)² (the delta method). None where it is not defined, or rounding of fourth powers leaves less than three digits.
    #[must_use]
    pub fn r2_sd(&self) -> Option<f64> {
        let Influence { error: a, spread: b, mean: d } = self.influence()?;
        let n = self.count as f64;
        let [s1, s2, s3, s4] = self.labels.map(Sum::total);
        let (e2, e4) = (self.squared.total(), self.fourth.total());
        let [p1, p2] = self.mixed.map(Sum::total);
        // Σ(e²/B)², Σ(A z²/B²)² and Σ e² z² A/B³ with z = y - ȳ; the mean of v is 0, and that of both parts A/B.
        let z4 = [s4, -4.0 * d * s3, 6.0 * d * d * s2, -4.0 * d.powi(3) * s1, n * d.powi(4)];
        let mixed = [p2, -2.0 * d * p1, d * d * e2];
        let (k, ratio) = (a / b / b, a / b);
        let squares = [e4 / b / b, k * k * z4.iter().sum::<f64>(), -2.0 * k / b * mixed.iter().sum::<f64>()];
        let terms = squares[0] + k * k * size(&z4) + 2.0 * k / b * size(&mixed);
        let total: f64 = squares.iter().sum();
        let within = total > 1e3 * ROUNDING * terms && (self.count > 1) && ratio.is_finite();
        within.then(|| (total / (n - 1.0)).sqrt()).filter(|sd| sd.is_finite())
    }
}

/// The sum of absolute values.
fn size(terms: &[f64]) -> f64 {
    terms.iter().map(|term| term.abs()).sum()
}

/// The two means that R² is made of, and the labels' mean counted from the origin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Influence {
    /// Of e².
    error: f64,
    /// Of (y - ȳ)².
    spread: f64,
    mean: f64,
}

impl Influence {
    /// The mean influence of pairs whose mean squared error, mean label and mean squared label, counted from the origin, are these.
    pub(crate) fn of(&self, squared_error: f64, label: f64, squared_label: f64) -> f64 {
        let spread = squared_label - 2.0 * self.mean * label + self.mean * self.mean;
        (self.error * (spread - self.spread) / self.spread - (squared_error - self.error)) / self.spread
    }
}
