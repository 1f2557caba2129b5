//! Whether two means differ, and what many such questions are worth.

use super::Moments;
use crate::distribution::student_chance;

/// The chance of means that differ as much or more, to either side, where those of the two distributions do not: Welch's t test. None
/// where both do not vary, or where the numbers are too large.
pub(super) fn welch(one: Moments, other: Moments) -> Option<f64> {
    let error = |of: Moments| of.variance / of.rows as f64;
    let both = error(one) + error(other);
    let part = |of: Moments| (error(of) / both).powi(2) / (of.rows as f64 - 1.0);
    let degrees = 1.0 / (part(one) + part(other));
    let t = (one.mean - other.mean) / both.sqrt();
    if !t.is_finite() || !degrees.is_finite() {
        return None;
    }
    Some(student_chance(t, degrees)).filter(|chance| !chance.is_nan())
}

/// Raises chances so that below any limit there is a false one with at most that chance.
pub(super) fn holm(chances: &mut [&mut f64]) {
    chances.sort_by(|a, b| a.total_cmp(b));
    let mut largest = 0.0_f64;
    let questions = chances.len();
    for (before, chance) in chances.iter_mut().enumerate() {
        largest = largest.max(**chance * (questions - before) as f64).min(1.0);
        **chance = largest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(numbers: &[f64]) -> Moments {
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
        Moments { rows: numbers.len() as u64, mean, variance: squares / (numbers.len() as f64 - 1.0) }
    }

    #[test]
    fn students_sleep_data() {
        // R: t.test(extra ~ group, data = sleep) has t = -1.8608, df = 17.776, p = 0.07939.
        let one = moments(&[0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]);
        let other = moments(&[1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]);
        assert!((welch(one, other).unwrap() - 0.07939).abs() < 5e-6);
        assert_eq!(welch(one, other), welch(other, one));
        assert_eq!(welch(one, one), Some(1.0));
    }

    #[test]
    fn what_cannot_be_compared() {
        let of = |rows, mean, variance| Moments { rows, mean, variance };
        let fine = of(30, 1.0, 1.0);
        for odd in [of(0, f64::NAN, f64::NAN), of(30, f64::INFINITY, f64::INFINITY), of(30, 1.0, f64::NAN)] {
            assert_eq!(welch(fine, odd), None);
        }
        assert_eq!(welch(of(30, 1.0, 0.0), of(30, 2.0, 0.0)), None);
        assert!(welch(of(30, 1.0, 0.0), of(30, 2.0, 1.0)).unwrap() < 1e-4);
        assert!(welch(of(30, 1e300, 1.0), fine).unwrap() < 1e-100);
    }

    #[test]
    fn chances_by_hand() {
        // R: p.adjust(c(.05, .01, .03, .04, .02), "holm").
        let mut chances = [0.05, 0.01, 0.03, 0.04, 0.02];
        holm(&mut chances.iter_mut().collect::<Vec<_>>());
        for (chance, expected) in chances.iter().zip([0.09, 0.05, 0.09, 0.09, 0.08]) {
            assert!((chance - expected).abs() < 1e-15, "{chances:?}");
        }
        let mut large = [0.7, 0.9];
        holm(&mut large.iter_mut().collect::<Vec<_>>());
        assert_eq!(large, [1.0, 1.0]);
        holm(&mut []);
    }
}
