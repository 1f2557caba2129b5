//! The text files as the database knows them: their lines, and how far they are on disk.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use shared::clock::Timestamp;
use shared::message::RowId;

use super::state::model_of;
use super::stored_id::StoredId;
use crate::account::Account;
use crate::join::Scored;
use crate::lines::{self, Event, METRIC_HEADER};
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

pub(super) fn lines(
    db: &Connection,
    path: &Path,
    account: &Account,
    log: Log,
    after: i64,
    mut with: impl FnMut(i64, &str) -> Result<bool, WriteError>,
) -> Result<(), WriteError> {
    let trouble = |why| WriteError::with_database(why, path);
    let sql = match log {
        Log::Labels => "SELECT seq, source, id, value, received FROM event WHERE seq > ?1 ORDER BY seq",
        Log::Metric => {
            "SELECT seq, source, id, y_true, y_pred, predicted_at, labelled_at FROM scoring WHERE seq > ?1 \
             ORDER BY seq"
        }
    };
    let mut entries = db.prepare_cached(sql).map_err(trouble)?;
    let mut rows = entries.query([after]).map_err(trouble)?;
    let mut text = String::new();
    while let Some(row) = rows.next().map_err(trouble)? {
        text.clear();
        let seq = write_line(&mut text, row, account, log).map_err(trouble)?;
        if !with(seq, &text)? {
            break;
        }
    }
    Ok(())
}

fn write_line(text: &mut String, row: &Row<'_>, account: &Account, log: Log) -> rusqlite::Result<i64> {
    match log {
        Log::Labels => {
            let id = row.get::<_, Option<StoredId>>(2)?.map(RowId::from);
            let model = model_of(account, row.get(1)?)?;
            let (received, value) = (Timestamp(row.get(4)?), row.get(3)?);
            lines::event(text, Event { received, id: id.as_ref(), model: model.as_deref(), value });
        }
        Log::Metric => lines::scored(text, &read_scored(row, account)?),
    }
    row.get(0)
}

pub(super) fn read_scored(row: &Row<'_>, account: &Account) -> rusqlite::Result<Scored> {
    let source = row.get(1)?;
    let model = model_of(account, source)?;
    Ok(Scored {
        id: row.get::<_, StoredId>(2)?.into(),
        y_true: row.get(3)?,
        y_pred: row.get(4)?,
        model: model.ok_or(rusqlite::Error::IntegralValueOutOfRange(1, source))?,
        predicted_at: Timestamp(row.get(5)?),
        labelled_at: Timestamp(row.get(6)?),
    })
}
