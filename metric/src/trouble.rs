//! Why something cannot be written: something that passes, or something that does not.

use std::io;
use std::path::Path;

use anyhow::Context as _;
use rusqlite::ffi::{self, ErrorCode};

/// Why a write failed.
#[derive(Debug)]
pub enum Trouble {
    /// The disk is full, or somebody else holds what is needed: it may pass, and nothing has changed.
    Passing(anyhow::Error),
    /// Nobody knows what is on disk (a sync failed, after which the next one says that all is well), or what is there
    /// is damaged. Going on would make it worse.
    Fatal(anyhow::Error),
}

impl Trouble {
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
        let error = why.sqlite_error().copied();
        let code = error.map(|error| error.code);
        let extended = error.map(|error| error.extended_code);
        let shown = path.display();
        match code {
            Some(ErrorCode::DiskFull) => {
                Self::Passing(anyhow::anyhow!("cannot write {shown}: the disk is full"))
            }
            // The index of the write-ahead log cannot be made when the disk is full.
            _ if extended == Some(ffi::SQLITE_IOERR_SHMSIZE) => {
                Self::Passing(anyhow::anyhow!("cannot write {shown}-shm: the disk is full"))
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Passing(anyhow::anyhow!("another program holds a lock on {shown}"))
            }
            Some(ErrorCode::DatabaseCorrupt) => damaged(path, &why.to_string()),
            Some(ErrorCode::NotADatabase) => Self::Fatal(anyhow::anyhow!(
                "{shown} is damaged, or not a database at all; move it away with the text files beside it, or put a copy back"
            )),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::Fatal(anyhow::anyhow!(
                    "cannot open {shown}: {why}. Even to read it, SQLite must write beside it while nobody else has it open: \
                     work as the owner of its folder"
                ))
            }
            _ => Self::Fatal(anyhow::Error::from(why).context(format!("cannot read or write {shown}"))),
        }
    }
}

/// The database at `path` contradicts itself.
pub fn damaged(path: &Path, how: &str) -> Trouble {
    Trouble::Fatal(anyhow::anyhow!(
        "{} is damaged ({how}). Put a copy back, or move it away with the text files beside it and start anew",
        path.display()
    ))
}

/// Syncs a folder, so that what was made or renamed in it stays.
pub fn sync_folder(folder: &Path) -> Result<(), Trouble> {
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("cannot sync the folder {}", folder.display()))
        .map_err(Trouble::Fatal)
}
