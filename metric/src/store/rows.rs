//! Rows that are inserted many a statement: what a statement costs besides its row is then paid once for all of them.

use rusqlite::types::ToSql;
use rusqlite::{CachedStatement, Connection};

/// How many rows a statement has, the most first.
const TOGETHER: [usize; 3] = [16, 4, 1];

/// What inserts into a table, in parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Insert {
    /// Up to `VALUES`. With `OR FAIL`, SQLite keeps nothing to undo a part of the statement by: a change of which a part has
    /// failed is undone as a whole.
    pub(super) into: &'static str,
    /// The values of one row, in brackets, with `?` for each that is bound.
    pub(super) row: &'static str,
    /// What follows the last row, or nothing.
    pub(super) then: &'static str,
}

impl Insert {
    /// Inserts rows in their order. `bind` says the values of one.
    pub(super) fn all<R>(
        &self,
        db: &Connection,
        rows: &[R],
        mut bind: impl FnMut(&R, &mut Values<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let mut rest = rows;
        for together in TOGETHER {
            let (some, fewer) = rest.split_at(rest.len() - rest.len() % together);
            self.some(db, together, some, &mut bind)?;
            rest = fewer;
        }
        Ok(())
    }

    fn some<R>(
        &self,
        db: &Connection,
        together: usize,
        rows: &[R],
        bind: &mut impl FnMut(&R, &mut Values<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let Self { into, row, then } = self;
        let sql = format!("{into} {} {then}", vec![*row; together].join(", "));
        let mut values = Values { statement: db.prepare_cached(&sql)?, bound: 0 };
        for rows in rows.chunks(together) {
            values.bound = 0;
            rows.iter().try_for_each(|row| bind(row, &mut values))?;
            values.statement.raw_execute()?;
        }
        Ok(())
    }
}

/// The values of the rows of a statement, one after the other.
pub(super) struct Values<'a> {
    statement: CachedStatement<'a>,
    bound: usize,
}

impl Values<'_> {
    /// Binds the next one.
    pub(super) fn push(&mut self, value: impl ToSql) -> rusqlite::Result<()> {
        self.bound += 1;
        self.statement.raw_bind_parameter(self.bound, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_inserted_once_and_in_order() {
        let insert = Insert { into: "INSERT INTO t (a, b) VALUES", row: "(?, ?)", then: "" };
        for count in [0, 1, 3, 4, 15, 16, 17, 48, 48 + 11] {
            let db = Connection::open_in_memory().unwrap();
            db.execute_batch("CREATE TABLE t (place INTEGER PRIMARY KEY, a INTEGER, b TEXT)").unwrap();
            let rows: Vec<usize> = (0..count).map(|row| 7 * row).collect();
            let bind = |row: &usize, values: &mut Values<'_>| {
                values.push(*row)?;
                values.push(format!("row {row}"))
            };
            insert.all(&db, &rows, bind).unwrap();
            let mut stored = db.prepare("SELECT a, b FROM t ORDER BY place").unwrap();
            let stored = stored.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            let stored: Vec<(usize, String)> = stored.map(Result::unwrap).collect();
            let want: Vec<_> = rows.into_iter().map(|row| (row, format!("row {row}"))).collect();
            assert_eq!(stored, want, "{count}");
        }
    }

    #[test]
    fn what_follows_the_rows_holds_for_each_of_them() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, sum INTEGER)").unwrap();
        let insert = Insert {
            into: "INSERT INTO t VALUES",
            row: "(?, 1)",
            then: "ON CONFLICT (id) DO UPDATE SET sum = sum + excluded.sum",
        };
        // 24 rows of five ids, each more than once in the same statement.
        let ids: Vec<usize> = (0..24).map(|row| row % 5).collect();
        insert.all(&db, &ids, |id, values| values.push(*id)).unwrap();
        let mut sums = db.prepare("SELECT sum FROM t ORDER BY id").unwrap();
        let sums: Vec<i64> = sums.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(sums, [5, 5, 5, 5, 4]);
    }

    #[test]
    fn a_row_that_is_refused_ends_it() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY)").unwrap();
        let insert = Insert { into: "INSERT INTO t VALUES", row: "(?)", then: "" };
        for at in [3, 20] {
            let ids: Vec<usize> = (0..at).chain([1]).chain(at..2 * at).collect();
            let why = insert.all(&db, &ids, |id, values| values.push(*id)).unwrap_err();
            assert!(why.to_string().contains("UNIQUE"), "{why}");
        }
        assert!(insert.all(&db, &[1], |_, _| Err(rusqlite::Error::InvalidQuery)).is_err());
    }
}
