//! `metric rebuild`: both text files, written from the database.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::projection::{rename_aside, write_whole};
use crate::records;
use crate::store::{FileState, Kind, Log, Note, Store, schema};
use crate::write_error::{WriteError, sync_folder};

/// Writes labels_log.txt and metric_log.csv again from metric.db, while metric is stopped. A file with other lines is moved
/// aside, never overwritten.
#[derive(Args, Debug)]
pub(crate) struct Rebuild {
    /// Folder of the records.
    #[arg(long, value_name = "FOLDER", default_value = "logs")]
    logs: PathBuf,
}

impl Rebuild {
    /// Writes them, and returns what was done.
    pub(crate) fn run(&self) -> anyhow::Result<String> {
        let path = schema::path(&self.logs);
        anyhow::ensure!(path.exists(), "there is no {} to rebuild from", path.display());
        rebuild(&self.logs).map_err(WriteError::into_error)
    }
}

fn rebuild(folder: &Path) -> Result<String, WriteError> {
    let _lock = records::lock(folder)?;
    let mut store = Store::open(folder)?;
    if !schema::is_checked_when_opened(&schema::path(folder)) {
        Store::check(folder)?;
    }
    let mut told = String::new();
    for log in Log::ALL {
        told += &rebuild_one(folder, log, &mut store)?;
    }
    Ok(told)
}

fn rebuild_one(folder: &Path, log: Log, store: &mut Store) -> Result<String, WriteError> {
    let path = folder.join(log.name());
    let shown = path.display();
    let trouble = |why| WriteError::with_file(why, format!("cannot rebuild {shown}"));
    let first = store.first(log)?;
    let made = folder.join(format!("{}.rebuilt", log.name()));
    let written = write_whole(&made, log, first, store);
    let (length, last) = written.inspect_err(|_| _ = fs::remove_file(&made))?;
    let lines = last + 1 - first;
    if first > 1 {
        let from = first_time(log, first, store)?;
        return Ok(format!(
            "{}: {lines} lines, from {from} on; the {} older ones are no longer in the database (see --retain), so {shown} is left as it is\n",
            made.display(),
            first - 1
        ));
    }
    let there = path.try_exists().map_err(trouble)?;
    let told = if there && same(&path, &made).map_err(trouble)? {
        fs::remove_file(&made).map_err(trouble)?;
        format!("{shown}: {lines} lines, as it should be\n")
    } else {
        // First, so that a crash between the renames ends in a whole file too.
        store.note(log, &FileState { first, synced: first - 1, synced_length: 0, fingerprint: None })?;
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
    store.note(log, &FileState { first, synced: last, synced_length: length, fingerprint: None })?;
    store.keep(&[Note::Over(Kind::LeftAlone, log.name().to_owned())])?;
    Ok(told)
}

/// When the first line that is kept was recorded, as the line says it.
fn first_time(log: Log, first: i64, store: &mut Store) -> Result<String, WriteError> {
    let mut time = "now".to_owned();
    store.lines(log, first - 1, |_, line| {
        let cell = match log {
            Log::Labels => line.split(' ').next(),
            Log::Metric => line.split(',').nth(7),
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
