//! The yardstick of the record: a loop that inserts into SQLite and does nothing else, with the settings of `metric`. A row is
//! two messages, each in a table of messages and in one by id, and a scored row: what 0.1.0 wrote.

use std::path::Path;

use metric::store::schema;
use metric::write_error::WriteError;
use rusqlite::params;
use shared::message::{RowId, ShortId};

/// How many messages are committed at once.
const GROUP: usize = 1024;

const TABLES: &str = "
    CREATE TABLE message (seq INTEGER PRIMARY KEY, received INTEGER NOT NULL, age INTEGER NOT NULL,
        source INTEGER NOT NULL, id ANY, value ANY NOT NULL, at INTEGER NOT NULL, met INTEGER NOT NULL) STRICT;
    CREATE TABLE half (id ANY NOT NULL, seq INTEGER NOT NULL, source INTEGER NOT NULL, value ANY NOT NULL,
        at INTEGER NOT NULL, met INTEGER NOT NULL, PRIMARY KEY (id, seq)) STRICT, WITHOUT ROWID;
    CREATE TABLE pair (seq INTEGER PRIMARY KEY, age INTEGER NOT NULL, id ANY NOT NULL, y_true ANY NOT NULL,
        y_pred ANY NOT NULL, source INTEGER NOT NULL, predicted_at INTEGER NOT NULL, labelled_at INTEGER NOT NULL) STRICT;";

const AT: i64 = 1_795_194_245_123;

/// Inserts a row for each id, and returns when it is on disk.
pub(crate) fn insert(folder: &Path, ids: &[[u8; 16]]) -> anyhow::Result<()> {
    let mut db = schema::open_to_write(&schema::path(folder)).map_err(WriteError::into_error)?;
    db.execute_batch(TABLES)?;
    let (mut message, mut pair) = (0_i64, 0_i64);
    for group in ids.chunks(GROUP / 2) {
        let change = db.transaction()?;
        {
            let mut messages =
                change.prepare_cached("INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
            let mut halves = change.prepare_cached("INSERT INTO half VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            let mut pairs =
                change.prepare_cached("INSERT INTO pair VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
            for id in group {
                for source in 0..2 {
                    message += 1;
                    messages.execute(params![message, AT, message, source, id, 151.5, AT, source])?;
                    halves.execute(params![id, message, source, 151.5, AT, source])?;
                }
                pair += 1;
                pairs.execute(params![pair, message, id, 151.5, 206.25, 1, AT, AT])?;
            }
        }
        change.commit()?;
    }
    Ok(())
}

/// As many ids as ours are.
pub(crate) fn ids(rows: u64) -> anyhow::Result<Vec<[u8; 16]>> {
    let uuid = |id: RowId| match id.short() {
        ShortId::Uuid(bytes) => Ok(*bytes),
        ShortId::Text(_) => anyhow::bail!("{id} is no UUID"),
    };
    (0..rows).map(|_| uuid(RowId::unique())).collect()
}
