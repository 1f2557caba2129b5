//! The flags of `model train`.

use std::path::{Path, PathBuf};

use clap::Args;
use shared::table::{Columns, Dialect};

use super::fit::{Algorithm, Recipe};
use super::recorded::RecordedOptions;

/// What to train from, how, and where to.
#[derive(Args, Debug, Clone)]
pub struct TrainOptions {
    /// Table with a header: CSV, also with other separators, compressed with gzip, or exported by Excel; `-` is standard input.
    #[arg(long, value_name = "FILE", default_value = "data/diabetes.csv")]
    pub data: PathBuf,

    /// Which columns are what.
    #[command(flatten)]
    pub columns: Columns,

    /// How the table is written.
    #[command(flatten)]
    pub dialect: Dialect,

    /// The model file to write; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "data/model.json")]
    pub model: PathBuf,

    /// Algorithm.
    #[arg(long, value_enum, default_value_t = Algorithm::Ols)]
    pub algorithm: Algorithm,

    /// Cost of large weights, scikit-learn's alpha. Several, separated by commas, for --cross-validate to choose from.
    /// [default: 1; with --cross-validate a list of its own]
    #[arg(long, value_name = "NUMBER", value_delimiter = ',', value_parser = parse_penalty)]
    pub penalty: Vec<f64>,

    /// Elastic net: share of the penalty on the weights' absolute values; the rest is on their squares.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = parse_l1_ratio)]
    pub l1_ratio: f64,

    /// Standardise the features inside the model, so that a penalty treats them alike.
    #[arg(long)]
    pub scale: bool,

    /// Choose the penalty by cross-validation: fit each to K - 1 of K parts of the rows in turn, and keep the one that
    /// predicts the remaining parts best.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(2..=1000))]
    pub cross_validate: Option<u64>,

    /// Share of the rows to hold out from training, to measure the error on unseen rows.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = parse_share)]
    pub holdout: f64,

    /// Seed of the split into training and held-out rows, and of the parts of --cross-validate.
    #[arg(long, value_name = "NUMBER", default_value_t = 42)]
    pub seed: u64,

    /// Rows that were recorded.
    #[command(flatten)]
    pub recorded: RecordedOptions,
}

impl TrainOptions {
    /// What `model train` does without flags, with these files and columns.
    #[must_use]
    pub fn plain(data: &Path, columns: Columns, model: &Path) -> Self {
        Self {
            data: data.to_owned(),
            columns,
            dialect: Dialect::default(),
            model: model.to_owned(),
            algorithm: Algorithm::Ols,
            penalty: Vec::new(),
            l1_ratio: 0.5,
            scale: false,
            cross_validate: None,
            holdout: 0.2,
            seed: 42,
            recorded: RecordedOptions::none(),
        }
    }

    pub(super) fn recipe(&self, penalty: f64) -> Recipe {
        Recipe { algorithm: self.algorithm, penalty, l1_ratio: self.l1_ratio, scale: self.scale }
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    parse_number(text, "expected a number from 0 to 0.9", |share| (0.0..=0.9).contains(&share))
}

fn parse_l1_ratio(text: &str) -> Result<f64, String> {
    let wanted = "expected a number above 0 and up to 1; for 0 use `--algorithm ridge`";
    parse_number(text, wanted, |ratio| ratio > 0.0 && ratio <= 1.0)
}

fn parse_penalty(text: &str) -> Result<f64, String> {
    parse_number(text, "expected a finite number above 0", |penalty| penalty > 0.0 && penalty.is_finite())
}

fn parse_number(text: &str, wanted: &str, good: impl Fn(f64) -> bool) -> Result<f64, String> {
    text.trim().parse().ok().filter(|number| good(*number)).ok_or_else(|| wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_their_limits_are_refused() {
        assert!(parse_share("0.9").is_ok() && parse_share("0.91").is_err() && parse_share("NaN").is_err());
        assert!(parse_l1_ratio("1").is_ok() && parse_l1_ratio("0").is_err());
        assert!(
            parse_penalty("1e-9").is_ok() && parse_penalty("0").is_err() && parse_penalty("inf").is_err()
        );
    }
}
