//! A model file's bytes, read once and whole, and what tells one state of a file from another.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::refusal::{Failure, reason};

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

/// A SHA-256.
pub type Digest = [u8; 32];

/// What was in a file when it was opened.
#[derive(Debug)]
pub struct Content {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Which reader they are for.
    pub format: Format,
    /// What tells them from others.
    pub digest: Digest,
    /// The state of the file they are from.
    pub identity: Identity,
}

/// A file whose content was not read to its end.
#[derive(Debug)]
pub struct Unread {
    /// What was opened, where that was a regular file.
    pub identity: Option<Identity>,
    /// What is wrong with it.
    pub failure: Failure,
}

impl Content {
    /// Reads a regular file of bounded size that nobody writes to meanwhile.
    ///
    /// # Errors
    /// The first of these that it is not.
    pub fn read(path: &Path) -> Result<Self, Unread> {
        let Some(format) = Format::of(path) else {
            let why = "wanted is a name that ends in .json, .onnx, .pkl or .joblib".to_owned();
            return Err(Unread { identity: None, failure: (reason::UNKNOWN_FORMAT, why) });
        };
        let unreadable =
            |why: io::Error| Unread { identity: None, failure: (reason::UNREADABLE, why.to_string()) };
        // Not blocking: opening a named pipe would wait for its writer. The file that is asked what it is must be the one
        // that is read, whatever the path points to by then.
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
        let digest = Sha256::digest(&bytes).into();
        Ok(Self { bytes, format, digest, identity })
    }
}
