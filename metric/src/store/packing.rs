//! From version 4 of the schema to 5: what is in the tables `event`, `known` and `expiry` is packed into those that take their
//! place, stride by stride, each with the mark from which a start that was cut off goes on.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use shared::clock::Timestamp;
use shared::message::RowId;
use tracing::info;

use super::block::{Block, StoredEvent};
use super::known::Half;
use super::stored_id::StoredId;
use super::{journal, schema};
use crate::write_error::WriteError;

/// How many rows of the old tables a stride takes.
const STRIDE: i64 = 16_384;
/// How many messages a block has at the most.
const LONGEST: i64 = 4096;
/// How often it is said how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// Packs everything that is not packed yet.
///
/// # Errors
/// Whether trying again may help.
pub(super) fn pack(db: &mut Connection, path: &Path) -> Result<(), WriteError> {
    pack_by(STRIDE, db, path)
}

fn pack_by(stride: i64, db: &mut Connection, path: &Path) -> Result<(), WriteError> {
    let trouble = |why| WriteError::with_database(why, path);
    let counts =
        "SELECT last_event - event, (SELECT count(*) FROM known WHERE id > packing.id) FROM state, packing";
    let (messages, known): (i64, i64) =
        db.query_row(counts, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(trouble)?;
    let all = messages + known;
    let (mut told, mut packed) = (Instant::now(), 0);
    for part in [pack_events, pack_known] {
        loop {
            let change = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(trouble)?;
            let count = part(&change, stride).map_err(trouble)?;
            change.commit().map_err(trouble)?;
            schema::copy_back(db, path)?;
            if count == 0 {
                break;
            }
            packed += count;
            if told.elapsed() >= TOLD_EVERY {
                told = Instant::now();
                info!(
                    "bringing {} up to date: {} % of {messages} messages",
                    path.display(),
                    packed * 100 / all
                );
            }
        }
    }
    Ok(())
}

/// Packs a stride of messages, with their expiries. Returns how many; 0 at the end.
fn pack_events(change: &Transaction<'_>, stride: i64) -> rusqlite::Result<i64> {
    let (after, mut last_scoring): (i64, i64) =
        change.query_row("SELECT event, last_scoring FROM packing", [], |row| row.try_into())?;
    let mut events = change.prepare_cached(
        "SELECT seq, received, age, source, id, value, at, met FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let mut scorings =
        change.prepare_cached("SELECT seq, age, predicted_at FROM scoring WHERE seq > ?1 ORDER BY seq")?;
    let mut scorings = scorings.query([last_scoring])?;
    let mut next: Option<(i64, i64, i64)> = scorings.next()?.map(TryInto::try_into).transpose()?;
    let mut finish = |mut block: Block| {
        // Nothing but a message of its commit scores a row.
        while let Some((seq, _, predicted_at)) = next.filter(|(_, age, _)| *age <= block.age) {
            last_scoring = seq;
            let (least, greatest) = block.predicted.unwrap_or((i64::MAX, i64::MIN));
            block.predicted = Some((least.min(predicted_at), greatest.max(predicted_at)));
            next = scorings.next()?.map(TryInto::try_into).transpose()?;
        }
        block.last_scoring = last_scoring;
        journal::insert(change, &block)
    };
    let mut rows = events.query([after, stride])?;
    let mut open: Option<Block> = None;
    let mut last = after;
    while let Some(row) = rows.next()? {
        let (seq, received, age): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let goes_on = open.as_ref().is_some_and(|block| {
            block.last() + 1 == seq
                && (block.received.0, block.age) == (received, age)
                && block.count < LONGEST
        });
        if !goes_on {
            open.take().map_or(Ok(()), &mut finish)?;
        }
        let block = open.get_or_insert_with(|| Block::new(None, seq, Timestamp(received), age));
        let id = row.get::<_, Option<StoredId<RowId>>>(4)?.map(|id| id.0);
        block.push(&StoredEvent {
            id: id.as_ref(),
            source: row.get(3)?,
            value: row.get(5)?,
            at: Timestamp(row.get(6)?),
            met: row.get(7)?,
            features_published_at: None,
        });
        last = seq;
    }
    open.take().map_or(Ok(()), &mut finish)?;
    change
        .prepare_cached(
            "INSERT INTO lapse SELECT seq, id, source, value, received, expired_at FROM expiry JOIN event USING (seq) \
             WHERE seq > ?1 AND seq <= ?2",
        )?
        .execute([after, last])?;
    change
        .prepare_cached("UPDATE packing SET event = ?1, last_scoring = ?2")?
        .execute([last, last_scoring])?;
    Ok(last - after)
}

/// Packs the halves of a stride of rows. Returns how many; 0 at the end.
fn pack_known(change: &Transaction<'_>, stride: i64) -> rusqlite::Result<i64> {
    let mut halves = change.prepare_cached(
        "SELECT id, seq, source, value, at, met FROM known WHERE id > (SELECT id FROM packing) ORDER BY id, seq",
    )?;
    let mut insert = change.prepare_cached("INSERT INTO entry VALUES (?1, ?2)")?;
    let mut rows = halves.query([])?;
    let mut open: Option<RowId> = None;
    let mut data = Vec::new();
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let id = row.get::<_, StoredId<RowId>>(0)?.0;
        if open.as_ref().is_some_and(|open| *open != id) {
            if let Some(done) = &open {
                insert.execute(params![StoredId(done), data])?;
            }
            data.clear();
            if count >= stride {
                break;
            }
            open = None;
        }
        let half = Half {
            seq: row.get(1)?,
            source: row.get(2)?,
            value: row.get(3)?,
            at: Timestamp(row.get(4)?),
            met: row.get(5)?,
        };
        half.push(&mut data);
        open.get_or_insert(id);
        count += 1;
    }
    let Some(last) = open else { return Ok(0) };
    if !data.is_empty() {
        insert.execute(params![StoredId(&last), data])?;
    }
    change.prepare_cached("UPDATE packing SET id = ?1")?.execute([StoredId(&last)])?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema::{open_to_write, to_version};

    /// Everything that is in the new tables.
    fn packed(db: &Connection) -> Vec<String> {
        let mut all = Vec::new();
        let mut events = Vec::new();
        let last = db.query_row("SELECT last_event FROM state", [], |row| row.get(0)).unwrap();
        let first: i64 = db.query_row("SELECT first_event FROM state", [], |row| row.get(0)).unwrap();
        journal::events(db, first - 1, last, |block, seq, event| {
            events.push(format!("{} {} {seq} {event:?}", block.received, block.age));
            Ok(true)
        })
        .unwrap();
        all.append(&mut events);
        for (what, columns) in [
            ("entry", "hex(id) || hex(data)"),
            ("lapse", "concat_ws(' ', seq, hex(id), source, value, received, expired_at)"),
        ] {
            let mut query = db.prepare(&format!("SELECT {columns} FROM {what} ORDER BY 1")).unwrap();
            let rows = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
            all.extend(rows.map(|row| format!("{what} {}", row.unwrap())));
        }
        all
    }

    #[test]
    fn a_start_that_is_cut_off_anywhere_goes_on_from_its_mark() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/version-3/metric.db");
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            let path = folder.path().join(name);
            let new = !path.exists();
            if new {
                std::fs::copy(&fixture, &path).unwrap();
            }
            let mut db = open_to_write(&path).unwrap();
            if new {
                to_version(&mut db, &path, 4).unwrap();
            }
            (db, path)
        };
        let (mut db, path) = open("at-once.db");
        pack(&mut db, &path).unwrap();
        let whole = packed(&db);
        assert!(whole.len() > 400, "{}", whole.len());
        // By its block, a row is as old as it was.
        let ages = |db: &Connection| {
            let older = "SELECT count(*), total(age = (SELECT age FROM journal WHERE last_scoring >= seq \
                         ORDER BY last_scoring, first LIMIT 1)) FROM scoring";
            db.query_row(older, [], |row| Ok((row.get::<_, f64>(0)?, row.get::<_, f64>(1)?))).unwrap()
        };
        assert_eq!(ages(&db), (75.0, 75.0));
        for stride in [1, 7, 100] {
            let name = format!("{stride}.db");
            let mut strides = 0;
            for part in [pack_events, pack_known] {
                loop {
                    // Each stride by a program of its own, and before each one that is cut off.
                    let (mut db, _) = open(&name);
                    let change = db.transaction().unwrap();
                    part(&change, stride).unwrap();
                    drop(change);
                    let change = db.transaction().unwrap();
                    let count = part(&change, stride).unwrap();
                    change.commit().unwrap();
                    strides += 1;
                    if count == 0 {
                        break;
                    }
                }
            }
            assert!(strides > 4, "{strides}");
            let (db, _) = open(&name);
            assert_eq!((packed(&db), ages(&db)), (whole.clone(), (75.0, 75.0)), "{stride} at once");
        }
    }
}
