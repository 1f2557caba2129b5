//! What people and crashes do to the files of `metric`: torn, deleted, rotated, truncated, edited, damaged.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use metric::lines::METRIC_HEADER;
use rand::RngExt as _;
use shared::clock::{Hand, Timestamp};

use crate::account::{Books, Recorded, TEXTS, wait_for};
use crate::broker::{self, Broker};
use crate::by_hand::Metric;
use crate::feed::Feed;
use crate::processes::{Process, Services};

/// `metric` that has recorded the first 100 rows.
struct Recording {
    services: Services,
    feed: Feed,
    metric: Process,
    rows: usize,
    broker: Broker,
}

impl Recording {
    async fn new() -> Self {
        let broker = broker::turn().await;
        let services = Services::new(&broker.url);
        let (feed, metric) = (Feed::of(&services), services.metric(&[]));
        let mut recording = Self { services, feed, metric, rows: 0, broker };
        recording.publish(100).await;
        recording.books().settle_exactly().await;
        recording.broker.emptied().await;
        recording
    }

    fn books(&self) -> &Books {
        &self.services.books
    }

    fn path(&self, name: &str) -> PathBuf {
        self.books().logs().join(name)
    }

    async fn publish(&mut self, rows: usize) {
        self.feed.pairs(self.rows..self.rows + rows).await;
        self.rows += rows;
    }

    /// Publishes some rows, waits until they are what both files have, each once, and returns nothing else.
    async fn has_only_the_next_rows(&mut self) {
        let from = self.rows;
        self.publish(20).await;
        let wanted: Vec<String> = (from..self.rows).map(|row| format!("row-{row}")).collect();
        let there = || self.books().recorded().rows.len() >= wanted.len();
        wait_for("the next rows", there, || format!("{:?}\n{}", self.books().recorded(), self.metric.log()))
            .await;
        let recorded = self.books().recorded();
        recorded.assert_each_once();
        let Recorded { labels, predictions, rows } = recorded;
        for ids in [labels, predictions, rows] {
            let mut wanted = wanted.clone();
            wanted.sort();
            assert_eq!(ids.into_keys().collect::<Vec<_>>(), wanted);
        }
    }

    async fn start(&mut self) {
        self.metric = self.services.metric(&[]);
        self.metric.ready().await;
    }

    async fn has_texts(&self, wanted: &[Vec<u8>; 2]) {
        let instead = || {
            let texts = self.books().texts();
            let lengths = |texts: &[Vec<u8>; 2]| [texts[0].len(), texts[1].len()];
            format!("{:?} bytes, not {:?}\n{}", lengths(&texts), lengths(wanted), self.metric.log())
        };
        wait_for("the files to be whole", || self.books().texts() == *wanted, instead).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn torn_tail_is_completed() {
    let mut recording = Recording::new().await;
    let whole = recording.books().texts();
    for cut in [1, 2, 3, 40, 41, 75, 76, 150, 1000, 4096] {
        recording.metric.kill().await;
        for (name, text) in TEXTS.into_iter().zip(&whole) {
            let file = OpenOptions::new().write(true).open(recording.path(name)).unwrap();
            file.set_len((text.len() - cut) as u64).unwrap();
        }
        recording.start().await;
        recording.has_texts(&whole).await;
    }
    recording.publish(20).await;
    recording.books().settle_exactly().await;
    recording.books().has_nothing_aside();
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_files_start_anew() {
    let mut recording = Recording::new().await;
    for name in TEXTS {
        fs::remove_file(recording.path(name)).unwrap();
    }
    recording.has_only_the_next_rows().await;
    // One of them, so that their ends are not where the other's is.
    fs::remove_file(recording.path(TEXTS[1])).unwrap();
    let before = recording.books().recorded();
    recording.publish(20).await;
    recording.books().wait_for_rows(20).await;
    let labels = || recording.books().recorded().labels.len() == before.labels.len() + 20;
    wait_for("labels", labels, || recording.metric.log()).await;
    assert_eq!(recording.books().rows(), 20);
    // While nobody runs, after a clean end: nothing is repeated.
    recording.metric.stop().await;
    for name in TEXTS {
        fs::remove_file(recording.path(name)).unwrap();
    }
    recording.start().await;
    recording.has_only_the_next_rows().await;
}

/// A program that appends to a file until it is killed.
fn writes_all_the_time(file: &Path) -> tokio::process::Child {
    let script = format!("while :; do echo 1,2,3,1 >> '{}'; sleep 0.02; done", file.display());
    tokio::process::Command::new("sh").args(["-c", &script]).kill_on_drop(true).spawn().unwrap()
}

/// An old metric.py that was left running in the folder.
#[tokio::test(flavor = "multi_thread")]
async fn another_program_that_writes_all_the_time_is_told_and_copied_twice() {
    let mut recording = Recording::new().await;
    let file = recording.path(TEXTS[1]);
    let mut other = writes_all_the_time(&file);
    for _ in 0..10 {
        recording.publish(10).await;
        let scored = || recording.services.status()["labels"]["scored"] == recording.rows;
        wait_for("the rows in the database", scored, || recording.metric.log()).await;
    }
    let log = recording.metric.log();
    assert_eq!(recording.books().aside(TEXTS[1]).len(), 2, "{log}");
    assert_eq!(log.matches("another program also writes").count(), 1, "{log}");
    assert!(recording.books().aside(TEXTS[0]).is_empty());
    let left_alone = |recording: &Recording| recording.services.hint("file_left_alone");
    let said = left_alone(&recording).unwrap();
    for part in [&*file.display().to_string(), "since 20", "Stop that program", "for 60 s", "--logs"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    other.kill().await.unwrap();
    recording.metric.stop().await;
    assert_eq!(left_alone(&recording), Some(said), "the file is still not whole");
    recording.start().await;
    recording.publish(20).await;
    recording.books().settle_exactly().await;
    assert_eq!(recording.books().aside(TEXTS[1]).len(), 3);
    wait_for("the hint to be over", || left_alone(&recording).is_none(), || recording.metric.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_program_has_left_for_a_minute_is_whole_again_and_no_hint_any_more() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let feed = Feed::of(&services);
    let hand = Hand::at(Timestamp(1_795_194_245_123));
    let metric = Metric::start(&services, &hand);
    let (books, mut rows) = (&services.books, 10);
    feed.pairs(0..rows).await;
    books.wait_for_rows(rows).await;
    let mut other = writes_all_the_time(&books.logs().join(TEXTS[1]));
    while services.hint("file_left_alone").is_none() {
        assert!(rows < 1000, "{rows} rows are recorded beside another program");
        feed.pairs(rows..rows + 5).await;
        rows += 5;
    }
    assert_eq!(books.aside(TEXTS[1]).len(), 2);
    other.kill().await.unwrap();
    feed.pairs(rows..rows + 5).await;
    rows += 5;
    let whole = || {
        hand.advance(1000);
        books.aside(TEXTS[1]).len() == 3 && books.rows() == rows
    };
    wait_for("the file to be whole", whole, || format!("{} of {rows} rows", books.rows())).await;
    // It is told of after that.
    let over = || services.hint("file_left_alone").is_none();
    wait_for("the hint to be over", over, || services.hint("file_left_alone").unwrap_or_default()).await;
    books.settle_exactly().await;
    metric.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_gone_after_a_crash_repeat_at_most_what_was_not_synced() {
    let mut recording = Recording::new().await;
    recording.metric.kill().await;
    let aside = TEXTS.map(|name| {
        let (path, aside) = (recording.path(name), recording.books().path(name));
        fs::rename(&path, &aside).unwrap();
        fs::read(aside).unwrap()
    });
    recording.start().await;
    recording.publish(20).await;
    recording.books().wait_for_rows(20).await;
    let next = || recording.books().recorded().rows.contains_key(&format!("row-{}", recording.rows - 1));
    wait_for("the next rows", next, || recording.metric.log()).await;
    recording.metric.stop().await;
    // What is new and what was moved away are together what was recorded, nothing else and nothing twice in one.
    recording.books().recorded().assert_each_once();
    for (name, aside) in TEXTS.into_iter().zip(&aside) {
        let header = if name == TEXTS[1] { METRIC_HEADER } else { "" };
        let now = recording.books().text(name);
        let repeated = (0..=aside.len())
            .rev()
            .find(|length| now[header.len()..].starts_with(&aside[aside.len() - length..]));
        let new = String::from_utf8(now[header.len() + repeated.unwrap()..].to_vec()).unwrap();
        let lines = new.lines().count();
        assert_eq!(lines, if name == TEXTS[1] { 20 } else { 40 }, "{name}: {new}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rotated_under_load_loses_nothing() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (_model, mut metric) = (services.model(&[]), services.metric(&[]));
    let mut features = services.features(&["--rate", "1000", "--count", "15000"]);
    let mut old = [Vec::new(), Vec::new()];
    for _ in 0..4 {
        services.books.wait_for_rows(1000).await;
        for (name, old) in TEXTS.into_iter().zip(&mut old) {
            let aside = services.books.path(name);
            fs::rename(services.books.logs().join(name), &aside).unwrap();
            // What was under way at that moment still goes to the old file.
            wait_for("a new file", || services.books.logs().join(name).exists(), || metric.log()).await;
            old.extend(fs::read(&aside).unwrap());
        }
    }
    assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    // All parts one after the other, as they were written.
    let parts = || [0, 1].map(|i| [old[i].clone(), services.books.text(TEXTS[i])].concat());
    let lines = || parts().map(|text| text.iter().filter(|byte| **byte == b'\n').count());
    wait_for("15000 rows in all parts", || lines() == [30_000, 15_000 + 5], || format!("{:?}", lines()))
        .await;
    broker.emptied().await;
    metric.stop().await;
    // Made whole again, but for the headers of the later parts.
    for (name, text) in TEXTS.into_iter().zip(parts()) {
        let text = String::from_utf8(text).unwrap();
        let whole = match name {
            "metric_log.csv" => format!("{METRIC_HEADER}{}", text.replace(METRIC_HEADER, "")),
            _ => text,
        };
        fs::write(services.books.logs().join(name), whole).unwrap();
    }
    services.books.settle_exactly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn truncated_in_place_goes_on_at_the_start() {
    let mut recording = Recording::new().await;
    for _ in 0..2 {
        for name in TEXTS {
            OpenOptions::new().write(true).open(recording.path(name)).unwrap().set_len(0).unwrap();
        }
        recording.has_only_the_next_rows().await;
    }
}

/// How a file is edited.
type Edit = (&'static str, fn(&Path));

/// Edits of a file that has a few thousand bytes.
const EDITS: [Edit; 4] = [
    ("other bytes in the middle", |path| {
        let mut file = OpenOptions::new().write(true).open(path).unwrap();
        file.seek(SeekFrom::Start(2000)).unwrap();
        file.write_all(b"edited").unwrap();
    }),
    ("more bytes in the middle, as an editor saves it", |path| {
        let mut text = fs::read(path).unwrap();
        text.splice(2000..2000, *b"edited\n");
        let saved = path.with_extension("saved");
        fs::write(&saved, text).unwrap();
        fs::rename(saved, path).unwrap();
    }),
    ("a line at the end", |path| {
        OpenOptions::new().append(true).open(path).unwrap().write_all(b"edited\n").unwrap();
    }),
    ("other content", |path| fs::write(path, "edited").unwrap()),
];

#[tokio::test(flavor = "multi_thread")]
async fn edited_file_is_put_aside() {
    let mut recording = Recording::new().await;
    for runs in [true, false] {
        for (how, edit) in EDITS {
            for name in TEXTS {
                // Anew, since a third edit within an hour has to be quiet for a minute first: nobody knows that each is the last.
                recording.metric.stop().await;
                if runs {
                    recording.start().await;
                }
                let before = recording.books().aside(name);
                edit(&recording.path(name));
                let edited = recording.books().text(name);
                if !runs {
                    recording.start().await;
                }
                recording.publish(5).await;
                let there = || recording.books().aside(name).len() > before.len();
                let what = format!("{name} to be put aside, {how}, running: {runs}");
                wait_for(&what, there, || recording.metric.log()).await;
                let aside =
                    recording.books().aside(name).into_iter().find(|path| !before.contains(path)).unwrap();
                assert!(fs::read(aside).unwrap() == edited, "{what}: other bytes than were edited");
                recording.books().settle_exactly().await;
            }
        }
    }
    recording.metric.stop().await;
    recording.services.rebuild_writes_the_same();
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_database_is_refused() {
    let mut recording = Recording::new().await;
    recording.publish(1000).await;
    recording.books().settle_exactly().await;
    recording.metric.stop().await;
    let path = recording.path("metric.db");
    let good = fs::read(&path).unwrap();
    let texts = recording.books().texts();
    let mut garbage = [0; 20_000];
    rand::rng().fill(&mut garbage);
    for (how, at) in [("in the middle", good.len() / 2), ("in the header", 0)] {
        let mut bad = good.clone();
        bad[at..at + garbage.len()].copy_from_slice(&garbage);
        fs::write(&path, &bad).unwrap();
        let mut metric = recording.services.metric(&[]);
        let why = metric.fails().await;
        assert!(why.contains("metric.db") && why.contains("is damaged"), "garbage {how}: {why}");
        assert!(recording.books().texts() == texts, "garbage {how}: the files have changed");
    }
    fs::write(&path, &good).unwrap();
    recording.start().await;
    recording.publish(20).await;
    recording.books().settle_exactly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_metric_is_refused() {
    let mut recording = Recording::new().await;
    let mut second = recording.services.metric(&[]);
    let why = second.fails().await;
    assert!(why.contains("another metric"), "{why}");
    recording.publish(20).await;
    recording.books().settle_exactly().await;
    recording.metric.stop().await;
    recording.start().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_restart_repeats_nothing() {
    let mut recording = Recording::new().await;
    for _ in 0..3 {
        recording.metric.stop().await;
        let whole = recording.books().texts();
        recording.start().await;
        assert!(recording.books().texts() == whole, "{}", recording.metric.log());
        recording.publish(20).await;
        recording.books().settle_exactly().await;
        recording.broker.emptied().await;
        assert!(recording.books().texts().iter().zip(&whole).all(|(now, then)| now.starts_with(then)));
    }
}
