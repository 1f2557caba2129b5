//! The last rows that were labelled, and their scores, computed anew whenever somebody asks.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::bits;
use crate::confidence::{half_width, of_positive, of_r2, of_root, of_signed, share_of_largest};
use crate::moments::{Influence, Moments};
use crate::quantile;
use crate::table::{Dominated, Estimate, Intervals, ScoreTable};

/// So many rows where nobody says otherwise.
pub const USUAL: usize = 500;
/// So many at most: every question goes through all of them.
pub const MOST: usize = 100_000;

/// A labelled row. Serialised with every bit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The label.
    #[serde(with = "bits")]
    pub y_true: f64,
    /// The prediction.
    #[serde(with = "bits")]
    pub y_pred: f64,
    /// When it was predicted, in milliseconds since the epoch.
    pub predicted_at: i64,
    /// How long after that the label came, in milliseconds.
    pub lag: i64,
    /// The number of its prediction, if that is known.
    pub prediction: Option<i64>,
    /// The bits of the last label that was made before the row was, if one was.
    persistence: Option<u64>,
}

impl Row {
    /// A row whose label came `lag` milliseconds after its prediction; `persistence` is the last label that was made before the row was.
    #[must_use]
    pub fn new(y_true: f64, y_pred: f64, predicted_at: i64, lag: i64, persistence: Option<f64>) -> Self {
        Self {
            y_true,
            y_pred,
            predicted_at,
            lag,
            prediction: None,
            persistence: persistence.map(f64::to_bits),
        }
    }

    /// The same row with the number of its prediction.
    #[must_use]
    pub fn numbered(self, prediction: Option<i64>) -> Self {
        Self { prediction, ..self }
    }

    /// The last label that was made before the row was.
    #[must_use]
    pub fn persistence(&self) -> Option<f64> {
        self.persistence.map(f64::from_bits)
    }

    fn error(&self) -> f64 {
        self.y_pred - self.y_true
    }
}

/// A ring of the last rows in the order of their labels.
///
/// Nothing is subtracted from a running sum, so one huge error is gone when its row is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastRows {
    most: usize,
    rows: VecDeque<Row>,
}

impl Default for LastRows {
    fn default() -> Self {
        Self::new(USUAL)
    }
}

impl LastRows {
    /// Keeps so many rows: at least 1, at most 100 000.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most: most.clamp(1, MOST), rows: VecDeque::new() }
    }

    /// Takes in a row that was labelled, and lets go of the oldest where there are enough.
    pub fn add(&mut self, row: Row) {
        while self.rows.len() >= self.most.clamp(1, MOST) {
            self.rows.pop_front();
        }
        self.rows.push_back(row);
    }

    /// The rows, in the order of their labels.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &Row> + DoubleEndedIterator {
        self.rows.iter()
    }

    /// How many rows are kept at most.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// All scores of these rows; see [`LastRows::scores_of`].
    #[must_use]
    pub fn scores(&self, constant: Option<f64>) -> ScoreTable {
        self.scores_of(self.rows.len(), constant)
    }

    /// All scores of the last so many of these rows. `constant` is the median of the labels in training, for the skill. Intervals
    /// (from 30 rows on) hold for a window that was chosen without looking, not for the worst of many.
    #[must_use]
    pub fn scores_of(&self, last: usize, constant: Option<f64>) -> ScoreTable {
        let before = self.rows.len().saturating_sub(last);
        let mut rows: Vec<&Row> = self.rows.iter().skip(before).collect();
        rows.sort_by_key(|row| row.predicted_at);
        let mut moments = Moments::default();
        rows.iter().for_each(|row| moments.add(row.y_true, row.y_pred, constant, row.persistence()));

        let mut absolute: Vec<f64> = rows.iter().map(|row| row.error().abs()).collect();
        let intervals = intervals(&rows, &moments, &absolute);
        absolute.sort_unstable_by(f64::total_cmp);
        let squared: Vec<f64> = absolute.iter().map(|error| error * error).collect();
        let dominated = Dominated::by(share_of_largest(&absolute), share_of_largest(&squared));
        let quantile = |q| {
            let interval = Some(quantile::interval(&absolute, q)).filter(|interval| !interval.is_open());
            quantile::quantile(&absolute, q).map(|value| Estimate { value, interval })
        };
        ScoreTable::of(&moments, intervals, dominated).with_quantiles(quantile, absolute.last().copied())
    }
}

/// Those of the means, from rows in the order of their predictions.
fn intervals(rows: &[&Row], moments: &Moments, absolute: &[f64]) -> Intervals {
    let signed: Vec<f64> = rows.iter().map(|row| row.error()).collect();
    let squared: Vec<f64> = signed.iter().map(|error| error * error).collect();
    let r2 = |influence: Influence| {
        let of = |(row, squared): (&&Row, &f64)| {
            let label = row.y_true - moments.origin();
            influence.of(*squared, label, label * label)
        };
        let influences: Vec<f64> = rows.iter().zip(&squared).map(of).collect();
        of_r2(moments.r2()?, half_width(&influences)?)
    };
    Intervals {
        mae: moments.mae().zip(half_width(absolute)).and_then(|(mean, half)| of_positive(mean, half)),
        rmse: moments.mse().zip(half_width(&squared)).and_then(|(mean, half)| of_root(mean, half)),
        bias: moments.bias().zip(half_width(&signed)).and_then(|(mean, half)| of_signed(mean, half)),
        r2: moments.influence().and_then(r2),
    }
}

#[cfg(test)]
mod tests;
