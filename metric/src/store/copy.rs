//! A copy of the database as it is at one moment, while it may be written.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::Backup;
use rustix::fs::statvfs;
use tracing::info;

use crate::write_error::{WriteError, sync_folder};

/// How many pages of 4 KiB are copied at once.
const PAGES: i32 = 1024;

/// Copies a database into a file, which gets its name when it is whole and on disk. Returns its length in bytes.
///
/// # Errors
/// The file is there already, there is no room for it, it cannot be written, or the database cannot be read.
pub(super) fn copy(db: &Connection, from: &Path, to: &Path) -> Result<u64, WriteError> {
    let shown = to.display();
    let failed = |why: io::Error| WriteError::with_file(why, format!("cannot write {shown}"));
    if to.try_exists().map_err(failed)? {
        return Err(WriteError::Fatal(anyhow::anyhow!("{shown} is there already; it is not overwritten")));
    }
    let part = part_of(to, "");
    match File::create_new(&part) {
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
            return Err(WriteError::Fatal(anyhow::anyhow!(
                "{} is there: it is being copied now, or a copy was cut off; delete the file if nobody copies",
                part.display()
            )));
        }
        made => drop(made.map_err(failed)?),
    }
    let length = has_room(db, from, &part).and_then(|()| {
        copy_pages(db, from, &part)?;
        let file = File::open(&part).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&part, to).map_err(failed)?;
        Ok(file.metadata().map_err(failed)?.len())
    });
    let length = length.inspect_err(|_| clear(to))?;
    sync_folder(folder_of(to))?;
    Ok(length)
}

/// Copies the older database of whoever holds its lock to a name beside it that says its version. Where such a copy is there
/// and has the same in it, that is enough.
///
/// # Errors
/// As [`copy`].
pub(super) fn copy_beside(db: &Connection, from: &Path, version: usize) -> Result<(), WriteError> {
    let trouble = |why| WriteError::with_database(why, from);
    let state = |db: &Connection| {
        let sql = "SELECT last_event, last_scoring, first_event, age FROM state";
        db.query_row(sql, [], |row| <(i64, i64, i64, i64)>::try_from(row))
    };
    let now = state(db).map_err(trouble)?;
    let name = |number: u32| match number {
        1 => from.with_extension(format!("db.version-{version}")),
        number => from.with_extension(format!("db.version-{version}-{number}")),
    };
    for to in (1..).map(name) {
        if !to.exists() {
            // What a start that was cut off has left.
            clear(&to);
            info!("copying {} to {} before it is brought up to date", from.display(), to.display());
            return copy(db, from, &to).map(|_| ());
        }
        // One of another time, or no database, is left as it is.
        if Connection::open(&to).and_then(|copy| state(&copy)).is_ok_and(|then| then == now) {
            info!("{} is a copy of {} as it is", to.display(), from.display());
            return Ok(());
        }
    }
    Ok(())
}

/// Checks that there is room for a copy before the disk is filled with a part of it.
fn has_room(db: &Connection, from: &Path, part: &Path) -> Result<(), WriteError> {
    let size: u64 = db
        .query_row("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", [], |row| {
            row.get(0)
        })
        .map_err(|why| WriteError::with_database(why, from))?;
    // Where the system does not say, it is tried.
    let Ok(disk) = statvfs(folder_of(part)) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free > size {
        return Ok(());
    }
    Err(WriteError::Passing(anyhow::anyhow!(
        "a copy of {} needs {} MiB in {}, where {} MiB are free",
        from.display(),
        size.div_ceil(1 << 20),
        folder_of(part).display(),
        free >> 20
    )))
}

fn copy_pages(db: &Connection, from: &Path, to: &Path) -> Result<(), WriteError> {
    let unread = |why| WriteError::with_database(why, from);
    let unwritten = |why| WriteError::with_database(why, to);
    let mut file = Connection::open(to).map_err(unwritten)?;
    // Without mapped memory, which ends a process on a full disk.
    let exclusive = file.pragma_update_and_check(None, "locking_mode", "exclusive", |_| Ok(()));
    exclusive.map_err(unwritten)?;
    // Whatever is committed meanwhile: what is read is one moment, and nothing has to be read again.
    let moment = db.unchecked_transaction().map_err(unread)?;
    moment.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(unread)?;
    let copied = Backup::new(&moment, &mut file)
        .and_then(|backup| backup.run_to_completion(PAGES, Duration::ZERO, None));
    copied.map_err(unwritten)?;
    forget_files(&file).map_err(unwritten)?;
    // A file that needs no others.
    file.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(())).map_err(unwritten)?;
    file.close().map_err(|(_, why)| unwritten(why))
}

/// The text files are not copied: whoever starts from the copy finds none, and needs all lines.
fn forget_files(copy: &Connection) -> rusqlite::Result<()> {
    for table in ["file", "closed"] {
        if copy.table_exists(None, table)? {
            copy.execute(&format!("DELETE FROM {table}"), [])?;
        }
    }
    Ok(())
}

fn part_of(to: &Path, more: &str) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    name.push(more);
    name.into()
}

/// Takes away what is there of a copy that is not whole.
fn clear(to: &Path) {
    for more in ["", "-wal", "-shm", "-journal"] {
        _ = fs::remove_file(part_of(to, more));
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
