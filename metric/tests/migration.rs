//! A database of an older version goes on as if it had always been of this one.
//!
//! `fixtures/version-3` is what the program before the journal has written in the first forty rounds of [`groups`], killed, and
//! `fixtures/version-3/later` what it would have made of the twenty after them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use metric::account::Rejected;
use metric::arrival::{Arrival, ArrivalKind};
use metric::join::ModelId;
use metric::records::Records;
use metric::store::{Before, CommitTime, Limits};
use rusqlite::Connection;
use rusqlite::types::Value;
use shared::clock::Timestamp;
use shared::message::{Name, RowId};

const LIMITS: Limits = Limits { horizon_ms: 1000, retain_ms: Some(1500), behind: 150, texts: true };
const BEGIN: i64 = 1_795_194_245_123;
/// Milliseconds between two rounds.
const ROUND: i64 = 100;

fn id(row: usize) -> Option<RowId> {
    // Texts, and UUIDs in no order.
    let text = if row.is_multiple_of(3) {
        format!("order:{row}")
    } else {
        format!("0193a0b2-7c1d-7e2f-8000-{:012x}", row * 7919 % 1009)
    };
    RowId::parse(&text).ok()
}

fn arrival(row: Option<usize>, kind: ArrivalKind, value: f64, at: Option<i64>) -> Arrival {
    Arrival { id: row.and_then(id), kind, value, published_at: at.map(Timestamp) }
}

fn label(row: usize, value: f64, at: i64) -> Arrival {
    arrival(Some(row), ArrivalKind::Label, value, Some(at))
}

fn prediction(row: usize, value: f64, model: &str, at: i64) -> Arrival {
    let (name, version) = model.split_once('@').unwrap();
    let model = ModelId { name: Name::parse(name).ok(), version: Name::parse(version).ok() };
    arrival(Some(row), ArrivalKind::Prediction(model), value, Some(at))
}

/// The messages of a round, in two commits of the same age: rows of every kind.
fn groups(round: usize) -> [Vec<Arrival>; 2] {
    let mut group = Vec::new();
    let at = BEGIN + ROUND * i64::try_from(round).unwrap() + 80;
    for row in round * 8..round * 8 + 8 {
        let value = f64::from(u32::try_from(row).unwrap());
        match row % 8 {
            // They wait, and the first of them in vain.
            0 => group.push(label(row, 1.5 * value, at)),
            1 => group.push(prediction(row, -0.0, "a@1", at)),
            2 => group.extend([prediction(row, 0.1 + 0.2, "a@1", at), label(row, -0.0, at + 5)]),
            // Three models, one of which did not say its name.
            3 => group.extend([
                arrival(Some(row), ArrivalKind::Label, 206.116_706_978_709_3, None),
                prediction(row, 1e-7, "b@x.1", at),
                arrival(Some(row), ArrivalKind::Prediction(ModelId::default()), 7.0, Some(at)),
            ]),
            // The label comes three rounds later.
            4 => {
                group.push(prediction(row, value, "a@2", at));
                group.extend((row >= 24).then(|| label(row - 24, 5.0, at)));
            }
            // Repetitions and contradictions.
            5 => {
                let first = prediction(row, 3.0, "a@2", at);
                group.extend([first.clone(), first, prediction(row, 4.0, "a@2", at)]);
                group.extend([label(row, 3.0, at), label(row, 3.5, at), label(row, 3.0, at)]);
            }
            // The prediction comes too late.
            6 => {
                group.push(label(row, 9.0, at));
                group.extend((row >= 96).then(|| prediction(row - 96, 8.0, "late@1", at)));
            }
            _ => {
                let model = ModelId { name: Name::parse("a").ok(), version: Name::parse("1").ok() };
                group.push(arrival(None, ArrivalKind::Label, 2.5, None));
                group.push(arrival(None, ArrivalKind::Prediction(model), 2.0, Some(at)));
                // One more model than are kept.
                if round == 39 {
                    group.extend((0..17).map(|model| prediction(row, 6.0, &format!("m{model}@1"), at)));
                }
            }
        }
    }
    if round >= 40 {
        // What is known of older rows is asked for: the same once more, another value, another model, and what is missing.
        for row in (8 * round - 160..8 * round).step_by(3) {
            group.push(label(row, 3.0, at));
            group.push(prediction(row, 0.1 + 0.2, "a@1", at));
            group.push(prediction(row, 1.0, "c@1", at));
        }
    }
    let second = group.split_off(group.len() / 2);
    [group, second]
}

fn play(records: &mut Records, rounds: std::ops::Range<usize>) {
    for round in rounds {
        let age = ROUND * i64::try_from(round + 1).unwrap();
        let now = CommitTime { wall: Timestamp(BEGIN + age), age };
        for group in groups(round) {
            let done = records.commit(&group, Rejected { labels: 1, predictions: 2 }, now, &LIMITS).unwrap();
            records.show(&done.labels_log, &done.metric_log).unwrap();
        }
        if round % 5 == 4 {
            records.sync().unwrap();
        }
    }
}

fn fixture(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/version-3").join(part)
}

const TEXTS: [&str; 2] = ["labels_log.txt", "metric_log.csv"];

fn read(folder: &Path) -> [Vec<u8>; 2] {
    TEXTS.map(|name| fs::read(folder.join(name)).unwrap())
}

/// What a query says of a database, as text.
fn ask(path: &Path, sql: &str) -> Vec<Vec<Value>> {
    let db = Connection::open(path).unwrap();
    let mut query = db.prepare(sql).unwrap();
    let columns = query.column_count();
    let rows = query.query_map([], |row| (0..columns).map(|column| row.get(column)).collect()).unwrap();
    rows.map(Result::unwrap).collect()
}

/// A copy of the fixture.
fn old() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["metric.db", TEXTS[0], TEXTS[1]] {
        fs::copy(fixture(name), folder.path().join(name)).unwrap();
    }
    folder
}

#[test]
fn what_was_recorded_stays_and_goes_on_as_it_would_have() {
    let folder = old();
    let (db, copy) = (folder.path().join("metric.db"), folder.path().join("metric.db.version-3"));
    let mut records = Records::open(folder.path()).unwrap();
    assert_eq!(ask(&copy, "PRAGMA user_version"), [[Value::Integer(3)]]);
    assert_eq!(read(folder.path()), read(&fixture("")));
    // The old view `expired` names a column that two of its tables have, and cannot be read.
    let expired = "SELECT expiry.seq, CASE source WHEN 0 THEN 'prediction' ELSE 'label' END, value, coalesce(name, ''), \
                   event.received, expired_at, CASE typeof(id) WHEN 'text' THEN id END FROM expiry JOIN event USING (seq) JOIN source ON number = source";
    let shown = "SELECT seq, missing, value, model, \
                 CAST(round(unixepoch(received_at, 'subsec') * 1000) AS INTEGER), \
                 CAST(round(unixepoch(expired_at, 'subsec') * 1000) AS INTEGER), \
                 CASE WHEN id LIKE 'order:%' THEN id END FROM expired";
    for (old, new) in [("source", "source"), ("scored", "scored"), (expired, shown)] {
        let sql = |what: &str| match what.strip_prefix("SELECT ") {
            Some(_) => format!("{what} ORDER BY 1"),
            None => format!("SELECT * FROM {what} ORDER BY 1"),
        };
        let before = ask(&copy, &sql(old));
        assert!(before.len() > 20, "{old}");
        assert_eq!(ask(&db, &sql(new)), before, "{new}");
    }
    play(&mut records, 40..60);
    drop(records);
    let text = |text: Vec<u8>| String::from_utf8(text).unwrap();
    assert_eq!(read(folder.path()).map(text), read(&fixture("later")).map(text));
    let later = fs::read_to_string(fixture("later/source.txt")).unwrap();
    let counts = "SELECT printf('%s@%s %s', name, version, concat_ws(' ', received, scored, expired, late, duplicates, \
                  conflicts, crowded, anonymous)) FROM source ORDER BY number";
    let lines = ask(&db, counts).into_iter().flatten().map(|line| match line {
        Value::Text(line) => line + "\n",
        other => panic!("{other:?}"),
    });
    assert_eq!(lines.collect::<String>(), later);
    let names =
        fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.contains("foreign")), "a text file was put aside");
}

#[test]
fn it_is_copied_as_it_is_or_not_at_all() {
    let folder = old();
    drop(Records::open_with(folder.path(), Before::Nothing, metric::TextFiles::On).unwrap());
    let copy = |name: &str| folder.path().join(format!("metric.db.version-3{name}"));
    assert!(!copy("").exists());
    // Somebody goes back and forth: a copy of another time, and what is none at all, are left as they are.
    let db = folder.path().join("metric.db");
    fs::copy(fixture("metric.db"), &db).unwrap();
    fs::write(copy(""), "no database").unwrap();
    fs::copy(fixture("metric.db"), copy("-2")).unwrap();
    Connection::open(copy("-2")).unwrap().execute_batch("UPDATE state SET age = age - 1").unwrap();
    // Half of one.
    fs::write(copy("-3.part"), "half").unwrap();
    for _ in 0..2 {
        drop(Records::open(folder.path()).unwrap());
        fs::copy(fixture("metric.db"), &db).unwrap();
    }
    assert_eq!(fs::read(copy("")).unwrap(), b"no database");
    assert_eq!(ask(&copy("-3"), "SELECT * FROM state"), ask(&db, "SELECT * FROM state"));
    assert!(!copy("-4").exists() && !copy("-3.part").exists());
}

#[test]
fn views_and_triggers_of_somebody_else_are_no_hindrance() {
    let folder = old();
    let db = folder.path().join("metric.db");
    Connection::open(&db)
        .unwrap()
        .execute_batch(
            "CREATE VIEW theirs AS SELECT id FROM event; CREATE VIEW mine AS SELECT id FROM scored;
             CREATE VIEW waited AS SELECT missing FROM expired; CREATE TABLE notes (text);
             CREATE TRIGGER noted AFTER INSERT ON notes BEGIN SELECT count(*) FROM known; END;",
        )
        .unwrap();
    for _ in 0..2 {
        drop(Records::open(folder.path()).unwrap());
    }
    assert_eq!(ask(&db, "SELECT count(*) FROM mine"), ask(&db, "SELECT count(*) FROM scoring"));
    assert_eq!(ask(&db, "SELECT count(*) FROM waited"), ask(&db, "SELECT count(*) FROM expiry"));
}
