//! The text files as the database knows them: their lines, and how far they are on disk.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use shared::clock::Timestamp;
use shared::message::RowId;

use super::block::StoredEvent;
use super::journal;
use super::state::{State, model_of};
use super::stored_id::StoredId;
use crate::account::Account;
use crate::join::Scored;
use crate::lines::{Event, LineWriter, METRIC_HEADER};
use crate::write_error::WriteError;

/// A text file that shows a part of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// All labels and predictions.
    Labels,
    /// All scored rows.
    Metric,
}

impl Log {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Labels, Self::Metric];

    /// The file's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Labels => "labels_log.txt",
            Self::Metric => "metric_log.csv",
        }
    }

    /// Its first line, if it has one of its own.
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::Labels => "",
            Self::Metric => METRIC_HEADER,
        }
    }
}

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
}

pub(super) fn load_file(db: &Connection, log: Log) -> rusqlite::Result<Option<FileState>> {
    db.query_row(
        "SELECT first, synced, synced_length, fingerprint FROM file WHERE name = ?1",
        [log.name()],
        |row| {
            Ok(FileState {
                first: row.get(0)?,
                synced: row.get(1)?,
                synced_length: row.get(2)?,
                fingerprint: row.get(3)?,
            })
        },
    )
    .optional()
}

pub(super) fn save_file(db: &Connection, log: Log, file: &FileState) -> rusqlite::Result<()> {
    let FileState { first, synced, synced_length, fingerprint } = file;
    db.prepare_cached("REPLACE INTO file VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
        log.name(),
        first,
        synced,
        synced_length,
        fingerprint
    ])?;
    Ok(())
}

/// Calls `with` for each entry after this number that is kept, in order, with its number and its line, until it returns false.
pub(super) fn lines(
    db: &Connection,
    path: &Path,
    state: &State,
    log: Log,
    after: i64,
    mut with: impl FnMut(i64, &str) -> Result<bool, WriteError>,
) -> Result<(), WriteError> {
    let mut failed = Ok(());
    let goes_on = |seq, line: &str| {
        with(seq, line).unwrap_or_else(|why| {
            failed = Err(why);
            false
        })
    };
    let read = match log {
        Log::Labels => event_lines(db, state, after, goes_on),
        Log::Metric => scored_lines(db, state, after, goes_on),
    };
    read.map_err(|why| WriteError::with_database(why, path)).and(failed)
}

fn event_lines(
    db: &Connection,
    state: &State,
    after: i64,
    mut goes_on: impl FnMut(i64, &str) -> bool,
) -> rusqlite::Result<()> {
    let (mut text, mut writer) = (String::new(), LineWriter::default());
    journal::events(db, after.max(state.first_event - 1), state.last_event, |block, seq, event| {
        let StoredEvent { id, source, value, .. } = event;
        let model = model_of(&state.account, source)?;
        let model = model.as_ref().map(|(_, model)| &**model);
        text.clear();
        writer.event(&mut text, Event { received: block.received, id: id.as_ref(), model, value });
        Ok(goes_on(seq, &text))
    })
}

fn scored_lines(
    db: &Connection,
    state: &State,
    after: i64,
    mut goes_on: impl FnMut(i64, &str) -> bool,
) -> rusqlite::Result<()> {
    let mut entries = db.prepare_cached(
        "SELECT seq, source, id, y_true, y_pred, predicted_at, labelled_at, prediction FROM scoring \
         WHERE seq > ?1 ORDER BY seq",
    )?;
    let mut rows = entries.query([after])?;
    let (mut text, mut writer) = (String::new(), LineWriter::default());
    while let Some(row) = rows.next()? {
        text.clear();
        writer.scored(&mut text, &read_scored(row, &state.account)?);
        if !goes_on(row.get(0)?, &text) {
            break;
        }
    }
    Ok(())
}

pub(super) fn read_scored(row: &Row<'_>, account: &Account) -> rusqlite::Result<Scored> {
    let source = row.get(1)?;
    let (number, model) =
        model_of(account, source)?.ok_or(rusqlite::Error::IntegralValueOutOfRange(1, source))?;
    Ok(Scored {
        id: row.get::<_, StoredId<RowId>>(2)?.0,
        y_true: row.get(3)?,
        y_pred: row.get(4)?,
        number,
        model,
        predicted_at: Timestamp(row.get(5)?),
        labelled_at: Timestamp(row.get(6)?),
        prediction: row.get(7)?,
    })
}
