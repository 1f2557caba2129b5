//! The service's flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use shared::dataset::Columns;

use crate::INTERVAL;
use crate::delay::Delay;
use crate::order::Order;

/// Which rows are published, when, and in which form.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Rows")]
pub struct FeaturesOptions {
    /// CSV file with a header; every cell a number.
    #[arg(long, env = "DATA", value_name = "FILE", default_value = "data/diabetes.csv")]
    pub data: PathBuf,

    /// Which columns are what.
    #[command(flatten)]
    pub columns: Columns,

    /// Order of the rows.
    #[arg(long, env = "ORDER", value_enum, default_value_t = Order::Random)]
    pub order: Order,

    /// Seed of the order and of the labels' delays. [default: drawn anew at each start]
    #[arg(long, env = "SEED", value_name = "NUMBER")]
    pub seed: Option<u64>,

    /// Time from row to row, such as `500ms`; `0s` is as fast as the broker confirms. [default: 2s]
    #[arg(long, env = "INTERVAL", value_name = "TIME", value_parser = humantime::parse_duration, conflicts_with = "rate")]
    pub interval: Option<Duration>,

    /// Rows per second, instead of an interval.
    #[arg(long, env = "RATE", value_name = "NUMBER", value_parser = parse_rate)]
    pub rate: Option<f64>,

    /// How many rows to publish. [default: all with `--order once`, else without end]
    #[arg(long, env = "COUNT", value_name = "NUMBER")]
    pub count: Option<u64>,

    /// How long a label comes after its row: `0s`, a time, `uniform:1s..10s`, or `exponential:30s` (the mean).
    #[arg(long, env = "LABEL_DELAY", value_name = "DELAY", default_value = "0s")]
    pub label_delay: Delay,

    /// Where the id travels: in the message's properties, or in the body as {"id", "body"}.
    #[arg(long, env = "BODY", value_enum, default_value_t = Body::Bare)]
    pub body: Body,

    /// Sends the features' names with each row, in the header `x-feature-names`, so that a model of other features
    /// refuses it.
    #[arg(long, env = "FEATURE_NAMES", value_parser = BoolishValueParser::new())]
    pub feature_names: bool,

    /// A file to which the id of every confirmed message is appended, for audits.
    #[arg(long, env = "LEDGER", value_name = "FILE")]
    pub ledger: Option<PathBuf>,
}

/// Where the id travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Body {
    /// In the property `message_id`; the body is the bare array or number.
    Bare,
    /// In the body, `{"id": ..., "body": ...}`, as later versions of the Python exercise have it.
    Wrapped,
}

impl FeaturesOptions {
    /// Time from row to row.
    #[must_use]
    pub fn interval(&self) -> Duration {
        match (self.interval, self.rate) {
            (Some(interval), _) => interval,
            (None, Some(rate)) => Duration::from_secs_f64(1.0 / rate),
            (None, None) => INTERVAL,
        }
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "wanted is a number of rows per second".to_owned())?;
    if (1e-6..=1e9).contains(&rate) {
        Ok(rate)
    } else {
        Err("wanted is a rate from 0.000001 to 1e9".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_positive_and_finite() {
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        for bad in ["0", "-1", "NaN", "inf", "ten"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }
}
