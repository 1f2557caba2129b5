//! A model file's bytes, read once and whole, and what tells one state of a file from another.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::onnx::beside;
use crate::refusal::{Failure, reason};
use crate::{advice, maker};

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
        Self::of_extension(path.extension()?.to_str()?)
    }

    /// The format of files whose names end so.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        match &*extension.to_ascii_lowercase() {
            "json" => Some(Self::Json),
            "onnx" => Some(Self::Onnx),
            "pkl" | "pickle" | "joblib" => Some(Self::Pickle),
            _ => None,
        }
    }

    /// How the name of such a file ends, where it is ours to choose.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Onnx => "onnx",
            Self::Pickle => "pkl",
        }
    }

    /// The largest file that is read, in bytes. A forest in ONNX is large, a linear model never.
    #[must_use]
    pub fn most_bytes(self) -> u64 {
        let mebibytes = match self {
            Self::Json | Self::Pickle => 16,
            Self::Onnx => 512,
        };
        mebibytes * 1024 * 1024
    }
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What tells one state of a model from another: that of its file, and of the file with its weights, where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelStamp {
    model: FileStamp,
    weights: Option<FileStamp>,
}

impl From<FileStamp> for ModelStamp {
    fn from(model: FileStamp) -> Self {
        Self { model, weights: None }
    }
}

impl ModelStamp {
    /// Of a model's file, and of what is at `weights` now.
    #[must_use]
    pub fn of(model: &Metadata, weights: Option<&Path>) -> Self {
        let weights = weights.and_then(|path| fs::symlink_metadata(path).ok());
        Self { model: model.into(), weights: weights.as_ref().map(FileStamp::from) }
    }
}

impl From<&Metadata> for FileStamp {
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

/// What was in a model's file when it was opened.
#[derive(Debug)]
pub struct Content {
    /// The bytes, with the weights inside.
    pub bytes: Vec<u8>,
    /// Which reader they are for.
    pub format: Format,
    /// What tells them from others.
    pub digest: Digest,
    /// The state of what they are from.
    pub stamp: ModelStamp,
    /// The other file that the weights were in.
    pub weights: Option<PathBuf>,
}

/// A file whose content was not read to its end.
#[derive(Debug)]
pub struct Unread {
    /// What was opened, where that was a regular file.
    pub stamp: Option<FileStamp>,
    /// What is wrong with it.
    pub failure: Failure,
}

impl Content {
    /// Reads a regular file of bounded size that nobody writes to meanwhile, and the file with its weights.
    ///
    /// # Errors
    /// The first of these that it is not.
    pub fn read(path: &Path) -> Result<Self, Unread> {
        let Some(format) = Format::of(path) else {
            return Err(Unread { stamp: None, failure: unknown(path) });
        };
        // The file that is asked what it is must be the one that is read, whatever the path points to by then.
        let (mut file, model) = open(path, 0).map_err(|failure| Unread { stamp: None, failure })?;
        let refuse = |failure| Unread { stamp: Some(model), failure };
        let most = format.most_bytes();
        let bytes = whole(&mut file, model, most).map_err(refuse)?;
        if bytes.trim_ascii().is_empty() {
            return Err(refuse((reason::EMPTY, "it is empty".to_owned())));
        }
        let beside = match format {
            Format::Onnx => {
                beside::named(&bytes).map_err(|why| refuse((reason::UNSUPPORTED, one_file(&why))))?
            }
            Format::Json | Format::Pickle => None,
        };
        let Some(name) = beside else {
            let digest = Sha256::digest(&bytes).into();
            return Ok(Self { bytes, format, digest, stamp: model.into(), weights: None });
        };
        let weights = beside_of(path, model, &name).map_err(refuse)?;
        let (mut file, stamp) = open(&weights, libc::O_NOFOLLOW).map_err(|(reason, why)| {
            refuse((reason, one_file(&format!("its weights are in a second file, {name}, which cannot be read next to it: {why}; put it there"))))
        })?;
        let named = |(reason, why)| refuse((reason, format!("its second file {name}: {why}")));
        let data = whole(&mut file, stamp, most.saturating_sub(bytes.len() as u64)).map_err(named)?;
        let bytes = beside::embedded(&bytes, &data).map_err(|why| refuse((reason::UNSUPPORTED, why)))?;
        let digest = Sha256::digest(&bytes).into();
        let stamp = ModelStamp { model, weights: Some(stamp) };
        Ok(Self { bytes, format, digest, stamp, weights: Some(weights) })
    }
}

/// Opens a regular file.
fn open(path: &Path, flags: i32) -> Result<(File, FileStamp), Failure> {
    // Not blocking: opening a named pipe would wait for its writer.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | flags)
        .open(path)
        .map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err((reason::NOT_A_FILE, "it is not a regular file".to_owned()));
    }
    Ok((file, FileStamp::from(&metadata)))
}

/// All bytes of a file that nobody writes to meanwhile, at most so many.
fn whole(file: &mut File, stamp: FileStamp, most: u64) -> Result<Vec<u8>, Failure> {
    let too_large = || (reason::TOO_LARGE, format!("it is larger than {} MiB", most / 1024 / 1024));
    if stamp.size > most {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if FileStamp::from(&file.metadata().map_err(unreadable)?) != stamp {
        return Err((reason::CHANGING, "it is still being written".to_owned()));
    }
    if bytes.len() as u64 > most { Err(too_large()) } else { Ok(bytes) }
}

/// The path of a file beside a model: beside the model itself, where the model's path is a link to it.
fn beside_of(model: &Path, stamp: FileStamp, name: &str) -> Result<PathBuf, Failure> {
    let real = fs::canonicalize(model).map_err(unreadable)?;
    if FileStamp::from(&fs::metadata(&real).map_err(unreadable)?) != stamp {
        return Err((reason::CHANGING, "it is being replaced".to_owned()));
    }
    Ok(real.with_file_name(name))
}

fn unreadable(why: io::Error) -> Failure {
    (reason::UNREADABLE, why.to_string())
}

fn one_file(why: &str) -> String {
    format!("{why}; or merge the two into one file where both are: {}", advice::ONE_FILE)
}

/// What is wrong with a file of a name that says nothing.
fn unknown(path: &Path) -> Failure {
    if let Some(said) = ends(path).and_then(|(start, end)| maker::way_out_of(&start, &end)) {
        return (reason::OTHER_LIBRARY, said);
    }
    (reason::UNKNOWN_FORMAT, "the name must end in .json, .onnx, .pkl or .joblib".to_owned())
}

/// How a file begins and ends.
fn ends(path: &Path) -> Option<(Vec<u8>, Vec<u8>)> {
    let (file, stamp) = open(path, 0).ok()?;
    let part = |from: u64, most: usize| {
        let mut part = Vec::new();
        (&file).seek(SeekFrom::Start(from)).ok()?;
        (&file).take(most as u64).read_to_end(&mut part).ok()?;
        Some(part)
    };
    Some((part(0, maker::START)?, part(stamp.size.saturating_sub(maker::END as u64), maker::END)?))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_that_somebody_writes_to_while_it_is_read_is_refused() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 4] = [
            ("appended to", |path| {
                OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap();
            }),
            ("cut", |path| OpenOptions::new().write(true).open(path).unwrap().set_len(3).unwrap()),
            ("overwritten with as many bytes", |path| {
                OpenOptions::new().write(true).open(path).unwrap().write_all(b"other").unwrap();
            }),
            ("overwritten, and its time set back", |path| {
                let file = OpenOptions::new().write(true).open(path).unwrap();
                let before = file.metadata().unwrap().modified().unwrap();
                (&file).write_all(b"other").unwrap();
                file.set_modified(before).unwrap();
            }),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.json");
        for (what, change) in changes {
            fs::write(&path, "bytes").unwrap();
            let (mut file, stamp) = open(&path, 0).unwrap();
            // The clock of a file system moves in steps of some milliseconds.
            let before = fs::metadata(&path).unwrap();
            let changed = || {
                change(&path);
                FileStamp::from(&fs::metadata(&path).unwrap()) != FileStamp::from(&before)
            };
            let start = std::time::Instant::now();
            while !changed() {
                assert!(start.elapsed().as_secs() < 10, "{what}: the file looks the same");
            }
            let refused = whole(&mut file, stamp, 100).unwrap_err();
            assert_eq!(refused.0, reason::CHANGING, "{what}");
        }
        // Left alone, it is read whole.
        fs::write(&path, "bytes").unwrap();
        let (mut file, stamp) = open(&path, 0).unwrap();
        assert_eq!(whole(&mut file, stamp, 100).unwrap(), b"bytes");
    }
}
