//! The service's flags, and those of `features labels`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, value_parser};
use shared::table::{Columns, Dialect, Labels};

use crate::delay::{self, Delay};
use crate::disturb::Disturbance;
use crate::input;
use crate::order::Order;
use crate::shape::Shape;
use crate::wishes::{LineFormat, What, Wishes};

/// The pace of a table's rows when nothing else is said: the exercise's.
const INTERVAL: Duration = Duration::from_secs(2);

/// Which rows are published, when, and in which form.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Rows")]
pub struct FeaturesOptions {
    /// A table with a header, or one JSON object per line; `-` is standard input. Pipes and lines of JSON are streams: each
    /// row is sent once, as it arrives.
    #[arg(long, value_name = "FILE", default_value = "data/diabetes.csv")]
    pub data: PathBuf,

    /// Which columns are what.
    #[command(flatten)]
    pub columns: Columns,

    /// Publish rows only; a label column is left out.
    #[arg(long)]
    pub no_labels: bool,

    #[command(flatten)]
    pub(crate) input: InputOptions,

    /// Order of a table's rows; streams are sent once. [default: random]
    #[arg(long, value_enum)]
    pub order: Option<Order>,

    /// Seed of the order, of the label delays and of the missing labels. [default: a new one at each start]
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,

    #[command(flatten)]
    pub(crate) pace: Pace,

    /// How long after its row a label is sent: a time such as `10m`, `uniform:1s..10s`, or `exponential:30s` (the mean).
    #[arg(long, value_name = "DELAY", default_value = "0s")]
    pub label_delay: Delay,

    #[command(flatten)]
    pub(crate) sending: Sending,

    /// Send the feature names with each row, in the header `x-feature-names`, so that a model of other features refuses it.
    #[arg(long)]
    pub feature_names: bool,

    /// What is done to the data on purpose.
    #[command(flatten)]
    pub disturbance: Disturbance,
}

/// Which labels are published, and when.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Labels")]
pub struct LabelsOptions {
    /// A table or lines of JSON with ids and labels; other columns are ignored. `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,

    /// Column with the id of the labelled row.
    #[arg(long, value_name = "COLUMN")]
    pub id: String,

    /// Column with the label.
    #[arg(long, value_name = "COLUMN", default_value = "target")]
    pub target: String,

    #[command(flatten)]
    pub(crate) input: InputOptions,

    #[command(flatten)]
    pub(crate) pace: Pace,

    #[command(flatten)]
    pub(crate) sending: Sending,
}

/// How what is read is written.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct InputOptions {
    /// Format of the input. [default: by the file name, .ndjson or .jsonl, or by the first character]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) input_format: Option<LineFormat>,

    /// Skip lines of a stream that cannot be read, and report them. Otherwise the first one ends the feed.
    #[arg(long)]
    pub(crate) skip_bad: bool,

    /// How a table is written.
    #[command(flatten)]
    pub(crate) dialect: Dialect,
}

/// How fast, and how much.
#[derive(Args, Debug, Clone)]
pub(crate) struct Pace {
    /// Time between rows, such as `500ms`; `0s` is as fast as the broker confirms. [default: 2s for a table's rows, else 0s]
    #[arg(long, value_name = "TIME", value_parser = delay::time, conflicts_with = "rate")]
    interval: Option<Duration>,

    /// Rows per second, instead of --interval.
    #[arg(long, value_name = "NUMBER", value_parser = parse_rate)]
    rate: Option<f64>,

    /// How many to publish. [default: all of a stream or with `--order once`, otherwise endless]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) count: Option<u64>,
}

/// In which form, and what is written down of it.
#[derive(Args, Debug, Clone)]
pub(crate) struct Sending {
    #[command(flatten)]
    pub(crate) shape: Shape,

    /// How many rows, and how many labels, go into one message at the most, up to 4096: those that are due together. More
    /// than one as {"ids": [...], KEY: [...]}, which costs the broker a fraction.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = value_parser!(u16).range(1..=4096))]
    rows_per_message: u16,

    /// File to which every confirmed message is appended, as a line QUEUE,ID.
    #[arg(long, value_name = "FILE")]
    pub(crate) ledger: Option<PathBuf>,

    /// Skip what the ledger says is confirmed, to continue an interrupted feed with the same data. Needs --id and --ledger.
    #[arg(long)]
    pub(crate) resume: bool,
}

impl FeaturesOptions {
    /// Whether the data is a stream, of which each row goes out once, and which cannot be read twice.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        input::is_stream(&self.data, self.input.input_format)
    }

    /// How the data is written, where it is a table.
    #[must_use]
    pub fn dialect(&self) -> &Dialect {
        &self.input.dialect
    }

    /// What is done about labels.
    #[must_use]
    pub fn labels(&self) -> Labels {
        if self.no_labels { Labels::Unwanted } else { Labels::IfThere }
    }

    /// The order of the rows.
    pub(crate) fn order(&self) -> Order {
        self.order.unwrap_or(if self.is_stream() { Order::Once } else { Order::Random })
    }

    pub(crate) fn interval(&self) -> Duration {
        self.pace.interval(if self.is_stream() { Duration::ZERO } else { INTERVAL })
    }

    /// What is wanted of a stream; `seed` is that of what is done to it.
    pub(crate) fn wishes(&self, seed: u64) -> Wishes {
        let disturbance = Some(&self.disturbance).filter(|disturbance| !disturbance.is_none());
        Wishes {
            what: What::Rows(self.labels()),
            columns: self.columns.clone(),
            dialect: self.input.dialect.clone(),
            format: self.input.input_format,
            names: self.feature_names,
            disturbance: disturbance.map(|disturbance| (disturbance.clone(), seed)),
        }
    }

    /// What matters of them, for the first line of the log.
    #[must_use]
    pub fn settings(&self) -> String {
        let labels = match self.label_delay {
            _ if self.no_labels => "no labels".to_owned(),
            delay => format!("labels after {delay}"),
        };
        let disturbed = match &self.disturbance {
            none if none.is_none() => String::new(),
            disturbance => format!(", {}", disturbance.settings()),
        };
        format!(
            "rows of {}, {}, {labels}{}{disturbed}",
            input::name(&self.data),
            pace(self.interval()),
            self.sending.settings()
        )
    }

    /// Holds the flags to each other.
    ///
    /// # Errors
    /// Those that do not go together, and what goes.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let once = self.order() == Order::Once;
        ensure!(
            once || !self.is_stream(),
            "--order {} is for tables: rows of {} are sent once, in their order",
            self.order(),
            input::name(&self.data)
        );
        let resume = self.sending.resume;
        ensure!(!resume || self.columns.id.is_some(), "--resume needs row ids: name their column with --id");
        ensure!(!resume || once, "--resume needs every row to be sent once: add --order once");
        self.disturbance.check(!self.no_labels)?;
        ensure!(
            !resume || self.disturbance.label_missing.is_none() || self.seed.is_some(),
            "--resume with --label-missing needs a --seed, the same at each start: otherwise other labels are left out"
        );
        self.sending.check()?;
        self.input.check(self.is_stream())
    }
}

impl LabelsOptions {
    /// What matters of them, for the first line of the log.
    #[must_use]
    pub fn settings(&self) -> String {
        let pace = pace(self.pace.interval(Duration::ZERO));
        format!("labels of {}, {pace}{}", input::name(&self.data), self.sending.settings())
    }

    pub(crate) fn wishes(&self) -> Wishes {
        let columns = Columns { id: Some(self.id.clone()), ..Columns::target(&self.target) };
        let (dialect, format) = (self.input.dialect.clone(), self.input.input_format);
        Wishes { what: What::Labels, columns, dialect, format, names: false, disturbance: None }
    }
}

impl InputOptions {
    pub(crate) fn check(&self, is_stream: bool) -> anyhow::Result<()> {
        ensure!(
            is_stream || !self.skip_bad,
            "--skip-bad is for streams: a table is checked whole before anything is published"
        );
        Ok(())
    }
}

impl Pace {
    /// Time from row to row, where nothing is said the `default`.
    pub(crate) fn interval(&self, default: Duration) -> Duration {
        match (self.interval, self.rate) {
            (Some(interval), _) => interval,
            (None, Some(rate)) => Duration::from_secs_f64(1.0 / rate),
            (None, None) => default,
        }
    }
}

impl Sending {
    pub(crate) fn rows_per_message(&self) -> usize {
        self.rows_per_message.into()
    }

    /// What matters of them, for the first line of the log.
    pub(crate) fn settings(&self) -> String {
        let ledger =
            self.ledger.as_ref().map_or(String::new(), |ledger| format!(", ledger {}", ledger.display()));
        let ledger = if self.resume { ledger + " that is resumed" } else { ledger };
        match self.rows_per_message {
            1 => ledger,
            many => format!(", up to {many} rows a message{ledger}"),
        }
    }

    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.shape.check()?;
        ensure!(
            !self.resume || self.ledger.is_some(),
            "--resume needs a file with what was confirmed: add --ledger FILE, also at the first start"
        );
        Ok(())
    }
}

/// A pace as people say it.
pub(crate) fn pace(interval: Duration) -> String {
    if interval.is_zero() {
        return "as fast as it goes".to_owned();
    }
    format!("one every {}", humantime::format_duration(interval))
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "expected a number of rows per second".to_owned())?;
    if (1e-6..=1e9).contains(&rate) {
        Ok(rate)
    } else {
        Err("expected a rate from 0.000001 to 1e9".to_owned())
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
