//! How far predictions are off: mean absolute error, root mean squared error, coefficient of determination.

use serde::{Deserialize, Serialize};

use crate::sum::Sum;

/// Running scores of pairs of a label and a prediction. Order does not matter beyond the last bits.
///
/// Serialised with every bit, so that they go on where they were.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    count: u64,
    absolute: Sum,
    squared: Sum,
    /// Labels are counted from the first one: their squares then cancel hardly, however far from zero they are.
    origin: f64,
    distances: Sum,
    squared_distances: Sum,
}

impl Scores {
    /// Takes in a pair.
    pub fn add(&mut self, y_true: f64, y_pred: f64) {
        self.count += 1;
        let residual = y_true - y_pred;
        self.absolute.add(residual.abs());
        self.squared.add(residual * residual);
        if self.count == 1 {
            self.origin = y_true;
        }
        let distance = y_true - self.origin;
        self.distances.add(distance);
        self.squared_distances.add(distance * distance);
    }

    /// Scores of pairs.
    #[must_use]
    pub fn of(pairs: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut scores = Self::default();
        for (y_true, y_pred) in pairs {
            scores.add(y_true, y_pred);
        }
        scores
    }

    /// How many pairs.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean absolute error, in the label's unit; NaN without pairs.
    #[must_use]
    pub fn mae(&self) -> f64 {
        self.absolute.total() / self.count as f64
    }

    /// Root mean squared error, in the label's unit; NaN without pairs.
    #[must_use]
    pub fn rmse(&self) -> f64 {
        (self.squared.total() / self.count as f64).sqrt()
    }

    /// Coefficient of determination: 1 is perfect, 0 as good as the labels' mean, below worse. None where the
    /// labels do not differ, for then it is not defined.
    #[must_use]
    pub fn r2(&self) -> Option<f64> {
        let distance = self.distances.total();
        let scatter = self.squared_distances.total() - distance * distance / self.count as f64;
        (scatter > 0.0).then(|| 1.0 - self.squared.total() / scatter).filter(|r2| r2.is_finite())
    }
}

/// `rows 12, MAE 43.2, RMSE 53.9, R2 0.512`.
impl std::fmt::Display for Scores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rows {}, MAE {:.4}, RMSE {:.4}, R2 ", self.count, self.mae(), self.rmse())?;
        match self.r2() {
            Some(r2) => write!(f, "{r2:.4}"),
            None => f.write_str("not defined yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let scores = Scores::of([(1.0, 2.0), (2.0, 2.0), (6.0, 3.0)]);
        assert_eq!(scores.count(), 3);
        assert!((scores.mae() - 4.0 / 3.0).abs() < 1e-15);
        assert!((scores.rmse() - (10.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!((scores.r2().unwrap() - (1.0 - 10.0 / 14.0)).abs() < 1e-15);
        assert_eq!(scores.to_string(), "rows 3, MAE 1.3333, RMSE 1.8257, R2 0.2857");
    }

    #[test]
    fn they_go_on_where_they_were() {
        let mut scores = Scores::of([(0.1, 1.0 / 3.0), (1e17, 0.3), (-5e-324, 7.0)]);
        for outlier in [(1.0, 2.0), (1e200, 0.0), (f64::MAX, -f64::MAX), (1.0, 2.0), (-f64::MAX, f64::MAX)] {
            scores.add(outlier.0, outlier.1);
            let text = serde_json::to_string(&scores).unwrap();
            assert_eq!(serde_json::from_str::<Scores>(&text).unwrap(), scores);
            assert!(!scores.mae().is_nan() && !scores.rmse().is_nan());
        }
        assert_eq!((scores.mae(), scores.rmse(), scores.r2()), (f64::INFINITY, f64::INFINITY, None));
    }

    #[test]
    fn sums_keep_what_is_far_smaller_than_they_are() {
        // Each small residual is half of the last bit of the sums, and alone would be rounded away.
        let small = 1000;
        let mut scores = Scores::default();
        scores.add(9_007_199_254_740_992.0, 0.0);
        (0..small).for_each(|_| scores.add(1.0, 0.0));
        let count = f64::from(small) + 1.0;
        assert_eq!(scores.mae(), (9_007_199_254_740_992.0 + f64::from(small)) / count);
    }

    #[test]
    fn r2_needs_labels_that_differ() {
        assert_eq!(Scores::of([(5.0, 4.0)]).r2(), None);
        assert_eq!(Scores::of([(5.0, 4.0), (5.0, 6.0)]).r2(), None);
        assert!(Scores::default().mae().is_nan());
    }

    #[test]
    fn eleven_errors_of_which_a_plain_sum_has_the_first_one_only() {
        let scores = Scores::of([(1e16, 0.0)].into_iter().chain([(1.0, 0.0); 10]));
        assert_eq!(scores.mae(), (1e16 + 10.0) / 11.0);
    }

    #[test]
    fn labels_far_from_zero_have_the_same_r2() {
        let pairs = [(1.0, 2.0), (2.0, 2.0), (6.0, 3.0)];
        let far = Scores::of(pairs.map(|(y_true, y_pred)| (y_true + 1e9, y_pred + 1e9)));
        assert_eq!(far.r2(), Scores::of(pairs).r2());
    }
}
