//! Files on the command line that may be `-`: standard input, or standard output.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What messages call a table that has no file.
const INPUT: &str = "standard input";

/// Whether it is `-`.
pub(crate) fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

/// What messages call a file that is read.
pub(crate) fn input_name(path: &Path) -> String {
    if is_standard(path) { INPUT.to_owned() } else { path.display().to_string() }
}

/// The name that is kept of it: without its folder.
pub(crate) fn file_name(path: &Path) -> String {
    match path.file_name() {
        Some(name) if !is_standard(path) => name.to_string_lossy().into_owned(),
        _ => INPUT.to_owned(),
    }
}

/// Opens a file to be read, or standard input.
pub(crate) fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    if is_standard(path) { Ok(Box::new(io::stdin().lock())) } else { Ok(Box::new(File::open(path)?)) }
}
