//! Watches `metric_log.csv` grow.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// How long the file may stay as it is before a run counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// Counts the rows of a file that another process appends to. Each byte is read once.
pub(crate) struct Records {
    path: PathBuf,
    file: Option<File>,
    lines: u64,
}

impl Records {
    pub(crate) fn new(logs: &Path) -> Self {
        Self { path: logs.join("metric_log.csv"), file: None, lines: 0 }
    }

    /// Looks every `step` until there are `rows` rows; returns when that was and how many there were.
    pub(crate) fn wait(&mut self, rows: u64, step: Duration) -> anyhow::Result<(Instant, u64)> {
        let mut last = (Instant::now(), self.rows());
        loop {
            self.read().with_context(|| format!("cannot read {}", self.path.display()))?;
            let now = Instant::now();
            if self.rows() >= rows {
                return Ok((now, self.rows()));
            }
            if self.rows() > last.1 {
                last = (now, self.rows());
            }
            if now - last.0 > PATIENCE {
                bail!("no new row for {PATIENCE:?} at {} of {rows}", self.rows());
            }
            std::thread::sleep(step);
        }
    }

    /// All lines but the header.
    fn rows(&self) -> u64 {
        self.lines.saturating_sub(1)
    }

    fn read(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => match File::open(&self.path) {
                Ok(file) => self.file.insert(file),
                // Not made yet.
                Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(why) => return Err(why),
            },
        };
        let mut chunk = [0; 64 * 1024];
        loop {
            let length = file.read(&mut chunk)?;
            if length == 0 {
                return Ok(());
            }
            self.lines += chunk[..length].iter().filter(|&&byte| byte == b'\n').count() as u64;
        }
    }
}
