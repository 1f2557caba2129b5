//! Fits a model to a table and says how good it is on rows that it has not seen.

pub mod columns;
mod design;
pub mod fit;
pub mod learn;
mod material;
mod options;
mod recorded;
pub(crate) mod report;
pub mod validate;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail, ensure};
use evaluation::scores::Scores;
use shared::clock::Timestamp;
use shared::message::Cell;
use shared::printable::lines;

use crate::content::Format;
use crate::file::{Holdout, ModelFile, Reference, Residual, Training};
use crate::linear::Linear;
use crate::standard::is_standard;
use fit::{Algorithm, fit};
use material::Material;
use validate::{Choice, Errors, choose};

pub use design::Design;
pub use options::TrainOptions;
pub use recorded::RecordedOptions;
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

/// Trains and writes the model file, unless that is standard output.
///
/// # Errors
/// A table that cannot be used or fitted, or a file that cannot be written or would be refused.
pub fn train(options: &TrainOptions) -> anyhow::Result<Trained> {
    let TrainOptions { model: path, holdout, seed, .. } = options;
    if options.algorithm == Algorithm::Ols && !options.penalty.is_empty() {
        bail!("ordinary least squares has no penalty; choose --algorithm ridge, lasso or elastic-net");
    }
    ensure!(
        options.penalty.len() <= 1 || options.cross_validate.is_some(),
        "several penalties need --cross-validate, which chooses one"
    );
    ensure!(
        is_standard(path) || Format::of(path) == Some(Format::Json),
        "cannot write {}: the name of a model file must end in .json",
        path.display()
    );
    let material = match recorded::material(options)? {
        Some(recorded) => recorded,
        None => Material::of_table(options)?,
    };
    let (seen, unseen) = material.split(*holdout, *seed);
    let unfit = || format!("cannot fit {}", material.name);
    let encoding = material.encoding(&seen).with_context(unfit)?;
    learn::refuse_constant(&encoding).with_context(unfit)?;
    let design = material.design(&seen, &encoding);
    if options.recorded.records.is_some() {
        recorded::refuse_unvaried(&design).with_context(unfit)?;
    }
    let Choice { recipe, cross_validation, errors, unfitted } =
        choose(&material, &seen, options).with_context(unfit)?;
    let linear = fit(&design, &recipe).with_context(unfit)?;

    let mut notes = material.table.notes.clone();
    notes.extend(learn::notes(&material.table, &seen, &encoding, material.encodings.missing()));
    let held_out = material.design(&unseen, &encoding);
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
        data: Some(material.source_held_out_from(&unseen)),
        converted_from: None,
        rows: Some(seen.len()),
        seed: Some(*seed),
        cross_validation,
        made_at: Timestamp::now().to_string(),
    };
    let golden: Vec<&[Cell]> = seen.iter().map(|row| &*material.table.rows[*row]).collect();
    let mut model = ModelFile::linear(&encoding, material.target.clone(), &linear, training)
        .with_golden(&golden)
        .map_err(|why| anyhow!(why))?;
    model.reference = Some(Reference::of(&design.vectors(), &design.labels, &predictions, residual));
    model.holdout = (!held_out.rows.is_empty()).then(|| scores(&held_out, &linear));
    if !is_standard(path) {
        model.write(path).with_context(|| format!("cannot write the model file {}", path.display()))?;
    }
    Ok(Trained { model, seen: scores(&design, &linear), unfitted, notes })
}

/// What goes to standard output: what people are told, or the model file, where that is wanted there and people are told beside it.
///
/// # Errors
/// The model file would be refused.
pub fn written(trained: &Trained, path: &Path) -> anyhow::Result<String> {
    let told = report(trained, path);
    if !is_standard(path) {
        return Ok(told);
    }
    let file = trained.model.servable().map_err(|why| anyhow!("cannot write the model file: {why}"))?;
    eprint!("{}", lines(&told));
    Ok(String::from_utf8(file)?)
}

/// How good a model is on these rows.
fn scores(design: &Design, linear: &Linear) -> Holdout {
    let predictions = linear.predict(&design.vectors());
    Holdout::from(&Scores::of(design.labels.iter().copied().zip(predictions)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_those_of_the_lock_file() {
        let lock = include_str!("../../Cargo.lock");
        for library in ["linfa", "linfa-linear", "linfa-elasticnet"] {
            let entry = format!("name = \"{library}\"\nversion = \"{LINFA}\"\n");
            assert!(lock.contains(&entry), "{library} has another version than {LINFA}");
        }
    }
}
