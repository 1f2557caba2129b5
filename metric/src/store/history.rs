//! The commits as the database has them, for whoever follows and is behind.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, Row};
use shared::clock::Timestamp;
use shared::message::RowId;

use super::block::{Block, Damage, StoredEvent};
use super::commits::{Kept, Place};
use super::log::read_scored;
use super::state::{self, model_of};
use super::stored_id::StoredId;
use super::{journal, schema, vectors};
use crate::account::Account;
use crate::committed::{Accepted, Committed, Expired, Interest};
use crate::follow::Next;
use crate::join::Scored;
use crate::write_error::WriteError;

/// How many commits are read at once at the most, and about how many bytes unless a single one has more: a moment of the
/// database that is read keeps the writer from tidying up.
const MOST: usize = 256;
const LARGEST: usize = 4 << 20;

/// The database of a folder, as somebody reads it who follows.
#[derive(Debug)]
pub(crate) struct History {
    db: Connection,
    path: PathBuf,
    /// Its models, and nothing else.
    models: Account,
    /// Where the last call has stopped.
    place: Option<Place>,
}

impl History {
    /// Opens the database of a folder.
    ///
    /// # Errors
    /// There is none, it has another version, or it cannot be read.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let (db, path) = (schema::open_to_read(folder)?, schema::path(folder));
        Ok(Self { db, path, models: Account::default(), place: None })
    }

    /// The commits from this number on, in order, some of them; nothing where there is none yet.
    ///
    /// # Errors
    /// A database that cannot be read, or a commit that is damaged or missing, which is named.
    pub(crate) fn read(&mut self, from: i64, interest: Interest) -> anyhow::Result<Vec<Next>> {
        self.read_moment(from, interest)
            .map_err(|why| WriteError::with_database(why, &self.path).into_error())
    }

    fn read_moment(&mut self, from: i64, interest: Interest) -> rusqlite::Result<Vec<Next>> {
        let Self { db, models, place, .. } = self;
        let moment = db.unchecked_transaction()?;
        let kept = Kept::load(&moment)?;
        if from > kept.commits {
            return Ok(Vec::new());
        }
        let begin = match place.take().filter(|place| place.next == from && kept.has(place)) {
            Some(place) => place,
            None => {
                let whole = kept.first_whole(&moment)?;
                if from < whole {
                    return Ok(vec![Next::Gap { first: from, last: whole - 1 }]);
                }
                kept.find(&moment, from)?
            }
        };
        state::add_models(&moment, models)?;
        let mut page = Page { db: &moment, models, interest, at: begin, found: Vec::new(), weight: 0 };
        page.read(&kept)?;
        let Page { at, found, .. } = page;
        *place = Some(at);
        Ok(found)
    }
}

/// Commits that are read at once.
struct Page<'a> {
    db: &'a Connection,
    models: &'a Account,
    interest: Interest,
    /// What comes next.
    at: Place,
    found: Vec<Next>,
    weight: usize,
}

impl Page<'_> {
    fn is_full(&self) -> bool {
        self.found.len() >= MOST || self.weight >= LARGEST
    }

    fn read(&mut self, kept: &Kept) -> rusqlite::Result<()> {
        let mut select = self.db.prepare_cached(
            "SELECT seq, id, source, value, received, expired_at, number, age FROM expiry WHERE seq > ?1 ORDER BY seq",
        )?;
        let mut rows = select.query([self.at.expiry])?;
        let mut expiry = self.next_expiry(&mut rows)?;
        journal::blocks(self.db, self.at.event, kept.last_event, |block| {
            let number = block.number.unwrap_or(self.at.next);
            // Commits that accepted nothing are between the blocks.
            while self.at.next < number && !self.is_full() {
                self.expiries(&mut expiry, &mut rows)?;
            }
            if self.is_full() {
                return Ok(false);
            }
            if self.at.next != number {
                return Err(missing(self.at.next));
            }
            self.block(block, &mut expiry, &mut rows)?;
            Ok(!self.is_full())
        })?;
        while self.at.next <= kept.commits && !self.is_full() {
            self.expiries(&mut expiry, &mut rows)?;
        }
        Ok(())
    }

    /// Adds the commit that is next, of which there are only expiries.
    fn expiries(
        &mut self,
        expiry: &mut Option<StoredExpiry>,
        rows: &mut rusqlite::Rows<'_>,
    ) -> rusqlite::Result<()> {
        let (received, age) = match expiry {
            Some(StoredExpiry { number, expired_at, age, .. }) if *number == self.at.next => {
                (*expired_at, *age)
            }
            _ => return Err(missing(self.at.next)),
        };
        let expired = self.expired(expiry, rows)?;
        self.add(Committed {
            number: self.at.next,
            received,
            age,
            last_scoring: self.at.scoring,
            expired,
            accepted: Vec::new(),
            scored: Vec::new(),
        });
        Ok(())
    }

    /// Adds the commit that is next, which has this block.
    fn block(
        &mut self,
        block: &Block,
        expiry: &mut Option<StoredExpiry>,
        rows: &mut rusqlite::Rows<'_>,
    ) -> rusqlite::Result<()> {
        let expired = self.expired(expiry, rows)?;
        let scored = self.scored(block)?;
        let accepted = if self.interest >= Interest::Everything { self.accepted(block)? } else { Vec::new() };
        (self.at.event, self.at.scoring) = (block.last(), block.last_scoring);
        self.add(Committed {
            number: self.at.next,
            received: block.received,
            age: block.age,
            last_scoring: block.last_scoring,
            expired,
            accepted,
            scored,
        });
        Ok(())
    }

    fn add(&mut self, commit: Committed) {
        self.weight += commit.weight();
        self.found.push(Next::Commit(Arc::new(commit)));
        self.at.next += 1;
    }

    fn next_expiry(&self, rows: &mut rusqlite::Rows<'_>) -> rusqlite::Result<Option<StoredExpiry>> {
        rows.next()?.map(|row| StoredExpiry::read(row, self.models)).transpose()
    }

    /// What expired in the commit that is next.
    fn expired(
        &mut self,
        expiry: &mut Option<StoredExpiry>,
        rows: &mut rusqlite::Rows<'_>,
    ) -> rusqlite::Result<Vec<Expired>> {
        let mut expired = Vec::new();
        while let Some(next) = expiry.take_if(|expiry| expiry.number <= self.at.next) {
            // Those of before are of no commit.
            if next.number == self.at.next {
                expired.push(next.expired);
            } else if next.number > 0 {
                return Err(missing(next.number));
            }
            self.at.expiry = next.seq;
            *expiry = self.next_expiry(rows)?;
        }
        Ok(expired)
    }

    /// The rows that were scored in a block.
    fn scored(&self, block: &Block) -> rusqlite::Result<Vec<Scored>> {
        let mut entries = self.db.prepare_cached(
            "SELECT seq, source, id, y_true, y_pred, predicted_at, labelled_at, prediction FROM scoring \
             WHERE seq > ?1 AND seq <= ?2 ORDER BY seq",
        )?;
        let rows = entries
            .query_map([self.at.scoring, block.last_scoring], |row| read_scored(row, self.models))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        if i64::try_from(rows.len()) != Ok(block.last_scoring - self.at.scoring) {
            return Err(missing(self.at.next));
        }
        Ok(rows)
    }

    fn accepted(&self, block: &Block) -> rusqlite::Result<Vec<Accepted>> {
        let runs = vectors::runs(self.db, block.first, block.last())?;
        let mut runs = runs.iter().peekable();
        let message = |event: Result<(i64, StoredEvent), Damage>| {
            let (number, event) = event?;
            let StoredEvent { id, source, value, at, met, features_published_at } = event;
            while runs.next_if(|run| run.last() < number).is_some() {}
            let vector = runs.peek().and_then(|run| run.vector(number));
            let model = model_of(self.models, source)?;
            Ok(Accepted { number, id, model, value, at, met, features_published_at, vector })
        };
        block.events().map(message).collect()
    }
}

/// An entry of the table `expiry`.
struct StoredExpiry {
    seq: i64,
    /// That of its commit; 0 where it is of before.
    number: i64,
    expired_at: Timestamp,
    age: i64,
    expired: Expired,
}

impl StoredExpiry {
    fn read(row: &Row<'_>, models: &Account) -> rusqlite::Result<Self> {
        let seq = row.get(0)?;
        let expired = Expired {
            number: seq,
            id: row.get::<_, StoredId<RowId>>(1)?.0,
            model: model_of(models, row.get(2)?)?,
            value: row.get(3)?,
            received: Timestamp(row.get(4)?),
        };
        let expired_at = Timestamp(row.get(5)?);
        Ok(Self { seq, number: row.get(6)?, expired_at, age: row.get(7)?, expired })
    }
}

fn missing(number: i64) -> rusqlite::Error {
    Damage::of(&format!("commit {number} is missing, or a part of it")).into()
}
