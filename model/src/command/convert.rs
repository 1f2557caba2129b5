//! `model convert`: a linear model made elsewhere, as a model file of ours.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;
use shared::clock::Timestamp;
use shared::message::Row;

use crate::content::{Content, Format, Unread};
use crate::file::{ModelFile, Source, Training};
use crate::linear::Linear;
use crate::load::{self, About, Loaded, Loader};
use crate::pickle;
use crate::refusal::Refusal;

/// What to convert, and where to.
#[derive(Args, Debug)]
pub struct ConvertOptions {
    /// A scikit-learn model: .pkl or .joblib.
    #[arg(value_name = "IN")]
    from: PathBuf,

    /// The model file to write.
    #[arg(value_name = "OUT.json")]
    to: PathBuf,

    /// The features' names in their order, where the file does not know them: with commas between, or a JSON array.
    /// [default: x0,x1,...]
    #[arg(long, value_name = "NAMES")]
    features: Option<String>,

    /// The label's name, which a pickle does not know.
    #[arg(long, value_name = "NAME", default_value = "target")]
    target: String,
}

/// Converts, checks and writes.
///
/// # Errors
/// A file that is refused or is not linear, names that do not fit, or a file that cannot be written.
pub fn convert(options: &ConvertOptions) -> anyhow::Result<String> {
    let ConvertOptions { from, to, features, target } = options;
    ensure!(
        Format::of(to) == Some(Format::Json),
        "cannot write {}: a model file's name ends in .json",
        to.display()
    );
    let refuse = |(reason, why)| Refusal { path: from.clone(), reason, why };
    let content = Content::read(from).map_err(|Unread { failure, .. }| refuse(failure))?;
    let loaded = Loader::of_this_program().parse(&content.bytes, content.format).map_err(refuse)?;
    let Loaded { predictor, about } = loaded;
    let features = features.as_ref().map_or(Vec::new(), |names| Row::parse_names(names));
    let About::Pickle(read) = about else {
        let what = if matches!(about, About::Onnx(_)) {
            "an ONNX model, which is served as it is"
        } else {
            "a model file already"
        };
        bail!("cannot convert {}: it is {what}", from.display());
    };
    let inputs = predictor.inputs();
    let names = match (inputs.names(), &features[..]) {
        (Some(known), []) => known.to_vec(),
        (Some(known), given) => {
            ensure!(
                known == given,
                "{} was fitted to the features {}, not to those given",
                from.display(),
                known.join(", ")
            );
            known.to_vec()
        }
        (None, []) => (0..inputs.count()).map(|column| inputs.name(column)).collect(),
        (None, given) => {
            let (wanted, got) = (inputs.count(), given.len());
            ensure!(got == wanted, "{} has {wanted} features, and {got} names are given", from.display());
            given.to_vec()
        }
    };
    let linear = load::linear(&read).map_err(|why| anyhow!(why))?;
    let model = assemble(&read, &linear, names, target, Source::of(from, &content.bytes));
    // Read back before it is written: what we write, we must be able to serve.
    Loader::default()
        .parse(&model.to_json()?, Format::Json)
        .map_err(|(_, why)| anyhow!("cannot convert {}: {why}", from.display()))?;
    model.write(to).with_context(|| format!("cannot write the model file {}", to.display()))?;
    let unnamed = inputs.names().is_none() && features.is_empty();
    let note = if unnamed {
        "; it has no names of features: give them with --features, or they are x0, x1, ..."
    } else {
        ""
    };
    Ok(format!("wrote {}: {}, {} features{note}\n", to.display(), read.class, inputs.count()))
}

fn assemble(
    read: &pickle::Linear,
    linear: &Linear,
    names: Vec<String>,
    target: &str,
    source: Source,
) -> ModelFile {
    let library = read.library_version.as_ref().map(|version| ("scikit-learn".to_owned(), version.clone()));
    let training = Training {
        algorithm: read.class.clone(),
        parameters: read.parameters.clone(),
        libraries: library.into_iter().collect::<BTreeMap<_, _>>(),
        data: None,
        converted_from: Some(source),
        rows: None,
        seed: None,
        cross_validation: None,
        made_at: Timestamp::now().to_string(),
    };
    let rows = golden_rows(linear);
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let predictions = linear.predict(&rows);
    ModelFile::linear(names, target.to_owned(), linear, training).with_golden(&rows, &predictions)
}

/// Rows that tell every weight: no rows of the model's own are known. In the middle of what it was fitted to, if its
/// scaling says where that is, and some steps away.
fn golden_rows(linear: &Linear) -> Vec<Vec<f64>> {
    let count = linear.coefficients().len();
    let at = |column: usize, steps: f64| match linear.scaling() {
        Some(scaling) => scaling.mean[column] + steps * scaling.scale[column],
        None => steps,
    };
    let row = |step: &dyn Fn(usize) -> f64| (0..count).map(|column| at(column, step(column))).collect();
    let alternating = |column: usize| if column.is_multiple_of(2) { 1.0 } else { -1.0 };
    let growing = |column: usize| (column + 1) as f64 / count as f64;
    vec![row(&|_| 0.0), row(&|_| 1.0), row(&alternating), row(&growing), row(&|column| -growing(column))]
}
