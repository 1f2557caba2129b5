//! `model check`: every check that a swap would make, before the file is put where it would be swapped in.

use std::path::PathBuf;

use clap::Args;

use crate::load::{self, About, Loaded, Loader};

/// What to check.
#[derive(Args, Debug)]
pub struct CheckOptions {
    /// The model file.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The serving model: the file must have the same features and label to replace it.
    #[arg(long, value_name = "FILE")]
    serving: Option<PathBuf>,
}

/// Says that a file would be swapped in.
///
/// # Errors
/// The reason why it would be refused, or that the model that serves cannot be read.
pub fn check(options: &CheckOptions) -> anyhow::Result<String> {
    let Loaded { predictor, about } = Loader::of_this_program().load(&options.file)?;
    if let Some(serving) = &options.serving {
        let serving = Loader::of_this_program().load(serving)?.predictor;
        load::fits(&options.file, predictor.inputs(), serving.inputs())?;
    }
    let tried = match about {
        About::File(model) => match model.lacks() {
            None => format!("it predicts its {} golden rows", model.golden.len()),
            Some(lacks) => format!("it predicts its {} golden rows; {lacks}", model.golden.len()),
        },
        About::Pickle(_) => "it is a linear model with finite weights".to_owned(),
        About::Onnx(about) => format!("ONNX Runtime predicts with it, in {}", about.precision),
    };
    let (file, version, inputs) = (options.file.display(), predictor.version(), predictor.inputs());
    let unasked = if options.serving.is_none() {
        "; to check that it fits the serving model's rows, add --serving FILE"
    } else {
        ""
    };
    Ok(format!("{file} can be used: version {version}, {inputs}; {tried}{unasked}\n"))
}
