//! One commit: a group of messages, and what time has done since the one before.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::{Transaction, params};
use shared::clock::Timestamp;
use shared::message::RowId;

use super::id::{Id, IdRef};
use super::read::load_file;
use super::state::{State, model_of, source};
use super::{Arrival, Contradiction, Limits, Log, Moment, Recorded, Said};
use crate::join::{LabelHalf, Outcome, PredictionHalf, Row, Scored};
use crate::lines::{self, Event};

/// How many events a commit looks at to expire or to trim them, so that none takes long.
const STRIDE: i64 = 4096;

/// A transaction and the state that it leads to.
pub(super) struct Change<'a> {
    pub(super) db: Transaction<'a>,
    pub(super) state: State,
    /// The rows that this group speaks of.
    rows: HashMap<RowId, Row>,
    /// The models whose accounts have changed.
    touched: BTreeSet<usize>,
}

impl<'a> Change<'a> {
    pub(super) fn new(db: Transaction<'a>, state: State) -> Self {
        Self { db, state, rows: HashMap::new(), touched: BTreeSet::new() }
    }

    /// Writes the state and commits. Returns it.
    pub(super) fn commit(self) -> rusqlite::Result<State> {
        self.state.save(&self.db, self.touched)?;
        self.db.commit()?;
        Ok(self.state)
    }

    /// Takes in a message.
    pub(super) fn add(
        &mut self,
        arrival: &Arrival,
        now: Moment,
        recorded: &mut Recorded,
    ) -> rusqlite::Result<()> {
        let Some(id) = &arrival.id else { return self.add_anonymous(arrival, now, recorded) };
        let mut row = match self.rows.remove(id) {
            Some(row) => row,
            None => self.load(id)?,
        };
        let at = arrival.published_at.unwrap_or(now.wall);
        let value = arrival.value;
        let label_was_scored = row.label.is_some_and(|label| label.scored);
        let (number, outcome) = match &arrival.said {
            Said::Label => (None, row.add_label(id, LabelHalf { value, at, expired: false, scored: false })),
            Said::Prediction(model) => {
                let number = self.state.account.number(model);
                self.touched.insert(number);
                let model = Arc::clone(&self.state.account.models()[number].model);
                (Some(number), row.add_prediction(id, PredictionHalf { value, at, model, expired: false }))
            }
        };
        if !label_was_scored && row.label.is_some_and(|label| label.scored) {
            self.state.account.labels.scored += 1;
        }
        self.rows.insert(id.clone(), row);
        let (scored, late) = match outcome {
            Outcome::New(scored) => (scored, false),
            Outcome::Late => (Vec::new(), true),
            Outcome::Duplicate => {
                self.state.account.counts_mut(number).duplicates += 1;
                return Ok(());
            }
            Outcome::Crowded => {
                self.state.account.counts_mut(number).crowded += 1;
                recorded.crowded.push(id.clone());
                return Ok(());
            }
            Outcome::Conflict(first) => {
                self.state.account.counts_mut(number).conflicts += 1;
                let label = number.is_none();
                recorded.contradictions.push(Contradiction { id: id.clone(), label, first, again: value });
                return Ok(());
            }
        };
        let counts = self.state.account.counts_mut(number);
        counts.received += 1;
        counts.late += u64::from(late);
        self.insert_event(arrival, number, at, !scored.is_empty(), now, recorded)?;
        for row in scored {
            self.insert_scored(row, now, recorded)?;
        }
        Ok(())
    }

    fn add_anonymous(
        &mut self,
        arrival: &Arrival,
        now: Moment,
        recorded: &mut Recorded,
    ) -> rusqlite::Result<()> {
        let number = match &arrival.said {
            Said::Label => None,
            Said::Prediction(model) => {
                let number = self.state.account.number(model);
                self.touched.insert(number);
                Some(number)
            }
        };
        self.state.account.counts_mut(number).anonymous += 1;
        self.insert_event(arrival, number, arrival.published_at.unwrap_or(now.wall), false, now, recorded)
    }

    fn insert_event(
        &mut self,
        arrival: &Arrival,
        number: Option<usize>,
        at: Timestamp,
        met: bool,
        now: Moment,
        recorded: &mut Recorded,
    ) -> rusqlite::Result<()> {
        self.state.last_event += 1;
        let source = number.map_or(0, source);
        self.db.prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(
            params![
                self.state.last_event,
                now.wall.0,
                now.age,
                source,
                IdRef(arrival.id.as_ref()),
                arrival.value,
                at.0,
                met
            ],
        )?;
        let model = model_of(&self.state.account, source)?;
        let event = Event { received: now.wall, id: arrival.id.clone(), model, value: arrival.value };
        lines::event(&mut recorded.labels_log, &event);
        Ok(())
    }

    fn insert_scored(&mut self, row: Scored, now: Moment, recorded: &mut Recorded) -> rusqlite::Result<()> {
        let number = self.state.account.number(&row.model);
        self.touched.insert(number);
        if let Some(account) = self.state.account.model_mut(number) {
            account.counts.scored += 1;
            account.scores.add(row.y_true, row.y_pred);
        }
        self.state.last_scoring += 1;
        self.db.prepare_cached("INSERT INTO scoring VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(
            params![
                self.state.last_scoring,
                now.age,
                IdRef(Some(&row.id)),
                row.y_true,
                row.y_pred,
                source(number),
                row.predicted_at.0,
                row.labelled_at.0
            ],
        )?;
        lines::scored(&mut recorded.metric_log, &row);
        recorded.scored.push(row);
        Ok(())
    }

    /// What is known of a row.
    fn load(&self, id: &RowId) -> rusqlite::Result<Row> {
        let mut known = self
            .db
            .prepare_cached("SELECT seq, source, value, at, met FROM event WHERE id = ?1 ORDER BY seq")?;
        let mut found = known.query([IdRef(Some(id))])?;
        let mut row = Row::default();
        while let Some(event) = found.next()? {
            let (value, at) = (event.get(2)?, Timestamp(event.get(3)?));
            let (expired, met) = (event.get::<_, i64>(0)? <= self.state.horizon_over, event.get(4)?);
            match model_of(&self.state.account, event.get(1)?)? {
                None => row.label = Some(LabelHalf { value, at, expired, scored: met }),
                Some(model) => {
                    // It came after the label and met it.
                    if let (Some(label), true) = (&mut row.label, met) {
                        label.scored = true;
                    }
                    row.predictions.push(PredictionHalf { value, at, model, expired });
                }
            }
        }
        Ok(row)
    }

    /// Ends the waiting of the halves whose horizon is over, the oldest first.
    ///
    /// Events are looked at in the order in which they came, each once, so nothing has to be kept for it. One that has
    /// met nothing when it came, and that no later one has met, has waited in vain.
    pub(super) fn expire(&mut self, now: Moment, limits: &Limits) -> rusqlite::Result<()> {
        let mut events = self.db.prepare_cached(
            "SELECT seq, age, source, id, met FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )?;
        let mut met_later = self.db.prepare_cached(
            "SELECT 1 FROM event WHERE id = ?1 AND seq > ?2 AND met = 1 AND (source = 0) <> (?3 = 0)",
        )?;
        let mut expired = self.db.prepare_cached("INSERT INTO expiry VALUES (?1, ?2)")?;
        let mut due = events.query([self.state.horizon_over, STRIDE])?;
        while let Some(event) = due.next()? {
            let (seq, age, source): (i64, i64, i64) = (event.get(0)?, event.get(1)?, event.get(2)?);
            if age.saturating_add(limits.horizon_ms) > now.age {
                break;
            }
            self.state.horizon_over = seq;
            let Id(Some(id)) = event.get(3)? else { continue };
            if event.get(4)? || met_later.exists(params![IdRef(Some(&id)), seq, source])? {
                continue;
            }
            expired.execute([seq, now.wall.0])?;
            let number = usize::try_from(source - 1).ok();
            self.state.account.counts_mut(number).expired += 1;
            self.touched.extend(number);
        }
        Ok(())
    }

    /// Forgets what is older than the history that is kept.
    pub(super) fn trim(&mut self, now: Moment, limits: &Limits) -> rusqlite::Result<()> {
        let Some(retain) = limits.retain_ms else { return Ok(()) };
        let newest = now.age.saturating_sub(retain);
        let events = self.older(Log::Labels, "event", self.state.first_event, newest)?;
        let events = events.min(self.state.horizon_over);
        if events >= self.state.first_event {
            self.db.prepare_cached("DELETE FROM event WHERE seq <= ?1")?.execute([events])?;
            self.db.prepare_cached("DELETE FROM expiry WHERE seq <= ?1")?.execute([events])?;
            self.state.first_event = events + 1;
        }
        let rows = self.older(Log::Metric, "scoring", self.state.first_scoring, newest)?;
        if rows >= self.state.first_scoring {
            self.db.prepare_cached("DELETE FROM scoring WHERE seq <= ?1")?.execute([rows])?;
            self.state.first_scoring = rows + 1;
        }
        Ok(())
    }

    /// The last of a table's oldest entries that is no younger than `newest` and safe in its text file, or the one before
    /// the first.
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
        let synced = load_file(&self.db, log)?.map_or(0, |file| file.synced);
        Ok(last.min(synced.max(first - 1)))
    }
}
