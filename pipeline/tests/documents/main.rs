//! Holds the documents to the repository: links lead somewhere, paths are there, flags are the programs'.
//!
//! `docs/flags.md` and `docs/asyncapi.json` are made by these tests: `UPDATE=1 cargo test -p pipeline --test documents` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asyncapi;
mod flags;
mod links;
mod reference;

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository.
fn repository(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}

/// A document: where it is, from the root of the repository, and what it says.
struct Document {
    path: PathBuf,
    text: String,
}

impl Document {
    fn read(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        let text = fs::read_to_string(repository(&path)).unwrap();
        Self { path, text }
    }

    /// All documents for people.
    fn all() -> Vec<Self> {
        let pages = fs::read_dir(repository("docs")).unwrap().map(|entry| entry.unwrap().file_name());
        let mut paths: Vec<PathBuf> = pages
            .map(|name| Path::new("docs").join(name))
            .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
            .collect();
        let others = [
            "README.md",
            "ARCHITECTURE.md",
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "bench/README.md",
            "data/README.md",
            "examples/python/README.md",
            "pipeline/tests/README.md",
        ];
        paths.extend(others.map(PathBuf::from));
        paths.sort();
        paths.into_iter().map(Self::read).collect()
    }

    /// Its lines outside of blocks of code, with their numbers.
    fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut code = false;
        (1..).zip(self.text.lines()).filter(move |(_, line)| {
            let fence = line.trim_start().starts_with("```");
            code ^= fence;
            !code && !fence
        })
    }
}
