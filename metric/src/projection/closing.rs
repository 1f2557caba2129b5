//! Closing the file of a day, so that a crash at any point leaves each line once over all files.
//!
//! The file is whole and synced. One commit notes its name to come and that the next file begins behind it. Then it is
//! renamed, and when that is certain, the name is noted as given; not before is the next file made. So whoever starts in
//! between and finds no file of the new name has the old one under the present name.

use std::fs;
use std::io;
use std::path::Path;

use tracing::{info, warn};

use super::{Projection, rename_aside};
use crate::day::{Day, name_of};
use crate::store::{ClosedFile, FileState, Log, Store};
use crate::write_error::{WriteError, sync_folder};

/// Whether a rename that was noted is still to be made: by the lengths of the file with the new name and of the one with the
/// present name, where they are there.
fn is_to_be_renamed(closed: Option<u64>, present: Option<u64>) -> bool {
    // Where neither is there, somebody has taken it away.
    closed.is_none() && present.is_some_and(|length| length > 0)
}

/// Gives the file before this one its name, where it may not have it yet.
pub(crate) fn finish_closing(
    folder: &Path,
    log: Log,
    state: &mut FileState,
    store: &mut Store,
) -> Result<(), WriteError> {
    let Some(name) = &state.closing else { return Ok(()) };
    let (from, to) = (folder.join(log.name()), folder.join(name));
    if is_to_be_renamed(length(&to)?, length(&from)?) {
        fs::rename(&from, &to).map_err(|why| {
            WriteError::with_file(why, format!("cannot rename {} to {}", from.display(), to.display()))
        })?;
        info!("{} is closed, and is now {}", from.display(), to.display());
    }
    sync_folder(folder)?;
    let done = FileState { closing: None, ..state.clone() };
    store.note(log, &done)?;
    *state = done;
    Ok(())
}

/// How long a file is, or what else has its name; none where nothing has.
fn length(path: &Path) -> Result<Option<u64>, WriteError> {
    match fs::symlink_metadata(path) {
        Ok(file) => Ok(Some(file.len())),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(WriteError::with_file(why, format!("cannot look at {}", path.display()))),
    }
}

impl Projection {
    /// Finds out of which day the file's lines are, the last one at least: it may have been one file for all days.
    pub(super) fn find_day(&mut self, store: &Store) -> Result<(), WriteError> {
        if !self.by_day || self.written < self.state.first {
            self.state.day = None;
            return Ok(());
        }
        let day = |entry| Ok(store.received(self.log, entry)?.map(Day::of));
        let (first, last) = (day(self.state.first)?, day(self.written)?);
        // The first one says it where the clock was set back over midnight after it.
        let known = self.state.day.or(first).filter(|day| last.is_none_or(|last| !day.is_over(last)));
        self.state.day = known.or(last);
        Ok(())
    }

    /// Closes the file, which has all lines of its day, and opens the next one.
    pub(super) fn close_day(&mut self, day: Day, store: &mut Store) -> Result<(), WriteError> {
        self.sync_file()?;
        let closed = ClosedFile {
            first: self.state.first,
            last: self.written,
            length: self.length,
            name: self.free_name(day, store)?,
        };
        let mut next = FileState::beginning(self.written + 1);
        next.closing = Some(closed.name.clone());
        store.close_file(self.log, &closed, &next)?;
        (self.state, self.length, self.file) = (next, 0, None);
        finish_closing(&self.folder, self.log, &mut self.state, store)?;
        self.reopen()?;
        self.renamed = true;
        Ok(())
    }

    /// A name for the file of this day. What somebody else has under it is moved aside.
    fn free_name(&self, day: Day, store: &Store) -> Result<String, WriteError> {
        let ours: Vec<String> = store.closed_files(self.log)?.into_iter().map(|file| file.name).collect();
        let name = name_of(self.log.name(), day, &ours);
        let path = self.folder.join(&name);
        if length(&path)?.is_some() {
            let aside = rename_aside(&path)
                .map_err(|why| WriteError::with_file(why, format!("cannot move {} aside", path.display())))?;
            warn!("{} is not from this metric.db: it is now {}", path.display(), aside.display());
            sync_folder(&self.folder)?;
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_renames_what_a_crash_has_left_and_nothing_else() {
        for (closed, present, wanted) in [
            // Before the rename.
            (None, Some(100), true),
            // After it.
            (Some(100), None, false),
            // Somebody has taken the file away, or emptied it, which means the same.
            (None, None, false),
            (None, Some(0), false),
            // Somebody has put something there: nothing is overwritten.
            (Some(100), Some(100), false),
            (Some(0), Some(100), false),
        ] {
            assert_eq!(is_to_be_renamed(closed, present), wanted, "{closed:?} {present:?}");
        }
    }
}
