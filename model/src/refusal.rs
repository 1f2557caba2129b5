//! Why a model file is refused: a code for machines, words for people.

use std::fmt;
use std::path::PathBuf;

use shared::printable::within;

/// The longest words that are shown, in characters. Lines to be pasted are among them.
const LONGEST: usize = 1000;

/// A failed check: its code out of [`reason`] or of a reader's own, and its words.
pub type Failure = (&'static str, String);

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

impl Refusal {
    /// What is wrong, fit to be shown: some of the words are the file's own.
    #[must_use]
    pub fn words(&self) -> String {
        within(&self.why, LONGEST)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be used: {} ({})", self.path.display(), self.words(), self.reason)
    }
}

impl std::error::Error for Refusal {}

/// The stable codes, besides those of the pickle reader.
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
    /// It is a model that another library saved in a form of its own.
    pub const OTHER_LIBRARY: &str = "other_library";
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
    /// It is ONNX, and the process that tries it cannot be started.
    pub const UNTRIED: &str = "untried";
    /// It is ONNX, and the library came to harm with it: it crashed, took too long, or too much memory.
    pub const HARMFUL: &str = "harmful";
    /// A reader of ours panicked on it.
    pub const INTERNAL: &str = "internal";
    /// It wants other features than the model that serves.
    pub const FEATURES: &str = "other_features";
    /// It predicts another label than the model that serves.
    pub const TARGET: &str = "other_target";
    /// All of these.
    pub const ALL: [&str; 18] = [
        UNREADABLE,
        NOT_A_FILE,
        TOO_LARGE,
        EMPTY,
        CHANGING,
        UNKNOWN_FORMAT,
        OTHER_LIBRARY,
        MALFORMED,
        VERSION,
        INCONSISTENT,
        GOLDEN,
        NO_RUNTIME,
        UNSUPPORTED,
        UNTRIED,
        HARMFUL,
        INTERNAL,
        FEATURES,
        TARGET,
    ];

    /// Whether the machine may be to blame, and not the file: then the same content deserves another try.
    #[must_use]
    pub fn may_pass(reason: &str) -> bool {
        [NO_RUNTIME, UNTRIED, HARMFUL].contains(&reason)
    }
}
