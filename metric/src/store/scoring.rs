//! The table `scoring`: the rows that are complete, in the order in which they were.

use rusqlite::Connection;

use super::block::Damage;
use super::rows::{Insert, Values};
use super::state::source;
use super::stored_id::StoredId;
use crate::join::Scored;

/// The first row of a commit says its number. `age` is 0: the journal has it.
const SCORING: Insert =
    Insert { into: "INSERT OR FAIL INTO scoring VALUES", row: "(?, 0, ?, ?, ?, ?, ?, ?, ?)", then: "" };

/// Those after it have the numbers that follow, and SQLite neither looks for their place nor for another row that has it.
const FOLLOWING: Insert = Insert {
    into: "INSERT OR FAIL INTO scoring (age, id, y_true, y_pred, source, predicted_at, labelled_at, prediction) VALUES",
    row: "(0, ?, ?, ?, ?, ?, ?, ?)",
    then: "",
};

/// Appends scored rows after the one with this number. Returns the number of the last.
///
/// # Errors
/// There are rows after that one.
pub(super) fn append(db: &Connection, last: i64, rows: &[Scored]) -> rusqlite::Result<i64> {
    let bind = |row: &Scored, values: &mut Values<'_>| {
        values.push(StoredId(&row.id))?;
        values.push(row.y_true)?;
        values.push(row.y_pred)?;
        values.push(source(row.number))?;
        values.push(row.predicted_at.0)?;
        values.push(row.labelled_at.0)?;
        values.push(row.prediction)
    };
    let Some((first, following)) = rows.split_first() else { return Ok(last) };
    SCORING.all(db, std::slice::from_ref(first), |row, values| {
        values.push(last + 1)?;
        bind(row, values)
    })?;
    FOLLOWING.all(db, following, bind)?;
    let last = last + i64::try_from(rows.len()).unwrap_or(i64::MAX);
    if db.last_insert_rowid() != last {
        return Err(Damage::of("the table scoring has rows that were not counted").into());
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::ModelId;
    use crate::store::Store;
    use rusqlite::params;
    use shared::clock::Timestamp;
    use shared::message::RowId;
    use std::sync::Arc;

    fn scored(count: usize) -> Vec<Scored> {
        let row = |place: usize| Scored {
            id: RowId::parse(&format!("row:{place}")).unwrap(),
            prediction: i64::try_from(place).ok(),
            y_true: 1.5,
            y_pred: -0.0,
            model: Arc::new(ModelId::default()),
            number: 2,
            predicted_at: Timestamp(4),
            labelled_at: Timestamp(5),
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn scored_rows_follow_each_other_or_nothing_is_told_to_be_appended() {
        for (count, kept) in [(0, 7), (1, 7), (2, 7), (40, 7), (40, 0)] {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path()).unwrap();
            let db = &store.db;
            let old = "INSERT INTO scoring VALUES (?1, 0, 'old', 1.0, 1.0, 1, 1, 1, NULL)";
            // Where all rows are forgotten, the numbers go on all the same.
            if kept > 0 {
                db.execute(old, [kept]).unwrap();
            }
            let rows = scored(count);
            let last = append(db, 7, &rows).unwrap();
            assert_eq!(last, 7 + i64::try_from(count).unwrap());
            let mut stored = db
                .prepare("SELECT seq, id, prediction, source, age FROM scoring WHERE seq > 7 ORDER BY seq")
                .unwrap();
            let stored = stored.query_map([], |row| row.try_into()).unwrap();
            let stored: Vec<(i64, String, i64, i64, i64)> = stored.map(Result::unwrap).collect();
            let want = (0..count).map(|place| {
                let place = i64::try_from(place).unwrap();
                (8 + place, format!("row:{place}"), place, 3, 0)
            });
            assert_eq!(stored, want.collect::<Vec<_>>());
            // Another row that has a number beyond theirs.
            db.execute(old, params![last + 50]).unwrap();
            if count > 0 {
                let why = append(db, last, &rows[..count.min(3)]);
                assert_eq!(why.is_err(), count > 1, "{count}");
            }
        }
    }
}
