//! `model inspect`: what a model file holds, what it was trained on and how good it is.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use shared::printable::{lines, names, piece, printable, quoted, within};

use super::table::{aligned, number};
use crate::encode;
use crate::file::{ModelFile, Training};
use crate::linear::Linear;
use crate::load::{self, About, Loaded, Loader};
use crate::refusal::{Refusal, reason};
use crate::train::report::{cells, penalties, recorded};

/// How many weights are shown, the ones that matter most.
const TOP: usize = 12;

/// What to inspect.
#[derive(Args, Debug)]
pub struct InspectOptions {
    /// The model file.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Print everything as JSON, for programs.
    #[arg(long)]
    json: bool,
}

#[cfg(test)]
impl InspectOptions {
    /// Without a command line.
    pub(crate) fn of(file: &Path, json: bool) -> Self {
        Self { file: file.to_owned(), json }
    }
}

/// Says what a file holds.
///
/// # Errors
/// A file that is refused.
pub fn inspect(options: &InspectOptions) -> anyhow::Result<String> {
    let loaded = Loader::of_this_program().load(&options.file)?;
    if options.json {
        return Ok(format!("{:#}\n", in_json(&options.file, &loaded)?));
    }
    Ok(lines(&for_people(&options.file, &loaded)?))
}

fn for_people(path: &Path, Loaded { predictor, about }: &Loaded) -> Result<String, Refusal> {
    let mut text = format!("{}: version {}, {}\n", path.display(), predictor.version(), predictor.inputs());
    match about {
        About::File(model) => {
            text += &origin(&model.training, &model.target);
            if let Some(holdout) = &model.holdout {
                let header = ["", "rows", "MAE", "RMSE", "R2"].map(str::to_owned).to_vec();
                text += &aligned(&[header, [vec!["rows held out".to_owned()], cells(holdout)].concat()]);
            }
            text += &penalties(model);
            let ranges = model.reference.as_ref().map(|reference| {
                reference
                    .features
                    .iter()
                    .map(|histogram| histogram.range().unwrap_or_default())
                    .collect::<Vec<_>>()
            });
            text += &encoded(model);
            let columns: Vec<String> =
                (0..model.coefficients.len()).map(|column| predictor.inputs().column(column)).collect();
            text += &weights(&columns, &linear_of(path, model)?, ranges.as_deref());
            text += &format!("golden rows: {}, all predicted correctly\n", model.golden.len());
            text += &model.lacks().map_or(String::new(), |lacks| format!("{lacks}\n"));
        }
        About::Pickle(read) => {
            let version =
                read.library_version.as_ref().map_or(String::new(), |version| format!(" {}", piece(version)));
            let parameters: String = read
                .parameters
                .iter()
                .map(|(name, value)| format!(", {} {}", piece(name), number(*value)))
                .collect();
            text += &format!("{} of scikit-learn{version}{parameters}\n", printable(&read.class));
            let names: Vec<String> =
                (0..predictor.inputs().count()).map(|c| predictor.inputs().column(c)).collect();
            let linear = load::linear(read).map_err(|why| inconsistent(path, why))?;
            text += &weights(&names, &linear, None);
            text += "a pickle does not say how good the model is or what it was trained on\n";
        }
        About::Onnx(about) => {
            let producer = about
                .producer
                .as_ref()
                .map_or(String::new(), |producer| format!(", written by {}", piece(producer)));
            text += &format!("ONNX{producer}, takes {}\n", about.precision);
            if let Some(description) = &about.description {
                text += &format!("{}\n", printable(description));
            }
        }
    }
    Ok(text)
}

fn inconsistent(path: &Path, why: String) -> Refusal {
    Refusal { path: path.to_owned(), reason: reason::INCONSISTENT, why }
}

fn linear_of(path: &Path, model: &ModelFile) -> Result<Linear, Refusal> {
    model.predictor().map_err(|why| inconsistent(path, why))
}

/// How a model came about.
fn origin(training: &Training, target: &str) -> String {
    let Training { algorithm, parameters, libraries, data, converted_from, rows, seed, made_at, .. } =
        training;
    let parameters: String =
        parameters.iter().map(|(name, value)| format!(", {} {}", piece(name), number(*value))).collect();
    let libraries: Vec<String> =
        libraries.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let mut text =
        format!("{}{parameters}, by {}; label {}\n", piece(algorithm), names(&libraries), piece(target));
    let made_at = piece(made_at);
    let shown = |file: &str, sha256: &str| format!("{} (SHA-256 {})", piece(file), within(sha256, 15));
    if let Some(data) = data {
        let rows = rows.map_or(String::new(), |rows| format!("{rows} rows of "));
        let seed = seed.map_or(String::new(), |seed| format!(", seed {seed}"));
        text += &format!("trained on {rows}{}{seed}, {made_at}\n", shown(&data.file, &data.sha256));
        text += &data.origin.as_ref().map_or(String::new(), |origin| format!("{}\n", recorded(origin)));
        text.extend(data.notes.iter().map(|note| format!("{}: {}\n", piece(&data.file), within(note, 1000))));
    }
    if let Some(source) = converted_from {
        text += &format!("converted from {}, {made_at}\n", shown(&source.file, &source.sha256));
    }
    text
}

/// What is done to a row before it is weighed.
fn encoded(model: &ModelFile) -> String {
    let mut text = String::new();
    if !model.fills.is_empty() {
        let fills = model.fills.iter().map(|(name, fill)| format!("{} with {}", piece(name), number(*fill)));
        text += &format!("missing cells are filled: {}\n", encode::listed(fills));
    }
    for (name, categories) in &model.categories {
        let all = encode::listed(categories.iter().map(|category| quoted(category)));
        let first = quoted(&categories[0]);
        text +=
            &format!("{} is one of {all}; weights are against {first}, which has no column\n", piece(name));
    }
    text
}

/// The weights that matter most: those that move the prediction most from one end of the feature's range to the other,
/// or by size where no range is known.
fn weights(columns: &[String], linear: &Linear, ranges: Option<&[(f64, f64)]>) -> String {
    let scale = |column: usize| linear.scaling().map_or(1.0, |scaling| scaling.scale[column]);
    let coefficients = linear.coefficients();
    let moves = |column: usize| {
        let span = ranges.map_or(scale(column), |ranges| ranges[column].1 - ranges[column].0);
        coefficients[column] / scale(column) * span
    };
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by(|a, b| moves(*b).abs().total_cmp(&moves(*a).abs()));
    let header: &[&str] = if ranges.is_some() {
        &["feature", "weight", "over its range", "from", "to"]
    } else {
        &["feature", "weight"]
    };
    let mut rows = vec![header.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>()];
    for column in order.iter().take(TOP) {
        let mut row = vec![columns[*column].clone(), number(coefficients[*column])];
        if let Some(ranges) = ranges {
            row.extend([moves(*column), ranges[*column].0, ranges[*column].1].map(number));
        }
        rows.push(row);
    }
    rows.push(vec!["(intercept)".to_owned(), number(linear.intercept())]);
    let mut text = aligned(&rows);
    if columns.len() > TOP {
        text += &format!("and {} more features with smaller effect\n", columns.len() - TOP);
    }
    if linear.scaling().is_some() {
        text += "features are standardised first: a weight is per standard deviation\n";
    }
    text
}

fn in_json(path: &Path, Loaded { predictor, about }: &Loaded) -> anyhow::Result<Value> {
    let (format, says) = match about {
        About::File(model) => ("json", serde_json::to_value(model)?),
        About::Pickle(read) => {
            let scaling =
                read.scaling.as_ref().map(|scaling| json!({"mean": scaling.mean, "scale": scaling.scale}));
            let says = json!({
                "class": read.class,
                "library_version": read.library_version,
                "parameters": read.parameters,
                "scaling": scaling,
                "coefficients": read.coefficients,
                "intercept": read.intercept,
            });
            ("pickle", says)
        }
        About::Onnx(about) => {
            let says = json!({
                "producer": about.producer,
                "description": about.description,
                "precision": about.precision,
            });
            ("onnx", says)
        }
    };
    Ok(json!({
        "file": path.display().to_string(),
        "version": predictor.version().as_str(),
        "format": format,
        "features": { "count": predictor.inputs().count(), "names": predictor.inputs().names() },
        "model": says,
    }))
}
