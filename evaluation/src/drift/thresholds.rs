//! From where on a window is no noise any more, for a whole model file.

use serde::{Deserialize, Serialize};

use crate::distribution::{chi_squared, normal_quantile};

/// The chance of a false alarm.
const ALARM: f64 = 0.05;
/// In how many rows it may come.
const ROWS: f64 = 100_000.0;
/// Windows that overlap by nine tenths are looked at ten times as often as separate ones; 2 to 7 would have been enough in
/// simulations.
const OVERLAP: f64 = 10.0;

/// The chance that one part of one look at one histogram may have, so that a file of so many histograms (features and the
/// prediction) has a false alarm within 100 000 rows in one case of twenty. `window` is in rows.
#[must_use]
pub fn tail(window: usize, histograms: usize) -> f64 {
    let looks = ROWS / window.max(1) as f64 * OVERLAP * histograms.max(1) as f64;
    // There are two parts. Below, the quantiles have no digits left.
    (ALARM / looks / 2.0).clamp(1e-12, 0.5)
}

/// The limits for one histogram, by the number of bins that are left once the small ones are merged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// How many standard errors a share may be off.
    errors: f64,
    moved: Vec<f64>,
    rest: Vec<f64>,
}

impl Thresholds {
    /// For a chance as [`tail`] gives it, and up to this many bins.
    #[must_use]
    pub fn new(tail: f64, bins: usize) -> Self {
        let tail = if tail.is_nan() { 0.5 } else { tail.clamp(1e-12, 0.5) };
        Self {
            errors: -normal_quantile(tail),
            moved: vec![chi_squared(1, tail), -2.0 * tail.ln()],
            rest: (4..=bins.min(64)).map(|bins| chi_squared(bins - 3, tail)).collect(),
        }
    }

    /// The limit of `shift² + spread²`: χ² with two degrees, with one where there are two bins; none where there is one.
    #[must_use]
    pub fn moved(&self, bins: usize) -> Option<f64> {
        match bins {
            0 | 1 => None,
            2 => self.moved.first().copied(),
            _ => self.moved.get(1).copied(),
        }
    }

    /// The limit of the rest of χ²; none up to three bins, which have no rest.
    #[must_use]
    pub fn rest(&self, bins: usize) -> Option<f64> {
        self.rest.get(bins.checked_sub(4)?).copied()
    }

    /// The limit of the share of the commonest number in a window of so many rows, where it was `share` of so many: 5 points
    /// more, or what noise can do, if that is more, as it is with numbers of few values.
    #[must_use]
    pub fn commonest(&self, share: f64, window: u64, reference: u64) -> f64 {
        let variance = share * (1.0 - share) * (1.0 / window as f64 + 1.0 / reference as f64);
        let noise = self.errors * variance.max(0.0).sqrt();
        share + noise.max(0.05)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_of_ten_histograms() {
        assert!((tail(500, 10) - 1.25e-6).abs() < 1e-18);
        let thresholds = Thresholds::new(tail(500, 10), 10);
        let close =
            |got: Option<f64>, expected: f64| assert!((got.unwrap() - expected).abs() <= 5e-4, "{got:?}");
        close(thresholds.moved(2), 23.499);
        close(thresholds.moved(3), 27.185);
        close(thresholds.moved(10), 27.185);
        for (bins, expected) in (4..).zip([23.499, 27.185, 30.204, 32.904, 35.403, 37.763, 40.016]) {
            close(thresholds.rest(bins), expected);
        }
        assert_eq!([0, 1].map(|bins| thresholds.moved(bins)), [None, None]);
        assert_eq!([0, 3, 11].map(|bins| thresholds.rest(bins)), [None; 3]);
    }

    #[test]
    fn a_commonest_number_may_be_so_common() {
        let thresholds = Thresholds::new(1.25e-6, 2);
        assert!((thresholds.commonest(1.0 / 354.0, 500, 354) - (1.0 / 354.0 + 0.05)).abs() < 1e-12);
        // 4.708 standard errors of √(.25 (1/500 + 1/354)).
        assert!((thresholds.commonest(0.5, 500, 354) - 0.6635).abs() < 2e-4);
    }

    #[test]
    fn no_chance_is_too_odd() {
        for chance in [f64::NAN, 0.0, -1.0, 1.0, f64::INFINITY] {
            let thresholds = Thresholds::new(chance, 100);
            assert!(thresholds.moved(2).unwrap().is_finite() && thresholds.rest(64).unwrap().is_finite());
        }
        assert!(tail(0, 0).is_finite() && tail(usize::MAX, usize::MAX) > 0.0);
    }
}
