//! How good a version of a model has been since it began to serve.

use serde::{Deserialize, Serialize};

use crate::batches::{Batches, long_run_sd};
use crate::confidence::{larger, of_positive, of_r2, of_root, of_signed, since_the_swap};
use crate::moments::Moments;
use crate::sketch::Sketch;
use crate::table::{Dominated, Intervals, ScoreTable};

/// Everything that is kept of the labelled rows of a version: sums, batches in the order of the labels, and a sketch of |e|.
///
/// Labels and predictions are finite. Serialised with every bit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Lifetime {
    moments: Moments,
    absolute: Batches,
    signed: Batches,
    squared: Batches,
    /// Labels and their squares, counted from the moments' origin: with those of e², the batches of R²'s influence.
    labels: Batches,
    squared_labels: Batches,
    sketch: Sketch,
}

impl Lifetime {
    /// Takes in a pair, and what two others would have predicted: see [`Moments::add`].
    pub fn add(&mut self, y_true: f64, y_pred: f64, constant: Option<f64>, persistence: Option<f64>) {
        self.moments.add(y_true, y_pred, constant, persistence);
        let (error, label) = (y_pred - y_true, y_true - self.moments.origin());
        self.absolute.add(error.abs());
        self.signed.add(error);
        self.squared.add(error * error);
        self.labels.add(label);
        self.squared_labels.add(label * label);
        self.sketch.add(error);
    }

    /// The sums.
    #[must_use]
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// The sketch of |e|.
    #[must_use]
    pub fn sketch(&self) -> &Sketch {
        &self.sketch
    }

    /// The deviation by which the intervals go, of |e| and in its unit: that of all rows or that of the batches.
    #[must_use]
    pub fn absolute_sd(&self) -> Option<f64> {
        Some(larger(self.moments.absolute_sd()?, &self.absolute))
    }

    /// All scores. Intervals (from 30 rows on) may be looked at all the time: with probability 95 % the truth is in all of them,
    /// where what was seen tells what can come. They are of the rows so far.
    #[must_use]
    pub fn scores(&self) -> ScoreTable {
        let share = |power: i32| self.sketch.share_of_largest(|error| error.powi(power));
        let dominated = Dominated::by(share(1), share(2));
        ScoreTable::of(&self.moments, self.intervals().unwrap_or_default(), dominated)
            .with_sketch(&self.sketch)
    }

    fn intervals(&self) -> Option<Intervals> {
        let width = since_the_swap(self.moments.count())?;
        let moments = &self.moments;
        let half = |sd: Option<f64>, batches: &Batches| sd.map(|sd| larger(sd, batches) * width);
        let r2 = moments.r2().zip(self.r2_sd().map(|sd| sd * width));
        Some(Intervals {
            mae: moments
                .mae()
                .zip(half(moments.absolute_sd(), &self.absolute))
                .and_then(|(m, half)| of_positive(m, half)),
            rmse: moments
                .mse()
                .zip(half(moments.squared_sd(), &self.squared))
                .and_then(|(m, half)| of_root(m, half)),
            bias: moments
                .bias()
                .zip(half(moments.signed_sd(), &self.signed))
                .and_then(|(m, half)| of_signed(m, half)),
            r2: r2.and_then(|(r2, half)| of_r2(r2, half)),
        })
    }

    /// Of the influence on R², by rows or by batches: it is linear in what the batches are means of.
    fn r2_sd(&self) -> Option<f64> {
        let plain = self.moments.r2_sd()?;
        let influence = self.moments.influence()?;
        let labels = self.labels.means().iter().zip(self.squared_labels.means());
        let means = self.squared.means().iter().zip(labels).map(|(e2, (y, y2))| influence.of(*e2, *y, *y2));
        Some(long_run_sd(self.squared.size(), means).map_or(plain, |long_run| plain.max(long_run)))
    }
}

#[cfg(test)]
mod tests;
