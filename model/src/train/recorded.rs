//! Rows that production recorded, as what a model is fitted to. They are kept as the model weighed them that served, so the file of
//! that model says what they are, and the new one is given its features, encoding and label: it takes the rows that this one took.

mod kept;
mod options;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail, ensure};
use sha2::{Digest as _, Sha256};
use shared::message::Row;
use shared::printable::{names, quoted};
use shared::table::Table;

use super::material::{Encodings, Material};
use super::{Design, TrainOptions};
use crate::encode::{self, Encoding};
use crate::file::TableSource;
use crate::load::Loader;
use crate::recorded::{RecordedRows, Served};
use crate::standard;
use kept::Kept;

pub use options::RecordedOptions;

/// Reads the table.
pub(super) fn material(options: &TrainOptions) -> anyhow::Result<Option<Material>> {
    let RecordedOptions { records, serving, since, until, weights, .. } = &options.recorded;
    let Some(path) = records else { return Ok(None) };
    ensure!(
        !is_one_file(&options.model, serving),
        "the new file would take the place of {} at once, which served these rows; write another one with --model FILE, look \
         whether it is better with `model backtest`, and put it there with `model promote`",
        serving.display()
    );
    let name = standard::input_name(path);
    let (served, target) = served(options)?;
    let input = standard::open(path).with_context(|| format!("cannot read {name}"))?;
    let mut input = Hashed { input, digest: Sha256::new() };
    let mut kept = Kept::new(&served);
    for row in RecordedRows::open(&mut input, &name)? {
        let row = row?;
        let early = since.is_some_and(|since| row.predicted_at < since);
        if early || until.is_some_and(|until| row.predicted_at >= until) {
            kept.outside();
        } else {
            kept.take(row).with_context(|| name.clone())?;
        }
    }
    let sha256 = input.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    kept.usable().with_context(|| name.clone())?;
    let source = TableSource {
        file: standard::file_name(path),
        sha256,
        rows: Some(kept.rows.len()),
        missing: None,
        notes: kept.notes(),
        origin: Some(kept.origin(weights.map(|time| time.as_secs_f64()))),
    };
    let weights = weights.map(|half_life| kept.weights(half_life));
    let Kept { rows, labels, lines, times, .. } = kept;
    let encoding = served.encoding;
    let categories = encoding.categories();
    let is_category = |at: &usize| categories.contains_key(&encoding.features()[*at]);
    let table = Table {
        features: encoding.features().to_vec(),
        target: Some(target.clone()),
        ids: None,
        rows,
        labels,
        lines,
        one_hot: (0..encoding.features().len()).filter(is_category).collect(),
        notes: source.notes.clone(),
    };
    let encodings = Encodings::Given(encoding);
    Ok(Some(Material { name, table, target, encodings, weights, times: Some(times), source }))
}

/// Refuses columns that are the same in all rows to train on. The table has no column that could be left out.
pub(super) fn refuse_unvaried(design: &Design) -> anyhow::Result<()> {
    let Some((first, others)) = design.rows.split_first() else { return Ok(()) };
    let same = |column: &usize| others.iter().all(|row| row[*column] == first[*column]);
    let unvaried: Vec<String> =
        (0..design.columns.len()).filter(same).map(|column| quoted(&design.columns[column])).collect();
    ensure!(
        unvaried.is_empty(),
        "the same in each of the {} training rows, so that no weight can be found: {}; train on more rows, with an earlier --since or \
         a smaller --holdout",
        design.rows.len(),
        encode::listed(unvaried.into_iter())
    );
    Ok(())
}

/// What the file of the model that served says of its rows, and its label.
fn served(options: &TrainOptions) -> anyhow::Result<(Served, String)> {
    let RecordedOptions { serving, features, .. } = &options.recorded;
    let file = serving.display();
    let predictor = Loader::of_this_program().load(serving)?.predictor;
    let inputs = predictor.inputs();
    let given = features.as_deref().map(Row::parse_names);
    let encoding = match (inputs.encoding(), given) {
        (Some(known), Some(given)) if known.features() != given => {
            bail!("{file} has the features {}; leave --features out", names(known.features()))
        }
        (Some(known), _) => known.clone(),
        (None, Some(given)) => {
            let (wanted, got) = (inputs.count(), given.len());
            ensure!(wanted == got, "{file} has {wanted} features, but --features has {got} names");
            // Only names of their own are columns of their own.
            Encoding::new(&given, &BTreeMap::new(), &BTreeMap::new())
                .map_err(|why| anyhow!("--features: {why}"))?
        }
        (None, None) => bail!(
            "{file} does not say what its {} features are called, and rows come by these names; name them in their order with \
                 --features",
            inputs.count()
        ),
    };
    let target = match (inputs.target(), &options.columns.target) {
        (Some(known), Some(given)) if known != given => {
            bail!("{file} predicts {}; leave --target out", quoted(known))
        }
        (Some(known), _) => known.to_owned(),
        (None, _) => options.columns.label().to_owned(),
    };
    let served = Served { file: file.to_string(), version: predictor.version().to_string(), encoding };
    Ok((served, target))
}

/// Whether two paths lead to one file that is there.
fn is_one_file(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    real(one).is_some_and(|one| real(other) == Some(one))
}

/// Hashes what is read through it.
struct Hashed<R> {
    input: R,
    digest: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.digest.update(&buffer[..read]);
        Ok(read)
    }
}
