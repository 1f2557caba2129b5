//! The database: everything that was received and what became of it. The truth, of which the text files are a view.

mod block;
mod cards;
mod change;
mod commits;
mod copy;
mod file;
mod finding;
mod history;
mod journal;
mod known;
mod log;
mod lookup;
mod packing;
mod reader;
mod room;
mod rows;
pub mod schema;
mod scoring;
mod state;
mod stored_id;
mod usage;
mod varint;
mod vectors;

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};
use shared::clock::Timestamp;
use shared::message::RowId;

use crate::account::{Account, Rejected};
use crate::arrival::Arrival;
use crate::decide::Contradiction;
use crate::follow::{Commits, Publisher};
use crate::write_error::{WriteError, damaged};

pub use cards::{KeptCard, ReceivedCard};
use change::{Change, Changed};
pub use file::{ClosedFile, FileState};
pub use finding::{Finding, Kind, Note};
pub(crate) use history::History;
use known::Collected;
pub use log::{Log, LogLine};
pub(crate) use lookup::{Extent, FoundLabel, FoundPrediction, FoundRow, Listed, Which};
pub use reader::{Reader, Selection, WithVector};
pub use schema::Before;
use state::State;
#[cfg(test)]
pub(crate) use usage::TextLines;
pub(crate) use usage::Usage;

/// When a group of messages is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitTime {
    /// What the wall clock says, for people.
    pub wall: Timestamp,
    /// For how many milliseconds the other halves could have been received: metric was ready, and nothing waited in the
    /// queues that could be one. The horizon is counted in it, so that no clock that is set and no outage expires
    /// anything early.
    pub age: i64,
}

/// How long is waited, and what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a half waits for the other one, in milliseconds.
    pub horizon_ms: i64,
    /// How much history is kept, in milliseconds; none is everything.
    pub retain_ms: Option<i64>,
    /// How many events the table of halves by id may be behind, at about 120 bytes of memory each.
    pub behind: i64,
    /// Whether there are text files: then lines are made for them, and what they do not have on disk is kept.
    pub texts: bool,
}

impl Limits {
    /// The greatest ages of the events and of the scored rows that are to be forgotten now; none where all is kept.
    /// Events are kept for two horizons at least.
    fn forgotten(&self, now: CommitTime) -> Option<(i64, i64)> {
        let retain = self.retain_ms?;
        let events_retain = retain.max(self.horizon_ms.saturating_mul(2));
        Some((now.age.saturating_sub(events_retain), now.age.saturating_sub(retain)))
    }
}

/// Waits for a day and keeps everything.
impl Default for Limits {
    fn default() -> Self {
        Self { horizon_ms: 24 * 60 * 60 * 1000, retain_ms: None, behind: 65_536, texts: true }
    }
}

/// What a group of messages has led to.
#[derive(Debug, Default, PartialEq)]
pub struct Recorded {
    /// The lines of `labels_log.txt`, where there are text files.
    pub labels_log: String,
    /// The lines of `metric_log.csv`, likewise.
    pub metric_log: String,
    /// How many rows have a line there, or would have one.
    pub scored: usize,
    /// What was ignored because it contradicts what was there.
    pub contradictions: Vec<Contradiction>,
    /// Rows of which a prediction was ignored because too many models have predicted them.
    pub crowded: Vec<RowId>,
}

/// The database, opened by the one who writes it.
#[derive(Debug)]
pub struct Store {
    db: Connection,
    path: PathBuf,
    /// None after a change that failed: what is in the database is read anew.
    memory: Option<Memory>,
    /// Tells of what was committed.
    publisher: Publisher,
    /// The index of the write-ahead log. Dropped after the database.
    _index: Option<File>,
}

/// What the writer knows without asking the database.
#[derive(Debug)]
struct Memory {
    state: State,
    collected: Collected,
}

impl Memory {
    fn load(db: &Connection) -> rusqlite::Result<Self> {
        let state = State::load(db)?;
        let collected = Collected::load(db, &state)?;
        Ok(Self { state, collected })
    }
}

impl Store {
    /// Opens the database of a folder, or makes it. Whoever calls it holds the folder's lock. An older one is copied beside
    /// before it is brought up to date.
    pub fn open(folder: &Path) -> Result<Self, WriteError> {
        Self::open_with(folder, Before::Copy)
    }

    /// The same; `before` says what happens to an older one.
    pub fn open_with(folder: &Path, before: Before) -> Result<Self, WriteError> {
        let path = schema::path(folder);
        room::look(folder)?;
        // Before the database, so that it is dropped after it.
        let index;
        let mut db = schema::open_to_write(&path)?;
        index = room::reserve(&path)?;
        schema::migrate(&mut db, &path, before)?;
        let memory = Memory::load(&db).map_err(|why| WriteError::with_database(why, &path))?;
        let publisher = Publisher::new(folder, memory.state.commits, &memory.state.account);
        Ok(Self { db, path, memory: Some(memory), publisher, _index: index })
    }

    /// Checks a database beside the one who writes it.
    pub fn check(folder: &Path) -> Result<(), WriteError> {
        let db = schema::open_to_read(folder).map_err(WriteError::Fatal)?;
        schema::check(&db, &schema::path(folder))
    }

    /// Records a group of messages in one durable commit. Where it fails, nothing has changed.
    pub fn record(
        &mut self,
        arrivals: &[Arrival],
        rejected: Rejected,
        now: CommitTime,
        limits: &Limits,
    ) -> Result<Recorded, WriteError> {
        self.change(|change| {
            change.begin(now, rejected);
            let nothing_due = change.expire(now, limits)?;
            let recorded = change.record(arrivals, now, limits.texts)?;
            change.collect(limits.behind)?;
            if nothing_due {
                change.trim(now, limits)?;
            }
            Ok(recorded)
        })
    }

    /// Notes how far a text file is certainly on disk.
    pub fn note(&mut self, log: Log, state: &FileState) -> Result<(), WriteError> {
        self.change(|change| file::save(change.db, log, state))
    }

    /// Notes that a text file is closed, and the state of the one that follows.
    pub fn close_file(&mut self, log: Log, closed: &ClosedFile, next: &FileState) -> Result<(), WriteError> {
        self.change(|change| {
            file::add_closed(change.db, log, closed)?;
            file::save(change.db, log, next)
        })
    }

    /// The text files of a log that were closed, the oldest first.
    pub fn closed_files(&self, log: Log) -> Result<Vec<ClosedFile>, WriteError> {
        file::closed(&self.db, log).map_err(|why| WriteError::with_database(why, &self.path))
    }

    /// When the entry of a log with this number, or the oldest one after it that is kept, was committed.
    pub fn received(&self, log: Log, entry: i64) -> Result<Option<Timestamp>, WriteError> {
        let received = match log {
            Log::Labels => journal::received_event(&self.db, entry),
            Log::Metric => journal::received_scoring(&self.db, entry),
        };
        received.map_err(|why| WriteError::with_database(why, &self.path))
    }

    /// Keeps what is wrong, and what is so no more, for whoever asks. What is known already costs nothing.
    pub fn keep(&mut self, notes: &[Note]) -> Result<(), WriteError> {
        let trouble = |why| WriteError::with_database(why, &self.path);
        let news = notes.iter().map(|note| finding::is_new(&self.db, note));
        if !news.collect::<rusqlite::Result<Vec<_>>>().map_err(trouble)?.contains(&true) {
            return Ok(());
        }
        self.change(|change| notes.iter().try_for_each(|note| finding::save(change.db, note)))
    }

    /// Keeps what models say of themselves.
    pub fn keep_cards(&mut self, cards: &[ReceivedCard], now: Timestamp) -> Result<(), WriteError> {
        if cards.is_empty() {
            return Ok(());
        }
        self.change(|change| cards::save(change.db, cards, now))?;
        self.publisher.publish_cards();
        Ok(())
    }

    /// What is known to be wrong.
    pub fn findings(&self) -> Result<Vec<Finding>, WriteError> {
        finding::load(&self.db).map_err(|why| WriteError::with_database(why, &self.path))
    }

    /// The account as it is committed.
    pub fn account(&mut self) -> Result<&Account, WriteError> {
        Ok(&self.state()?.account)
    }

    /// The age that the last commit had.
    pub fn age(&mut self) -> Result<i64, WriteError> {
        Ok(self.state()?.age)
    }

    /// Whether time alone asks for a commit.
    pub fn is_due(&mut self, now: CommitTime, limits: &Limits) -> Result<bool, WriteError> {
        const AGE_KEPT_MS: i64 = 60_000;
        let state = self.state()?;
        let (over, last, age) = (state.horizon_over, state.last_event, state.age);
        let (first, kept) = (state.first_event, state.first_scoring);
        let never = |age: Option<i64>| age.unwrap_or(i64::MAX);
        let ask = || {
            if over < last
                && never(journal::age_of_event(&self.db, over + 1)?).saturating_add(limits.horizon_ms)
                    <= now.age
            {
                return Ok(true);
            }
            let Some((messages, rows)) = limits.forgotten(now) else { return Ok(false) };
            Ok((first <= over && never(journal::age_of_event(&self.db, first)?) <= messages)
                || never(journal::age_of_scoring(&self.db, kept)?) <= rows)
        };
        let due = ask().map_err(|why| WriteError::with_database(why, &self.path))?;
        // Where nothing was ever received, no age matters.
        Ok(due || (last > 0 && now.age - age >= AGE_KEPT_MS))
    }

    /// The number of the last entry of a log.
    pub fn last(&mut self, log: Log) -> Result<i64, WriteError> {
        let state = self.state()?;
        Ok(match log {
            Log::Labels => state.last_event,
            Log::Metric => state.last_scoring,
        })
    }

    /// The number of the oldest entry of a log that is kept.
    pub fn first(&mut self, log: Log) -> Result<i64, WriteError> {
        let state = self.state()?;
        Ok(match log {
            Log::Labels => state.first_event,
            Log::Metric => state.first_scoring,
        })
    }

    /// What is known of a text file; none where it was never made.
    pub fn file(&self, log: Log) -> Result<Option<FileState>, WriteError> {
        file::load(&self.db, log).map_err(|why| WriteError::with_database(why, &self.path))
    }

    /// Calls `with` for each entry of a log after this one, in order, with its line, until it returns false.
    pub fn lines(
        &mut self,
        log: Log,
        after: i64,
        with: impl FnMut(LogLine<'_>) -> Result<bool, WriteError>,
    ) -> Result<(), WriteError> {
        self.state()?;
        let Some(Memory { state, .. }) = &self.memory else { return Ok(()) };
        log::lines(&self.db, &self.path, state, log, after, with)
    }

    /// What is committed from now on, to be followed.
    #[must_use]
    pub fn commits(&self) -> Commits {
        self.publisher.commits()
    }

    /// Tells whoever follows that there will be no more commits: what they have open of the database they close.
    pub fn end_commits(&mut self) {
        self.publisher.end();
    }

    fn state(&mut self) -> Result<&State, WriteError> {
        let memory = match self.memory.take() {
            Some(memory) => memory,
            None => {
                let memory =
                    Memory::load(&self.db).map_err(|why| WriteError::with_database(why, &self.path))?;
                // A commit may have been made that was said to have failed.
                self.publisher.publish_anew(memory.state.commits, &memory.state.account);
                memory
            }
        };
        Ok(&self.memory.insert(memory).state)
    }

    fn change<T>(
        &mut self,
        work: impl FnOnce(&mut Change<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, WriteError> {
        self.state()?;
        let trouble = |why| WriteError::with_database(why, &self.path);
        let db = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(trouble)?;
        let Some(Memory { state, mut collected }) = self.memory.take() else {
            return Err(damaged(&self.path, "it has no state"));
        };
        let before = state.commits;
        let mut change = Change::new(&db, state, &collected, self.publisher.interest());
        let result = work(&mut change).map_err(trouble)?;
        let Changed { state, fresh, put_into_table, touched, committed } =
            change.finish().map_err(trouble)?;
        db.commit().map_err(trouble)?;
        schema::copy_back(&self.db, &self.path)?;
        self.publisher.publish_account(&state.account, touched);
        if state.commits > before {
            self.publisher.publish(state.commits, committed);
        }
        if put_into_table {
            collected.empty(fresh);
        } else {
            fresh.into_iter().for_each(|(id, half)| collected.add(id, half));
        }
        self.memory = Some(Memory { state, collected });
        Ok(result)
    }
}
