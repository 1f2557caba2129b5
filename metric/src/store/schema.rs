//! Opens the database, makes it or brings it up to date.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tracing::info;

use super::{copy, journal, packing};
use crate::write_error::{WriteError, damaged};

/// The file's name in the records' folder.
pub const FILE: &str = "metric.db";

/// Marks the file as ours: "mtrc".
const APPLICATION: i32 = 0x6d74_7263;

/// What leads from each version of the schema to the next one, from the empty database on. The steps that have been
/// released are never changed.
const STEPS: [&str; 9] = [
    include_str!("1.sql"),
    include_str!("2.sql"),
    include_str!("3.sql"),
    include_str!("4.sql"),
    include_str!("5.sql"),
    include_str!("6.sql"),
    include_str!("7.sql"),
    include_str!("8.sql"),
    include_str!("9.sql"),
];

/// The version with the old tables and the new ones, between which [`packing`] carries everything over.
const PACKING: usize = 4;

/// How long to wait for another program that holds a lock.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many pages of 4 KiB the write-ahead log may have before it is copied back. Longer than SQLite's own 1000, because
/// labels that come late touch pages all over the index, and a page that is changed often is copied once.
const LOG_PAGES: i32 = 4000;

/// The database's path in a folder.
pub fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Opens the database for the one who writes it, and checks it before anything is changed, if it is not too large.
///
/// # Errors
/// A database of another program or of a later version, a damaged one, or one that cannot be written.
pub fn open_to_write(path: &Path) -> Result<Connection, WriteError> {
    let trouble = |why| WriteError::with_database(why, path);
    let checked = is_checked_when_opened(path);
    let mut db = Connection::open(path).map_err(trouble)?;
    db.busy_timeout(PATIENCE).map_err(trouble)?;
    version(&db, path)?;
    if checked {
        check(&db, path)?;
    }
    let mut set_up = || {
        db.set_prepared_statement_cache_capacity(64);
        // A plan that depends on the values bound to it is made anew for each of them.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // A container may have no folder for temporary files.
        db.pragma_update(None, "temp_store", "memory")?;
        // Durable at every commit; readers do not stop the writer.
        db.pragma_update(None, "journal_mode", "wal")?;
        db.pragma_update(None, "synchronous", "full")?;
        db.pragma_update(None, "journal_size_limit", 64 << 20)?;
        // In KiB: most of what is known of a million rows, which labels in random order read all over.
        db.pragma_update(None, "cache_size", -44_000)?;
        // What a process left in the log whose sync failed may be in memory alone: it is written once more.
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        db.wal_hook(Some(note_length))?;
        db.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0))
    };
    let mode = set_up().map_err(trouble)?;
    if mode != "wal" {
        return Err(WriteError::Fatal(anyhow::anyhow!(
            "{} is on a file system that SQLite cannot keep a write-ahead log on; give metric another folder with --logs",
            path.display()
        )));
    }
    Ok(db)
}

/// A database that is no larger than this is checked before anything else is done with it; a larger one would keep a start
/// waiting for seconds.
const CHECKED: u64 = 128 << 20;

/// Whether [`open_to_write`] checks it.
#[must_use]
pub fn is_checked_when_opened(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED)
}

/// Checks that the database does not contradict itself, and that the journal is what was written. Takes about a second for
/// half a gigabyte.
///
/// # Errors
/// What it has found.
pub fn check(db: &Connection, path: &Path) -> Result<(), WriteError> {
    let trouble = |why| WriteError::with_database(why, path);
    let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(trouble)?;
    if verdict != "ok" {
        return Err(damaged(path, verdict.trim()));
    }
    if version(db, path)? == STEPS.len() { journal::check(db).map_err(trouble) } else { Ok(()) }
}

thread_local! {
    /// How many pages the write-ahead log had after this thread's last commit.
    static LENGTH: Cell<i32> = const { Cell::new(0) };
}

/// Called by SQLite after each commit, in the thread that commits. Whatever it returned would say that the commit has
/// failed, which was made: so it copies nothing itself.
fn note_length(_: &mut Wal, pages: i32) -> rusqlite::Result<()> {
    LENGTH.set(pages);
    Ok(())
}

/// To be called after each commit, in the same thread: copies the write-ahead log back into the database when it is long.
///
/// SQLite would do that by itself, but without a word about a sync that failed. Where there is no space, or a reader
/// needs the log as it is, a later commit copies it.
///
/// # Errors
/// What does not pass. The commit was made all the same.
pub fn copy_back(db: &Connection, path: &Path) -> Result<(), WriteError> {
    if LENGTH.get() < LOG_PAGES {
        return Ok(());
    }
    let copied = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    match copied.map_err(|why| WriteError::with_database(why, path)) {
        Err(WriteError::Passing(_)) => Ok(()),
        copied => copied,
    }
}

/// Copies the database of a folder, of whatever version, as it is now into a file, while it may be written. Returns the file's
/// length in bytes.
///
/// # Errors
/// There is no database, the file is there already, it cannot be written, or the database cannot be read.
pub fn copy(folder: &Path, to: &Path) -> anyhow::Result<u64> {
    let (db, path) = open_any_to_read(folder)?;
    copy::copy(&db, &path, to).map_err(WriteError::into_error)
}

/// Opens the database for somebody who reads beside the writer.
///
/// # Errors
/// No database, one of another version, or one that cannot be read.
pub fn open_to_read(folder: &Path) -> anyhow::Result<Connection> {
    let (db, path) = open_any_to_read(folder)?;
    let version = version(&db, &path).map_err(WriteError::into_error)?;
    anyhow::ensure!(
        version != PACKING,
        "{} is being brought up to date, or was when metric ended; ask again when metric says that it is up to date",
        path.display()
    );
    anyhow::ensure!(
        version == STEPS.len(),
        "{} has version {version} of the schema, this program has {}; start metric once to bring it up to date",
        path.display(),
        STEPS.len()
    );
    Ok(db)
}

fn open_any_to_read(folder: &Path) -> anyhow::Result<(Connection, PathBuf)> {
    let path = path(folder);
    anyhow::ensure!(
        path.exists(),
        "there is no {}; has metric ever run with --logs {}?",
        path.display(),
        folder.display()
    );
    let trouble = |why| WriteError::with_database(why, &path).into_error();
    let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(trouble)?;
    db.busy_timeout(PATIENCE).map_err(trouble)?;
    Ok((db, path))
}

/// What happens to a database of an older version before it is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// It is copied beside.
    Copy,
    /// Nothing: whoever starts the program has a copy, or needs none.
    Nothing,
}

/// Makes the tables, or brings them up to date, each step as a whole.
///
/// # Errors
/// A database that cannot be read or written, or no space for a copy of it.
pub fn migrate(db: &mut Connection, path: &Path, before: Before) -> Result<(), WriteError> {
    let version = version(db, path)?;
    // Of one that is being packed there is a copy already.
    if before == Before::Copy && (1..STEPS.len()).contains(&version) && version != PACKING {
        copy::copy_beside(db, path, version).map_err(|why| {
            why.context(format!(
                "cannot copy {} before it is brought up to date; make room, or start metric with --no-backup",
                path.display()
            ))
        })?;
    }
    to_version(db, path, STEPS.len())?;
    if (1..STEPS.len()).contains(&version) {
        info!("{} is up to date: version {} of the schema", path.display(), STEPS.len());
    }
    Ok(())
}

/// Takes all steps up to this version.
pub(super) fn to_version(db: &mut Connection, path: &Path, wanted: usize) -> Result<(), WriteError> {
    let version = version(db, path)?;
    let trouble = |why| WriteError::with_database(why, path);
    for (done, sql) in STEPS.iter().enumerate().take(wanted).skip(version) {
        if done == PACKING {
            packing::pack(db, path)?;
        }
        step(db, sql, done + 1).map_err(trouble)?;
    }
    Ok(())
}

fn step(db: &mut Connection, sql: &str, version: usize) -> rusqlite::Result<()> {
    // A view or trigger that somebody has made on a table of ours is theirs to mend.
    db.pragma_update(None, "legacy_alter_table", true)?;
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    change.execute_batch(sql)?;
    change.pragma_update(None, "application_id", APPLICATION)?;
    change.pragma_update(None, "user_version", version as i64)?;
    change.commit()
}

/// The version of the schema: how many steps were made. Refuses what this program must not touch.
fn version(db: &Connection, path: &Path) -> Result<usize, WriteError> {
    let pragma = |name| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let read = || Ok((pragma("application_id")?, pragma("user_version")?));
    let (application, version) = read().map_err(|why| WriteError::with_database(why, path))?;
    let tables: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|why| WriteError::with_database(why, path))?;
    if application != APPLICATION && tables > 0 {
        return Err(WriteError::Fatal(anyhow::anyhow!(
            "{} is another program's database; give metric another folder with --logs",
            path.display()
        )));
    }
    let known = STEPS.len();
    match usize::try_from(version) {
        Ok(version) if version <= known => Ok(version),
        _ => Err(WriteError::Fatal(anyhow::anyhow!(
            "{} was written by a newer metric (version {version} of the schema, this program knows {known}); run the newer one",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_database_is_brought_up_to_date_and_keeps_its_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path());
        let mut db = open_to_write(&path).unwrap();
        to_version(&mut db, &path, 1).unwrap();
        db.execute_batch(
            "INSERT INTO source VALUES (1, 'm', NULL, 1, 1, 0, 0, 0, 0, 0, 0, '{}');
             INSERT INTO scoring VALUES (1, 0, 'a', 3.0, 5.5, 1, 1500, 2750)",
        )
        .unwrap();
        drop(db);
        let why = open_to_read(folder.path()).unwrap_err().to_string();
        assert!(why.contains("version 1 of the schema"), "{why}");

        let mut db = open_to_write(&path).unwrap();
        migrate(&mut db, &path, Before::Copy).unwrap();
        migrate(&mut db, &path, Before::Copy).unwrap();
        let row: (String, f64, String, String) = open_to_read(folder.path())
            .unwrap()
            .query_row("SELECT id, absolute_error, model, labelled_at FROM scored", [], |row| row.try_into())
            .unwrap();
        assert_eq!(row, ("a".into(), 2.5, "m".into(), "1970-01-01T00:00:02.750Z".into()));
    }

    #[test]
    fn a_later_database_and_somebody_elses_are_left_alone() {
        for (change, want) in [
            ("PRAGMA application_id = 1836348003; PRAGMA user_version = 99", "written by a newer metric"),
            ("CREATE TABLE theirs (a)", "another program's database"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = path(folder.path());
            Connection::open(&path).unwrap().execute_batch(change).unwrap();
            let before = std::fs::read(&path).unwrap();
            let opened = open_to_write(&path).and_then(|mut db| migrate(&mut db, &path, Before::Copy));
            let why = opened.unwrap_err().into_error().to_string();
            assert!(why.contains(want), "{why}");
            assert_eq!(std::fs::read(&path).unwrap(), before);
        }
    }

    #[test]
    fn what_is_not_a_database_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path());
        std::fs::write(
            &path,
            "not a database at all, for more than a hundred bytes, which is its header".repeat(9),
        )
        .unwrap();
        let why = open_to_write(&path).map(|_| ()).unwrap_err();
        assert!(matches!(why, WriteError::Fatal(_)));
        assert!(why.into_error().to_string().contains("is damaged"));
    }
}
