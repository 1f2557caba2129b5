//! From a file to a model that may predict: every check that a swap makes, in one place.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use shared::message::Name;

use crate::file::{ModelFile, ModelFileError, sha256};
use crate::inputs::Inputs;
use crate::linear::{Linear, Scaling};
use crate::onnx::{self, OnnxError};
use crate::pickle;
use crate::predictor::{Engine, Predictor};

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
    Pickle(Box<pickle::Linear>),
    /// A model in ONNX.
    Onnx(onnx::About),
}

/// Which reader a file is given to. Its name decides, so that nobody is surprised by what a file turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `.json`
    Json,
    /// `.onnx`
    Onnx,
    /// `.pkl`, `.pickle` and `.joblib`
    Pickle,
}

impl Format {
    /// The format of a file of this name, if it has one of ours.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_ascii_lowercase().to_str()? {
            "json" => Some(Self::Json),
            "onnx" => Some(Self::Onnx),
            "pkl" | "pickle" | "joblib" => Some(Self::Pickle),
            _ => None,
        }
    }

    /// The largest file that is read, in bytes. A forest in ONNX is large, a linear model never.
    fn most_bytes(self) -> u64 {
        let mebibytes = match self {
            Self::Json | Self::Pickle => 16,
            Self::Onnx => 512,
        };
        mebibytes * 1024 * 1024
    }
}

/// Why a file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The file.
    pub path: PathBuf,
    /// A short stable code, for machines.
    pub reason: &'static str,
    /// What is wrong with this very file, for people.
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be used: {} ({})", self.path.display(), self.why, self.reason)
    }
}

impl std::error::Error for Refusal {}

/// The stable codes.
pub mod reason {
    /// The file cannot be opened or read.
    pub const UNREADABLE: &str = "unreadable";
    /// It is a folder, a pipe or a device.
    pub const NOT_A_FILE: &str = "not_a_file";
    /// It is larger than any model of its format.
    pub const TOO_LARGE: &str = "too_large";
    /// It has no content.
    pub const EMPTY: &str = "empty";
    /// It was written to while it was read.
    pub const CHANGING: &str = "changing";
    /// Its name ends in nothing that we know.
    pub const UNKNOWN_FORMAT: &str = "unknown_format";
    /// It is not what its name says.
    pub const MALFORMED: &str = "malformed";
    /// It is of a format version that this program does not read.
    pub const VERSION: &str = "format_version";
    /// Its parts contradict each other, or a number is not finite.
    pub const INCONSISTENT: &str = "inconsistent";
    /// It does not predict its own golden rows.
    pub const GOLDEN: &str = "golden_row";
    /// It is ONNX, and the library that runs it is missing.
    pub const NO_RUNTIME: &str = "no_onnx_runtime";
    /// ONNX Runtime refuses it, or it is no regression of rows of numbers.
    pub const UNSUPPORTED: &str = "unsupported";
    /// It is ONNX, and the library came to harm with it: it crashed, took too long, or too much memory.
    pub const HARMFUL: &str = "harmful";
    /// It wants other features than the model that serves.
    pub const FEATURES: &str = "other_features";
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<&Metadata> for Identity {
    fn from(data: &Metadata) -> Self {
        Self {
            file: (data.dev(), data.ino()),
            size: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
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
        Self { trial: std::env::current_exe().ok() }
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
        read(path, self).1
    }

    /// Checks the content of a file.
    ///
    /// # Errors
    /// The reason and what is wrong.
    pub fn parse(&self, bytes: &[u8], format: Format) -> Result<Loaded, Failure> {
        if let (Format::Onnx, Some(program)) = (format, &self.trial) {
            onnx::trial::by(program, bytes).map_err(onnx_failure)?;
        }
        parse(bytes, format)
    }
}

/// As [`Loader::load`], with the identity of what was opened, where that was a regular file.
pub(crate) fn read(path: &Path, loader: &Loader) -> (Option<Identity>, Result<Loaded, Refusal>) {
    let refuse = |reason, why: String| Refusal { path: path.to_owned(), reason, why };
    let Some(format) = Format::of(path) else {
        let why = "wanted is a name that ends in .json, .onnx, .pkl or .joblib".to_owned();
        return (None, Err(refuse(reason::UNKNOWN_FORMAT, why)));
    };
    let (identity, bytes) = match bytes(path, format) {
        Ok((identity, bytes)) => (Some(identity), bytes),
        Err(Unread { identity, failure: (reason, why) }) => return (identity, Err(refuse(reason, why))),
    };
    (identity, loader.parse(&bytes, format).map_err(|(reason, why)| refuse(reason, why)))
}

/// A failed step: its reason and its words.
pub type Failure = (&'static str, String);

/// A file whose content was not read to its end.
struct Unread {
    /// What was opened, where that was a regular file.
    identity: Option<Identity>,
    failure: Failure,
}

fn bytes(path: &Path, format: Format) -> Result<(Identity, Vec<u8>), Unread> {
    let unreadable =
        |why: io::Error| Unread { identity: None, failure: (reason::UNREADABLE, why.to_string()) };
    // Not blocking: opening a named pipe would wait for its writer. The file that is asked what it is must be the one that
    // is read, whatever the path points to by then.
    let mut file =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unreadable)?;
    let ask = |file: &File| file.metadata().map_err(unreadable);
    let metadata = ask(&file)?;
    let identity = Identity::from(&metadata);
    let refuse = |reason, why: String| Unread { identity: Some(identity), failure: (reason, why) };
    if !metadata.is_file() {
        let failure = (reason::NOT_A_FILE, "it is not a regular file".to_owned());
        return Err(Unread { identity: None, failure });
    }
    let most = format.most_bytes();
    let too_large = || {
        let why = format!("it is larger than {} MiB", most / 1024 / 1024);
        refuse(reason::TOO_LARGE, why)
    };
    if metadata.len() > most {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    (&mut file).take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if Identity::from(&ask(&file)?) != identity {
        return Err(refuse(reason::CHANGING, "it is being written to".to_owned()));
    }
    if bytes.len() as u64 > most {
        return Err(too_large());
    }
    if bytes.trim_ascii().is_empty() {
        return Err(refuse(reason::EMPTY, "it is empty".to_owned()));
    }
    Ok((identity, bytes))
}

/// This is where every reader of outside bytes is called from.
fn parse(bytes: &[u8], format: Format) -> Result<Loaded, Failure> {
    let version = Name::parse(&sha256(bytes)[..12]).map_err(|why| (reason::INCONSISTENT, why))?;
    let (engine, inputs, about) = match format {
        Format::Json => {
            let (model, linear) = ModelFile::parse(bytes).map_err(|why| {
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
            let inputs = Inputs::named(model.features.clone()).within(ranges);
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
        OnnxError::Harmful(_) => reason::HARMFUL,
    };
    (reason, why.to_string())
}

/// The weighted sum that a pickle holds.
///
/// # Errors
/// A weight that is not finite.
pub fn linear(read: &pickle::Linear) -> Result<Linear, String> {
    let scaling = read
        .scaling
        .as_ref()
        .map(|scaling| Scaling { mean: scaling.mean.clone(), scale: scaling.scale.clone() });
    Linear::new(scaling, &read.coefficients, read.intercept)
}

/// What to do with a file that is of another format than its name says.
fn hint(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x80, 2..=5, ..] => {
            "; it looks like a pickle: give it a name that ends in .pkl, or use `model convert`"
        }
        [8, 1..=20, ..] => "; it looks like ONNX: give it a name that ends in .onnx",
        _ => "",
    }
}

/// Whether a model may take the place of the one that serves, whose rows it will get.
///
/// # Errors
/// A refusal that names both models' features.
pub fn fits(path: &Path, next: &Inputs, serving: &Inputs) -> Result<(), Refusal> {
    if next.fits(serving) {
        return Ok(());
    }
    let why = format!(
        "it wants {next}, where the model that serves wants {serving}; restart the service to change the features"
    );
    Err(Refusal { path: path.to_owned(), reason: reason::FEATURES, why })
}

#[cfg(test)]
mod tests {
    use std::fs;
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
            ("model.txt", "wanted is a name that ends in .json, .onnx, .pkl or .joblib (unknown_format)"),
            ("pickle.json", "use `model convert` (malformed)"),
            ("forest.json", "give it a name that ends in .onnx (malformed)"),
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
        assert!(
            refusal.why.starts_with(
                "it wants 2 features (b, a), where the model that serves wants 2 features (a, b);"
            )
        );
    }
}
