//! All scores of a set of rows beside each other, each with how far it can be trusted.

use schemars::JsonSchema;
use serde::Serialize;

use crate::confidence::{DOMINATED_ABSOLUTE, DOMINATED_SQUARED, Interval};
use crate::moments::{Moments, Partial};
use crate::number::Decimals;

/// From so many rows on there is a quantile of 99 %.
pub(crate) const ENOUGH_FOR_P99: u64 = 100;

/// A score, and its 95 % interval where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Estimate {
    /// The score; in JSON null where it is beyond 64 bits.
    #[schemars(with = "Option<f64>")]
    pub value: f64,
    /// None where it is not defined, or would say too little: see `Dominated`.
    pub interval: Option<Interval>,
}

impl Estimate {
    /// As many decimals as are known of it, for it and the ends of its interval alike.
    #[must_use]
    pub fn decimals(&self) -> Decimals {
        self.interval.as_ref().map_or_else(
            || Decimals::of(self.value),
            |interval| {
                let (low, high) = interval.ends();
                Decimals::of_interval(self.value, low, high)
            },
        )
    }

    /// The score, and its interval where there is one, as people read them.
    #[must_use]
    pub fn written(&self) -> (String, Option<String>) {
        let decimals = self.decimals();
        let interval = self.interval.as_ref().map(Interval::ends);
        (decimals.plain(self.value), interval.map(|(low, high)| decimals.interval(low, high)))
    }

    /// Both ends of its interval, where both are known.
    #[must_use]
    pub fn closed_ends(&self) -> Option<(f64, f64)> {
        self.interval.and_then(|interval| interval.low.zip(interval.high))
    }
}

/// Whether the largest hundredth of the rows is so much of a sum that its mean says little, and its interval is not shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Dominated {
    /// More than 10 % of all |e|: no interval of the mean absolute error.
    pub absolute: bool,
    /// More than 25 % of all e²: no interval of the root mean squared error and of R².
    pub squared: bool,
}

impl Dominated {
    /// From the shares of the largest hundredth.
    pub(crate) fn by(absolute: Option<f64>, squared: Option<f64>) -> Self {
        let above = |share: Option<f64>, limit: f64| share.is_some_and(|share| share > limit);
        Self { absolute: above(absolute, DOMINATED_ABSOLUTE), squared: above(squared, DOMINATED_SQUARED) }
    }
}

/// Scores of a set of rows. The error e is prediction minus label; |e|, quantiles, bias and the labels' deviation are in the label's
/// unit, all others are shares. What is not defined is None, and what is beyond 64 bits is infinite.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct ScoreTable {
    /// How many labelled rows.
    pub rows: u64,
    /// Mean of |e|.
    pub mae: Option<Estimate>,
    /// Root of the mean of e².
    pub rmse: Option<Estimate>,
    /// Mean of e: above 0 where predictions are too high.
    pub bias: Option<Estimate>,
    /// Coefficient of determination; None where the labels do not differ.
    pub r2: Option<Estimate>,
    /// Median of |e|.
    pub median: Option<Estimate>,
    /// 90 % quantile of |e|.
    pub p90: Option<Estimate>,
    /// 99 % quantile of |e|, from 100 rows on.
    pub p99: Option<Estimate>,
    /// Largest |e|.
    pub max: Option<f64>,
    /// Whether quantiles are those of a sketch, and so within 1 % only; they then have no interval.
    pub sketched: bool,
    /// Sum of |e| over the sum of |y|: the percentage to show by default.
    pub wape: Option<f64>,
    /// Mean of |e| / |y| over rows whose label is not 0; None where more than 1 % of the labels are.
    pub mape: Option<Partial>,
    /// Mean of 2|e| / (|y| + |ŷ|), from 0 to 2.
    pub smape: Option<f64>,
    /// One minus the share of the error that predicting the median of the training labels would have made.
    pub skill_to_constant: Option<Partial>,
    /// The same for predicting the last label that was made before the row was, on rows where there was one.
    pub skill_to_persistence: Option<Partial>,
    /// Standard deviation of the labels.
    pub label_sd: Option<f64>,
    /// Whether few rows are most of a sum.
    pub dominated: Dominated,
}

/// Intervals of those scores that are means, or nearly.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Intervals {
    pub(crate) mae: Option<Interval>,
    pub(crate) rmse: Option<Interval>,
    pub(crate) bias: Option<Interval>,
    pub(crate) r2: Option<Interval>,
}

impl ScoreTable {
    /// All but quantiles.
    pub(crate) fn of(moments: &Moments, intervals: Intervals, dominated: Dominated) -> Self {
        let with =
            |value: Option<f64>, interval: Option<Interval>| value.map(|value| Estimate { value, interval });
        Self {
            rows: moments.count(),
            mae: with(moments.mae(), intervals.mae.filter(|_| !dominated.absolute)),
            rmse: with(moments.rmse(), intervals.rmse.filter(|_| !dominated.squared)),
            bias: with(moments.bias(), intervals.bias),
            r2: with(moments.r2(), intervals.r2.filter(|_| !dominated.squared)),
            wape: moments.wape(),
            mape: moments.mape(),
            smape: moments.smape(),
            skill_to_constant: moments.skill_to_constant(),
            skill_to_persistence: moments.skill_to_persistence(),
            label_sd: moments.label_sd(),
            dominated,
            ..Self::default()
        }
    }

    /// With quantiles of |e|, each as `quantile` has it.
    pub(crate) fn with_quantiles(
        mut self,
        quantile: impl Fn(f64) -> Option<Estimate>,
        max: Option<f64>,
    ) -> Self {
        self.median = quantile(0.5);
        self.p90 = quantile(0.9);
        self.p99 = quantile(0.99).filter(|_| self.rows >= ENOUGH_FOR_P99);
        self.max = max;
        self
    }

    /// With those of a sketch.
    pub(crate) fn with_sketch(self, sketch: &crate::sketch::Sketch) -> Self {
        let quantile = |q| sketch.quantile(q).map(|value| Estimate { value, interval: None });
        Self { sketched: true, ..self.with_quantiles(quantile, sketch.max()) }
    }
}
