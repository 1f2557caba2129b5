//! One commit: a group of messages, and what time has done since the one before.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::{CachedStatement, Transaction, params};
use shared::clock::Timestamp;
use shared::message::RowId;

use super::known::{Collected, Finder, Half};
use super::log::load_file;
use super::state::{State, source};
use super::stored_id::StoredId;
use super::{Arrival, ArrivalKind, CommitTime, Contradiction, Limits, Log, Recorded};
use crate::join::{LabelHalf, Outcome, PredictionHalf, RowState, Scored};
use crate::lines::{self, Event};

/// How many events a commit looks at to expire or to trim them, so that none takes long.
const STRIDE: i64 = 4096;

/// A transaction and what it leads to.
pub(super) struct Change<'a> {
    pub(super) db: &'a Transaction<'a>,
    pub(super) state: State,
    collected: &'a Collected,
    /// The models whose accounts have changed.
    touched: BTreeSet<usize>,
    /// The halves that are new.
    fresh: Vec<(StoredId, Half)>,
    /// They and the collected ones are in the table.
    put_into_table: bool,
}

/// What is different when the transaction is committed.
pub(super) struct Changed {
    pub(super) state: State,
    pub(super) fresh: Vec<(StoredId, Half)>,
    /// What was collected is in the table now, and so are the fresh ones.
    pub(super) put_into_table: bool,
}

impl<'a> Change<'a> {
    pub(super) fn new(db: &'a Transaction<'a>, state: State, collected: &'a Collected) -> Self {
        Self { db, state, collected, touched: BTreeSet::new(), fresh: Vec::new(), put_into_table: false }
    }

    /// Writes the state.
    pub(super) fn finish(self) -> rusqlite::Result<Changed> {
        self.state.save(self.db, self.touched)?;
        Ok(Changed { state: self.state, fresh: self.fresh, put_into_table: self.put_into_table })
    }

    /// Puts the halves into the table `known` where it is this many events behind.
    pub(super) fn collect(&mut self, most: i64) -> rusqlite::Result<()> {
        if self.state.last_event - self.state.known >= most { self.put_into_table() } else { Ok(()) }
    }

    fn put_into_table(&mut self) -> rusqlite::Result<()> {
        if !self.put_into_table {
            self.collected.put_into_table(self.db, &self.fresh)?;
            self.state.known = self.state.last_event;
            self.put_into_table = true;
        }
        Ok(())
    }

    /// Takes in messages, in their order.
    pub(super) fn record(&mut self, arrivals: &[Arrival], now: CommitTime) -> rusqlite::Result<Recorded> {
        let mut joining = Joining {
            finder: Finder::new(self.db, self.collected)?,
            insert_event: self
                .db
                .prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?,
            insert_scoring: self
                .db
                .prepare_cached("INSERT INTO scoring VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?,
            state: &mut self.state,
            touched: &mut self.touched,
            fresh: &mut self.fresh,
            rows: HashMap::with_capacity(arrivals.len()),
            now,
            recorded: Recorded::default(),
        };
        for arrival in arrivals {
            joining.add(arrival)?;
        }
        Ok(joining.recorded)
    }

    /// Ends the waiting of the halves whose horizon is over, the oldest first. Returns whether none is left.
    ///
    /// Events are looked at in the order in which they came, each once, so nothing has to be kept for it. One that has
    /// met nothing when it came, and that no later one has met, has waited in vain.
    pub(super) fn expire(&mut self, now: CommitTime, limits: &Limits) -> rusqlite::Result<bool> {
        let mut events = self.db.prepare_cached(
            "SELECT seq, age, source, id, met FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )?;
        let mut finder = Finder::new(self.db, self.collected)?;
        let mut expired = self.db.prepare_cached("INSERT INTO expiry VALUES (?1, ?2)")?;
        let mut due = events.query([self.state.horizon_over, STRIDE])?;
        while let Some(event) = due.next()? {
            let (seq, age, source): (i64, i64, i64) = (event.get(0)?, event.get(1)?, event.get(2)?);
            if age.saturating_add(limits.horizon_ms) > now.age {
                return Ok(true);
            }
            self.state.horizon_over = seq;
            let Some(key) = event.get::<_, Option<StoredId>>(3)? else { continue };
            if event.get(4)? || finder.was_met(&key, seq, source)? {
                continue;
            }
            expired.execute([seq, now.wall.0])?;
            let number = usize::try_from(source - 1).ok();
            self.state.account.count(number, |counts| counts.expired += 1);
            self.touched.extend(number);
        }
        Ok(self.state.horizon_over == self.state.last_event)
    }

    /// Forgets what is older than the history that is kept. To be called when no horizon is left that is over.
    ///
    /// An event stays for two horizons: until then, a half that it has met may still meet others, and its repetition,
    /// taken for a new one, would be scored once more.
    pub(super) fn trim(&mut self, now: CommitTime, limits: &Limits) -> rusqlite::Result<()> {
        let Some((newest_event, newest_scoring)) = limits.forgotten(now) else { return Ok(()) };
        let events = self.older(Log::Labels, "event", self.state.first_event, newest_event)?;
        if events >= self.state.first_event {
            self.forget(events)?;
            self.db.prepare_cached("DELETE FROM expiry WHERE seq <= ?1")?.execute([events])?;
            self.state.first_event = events + 1;
        }
        let rows = self.older(Log::Metric, "scoring", self.state.first_scoring, newest_scoring)?;
        if rows >= self.state.first_scoring {
            self.db.prepare_cached("DELETE FROM scoring WHERE seq <= ?1")?.execute([rows])?;
            self.state.first_scoring = rows + 1;
        }
        Ok(())
    }

    /// Deletes the events up to this one.
    fn forget(&mut self, last: i64) -> rusqlite::Result<()> {
        if last > self.state.known {
            self.put_into_table()?;
        }
        let mut known = self.db.prepare_cached("DELETE FROM known WHERE id = ?1 AND seq = ?2")?;
        let mut events = self.db.prepare_cached("SELECT id, seq FROM event WHERE seq <= ?1")?;
        let mut rows = events.query([last])?;
        while let Some(event) = rows.next()? {
            if let Some(key) = event.get::<_, Option<StoredId>>(0)? {
                known.execute(params![key, event.get::<_, i64>(1)?])?;
            }
        }
        self.db.prepare_cached("DELETE FROM event WHERE seq <= ?1")?.execute([last])?;
        Ok(())
    }

    /// The last of a table's oldest entries whose age is `newest` at the most and that is safe in its text file, or the one
    /// before the first.
    fn older(&self, log: Log, table: &str, first: i64, newest: i64) -> rusqlite::Result<i64> {
        let sql = format!("SELECT seq, age FROM {table} WHERE seq >= ?1 ORDER BY seq LIMIT ?2");
        let mut oldest = self.db.prepare_cached(&sql)?;
        let mut rows = oldest.query([first, STRIDE])?;
        let mut last = first - 1;
        while let Some(row) = rows.next()? {
            if row.get::<_, i64>(1)? > newest {
                break;
            }
            last = row.get(0)?;
        }
        if last < first {
            return Ok(last);
        }
        // What a power cut may take from the text file must be there to be written again.
        let synced = load_file(self.db, log)?.map_or(0, |file| file.synced);
        Ok(last.min(synced.max(first - 1)))
    }
}

/// The messages of a group on their way into the database.
struct Joining<'a> {
    finder: Finder<'a>,
    insert_event: CachedStatement<'a>,
    insert_scoring: CachedStatement<'a>,
    state: &'a mut State,
    touched: &'a mut BTreeSet<usize>,
    fresh: &'a mut Vec<(StoredId, Half)>,
    /// The rows that this group speaks of: halves that meet in it are not looked for in the database.
    rows: HashMap<&'a RowId, RowState>,
    now: CommitTime,
    recorded: Recorded,
}

impl<'a> Joining<'a> {
    fn add(&mut self, arrival: &'a Arrival) -> rusqlite::Result<()> {
        let number = match &arrival.kind {
            ArrivalKind::Label => None,
            ArrivalKind::Prediction(model) => Some(self.state.account.number(model)),
        };
        self.touched.extend(number);
        let value = arrival.value;
        let at = arrival.published_at.unwrap_or(self.now.wall);
        let Some(id) = &arrival.id else {
            self.state.account.count(number, |counts| counts.anonymous += 1);
            return self.insert_event(arrival, number, at, false);
        };
        let row = match self.rows.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(self.finder.row(id, self.state)?),
        };
        let label_was_scored = row.label.is_some_and(|label| label.scored);
        let outcome = match number {
            None => row.add_label(id, LabelHalf { value, at, expired: false, scored: false }),
            Some(number) => {
                let model = Arc::clone(&self.state.account.models()[number].model);
                row.add_prediction(id, PredictionHalf { value, at, model, expired: false })
            }
        };
        if !label_was_scored && row.label.is_some_and(|label| label.scored) {
            self.state.account.labels.scored += 1;
        }
        let account = &mut self.state.account;
        let scored = match outcome {
            Outcome::New(scored) => scored,
            Outcome::Late => {
                account.count(number, |counts| counts.late += 1);
                Vec::new()
            }
            Outcome::Duplicate => {
                account.count(number, |counts| counts.duplicates += 1);
                return Ok(());
            }
            Outcome::Crowded => {
                account.count(number, |counts| counts.crowded += 1);
                self.recorded.crowded.push(id.clone());
                return Ok(());
            }
            Outcome::Conflict(first) => {
                account.count(number, |counts| counts.conflicts += 1);
                let label = number.is_none();
                self.recorded.contradictions.push(Contradiction {
                    id: id.clone(),
                    label,
                    first,
                    again: value,
                });
                return Ok(());
            }
        };
        account.count(number, |counts| counts.received += 1);
        self.insert_event(arrival, number, at, !scored.is_empty())?;
        scored.into_iter().try_for_each(|row| self.insert_scored(row))
    }

    fn insert_event(
        &mut self,
        arrival: &Arrival,
        number: Option<usize>,
        at: Timestamp,
        met: bool,
    ) -> rusqlite::Result<()> {
        let Arrival { id, value, .. } = arrival;
        self.state.last_event += 1;
        let (seq, source) = (self.state.last_event, number.map_or(0, source));
        let key = id.as_ref().map(StoredId::from);
        self.insert_event.execute(params![
            seq,
            self.now.wall.0,
            self.now.age,
            source,
            key,
            value,
            at.0,
            met
        ])?;
        self.fresh.extend(key.map(|key| (key, Half { seq, source, value: *value, at, met })));
        let model = number.map(|number| &*self.state.account.models()[number].model);
        let event = Event { received: self.now.wall, id: id.as_ref(), model, value: *value };
        lines::event(&mut self.recorded.labels_log, event);
        Ok(())
    }

    fn insert_scored(&mut self, row: Scored) -> rusqlite::Result<()> {
        let number = self.state.account.number(&row.model);
        self.touched.insert(number);
        self.state.account.score(number, row.y_true, row.y_pred);
        self.state.last_scoring += 1;
        self.insert_scoring.execute(params![
            self.state.last_scoring,
            self.now.age,
            StoredId::from(&row.id),
            row.y_true,
            row.y_pred,
            source(number),
            row.predicted_at.0,
            row.labelled_at.0
        ])?;
        lines::scored(&mut self.recorded.metric_log, &row);
        self.recorded.scored.push(row);
        Ok(())
    }
}
