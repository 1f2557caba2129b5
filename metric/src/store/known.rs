//! The halves by their row: the table `known`, and in front of it the latest ones in memory.
//!
//! Labels come in any order, and each of them would change another page of a large table: a commit of a thousand would
//! write a thousand pages. So new halves are collected in memory, where a restart finds them again in the journal, and put
//! into the table by tens of thousands, in its order: one entry a row, which later halves of the row are added to.

use std::collections::{BTreeSet, HashMap, HashSet};

use foldhash::fast::RandomState;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params};
use shared::clock::Timestamp;
use shared::message::{RowId, ShortId};

use super::block::{Block, Damage, StoredEvent};
use super::journal;
use super::rows::{Insert, Values};
use super::state::{State, model_of};
use super::stored_id::StoredId;
use super::varint::{push_number, push_signed, read_number, read_signed, split_array};
use crate::join::{LabelHalf, PredictionHalf, RowState};

/// A half as it is known by its row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Half {
    pub(super) seq: i64,
    /// 0: a label; else the number of the model that predicted.
    pub(super) source: i64,
    pub(super) value: f64,
    pub(super) at: Timestamp,
    pub(super) met: bool,
}

impl Half {
    /// Adds it to the entry of its row.
    pub(super) fn push(&self, data: &mut Vec<u8>) {
        push_signed(data, self.seq);
        push_number(data, self.source.cast_unsigned() << 1 | u64::from(self.met));
        data.extend_from_slice(&self.value.to_le_bytes());
        push_signed(data, self.at.0);
    }

    fn read(rest: &mut &[u8]) -> Option<Self> {
        let seq = read_signed(rest)?;
        let source = read_number(rest)?;
        let value = f64::from_le_bytes(*split_array(rest)?);
        let at = Timestamp(read_signed(rest)?);
        Some(Self { seq, source: (source >> 1).cast_signed(), value, at, met: source & 1 == 1 })
    }

    /// Reads the halves of an entry, oldest first.
    fn read_all(mut data: &[u8]) -> rusqlite::Result<Vec<Self>> {
        let mut halves = Vec::with_capacity(2);
        while !data.is_empty() {
            let half = Self::read(&mut data);
            halves.push(half.ok_or_else(|| Damage::of("an entry of the table known cannot be read"))?);
        }
        Ok(halves)
    }
}

/// The entry of a row that has none.
const NEW: Insert = Insert { into: "INSERT OR FAIL INTO known VALUES", row: "(?, ?)", then: "" };

/// Later halves of a row are added to its entry.
const ADDED: Insert =
    Insert { then: "ON CONFLICT (id) DO UPDATE SET data = CAST(data || excluded.data AS BLOB)", ..NEW };

/// No half before this one.
const NONE: usize = usize::MAX;

/// The halves that are not in the table yet.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// In the order in which they came, each with the place of the one before it of the same row.
    halves: Vec<(RowId, Half, usize)>,
    /// The place of each row's latest one.
    latest: HashMap<RowId, usize, RandomState>,
    /// The greatest ids that the table has, or had: of texts and of UUIDs. What is greater is not in it.
    greatest: [Option<RowId>; 2],
}

impl Collected {
    /// Finds them in the journal.
    pub(super) fn load(db: &Connection, state: &State) -> rusqlite::Result<Self> {
        let greatest = |order: &str| -> rusqlite::Result<Option<RowId>> {
            let sql = format!("SELECT max(id) FROM known WHERE id {order} x''");
            let id = db.query_row(&sql, [], |row| row.get::<_, Option<StoredId<RowId>>>(0))?;
            Ok(id.map(|id| id.0))
        };
        // Every text comes before every blob.
        let mut collected = Self { greatest: [greatest("<")?, greatest(">=")?], ..Self::default() };
        journal::events(db, state.known, state.last_event, |_, seq, event| {
            let half = Half { seq, source: event.source, value: event.value, at: event.at, met: event.met };
            if let Some(id) = event.id {
                collected.add(id, half);
            }
            Ok(true)
        })?;
        Ok(collected)
    }

    /// Adds one, newer than all others.
    pub(super) fn add(&mut self, id: RowId, half: Half) {
        let place = self.halves.len();
        let before = match self.latest.get_mut(&id) {
            Some(latest) => std::mem::replace(latest, place),
            None => self.latest.insert(id.clone(), place).unwrap_or(NONE),
        };
        self.halves.push((id, half, before));
    }

    /// Puts these and further ones into the table, in its order.
    pub(super) fn put_into_table(&self, db: &Connection, fresh: &[(RowId, Half)]) -> rusqlite::Result<()> {
        let collected = self.halves.iter().map(|(id, half, _)| (id, half));
        let mut all: Vec<(&RowId, &Half)> =
            collected.chain(fresh.iter().map(|(id, half)| (id, half))).collect();
        all.sort_unstable_by_key(|(id, half)| (*id, half.seq));
        let rows = all.chunk_by(|(one, _), (other, _)| one == other);
        let (known, new): (Vec<_>, Vec<_>) = rows.partition(|row| self.may_be_in_table(row[0].0));
        let mut data = Vec::new();
        let mut bind = |row: &&[(&RowId, &Half)], values: &mut Values<'_>| {
            data.clear();
            row.iter().for_each(|(_, half)| half.push(&mut data));
            values.push(StoredId(row[0].0))?;
            values.push(&data)
        };
        ADDED.all(db, &known, &mut bind)?;
        NEW.all(db, &new, &mut bind)
    }

    /// Empties it when these and further ones are in the table. Its memory stays, as it fills up again.
    pub(super) fn empty(&mut self, fresh: Vec<(RowId, Half)>) {
        let Self { greatest, halves, latest } = self;
        latest.clear();
        for id in halves.drain(..).map(|(id, ..)| id).chain(fresh.into_iter().map(|(id, _)| id)) {
            let greatest = &mut greatest[kind(&id)];
            if greatest.as_ref().is_none_or(|greatest| id > *greatest) {
                *greatest = Some(id);
            }
        }
    }

    /// The halves of a row that are not in the table, oldest first.
    fn of(&self, id: &RowId) -> Vec<Half> {
        let mut place = self.latest.get(id).copied().unwrap_or(NONE);
        let mut halves = Vec::new();
        while let Some((_, half, before)) = self.halves.get(place) {
            halves.push(*half);
            place = *before;
        }
        halves.reverse();
        halves
    }

    /// Whether the table may have a row.
    fn may_be_in_table(&self, id: &RowId) -> bool {
        self.greatest[kind(id)].as_ref().is_some_and(|greatest| id <= greatest)
    }
}

/// Texts and UUIDs are in an order of their own each.
fn kind(id: &RowId) -> usize {
    usize::from(matches!(id.short(), ShortId::Uuid(_)))
}

/// Looks halves up, wherever they are.
pub(super) struct Finder<'a> {
    collected: &'a Collected,
    table: CachedStatement<'a>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(db: &'a Connection, collected: &'a Collected) -> rusqlite::Result<Self> {
        Ok(Self { collected, table: db.prepare_cached("SELECT data FROM known WHERE id = ?1")? })
    }

    /// All halves of a row, oldest first.
    fn halves(&mut self, id: &RowId) -> rusqlite::Result<Vec<Half>> {
        let mut halves = Vec::new();
        if self.collected.may_be_in_table(id) {
            let found =
                self.table.query_row([StoredId(id)], |row| Half::read_all(row.get_ref(0)?.as_blob()?));
            halves = found.optional()?.unwrap_or_default();
        }
        halves.extend(self.collected.of(id));
        Ok(halves)
    }

    /// What is known of a row; none where nothing is.
    pub(super) fn row(&mut self, id: &RowId, state: &State) -> rusqlite::Result<Option<RowState>> {
        let halves = self.halves(id)?;
        if halves.is_empty() {
            return Ok(None);
        }
        let mut row = RowState::default();
        for Half { seq, source, value, at, met } in halves {
            let expired = seq <= state.horizon_over;
            match model_of(&state.account, source)? {
                None => row.label = Some(LabelHalf { value, at, expired, scored: met }),
                Some((number, model)) => {
                    // It came after the label and met it.
                    if let (Some(label), true) = (&mut row.label, met) {
                        label.scored = true;
                    }
                    row.predictions.push(PredictionHalf { seq, value, at, number, model, expired });
                }
            }
        }
        Ok(Some(row))
    }

    /// Whether a half that met nothing when it came, and whose horizon was not over since, was met by a later one.
    pub(super) fn was_met(&mut self, id: &RowId, seq: i64, source: i64) -> rusqlite::Result<bool> {
        let other = |half: &Half| half.seq > seq && half.met && (half.source == 0) != (source == 0);
        Ok(self.halves(id)?.iter().any(other))
    }
}

/// The halves of a row that are in the table, oldest first.
pub(super) fn halves_in_table(db: &Connection, id: &RowId) -> rusqlite::Result<Vec<Half>> {
    let mut find = db.prepare_cached("SELECT data FROM known WHERE id = ?1")?;
    let found =
        find.query_row([StoredId(id)], |row| Half::read_all(row.get_ref(0)?.as_blob()?)).optional()?;
    Ok(found.unwrap_or_default())
}

/// The halves of these rows that are not in the table yet, oldest first, for somebody who reads beside the writer.
pub(super) fn halves_of(
    db: &Connection,
    state: &State,
    ids: &HashSet<RowId>,
) -> rusqlite::Result<Vec<(RowId, Half)>> {
    let mut halves = Vec::new();
    journal::events(db, state.known.max(state.first_event - 1), state.last_event, |_, seq, event| {
        if let Some(id) = event.id.filter(|id| ids.contains(id)) {
            let StoredEvent { source, value, at, met, .. } = event;
            halves.push((id, Half { seq, source, value, at, met }));
        }
        Ok(true)
    })?;
    Ok(halves)
}

/// Takes the messages of a block out of the table, and leaves the later ones of the same rows. All of it is in the table.
pub(super) fn forget(db: &Connection, block: &Block) -> rusqlite::Result<()> {
    let mut find = db.prepare_cached("SELECT data FROM known WHERE id = ?1")?;
    let mut delete = db.prepare_cached("DELETE FROM known WHERE id = ?1")?;
    let mut keep = db.prepare_cached("UPDATE known SET data = ?2 WHERE id = ?1")?;
    let ids = block.events().filter_map(|event| event.map(|(_, event)| event.id).transpose());
    for id in ids.collect::<Result<BTreeSet<RowId>, Damage>>()? {
        let known =
            find.query_row([StoredId(&id)], |row| Half::read_all(row.get_ref(0)?.as_blob()?)).optional()?;
        let mut data = Vec::new();
        known.iter().flatten().filter(|half| half.seq > block.last()).for_each(|half| half.push(&mut data));
        if data.is_empty() {
            delete.execute([StoredId(&id)])?;
        } else {
            keep.execute(params![StoredId(&id), data])?;
        }
    }
    Ok(())
}
