//! The table `journal`: all messages that were accepted, a block for each commit.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use shared::clock::Timestamp;

use super::block::{Block, Damage, StoredEvent};
use super::vectors;

const COLUMNS: &str =
    "first, count, received, age, last_scoring, predicted_min, predicted_max, checksum, data";

/// Appends a block.
pub(super) fn insert(db: &Connection, block: &Block) -> rusqlite::Result<()> {
    let Block { first, count, received, age, last_scoring, predicted, .. } = block;
    let mut insert = db.prepare_cached("INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    insert.execute(params![
        first,
        count,
        received.0,
        age,
        last_scoring,
        predicted.map(|(least, _)| least),
        predicted.map(|(_, greatest)| greatest),
        block.checksum(),
        block.data()
    ])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Block> {
    let mut block = Block::new(None, row.get(0)?, Timestamp(row.get(2)?), row.get(3)?);
    block.count = row.get(1)?;
    block.last_scoring = row.get(4)?;
    block.predicted = row.get::<_, Option<i64>>(5)?.zip(row.get(6)?);
    Ok(Block::stored(block, row.get(8)?, row.get(7)?)?)
}

/// Calls `with` for the blocks that have the messages after number `after` and up to number `last`, in order, until it returns
/// false. The first of them may begin earlier.
///
/// # Errors
/// A block that is damaged or missing, which is named.
pub(super) fn blocks(
    db: &Connection,
    after: i64,
    last: i64,
    mut with: impl FnMut(&Block) -> rusqlite::Result<bool>,
) -> rusqlite::Result<()> {
    if after >= last {
        return Ok(());
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM journal WHERE first >= coalesce((SELECT max(first) FROM journal WHERE first <= ?1), ?1) \
         AND first <= ?2 ORDER BY first"
    );
    let mut blocks = db.prepare_cached(&sql)?;
    let mut rows = blocks.query([after + 1, last])?;
    let mut next = after + 1;
    let mut begun = false;
    while let Some(row) = rows.next()? {
        let block = read(row)?;
        let follows = if begun { block.first == next } else { (block.first..=block.last()).contains(&next) };
        if !follows {
            return Err(Damage::new(next, "is missing").into());
        }
        (begun, next) = (true, block.last() + 1);
        if !with(&block)? {
            return Ok(());
        }
    }
    if next <= last { Err(Damage::new(next, "is missing").into()) } else { Ok(()) }
}

/// Calls `with` for each message after number `after` and up to number `last`, in order, with its block and its number, until
/// it returns false.
///
/// # Errors
/// A block that is damaged or missing, which is named.
pub(super) fn events(
    db: &Connection,
    after: i64,
    last: i64,
    mut with: impl FnMut(&Block, i64, StoredEvent) -> rusqlite::Result<bool>,
) -> rusqlite::Result<()> {
    blocks(db, after, last, |block| {
        for event in block.events() {
            let (seq, event) = event?;
            if seq > after && !with(block, seq, event)? {
                return Ok(false);
            }
        }
        Ok(true)
    })
}

/// Reads all of it, the messages in it, and the features that they were predicted from.
///
/// # Errors
/// A block that is damaged or missing, which is named.
pub(super) fn check(db: &Connection) -> rusqlite::Result<()> {
    let moment = db.unchecked_transaction()?;
    // With its index, by which rows are forgotten.
    for table in ["journal", "feature"] {
        let sql = format!("PRAGMA integrity_check({table})");
        let verdict: String = moment.query_row(&sql, [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(Damage::of(&verdict).into());
        }
    }
    vectors::check(&moment)?;
    let (first, last): (i64, i64) =
        moment.query_row("SELECT first_event, last_event FROM state", [], |row| row.try_into())?;
    blocks(&moment, first - 1, last, |block| {
        block.events().try_for_each(|event| event.map(|_| ())).map(|()| true).map_err(Into::into)
    })
}

/// The block that has the message with this number, or else the last one before it.
///
/// # Errors
/// It is damaged.
pub(super) fn block_of(db: &Connection, seq: i64) -> rusqlite::Result<Option<Block>> {
    let sql = format!("SELECT {COLUMNS} FROM journal WHERE first <= ?1 ORDER BY first DESC LIMIT 1");
    db.prepare_cached(&sql)?.query_row([seq], read).optional()
}

/// The block of the scored row with this number; none where it is not kept.
///
/// # Errors
/// It is damaged.
pub(super) fn block_of_scoring(db: &Connection, seq: i64) -> rusqlite::Result<Option<Block>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM journal WHERE last_scoring >= ?1 ORDER BY last_scoring, first LIMIT 1"
    );
    db.prepare_cached(&sql)?.query_row([seq], read).optional()
}

/// The number of the first message of the block that is so many before the one with the message `seq`.
pub(super) fn first_back(db: &Connection, seq: i64, blocks: i64) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT first FROM journal WHERE first <= ?1 ORDER BY first DESC LIMIT 1 OFFSET ?2")?
        .query_row([seq, blocks], |row| row.get(0))
        .optional()
}

/// The first expiry from the one of this message on: its message, and the number of its commit.
pub(super) fn expiry_from(db: &Connection, seq: i64) -> rusqlite::Result<Option<(i64, i64)>> {
    db.prepare_cached("SELECT seq, number FROM expiry WHERE seq >= ?1 ORDER BY seq LIMIT 1")?
        .query_row([seq], |row| row.try_into())
        .optional()
}

/// The number of the commit in which the last of the messages up to this one expired that is kept; none where nothing did.
pub(super) fn last_expiry(db: &Connection, seq: i64) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT number FROM expiry WHERE seq <= ?1 ORDER BY seq DESC LIMIT 1")?
        .query_row([seq], |row| row.get(0))
        .optional()
}

/// The age at which the message with this number, which is none beyond the last, was recorded; none where it is not kept.
pub(super) fn age_of_event(db: &Connection, seq: i64) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT age FROM journal WHERE first <= ?1 ORDER BY first DESC LIMIT 1")?
        .query_row([seq], |row| row.get(0))
        .optional()
}

/// When the message with this number, or the oldest one after it that is kept, was received; none where there is none.
pub(super) fn received_event(db: &Connection, seq: i64) -> rusqlite::Result<Option<Timestamp>> {
    db.prepare_cached(
        "SELECT received FROM journal WHERE first >= coalesce((SELECT max(first) FROM journal WHERE first <= ?1), ?1) \
         ORDER BY first LIMIT 1",
    )?
    .query_row([seq], |row| row.get(0).map(Timestamp))
    .optional()
}

/// When the commit of the scored row with this number, or the oldest one after it that is kept, was received.
pub(super) fn received_scoring(db: &Connection, seq: i64) -> rusqlite::Result<Option<Timestamp>> {
    db.prepare_cached(
        "SELECT received FROM journal WHERE last_scoring >= ?1 ORDER BY last_scoring, first LIMIT 1",
    )?
    .query_row([seq], |row| row.get(0).map(Timestamp))
    .optional()
}

/// The age at which the scored row with this number was recorded, whose block is kept; none where it was not yet.
pub(super) fn age_of_scoring(db: &Connection, seq: i64) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached(
        "SELECT age FROM journal WHERE last_scoring >= ?1 ORDER BY last_scoring, first LIMIT 1",
    )?
    .query_row([seq], |row| row.get(0))
    .optional()
}
