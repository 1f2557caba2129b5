//! What the broker has confirmed: counted, and written down where that is wanted.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use shared::message::Role;

use crate::schedule::Due;

/// How long what was written may be lost to a machine without power, where it is to be resumed from.
const SYNC: Duration = Duration::from_secs(1);
/// No line is longer, in bytes.
const LONGEST: u64 = 256;

/// Counts of confirmed messages, and the file that names them: a line `queue,id` each.
#[derive(Debug)]
pub(crate) struct Ledger {
    file: Option<File>,
    /// When it was made safe last; nothing where that is not wanted.
    synced: Option<Mutex<Instant>>,
    rows: AtomicU64,
    labels: AtomicU64,
}

impl Ledger {
    /// Opens the file. `durable` is for one that a feed is resumed from.
    pub(crate) fn open(path: Option<&Path>, durable: bool) -> anyhow::Result<Self> {
        let open = |path: &Path| {
            let what = || format!("cannot open the ledger {}", path.display());
            let mut file =
                OpenOptions::new().create(true).append(true).read(true).open(path).with_context(what)?;
            mend(&mut file).with_context(what)?;
            anyhow::Ok(file)
        };
        let file = path.map(open).transpose()?;
        let synced = (durable && file.is_some()).then(|| Mutex::new(Instant::now()));
        Ok(Self { file, synced, rows: AtomicU64::new(0), labels: AtomicU64::new(0) })
    }

    pub(crate) fn confirmed(&self, due: &[Due]) -> io::Result<()> {
        let mut lines = String::new();
        for message in due {
            let (count, queue, id) = match message {
                Due::Row { id, .. } => (&self.rows, Role::Features, id),
                Due::Label { id, .. } => (&self.labels, Role::Label, id),
            };
            count.fetch_add(1, Ordering::Relaxed);
            if self.file.is_some() {
                lines += &format!("{},{id}\n", queue.name());
            }
        }
        let Some(file) = &self.file else { return Ok(()) };
        (&*file).write_all(lines.as_bytes())?;
        if let Some(synced) = &self.synced
            && let Ok(mut synced) = synced.lock()
            && synced.elapsed() >= SYNC
        {
            file.sync_data()?;
            *synced = Instant::now();
        }
        Ok(())
    }

    /// Makes safe what was written, where that is wanted.
    pub(crate) fn close(&self) -> io::Result<()> {
        match &self.file {
            Some(file) if self.synced.is_some() => file.sync_data(),
            _ => Ok(()),
        }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    pub(crate) fn labels(&self) -> u64 {
        self.labels.load(Ordering::Relaxed)
    }
}

/// Takes off a last line that a crash has torn: continued, it would name an id that was never confirmed.
fn mend(file: &mut File) -> anyhow::Result<()> {
    if !file.metadata()?.is_file() {
        return Ok(());
    }
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(LONGEST);
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(LONGEST).read_to_end(&mut end)?;
    let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let torn = &end[whole..];
    if torn.is_empty() {
        return Ok(());
    }
    ensure!(
        (whole > 0 || from == 0) && is_torn_line(torn),
        "its last line is not a ledger line; name another file with --ledger"
    );
    file.set_len(from + whole as u64)?;
    Ok(())
}

/// Whether a crash can have left this of a line.
fn is_torn_line(torn: &[u8]) -> bool {
    // A machine that lost its power may have a file's length without its content.
    let written = torn.split(|byte| *byte == 0).next().unwrap_or_default();
    [Role::Features, Role::Label].iter().any(|role| {
        let begin = format!("{},", role.name());
        let begin = begin.as_bytes();
        written.starts_with(begin) || begin.starts_with(written)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::message::RowId;
    use std::fs;

    #[test]
    fn a_torn_line_is_taken_off_before_another_follows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let next = [Due::Label { id: RowId::parse("z").unwrap(), value: 1.0 }];
        for (before, after) in [
            ("", "y_true,z\n"),
            ("Features,a\n", "Features,a\ny_true,z\n"),
            ("Features,a\nFeatures,order:1", "Features,a\ny_true,z\n"),
            ("Features,a\ny_tr", "Features,a\ny_true,z\n"),
            ("Features,a\ny_true,b\0\0\0", "Features,a\ny_true,z\n"),
            ("Fea", "y_true,z\n"),
        ] {
            fs::write(&path, before).unwrap();
            Ledger::open(Some(&path), true).unwrap().confirmed(&next).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), after, "{before:?}");
        }
    }

    #[test]
    fn the_file_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("theirs");
        for theirs in ["area,price\n1,2", "hello", &"x".repeat(1000)] {
            fs::write(&path, theirs).unwrap();
            let why = format!("{:#}", Ledger::open(Some(&path), false).unwrap_err());
            assert!(why.contains("its last line is not a ledger line"), "{why}");
            assert_eq!(fs::read_to_string(&path).unwrap(), theirs);
        }
    }
}
