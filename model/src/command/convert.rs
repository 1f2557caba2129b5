//! `model convert`: a linear model made elsewhere, as a model file of ours.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;
use shared::clock::Timestamp;
use shared::message::{Cell, Row};
use shared::printable::names;

use crate::content::{Content, Format, Unread};
use crate::encode::Encoding;
use crate::file::{ModelFile, SourceFile, Training};
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

    /// Names of the features in their order, where the file has none: separated by commas, or a JSON array.
    /// [default: x0,x1,...]
    #[arg(long, value_name = "NAMES")]
    features: Option<String>,

    /// Name of the label, which a pickle does not contain.
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
        "cannot write {}: the name of a model file must end in .json",
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
    let called = match (inputs.names(), &features[..]) {
        (Some(known), []) => known.to_vec(),
        (Some(known), given) => {
            ensure!(
                known == given,
                "{} was fitted to the features {}, not to the given ones",
                from.display(),
                names(known)
            );
            known.to_vec()
        }
        (None, []) => (0..inputs.count()).map(|column| inputs.column(column)).collect(),
        (None, given) => {
            let (wanted, got) = (inputs.count(), given.len());
            ensure!(got == wanted, "{} has {wanted} features, but {got} names were given", from.display());
            given.to_vec()
        }
    };
    let linear = load::linear(&read).map_err(|why| anyhow!(why))?;
    let model = assemble(&read, &linear, called, target, SourceFile::of(from, &content.bytes))
        .map_err(|why| anyhow!("cannot convert {}: {why}", from.display()))?;
    model.write(to).with_context(|| format!("cannot write the model file {}", to.display()))?;
    let unnamed = inputs.names().is_none() && features.is_empty();
    let note =
        if unnamed { "; it has no feature names, so they are x0, x1, ...; --features sets them" } else { "" };
    Ok(format!("wrote {}: {}, {} features{note}\n", to.display(), read.class, inputs.count()))
}

fn assemble(
    read: &pickle::PickledLinear,
    linear: &Linear,
    names: Vec<String>,
    target: &str,
    source: SourceFile,
) -> Result<ModelFile, String> {
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
    let rows: Vec<&[Cell]> = rows.iter().map(Vec::as_slice).collect();
    ModelFile::linear(&Encoding::plain(names), target.to_owned(), linear, training).with_golden(&rows)
}

/// Rows that tell every weight: no rows of the model's own are known. In the middle of what it was fitted to, if its
/// scaling says where that is, and some steps away.
fn golden_rows(linear: &Linear) -> Vec<Vec<Cell>> {
    let count = linear.coefficients().len();
    let at = |column: usize, steps: f64| match linear.scaling() {
        Some(scaling) => scaling.mean[column] + steps * scaling.scale[column],
        None => steps,
    };
    let row = |step: &dyn Fn(usize) -> f64| {
        (0..count).map(|column| Cell::Number(at(column, step(column)))).collect()
    };
    let alternating = |column: usize| if column.is_multiple_of(2) { 1.0 } else { -1.0 };
    let growing = |column: usize| (column + 1) as f64 / count as f64;
    vec![row(&|_| 0.0), row(&|_| 1.0), row(&alternating), row(&growing), row(&|column| -growing(column))]
}
