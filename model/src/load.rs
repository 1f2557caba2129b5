//! From a file to a model that may predict: every check that a swap makes, in one place.

use std::path::{Path, PathBuf};

use shared::message::Name;
use shared::printable::quoted;

use crate::content::{Content, Format, Unread};
use crate::file::{ModelFile, ModelFileError, sha256};
use crate::inputs::Inputs;
use crate::linear::Linear;
use crate::maker;
use crate::onnx::{self, OnnxError};
use crate::pickle;
use crate::predictor::{Engine, Predictor};
use crate::refusal::{Failure, Refusal, reason};

/// A model that has passed every check, and what its file says of it.
#[derive(Debug)]
pub struct Loaded {
    /// Predicts.
    pub predictor: Predictor,
    /// What the file says.
    pub about: About,
}

/// What a file says of its model.
#[derive(Debug)]
pub enum About {
    /// A model file of ours.
    File(Box<ModelFile>),
    /// A linear model of scikit-learn's.
    Pickle(Box<pickle::PickledLinear>),
    /// A model in ONNX.
    Onnx(onnx::About),
}

impl About {
    /// What a file of an older format of ours does not say, for people.
    #[must_use]
    pub fn lacks(&self) -> Option<String> {
        match self {
            Self::File(model) => model.lacks(),
            Self::Pickle(_) | Self::Onnx(_) => None,
        }
    }
}

/// Loads models.
#[derive(Debug, Clone, Default)]
pub struct Loader {
    /// The program whose hidden command tries ONNX files; none where they are not tried first.
    trial: Option<PathBuf>,
}

impl Loader {
    /// Tries ONNX files by this very program in another process. For programs whose `main` is [`crate::cli::main`] when
    /// they are started as `model`.
    #[must_use]
    pub fn of_this_program() -> Self {
        // Where the system does not say which program this is, none can be started: ONNX files are refused then.
        Self { trial: Some(std::env::current_exe().unwrap_or_default()) }
    }

    /// Tries ONNX files by this program.
    #[must_use]
    pub fn with_trial_by(program: &Path) -> Self {
        Self { trial: Some(program.to_owned()) }
    }

    /// Reads a file and makes every check that does not need another model.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn load(&self, path: &Path) -> Result<Loaded, Refusal> {
        let refuse = |(reason, why)| Refusal { path: path.to_owned(), reason, why };
        let content = Content::read(path).map_err(|Unread { failure, .. }| refuse(failure))?;
        self.parse(&content.bytes, content.format).map_err(refuse)
    }

    /// Checks the content of a file.
    ///
    /// # Errors
    /// The reason and what is wrong.
    pub fn parse(&self, bytes: &[u8], format: Format) -> Result<Loaded, Failure> {
        if let Some(said) = maker::way_out(bytes) {
            return Err((reason::OTHER_LIBRARY, said));
        }
        if let (Format::Onnx, Some(program)) = (format, &self.trial) {
            onnx::trial::by(program, bytes).map_err(onnx_failure)?;
        }
        parse(bytes, format)
    }
}

/// This is where every reader of outside bytes is called from.
fn parse(bytes: &[u8], format: Format) -> Result<Loaded, Failure> {
    let version = Name::parse(&sha256(bytes)[..12]).map_err(|why| (reason::INCONSISTENT, why))?;
    let (engine, inputs, about) = match format {
        Format::Json => {
            let (model, encoding, linear) = ModelFile::parse(bytes).map_err(|why| {
                let reason = match &why {
                    ModelFileError::Malformed(_) => reason::MALFORMED,
                    ModelFileError::Version(_) => reason::VERSION,
                    ModelFileError::Inconsistent(_) => reason::INCONSISTENT,
                    ModelFileError::Golden(_) => reason::GOLDEN,
                };
                (reason, format!("{why}{}", hint(bytes)))
            })?;
            let ranges = model.reference.as_ref().and_then(|reference| {
                reference.features.iter().map(crate::file::Histogram::range).collect::<Option<Vec<_>>>()
            });
            let inputs = Inputs::encoded(encoding).within(ranges).of_target(model.target.clone());
            (Engine::Linear(linear), inputs, About::File(Box::new(model)))
        }
        Format::Pickle => {
            let read = pickle::read(bytes).map_err(|why| (why.reason(), why.to_string()))?;
            let linear = linear(&read).map_err(|why| (reason::INCONSISTENT, why))?;
            let inputs = match &read.features {
                Some(names) => Inputs::named(names.clone()),
                None => Inputs::unnamed(read.coefficients.len()),
            };
            (Engine::Linear(linear), inputs, About::Pickle(Box::new(read)))
        }
        Format::Onnx => {
            let (session, inputs, about) = onnx::Session::load(bytes).map_err(onnx_failure)?;
            (Engine::Onnx(session), inputs, About::Onnx(about))
        }
    };
    Ok(Loaded { predictor: Predictor::new(engine, inputs, version), about })
}

fn onnx_failure(why: OnnxError) -> Failure {
    let reason = match &why {
        OnnxError::NoRuntime(_) => reason::NO_RUNTIME,
        OnnxError::Unusable(_) => reason::UNSUPPORTED,
        OnnxError::Untried(_) => reason::UNTRIED,
        OnnxError::Harmful(_) => reason::HARMFUL,
    };
    (reason, why.to_string())
}

/// The weighted sum that a pickle holds.
///
/// # Errors
/// A weight that is not finite.
pub fn linear(read: &pickle::PickledLinear) -> Result<Linear, String> {
    Linear::new(read.scaling.clone(), &read.coefficients, read.intercept)
}

/// What to do with a file that is of another format than its name says.
fn hint(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x80, 2..=5, ..] => "; it looks like a pickle: rename it to end in .pkl, or use `model convert`",
        [8, 1..=20, ..] => "; it looks like ONNX: rename it to end in .onnx",
        _ => "",
    }
}

/// Whether a model may take the place of the one that serves, whose rows and labels it will get.
///
/// # Errors
/// A refusal that names both models' features or labels.
pub fn fits(path: &Path, next: &Inputs, serving: &Inputs) -> Result<(), Refusal> {
    let refuse = |reason, why| Err(Refusal { path: path.to_owned(), reason, why });
    if let Some((has, wanted)) = next.difference(serving) {
        let why =
            format!("{has}, the serving model expects {wanted}; restart the service to change the features");
        return refuse(reason::FEATURES, why);
    }
    if let Some((ours, theirs)) = next.other_target(serving) {
        let why = format!(
            "it predicts {}, the serving model predicts {}; restart the service to change the label",
            quoted(ours),
            quoted(theirs)
        );
        return refuse(reason::TARGET, why);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::process::Command;

    use super::*;

    fn refusal(path: &Path) -> String {
        Loader::default().load(path).unwrap_err().to_string()
    }

    #[test]
    fn only_a_regular_file_of_bounded_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("folder.json")).unwrap();
        assert!(Command::new("mkfifo").arg(path("pipe.json")).status().unwrap().success());
        std::os::unix::fs::symlink("/dev/zero", path("device.json")).unwrap();
        std::os::unix::fs::symlink("device.pkl", path("device.pkl")).unwrap();
        File::create(path("large.json")).unwrap().set_len(16 * 1024 * 1024 + 1).unwrap();
        fs::write(path("empty.json"), " \n").unwrap();
        fs::write(path("pickle.json"), b"\x80\x04\x95").unwrap();
        fs::write(path("forest.json"), b"\x08\x08\x12").unwrap();
        for (name, want) in [
            ("folder.json", "it is not a regular file (not_a_file)"),
            ("pipe.json", "it is not a regular file (not_a_file)"),
            ("device.json", "it is not a regular file (not_a_file)"),
            ("device.pkl", "symbolic links (os error 40) (unreadable)"),
            ("large.json", "it is larger than 16 MiB (too_large)"),
            ("empty.json", "it is empty (empty)"),
            ("none.json", "No such file or directory (os error 2) (unreadable)"),
            ("model.txt", "the name must end in .json, .onnx, .pkl or .joblib (unknown_format)"),
            ("pickle.json", "use `model convert` (malformed)"),
            ("forest.json", "rename it to end in .onnx (malformed)"),
        ] {
            let said = refusal(&path(name));
            assert!(said.starts_with(&format!("{} cannot be used: ", path(name).display())), "{said}");
            assert!(said.ends_with(want), "{said}");
        }
    }

    #[test]
    fn a_model_of_other_features_does_not_take_over() {
        let names = |names: &str| Inputs::named(names.split(',').map(str::to_owned).collect());
        assert!(fits(Path::new("m.json"), &names("a,b"), &Inputs::unnamed(2)).is_ok());
        let refusal = fits(Path::new("m.json"), &names("b,a"), &names("a,b")).unwrap_err();
        assert_eq!(refusal.reason, "other_features");
        let wanted = "its feature 1 is \"b\", the serving model expects \"a\"; restart the service";
        assert!(refusal.why.starts_with(wanted), "{refusal}");
    }

    #[test]
    fn a_model_of_another_label_does_not_take_over() {
        let model = |target: &str| Inputs::named(vec!["area".to_owned()]).of_target(target);
        let (path, price) = (Path::new("m.json"), model("price"));
        assert!(fits(path, &model("price"), &price).is_ok());
        assert!(fits(path, &Inputs::unnamed(1), &price).is_ok(), "a pickle does not say its label");
        assert_eq!(
            fits(path, &model("rent"), &price).unwrap_err().to_string(),
            "m.json cannot be used: it predicts \"rent\", the serving model predicts \"price\"; restart the \
             service to change the label (other_target)"
        );
    }
}
