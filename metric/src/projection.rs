//! A text file that shows a part of the database: appended to after each commit, completed after a crash.
//!
//! The file is always a prefix of what the database says. Where it is shorter, because a crash came between a commit
//! and its lines, the rest is written; where it has bytes that the database does not know, somebody else has written
//! them: that file is put aside, and a new one is made. Where files are closed by the day, that holds from one to the next.

mod closing;
mod compare;
mod complete;
mod next;
mod rival;
mod stamp;
mod whole;

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use shared::clock::{Clock, Timestamp};
use tracing::{info, warn};

use crate::day::Day;
use crate::hints::Hint;
use crate::store::{FileState, Finding, Kind, Log, Note, Store};
use crate::write_error::{WriteError, sync_folder};
pub(crate) use closing::finish_closing;
use compare::Found;
use rival::Rival;
use stamp::FileStamp;
pub(crate) use whole::{rename_aside, write_whole};

/// How many bytes are written at once where many lines are missing.
const CHUNK: usize = 256 * 1024;

/// One of the two text files.
#[derive(Debug)]
pub(crate) struct Projection {
    log: Log,
    /// Whether it is closed when a day is over.
    by_day: bool,
    folder: PathBuf,
    path: PathBuf,
    /// Open to append.
    file: Option<File>,
    /// What a restart may rely on.
    state: FileState,
    /// The number of the last entry that is in the file.
    written: i64,
    /// The file's length with it, in bytes.
    length: u64,
    /// How we left the file; none where a write of ours has failed half-way.
    left: Option<FileStamp>,
    /// Somebody may have edited it anywhere: all of it must be compared.
    suspect: bool,
    /// Whether a file got its name here and the folder is not synced since: until then nothing in it counts as synced.
    renamed: bool,
    /// Another program that writes into it.
    rival: Rival<FileStamp>,
    /// That it is left alone because of that.
    alone: Option<Finding>,
    clock: Clock,
}

impl Projection {
    /// Opens the file of a folder and brings it up to date with the database.
    pub(crate) fn open(folder: &Path, log: Log, by_day: bool, store: &mut Store) -> Result<Self, WriteError> {
        let known = store.file(log)?;
        let is_new = known.is_none();
        let mut state = known.unwrap_or(FileState::beginning(store.first(log)?));
        finish_closing(folder, log, &mut state, store)?;
        if !by_day {
            state.day = None;
        }
        let mut this = Self {
            log,
            by_day,
            folder: folder.to_owned(),
            path: folder.join(log.name()),
            file: None,
            written: state.synced,
            length: state.synced_length,
            state,
            left: None,
            suspect: false,
            renamed: false,
            rival: Rival::default(),
            alone: None,
            clock: Clock::System,
        };
        // After a clean stop nobody has touched the file, or all of it is compared. After a crash, what was synced is
        // taken for good, so that a start does not read gigabytes.
        let left = this.state.fingerprint.take();
        let now = this.stat()?.as_ref().map(|file| FileStamp::from(file).fingerprint());
        this.suspect = is_new || (left.is_some() && left != now);
        _ = fs::remove_file(this.making());
        this.reconcile(store)?;
        store.note(log, &this.state)?;
        Ok(this)
    }

    /// Adds the lines of what the database has beyond the file: `text`, of one commit, which saves reading them back. May be
    /// called again after a failure, of this file or of the other.
    pub(crate) fn append(
        &mut self,
        text: &str,
        committed: Timestamp,
        store: &mut Store,
    ) -> Result<(), WriteError> {
        let last = store.last(self.log)?;
        if self.written == last && self.left.is_some() {
            return Ok(());
        }
        let now = self.stat()?.as_ref().map(FileStamp::from);
        if self.left.is_none() || self.left != now {
            self.suspect |= self.left.take().is_some();
            return self.reconcile(store);
        }
        self.left = None;
        let day = Day::of(committed);
        if self.state.day.is_some_and(|of| of.is_over(day)) {
            self.complete(store)?;
        } else {
            self.write(text, last)?;
            self.state.day = self.state.day.or(self.by_day.then_some(day));
        }
        self.remember()
    }

    /// Completes a file that was left alone because of another program, when that has gone.
    pub(crate) fn look_after(&mut self, store: &mut Store) -> Result<(), WriteError> {
        // Once more, where the disk was full when it was found.
        self.keep(store)?;
        if self.file.is_none() { self.reconcile(store) } else { Ok(()) }
    }

    pub(crate) fn set_clock(&mut self, clock: &Clock) {
        self.clock = clock.clone();
    }

    /// Makes what is in the file durable, and notes it in the database.
    pub(crate) fn sync(&mut self, store: &mut Store) -> Result<(), WriteError> {
        if self.unsynced() > 0 {
            self.sync_file()?;
            store.note(self.log, &self.state)?;
        }
        Ok(())
    }

    /// As [`Projection::sync`], and remembers how the file was left.
    pub(crate) fn close(&mut self, store: &mut Store) -> Result<(), WriteError> {
        self.sync_file()?;
        // As we left it, not as it is now: somebody may have edited it since.
        self.state.fingerprint = self.left.map(FileStamp::fingerprint);
        store.note(self.log, &self.state)
    }

    /// How many bytes would have to be written again after a power cut.
    pub(crate) fn unsynced(&self) -> u64 {
        self.length.saturating_sub(self.state.synced_length)
    }

    fn sync_file(&mut self) -> Result<(), WriteError> {
        if self.renamed {
            sync_folder(&self.folder)?;
            self.renamed = false;
        }
        if let Some(file) = &self.file {
            file.sync_data().map_err(|why| {
                let why = anyhow::Error::from(why);
                WriteError::Fatal(why.context(format!("cannot sync {} to disk", self.path.display())))
            })?;
        }
        self.state.synced = self.written;
        self.state.synced_length = self.length;
        Ok(())
    }

    /// Compares the file with the database, all of it if it is suspect, else from where it was last known to be right,
    /// and completes it.
    fn reconcile(&mut self, store: &mut Store) -> Result<(), WriteError> {
        let shown = self.path.display().to_string();
        let seen = self.stat()?.as_ref().map(FileStamp::from);
        let now = self.clock.steady_ms();
        if self.rival.goes_on(seen, now) {
            return Ok(());
        }
        finish_closing(&self.folder, self.log, &mut self.state, store)?;
        let seen = self.stat()?.as_ref().map(FileStamp::from);
        let was_closed = self.file.is_none();
        let size = seen.map_or(0, |file| file.size);
        if size == 0 {
            if self.length > 0 {
                info!("{shown} was removed or emptied: starting a new one");
            }
            self.start_anew(store)?;
        } else {
            match self.compare(store)? {
                Found::Prefix(written, length) => (self.written, self.length) = (written, length),
                Found::Torn(written, length) => {
                    info!("removing a torn last line ({} bytes) from {shown}", size - length);
                    (self.written, self.length) = (written, length);
                    let cut = OpenOptions::new().write(true).open(&self.path);
                    cut.and_then(|file| file.set_len(length)).map_err(|why| self.trouble(why, "cut"))?;
                }
                Found::Foreign => {
                    if let Some(quiet_ms) = seen.and_then(|seen| self.rival.found(seen, now)) {
                        return self.leave_alone(quiet_ms, store);
                    }
                    self.put_aside(store)?;
                }
            }
            self.reopen()?;
        }
        self.find_day(store)?;
        if self.written < self.state.synced {
            (self.state.synced, self.state.synced_length) = (self.written, self.length);
            store.note(self.log, &self.state)?;
        }
        self.complete(store)?;
        self.suspect = false;
        if was_closed {
            self.alone = None;
            store.keep(&[Note::Over(Kind::LeftAlone, self.log.name().to_owned())])?;
        }
        self.remember()
    }

    /// Begins a new file with what is not in the one before.
    fn start_anew(&mut self, store: &mut Store) -> Result<(), WriteError> {
        // What is in the file that was taken away must stay there: nobody will write it again.
        self.sync_file()?;
        sync_folder(&self.folder)?;
        self.state = FileState::beginning(self.written + 1);
        self.length = 0;
        // First, so that a crash leaves nobody to look for the old lines in the new file.
        store.note(self.log, &self.state)?;
        self.reopen()?;
        sync_folder(&self.folder)
    }

    /// Writes nothing more into a file into which somebody else writes all the time.
    fn leave_alone(&mut self, quiet_ms: i64, store: &mut Store) -> Result<(), WriteError> {
        let (since, quiet_s) = (self.clock.wall(), quiet_ms / 1000);
        let file = self.path.display().to_string();
        warn!("{}", Hint::LeftAlone { file, quiet_s, since }.sentence(None));
        self.file = None;
        self.left = None;
        self.suspect = true;
        let subject = self.log.name().to_owned();
        self.alone = Some(Finding { kind: Kind::LeftAlone, subject, count: quiet_s, since, seen: since });
        self.keep(store)
    }

    /// Keeps that it is left alone, where it is, for whoever asks.
    fn keep(&self, store: &mut Store) -> Result<(), WriteError> {
        self.alone.iter().try_for_each(|finding| store.keep(&[Note::Found(finding.clone())]))
    }

    /// Renames a file with bytes that are not ours, and writes what it should be.
    fn put_aside(&mut self, store: &mut Store) -> Result<(), WriteError> {
        let oldest = store.first(self.log)?;
        let first = self.state.first.max(oldest);
        if oldest > self.state.first {
            warn!("the new {} begins with the oldest line still kept; see --retain", self.log.name());
        }
        // First, so that a crash between the two renames ends in a whole file too.
        self.state = FileState::beginning(first);
        (self.written, self.length) = (first - 1, 0);
        store.note(self.log, &self.state)?;
        let shown = self.path.display();
        warn!(
            "{shown} has lines that metric did not write: moving it aside, writing a new one from the database"
        );
        let making = self.making();
        let mut day = None;
        let made = write_whole(&making, self.log, first, store, |line| {
            let next = Day::of(line.received);
            !self.by_day || !day.get_or_insert(next).is_over(next)
        });
        let (length, last) = made.inspect_err(|_| _ = fs::remove_file(&making))?;
        let aside = rename_aside(&self.path).map_err(|why| self.trouble(why, "rename"))?;
        fs::rename(&making, &self.path).map_err(|why| self.trouble(why, "make"))?;
        self.renamed = true;
        sync_folder(&self.folder)?;
        self.renamed = false;
        warn!("the old {} is now {}", self.path.display(), aside.display());
        (self.written, self.length) = (last, length);
        (self.state.synced, self.state.synced_length) = (last, length);
        store.note(self.log, &self.state)
    }

    fn write(&mut self, text: &str, last: i64) -> Result<(), WriteError> {
        let Some(file) = &mut self.file else {
            return Err(WriteError::Fatal(anyhow::anyhow!("{} is not open", self.path.display())));
        };
        if let Err(why) = file.write_all(text.as_bytes()) {
            return Err(self.trouble(why, "append to"));
        }
        self.written = last;
        self.length += text.len() as u64;
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), WriteError> {
        let file = OpenOptions::new().create(true).append(true).open(&self.path);
        self.file = Some(file.map_err(|why| self.trouble(why, "open"))?);
        Ok(())
    }

    /// Remembers how the file is left.
    fn remember(&mut self) -> Result<(), WriteError> {
        let Some(file) = &self.file else { return Ok(()) };
        let left = FileStamp::from(&file.metadata().map_err(|why| self.trouble(why, "look at"))?);
        // Where somebody has written in between, it is noticed next time.
        self.left = Some(left.with_size(self.length));
        Ok(())
    }

    /// Where a file is written before it has its name.
    fn making(&self) -> PathBuf {
        self.folder.join(format!("{}.new", self.log.name()))
    }

    fn stat(&self) -> Result<Option<Metadata>, WriteError> {
        match fs::metadata(&self.path) {
            Ok(file) => Ok(Some(file)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(self.trouble(why, "look at")),
        }
    }

    fn trouble(&self, why: io::Error, what: &str) -> WriteError {
        WriteError::with_file(why, format!("cannot {what} {}", self.path.display()))
    }
}
