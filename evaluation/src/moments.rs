//! Sums over pairs of a label and a prediction, and the scores and deviations that follow from them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bits;
use crate::sum::Sum;

mod deviations;

pub(crate) use deviations::Influence;

/// Running sums of pairs. The error e is prediction minus label, so a positive one is too high.
///
/// Labels are counted from the first one: their powers then cancel hardly, however far from zero they are. Order does not matter
/// beyond the last bits. Labels and predictions are finite; where one is not, or a sum is beyond what 64 bits hold, that sum is
/// infinite from then on, and what follows from it is infinite or not defined. Serialised with every bit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    count: u64,
    zeros: u64,
    #[serde(with = "bits")]
    origin: f64,
    signed: Sum,
    absolute: Sum,
    squared: Sum,
    fourth: Sum,
    /// Of labels, counted from the origin: their first four powers.
    labels: [Sum; 4],
    /// Of squared errors times labels, and times squared labels, counted from the origin.
    mixed: [Sum; 2],
    /// Of the labels' distance from zero.
    label_sizes: Sum,
    relative: Sum,
    symmetric: Sum,
    constant: Rival,
    persistence: Rival,
}

/// Another way to predict, on the rows where it is known what it would have said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Rival {
    rows: u64,
    ours: Sum,
    its: Sum,
}

/// A score of those rows for which it is defined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Partial {
    /// The score; in JSON null where it is beyond 64 bits.
    #[schemars(with = "Option<f64>")]
    pub value: f64,
    /// How many rows.
    pub rows: u64,
}

impl Rival {
    fn add(&mut self, absolute: f64, its: f64) {
        self.rows += 1;
        self.ours.add(absolute);
        self.its.add(its.abs());
    }

    fn merge(&mut self, other: &Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.ours.merge(other.ours);
        self.its.merge(other.its);
    }

    fn skill(&self) -> Option<Partial> {
        let value = 1.0 - self.ours.total() / self.its.total();
        value.is_finite().then_some(Partial { value, rows: self.rows })
    }
}

impl Moments {
    /// Takes in a pair, and what two others would have predicted: a `constant`, which is the median of the labels in training, and
    /// `persistence`, which is the last label that was made before the row was.
    pub fn add(&mut self, y_true: f64, y_pred: f64, constant: Option<f64>, persistence: Option<f64>) {
        self.count += 1;
        if self.count == 1 {
            self.origin = y_true;
        }
        let error = y_pred - y_true;
        let (absolute, squared, label) = (error.abs(), error * error, y_true - self.origin);
        let squared_label = label * label;
        self.signed.add(error);
        self.absolute.add(absolute);
        self.squared.add(squared);
        self.fourth.add(squared * squared);
        let powers = [label, squared_label, squared_label * label, squared_label * squared_label];
        self.labels.iter_mut().zip(powers).for_each(|(sum, power)| sum.add(power));
        self.mixed[0].add(squared * label);
        self.mixed[1].add(squared * squared_label);
        self.label_sizes.add(y_true.abs());
        if y_true == 0.0 {
            self.zeros += 1;
        } else {
            self.relative.add(absolute / y_true.abs());
        }
        self.symmetric.add(symmetric(y_true, y_pred));
        if let Some(constant) = constant {
            self.constant.add(absolute, y_true - constant);
        }
        if let Some(last) = persistence {
            self.persistence.add(absolute, y_true - last);
        }
    }

    /// Takes in the pairs of another, whose labels may be counted from elsewhere.
    pub fn merge(&mut self, other: &Self) {
        if self.count == 0 {
            self.origin = other.origin;
        }
        let moved = other.counted_from(self.origin);
        self.count = self.count.saturating_add(other.count);
        self.zeros = self.zeros.saturating_add(other.zeros);
        self.signed.merge(other.signed);
        self.absolute.merge(other.absolute);
        self.squared.merge(other.squared);
        self.fourth.merge(other.fourth);
        self.labels.iter_mut().zip(moved.labels).for_each(|(sum, its)| sum.merge(its));
        self.mixed.iter_mut().zip(moved.mixed).for_each(|(sum, its)| sum.merge(its));
        self.label_sizes.merge(other.label_sizes);
        self.relative.merge(other.relative);
        self.symmetric.merge(other.symmetric);
        self.constant.merge(&other.constant);
        self.persistence.merge(&other.persistence);
    }

    /// The sums of labels as they would be with another origin, by the binomial theorem.
    fn counted_from(&self, origin: f64) -> Counted {
        let by = self.origin - origin;
        let mut counted = Counted { labels: self.labels, mixed: self.mixed };
        if by == 0.0 || self.count == 0 {
            return counted;
        }
        let mut rows = Sum::default();
        rows.add(self.count as f64);
        let [first, second, third, _] = self.labels;
        let [labels_1, labels_2, labels_3, labels_4] = &mut counted.labels;
        labels_1.add_multiple(by, rows);
        [(2.0 * by, first), (by.powi(2), rows)]
            .iter()
            .for_each(|(factor, sum)| labels_2.add_multiple(*factor, *sum));
        [(3.0 * by, second), (3.0 * by.powi(2), first), (by.powi(3), rows)]
            .iter()
            .for_each(|(factor, sum)| labels_3.add_multiple(*factor, *sum));
        [(4.0 * by, third), (6.0 * by.powi(2), second), (4.0 * by.powi(3), first), (by.powi(4), rows)]
            .iter()
            .for_each(|(factor, sum)| labels_4.add_multiple(*factor, *sum));
        counted.mixed[0].add_multiple(by, self.squared);
        counted.mixed[1].add_multiple(2.0 * by, self.mixed[0]);
        counted.mixed[1].add_multiple(by.powi(2), self.squared);
        counted
    }
}

/// Sums of labels that are counted from some origin.
struct Counted {
    labels: [Sum; 4],
    mixed: [Sum; 2],
}

/// 2|e| / (|y| + |ŷ|), and 0 where both are 0. Quarters, where the sum would be beyond what 64 bits hold.
fn symmetric(y_true: f64, y_pred: f64) -> f64 {
    if y_true == 0.0 && y_pred == 0.0 {
        return 0.0;
    }
    let scale = if (y_true.abs() + y_pred.abs()).is_finite() { 1.0 } else { 0.25 };
    let (y_true, y_pred) = (y_true * scale, y_pred * scale);
    2.0 * ((y_pred - y_true).abs() / (y_true.abs() + y_pred.abs()))
}

/// Scores.
impl Moments {
    /// How many pairs.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// From where labels are counted: the first of them.
    #[must_use]
    pub fn origin(&self) -> f64 {
        self.origin
    }

    fn mean(&self, sum: Sum) -> Option<f64> {
        (self.count > 0).then(|| sum.total() / self.count as f64)
    }

    fn finite_mean(&self, sum: Sum) -> Option<f64> {
        self.mean(sum).filter(|mean| mean.is_finite())
    }

    /// Mean absolute error, in the label's unit; infinite beyond what 64 bits hold, None without pairs.
    #[must_use]
    pub fn mae(&self) -> Option<f64> {
        self.mean(self.absolute)
    }

    /// Mean squared error, likewise.
    #[must_use]
    pub fn mse(&self) -> Option<f64> {
        self.mean(self.squared)
    }

    /// Root mean squared error, in the label's unit, likewise.
    #[must_use]
    pub fn rmse(&self) -> Option<f64> {
        self.mse().map(f64::sqrt)
    }

    /// Mean of prediction minus label, in the label's unit; None without pairs, or beyond what 64 bits hold.
    #[must_use]
    pub fn bias(&self) -> Option<f64> {
        self.finite_mean(self.signed)
    }

    /// Coefficient of determination. None where the labels do not differ.
    #[must_use]
    pub fn r2(&self) -> Option<f64> {
        let scatter = self.scatter().filter(|scatter| *scatter > 0.0)?;
        Some(1.0 - self.squared.total() / scatter).filter(|r2| r2.is_finite())
    }

    /// Sum of absolute errors over the sum of the labels' distances from zero, as a share; None where all labels are 0.
    #[must_use]
    pub fn wape(&self) -> Option<f64> {
        Some(self.absolute.total() / self.label_sizes.total()).filter(|share| share.is_finite())
    }

    /// Mean of |e| / |y| over labels that are not 0, as a share, with their number. None where more than 1 % of the labels are 0.
    #[must_use]
    pub fn mape(&self) -> Option<Partial> {
        let rows = self.count.saturating_sub(self.zeros);
        let value = self.relative.total() / rows as f64;
        (value.is_finite() && self.zeros.saturating_mul(100) <= self.count).then_some(Partial { value, rows })
    }

    /// Mean of 2|e| / (|y| + |ŷ|), from 0 to 2.
    #[must_use]
    pub fn smape(&self) -> Option<f64> {
        self.finite_mean(self.symmetric)
    }

    /// One minus our absolute errors over those of the constant: 1 is perfect, 0 as good, below worse. None where it makes none.
    #[must_use]
    pub fn skill_to_constant(&self) -> Option<Partial> {
        self.constant.skill()
    }

    /// The same against the label last received, on the rows where there was one.
    #[must_use]
    pub fn skill_to_persistence(&self) -> Option<Partial> {
        self.persistence.skill()
    }

    /// Mean of the labels; None without pairs, or beyond what 64 bits hold.
    #[must_use]
    pub fn label_mean(&self) -> Option<f64> {
        Some(self.origin + self.finite_mean(self.labels[0])?).filter(|mean| mean.is_finite())
    }

    /// Standard deviation of the labels, in their unit; None below two pairs.
    #[must_use]
    pub fn label_sd(&self) -> Option<f64> {
        let scatter = self.scatter()?.max(0.0);
        (self.count > 1).then(|| (scatter / (self.count - 1) as f64).sqrt())
    }

    /// Σ(y - ȳ)².
    fn scatter(&self) -> Option<f64> {
        let distance = self.labels[0].total();
        let scatter = self.labels[1].total() - distance * distance / self.count as f64;
        scatter.is_finite().then_some(scatter)
    }
}

#[cfg(test)]
mod tests;
