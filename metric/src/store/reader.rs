//! The database as somebody reads it beside the one who writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use shared::clock::Timestamp;
use shared::transport::Queues;

use super::cards::{self, KeptCard};
use super::finding::{self, Finding};
use super::log::read_scored;
use super::schema;
use super::state::{State, source};
use super::vectors::Vectors;
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
    /// Those up to this number.
    pub until: Option<i64>,
}

impl Selection {
    /// Whether the rows of a model are wanted.
    fn has(&self, model: &ModelId) -> bool {
        self.model.as_ref().is_none_or(|wanted| wanted.includes(model))
    }
}

/// A row and what it was predicted from, if that is kept.
pub type WithVector = (Scored, Option<Arc<[f64]>>);

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

    /// Reads one moment of the database.
    pub(super) fn moment<T>(
        &self,
        read: impl FnOnce(&Connection, &State) -> rusqlite::Result<T>,
    ) -> anyhow::Result<T> {
        let read = || {
            let db = self.db.unchecked_transaction()?;
            let state = State::load(&db)?;
            read(&db, &state)
        };
        read().map_err(|why| WriteError::with_database(why, &self.path).into_error())
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

    /// What this model says of itself, if that is kept.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub fn card(&self, model: &ModelId) -> anyhow::Result<Option<KeptCard>> {
        cards::find(&self.db, model).map_err(|why| WriteError::with_database(why, &self.path).into_error())
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

    /// The number of the last row that was scored; 0 where there is none.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub fn last_scored(&self) -> anyhow::Result<i64> {
        let last = self.db.query_row("SELECT last_scoring FROM state", [], |row| row.get(0));
        last.map_err(|why| WriteError::with_database(why, &self.path).into_error())
    }

    /// How many features the rows of a selection have at the most, whatever their times and numbers.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub fn widest(&self, selection: &Selection) -> anyhow::Result<usize> {
        let read = || {
            let db = self.db.unchecked_transaction()?;
            let mut sql = "SELECT max(width) FROM feature".to_owned();
            if selection.model.is_some() {
                let account = State::load(&db)?.account;
                let wanted =
                    account.models().iter().enumerate().filter(|(_, known)| selection.has(&known.model));
                let sources: Vec<String> = wanted.map(|(number, _)| source(number).to_string()).collect();
                sql += " JOIN scoring ON first = (SELECT max(first) FROM feature WHERE first <= prediction) \
                        WHERE prediction < first + length(data) / (8 * width) AND source IN (";
                sql += &(sources.join(", ") + ")");
            }
            db.query_row(&sql, [], |row| row.get::<_, Option<u32>>(0))
        };
        let widest = read().map_err(|why| WriteError::with_database(why, &self.path).into_error())?;
        Ok(widest.unwrap_or(0) as usize)
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
        self.page(after, limit, selection, |_, row| Ok(row))
    }

    /// The same, each with what it was predicted from, if that is kept.
    ///
    /// # Errors
    /// As [`Reader::scored`], and features that are damaged, which are named.
    pub fn scored_with_vectors(
        &self,
        after: i64,
        limit: usize,
        selection: &Selection,
    ) -> anyhow::Result<Option<(i64, Vec<WithVector>)>> {
        let mut vectors = Vectors::default();
        self.page(after, limit, selection, |db, row| {
            let vector = row.prediction.map_or(Ok(None), |prediction| vectors.of(db, prediction))?;
            Ok((row, vector))
        })
    }

    fn page<T>(
        &self,
        after: i64,
        limit: usize,
        selection: &Selection,
        mut make: impl FnMut(&Connection, Scored) -> rusqlite::Result<T>,
    ) -> anyhow::Result<Option<(i64, Vec<T>)>> {
        let mut read = || {
            let db = self.db.unchecked_transaction()?;
            let account = State::load(&db)?.account;
            let until: Option<i64> = db.query_row(
                "SELECT max(seq) FROM (SELECT seq FROM scoring WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3)",
                params![after, selection.until.unwrap_or(i64::MAX), limit],
                |row| row.get(0),
            )?;
            let Some(until) = until else { return Ok(None) };
            let mut sql =
                "SELECT seq, source, id, y_true, y_pred, predicted_at, labelled_at, prediction FROM scoring \
                           WHERE seq > ? AND seq <= ?"
                    .to_owned();
            let mut values = vec![Value::from(after), Value::from(until)];
            if let Some(since) = selection.since {
                sql += " AND max(predicted_at, labelled_at) >= ?";
                values.push(since.0.into());
            }
            let mut entries = db.prepare_cached(&(sql + " ORDER BY seq"))?;
            let mut rows = entries.query(params_from_iter(values))?;
            let mut made = Vec::new();
            while let Some(row) = rows.next()? {
                let row = read_scored(row, &account)?;
                if selection.has(&row.model) {
                    made.push(make(&db, row)?);
                }
            }
            Ok(Some((until, made)))
        };
        read().map_err(|why| WriteError::with_database(why, &self.path).into_error())
    }
}
