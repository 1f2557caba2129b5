//! Room on disk for what SQLite keeps in mapped memory: the index of the write-ahead log, `metric.db-shm`.
//!
//! SQLite makes that file longer by one byte a page. Where the file system's blocks are smaller than a page, as on a volume
//! below 512 MB, the rest of the page is a hole, and touching it on a full disk ends the process with SIGBUS, without a word.
//! So it is looked for room before SQLite maps anything, and then the holes are filled.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::write_error::{PROBE, WriteError, try_space};

/// How long the index becomes in bytes while the log stays below its limit of 64 MiB: 32 KiB for each 4096 pages.
const INDEX: usize = PROBE;

/// A file that is there for a moment.
const PROBE_FILE: &str = "metric.room";

/// Checks that there is room to open a database in this folder.
///
/// # Errors
/// A full disk, which may pass.
pub(super) fn look(folder: &Path) -> Result<(), WriteError> {
    try_space(&folder.join(PROBE_FILE))
        .map_err(|why| WriteError::with_file(why, format!("cannot write in the folder {}", folder.display())))
}

/// Gives the index of this database, which is open, all the blocks that it will need.
///
/// The file that is returned must be dropped after the database is closed: closing any handle of a file lets go of all
/// locks that the process has on it, SQLite's too.
///
/// # Errors
/// A full disk, which may pass.
pub(super) fn reserve(database: &Path) -> Result<Option<File>, WriteError> {
    let mut index = database.as_os_str().to_owned();
    index.push("-shm");
    let trouble = |why| WriteError::with_file(why, format!("cannot write {}", Path::new(&index).display()));
    let file = match OpenOptions::new().read(true).write(true).open(&index) {
        Ok(file) => file,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(trouble(why)),
    };
    match fallocate(&file, FallocateFlags::KEEP_SIZE, 0, INDEX as u64) {
        // Not every file system can; then it is as it is without.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(Some(file)),
        Err(why) => Err(trouble(why.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::store::Store;

    #[test]
    fn the_index_of_an_open_database_has_no_holes() {
        let folder = tempfile::tempdir().unwrap();
        let _store = Store::open(folder.path()).unwrap();
        let index = std::fs::metadata(folder.path().join("metric.db-shm")).unwrap();
        assert!(index.blocks() * 512 >= INDEX as u64, "{} blocks", index.blocks());
    }

    #[test]
    fn what_is_tried_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            look(folder.path()).unwrap();
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
            // As a process leaves it that is killed in between.
            std::fs::write(folder.path().join(PROBE_FILE), "x").unwrap();
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let why = look(Path::new("/nonexistent/logs")).unwrap_err().into_error();
        assert!(format!("{why:#}").contains("/nonexistent/logs"), "{why:#}");
    }
}
