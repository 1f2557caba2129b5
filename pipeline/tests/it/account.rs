//! The accounting that every fault is held to: what was confirmed is what is recorded, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use metric::lines::METRIC_HEADER;
use serde_json::Value;

/// The two files of `metric` that people read.
pub const TEXTS: [&str; 2] = ["labels_log.txt", "metric_log.csv"];

/// How often each id was recorded as what.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub labels: BTreeMap<String, usize>,
    pub predictions: BTreeMap<String, usize>,
    pub rows: BTreeMap<String, usize>,
}

/// The folder of a test: the ledger of what was confirmed, and metric's files.
pub struct Books {
    folder: tempfile::TempDir,
}

impl Books {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    pub fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The ids whose publish was confirmed: rows and labels.
    pub fn confirmed(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let text = fs::read_to_string(self.ledger()).unwrap_or_default();
        let of = |queue: &str| {
            let lines = text.lines().filter_map(|line| line.split_once(','));
            lines.filter(|(name, _)| *name == queue).map(|(_, id)| id.to_owned()).collect()
        };
        (of("Features"), of("y_true"))
    }

    /// What the files have. Every line must be well formed.
    pub fn recorded(&self) -> Recorded {
        let mut recorded = Recorded::default();
        for line in self.files("labels_log.txt").iter().flat_map(|file| whole_lines(file)) {
            let cells: Vec<&str> = line.split(' ').collect();
            let count = match (cells.get(1), cells.len()) {
                (Some(&"y_true"), 4) => &mut recorded.labels,
                // What is compared with the one that serves is in this file too, and in no other.
                (Some(&"y_predict"), 5) if is_beside(cells[4]) => continue,
                (Some(&"y_predict"), 5) => &mut recorded.predictions,
                _ => panic!("malformed line in labels_log.txt: {line:?}"),
            };
            cells[3].parse::<f64>().unwrap();
            *count.entry(cells[2].to_owned()).or_default() += 1;
        }
        let files = self.files("metric_log.csv").into_iter();
        for (number, line) in files.flat_map(|file| whole_lines(&file).into_iter().enumerate()) {
            if number == 0 {
                assert_eq!(line, METRIC_HEADER.trim_end());
                continue;
            }
            let cells: Vec<&str> = line.split(',').collect();
            assert_eq!(cells.len(), 9, "malformed line in metric_log.csv: {line:?}");
            let [y_true, y_pred, error] = [1, 2, 3].map(|cell| cells[cell].parse::<f64>().unwrap());
            assert_eq!(error, (y_true - y_pred).abs(), "{line:?}");
            *recorded.rows.entry(cells[0].to_owned()).or_default() += 1;
        }
        recorded
    }

    /// The file of this name, and those of days that are over.
    fn files(&self, name: &str) -> Vec<PathBuf> {
        let closed = |file: &String| {
            let end = file.strip_prefix(name).and_then(|end| end.strip_prefix('.'));
            end.is_some_and(|end| end.starts_with("20") && !end.contains(".foreign-"))
        };
        let entries = fs::read_dir(self.logs()).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(closed).chain([name.to_owned()]).map(|file| self.logs().join(file)).collect()
    }

    /// How many rows `metric_log.csv` has.
    pub fn rows(&self) -> usize {
        let text = self.text("metric_log.csv");
        text.iter().filter(|byte| **byte == b'\n').count().saturating_sub(1)
    }

    /// What is in a file of the records; nothing where there is none.
    pub fn text(&self, name: &str) -> Vec<u8> {
        fs::read(self.logs().join(name)).unwrap_or_default()
    }

    /// What is in both files of [`TEXTS`].
    pub fn texts(&self) -> [Vec<u8>; 2] {
        TEXTS.map(|name| self.text(name))
    }

    /// The files of somebody else that were put aside for this one.
    pub fn aside(&self, name: &str) -> Vec<PathBuf> {
        let prefix = format!("{name}.foreign-");
        let entries = fs::read_dir(self.logs()).unwrap().map(|entry| entry.unwrap());
        let aside = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
        aside.map(|entry| entry.path()).collect()
    }

    /// Nobody but metric has written to its files, and it knows that.
    pub fn has_nothing_aside(&self) {
        let aside = TEXTS.map(|name| self.aside(name)).concat();
        assert!(aside.is_empty(), "put aside, though nobody has edited it: {aside:?}");
    }

    /// Waits until there are this many rows.
    pub async fn wait_for_rows(&self, count: usize) {
        wait_for(&format!("{count} rows"), || self.rows() >= count, || format!("there are {}", self.rows()))
            .await;
    }

    /// Waits until all that was confirmed is recorded, then holds the records to it, each once.
    pub async fn settle(&self) -> Recorded {
        let (rows, labels) = self.confirmed();
        let both = &rows & &labels;
        wait_for(
            "all that was confirmed to be recorded",
            || {
                let recorded = self.recorded();
                let has = |ids: &BTreeMap<String, usize>, wanted: &BTreeSet<String>| {
                    wanted.iter().all(|id| ids.contains_key(id))
                };
                has(&recorded.labels, &labels)
                    && has(&recorded.predictions, &rows)
                    && has(&recorded.rows, &both)
            },
            || {
                let Recorded { labels: l, predictions: p, rows: r } = self.recorded();
                let (rows, labels) = (rows.len(), labels.len());
                format!(
                    "of {rows} rows and {labels} labels: {} labels, {} predictions, {} rows",
                    l.len(),
                    p.len(),
                    r.len()
                )
            },
        )
        .await;
        let recorded = self.recorded();
        recorded.assert_each_once();
        recorded
    }

    /// As [`Books::settle`], where nothing but what was confirmed can have arrived.
    pub async fn settle_exactly(&self) {
        let recorded = self.settle().await;
        let (rows, labels) = self.confirmed();
        let keys = |ids: &BTreeMap<String, usize>| ids.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(keys(&recorded.labels), labels, "labels");
        assert_eq!(keys(&recorded.predictions), rows, "predictions");
        assert_eq!(keys(&recorded.rows), &rows & &labels, "rows");
    }

    /// Holds what `metric status` says to the files: the counts, and the scores to nine digits.
    pub fn agree_with(&self, status: &Value) {
        adds_up(status);
        let Recorded { labels, predictions, rows } = self.recorded();
        let with_id = |ids: &BTreeMap<String, usize>| -> u64 {
            ids.iter().filter(|(id, _)| *id != "-").map(|(_, count)| *count as u64).sum()
        };
        for (queue, received, scored) in [
            ("labels", with_id(&labels), rows.len() as u64),
            ("predictions", with_id(&predictions), with_id(&rows)),
        ] {
            let counts = &status[queue];
            assert_eq!((count(counts, "received"), count(counts, "scored")), (received, scored), "{counts}");
        }
        for ((model, version), pairs) in self.pairs() {
            let mut models = status["models"].as_array().unwrap().iter();
            let said = models.find(|said| said["model"] == *model && said["version"] == *version);
            let said = said.unwrap_or_else(|| panic!("{model}@{version} is not in {status}"));
            let rows = pairs.len() as f64;
            let sum = |term: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|(t, p)| term(*t, *p)).sum::<f64>();
            let mean = sum(&|t, _| t) / rows;
            let squared = sum(&|t, p| (t - p).powi(2));
            for (name, wanted) in [
                ("mae", sum(&|t, p| (t - p).abs()) / rows),
                ("rmse", (squared / rows).sqrt()),
                ("r2", 1.0 - squared / sum(&|t, _| (t - mean).powi(2))),
            ] {
                let says = said[name].as_f64().unwrap_or(f64::NAN);
                let close = (says - wanted).abs() <= 1e-9 * wanted.abs();
                assert!(close, "{name} of {rows} rows is {wanted}, and metric says {said}");
            }
        }
    }

    /// Label and prediction of each row of `metric_log.csv`, by model and version.
    fn pairs(&self) -> BTreeMap<(String, String), Vec<(f64, f64)>> {
        let mut pairs = BTreeMap::<_, Vec<_>>::new();
        let files = self.files("metric_log.csv").into_iter();
        for line in files.flat_map(|file| whole_lines(&file).into_iter().skip(1)) {
            let cells: Vec<&str> = line.split(',').collect();
            let model = (cells[4].to_owned(), cells[5].to_owned());
            pairs.entry(model).or_default().push((cells[1].parse().unwrap(), cells[2].parse().unwrap()));
        }
        pairs
    }
}

/// Holds `metric status` to its own account: what was received is scored, waits, or has expired.
pub fn adds_up(status: &Value) {
    let models = status["models"].as_array().unwrap_or_else(|| panic!("no models in {status}"));
    for counts in [&status["labels"], &status["predictions"]].into_iter().chain(models) {
        let parts: u64 = ["scored", "pending", "expired"].map(|part| count(counts, part)).into_iter().sum();
        assert_eq!(count(counts, "received"), parts, "{counts}");
    }
}

/// A count that `metric status` gives.
pub fn count(counts: &Value, name: &str) -> u64 {
    counts[name].as_u64().unwrap_or_else(|| panic!("no count {name} in {counts}"))
}

impl Recorded {
    pub fn assert_each_once(&self) {
        for (what, ids) in [("label", &self.labels), ("prediction", &self.predictions), ("row", &self.rows)] {
            let repeated: Vec<_> = ids.iter().filter(|(_, count)| **count != 1).collect();
            assert!(repeated.is_empty(), "{what} recorded more than once: {repeated:?}");
        }
    }
}

/// Whether a prediction is a shadow's, or of a challenger of these tests.
fn is_beside(tag: &str) -> bool {
    let name = tag.split('@').next().unwrap_or_default();
    name.ends_with(".shadow") || name.starts_with("rival")
}

/// The lines that have their end: a reader may come while one is written.
fn whole_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    text[..whole].lines().map(str::to_owned).collect()
}

/// Waits for a condition that another process brings about.
pub async fn wait_for(what: &str, holds: impl Fn() -> bool, instead: impl Fn() -> String) {
    const PATIENCE: Duration = Duration::from_secs(90);
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}; {}", instead());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
