//! One commit: a group of messages, and what time has done since the one before.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rusqlite::{Transaction, params};
use shared::message::RowId;

use super::block::{Block, StoredEvent};
use super::known::{self, Collected, Finder, Half};
use super::state::{State, model_of, source};
use super::stored_id::StoredId;
use super::vectors::{self, Collector};
use super::{CommitTime, Limits, Log, Recorded, file, journal, scoring};
use crate::account::Rejected;
use crate::arrival::Arrival;
use crate::committed::{Accepted, Committed, Expired, Interest};
use crate::decide::{Effects, Event, KnownRows, decide};
use crate::join::Scored;
use crate::lines::{self, LineWriter};

/// How many messages and rows a commit looks at to expire or to forget them, so that none takes long.
const STRIDE: i64 = 4096;

/// About how many bytes a line of the text files has.
const LABELS_LINE: usize = 104;
const METRIC_LINE: usize = 160;

/// A transaction and what it leads to.
pub(super) struct Change<'a> {
    pub(super) db: &'a Transaction<'a>,
    pub(super) state: State,
    collected: &'a Collected,
    /// The models whose accounts have changed.
    touched: BTreeSet<usize>,
    /// The halves that are new.
    fresh: Vec<(RowId, Half)>,
    /// They and the collected ones are in the table.
    put_into_table: bool,
    /// What is to be built of the commit; none where nobody follows.
    interest: Option<Interest>,
    /// The number of this commit, if it turns out to have one,
    number: i64,
    /// and when it is made, which is so where it may.
    now: Option<CommitTime>,
    expired: Vec<Expired>,
    accepted: Vec<Accepted>,
    scored: Vec<Scored>,
}

/// What is different when the transaction is committed.
pub(super) struct Changed {
    pub(super) state: State,
    pub(super) fresh: Vec<(RowId, Half)>,
    /// What was collected is in the table now, and so are the fresh ones.
    pub(super) put_into_table: bool,
    /// The models whose accounts have changed.
    pub(super) touched: BTreeSet<usize>,
    /// What the commit has done, where it has a number and somebody follows.
    pub(super) committed: Option<(Committed, Interest)>,
}

impl<'a> Change<'a> {
    pub(super) fn new(
        db: &'a Transaction<'a>,
        state: State,
        collected: &'a Collected,
        interest: Option<Interest>,
    ) -> Self {
        let (number, touched, put_into_table) = (state.commits + 1, BTreeSet::new(), false);
        let (fresh, expired, accepted, scored) = (vec![], vec![], vec![], vec![]);
        Self {
            db,
            state,
            collected,
            touched,
            fresh,
            put_into_table,
            interest,
            number,
            now: None,
            expired,
            accepted,
            scored,
        }
    }

    /// Makes it a commit of messages at this time.
    pub(super) fn begin(&mut self, now: CommitTime, rejected: Rejected) {
        self.now = Some(now);
        self.state.age = now.age;
        self.state.account.rejected.labels += rejected.labels;
        self.state.account.rejected.predictions += rejected.predictions;
    }

    /// Writes the state.
    pub(super) fn finish(self) -> rusqlite::Result<Changed> {
        let Self { db, state, touched, fresh, put_into_table, now, interest, number, .. } = self;
        let (expired, accepted, scored) = (self.expired, self.accepted, self.scored);
        state.save(db, touched.iter().copied())?;
        let has_number = state.commits == number;
        let committed = now.zip(interest).filter(|_| has_number).map(|(now, interest)| {
            let (received, age, last_scoring) = (now.wall, now.age, state.last_scoring);
            (Committed { number, received, age, last_scoring, expired, accepted, scored }, interest)
        });
        Ok(Changed { state, fresh, put_into_table, touched, committed })
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
    pub(super) fn record(
        &mut self,
        arrivals: &[Arrival],
        now: CommitTime,
        texts: bool,
    ) -> rusqlite::Result<Recorded> {
        let known = self.fetch(arrivals)?;
        let effects = decide(arrivals, known, &mut self.state.account, now.wall, self.state.last_event + 1);
        self.apply(effects, now, texts)
    }

    /// What is known of the rows that messages speak of.
    fn fetch<'m>(&self, arrivals: &'m [Arrival]) -> rusqlite::Result<KnownRows<'m>> {
        let mut finder = Finder::new(self.db, self.collected)?;
        let mut rows = KnownRows::with_capacity_and_hasher(arrivals.len(), RandomState::default());
        for id in arrivals.iter().filter_map(|arrival| arrival.id.as_ref()) {
            if let Entry::Vacant(new) = rows.entry(id) {
                new.insert(finder.row(id, &self.state)?.unwrap_or_default());
            }
        }
        Ok(rows)
    }

    /// Writes what was decided.
    fn apply(&mut self, effects: Effects<'_>, now: CommitTime, texts: bool) -> rusqlite::Result<Recorded> {
        let Effects { events, scored, models, contradictions, crowded } = effects;
        self.touched.extend(models);
        let mut recorded = Recorded { contradictions, crowded, ..Recorded::default() };
        if events.is_empty() {
            return Ok(recorded);
        }
        let everything = self.interest >= Some(Interest::Everything);
        let state = &mut self.state;
        state.commits = self.number;
        let mut writer = LineWriter::default();
        if texts {
            writer = LineWriter::for_messages(events.len());
            recorded.labels_log.reserve(events.len() * LABELS_LINE);
            recorded.metric_log.reserve(scored.len() * METRIC_LINE);
        }
        let mut collector = Collector::default();
        let mut block = Block::new(Some(self.number), state.last_event + 1, now.wall, now.age);
        block.reserve(events.len());
        self.fresh.reserve(events.len());
        for Event { seq, id, model, value, at, met, features_published_at, vector } in events {
            let source = model.map_or(0, source);
            block.push(&StoredEvent { id, source, value, at, met, features_published_at });
            self.fresh.extend(id.map(|id| (id.clone(), Half { seq, source, value, at, met })));
            let model = model.map(|number| (number, &state.account.models()[number].model));
            if texts {
                let model = model.map(|(_, model)| &**model);
                let event = lines::Event { received: now.wall, id, model, value };
                writer.event(&mut recorded.labels_log, event);
            }
            let run = vector.and_then(|vector| collector.push(seq, vector));
            run.map_or(Ok(()), |run| vectors::insert(self.db, &run))?;
            if everything {
                let (id, model) = (id.cloned(), model.map(|(number, model)| (number, Arc::clone(model))));
                let vector = vector.cloned();
                let number = seq;
                self.accepted.push(Accepted {
                    number,
                    id,
                    model,
                    value,
                    at,
                    met,
                    features_published_at,
                    vector,
                });
            }
        }
        collector.finish().map_or(Ok(()), |run| vectors::insert(self.db, &run))?;
        state.last_event = block.last();
        state.last_scoring = scoring::append(self.db, state.last_scoring, &scored)?;
        for row in &scored {
            let (least, greatest) = block.predicted.unwrap_or((i64::MAX, i64::MIN));
            block.predicted = Some((least.min(row.predicted_at.0), greatest.max(row.predicted_at.0)));
            if row.has_line() {
                recorded.scored += 1;
                if texts {
                    writer.scored(&mut recorded.metric_log, row);
                }
            }
        }
        block.last_scoring = state.last_scoring;
        journal::insert(self.db, &block)?;
        if self.interest.is_some() {
            self.scored = scored;
        }
        Ok(recorded)
    }

    /// Ends the waiting of the halves whose horizon is over, the oldest first. Returns whether none is left.
    ///
    /// Messages are looked at in the order in which they came, each once, so nothing has to be kept for it. One that has
    /// met nothing when it came, and that no later one has met, has waited in vain.
    pub(super) fn expire(&mut self, now: CommitTime, limits: &Limits) -> rusqlite::Result<bool> {
        let waits = |age: i64| age.saturating_add(limits.horizon_ms) > now.age;
        // A block is read as a whole: not before there is something in it.
        if journal::age_of_event(self.db, self.state.horizon_over + 1)?.is_some_and(waits) {
            return Ok(true);
        }
        let mut finder = Finder::new(self.db, self.collected)?;
        let mut insert =
            self.db.prepare_cached("INSERT INTO expiry VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
        let (after, last) = (self.state.horizon_over, self.state.last_event);
        let (state, touched, number) = (&mut self.state, &mut self.touched, self.number);
        journal::events(self.db, after, last, |block, seq, event| {
            if waits(block.age) || seq > after + STRIDE {
                return Ok(false);
            }
            state.horizon_over = seq;
            let StoredEvent { id: Some(id), source, value, met: false, .. } = event else { return Ok(true) };
            if !finder.was_met(&id, seq, source)? {
                let (received, expired_at) = (block.received.0, now.wall.0);
                insert.execute(params![
                    seq,
                    StoredId(&id),
                    source,
                    value,
                    received,
                    expired_at,
                    number,
                    now.age
                ])?;
                state.commits = number;
                let by = usize::try_from(source - 1).ok();
                state.account.count(by, |counts| counts.expired += 1);
                touched.extend(by);
                if self.interest.is_some() {
                    let model = model_of(&state.account, source)?;
                    self.expired.push(Expired { number: seq, id, model, value, received: block.received });
                }
            }
            Ok(true)
        })?;
        let next = journal::age_of_event(self.db, self.state.horizon_over + 1)?;
        Ok(self.state.horizon_over == last || next.is_some_and(waits))
    }

    /// Forgets what is older than the history that is kept. To be called when no horizon is left that is over.
    ///
    /// A message stays for two horizons: until then, a half that it has met may still meet others, and its repetition,
    /// taken for a new one, would be scored once more.
    pub(super) fn trim(&mut self, now: CommitTime, limits: &Limits) -> rusqlite::Result<()> {
        let Some((newest_event, newest_scoring)) = limits.forgotten(now) else { return Ok(()) };
        // First: which row belongs to which commit is in the journal.
        let texts = limits.texts;
        self.forget_rows(newest_scoring, texts)?;
        self.forget_messages(newest_event, texts)
    }

    /// Deletes the rows that were scored at this age or before.
    fn forget_rows(&mut self, newest: i64, texts: bool) -> rusqlite::Result<()> {
        let first = self.state.first_scoring;
        let safe = self.safe(Log::Metric, texts)?.min(first - 1 + STRIDE);
        let mut commits = self.db.prepare_cached(
            "SELECT last_scoring, age FROM journal WHERE last_scoring >= ?1 ORDER BY last_scoring, first",
        )?;
        let mut commits = commits.query([first])?;
        let mut last = first - 1;
        while let Some(commit) = commits.next()? {
            let (scored, age): (i64, i64) = (commit.get(0)?, commit.get(1)?);
            if age > newest {
                break;
            }
            last = scored.min(safe);
            if last == safe {
                break;
            }
        }
        if last >= first {
            self.db.prepare_cached("DELETE FROM scoring WHERE seq <= ?1")?.execute([last])?;
            self.state.first_scoring = last + 1;
        }
        Ok(())
    }

    /// Deletes the blocks that were committed at this age or before, whole ones.
    fn forget_messages(&mut self, newest: i64, texts: bool) -> rusqlite::Result<()> {
        let (first, last) = (self.state.first_event, self.state.last_event);
        let safe = self.safe(Log::Labels, texts)?.min(self.state.horizon_over);
        let mut old = Vec::new();
        let mut count = 0;
        journal::blocks(self.db, first - 1, last, |block| {
            count += block.count;
            if block.age > newest || block.last() > safe || (count > STRIDE && !old.is_empty()) {
                return Ok(false);
            }
            old.push(block.clone());
            Ok(true)
        })?;
        let Some(newest) = old.last() else { return Ok(()) };
        let last = newest.last();
        if last > self.state.known {
            self.put_into_table()?;
        }
        old.iter().try_for_each(|block| known::forget(self.db, block))?;
        let expiry = journal::last_expiry(self.db, last)?;
        self.db.prepare_cached("DELETE FROM journal WHERE first <= ?1")?.execute([last])?;
        self.db.prepare_cached("DELETE FROM expiry WHERE seq <= ?1")?.execute([last])?;
        vectors::forget(self.db, last)?;
        let state = &mut self.state;
        state.first_event = last + 1;
        state.forgotten_scoring = Some(newest.last_scoring);
        // What is left of a commit is not all of it.
        for number in [newest.number, expiry].into_iter().flatten() {
            state.first_commit = state.first_commit.max(number + 1);
        }
        Ok(())
    }

    /// The number of the last entry that a power cut cannot take from its text file: what it may take must be there to be written
    /// again. Without text files, everything.
    fn safe(&self, log: Log, texts: bool) -> rusqlite::Result<i64> {
        if !texts {
            return Ok(i64::MAX);
        }
        Ok(file::load(self.db, log)?.map_or(0, |file| file.synced))
    }
}
