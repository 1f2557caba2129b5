//! A text file that shows a part of the database: appended to after each commit, completed after a crash.
//!
//! The file is always a prefix of what the database says. Where it is shorter, because a crash came between a commit
//! and its lines, the rest is written; where it has bytes that the database does not know, somebody else has written
//! them: that file is put aside, and a new one is made.

mod next;

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use shared::clock::Timestamp;
use tracing::{info, warn};

use crate::store::{FileState, Log, Store};
use crate::trouble::{Trouble, sync_folder};
use next::{Next, next_is};

/// How many bytes are written at once where many lines are missing.
const CHUNK: usize = 256 * 1024;

/// One of the two text files.
#[derive(Debug)]
pub(crate) struct Projection {
    log: Log,
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
    left: Option<Identity>,
    /// Somebody may have edited it anywhere: all of it must be compared.
    suspect: bool,
}

/// Which file it is and what was done to it last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl From<&Metadata> for Identity {
    fn from(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
        }
    }
}

impl Identity {
    /// Size and time of a file that nobody should touch while metric is stopped. A copy of the folder has them too.
    fn fingerprint(self) -> String {
        format!("{} {}.{:09}", self.size, self.modified.0, self.modified.1)
    }
}

/// What a comparison of the file with the database has found.
enum Found {
    /// It is right up to this entry and this length, and goes no further.
    Prefix(i64, u64),
    /// It is right up to there, and then a line that a crash has torn.
    Torn(i64, u64),
    /// It has bytes that the database does not know.
    Foreign,
}

impl Projection {
    /// Opens the file of a folder and brings it up to date with the database.
    pub(crate) fn open(folder: &Path, log: Log, store: &mut Store) -> Result<Self, Trouble> {
        let known = store.file(log)?;
        let first = store.first(log)?;
        let state = known.clone().unwrap_or(FileState {
            first,
            synced: first - 1,
            synced_length: 0,
            fingerprint: None,
        });
        let mut this = Self {
            log,
            folder: folder.to_owned(),
            path: folder.join(log.name()),
            file: None,
            written: state.synced,
            length: state.synced_length,
            state,
            left: None,
            suspect: false,
        };
        // After a clean stop nobody has touched the file, or all of it is compared. After a crash, what was synced is
        // taken for good, so that a start does not read gigabytes.
        let left = this.state.fingerprint.take();
        let now = this.stat()?.as_ref().map(|file| Identity::from(file).fingerprint());
        this.suspect = known.is_none() || (left.is_some() && left != now);
        _ = fs::remove_file(this.making());
        this.reconcile(store)?;
        store.note(log, &this.state)?;
        Ok(this)
    }

    /// Adds the lines of what the database has beyond the file: `text`, which saves reading them back. May be called again
    /// after a failure, of this file or of the other.
    pub(crate) fn append(&mut self, text: &str, store: &mut Store) -> Result<(), Trouble> {
        let last = store.last(self.log)?;
        if self.written == last && self.left.is_some() {
            return Ok(());
        }
        let now = self.stat()?.as_ref().map(Identity::from);
        if self.left.is_none() || self.left != now {
            self.suspect |= self.left.take().is_some();
            return self.reconcile(store);
        }
        self.left = None;
        self.write(text, last)?;
        self.remember()
    }

    /// Makes what is in the file durable, and notes it in the database.
    pub(crate) fn sync(&mut self, store: &mut Store) -> Result<(), Trouble> {
        if self.unsynced() > 0 {
            self.sync_file()?;
            store.note(self.log, &self.state)?;
        }
        Ok(())
    }

    /// As [`Projection::sync`], and remembers how the file was left.
    pub(crate) fn close(&mut self, store: &mut Store) -> Result<(), Trouble> {
        self.sync_file()?;
        // As we left it, not as it is now: somebody may have edited it since.
        self.state.fingerprint = self.left.map(Identity::fingerprint);
        store.note(self.log, &self.state)
    }

    /// How many bytes would have to be written again after a power cut.
    pub(crate) fn unsynced(&self) -> u64 {
        self.length.saturating_sub(self.state.synced_length)
    }

    fn sync_file(&mut self) -> Result<(), Trouble> {
        if let Some(file) = &self.file {
            file.sync_data().map_err(|why| {
                let why = anyhow::Error::from(why);
                Trouble::Fatal(why.context(format!("cannot sync {} to disk", self.path.display())))
            })?;
        }
        self.state.synced = self.written;
        self.state.synced_length = self.length;
        Ok(())
    }

    /// Compares the file with the database, all of it if it is suspect, else from where it was last known to be right,
    /// and completes it.
    fn reconcile(&mut self, store: &mut Store) -> Result<(), Trouble> {
        let shown = self.path.display().to_string();
        let size = self.stat()?.map_or(0, |file| file.size());
        if size == 0 {
            if self.length > 0 {
                info!("{shown} was taken away or emptied: it starts anew");
            }
            self.start_anew(store)?;
        } else {
            match self.compare(store)? {
                Found::Prefix(written, length) => (self.written, self.length) = (written, length),
                Found::Torn(written, length) => {
                    info!("cutting {} bytes of a torn line off {shown}", size - length);
                    (self.written, self.length) = (written, length);
                    let cut = OpenOptions::new().write(true).open(&self.path);
                    cut.and_then(|file| file.set_len(length)).map_err(|why| self.trouble(why, "cut"))?;
                }
                Found::Foreign => self.put_aside(store)?,
            }
            self.reopen()?;
        }
        if self.written < self.state.synced {
            (self.state.synced, self.state.synced_length) = (self.written, self.length);
            store.note(self.log, &self.state)?;
        }
        self.complete(store)?;
        self.suspect = false;
        self.remember()
    }

    /// Compares without changing anything.
    fn compare(&self, store: &mut Store) -> Result<Found, Trouble> {
        let unreadable = |why| self.trouble(why, "read");
        let file = File::open(&self.path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        let (mut written, mut length) =
            if self.suspect { self.oldest_known(store)? } else { (self.written, self.length) };
        if size < length {
            return Ok(Found::Foreign);
        }
        let mut rest = BufReader::with_capacity(CHUNK, file);
        rest.seek(SeekFrom::Start(length)).map_err(unreadable)?;
        if length == 0 {
            let header = self.log.header();
            match next_is(&mut rest, header.as_bytes()).map_err(unreadable)? {
                Next::Same => length = header.len() as u64,
                Next::Torn => return Ok(Found::Torn(written, 0)),
                Next::Other => return Ok(Found::Foreign),
                Next::End => return Ok(Found::Prefix(written, 0)),
            }
        }
        let mut end = None;
        store.lines(self.log, written, |entry, line| {
            match next_is(&mut rest, line.as_bytes()).map_err(unreadable)? {
                Next::Same => {
                    written = entry;
                    length += line.len() as u64;
                    return Ok(true);
                }
                Next::Torn => end = Some(Found::Torn(written, length)),
                Next::Other => end = Some(Found::Foreign),
                Next::End => end = Some(Found::Prefix(written, length)),
            }
            Ok(false)
        })?;
        if let Some(found) = end {
            return Ok(found);
        }
        match next_is(&mut rest, b"\n").map_err(unreadable)? {
            Next::End => Ok(Found::Prefix(written, length)),
            Next::Torn => Ok(Found::Torn(written, length)),
            Next::Same | Next::Other => Ok(Found::Foreign),
        }
    }

    /// The entry before the first one of the file that the database still has, and the file's length with it.
    fn oldest_known(&self, store: &mut Store) -> Result<(i64, u64), Trouble> {
        let before = store.first(self.log)? - 1;
        if before < self.state.first {
            return Ok((self.state.first - 1, 0));
        }
        let mut kept = 0;
        store.lines(self.log, before, |entry, line| {
            if entry <= self.written {
                kept += line.len() as u64;
            }
            Ok(entry < self.written)
        })?;
        Ok((before, self.length.saturating_sub(kept)))
    }

    /// Begins a new file with what is not in the one before.
    fn start_anew(&mut self, store: &mut Store) -> Result<(), Trouble> {
        // What is in the file that was taken away must stay there: nobody will write it again.
        self.sync_file()?;
        sync_folder(&self.folder)?;
        self.state =
            FileState { first: self.written + 1, synced: self.written, synced_length: 0, fingerprint: None };
        self.length = 0;
        // First, so that a crash leaves nobody to look for the old lines in the new file.
        store.note(self.log, &self.state)?;
        self.reopen()?;
        sync_folder(&self.folder)
    }

    /// Renames a file with bytes that are not ours, and writes what it should be.
    fn put_aside(&mut self, store: &mut Store) -> Result<(), Trouble> {
        let oldest = store.first(self.log)?;
        let first = self.state.first.max(oldest);
        if oldest > self.state.first {
            warn!("the new {} begins with the oldest line that is kept; see --retain", self.log.name());
        }
        // First, so that a crash between the two renames ends in a whole file too.
        self.state = FileState { first, synced: first - 1, synced_length: 0, fingerprint: None };
        (self.written, self.length) = (first - 1, 0);
        store.note(self.log, &self.state)?;
        let shown = self.path.display();
        warn!("{shown} has lines that metric did not write: a new file is made of the database");
        let making = self.making();
        let made = write_whole(&making, self.log, first, store);
        let (length, last) = made.inspect_err(|_| _ = fs::remove_file(&making))?;
        let aside = rename_aside(&self.path).map_err(|why| self.trouble(why, "rename"))?;
        fs::rename(&making, &self.path).map_err(|why| self.trouble(why, "make"))?;
        sync_folder(&self.folder)?;
        warn!("what was in {} is in {} now", self.path.display(), aside.display());
        (self.written, self.length) = (last, length);
        (self.state.synced, self.state.synced_length) = (last, length);
        store.note(self.log, &self.state)
    }

    /// Writes the header and the lines that the file does not have.
    fn complete(&mut self, store: &mut Store) -> Result<(), Trouble> {
        let mut text = String::new();
        if self.length == 0 {
            text.push_str(self.log.header());
        }
        let mut last = self.written;
        store.lines(self.log, self.written, |entry, line| {
            text.push_str(line);
            last = entry;
            if text.len() >= CHUNK {
                self.write(&text, last)?;
                text.clear();
            }
            Ok(true)
        })?;
        self.write(&text, last)
    }

    fn write(&mut self, text: &str, last: i64) -> Result<(), Trouble> {
        let Some(file) = &mut self.file else {
            return Err(Trouble::Fatal(anyhow::anyhow!("{} is not open", self.path.display())));
        };
        if let Err(why) = file.write_all(text.as_bytes()) {
            return Err(self.trouble(why, "append to"));
        }
        self.written = last;
        self.length += text.len() as u64;
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), Trouble> {
        let file = OpenOptions::new().create(true).append(true).open(&self.path);
        self.file = Some(file.map_err(|why| self.trouble(why, "open"))?);
        Ok(())
    }

    /// Remembers how the file is left.
    fn remember(&mut self) -> Result<(), Trouble> {
        let Some(file) = &self.file else { return Ok(()) };
        let left = Identity::from(&file.metadata().map_err(|why| self.trouble(why, "look at"))?);
        // Where somebody has written in between, it is noticed next time.
        self.left = Some(Identity { size: self.length, ..left });
        Ok(())
    }

    /// Where a file is written before it has its name.
    fn making(&self) -> PathBuf {
        self.folder.join(format!("{}.new", self.log.name()))
    }

    fn stat(&self) -> Result<Option<Metadata>, Trouble> {
        match fs::metadata(&self.path) {
            Ok(file) => Ok(Some(file)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(self.trouble(why, "look at")),
        }
    }

    fn trouble(&self, why: io::Error, what: &str) -> Trouble {
        Trouble::with_file(why, format!("cannot {what} {}", self.path.display()))
    }
}

/// Renames a file to a name that says when that was. Returns the name.
pub(crate) fn rename_aside(path: &Path) -> io::Result<PathBuf> {
    let stamp = Timestamp::now().to_string().replace([':', '-'], "");
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let free = (0..).map(|number| match number {
        0 => path.with_file_name(format!("{name}.foreign-{stamp}")),
        number => path.with_file_name(format!("{name}.foreign-{stamp}-{number}")),
    });
    for aside in free {
        if !aside.try_exists()? {
            fs::rename(path, &aside)?;
            return Ok(aside);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Writes a file of all lines from entry `first` on and syncs it. Returns its length and its last entry.
pub(crate) fn write_whole(
    path: &Path,
    log: Log,
    first: i64,
    store: &mut Store,
) -> Result<(u64, i64), Trouble> {
    let trouble = |why| Trouble::with_file(why, format!("cannot write {}", path.display()));
    let mut file = BufWriter::with_capacity(CHUNK, File::create(path).map_err(trouble)?);
    let (mut length, mut last) = (log.header().len() as u64, first - 1);
    file.write_all(log.header().as_bytes()).map_err(trouble)?;
    store.lines(log, last, |entry, line| {
        file.write_all(line.as_bytes()).map_err(trouble)?;
        length += line.len() as u64;
        last = entry;
        Ok(true)
    })?;
    let synced = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
    synced.map_err(trouble)?;
    Ok((length, last))
}
