//! Writes what a file does not have yet: the lines of a crash, or all that was recorded while there were no text files.

use tracing::{info, warn};

use super::{CHUNK, Projection};
use crate::day::Day;
use crate::store::Store;
use crate::write_error::WriteError;

/// After how many bytes what is written is synced, so that a start that is cut off goes on there.
const STRIDE: usize = 16 << 20;
/// How often it is said how far it is.
const TOLD_EVERY_MS: i64 = 5_000;

/// Why no more was written at once.
enum Left {
    Nothing,
    Lines,
    /// The next line is of another day than the file's, which is this one.
    Day(Day),
}

impl Projection {
    /// Writes the header and the lines that the file does not have, and closes it where a day is over.
    pub(super) fn complete(&mut self, store: &mut Store) -> Result<(), WriteError> {
        self.skip_forgotten(store)?;
        let (from, last) = (self.written, store.last(self.log)?);
        let mut told = self.clock.steady_ms();
        loop {
            match self.write_more(store)? {
                Left::Nothing => return Ok(()),
                Left::Lines => self.sync(store)?,
                Left::Day(day) => self.close_day(day, store)?,
            }
            let now = self.clock.steady_ms();
            if now - told >= TOLD_EVERY_MS {
                told = now;
                let (done, all) = (self.written - from, last - from);
                info!("writing what {} lacks: {done} of {all} lines", self.path.display());
            }
        }
    }

    /// Says which lines cannot be written any more.
    fn skip_forgotten(&mut self, store: &mut Store) -> Result<(), WriteError> {
        let before = store.first(self.log)? - 1;
        if before > self.written {
            let (count, shown) = (before - self.written, self.path.display());
            warn!(
                "{count} lines are not in {shown}: they were dropped from metric.db before it could be written; see --retain"
            );
            if self.written < self.state.first {
                self.state.first = before + 1;
            }
            self.written = before;
        }
        Ok(())
    }

    fn write_more(&mut self, store: &mut Store) -> Result<Left, WriteError> {
        let mut text = String::new();
        if self.length == 0 {
            text.push_str(self.log.header());
        }
        let (log, after) = (self.log, self.written);
        let (mut last, mut bytes, mut left) = (after, 0, Left::Nothing);
        store.lines(log, after, |line| {
            if self.by_day {
                let next = Day::of(line.received);
                if let Some(day) = self.state.day.filter(|day| day.is_over(next)) {
                    left = Left::Day(day);
                    return Ok(false);
                }
                self.state.day.get_or_insert(next);
            }
            text.push_str(line.text);
            last = line.entry;
            if text.len() < CHUNK {
                return Ok(true);
            }
            bytes += text.len();
            self.write(&text, last)?;
            text.clear();
            if bytes < STRIDE {
                return Ok(true);
            }
            left = Left::Lines;
            Ok(false)
        })?;
        self.write(&text, last)?;
        Ok(left)
    }
}
