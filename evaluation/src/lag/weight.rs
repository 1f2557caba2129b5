//! The mean absolute error that allows for labels which have not come: by weights, and by bounds without assumptions.

use super::curve::Followed;

/// A labelled row's lag and error, or a row that waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Now minus the prediction's time, in milliseconds.
    pub age: i64,
    /// The label's time minus the prediction's in milliseconds, and the absolute error.
    pub label: Option<(i64, f64)>,
}

/// A mean absolute error in which a row of a slow label speaks for those that were predicted too late to be labelled by now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weighted {
    /// The mean, in the label's unit.
    pub mae: f64,
    /// As many rows of equal weight would say as much: (Σw)² / Σw².
    pub effective: f64,
}

impl Weighted {
    /// By inverse probability of censoring (Robins and Rotnitzky 1992): the weight is 1 / G(lag), where G is the share of all
    /// rows, labelled or not, that are at least as old. It takes an error level that does not move, and speaks of lags up to the
    /// oldest age. None without labels.
    #[must_use]
    pub fn exact(rows: &[Judged]) -> Option<Self> {
        let mut ages: Vec<i64> = rows.iter().map(|row| row.age).collect();
        ages.sort_unstable();
        let labelled = rows.iter().filter_map(|row| {
            let (lag, loss) = row.label?;
            let lag = Followed { age: row.age, lag: Some(lag) }.known()?;
            let old_enough = ages.len() - ages.partition_point(|age| *age < lag);
            Some((1.0, loss, old_enough as f64 / ages.len() as f64))
        });
        Self::of(labelled)
    }

    /// Of groups: how many labels, the sum of their losses, and G at their lag.
    pub(super) fn of(groups: impl Iterator<Item = (f64, f64, f64)>) -> Option<Self> {
        let (mut loss, mut weights, mut squares) = (0.0, 0.0, 0.0);
        for (count, losses, old_enough) in groups {
            loss += losses / old_enough;
            weights += count / old_enough;
            squares += count / (old_enough * old_enough);
        }
        let weighted = Self { mae: loss / weights, effective: weights * weights / squares };
        (weighted.mae.is_finite() && weighted.effective.is_finite()).then_some(weighted)
    }
}

/// What the waiting rows' mean absolute error would have to be for that of all rows to reach `limit`; 0 or less where the labelled
/// ones alone make it so. None where no row waits. It assumes nothing of the lags.
#[must_use]
pub fn tipping_point(labelled: u64, mae: f64, waiting: u64, limit: f64) -> Option<f64> {
    let (labelled, waiting) = (labelled as f64, waiting as f64);
    let known = if labelled > 0.0 { labelled * mae } else { 0.0 };
    Some((limit * (labelled + waiting) - known) / waiting).filter(|error| error.is_finite())
}

/// Between what the mean absolute error of all rows lies: the waiting ones are without error, or each has the error `high`, for
/// which the 99th percentile of the absolute errors is a choice. None without rows.
#[must_use]
pub fn bounds(labelled: u64, mae: f64, waiting: u64, high: f64) -> Option<(f64, f64)> {
    let (labelled, waiting) = (labelled as f64, waiting as f64);
    let known = if labelled > 0.0 { labelled * mae } else { 0.0 };
    let unknown = if waiting > 0.0 { waiting * high } else { 0.0 };
    let all = labelled + waiting;
    Some((known / all, (known + unknown) / all)).filter(|(low, high)| low.is_finite() && high.is_finite())
}
