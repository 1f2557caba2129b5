//! The records' folder: the database, its two text files, and the lock that makes this process the only writer.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use shared::clock::{Clock, Timestamp};

use crate::account::{Account, Rejected};
use crate::arrival::Arrival;
use crate::follow::Commits;
use crate::options::TextFiles;
use crate::projection::Projection;
use crate::store::schema::FILE;
use crate::store::{Before, CommitTime, Finding, Kind, Limits, Log, Note, ReceivedCard, Recorded, Store};
use crate::write_error::{WriteError, sync_folder};

/// The lock's name in the folder. Never the database itself: closing any other handle of it would lose SQLite's locks.
const LOCK: &str = "metric.lock";

/// How many bytes of the text files may be written again after a power cut.
const UNSYNCED: u64 = 4 << 20;

/// Makes this process the only one that writes in a folder, until the file is dropped.
pub fn lock(folder: &Path) -> Result<File, WriteError> {
    let shown = folder.display();
    fs::create_dir_all(folder)
        .map_err(|why| WriteError::with_file(why, format!("cannot make the folder {shown}")))?;
    let file = File::create(folder.join(LOCK))
        .map_err(|why| WriteError::with_file(why, format!("cannot make {shown}/{LOCK}")))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(WriteError::Fatal(anyhow::anyhow!(
            "another metric uses {shown}; stop it, or give this one another folder with --logs"
        ))),
        Err(TryLockError::Error(why)) => {
            Err(WriteError::Fatal(anyhow::Error::from(why).context(format!("cannot lock {shown}/{LOCK}"))))
        }
    }
}

/// Device and inode of the database and of the lock.
fn owned(folder: &Path) -> Result<[Option<(u64, u64)>; 2], WriteError> {
    let which = |name: &str| match fs::metadata(folder.join(name)) {
        Ok(file) => Ok(Some((file.dev(), file.ino()))),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(WriteError::with_file(why, format!("cannot look at {}/{name}", folder.display()))),
    };
    Ok([which(FILE)?, which(LOCK)?])
}

/// Keeps for `metric status` that there are no text files, and since when.
fn keep_whether_off(store: &mut Store, texts: TextFiles) -> Result<(), WriteError> {
    let subject = Log::ALL.map(Log::name).join(" and ");
    if texts != TextFiles::Off {
        return store.keep(&[Note::Over(Kind::TextOff, subject)]);
    }
    if store.findings()?.iter().any(|finding| finding.kind == Kind::TextOff) {
        return Ok(());
    }
    let now = Timestamp::now();
    let found = Finding { kind: Kind::TextOff, subject, count: 0, since: now, seen: now };
    store.keep(&[Note::Found(found)])
}

/// The folder, opened by its writer.
#[derive(Debug)]
pub struct Records {
    store: Store,
    /// None where there are to be no text files.
    files: Option<[Projection; 2]>,
    /// When the last group was committed.
    committed: Timestamp,
    folder: PathBuf,
    /// Which files the database and the lock are.
    owned: [Option<(u64, u64)>; 2],
    /// Dropped last.
    _lock: File,
}

impl Records {
    /// Opens a folder, makes what is missing, and brings its two text files up to date with the database.
    ///
    /// # Errors
    /// Another writer, a damaged database, or files that cannot be written.
    pub fn open(folder: &Path) -> Result<Self, WriteError> {
        Self::open_with(folder, Before::Copy, TextFiles::On)
    }

    /// The same; `before` says what happens to a database of an older version before it is changed, `texts` which text files
    /// there are to be.
    ///
    /// # Errors
    /// As [`Records::open`].
    pub fn open_with(folder: &Path, before: Before, texts: TextFiles) -> Result<Self, WriteError> {
        let lock = lock(folder)?;
        let mut store = Store::open_with(folder, before)?;
        let by_day = texts == TextFiles::Daily;
        let mut open = |log| Projection::open(folder, log, by_day, &mut store);
        let files = match texts {
            TextFiles::Off => None,
            TextFiles::On | TextFiles::Daily => Some([open(Log::Labels)?, open(Log::Metric)?]),
        };
        keep_whether_off(&mut store, texts)?;
        sync_folder(folder)?;
        let (folder, owned) = (folder.to_owned(), owned(folder)?);
        Ok(Self { store, files, committed: Timestamp(0), folder, owned, _lock: lock })
    }

    /// The same, with another clock for how long a file was left alone.
    #[must_use]
    pub fn with_clock(mut self, clock: &Clock) -> Self {
        self.files.iter_mut().flatten().for_each(|file| file.set_clock(clock));
        self
    }

    /// Commits a group of messages. When it returns, they may be acknowledged. Where it fails, nothing has changed.
    ///
    /// # Errors
    /// Whether trying again may help.
    pub fn commit(
        &mut self,
        arrivals: &[Arrival],
        rejected: Rejected,
        now: CommitTime,
        limits: &Limits,
    ) -> Result<Recorded, WriteError> {
        let recorded = self.store.record(arrivals, rejected, now, limits)?;
        self.committed = now.wall;
        self.is_there()?;
        Ok(recorded)
    }

    /// Checks that the database and the lock are those that were opened: what is committed to a file that was deleted is
    /// lost with it.
    fn is_there(&self) -> Result<(), WriteError> {
        // Never passing: the group is committed, and would be committed again.
        let now = owned(&self.folder).map_err(|why| WriteError::Fatal(why.into_error()))?;
        if now == self.owned {
            return Ok(());
        }
        Err(WriteError::Fatal(anyhow::anyhow!(
            "{FILE} or {LOCK} in {} was deleted or replaced while metric ran; nothing more is acknowledged",
            self.folder.display()
        )))
    }

    /// Writes what was committed to the text files, which are these lines. Where it fails, the same or a later call writes
    /// what is missing.
    ///
    /// # Errors
    /// Whether trying again may help.
    pub fn show(&mut self, labels_log: &str, metric_log: &str) -> Result<(), WriteError> {
        for (file, text) in self.files.iter_mut().flatten().zip([labels_log, metric_log]) {
            file.append(text, self.committed, &mut self.store)?;
            if file.unsynced() > UNSYNCED {
                file.sync(&mut self.store)?;
            }
        }
        Ok(())
    }

    /// Makes the text files durable, so that a start has nothing to compare, and looks whether another program that wrote
    /// into one has gone.
    ///
    /// # Errors
    /// A sync that failed, or a file that cannot be written.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        for file in self.files.iter_mut().flatten() {
            file.look_after(&mut self.store)?;
            file.sync(&mut self.store)?;
        }
        Ok(())
    }

    /// Whether time alone asks for a commit: a horizon is over, history is to be forgotten, or the age was not written
    /// down for a minute.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub fn is_due(&mut self, now: CommitTime, limits: &Limits) -> Result<bool, WriteError> {
        self.store.is_due(now, limits)
    }

    /// Keeps what is wrong, and what is so no more, for whoever asks.
    ///
    /// # Errors
    /// Whether trying again may help.
    pub fn keep(&mut self, notes: &[Note]) -> Result<(), WriteError> {
        self.store.keep(notes)
    }

    /// Keeps what models say of themselves. When it returns, the cards may be acknowledged.
    ///
    /// # Errors
    /// Whether trying again may help.
    pub fn keep_cards(&mut self, cards: &[ReceivedCard], now: Timestamp) -> Result<(), WriteError> {
        self.store.keep_cards(cards, now)?;
        self.is_there()
    }

    /// What is known to be wrong.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub fn findings(&self) -> Result<Vec<Finding>, WriteError> {
        self.store.findings()
    }

    /// What is committed from now on, to be followed.
    #[must_use]
    pub fn commits(&self) -> Commits {
        self.store.commits()
    }

    /// The account as it is committed.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub fn account(&mut self) -> Result<&Account, WriteError> {
        self.store.account()
    }

    /// The age that the last commit had, in milliseconds.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub fn age(&mut self) -> Result<i64, WriteError> {
        self.store.age()
    }

    /// Tells whoever follows that there will be no more commits. To be waited for before [`Records::close`]: the last one who has the
    /// database open leaves it in one file, and may not be one who only reads.
    pub fn end_commits(&mut self) {
        self.store.end_commits();
    }

    /// Leaves everything on disk and in order.
    ///
    /// # Errors
    /// What could not be written.
    pub fn close(mut self) -> Result<(), WriteError> {
        self.files.iter_mut().flatten().try_for_each(|file| file.close(&mut self.store))
    }
}
