//! Fits a model to a table and says how good it is on rows that it has not seen.

pub mod columns;
mod design;
pub mod fit;
pub mod learn;
mod options;
pub(crate) mod report;
pub mod validate;

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::ValueEnum as _;
use evaluation::scores::Scores;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use shared::clock::Timestamp;
use shared::message::{Cell, scorable};
use shared::printable::piece;
use shared::table::{Columns, Labels, Table};

use crate::content::Format;
use crate::file::{Holdout, ModelFile, Reference, Residual, TableSource, Training, sha256};
use crate::linear::Linear;
use fit::{Algorithm, fit};
use validate::{Choice, Errors, choose};

pub use design::Design;
pub use options::TrainOptions;
pub use report::report;

/// A model as it was written, and what only its training knows.
#[derive(Debug)]
pub struct Trained {
    /// What was written.
    pub model: ModelFile,
    /// How good it is on the rows that it was fitted to.
    pub seen: Holdout,
    /// The penalties that could not be fitted to all parts, and why.
    pub unfitted: Vec<(f64, String)>,
    /// What was found by looking at the table, left out of it, filled and encoded: a line each.
    pub notes: Vec<String>,
}

/// Trains and writes the model file.
///
/// # Errors
/// A table that cannot be used or fitted, or a file that cannot be written or would be refused.
pub fn train(options: &TrainOptions) -> anyhow::Result<Trained> {
    let TrainOptions { data, columns, dialect, model: path, holdout, seed, .. } = options;
    if options.algorithm == Algorithm::Ols && !options.penalty.is_empty() {
        bail!("ordinary least squares has no penalty; choose --algorithm ridge, lasso or elastic-net");
    }
    ensure!(
        options.penalty.len() <= 1 || options.cross_validate.is_some(),
        "several penalties need --cross-validate, which chooses one"
    );
    let is_json = Format::of(path) == Some(Format::Json);
    ensure!(is_json, "cannot write {}: the name of a model file must end in .json", path.display());
    let name = if is_standard(data) { STANDARD.to_owned() } else { data.display().to_string() };
    let bytes = read(data).with_context(|| format!("cannot read {name}"))?;
    let table = Table::parse(&*bytes, &name, dialect, columns, Labels::Required)?;
    refuse_extreme(&table, &name)?;
    let (seen, unseen) = split(table.rows.len(), *holdout, *seed);
    let unfit = || format!("cannot fit {name}");
    let encoding = learn::encoding(&table, &seen, columns.missing).with_context(unfit)?;
    learn::refuse_constant(&encoding).with_context(unfit)?;
    let design = Design::of(&table, &seen, &encoding);
    let Choice { recipe, cross_validation, errors, unfitted } =
        choose(&table, &seen, options).with_context(unfit)?;
    let linear = fit(&design, &recipe).with_context(unfit)?;

    let mut notes = table.notes.clone();
    notes.extend(learn::notes(&table, &seen, &encoding, columns.missing));
    let held_out = Design::of(&table, &unseen, &encoding);
    if held_out.rows.len() < unseen.len() {
        let unknown = unseen.len() - held_out.rows.len();
        notes.push(format!(
            "{unknown} held-out rows have a category that no training row has, and are not scored"
        ));
    }
    let residual = match errors {
        Ok(errors) => errors.map(|Errors { errors, folds }| Residual::of(&errors, folds)),
        Err(why) => {
            notes.push(format!("no part of the rows can be held out of the fit, so its errors on new rows are unknown: {why:#}"));
            None
        }
    };
    let predictions = linear.predict(&design.vectors());
    let training = Training {
        algorithm: recipe.algorithm.to_string(),
        parameters: recipe.parameters(),
        libraries: libraries(recipe.algorithm),
        data: Some(source(data, &bytes, &table, columns)),
        converted_from: None,
        rows: Some(seen.len()),
        seed: Some(*seed),
        cross_validation,
        made_at: Timestamp::now().to_string(),
    };
    let golden: Vec<&[Cell]> = seen.iter().map(|row| &*table.rows[*row]).collect();
    let mut model = ModelFile::linear(&encoding, columns.label().to_owned(), &linear, training)
        .with_golden(&golden)
        .map_err(|why| anyhow!(why))?;
    model.reference = Some(Reference::of(&design.vectors(), &design.labels, &predictions, residual));
    model.holdout = (!held_out.rows.is_empty()).then(|| scores(&held_out, &linear));
    model.write(path).with_context(|| format!("cannot write the model file {}", path.display()))?;
    Ok(Trained { model, seen: scores(&design, &linear), unfitted, notes })
}

/// What a table is called that has no file.
const STANDARD: &str = "standard input";

fn is_standard(data: &Path) -> bool {
    data == Path::new("-")
}

fn read(data: &Path) -> io::Result<Vec<u8>> {
    if !is_standard(data) {
        return std::fs::read(data);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How good a model is on these rows.
fn scores(design: &Design, linear: &Linear) -> Holdout {
    let predictions = linear.predict(&design.vectors());
    Holdout::from(&Scores::of(design.labels.iter().copied().zip(predictions)))
}

/// Refuses labels that `metric` would refuse.
fn refuse_extreme(table: &Table, name: &str) -> anyhow::Result<()> {
    for (label, line) in table.labels.iter().zip(&table.lines) {
        scorable("the label", *label).map_err(|why| {
            let target = piece(table.target.as_deref().unwrap_or_default());
            let why = why.detail;
            anyhow!("{name}, line {line}, column {target}: {why}; use another unit for the column, or leave the row out")
        })?;
    }
    Ok(())
}

/// Where the rows came from.
fn source(data: &Path, bytes: &[u8], table: &Table, columns: &Columns) -> TableSource {
    TableSource {
        file: match data.file_name() {
            Some(name) if !is_standard(data) => name.to_string_lossy().into_owned(),
            _ => STANDARD.to_owned(),
        },
        sha256: sha256(bytes),
        rows: Some(table.rows.len()),
        missing: columns.missing.to_possible_value().map(|way| way.get_name().to_owned()),
        notes: table.notes.clone(),
    }
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
    use shared::table::Dialect;

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
    fn a_label_that_could_not_be_scored_is_refused_with_its_place() {
        let table = |label: &str| {
            let text = format!("t,price\n1e300,1\n\n2,{label}\n");
            let columns = Columns::target("price");
            Table::parse(text.as_bytes(), "t.csv", &Dialect::default(), &columns, Labels::Required).unwrap()
        };
        assert!(refuse_extreme(&table("-1e15"), "t.csv").is_ok(), "features may be larger");
        assert_eq!(
            refuse_extreme(&table("-1e16"), "t.csv").unwrap_err().to_string(),
            "t.csv, line 4, column price: the label is -1e16; scored are numbers up to 1e15; use another unit for the column, or leave the row out"
        );
    }

    #[test]
    fn the_versions_are_those_of_the_lock_file() {
        let lock = include_str!("../../Cargo.lock");
        for library in ["linfa", "linfa-linear", "linfa-elasticnet"] {
            let entry = format!("name = \"{library}\"\nversion = \"{LINFA}\"\n");
            assert!(lock.contains(&entry), "{library} has another version than {LINFA}");
        }
    }
}
