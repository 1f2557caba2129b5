//! What the database does with time: the age that it keeps, what expires, and what is forgotten.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use metric::account::{Counts, Rejected};
use metric::arrival::{Arrival, ArrivalKind};
use metric::join::ModelId;
use metric::records::Records;
use metric::store::{CommitTime, Limits};
use shared::clock::Timestamp;
use shared::message::{Name, RowId};

const HORIZON: i64 = 1000;

/// Records that are called by hand.
struct Case {
    folder: tempfile::TempDir,
    records: Records,
    limits: Limits,
}

impl Case {
    fn new(retain_ms: Option<i64>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(folder.path()).unwrap();
        Self { folder, records, limits: Limits { horizon_ms: HORIZON, retain_ms, ..Limits::default() } }
    }

    fn commit(&mut self, age: i64, arrivals: &[Arrival]) {
        let recorded = self.records.commit(arrivals, Rejected::default(), at(age), &self.limits).unwrap();
        self.records.show(&recorded.labels_log, &recorded.metric_log).unwrap();
    }

    fn is_due(&mut self, age: i64) -> bool {
        self.records.is_due(at(age), &self.limits).unwrap()
    }

    fn labels(&mut self) -> Counts {
        self.records.account().unwrap().labels
    }

    fn predictions(&mut self) -> Counts {
        self.records.account().unwrap().predictions()
    }

    fn rows(&self, sql: &str) -> i64 {
        let db = rusqlite::Connection::open(self.folder.path().join("metric.db")).unwrap();
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

fn at(age: i64) -> CommitTime {
    CommitTime { wall: Timestamp(1_795_194_245_123), age }
}

fn label(row: usize) -> Arrival {
    arrival(row, ArrivalKind::Label)
}

fn prediction(row: usize, model: &str) -> Arrival {
    arrival(
        row,
        ArrivalKind::Prediction(
            ModelId { name: Name::parse(model).ok(), version: None, ..ModelId::default() }.into(),
        ),
    )
}

fn arrival(row: usize, kind: ArrivalKind) -> Arrival {
    Arrival { id: RowId::parse(&format!("row-{row}")).ok(), kind, value: 1.0, published_at: None }
}

#[test]
fn the_age_of_an_idle_metric_is_written_down_once_a_minute() {
    let mut case = Case::new(None);
    assert!(!case.is_due(10_000_000), "where nothing was ever received, no age matters");
    case.limits.horizon_ms = 10_000_000;
    case.commit(5_000, &[label(1)]);
    assert!(!case.is_due(64_999));
    assert!(case.is_due(65_000));
    case.commit(65_000, &[]);
    assert!(!case.is_due(124_999));
    drop(case.records);
    let mut again = Records::open(case.folder.path()).unwrap();
    assert_eq!(again.age().unwrap(), 65_000, "a kill takes a minute at the most");
}

#[test]
fn a_half_that_came_late_expires_though_others_of_its_row_had_met() {
    // In both orders of the halves that meet, and with everything in memory or in the table.
    for (collected, label_first) in [(65_536, false), (65_536, true), (1, false), (1, true)] {
        let mut case = Case::new(None);
        case.limits.behind = collected;
        let pair = [prediction(1, "a"), label(1)];
        case.commit(0, &if label_first { [pair[1].clone(), pair[0].clone()] } else { pair });
        case.commit(HORIZON, &[prediction(1, "b")]);
        let counts = case.predictions();
        assert_eq!((counts.late, counts.scored, counts.pending()), (1, 1, 1));
        assert!(case.is_due(2 * HORIZON));
        case.commit(2 * HORIZON, &[]);
        let counts = case.predictions();
        assert_eq!((counts.expired, counts.pending()), (1, 0), "label first: {label_first}");
    }
}

#[test]
fn thousands_that_are_due_expire_commit_after_commit_and_only_then_is_history_forgotten() {
    // More than two commits look at.
    const ROWS: usize = 9000;
    let mut case = Case::new(Some(2 * HORIZON));
    let all: Vec<Arrival> = (0..ROWS).map(label).collect();
    case.commit(0, &all);
    case.records.sync().unwrap();
    // Everything is due to expire and old enough to be forgotten.
    let age = 10 * HORIZON;
    let mut expired = Vec::new();
    while case.is_due(age) {
        case.commit(age, &[]);
        expired.push(case.labels().expired);
        let (known, kept) = (
            case.rows("SELECT count(*) FROM expiry"),
            case.rows("SELECT coalesce(sum(count), 0) FROM journal"),
        );
        let last = *expired.last().unwrap();
        if last < ROWS as u64 {
            assert_eq!((known, kept), (i64::try_from(last).unwrap(), ROWS as i64));
        }
    }
    assert_eq!(expired[..3], [4096, 8192, 9000]);
    assert_eq!((case.labels().expired, case.labels().pending()), (ROWS as u64, 0));
    assert_eq!(case.rows("SELECT coalesce(sum(count), 0) FROM journal"), 0);
}
