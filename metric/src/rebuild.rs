//! `metric rebuild`: both text files, written from the database.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::projection::{finish_closing, rename_aside, write_whole};
use crate::records;
use crate::store::{ClosedFile, FileState, Kind, Log, Note, Store, schema};
use crate::write_error::{WriteError, sync_folder};

/// Writes labels_log.txt and metric_log.csv again from metric.db, while metric is stopped. A file with other lines is moved
/// aside, never overwritten. Files of days that are over (--text daily) are compared, and left as they are.
#[derive(Args, Debug)]
pub(crate) struct Rebuild {
    /// Folder of the records.
    #[arg(long, value_name = "FOLDER", default_value = "logs")]
    logs: PathBuf,

    /// Write also the files of days that are over which are not there any more.
    #[arg(long)]
    closed: bool,
}

impl Rebuild {
    /// Writes them, and returns what was done.
    pub(crate) fn run(&self) -> anyhow::Result<String> {
        let path = schema::path(&self.logs);
        anyhow::ensure!(path.exists(), "there is no {} to rebuild from", path.display());
        rebuild(&self.logs, self.closed).map_err(WriteError::into_error)
    }
}

fn rebuild(folder: &Path, missing: bool) -> Result<String, WriteError> {
    let _lock = records::lock(folder)?;
    let mut store = Store::open(folder)?;
    if !schema::is_checked_when_opened(&schema::path(folder)) {
        Store::check(folder)?;
    }
    let mut told = String::new();
    for log in Log::ALL {
        if let Some(mut state) = store.file(log)? {
            finish_closing(folder, log, &mut state, &mut store)?;
        }
        let closed = store.closed_files(log)?;
        for file in &closed {
            told += &rebuild_closed(folder, log, file, missing, &mut store)?;
        }
        let after = closed.last().map_or(0, |file| file.last);
        told += &rebuild_present(folder, log, after, &mut store)?;
    }
    Ok(told)
}

/// Compares a file that is closed, or writes it where it is gone and that is wished. What is there is never changed.
fn rebuild_closed(
    folder: &Path,
    log: Log,
    file: &ClosedFile,
    missing: bool,
    store: &mut Store,
) -> Result<String, WriteError> {
    let path = folder.join(&file.name);
    let shown = path.display();
    let trouble = |why| WriteError::with_file(why, format!("cannot rebuild {shown}"));
    let there = path.try_exists().map_err(trouble)?;
    if !there && !missing {
        return Ok(format!("{shown}: not there, and not written again; --closed does\n"));
    }
    if file.first < store.first(log)? {
        return Ok(format!(
            "{shown}: left as it is; its lines are no longer all in the database (see --retain)\n"
        ));
    }
    let made = folder.join(format!("{}.rebuilt", file.name));
    let written = write_whole(&made, log, file.first, store, |line| line.entry <= file.last);
    let (_, last) = written.inspect_err(|_| _ = fs::remove_file(&made))?;
    let lines = last + 1 - file.first;
    let told = if !there {
        fs::rename(&made, &path).map_err(trouble)?;
        format!("{shown}: {lines} lines, written anew\n")
    } else if same(&path, &made).map_err(trouble)? {
        fs::remove_file(&made).map_err(trouble)?;
        format!("{shown}: {lines} lines, as it should be\n")
    } else {
        let made = made.display();
        format!("{shown}: left as it is; it has other lines than the database, whose {lines} are in {made}\n")
    };
    sync_folder(folder)?;
    Ok(told)
}

/// Writes the file to which lines are added, from the entry behind the closed ones on.
fn rebuild_present(folder: &Path, log: Log, after: i64, store: &mut Store) -> Result<String, WriteError> {
    let path = folder.join(log.name());
    let shown = path.display();
    let trouble = |why| WriteError::with_file(why, format!("cannot rebuild {shown}"));
    let oldest = store.first(log)?;
    let first = oldest.max(after + 1);
    let made = folder.join(format!("{}.rebuilt", log.name()));
    let written = write_whole(&made, log, first, store, |_| true);
    let (length, last) = written.inspect_err(|_| _ = fs::remove_file(&made))?;
    let lines = last + 1 - first;
    if oldest > after + 1 {
        let from = first_time(log, first, store)?;
        return Ok(format!(
            "{}: {lines} lines, from {from} on; the {} older ones are no longer in the database (see --retain), so {shown} is left as it is\n",
            made.display(),
            oldest - 1 - after
        ));
    }
    let there = path.try_exists().map_err(trouble)?;
    let told = if there && same(&path, &made).map_err(trouble)? {
        fs::remove_file(&made).map_err(trouble)?;
        format!("{shown}: {lines} lines, as it should be\n")
    } else {
        // First, so that a crash between the renames ends in a whole file too.
        store.note(log, &FileState::beginning(first))?;
        let aside = if there {
            let aside = rename_aside(&path).map_err(trouble)?;
            format!("; the old file is now {}", aside.display())
        } else {
            String::new()
        };
        fs::rename(&made, &path).map_err(trouble)?;
        format!("{shown}: {lines} lines, written anew{aside}\n")
    };
    sync_folder(folder)?;
    // What is the same may not be on disk yet.
    File::open(&path).and_then(|file| file.sync_data()).map_err(trouble)?;
    let state = FileState { synced: last, synced_length: length, ..FileState::beginning(first) };
    store.note(log, &state)?;
    store.keep(&[Note::Over(Kind::LeftAlone, log.name().to_owned())])?;
    Ok(told)
}

/// When the first line that is kept was recorded, as the line says it.
fn first_time(log: Log, first: i64, store: &mut Store) -> Result<String, WriteError> {
    let mut time = "now".to_owned();
    store.lines(log, first - 1, |line| {
        let cell = match log {
            Log::Labels => line.text.split(' ').next(),
            Log::Metric => line.text.split(',').nth(7),
        };
        cell.unwrap_or_default().clone_into(&mut time);
        Ok(false)
    })?;
    Ok(time)
}

fn same(one: &Path, other: &Path) -> io::Result<bool> {
    if fs::metadata(one)?.len() != fs::metadata(other)?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut left, mut right) = (vec![0; 1 << 16], Vec::new());
    loop {
        let count = one.read(&mut left)?;
        if count == 0 {
            return Ok(true);
        }
        right.clear();
        (&mut other).take(count as u64).read_to_end(&mut right)?;
        if left[..count] != right {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::clock::Timestamp;

    use super::*;
    use crate::TextFiles;
    use crate::account::Rejected;
    use crate::arrival::{Arrival, ArrivalKind};
    use crate::records::Records;
    use crate::store::{Before, CommitTime, Limits};

    const CLOSED: [&str; 2] = ["labels_log.txt.1970-01-01", "labels_log.txt.1970-01-02"];

    /// A folder with a label of each of four days.
    fn recorded() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut records = Records::open_with(folder.path(), Before::Copy, TextFiles::Daily).unwrap();
        for day in 0..4 {
            let label = Arrival { id: None, kind: ArrivalKind::Label, value: 1.0, published_at: None };
            let now = CommitTime { wall: Timestamp(day * 24 * 60 * 60 * 1000), age: day };
            let recorded = records.commit(&[label], Rejected::default(), now, &Limits::default()).unwrap();
            records.show(&recorded.labels_log, &recorded.metric_log).unwrap();
        }
        records.close().unwrap();
        folder
    }

    fn rebuilt(folder: &Path, closed: bool) -> String {
        Rebuild { logs: folder.to_owned(), closed }.run().unwrap()
    }

    fn text(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap()
    }

    #[test]
    fn closed_files_are_compared_and_the_present_one_begins_behind_them() {
        let folder = recorded();
        let (folder, present) = (folder.path(), text(folder.path(), "labels_log.txt"));
        fs::write(folder.join(CLOSED[0]), "edited\n").unwrap();
        let second = text(folder, CLOSED[1]);
        fs::remove_file(folder.join(CLOSED[1])).unwrap();
        fs::remove_file(folder.join("labels_log.txt")).unwrap();
        let told = rebuilt(folder, false);
        for said in [
            "1970-01-01: left as it is; it has other lines than the database, whose 1 are in ",
            "1970-01-02: not there, and not written again; --closed does\n",
            "1970-01-03: 1 lines, as it should be\n",
            "labels_log.txt: 1 lines, written anew\n",
        ] {
            assert!(told.contains(said), "{said}: {told}");
        }
        assert_eq!(text(folder, CLOSED[0]), "edited\n");
        assert!(
            text(folder, &format!("{}.rebuilt", CLOSED[0])).starts_with("1970-01-01T00:00:00.000Z y_true")
        );
        assert!(!folder.join(CLOSED[1]).exists());
        assert_eq!(text(folder, "labels_log.txt"), present);
        let told = rebuilt(folder, true);
        assert!(told.contains("1970-01-02: 1 lines, written anew\n"), "{told}");
        assert_eq!(text(folder, CLOSED[1]), second);
    }

    #[test]
    fn a_closed_file_without_its_name_gets_it_first() {
        let folder = recorded();
        let (folder, third) = (folder.path(), "labels_log.txt.1970-01-03");
        let (was, present) = (text(folder, third), text(folder, "labels_log.txt"));
        fs::rename(folder.join(third), folder.join("labels_log.txt")).unwrap();
        let mut store = Store::open(folder).unwrap();
        let mut state = store.file(Log::Labels).unwrap().unwrap();
        state.closing = Some(third.to_owned());
        store.note(Log::Labels, &state).unwrap();
        drop(store);
        rebuilt(folder, false);
        assert_eq!((text(folder, third), text(folder, "labels_log.txt")), (was, present));
        let names = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
        assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("foreign")));
    }

    #[test]
    fn a_closed_file_that_the_database_has_only_in_part_is_left_as_it_is() {
        let folder = recorded();
        let folder = folder.path();
        let mut store = Store::open(folder).unwrap();
        let limits = Limits { retain_ms: Some(1), horizon_ms: 0, ..Limits::default() };
        for _ in 0..2 {
            let now = CommitTime { wall: Timestamp(0), age: 2 };
            store.record(&[], Rejected::default(), now, &limits).unwrap();
        }
        assert!(store.first(Log::Labels).unwrap() > 1);
        drop(store);
        let told = rebuilt(folder, true);
        assert!(told.contains("1970-01-01: left as it is; its lines are no longer all"), "{told}");
        assert!(told.contains("labels_log.txt: 1 lines, as it should be"), "{told}");
    }
}
