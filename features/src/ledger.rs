//! What the broker has confirmed: counted, and written down where that is wanted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use shared::message::Role;

use crate::schedule::Due;

/// Counts of confirmed messages, and the file that names them: a line `queue,id` each.
#[derive(Debug)]
pub(crate) struct Ledger {
    file: Option<File>,
    rows: AtomicU64,
    labels: AtomicU64,
}

impl Ledger {
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let open = |path: &Path| {
            let file = OpenOptions::new().create(true).append(true).open(path);
            file.with_context(|| format!("cannot open the ledger {}", path.display()))
        };
        let file = path.map(open).transpose()?;
        Ok(Self { file, rows: AtomicU64::new(0), labels: AtomicU64::new(0) })
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
        match &self.file {
            Some(file) => (&*file).write_all(lines.as_bytes()),
            None => Ok(()),
        }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    pub(crate) fn labels(&self) -> u64 {
        self.labels.load(Ordering::Relaxed)
    }
}
