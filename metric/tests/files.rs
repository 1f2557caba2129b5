//! What happens to the text files while nobody looks, and while metric runs: each line is in them once, and what
//! somebody else has written is never overwritten.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use metric::account::Rejected;
use metric::arrival::{Arrival, ArrivalKind};
use metric::lines::METRIC_HEADER;
use metric::records::Records;
use metric::store::{CommitTime, Kind, Limits, Reader};
use metric::write_error::WriteError;
use shared::clock::{Clock, Hand, Timestamp};
use shared::message::RowId;

const LABELS: &str = "labels_log.txt";
const ROWS: &str = "metric_log.csv";

/// A folder and a `metric` on it that is called by hand.
struct Case {
    folder: tempfile::TempDir,
    records: Option<Records>,
    next: u32,
    age: i64,
    limits: Limits,
}

impl Case {
    fn new() -> Self {
        let mut case = Self {
            folder: tempfile::tempdir().unwrap(),
            records: None,
            next: 0,
            age: 0,
            limits: Limits { horizon_ms: 1000, ..Limits::default() },
        };
        case.start();
        case
    }

    fn start(&mut self) {
        self.records = Some(Records::open(self.folder.path()).unwrap());
    }

    fn stop(&mut self) {
        self.records.take().unwrap().close().unwrap();
    }

    fn crash(&mut self) {
        drop(self.records.take().unwrap());
    }

    /// The halves of the next rows, and when they come.
    fn arrivals(&mut self, rows: u32) -> (Vec<Arrival>, CommitTime) {
        let mut arrivals = Vec::new();
        for row in self.next..self.next + rows {
            let id = RowId::parse(&format!("row-{row}")).ok();
            for kind in [ArrivalKind::Label, ArrivalKind::Prediction(metric::arrival::Origin::default())] {
                arrivals.push(Arrival { id: id.clone(), kind, value: f64::from(row), published_at: None });
            }
        }
        self.next += rows;
        (arrivals, CommitTime { wall: Timestamp(1_795_194_245_123), age: self.age })
    }

    fn try_to_record(&mut self, rows: u32) -> Result<(), WriteError> {
        let (arrivals, now) = self.arrivals(rows);
        let records = self.records.as_mut().unwrap();
        let recorded = records.commit(&arrivals, Rejected::default(), now, &self.limits)?;
        records.show(&recorded.labels_log, &recorded.metric_log)
    }

    fn record(&mut self, rows: u32) {
        self.try_to_record(rows).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Both files have the rows of this range and nothing else.
    fn has(&self, rows: std::ops::Range<u32>) {
        let (mut labels, mut metric) = (String::new(), METRIC_HEADER.to_owned());
        for row in rows {
            let at = "2026-11-20T17:04:05.123Z";
            labels += &format!("{at} y_true row-{row} {row}\n{at} y_predict row-{row} {row} -@-\n");
            metric += &format!("row-{row},{row},{row},0,,,{at},{at},0\n");
        }
        assert_eq!(self.text(LABELS), labels);
        assert_eq!(self.text(ROWS), metric);
    }

    /// Which files are left alone because another program writes into them, what for, and since when.
    fn left_alone(&self) -> Vec<(String, i64, Timestamp)> {
        let findings = Reader::open(self.folder.path()).unwrap().findings().unwrap();
        assert!(findings.iter().all(|finding| finding.kind == Kind::LeftAlone));
        findings.into_iter().map(|finding| (finding.subject, finding.count, finding.since)).collect()
    }

    /// What was put aside.
    fn aside(&self) -> Vec<PathBuf> {
        let paths = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        paths.filter(|path| path.to_string_lossy().contains(".foreign-")).collect()
    }
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn overwrite(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from));
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn restarts_repeat_nothing_and_lose_nothing() {
    let mut case = Case::new();
    for round in 0..6 {
        case.record(10);
        if round % 2 == 0 {
            case.stop()
        } else {
            case.crash()
        }
        case.start();
        case.has(0..case.next);
    }
}

#[test]
fn every_torn_tail_is_completed() {
    let mut case = Case::new();
    case.record(3);
    case.stop();
    case.start();
    case.record(2);
    let lengths = [LABELS, ROWS].map(|name| fs::metadata(case.path(name)).unwrap().len());
    // As many bytes as the last two rows have, which no sync has made durable.
    for cut in 0..100 {
        case.crash();
        for (name, length) in [LABELS, ROWS].into_iter().zip(lengths) {
            OpenOptions::new().write(true).open(case.path(name)).unwrap().set_len(length - cut).unwrap();
        }
        case.start();
        case.has(0..5);
    }
    assert!(case.aside().is_empty());
}

#[test]
fn zeros_that_a_power_cut_leaves_are_cut() {
    let mut case = Case::new();
    case.record(3);
    case.stop();
    case.start();
    case.record(2);
    case.crash();
    let file = OpenOptions::new().write(true).open(case.path(LABELS)).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length - 40).unwrap();
    file.set_len(length + 4096).unwrap();
    case.start();
    case.has(0..5);
    assert!(case.aside().is_empty());
}

#[test]
fn deleted_rotated_or_emptied_files_start_anew() {
    type Remove = fn(&Path);
    let ways: [Remove; 3] = [
        |path| fs::remove_file(path).unwrap(),
        |path| fs::rename(path, path.with_extension("1")).unwrap(),
        |path| drop(fs::File::create(path).unwrap()),
    ];
    for remove in ways {
        for stopped in [false, true] {
            let mut case = Case::new();
            case.record(4);
            if stopped {
                case.stop();
            }
            [LABELS, ROWS].iter().for_each(|name| remove(&case.path(name)));
            if stopped {
                case.start();
            }
            case.record(3);
            case.has(4..7);
            case.crash();
            case.start();
            case.has(4..7);
            assert!(case.aside().is_empty());
        }
    }
}

#[test]
fn a_foreign_edit_is_put_aside_and_a_whole_file_made() {
    type Edit = fn(&Path);
    let edits: [Edit; 5] = [
        |path| append(path, "somebody's line\n"),
        |path| append(path, "no end"),
        |path| overwrite(path, "row-1", "row-9"),
        |path| overwrite(path, "row-1", ""),
        |path| overwrite(path, "row-3", "row-33"),
    ];
    for edit in edits {
        for stopped in [false, true] {
            let mut case = Case::new();
            case.record(4);
            if stopped {
                case.stop();
            }
            let paths = [LABELS, ROWS].map(|name| case.path(name));
            paths.iter().for_each(|path| edit(path));
            let mut edited = paths.map(|path| fs::read_to_string(path).unwrap());
            if stopped {
                case.start();
            }
            case.record(3);
            case.has(0..7);
            let mut aside: Vec<String> =
                case.aside().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
            aside.sort();
            edited.sort();
            assert_eq!(aside, edited);
        }
    }
}

#[test]
fn another_program_that_keeps_writing_makes_two_copies_and_then_waits() {
    let hand = Hand::at(Timestamp(1_795_194_245_123));
    let clock = Clock::Manual(Arc::clone(&hand));
    for gone in [false, true] {
        let mut case = Case::new();
        case.records = case.records.take().map(|records| records.with_clock(&clock));
        let start = clock.wall();
        for _ in 0..50 {
            append(&case.path(ROWS), "7,1,2,1\n");
            case.record(1);
            hand.advance(1000);
        }
        assert_eq!(case.aside().len(), 2);
        assert!(case.text(LABELS).contains("row-49"), "the other file goes on");
        // The third row met the third foreign line.
        let since = Timestamp(start.0 + 2000);
        assert_eq!(case.left_alone(), [(ROWS.to_owned(), 60, since)]);
        case.records.as_mut().unwrap().sync().unwrap();
        assert_eq!(case.left_alone().len(), 1);
        assert!(!case.text(ROWS).contains("row-49"));
        // It stops, or somebody takes the file away.
        if gone {
            fs::remove_file(case.path(ROWS)).unwrap();
        } else {
            hand.advance(60_000);
        }
        case.records.as_mut().unwrap().sync().unwrap();
        assert_eq!(case.aside().len(), if gone { 2 } else { 3 });
        assert_eq!(case.left_alone(), []);
        assert!(case.text(ROWS).contains("row-49"));
        case.record(1);
        if !gone {
            case.has(0..51);
        }
    }
}

#[test]
fn a_start_completes_a_file_that_was_left_alone() {
    for crashed in [false, true] {
        let mut case = Case::new();
        for _ in 0..5 {
            append(&case.path(ROWS), "7,1,2,1\n");
            case.record(1);
        }
        assert_eq!(case.aside().len(), 2);
        if crashed {
            case.crash()
        } else {
            case.stop()
        }
        assert_eq!(case.left_alone().len(), 1, "it is still not whole");
        case.start();
        assert_eq!(case.left_alone(), []);
        case.record(1);
        case.has(0..6);
    }
}

#[test]
fn an_edit_that_only_the_next_start_can_notice_is_put_aside_too() {
    let mut case = Case::new();
    case.record(4);
    overwrite(&case.path(ROWS), "row-1", "row-9");
    case.stop();
    case.start();
    case.record(1);
    case.has(0..5);
    assert!(fs::read_to_string(&case.aside()[0]).unwrap().contains("row-9"));
}

#[test]
fn a_database_that_is_deleted_under_it_ends_it() {
    for name in ["metric.db", "metric.lock"] {
        let mut case = Case::new();
        case.record(1);
        fs::remove_file(case.path(name)).unwrap();
        let why = case.try_to_record(1).unwrap_err();
        assert!(matches!(why, WriteError::Fatal(_)));
        assert!(why.into_error().to_string().contains("was deleted or replaced while metric ran"));
    }
}

#[test]
fn lines_that_one_file_could_not_take_are_written_once_to_both() {
    let mut case = Case::new();
    case.record(2);
    let (csv, away) = (case.path(ROWS), case.path("away"));
    fs::rename(&csv, &away).unwrap();
    fs::create_dir(&csv).unwrap();
    let (arrivals, now) = case.arrivals(3);
    let records = case.records.as_mut().unwrap();
    let recorded = records.commit(&arrivals, Rejected::default(), now, &case.limits).unwrap();
    for _ in 0..2 {
        let why = records.show(&recorded.labels_log, &recorded.metric_log).unwrap_err();
        assert!(matches!(why, WriteError::Passing(_)), "{why:?}");
    }
    fs::remove_dir(&csv).unwrap();
    fs::rename(&away, &csv).unwrap();
    records.show(&recorded.labels_log, &recorded.metric_log).unwrap();
    case.has(0..5);
    assert!(case.aside().is_empty());
}

#[test]
fn files_of_another_program_are_put_aside_at_the_first_start() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = "id,y_true,y_pred,absolute_error\n1,2,3,1\n";
    fs::write(folder.path().join(ROWS), theirs).unwrap();
    drop(Records::open(folder.path()).unwrap());
    assert_eq!(fs::read_to_string(folder.path().join(ROWS)).unwrap(), METRIC_HEADER);
    let aside = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let aside = aside.filter(|path| path.to_string_lossy().contains(".foreign-")).collect::<Vec<_>>();
    assert_eq!(fs::read_to_string(&aside[0]).unwrap(), theirs);
}

#[test]
fn touching_a_file_or_copying_the_folder_changes_nothing() {
    let mut case = Case::new();
    case.record(4);
    let text = case.text(LABELS);
    fs::write(case.path(LABELS), &text).unwrap();
    case.record(1);
    case.stop();
    let text = case.text(ROWS);
    fs::remove_file(case.path(ROWS)).unwrap();
    fs::write(case.path(ROWS), text).unwrap();
    case.start();
    case.record(2);
    case.has(0..7);
    assert!(case.aside().is_empty());
}

#[test]
fn only_one_metric_records_to_a_folder() {
    let mut case = Case::new();
    let why = Records::open(case.folder.path()).unwrap_err();
    assert!(matches!(why, WriteError::Fatal(_)));
    let why = why.into_error().to_string();
    assert!(why.contains("another metric uses") && why.contains("--logs"), "{why}");
    case.record(1);
    case.has(0..1);
    case.crash();
    case.start();
}

#[test]
fn history_is_trimmed_and_the_text_files_keep_it() {
    let kept = |case: &mut Case| {
        let mut count = 0;
        let reader = metric::store::Reader::open(case.folder.path()).unwrap();
        let mut after = 0;
        while let Some((last, rows)) = reader.scored(after, 3, &metric::store::Selection::default()).unwrap()
        {
            (after, count) = (last, count + rows.len());
        }
        count
    };
    let mut case = Case::new();
    case.limits.retain_ms = Some(5000);
    case.record(10);
    case.age = 4000;
    case.record(10);
    case.age = 6000;
    case.record(1);
    case.has(0..21);
    assert_eq!(kept(&mut case), 21, "what is not synced may be needed again");
    case.stop();
    case.start();
    case.record(1);
    case.has(0..22);
    assert_eq!(kept(&mut case), 12, "the first ten are older than five seconds");
    let account = case.records.as_mut().unwrap().account().unwrap().clone();
    assert_eq!((account.labels.received, account.labels.scored), (22, 22), "the account forgets nothing");
    case.crash();
    case.start();
    case.has(0..22);
    // The old lines are not asked for where the new ones are right.
    for name in [LABELS, ROWS] {
        let text = case.text(name);
        fs::write(case.path(name), text).unwrap();
    }
    case.record(1);
    case.has(0..23);
    assert!(case.aside().is_empty());
    // A file that must be made anew begins with what is kept; the old lines are in the one that was put aside.
    append(&case.path(LABELS), "somebody's line\n");
    append(&case.path(ROWS), "somebody's line\n");
    case.record(1);
    case.has(10..24);
    assert_eq!(case.aside().len(), 2);
}
