//! The halves by their row: the table `known`, and in front of it the latest ones in memory.
//!
//! Labels come in any order, and each of them would change another page of a large table: a commit of a thousand would
//! write a thousand pages. So new halves are collected in memory, where a restart finds them again among the events, and
//! put into the table by tens of thousands, in its order.

use std::collections::HashMap;

use rusqlite::{CachedStatement, Connection, Row, params};
use shared::clock::Timestamp;
use shared::message::RowId;

use super::state::{State, model_of};
use super::stored_id::StoredId;
use crate::join::{LabelHalf, PredictionHalf, RowState};

/// A half as it is known by its row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Half {
    pub(super) seq: i64,
    pub(super) source: i64,
    pub(super) value: f64,
    pub(super) at: Timestamp,
    pub(super) met: bool,
}

impl Half {
    /// Reads it from columns in the order of its fields, from this one on.
    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(first)?,
            source: row.get(first + 1)?,
            value: row.get(first + 2)?,
            at: Timestamp(row.get(first + 3)?),
            met: row.get(first + 4)?,
        })
    }
}

/// The halves that are not in the table yet.
#[derive(Debug, Default)]
pub(super) struct Collected {
    halves: HashMap<StoredId, Vec<Half>>,
}

impl Collected {
    /// Finds them among the events.
    pub(super) fn load(db: &Connection, state: &State) -> rusqlite::Result<Self> {
        let mut collected = Self::default();
        let mut events = db.prepare(
            "SELECT id, seq, source, value, at, met FROM event WHERE seq > ?1 AND id IS NOT NULL ORDER BY seq",
        )?;
        let mut rows = events.query([state.known])?;
        while let Some(row) = rows.next()? {
            collected.add(row.get(0)?, Half::read(row, 1)?);
        }
        Ok(collected)
    }

    /// Adds one, newer than all others.
    pub(super) fn add(&mut self, key: StoredId, half: Half) {
        self.halves.entry(key).or_default().push(half);
    }

    /// Puts these and further ones into the table, in its order.
    pub(super) fn put_into_table(&self, db: &Connection, fresh: &[(StoredId, Half)]) -> rusqlite::Result<()> {
        let collected =
            self.halves.iter().flat_map(|(key, halves)| halves.iter().map(move |half| (key, half)));
        let mut all: Vec<(&StoredId, &Half)> =
            collected.chain(fresh.iter().map(|(key, half)| (key, half))).collect();
        all.sort_unstable_by_key(|(key, half)| (*key, half.seq));
        let mut insert = db.prepare_cached("INSERT INTO known VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for (key, half) in all {
            insert.execute(params![key, half.seq, half.source, half.value, half.at.0, half.met])?;
        }
        Ok(())
    }

    fn of(&self, key: &StoredId) -> &[Half] {
        self.halves.get(key).map_or(&[], Vec::as_slice)
    }
}

/// Looks halves up, wherever they are.
pub(super) struct Finder<'a> {
    collected: &'a Collected,
    table: CachedStatement<'a>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(db: &'a Connection, collected: &'a Collected) -> rusqlite::Result<Self> {
        let table =
            db.prepare_cached("SELECT seq, source, value, at, met FROM known WHERE id = ?1 ORDER BY seq")?;
        Ok(Self { collected, table })
    }

    /// All halves of a row, oldest first.
    fn halves(&mut self, key: &StoredId) -> rusqlite::Result<Vec<Half>> {
        let mut halves = Vec::new();
        let mut rows = self.table.query([key])?;
        while let Some(row) = rows.next()? {
            halves.push(Half::read(row, 0)?);
        }
        halves.extend(self.collected.of(key));
        Ok(halves)
    }

    /// What is known of a row.
    pub(super) fn row(&mut self, id: &RowId, state: &State) -> rusqlite::Result<RowState> {
        let mut row = RowState::default();
        for Half { seq, source, value, at, met } in self.halves(&StoredId::from(id))? {
            let expired = seq <= state.horizon_over;
            match model_of(&state.account, source)? {
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

    /// Whether a half that met nothing when it came, and whose horizon was not over since, was met by a later one.
    pub(super) fn was_met(&mut self, key: &StoredId, seq: i64, source: i64) -> rusqlite::Result<bool> {
        let other = |half: &Half| half.seq > seq && half.met && (half.source == 0) != (source == 0);
        Ok(self.halves(key)?.iter().any(other))
    }
}
