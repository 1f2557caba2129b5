//! Quantiles of numbers that are all there, and how far each can be trusted.

use crate::confidence::Interval;

/// The 97.5 % quantile of the normal distribution, as tables have it.
const Z: f64 = 1.96;

/// Quantile `q` of values in ascending order: the value at rank q(n - 1), linear between two ranks (type 7 of Hyndman and Fan,
/// The American Statistician 50, 1996; numpy's default). None where there is no value, or `q` is outside 0 to 1.
#[must_use]
pub fn quantile(ascending: &[f64], q: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&q) {
        return None;
    }
    let rank = q * ascending.len().checked_sub(1)? as f64;
    let below = *ascending.get(rank_of(rank.floor())?)?;
    let above = *ascending.get(rank_of(rank.ceil())?)?;
    let part = rank.fract();
    // Two equal infinities have no difference.
    if part == 0.0 || below == above {
        return Some(below);
    }
    let step = above - below;
    Some(if step.is_finite() { below + step * part } else { below * (1.0 - part) + above * part })
}

/// 95 % interval of quantile `q` by order statistics: the values at ranks nq ± 1.96 √(nq(1 - q)), rounded outwards (Conover,
/// Practical Nonparametric Statistics). An end whose rank is outside 1 to n is open. It supposes independent rows.
#[must_use]
pub fn interval(ascending: &[f64], q: f64) -> Interval {
    let n = ascending.len() as f64;
    let half_width = Z * (n * q * (1.0 - q)).sqrt();
    let at =
        |rank: f64| ascending.get(rank_of(rank)?.checked_sub(1)?).copied().filter(|value| value.is_finite());
    Interval { low: at((n * q - half_width).floor()), high: at((n * q + half_width).ceil()) }
}

/// A whole number as an index; None where it cannot be one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked in the line before")]
fn rank_of(whole: f64) -> Option<usize> {
    (0.0..9e15).contains(&whole).then_some(whole as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_between_ranks() {
        let values = [1.0, 2.0, 4.0, 8.0];
        for (q, expected) in [(0.0, 1.0), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0), (1.0 / 3.0, 2.0)] {
            let value = quantile(&values, q).unwrap();
            assert!((value - expected).abs() < 1e-15 * expected, "{q}: {value}");
        }
        assert_eq!(quantile(&[7.0], 0.9), Some(7.0));
    }

    #[test]
    fn what_has_no_quantile_has_none() {
        assert_eq!(quantile(&[], 0.5), None);
        for q in [-0.1, 1.1, f64::NAN] {
            assert_eq!(quantile(&[1.0, 2.0], q), None, "{q}");
        }
    }

    #[test]
    fn no_difference_of_infinities_is_taken() {
        let infinite = [1.0, f64::INFINITY, f64::INFINITY];
        assert_eq!(quantile(&infinite, 0.75), Some(f64::INFINITY));
        assert_eq!(quantile(&infinite, 0.0), Some(1.0));
        assert_eq!(quantile(&[-f64::MAX, f64::MAX], 0.5), Some(0.0));
    }

    #[test]
    fn ranks_of_the_interval() {
        // 500 rows, p90: 450 ± 1.96 √45 = 436.85 and 463.15; p99: 495 ± 4.36. 100 rows, p99: 99 ± 1.95, above the last one.
        let values: Vec<f64> = (1..=500).map(f64::from).collect();
        let ends = |n: usize, q: f64| {
            let Interval { low, high } = interval(&values[..n], q);
            (low, high)
        };
        assert_eq!(ends(500, 0.9), (Some(436.0), Some(464.0)));
        assert_eq!(ends(500, 0.99), (Some(490.0), Some(500.0)));
        assert_eq!(ends(100, 0.5), (Some(40.0), Some(60.0)));
        assert_eq!(ends(100, 0.99), (Some(97.0), None));
        assert_eq!(ends(3, 0.5), (None, None));
        assert_eq!(ends(0, 0.5), (None, None));
        assert_eq!(ends(100, f64::NAN), (None, None));
    }
}
