//! What is read back: the lines of the text files, the state of those files, and scored rows for people who ask.

use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};
use shared::clock::Timestamp;
use shared::message::RowId;

use super::key::Key;
use super::schema;
use super::state::{State, model_of};
use crate::account::Account;
use crate::join::{Model, Scored};
use crate::lines::{self, Event, METRIC_HEADER};
use crate::trouble::Trouble;

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
    mut with: impl FnMut(i64, &str) -> Result<bool, Trouble>,
) -> Result<(), Trouble> {
    let trouble = |why| Trouble::with_database(why, path);
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
            let id = row.get::<_, Option<Key>>(2)?.map(RowId::from);
            let model = model_of(account, row.get(1)?)?;
            let (received, value) = (Timestamp(row.get(4)?), row.get(3)?);
            lines::event(text, Event { received, id: id.as_ref(), model: model.as_deref(), value });
        }
        Log::Metric => lines::scored(text, &read_scored(row, account)?),
    }
    row.get(0)
}

/// Which scored rows are wanted.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Those whose later half was published at this time or after it.
    pub since: Option<Timestamp>,
    /// Those of this model's name, and of this version if it is given.
    pub model: Option<Model>,
}

/// The database, opened by somebody who reads beside the writer.
#[derive(Debug)]
pub struct Reader {
    db: Connection,
    path: PathBuf,
}

impl Reader {
    /// Opens the database of a folder.
    ///
    /// # Errors
    /// There is none, it has another version, or it cannot be read.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self { db: schema::open_to_read(folder)?, path: schema::path(folder) })
    }

    /// The account as it is committed.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub fn account(&self) -> anyhow::Result<Account> {
        let read = || Ok(State::load(&*self.db.unchecked_transaction()?)?.account);
        read().map_err(|why| Trouble::with_database(why, &self.path).into_error())
    }

    /// The next scored rows after the one with this number, in order, `limit` at the most, with the number of the last
    /// row that was looked at; none at the end. Each call reads a moment of its own, so that a long export does not keep
    /// the writer from tidying up.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub fn scored(
        &self,
        after: i64,
        limit: usize,
        selection: &Selection,
    ) -> anyhow::Result<Option<(i64, Vec<Scored>)>> {
        let read = || {
            let db = self.db.unchecked_transaction()?;
            let account = State::load(&db)?.account;
            let until: Option<i64> = db.query_row(
                "SELECT max(seq) FROM (SELECT seq FROM scoring WHERE seq > ?1 ORDER BY seq LIMIT ?2)",
                params![after, limit],
                |row| row.get(0),
            )?;
            let Some(until) = until else { return Ok(None) };
            let mut sql = "SELECT seq, source, id, y_true, y_pred, predicted_at, labelled_at FROM scoring \
                           WHERE seq > ? AND seq <= ?"
                .to_owned();
            let mut values = vec![Value::from(after), Value::from(until)];
            if let Some(since) = selection.since {
                sql += " AND max(predicted_at, labelled_at) >= ?";
                values.push(since.0.into());
            }
            let mut entries = db.prepare_cached(&(sql + " ORDER BY seq"))?;
            let mut rows = entries.query(params_from_iter(values))?;
            let mut scored = Vec::new();
            while let Some(row) = rows.next()? {
                let row = read_scored(row, &account)?;
                let wanted = selection.model.as_ref().is_none_or(|wanted| {
                    wanted.name == row.model.name
                        && (wanted.version.is_none() || wanted.version == row.model.version)
                });
                if wanted {
                    scored.push(row);
                }
            }
            Ok(Some((until, scored)))
        };
        read().map_err(|why| Trouble::with_database(why, &self.path).into_error())
    }
}

fn read_scored(row: &Row<'_>, account: &Account) -> rusqlite::Result<Scored> {
    let source = row.get(1)?;
    let model = model_of(account, source)?;
    Ok(Scored {
        id: row.get::<_, Key>(2)?.into(),
        y_true: row.get(3)?,
        y_pred: row.get(4)?,
        model: model.ok_or(rusqlite::Error::IntegralValueOutOfRange(1, source))?,
        predicted_at: Timestamp(row.get(5)?),
        labelled_at: Timestamp(row.get(6)?),
    })
}
