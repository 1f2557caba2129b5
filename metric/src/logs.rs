//! Appends to `labels_log.txt` and `metric_log.csv`, and never leaves half of what it was given.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::lines::METRIC_HEADER;

/// The file of all labels and predictions.
pub(crate) const LABELS_LOG: &str = "labels_log.txt";
/// The file of all scored rows.
pub(crate) const METRIC_LOG: &str = "metric_log.csv";

/// The two files.
#[derive(Debug)]
pub(crate) struct Logs {
    labels: Log,
    metric: Log,
}

impl Logs {
    /// Opens the files in `folder`, making what is missing. What is there stays.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {} for the records", folder.display()))?;
        let labels = Log::open(folder.join(LABELS_LOG), "")?;
        let metric = Log::open(folder.join(METRIC_LOG), METRIC_HEADER)?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .context("cannot make the records' folder durable")?;
        Ok(Self { labels, metric })
    }

    /// Appends to both files and waits until it is on disk. Where that fails, neither has changed.
    pub(crate) fn append(&mut self, labels: &str, metric: &str) -> Result<(), AppendError> {
        let before = self.labels.length;
        self.labels.append(labels)?;
        match self.metric.append(metric) {
            Err(AppendError::Again(why)) => {
                self.labels.cut(before)?;
                Err(AppendError::Again(why))
            }
            appended => appended,
        }
    }
}

/// Why lines could not be appended.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// The file system does not take them now, such as when it is full.
    Again(anyhow::Error),
    /// Nobody knows what is on disk: a sync failed, after which the next one says that all is well, or half-written
    /// lines could not be taken back.
    Fatal(anyhow::Error),
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Log {
    fn open(path: PathBuf, header: &str) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .read(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot open {} to append to it", path.display()))?;
        let length = file.metadata().with_context(|| format!("cannot read {}", path.display()))?.len();
        let mut log = Self { path, file, length };
        if length > 0 {
            log.check_header(header)?;
            log.cut_torn_line()?;
        }
        if log.length == 0 {
            log.append(header).map_err(|why| match why {
                AppendError::Again(why) | AppendError::Fatal(why) => why,
            })?;
        }
        Ok(log)
    }

    /// A file with other columns, such as the exercise's own four, must not get rows of ours. A header that a crash
    /// has torn is ours.
    fn check_header(&mut self, header: &str) -> anyhow::Result<()> {
        let mut start = Vec::new();
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        file.take(header.len() as u64).read_to_end(&mut start)?;
        let torn = (start.len() as u64) == self.length && header.as_bytes().starts_with(&start);
        ensure!(
            start == header.as_bytes() || torn,
            "{} has another header than {:?}; move it away, a new one will be made",
            self.path.display(),
            header.trim_end()
        );
        Ok(())
    }

    /// A crash may have torn the last line. It was never acknowledged, so its message comes again.
    fn cut_torn_line(&mut self) -> anyhow::Result<()> {
        const BLOCK: u64 = 4096;
        let mut file = &self.file;
        let mut end = self.length;
        let whole = loop {
            let start = end.saturating_sub(BLOCK);
            let mut block = Vec::new();
            file.seek(SeekFrom::Start(start))?;
            file.take(end - start).read_to_end(&mut block)?;
            match block.iter().rposition(|byte| *byte == b'\n') {
                Some(at) => break start + at as u64 + 1,
                None if start == 0 => break 0,
                None => end = start,
            }
        };
        if whole < self.length {
            let torn = self.length - whole;
            tracing::warn!(
                "cutting {torn} bytes of a line that a crash has torn off {}",
                self.path.display()
            );
            self.cut(whole).map_err(|why| match why {
                AppendError::Again(why) | AppendError::Fatal(why) => why,
            })?;
        }
        Ok(())
    }

    fn append(&mut self, text: &str) -> Result<(), AppendError> {
        if text.is_empty() {
            return Ok(());
        }
        if let Err(why) = self.file.write_all(text.as_bytes()) {
            self.cut(self.length)?;
            let why = anyhow::Error::from(why).context(format!("cannot append to {}", self.path.display()));
            return Err(AppendError::Again(why));
        }
        self.sync()?;
        self.length += text.len() as u64;
        Ok(())
    }

    /// Takes back what was appended since the file had this length.
    fn cut(&mut self, length: u64) -> Result<(), AppendError> {
        let cut = self.file.set_len(length);
        let cut =
            cut.with_context(|| format!("cannot take back half-written lines of {}", self.path.display()));
        cut.map_err(AppendError::Fatal)?;
        self.length = length;
        self.sync()
    }

    fn sync(&self) -> Result<(), AppendError> {
        let synced = self.file.sync_data();
        synced
            .with_context(|| format!("cannot sync {} to disk", self.path.display()))
            .map_err(AppendError::Fatal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap()
    }

    #[test]
    fn appends_with_one_header_across_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let nested = folder.path().join("a/logs");
        for round in 0..3 {
            let mut logs = Logs::open(&nested).unwrap();
            logs.append(&format!("label {round}\n"), &format!("row {round}\n")).unwrap();
        }
        assert_eq!(read(&nested, LABELS_LOG), "label 0\nlabel 1\nlabel 2\n");
        assert_eq!(read(&nested, METRIC_LOG), format!("{METRIC_HEADER}row 0\nrow 1\nrow 2\n"));
    }

    #[test]
    fn a_torn_line_is_cut() {
        let long = "x".repeat(10_000);
        for (there, kept) in [("whole\nto", "whole\n"), ("to", ""), ("whole\n", "whole\n"), (&long, "")] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(LABELS_LOG), there).unwrap();
            fs::write(folder.path().join(METRIC_LOG), &METRIC_HEADER[..7]).unwrap();
            Logs::open(folder.path()).unwrap().append("next\n", "row\n").unwrap();
            assert_eq!(read(folder.path(), LABELS_LOG), format!("{kept}next\n"));
            assert_eq!(read(folder.path(), METRIC_LOG), format!("{METRIC_HEADER}row\n"));
        }
    }

    #[test]
    fn a_file_with_other_columns_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = "id,y_true,y_pred,absolute_error\n1,2,3,1\n";
        fs::write(folder.path().join(METRIC_LOG), theirs).unwrap();
        let error = Logs::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("has another header") && error.contains("move it away"), "{error}");
        assert_eq!(read(folder.path(), METRIC_LOG), theirs);
    }

    #[test]
    fn a_write_that_cannot_be_taken_back_is_fatal() {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = Logs::open(folder.path()).unwrap();
        // This device is always full, and cannot be cut.
        logs.metric.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert!(matches!(logs.append("one\n", "1\n"), Err(AppendError::Fatal(_))));
    }
}
