//! Appends to `labels_log.txt` and `metric_log.csv`, and never leaves half of what it was given.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
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
    pub(crate) fn append(&mut self, labels: &str, metric: &str) -> anyhow::Result<()> {
        let before = self.labels.length;
        self.labels.append(labels)?;
        let appended = self.metric.append(metric);
        if appended.is_err() {
            self.labels.cut(before);
        }
        appended
    }
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
        if length == 0 {
            log.append(header)?;
        } else {
            log.check_header(header)?;
            log.end_last_line()?;
        }
        Ok(log)
    }

    /// A file with other columns, such as the exercise's own four, must not get rows of ours.
    fn check_header(&mut self, header: &str) -> anyhow::Result<()> {
        let mut start = Vec::new();
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        file.take(header.len() as u64).read_to_end(&mut start)?;
        ensure!(
            start == header.as_bytes(),
            "{} has another header than {:?}; move it away, a new one will be made",
            self.path.display(),
            header.trim_end()
        );
        Ok(())
    }

    /// A crash may have left a line without its end; what comes next must not continue it.
    fn end_last_line(&mut self) -> anyhow::Result<()> {
        let mut last = [0];
        let mut file = &self.file;
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            self.append("\n")?;
        }
        Ok(())
    }

    fn append(&mut self, text: &str) -> anyhow::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.length += text.len() as u64;
                Ok(())
            }
            Err(why) => {
                self.cut(self.length);
                Err(why).with_context(|| format!("cannot append to {}", self.path.display()))
            }
        }
    }

    /// Takes back what was appended since the file had this length.
    fn cut(&mut self, length: u64) {
        let cut: io::Result<()> = self.file.set_len(length);
        match cut {
            Ok(()) => self.length = length,
            Err(why) => {
                tracing::error!("cannot take back half-written lines of {}: {why}", self.path.display())
            }
        }
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
    fn a_torn_line_is_ended_not_continued() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LABELS_LOG), "whole\nto").unwrap();
        Logs::open(folder.path()).unwrap().append("next\n", "").unwrap();
        assert_eq!(read(folder.path(), LABELS_LOG), "whole\nto\nnext\n");
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
    fn a_failed_append_leaves_both_files_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = Logs::open(folder.path()).unwrap();
        logs.append("one\n", "1\n").unwrap();
        // A file that is open for reading only cannot be appended to.
        logs.metric.file = File::open(folder.path().join(METRIC_LOG)).unwrap();
        assert!(logs.append("two\n", "2\n").is_err());
        assert_eq!(read(folder.path(), LABELS_LOG), "one\n");
    }
}
