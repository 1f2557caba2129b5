//! The flags of `model train --records`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use shared::clock::Timestamp;

/// Which recorded rows to train from.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Recorded rows")]
pub struct RecordedOptions {
    /// Train on rows that production recorded, in place of --data: the table that `metric export --features` writes; `-` is
    /// standard input. The latest are held out, in place of some at random.
    #[arg(
        long,
        value_name = "TABLE",
        conflicts_with_all = ["data", "id", "drop", "one_hot", "missing", "separator", "decimal"]
    )]
    pub records: Option<PathBuf>,

    /// The model that served these rows: the new one has its features, its categories and fills, and its label.
    #[arg(long, value_name = "FILE", default_value = "data/model.json")]
    pub serving: PathBuf,

    /// Only rows that were predicted at this time or later: 2026-11-22, or 2026-11-22T10:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = Timestamp::of_person, requires = "records")]
    pub since: Option<Timestamp>,

    /// Only rows that were predicted before this time.
    #[arg(long, value_name = "TIME", value_parser = Timestamp::of_person, requires = "records")]
    pub until: Option<Timestamp>,

    /// Weigh rows by age: one that was predicted this long before the latest counts half, such as 7d. [default: all alike]
    #[arg(long, value_name = "HALF-LIFE", value_parser = half_life, requires = "records")]
    pub weights: Option<Duration>,

    /// Names of the features in their order, where the file of the model that served has none: separated by commas, or a JSON
    /// array.
    #[arg(long, value_name = "NAMES", requires = "records")]
    pub features: Option<String>,
}

impl RecordedOptions {
    /// No recorded rows.
    #[must_use]
    pub fn none() -> Self {
        let serving = PathBuf::from("data/model.json");
        Self { records: None, serving, since: None, until: None, weights: None, features: None }
    }
}

fn half_life(text: &str) -> Result<Duration, String> {
    let wanted = "expected a time above zero, such as 7d";
    let time = humantime::parse_duration(text).map_err(|why| format!("{why}; {wanted}"))?;
    if time.is_zero() { Err(wanted.to_owned()) } else { Ok(time) }
}
