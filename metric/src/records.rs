//! The records' folder: the database, its two text files, and the lock that makes this process the only writer.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use crate::account::{Account, Rejected};
use crate::projection::Projection;
use crate::store::{Arrival, Limits, Log, Moment, Recorded, Store};
use crate::trouble::{Trouble, sync_folder};

/// The lock's name in the folder. Never the database itself: closing any other handle of it would lose SQLite's locks.
const LOCK: &str = "metric.lock";

/// How many bytes of the text files may be written again after a power cut.
const UNSYNCED: u64 = 4 << 20;

/// Makes this process the only one that writes in a folder, until the file is dropped.
pub fn lock(folder: &Path) -> Result<File, Trouble> {
    let shown = folder.display();
    fs::create_dir_all(folder)
        .map_err(|why| Trouble::with_file(why, format!("cannot make the folder {shown}")))?;
    let file = File::create(folder.join(LOCK))
        .map_err(|why| Trouble::with_file(why, format!("cannot make {shown}/{LOCK}")))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Trouble::Fatal(anyhow::anyhow!(
            "another metric records to {shown}; stop it, or give this one another folder with --logs"
        ))),
        Err(TryLockError::Error(why)) => {
            Err(Trouble::Fatal(anyhow::Error::from(why).context(format!("cannot lock {shown}/{LOCK}"))))
        }
    }
}

/// The folder, opened by its writer.
#[derive(Debug)]
pub struct Records {
    store: Store,
    files: [Projection; 2],
    /// Dropped last.
    _lock: File,
}

impl Records {
    /// Opens a folder, makes what is missing, and brings the text files up to date with the database.
    ///
    /// # Errors
    /// Another writer, a damaged database, or files that cannot be written.
    pub fn open(folder: &Path) -> Result<Self, Trouble> {
        let lock = lock(folder)?;
        let mut store = Store::open(folder)?;
        let mut open = |log| Projection::open(folder, log, &mut store);
        let files = [open(Log::Labels)?, open(Log::Metric)?];
        sync_folder(folder)?;
        Ok(Self { store, files, _lock: lock })
    }

    /// Commits a group of messages. When it returns, they may be acknowledged. Where it fails, nothing has changed.
    ///
    /// # Errors
    /// Whether trying again may help.
    pub fn commit(
        &mut self,
        arrivals: &[Arrival],
        rejected: Rejected,
        now: Moment,
        limits: &Limits,
    ) -> Result<Recorded, Trouble> {
        self.store.record(arrivals, rejected, now, limits)
    }

    /// Writes what was committed to the text files. Where it fails, the next call writes it, whatever its lines.
    ///
    /// # Errors
    /// Whether trying again may help.
    pub fn show(&mut self, labels_log: &str, metric_log: &str) -> Result<(), Trouble> {
        for (file, text) in self.files.iter_mut().zip([labels_log, metric_log]) {
            file.append(text, &mut self.store)?;
            if file.unsynced() > UNSYNCED {
                file.sync(&mut self.store)?;
            }
        }
        Ok(())
    }

    /// Makes the text files durable, so that a start has nothing to compare.
    ///
    /// # Errors
    /// A sync that failed.
    pub fn sync(&mut self) -> Result<(), Trouble> {
        self.files.iter_mut().try_for_each(|file| file.sync(&mut self.store))
    }

    /// Whether time alone asks for a commit: a horizon is over, history is to be forgotten, or the age was not written
    /// down for a minute.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub fn is_due(&mut self, now: Moment, limits: &Limits) -> Result<bool, Trouble> {
        self.store.is_due(now, limits)
    }

    /// The account as it is committed.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub fn account(&mut self) -> Result<&Account, Trouble> {
        self.store.account()
    }

    /// The age that the last commit had, in milliseconds.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub fn age(&mut self) -> Result<i64, Trouble> {
        self.store.age()
    }

    /// Leaves everything on disk and in order.
    ///
    /// # Errors
    /// What could not be written.
    pub fn close(mut self) -> Result<(), Trouble> {
        self.files.iter_mut().try_for_each(|file| file.close(&mut self.store))
    }
}
