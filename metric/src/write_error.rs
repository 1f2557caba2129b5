//! Why something cannot be written: something that passes, or something that does not.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use rusqlite::ffi::{self, ErrorCode};

/// Why a write failed.
#[derive(Debug)]
pub enum WriteError {
    /// The disk is full, or somebody else holds what is needed: it may pass, and nothing has changed.
    Passing(anyhow::Error),
    /// Nobody knows what is on disk (a sync failed, after which the next one says that all is well), or what is there
    /// is damaged. Going on would make it worse.
    Fatal(anyhow::Error),
}

impl WriteError {
    /// The same, with what was tried.
    #[must_use]
    pub fn context(self, tried: String) -> Self {
        match self {
            Self::Passing(why) => Self::Passing(why.context(tried)),
            Self::Fatal(why) => Self::Fatal(why.context(tried)),
        }
    }

    /// The error, whichever it is.
    pub fn into_error(self) -> anyhow::Error {
        match self {
            Self::Passing(why) | Self::Fatal(why) => why,
        }
    }

    /// What a failed call to the file system means. `what` says what was tried.
    pub fn with_file(why: io::Error, what: String) -> Self {
        // EIO: the disk itself. Everything else (space, quota, permission) a person can mend under our feet.
        const EIO: i32 = 5;
        let fatal = why.raw_os_error() == Some(EIO);
        let why = anyhow::Error::from(why).context(what);
        if fatal { Self::Fatal(why) } else { Self::Passing(why) }
    }

    /// What a failed call to SQLite on this database means.
    pub fn with_database(why: rusqlite::Error, path: &Path) -> Self {
        if let rusqlite::Error::FromSqlConversionFailure(_, _, how) = &why {
            return damaged(path, &how.to_string());
        }
        // What SQLite gave to us, and is not what we write.
        if matches!(
            why,
            rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::IntegralValueOutOfRange(..)
        ) {
            return damaged(path, &why.to_string());
        }
        let error = why.sqlite_error().copied();
        let code = error.map(|error| error.code);
        let extended = error.map(|error| error.extended_code);
        let shown = path.display();
        match code {
            Some(ErrorCode::DiskFull) => {
                Self::Passing(anyhow::anyhow!("cannot write {shown}: the disk is full"))
            }
            // SQLite tells a disk that is full from other failures, but not a quota that is used up.
            _ if extended == Some(ffi::SQLITE_IOERR_WRITE) && takes_nothing_more(path) => Self::Passing(
                anyhow::anyhow!("cannot write {shown}: the disk is full, or a quota is used up"),
            ),
            // The index of the write-ahead log cannot be made when the disk is full.
            _ if extended == Some(ffi::SQLITE_IOERR_SHMSIZE) => {
                Self::Passing(anyhow::anyhow!("cannot write {shown}-shm: the disk is full"))
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Passing(anyhow::anyhow!("another program holds a lock on {shown}"))
            }
            Some(ErrorCode::DatabaseCorrupt) => damaged(path, &why.to_string()),
            Some(ErrorCode::NotADatabase) => Self::Fatal(anyhow::anyhow!(
                "{shown} is damaged, or not a database at all; restore a backup, or move it away together with the text files"
            )),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::Fatal(anyhow::anyhow!(
                    "cannot open {shown}: {why}. SQLite must write next to it even to read it: run this as the owner of the folder"
                ))
            }
            _ => Self::Fatal(anyhow::Error::from(why).context(format!("cannot read or write {shown}"))),
        }
    }
}

/// The database at `path` contradicts itself.
pub fn damaged(path: &Path, how: &str) -> WriteError {
    WriteError::Fatal(anyhow::anyhow!(
        "{} is damaged ({how}). Restore a backup, or move it away together with the text files and start again",
        path.display()
    ))
}

/// Syncs a folder, so that what was made or renamed in it stays.
///
/// # Errors
/// It cannot be opened, which may pass, such as with too many open files; or it cannot be synced, which does not.
pub fn sync_folder(folder: &Path) -> Result<(), WriteError> {
    let shown = folder.display();
    let opened = File::open(folder)
        .map_err(|why| WriteError::with_file(why, format!("cannot open the folder {shown} to sync it")))?;
    opened.sync_all().with_context(|| format!("cannot sync the folder {shown}")).map_err(WriteError::Fatal)
}

/// Whether there is no space for one more file beside the one at `path`.
fn takes_nothing_more(path: &Path) -> bool {
    try_space(&path.with_extension("probe")).is_err_and(|why| is_full(&why))
}

/// Looks for space by writing a file of this name, which is taken away again. A process that was killed meanwhile leaves it,
/// and the next one takes it away.
///
/// # Errors
/// The file could not be made or written.
pub(crate) fn try_space(probe: &Path) -> io::Result<()> {
    let mut file = File::create(probe)?;
    let filled = fill(&mut file);
    fs::remove_file(probe).and(filled)
}

/// How many bytes [`fill`] writes: more than SQLite writes at once, and all of the index of its log.
pub(crate) const PROBE: usize = 128 << 10;

/// Writes [`PROBE`] bytes that no file system can pack, to find out whether there is space for them.
fn fill(file: &mut File) -> io::Result<()> {
    let mut state = 1_u32;
    let noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    file.write_all(&std::iter::repeat_with(noise).take(PROBE).collect::<Vec<u8>>())
}

/// Whether space is missing, whoever's it is.
pub(crate) fn is_full(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_opened_may_be_soon_and_one_that_cannot_be_synced_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        sync_folder(folder.path()).unwrap();
        let Err(WriteError::Passing(why)) = sync_folder(&folder.path().join("missing")) else { panic!() };
        assert!(format!("{why:#}").contains("cannot open the folder"), "{why:#}");
        // The kernel syncs no folder of this file system.
        let Err(WriteError::Fatal(why)) = sync_folder(Path::new("/proc")) else { panic!() };
        assert!(format!("{why:#}").contains("cannot sync the folder /proc"), "{why:#}");
    }

    #[test]
    fn a_write_that_fails_passes_only_where_there_is_no_space() {
        let folder = tempfile::tempdir().unwrap();
        let failure = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let path = folder.path().join("metric.db");
        let trouble = WriteError::with_database(failure(ffi::SQLITE_IOERR_WRITE), &path);
        assert!(matches!(trouble, WriteError::Fatal(_)), "there is space: {trouble:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the probe is left behind");
        // What is written there never fits.
        std::os::unix::fs::symlink("/dev/full", folder.path().join("metric.probe")).unwrap();
        let trouble = WriteError::with_database(failure(ffi::SQLITE_IOERR_WRITE), &path);
        let WriteError::Passing(why) = trouble else { panic!("{trouble:?}") };
        assert!(why.to_string().contains("or a quota is used up"), "{why}");
        for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_READ, ffi::SQLITE_CORRUPT] {
            std::os::unix::fs::symlink("/dev/full", folder.path().join("metric.probe")).unwrap_or_default();
            assert!(
                matches!(WriteError::with_database(failure(code), &path), WriteError::Fatal(_)),
                "{code}"
            );
        }
    }
}
