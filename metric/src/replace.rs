//! A file that takes another one's place whole: whoever reads finds the old one or the new one, and never a part of either.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Whether the file has to be there after a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durable {
    Yes,
    /// It is made again anyway.
    No,
}

/// Writes the file `next`, and then has it take the place of `file`, in the same folder. Where that fails, nothing is left of it, for it
/// takes room that the records may need.
///
/// # Errors
/// A file that cannot be written or renamed.
pub(crate) fn replace(file: &Path, next: &Path, bytes: &[u8], durable: Durable) -> io::Result<()> {
    let written = File::create(next).and_then(|mut made| {
        made.write_all(bytes)?;
        if durable == Durable::Yes {
            made.sync_data()?;
        }
        fs::rename(next, file)
    });
    if written.is_err() {
        _ = fs::remove_file(next);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (file, next) = (folder.path().join("file"), folder.path().join("file.next"));
        for (text, durable) in [("one", Durable::Yes), ("other", Durable::No)] {
            replace(&file, &next, text.as_bytes(), durable).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        replace(&file, &next, b"third", Durable::No).unwrap_err();
        assert!(file.is_dir() && !next.exists());
    }
}
