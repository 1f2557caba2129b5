//! The model file: JSON that says what the model is, how it was made and how good it was.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shared::message::Name;

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// What `format` says in files of ours.
const FORMAT: &str = "pipeline-model";
/// The version of the format that this program writes and reads.
const FORMAT_VERSION: u32 = 1;

/// A model with everything that is known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    format: String,
    format_version: u32,
    /// What kind of model it is.
    pub kind: Kind,
    /// The features' names, in the order of the weights.
    pub features: Vec<String>,
    /// The label's name.
    pub target: String,
    /// One weight a feature, in the label's unit per the feature's.
    pub coefficients: Vec<f64>,
    /// The prediction where every feature is zero, in the label's unit.
    pub intercept: f64,
    /// How and on what it was trained.
    pub training: Training,
    /// How good it was on rows that training did not see, if any were held out.
    pub holdout: Option<Holdout>,
}

/// What kind of model a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Intercept plus a weighted sum of the features.
    Linear,
}

/// How and on what a model was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The algorithm: `ols`.
    pub algorithm: String,
    /// The library that fitted, with its version.
    pub library: String,
    /// The table's file name.
    pub data: String,
    /// The table's SHA-256, in hex.
    pub data_sha256: String,
    /// How many rows training saw.
    pub rows: usize,
    /// The seed of the split.
    pub seed: u64,
    /// When, in UTC.
    pub trained_at: String,
}

/// Scores on rows that training did not see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holdout {
    /// How many rows.
    pub rows: u64,
    /// Mean absolute error, in the label's unit.
    pub mae: f64,
    /// Root mean squared error, in the label's unit.
    pub rmse: f64,
    /// Coefficient of determination; none where the labels do not differ.
    pub r2: Option<f64>,
}

/// Why a model file is refused.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// It cannot be opened or read.
    #[error("cannot read {}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: io::Error,
    },
    /// What is in it is not a model that this program can use.
    #[error("{} is not a usable model: {why}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
}

impl ModelFile {
    /// A linear model.
    #[must_use]
    pub fn linear(
        features: Vec<String>,
        target: String,
        coefficients: Vec<f64>,
        intercept: f64,
        training: Training,
        holdout: Option<Holdout>,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            format_version: FORMAT_VERSION,
            kind: Kind::Linear,
            features,
            target,
            coefficients,
            intercept,
            training,
            holdout,
        }
    }

    /// Reads and checks a file. Returns its version too: the first 12 hex digits of its SHA-256.
    ///
    /// # Errors
    /// The reason why the file is refused.
    pub fn read(path: &Path) -> Result<(Self, Name), ModelFileError> {
        let unreadable = |why| ModelFileError::Unreadable { path: path.to_owned(), why };
        let unusable = |why: String| ModelFileError::Unusable { path: path.to_owned(), why };
        // Asked before opening: opening a named pipe would wait for its writer.
        if !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(unusable("it is not a regular file".to_owned()));
        }
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(unusable(format!("it is larger than {} MiB", MAX_BYTES / 1024 / 1024)));
        }
        let model = Self::parse(&bytes).map_err(unusable)?;
        let version = Name::parse(&sha256(&bytes)[..12]).map_err(unusable)?;
        Ok((model, version))
    }

    /// Reads and checks the text of a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.trim_ascii().is_empty() {
            return Err("it is empty".to_owned());
        }
        let model: Self = serde_json::from_slice(bytes).map_err(|why| why.to_string())?;
        model.check()?;
        Ok(model)
    }

    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("its format is {:?}, not {FORMAT:?}", self.format));
        }
        if self.format_version != FORMAT_VERSION {
            let version = self.format_version;
            return Err(format!("its format version is {version}; this program reads {FORMAT_VERSION}"));
        }
        if self.features.is_empty() {
            return Err("it has no features".to_owned());
        }
        if self.coefficients.len() != self.features.len() {
            let (weights, features) = (self.coefficients.len(), self.features.len());
            return Err(format!("it has {weights} coefficients for {features} features"));
        }
        Ok(())
    }

    /// Writes the file so that a reader sees the old one or the whole new one, also after a power cut.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(name);
        let written = write_durably(&temporary, &json).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            _ = fs::remove_file(&temporary);
        }
        written?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The SHA-256 of bytes, in hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ModelFile {
        let training = Training {
            algorithm: "ols".to_owned(),
            library: "linfa-linear".to_owned(),
            data: "t.csv".to_owned(),
            data_sha256: sha256(b""),
            rows: 3,
            seed: 42,
            trained_at: "2026-11-22T00:00:00Z".to_owned(),
        };
        let features = vec!["a".to_owned(), "b".to_owned()];
        ModelFile::linear(
            features,
            "y".to_owned(),
            vec![0.1 + 0.2, -1e-300],
            152.133_484_162_896,
            training,
            None,
        )
    }

    #[test]
    fn a_file_reads_back_to_the_bit_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.json");
        model().write(&path).unwrap();
        let (read, version) = ModelFile::read(&path).unwrap();
        assert_eq!(read, model());
        assert_eq!(version.as_str(), &sha256(&fs::read(&path).unwrap())[..12]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_refused_with_its_reason() {
        let good = serde_json::to_value(model()).unwrap();
        let with = |key: &str, value: serde_json::Value| {
            let mut changed = good.clone();
            changed[key] = value;
            serde_json::to_vec(&changed).unwrap()
        };
        let half = &serde_json::to_vec(&good).unwrap()[..100];
        for (bytes, want) in [
            (&b" \n"[..], "it is empty"),
            (half, "EOF while parsing"),
            (b"\x80\x04\x95", "expected value"),
            (&with("format", "other".into()), "its format is \"other\""),
            (&with("format_version", 2.into()), "its format version is 2; this program reads 1"),
            (&with("features", serde_json::json!([])), "it has no features"),
            (&with("coefficients", serde_json::json!([1.0])), "it has 1 coefficients for 2 features"),
            (&with("coefficients", serde_json::json!([1.0, null])), "invalid type: null"),
            (&with("surprise", 1.into()), "unknown field `surprise`"),
            (&with("kind", "forest".into()), "unknown variant `forest`"),
        ] {
            let error = ModelFile::parse(bytes).unwrap_err();
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn only_a_regular_file_of_bounded_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let error = ModelFile::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
        let path = folder.path().join("large.json");
        File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        let error = ModelFile::read(&path).unwrap_err().to_string();
        assert!(error.contains("larger than 16 MiB"), "{error}");
        let error = ModelFile::read(&folder.path().join("none.json")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read "), "{error}");
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(model().write(&path).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
