//! Fits a model to a table and says how good it is on rows that it has not seen.

pub mod columns;
pub mod fit;
pub(crate) mod report;
pub mod validate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use shared::clock::Timestamp;
use shared::dataset::{Columns, Dataset};
use shared::scores::Scores;

use crate::content::Format;
use crate::file::{Holdout, ModelFile, Reference, Source, Training};
use fit::{Algorithm, Recipe, fit};
use validate::{Choice, choose};

pub use report::report;

/// What to train from, how, and where to.
#[derive(Args, Debug, Clone)]
pub struct TrainOptions {
    /// CSV file with a header; every cell a number.
    #[arg(long, env = "DATA", value_name = "FILE", default_value = "data/diabetes.csv")]
    pub data: PathBuf,

    /// Which columns are what.
    #[command(flatten)]
    pub columns: Columns,

    /// The model file to write.
    #[arg(long, env = "MODEL", value_name = "FILE", default_value = "data/model.json")]
    pub model: PathBuf,

    /// How to fit.
    #[arg(long, value_enum, default_value_t = Algorithm::Ols)]
    pub algorithm: Algorithm,

    /// How much large weights cost: what scikit-learn calls alpha. Several, with commas between, for --cross-validate to
    /// choose from. [default: 1, or those that --cross-validate tries]
    #[arg(long, value_name = "NUMBER", value_delimiter = ',', value_parser = parse_penalty)]
    pub penalty: Vec<f64>,

    /// Elastic net: the share of the penalty that is on the weights' sizes; the rest is on their squares.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = parse_l1_ratio)]
    pub l1_ratio: f64,

    /// Standardises the features inside the model, so that a penalty weighs all of them alike.
    #[arg(long)]
    pub scale: bool,

    /// Chooses the penalty: fits each one to K - 1 of K parts of the rows in turn, and keeps the one that predicts the
    /// parts left out best.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(2..=1000))]
    pub cross_validate: Option<u64>,

    /// Share of the rows to hold out from training, to say how good the model is on rows it has not seen.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = parse_share)]
    pub holdout: f64,

    /// Seed of the split into training and hold-out rows, and of the parts of --cross-validate.
    #[arg(long, value_name = "NUMBER", default_value_t = 42)]
    pub seed: u64,
}

impl TrainOptions {
    /// What `model train` does without flags, with these files and columns.
    #[must_use]
    pub fn plain(data: &Path, columns: Columns, model: &Path) -> Self {
        Self {
            data: data.to_owned(),
            columns,
            model: model.to_owned(),
            algorithm: Algorithm::Ols,
            penalty: Vec::new(),
            l1_ratio: 0.5,
            scale: false,
            cross_validate: None,
            holdout: 0.2,
            seed: 42,
        }
    }

    fn recipe(&self, penalty: f64) -> Recipe {
        Recipe { algorithm: self.algorithm, penalty, l1_ratio: self.l1_ratio, scale: self.scale }
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    parse_number(text, "wanted is a number from 0 to 0.9", |share| (0.0..=0.9).contains(&share))
}

fn parse_l1_ratio(text: &str) -> Result<f64, String> {
    let wanted = "wanted is a number above 0 and up to 1; with 0 it is `--algorithm ridge`";
    parse_number(text, wanted, |ratio| ratio > 0.0 && ratio <= 1.0)
}

fn parse_penalty(text: &str) -> Result<f64, String> {
    parse_number(text, "wanted is a finite number above 0", |penalty| penalty > 0.0 && penalty.is_finite())
}

fn parse_number(text: &str, wanted: &str, good: impl Fn(f64) -> bool) -> Result<f64, String> {
    text.trim().parse().ok().filter(|number| good(*number)).ok_or_else(|| wanted.to_owned())
}

/// A model as it was written, and what only its training knows.
#[derive(Debug)]
pub struct Trained {
    /// What was written.
    pub model: ModelFile,
    /// How good it is on the rows that it was fitted to.
    pub seen: Holdout,
    /// The penalties that could not be fitted to all parts, and why.
    pub unfitted: Vec<(f64, String)>,
}

/// Trains and writes the model file.
///
/// # Errors
/// A table that cannot be used or fitted, or a file that cannot be written.
pub fn train(options: &TrainOptions) -> anyhow::Result<Trained> {
    let TrainOptions { data, columns, model: path, holdout, seed, .. } = options;
    if options.algorithm == Algorithm::Ols && !options.penalty.is_empty() {
        bail!("ordinary least squares has no penalty; choose --algorithm ridge, lasso or elastic-net");
    }
    ensure!(
        options.penalty.len() <= 1 || options.cross_validate.is_some(),
        "several penalties need --cross-validate, which chooses one"
    );
    let is_json = Format::of(path) == Some(Format::Json);
    ensure!(is_json, "cannot write {}: a model file's name ends in .json", path.display());
    let bytes = std::fs::read(data).with_context(|| format!("cannot read {}", data.display()))?;
    let table = Dataset::parse(&bytes, data, columns)?;
    let (seen, unseen) = split(table.rows.len(), *holdout, *seed);
    let unfit = || format!("cannot fit {}", data.display());
    let Choice { recipe, cross_validation, unfitted } = choose(&table, &seen, options).with_context(unfit)?;
    let linear = fit(&table, &seen, &recipe).with_context(unfit)?;
    let training = Training {
        algorithm: recipe.algorithm.to_string(),
        parameters: recipe.parameters(),
        libraries: libraries(recipe.algorithm),
        data: Some(Source::of(data, &bytes)),
        converted_from: None,
        rows: Some(seen.len()),
        seed: Some(*seed),
        cross_validation,
        made_at: Timestamp::now().to_string(),
    };
    let (rows, labels) = table.select(&seen);
    let predictions = linear.predict(&rows);
    let scores = |labels: &[f64], predictions: &[f64]| {
        Holdout::from(&Scores::of(labels.iter().copied().zip(predictions.iter().copied())))
    };
    let mut model = ModelFile::linear(table.features.clone(), table.target.clone(), &linear, training)
        .with_golden(&rows, &predictions);
    model.reference = Some(Reference::of(&rows, &labels, &predictions));
    model.holdout = (!unseen.is_empty()).then(|| {
        let (rows, labels) = table.select(&unseen);
        scores(&labels, &linear.predict(&rows))
    });
    let seen = scores(&labels, &predictions);
    // Read back before it is written: what we write, we must be able to serve.
    ModelFile::parse(&model.to_json()?).map_err(|why| anyhow!("the model cannot be written down: {why}"))?;
    model.write(path).with_context(|| format!("cannot write the model file {}", path.display()))?;
    Ok(Trained { model, seen, unfitted })
}

/// The libraries that fit, with their versions.
fn libraries(algorithm: Algorithm) -> BTreeMap<String, String> {
    let fits = match algorithm {
        Algorithm::Ols | Algorithm::Ridge => "linfa-linear",
        Algorithm::Lasso | Algorithm::ElasticNet => "linfa-elasticnet",
    };
    ["linfa", fits].map(|library| (library.to_owned(), LINFA.to_owned())).into()
}

/// The version of linfa and its parts. A test holds it to the lock file.
const LINFA: &str = "0.8.1";

/// Splits row indices at random into those to train on and those to hold out. Both keep the table's order.
#[must_use]
pub fn split(rows: usize, holdout: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut shuffled: Vec<usize> = (0..rows).collect();
    shuffled.shuffle(&mut StdRng::seed_from_u64(seed));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count fits")]
    let held = (rows as f64 * holdout).round() as usize;
    let (unseen, seen) = shuffled.split_at(held);
    let sorted = |indices: &[usize]| {
        let mut indices = indices.to_vec();
        indices.sort_unstable();
        indices
    };
    (sorted(seen), sorted(unseen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_by_seed_and_leaves_no_row_out() {
        let (seen, unseen) = split(100, 0.2, 1);
        assert_eq!((seen.len(), unseen.len()), (80, 20));
        let mut all = [&seen[..], &unseen[..]].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert_eq!(split(100, 0.2, 1), (seen, unseen.clone()));
        assert_ne!(split(100, 0.2, 2).1, unseen);
        assert_eq!(split(10, 0.0, 1).1, [0; 0]);
    }

    #[test]
    fn the_versions_are_those_of_the_lock_file() {
        let lock = include_str!("../../Cargo.lock");
        for library in ["linfa", "linfa-linear", "linfa-elasticnet"] {
            let entry = format!("name = \"{library}\"\nversion = \"{LINFA}\"\n");
            assert!(lock.contains(&entry), "{library} has another version than {LINFA}");
        }
    }

    #[test]
    fn numbers_out_of_their_limits_are_refused() {
        assert!(parse_share("0.9").is_ok() && parse_share("0.91").is_err() && parse_share("NaN").is_err());
        assert!(parse_l1_ratio("1").is_ok() && parse_l1_ratio("0").is_err());
        assert!(
            parse_penalty("1e-9").is_ok() && parse_penalty("0").is_err() && parse_penalty("inf").is_err()
        );
    }
}
