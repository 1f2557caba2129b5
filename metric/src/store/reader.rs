//! The database as somebody reads it beside the one who writes.

use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use shared::clock::Timestamp;
use shared::transport::Queues;

use super::cards::{self, KeptCard};
use super::finding::{self, Finding};
use super::log::read_scored;
use super::schema;
use super::state::State;
use crate::account::Account;
use crate::join::{ModelId, Scored};
use crate::write_error::WriteError;

/// Which scored rows are wanted.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Those whose later half was published at this time or after it.
    pub since: Option<Timestamp>,
    /// Those of this model's name, and of this version if it is given.
    pub model: Option<ModelId>,
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
        read().map_err(|why| WriteError::with_database(why, &self.path).into_error())
    }

    /// What models say of themselves, and the files that were refused.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub fn cards(&self) -> anyhow::Result<(Vec<KeptCard>, Vec<KeptCard>)> {
        cards::load(&self.db).map_err(|why| WriteError::with_database(why, &self.path).into_error())
    }

    /// What is wrong, as far as the one who writes knows, or knew last.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub fn findings(&self) -> anyhow::Result<Vec<Finding>> {
        finding::load(&self.db).map_err(|why| WriteError::with_database(why, &self.path).into_error())
    }

    /// What the queues were called when metric was last started on a broker, if it ever was.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub fn queues(&self) -> anyhow::Result<Option<Queues>> {
        finding::queues(&self.db).map_err(|why| WriteError::with_database(why, &self.path).into_error())
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
        read().map_err(|why| WriteError::with_database(why, &self.path).into_error())
    }
}
