//! `model accept`: a person has a version serve, whatever was or will be decided of it.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use shared::clock::Timestamp;
use shared::message::Name;

use crate::versions::Folder;

/// Which version, and where models know of it.
#[derive(Args, Debug)]
pub struct AcceptOptions {
    /// The version, as predictions name it: the first 12 hex digits of the file's SHA-256, or more of them.
    #[arg(value_name = "HASH", value_parser = version)]
    version: Name,

    /// Folder that the models of this version have as --versions.
    #[arg(long, value_name = "DIR")]
    versions: PathBuf,
}

/// Reads a version: from a whole hash, too.
fn version(text: &str) -> Result<Name, String> {
    let is_hash = (12..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hash {
        return Err(
            "expected the first 12 hex digits of a model file's SHA-256, such as 2fdce8b5c0ab".to_owned()
        );
    }
    Name::parse(&text[..12].to_ascii_lowercase())
}

/// Notes that a version is accepted. Models that run notice it.
///
/// # Errors
/// A folder that cannot be read or written.
pub fn accept(options: &AcceptOptions) -> anyhow::Result<String> {
    let AcceptOptions { version, versions } = options;
    let folder = Folder::at(versions);
    let before = folder.read().map_err(|why| anyhow!(why))?;
    folder.accept(version, Timestamp::now()).map_err(|why| anyhow!(why))?;
    let follows = if before.is_taken_back(version) {
        "models with this folder take it up again within a second, where their file still is that version"
    } else {
        "it was not taken back"
    };
    Ok(format!("{version} is accepted, and is not taken back by itself any more; {follows}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_its_hash() {
        let whole = "2FDCE8B5C0AB".to_owned() + &"0".repeat(52);
        for text in ["2fdce8b5c0ab", &whole] {
            assert_eq!(version(text).unwrap().as_str(), "2fdce8b5c0ab");
        }
        for text in ["", "2fdce8b5c0a", "2fdce8b5c0aé", "model.json12", &format!("{whole}0")] {
            assert!(version(text).unwrap_err().contains("12 hex digits"), "{text}");
        }
    }

    #[test]
    fn what_is_accepted_is_remembered_and_told() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(place.path());
        let options =
            AcceptOptions { version: version("2fdce8b5c0ab").unwrap(), versions: place.path().to_owned() };
        let mut record = folder.read().unwrap();
        record.take_back(&options.version, Timestamp(1));
        folder.sync(&record, None).unwrap();
        assert!(accept(&options).unwrap().contains("take it up again within a second"));
        assert!(folder.read().unwrap().is_accepted(&options.version));
        assert!(accept(&options).unwrap().ends_with("it was not taken back\n"));
        std::fs::write(place.path().join("file"), "").unwrap();
        let nowhere = AcceptOptions { versions: place.path().join("file"), ..options };
        assert!(accept(&nowhere).unwrap_err().to_string().contains("/file"));
    }
}
