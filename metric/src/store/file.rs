//! The text files as the database knows them: how far the present ones are on disk, and which ones were closed.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::Log;
use crate::day::Day;

/// What is known of a text file without looking at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// The number of the entry that its first line shows.
    pub first: i64,
    /// The number of the last entry that is certainly on disk.
    pub synced: i64,
    /// The length of the file up to there, in bytes.
    pub synced_length: u64,
    /// Size and modification time that a clean stop left behind; none while metric runs.
    pub fingerprint: Option<String>,
    /// The day of its lines; none where it has no lines, or is not closed by the day.
    pub day: Option<Day>,
    /// The name that the file before this one is to have, until it certainly has it. Before that, nothing is written to
    /// this one.
    pub closing: Option<String>,
}

impl FileState {
    /// A file that is to begin with this entry.
    #[must_use]
    pub const fn beginning(first: i64) -> Self {
        Self { first, synced: first - 1, synced_length: 0, fingerprint: None, day: None, closing: None }
    }
}

/// A text file that is closed: nobody writes to it any more, and it may be compressed, moved or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedFile {
    /// The number of the entry that its first line shows.
    pub first: i64,
    /// That of its last line.
    pub last: i64,
    /// The length that it had, in bytes.
    pub length: u64,
    /// Its name.
    pub name: String,
}

pub(super) fn load(db: &Connection, log: Log) -> rusqlite::Result<Option<FileState>> {
    db.query_row(
        "SELECT first, synced, synced_length, fingerprint, day, closing FROM file WHERE name = ?1",
        [log.name()],
        |row| {
            Ok(FileState {
                first: row.get(0)?,
                synced: row.get(1)?,
                synced_length: row.get(2)?,
                fingerprint: row.get(3)?,
                day: row.get::<_, Option<i64>>(4)?.map(Day),
                closing: row.get(5)?,
            })
        },
    )
    .optional()
}

pub(super) fn save(db: &Connection, log: Log, file: &FileState) -> rusqlite::Result<()> {
    let FileState { first, synced, synced_length, fingerprint, day, closing } = file;
    db.prepare_cached(
        "REPLACE INTO file (name, first, synced, synced_length, fingerprint, day, closing) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        log.name(),
        first,
        synced,
        synced_length,
        fingerprint,
        day.map(|Day(day)| day),
        closing
    ])?;
    Ok(())
}

pub(super) fn add_closed(db: &Connection, log: Log, file: &ClosedFile) -> rusqlite::Result<()> {
    let ClosedFile { first, last, length, name } = file;
    db.prepare_cached("REPLACE INTO closed (log, first, last, length, name) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![log.name(), first, last, length, name])?;
    Ok(())
}

pub(super) fn closed(db: &Connection, log: Log) -> rusqlite::Result<Vec<ClosedFile>> {
    db.prepare_cached("SELECT first, last, length, name FROM closed WHERE log = ?1 ORDER BY first")?
        .query_map([log.name()], |row| {
            Ok(ClosedFile { first: row.get(0)?, last: row.get(1)?, length: row.get(2)?, name: row.get(3)? })
        })?
        .collect()
}
