//! How far a text file is what the database says.

use std::fs::File;
use std::io::{BufReader, Seek as _, SeekFrom};

use super::next::{Next, next_is};
use super::{CHUNK, Projection};
use crate::store::Store;
use crate::write_error::WriteError;

/// What a comparison of the file with the database has found.
pub(super) enum Found {
    /// It is right up to this entry and this length, and goes no further.
    Prefix(i64, u64),
    /// It is right up to there, and then a line that a crash has torn.
    Torn(i64, u64),
    /// It has bytes that the database does not know.
    Foreign,
}

impl Projection {
    /// Compares without changing anything.
    pub(super) fn compare(&self, store: &mut Store) -> Result<Found, WriteError> {
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
        store.lines(self.log, written, |line| {
            match next_is(&mut rest, line.text.as_bytes()).map_err(unreadable)? {
                Next::Same => {
                    written = line.entry;
                    length += line.text.len() as u64;
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
    fn oldest_known(&self, store: &mut Store) -> Result<(i64, u64), WriteError> {
        let before = store.first(self.log)? - 1;
        if before < self.state.first {
            return Ok((self.state.first - 1, 0));
        }
        let mut kept = 0;
        store.lines(self.log, before, |line| {
            if line.entry <= self.written {
                kept += line.text.len() as u64;
            }
            Ok(line.entry < self.written)
        })?;
        Ok((before, self.length.saturating_sub(kept)))
    }
}
