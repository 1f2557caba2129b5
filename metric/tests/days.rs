//! Text files that are closed by the day, or not written at all: each line is once over all of them, whatever happens.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::ops::Range;
use std::path::PathBuf;

use metric::TextFiles;
use metric::account::Rejected;
use metric::arrival::{Arrival, ArrivalKind};
use metric::join::ModelId;
use metric::lines::METRIC_HEADER;
use metric::records::Records;
use metric::store::{Before, CommitTime, Limits, Reader, Recorded, schema};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rusqlite::Connection;
use shared::clock::Timestamp;
use shared::message::RowId;

const LABELS: &str = "labels_log.txt";
const ROWS: &str = "metric_log.csv";
const LOGS: [&str; 2] = [LABELS, ROWS];
const HOUR: i64 = 60 * 60 * 1000;
/// 2026-11-20T17:04:05.123Z.
const START: i64 = 1_795_194_245_123;

/// A folder and a `metric` on it that is called by hand.
struct Case {
    folder: tempfile::TempDir,
    records: Option<Records>,
    now: Timestamp,
    age: i64,
    limits: Limits,
    /// When each row was recorded.
    rows: Vec<Timestamp>,
}

impl Case {
    fn new(texts: TextFiles) -> Self {
        let mut case = Self {
            folder: tempfile::tempdir().unwrap(),
            records: None,
            now: Timestamp(START),
            age: 0,
            limits: Limits { horizon_ms: 1000, ..Limits::default() },
            rows: Vec::new(),
        };
        case.start(texts);
        case
    }

    fn start(&mut self, texts: TextFiles) {
        self.limits.texts = texts != TextFiles::Off;
        self.records = Some(Records::open_with(self.folder.path(), Before::Copy, texts).unwrap());
    }

    fn stop(&mut self) {
        self.records.take().unwrap().close().unwrap();
    }

    fn crash(&mut self) {
        drop(self.records.take().unwrap());
    }

    fn restart(&mut self, texts: TextFiles) {
        self.stop();
        self.start(texts);
    }

    fn commit(&mut self, rows: usize) -> Recorded {
        let mut arrivals = Vec::new();
        for row in self.rows.len()..self.rows.len() + rows {
            let id = RowId::parse(&format!("row-{row}")).ok();
            for kind in [ArrivalKind::Label, ArrivalKind::Prediction(ModelId::default().into())] {
                arrivals.push(Arrival { id: id.clone(), kind, value: row as f64, published_at: None });
            }
            self.rows.push(self.now);
        }
        let now = CommitTime { wall: self.now, age: self.age };
        let records = self.records.as_mut().unwrap();
        records.commit(&arrivals, Rejected::default(), now, &self.limits).unwrap()
    }

    fn record(&mut self, rows: usize) {
        let recorded = self.commit(rows);
        let records = self.records.as_mut().unwrap();
        records.show(&recorded.labels_log, &recorded.metric_log).unwrap();
    }

    fn wait(&mut self, hours: i64) {
        self.now.0 += hours * HOUR;
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
    }

    /// What a file has that shows these rows.
    fn lines(&self, log: &str, rows: Range<usize>) -> String {
        let line = |row: usize| {
            let at = self.rows[row];
            match log {
                LABELS => format!("{at} y_true row-{row} {row}\n{at} y_predict row-{row} {row} -@-\n"),
                _ => format!("row-{row},{row},{row},0,,,{at},{at},0\n"),
            }
        };
        let header = if log == ROWS { METRIC_HEADER } else { "" };
        header.to_owned() + &rows.map(line).collect::<String>()
    }

    /// Both logs have exactly these files, with these rows.
    fn has(&self, files: &[(&str, Range<usize>)]) {
        for log in LOGS {
            for (end, rows) in files {
                let name = format!("{log}{end}");
                assert_eq!(self.text(&name), self.lines(log, rows.clone()), "{name}");
            }
            let mut wanted: Vec<String> = files.iter().map(|(end, _)| format!("{log}{end}")).collect();
            wanted.sort();
            assert_eq!(self.names(log), wanted);
        }
    }

    /// The files of a log, in order of their names.
    fn names(&self, log: &str) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.starts_with(log)).collect();
        names.sort();
        names
    }

    fn database(&self) -> Connection {
        Connection::open(self.path("metric.db")).unwrap()
    }

    /// The closed files of a log, as the database has them, and the present one.
    fn in_order(&self, log: &str) -> Vec<String> {
        let db = self.database();
        let mut closed = db.prepare("SELECT name FROM closed WHERE log = ?1 ORDER BY first").unwrap();
        let names = closed.query_map([log], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).chain([log.to_owned()]).collect()
    }

    fn kept(&self) -> usize {
        let reader = Reader::open(self.folder.path()).unwrap();
        let (mut after, mut count) = (0, 0);
        while let Some((last, rows)) = reader.scored(after, 100, &Default::default()).unwrap() {
            (after, count) = (last, count + rows.len());
        }
        count
    }

    fn is_said_to_be_off(&self) -> bool {
        let findings = Reader::open(self.folder.path()).unwrap().findings().unwrap();
        findings.iter().any(|finding| format!("{:?}", finding.kind) == "TextOff")
    }
}

#[test]
fn the_file_of_a_day_is_closed_by_the_first_line_of_the_next() {
    let mut case = Case::new(TextFiles::Daily);
    case.record(3);
    case.wait(6);
    case.record(2);
    case.has(&[("", 0..5)]);
    // No line comes for a day and a half.
    case.wait(36);
    case.has(&[("", 0..5)]);
    case.record(1);
    case.has(&[(".2026-11-20", 0..5), ("", 5..6)]);
    case.wait(24);
    case.record(4);
    case.has(&[(".2026-11-20", 0..5), (".2026-11-22", 5..6), ("", 6..10)]);
}

#[test]
fn a_log_without_lines_of_a_day_has_no_file_of_it() {
    let mut case = Case::new(TextFiles::Daily);
    case.record(1);
    case.wait(24);
    // A label alone: nothing is scored.
    let label = Arrival {
        id: RowId::parse("late").ok(),
        kind: ArrivalKind::Label,
        value: 7.0,
        published_at: Some(Timestamp(START)),
    };
    let now = CommitTime { wall: case.now, age: 0 };
    let records = case.records.as_mut().unwrap();
    let recorded = records.commit(&[label], Rejected::default(), now, &case.limits).unwrap();
    records.show(&recorded.labels_log, &recorded.metric_log).unwrap();
    assert_eq!(case.names(LABELS), [LABELS, "labels_log.txt.2026-11-20"]);
    // It is the time of recording that counts, not that of the label.
    assert_eq!(case.text(LABELS), "2026-11-21T17:04:05.123Z y_true late 7\n");
    assert_eq!(case.names(ROWS), [ROWS]);
    assert_eq!(case.text(ROWS), case.lines(ROWS, 0..1));
}

#[test]
fn restarts_go_on_with_the_file_of_the_day_and_close_it_later() {
    for crashed in [false, true] {
        let mut case = Case::new(TextFiles::Daily);
        let again = |case: &mut Case| {
            if crashed {
                case.crash()
            } else {
                case.stop()
            }
            case.start(TextFiles::Daily);
        };
        case.record(2);
        again(&mut case);
        case.record(1);
        case.wait(24);
        again(&mut case);
        case.has(&[("", 0..3)]);
        // Committed, and not shown before the end.
        case.commit(2);
        again(&mut case);
        case.has(&[(".2026-11-20", 0..3), ("", 3..5)]);
        case.wait(24);
        case.commit(1);
        case.wait(24);
        case.commit(1);
        again(&mut case);
        let files = [(".2026-11-20", 0..3), (".2026-11-21", 3..5), (".2026-11-22", 5..6), ("", 6..7)];
        case.has(&files);
        again(&mut case);
        case.has(&files);
    }
}

#[test]
fn a_crash_before_the_rename_is_made_up_for() {
    for texts in [TextFiles::Daily, TextFiles::On] {
        let mut case = Case::new(TextFiles::Daily);
        case.record(3);
        case.wait(24);
        case.record(2);
        case.crash();
        // As it was between the commit that notes the name and the rename.
        for log in LOGS {
            let name = format!("{log}.2026-11-20");
            fs::rename(case.path(&name), case.path(log)).unwrap();
            let noted = case
                .database()
                .execute("UPDATE file SET closing = ?1 WHERE name = ?2", [name.as_str(), log])
                .unwrap();
            assert_eq!(noted, 1);
        }
        case.start(texts);
        let files = [(".2026-11-20", 0..3), ("", 3..5)];
        case.has(&files);
        case.restart(texts);
        case.has(&files);
        // After the rename, before it was noted.
        case.crash();
        for log in LOGS {
            fs::remove_file(case.path(log)).unwrap();
            let name = format!("{log}.2026-11-20");
            let sql = "UPDATE file SET closing = ?1, synced = first - 1, synced_length = 0, fingerprint = NULL \
                       WHERE name = ?2";
            case.database().execute(sql, [name.as_str(), log]).unwrap();
        }
        case.start(texts);
        case.has(&files);
    }
}

#[test]
fn a_closed_file_is_nobodys_business_any_more() {
    let mut case = Case::new(TextFiles::Daily);
    for _ in 0..3 {
        case.record(2);
        case.wait(24);
    }
    fs::remove_file(case.path("metric_log.csv.2026-11-20")).unwrap();
    fs::rename(case.path("labels_log.txt.2026-11-20"), case.path("labels_log.txt.2026-11-20.gz")).unwrap();
    for log in LOGS {
        fs::write(case.path(&format!("{log}.2026-11-21")), "edited\n").unwrap();
    }
    case.restart(TextFiles::Daily);
    case.record(1);
    assert_eq!(case.names(ROWS), [ROWS, "metric_log.csv.2026-11-21", "metric_log.csv.2026-11-22"]);
    assert_eq!(case.text("labels_log.txt.2026-11-21"), "edited\n");
    assert_eq!(case.text(ROWS), case.lines(ROWS, 6..7));
    // The present one is put aside for an edit, and written anew with its own lines alone.
    case.stop();
    OpenOptions::new().append(true).open(case.path(ROWS)).unwrap().write_all(b"theirs\n").unwrap();
    case.start(TextFiles::Daily);
    assert_eq!(case.text(ROWS), case.lines(ROWS, 6..7));
    assert_eq!(case.names(ROWS).iter().filter(|name| name.contains(".foreign-")).count(), 1);
    case.wait(24);
    case.record(1);
    assert_eq!(case.text("metric_log.csv.2026-11-23"), case.lines(ROWS, 6..7));
}

#[test]
fn a_present_file_that_is_taken_away_starts_anew_within_its_day() {
    for (hours, closed) in [(0, None), (24, Some(2..3))] {
        let mut case = Case::new(TextFiles::Daily);
        case.record(2);
        LOGS.iter().for_each(|log| fs::remove_file(case.path(log)).unwrap());
        case.record(1);
        case.has(&[("", 2..3)]);
        case.wait(hours);
        case.record(1);
        match closed {
            None => case.has(&[("", 2..4)]),
            Some(rows) => case.has(&[(".2026-11-20", rows), ("", 3..4)]),
        }
    }
}

#[test]
fn a_name_that_is_taken_is_never_overwritten() {
    let mut case = Case::new(TextFiles::Daily);
    case.record(1);
    for log in LOGS {
        fs::write(case.path(&format!("{log}.2026-11-20")), "theirs\n").unwrap();
    }
    case.wait(24);
    case.record(1);
    for log in LOGS {
        assert_eq!(case.text(&format!("{log}.2026-11-20")), case.lines(log, 0..1));
        let names = case.names(log);
        let aside = names.iter().find(|name| name.contains(".2026-11-20.foreign-")).unwrap();
        assert_eq!(case.text(aside), "theirs\n");
        fs::remove_file(case.path(aside)).unwrap();
    }
    // The clock was wrong by ten days, and is mended: the same days come again.
    case.wait(-240);
    case.record(1);
    case.wait(216);
    case.record(1);
    case.wait(24);
    case.record(1);
    case.has(&[
        (".2026-11-20", 0..1),
        (".2026-11-21", 1..2),
        (".2026-11-11", 2..3),
        (".2026-11-20-2", 3..4),
        ("", 4..5),
    ]);
}

#[test]
fn a_clock_that_is_set_back_over_midnight_makes_no_file() {
    let mut case = Case::new(TextFiles::Daily);
    case.wait(7);
    case.record(1);
    case.wait(-1);
    case.record(1);
    case.crash();
    case.start(TextFiles::Daily);
    case.record(1);
    case.has(&[("", 0..3)]);
    case.wait(25);
    case.record(1);
    case.has(&[(".2026-11-21", 0..3), ("", 3..4)]);
}

#[test]
fn one_file_becomes_daily_ones_and_one_again() {
    let mut case = Case::new(TextFiles::On);
    case.record(1);
    case.wait(24);
    case.record(1);
    case.has(&[("", 0..2)]);
    // Killed with lines of two days that no sync has noted.
    case.crash();
    case.start(TextFiles::Daily);
    case.has(&[("", 0..2)]);
    case.record(1);
    case.wait(24);
    case.record(1);
    // It is called after the last of its days.
    case.has(&[(".2026-11-21", 0..3), ("", 3..4)]);
    case.restart(TextFiles::On);
    case.wait(24);
    case.record(1);
    case.wait(24);
    case.record(1);
    case.has(&[(".2026-11-21", 0..3), ("", 3..6)]);
    case.restart(TextFiles::Daily);
    case.wait(24);
    case.record(1);
    case.has(&[(".2026-11-21", 0..3), (".2026-11-24", 3..6), ("", 6..7)]);
}

#[test]
fn without_text_files_none_is_touched_and_no_line_is_made() {
    let mut case = Case::new(TextFiles::Off);
    let recorded = case.commit(3);
    assert_eq!((recorded.labels_log, recorded.metric_log), (String::new(), String::new()));
    assert_eq!(recorded.scored, 3);
    case.records.as_mut().unwrap().show("", "").unwrap();
    case.records.as_mut().unwrap().sync().unwrap();
    case.crash();
    case.start(TextFiles::Off);
    assert_eq!(LOGS.map(|log| case.names(log)), [const { Vec::<String>::new() }; 2]);
    assert!(case.is_said_to_be_off());
    case.restart(TextFiles::On);
    case.has(&[("", 0..3)]);
    assert!(!case.is_said_to_be_off());
    // Off again: what is there stays to the byte, whatever it is.
    case.record(1);
    case.crash();
    for log in LOGS {
        OpenOptions::new().append(true).open(case.path(log)).unwrap().write_all(b"torn").unwrap();
    }
    let before = LOGS.map(|log| case.text(log));
    case.start(TextFiles::Off);
    case.record(2);
    case.restart(TextFiles::Off);
    assert_eq!(LOGS.map(|log| case.text(log)), before);
}

#[test]
fn switched_on_again_the_files_get_what_they_lack() {
    for texts in [TextFiles::On, TextFiles::Daily] {
        let mut case = Case::new(texts);
        case.record(2);
        case.restart(TextFiles::Off);
        case.record(1);
        case.wait(24);
        case.record(2);
        case.wait(24);
        case.record(1);
        case.restart(texts);
        if texts == TextFiles::On {
            case.has(&[("", 0..6)]);
        } else {
            case.has(&[(".2026-11-20", 0..3), (".2026-11-21", 3..5), ("", 5..6)]);
        }
        case.record(1);
        assert!(case.text(ROWS).ends_with(&case.lines(ROWS, 6..7)[METRIC_HEADER.len()..]));
    }
}

#[test]
fn history_is_forgotten_without_text_files_and_the_files_go_on_behind_the_gap() {
    for texts in [TextFiles::On, TextFiles::Daily] {
        let mut case = Case::new(texts);
        case.limits.retain_ms = Some(5000);
        case.record(2);
        case.restart(TextFiles::Off);
        for _ in 0..3 {
            case.age += 4000;
            case.record(10);
        }
        assert_eq!(case.kept(), 20, "no file is waited for");
        case.restart(texts);
        for log in LOGS {
            let gap = case.lines(log, 0..2) + case.lines(log, 12..32).trim_start_matches(METRIC_HEADER);
            assert_eq!(case.text(log), gap, "{log}");
        }
        // And it is not taken for somebody's edit later on, not even when all of it is compared.
        for log in LOGS {
            let text = case.text(log);
            fs::write(case.path(log), text).unwrap();
        }
        case.restart(texts);
        case.record(1);
        assert_eq!(LOGS.map(|log| case.names(log)), LOGS.map(|log| vec![log.to_owned()]));
        assert!(case.text(ROWS).ends_with(&case.lines(ROWS, 31..33)[METRIC_HEADER.len()..]));
    }
}

#[test]
fn a_file_whose_end_cannot_be_compared_any_more_is_kept() {
    let mut case = Case::new(TextFiles::On);
    case.limits.retain_ms = Some(5000);
    case.record(2);
    // Nothing of it was noted as synced.
    case.crash();
    case.start(TextFiles::Off);
    for _ in 0..3 {
        case.age += 6000;
        case.record(1);
    }
    case.restart(TextFiles::On);
    for log in LOGS {
        let aside = case.names(log).into_iter().find(|name| name.contains(".foreign-")).unwrap();
        assert_eq!(case.text(&aside), case.lines(log, 0..2));
        assert_eq!(case.text(log), case.lines(log, 4..5));
    }
}

#[test]
fn a_copy_of_the_database_makes_the_files_of_all_days_again() {
    let mut case = Case::new(TextFiles::Daily);
    for _ in 0..3 {
        case.record(2);
        case.wait(24);
    }
    case.records.as_mut().unwrap().sync().unwrap();
    let copy = tempfile::tempdir().unwrap();
    schema::copy(case.folder.path(), &copy.path().join("metric.db")).unwrap();
    case.crash();
    case.folder = copy;
    case.start(TextFiles::Daily);
    case.has(&[(".2026-11-20", 0..2), (".2026-11-21", 2..4), ("", 4..6)]);
}

/// Whatever happens in whatever order, the files of a log one after the other have each line once.
#[test]
fn each_line_is_once_over_all_files() {
    for seed in 0..40 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut texts = TextFiles::Daily;
        let mut case = Case::new(texts);
        let mut story = Vec::new();
        for _ in 0..25 {
            let what = random.random_range(0..8);
            story.push(what);
            match what {
                0 | 1 => case.record(random.random_range(1..4)),
                // Not shown: a crash comes between.
                2 => {
                    case.commit(random.random_range(1..4));
                    case.crash();
                    case.start(texts);
                }
                3 => case.wait(random.random_range(1..40)),
                4 => case.wait(-random.random_range(1..30)),
                5 => case.records.as_mut().unwrap().sync().unwrap(),
                6 => {
                    // What was not synced may be torn.
                    case.records.as_mut().unwrap().sync().unwrap();
                    let before = LOGS.map(|log| fs::metadata(case.path(log)).map_or(0, |file| file.len()));
                    let closed = LOGS.map(|log| case.names(log).len());
                    case.record(random.random_range(1..4));
                    case.crash();
                    for ((log, before), closed) in LOGS.into_iter().zip(before).zip(closed) {
                        let after = fs::metadata(case.path(log)).map_or(0, |file| file.len());
                        if texts != TextFiles::Off && case.names(log).len() == closed && after > before {
                            let file = OpenOptions::new().write(true).open(case.path(log)).unwrap();
                            file.set_len(random.random_range(before..after)).unwrap();
                        }
                    }
                    case.start(texts);
                }
                _ => {
                    texts = [TextFiles::Daily, TextFiles::On, TextFiles::Off][random.random_range(0..3)];
                    if random.random() {
                        case.crash()
                    } else {
                        case.stop()
                    }
                    case.start(texts);
                }
            }
        }
        case.restart(TextFiles::Daily);
        for log in LOGS {
            let files = case.in_order(log);
            let all: String = files.iter().map(|name| case.text(name).replace(METRIC_HEADER, "")).collect();
            let wanted = case.lines(log, 0..case.rows.len()).replace(METRIC_HEADER, "");
            assert!(all == wanted, "seed {seed}, {story:?}: {files:?}\n{all}\ninstead of\n{wanted}");
            assert_eq!(case.names(log).len(), files.len(), "seed {seed}: {:?}", case.names(log));
        }
    }
}
