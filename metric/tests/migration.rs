//! A database of an older version goes on as if it had always been of this one.
//!
//! `fixtures/version-3` is what the program before the journal has written in the first forty rounds of [`groups`], killed, and
//! `fixtures/version-3/later` what it would have made of the twenty after them. `fixtures/version-5` is the database of the
//! program before commits had numbers, with the same text files.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use metric::account::Rejected;
use metric::arrival::{Arrival, ArrivalKind, Origin};
use metric::committed::{Committed, Interest};
use metric::follow::{Commits, Next};
use metric::join::ModelId;
use metric::lines::LineWriter;
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
    let model =
        ModelId { name: Name::parse(name).ok(), version: Name::parse(version).ok(), ..ModelId::default() };
    arrival(Some(row), ArrivalKind::Prediction(model.into()), value, Some(at))
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
                arrival(Some(row), ArrivalKind::Prediction(Origin::default()), 7.0, Some(at)),
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
                let model = ModelId {
                    name: Name::parse("a").ok(),
                    version: Name::parse("1").ok(),
                    ..ModelId::default()
                };
                group.push(arrival(None, ArrivalKind::Label, 2.5, None));
                group.push(arrival(None, ArrivalKind::Prediction(model.into()), 2.0, Some(at)));
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

/// A copy of a fixture.
fn old_of(version: u8) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let database = fixture(&format!("../version-{version}/metric.db"));
    fs::copy(database, folder.path().join("metric.db")).unwrap();
    for name in TEXTS {
        fs::copy(fixture(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn old() -> tempfile::TempDir {
    old_of(3)
}

#[test]
fn what_was_recorded_stays_and_goes_on_as_it_would_have() {
    for version in [3, 5] {
        goes_on(version);
    }
}

fn goes_on(version: u8) {
    let folder = old_of(version);
    let name = format!("metric.db.version-{version}");
    let (db, copy) = (folder.path().join("metric.db"), folder.path().join(name));
    let mut records = Records::open(folder.path()).unwrap();
    assert_eq!(ask(&copy, "PRAGMA user_version"), [[Value::Integer(version.into())]]);
    assert_eq!(read(folder.path()), read(&fixture("")));
    // The old view `expired` names a column that two of its tables have, and cannot be read.
    let expired = "SELECT expiry.seq, CASE source WHEN 0 THEN 'prediction' ELSE 'label' END, value, coalesce(name, ''), \
                   event.received, expired_at, CASE typeof(id) WHEN 'text' THEN id END FROM expiry JOIN event USING (seq) JOIN source ON number = source";
    let shown = "SELECT seq, missing, value, model, \
                 CAST(round(unixepoch(received_at, 'subsec') * 1000) AS INTEGER), \
                 CAST(round(unixepoch(expired_at, 'subsec') * 1000) AS INTEGER), \
                 CASE WHEN id LIKE 'order:%' THEN id END FROM expired";
    let expired = if version < 5 { expired } else { shown };
    let source = "SELECT number, name, version, received, scored, expired, late, duplicates, conflicts, crowded, \
                  anonymous, scores FROM source";
    for (old, new) in [("source", source), ("scored", "scored"), (expired, shown)] {
        let sql = |what: &str| match what.strip_prefix("SELECT ") {
            Some(_) => format!("{what} ORDER BY 1"),
            None => format!("SELECT * FROM {what} ORDER BY 1"),
        };
        let before = ask(&copy, &sql(old));
        assert!(before.len() > 20, "{old}");
        assert_eq!(ask(&db, &sql(new)), before, "{new}");
    }
    assert_eq!(ask(&db, "SELECT DISTINCT role FROM source"), [[Value::Text("serving".into())]]);
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
fn somebody_who_follows_gets_what_was_recorded_before_and_what_comes_after() {
    for version in [3, 5] {
        let folder = old_of(version);
        let db = folder.path().join("metric.db");
        let mut records = Records::open(folder.path()).unwrap();
        let commits = records.commits();
        let blocks = "SELECT count(*), min(first), (SELECT first_scoring FROM state) FROM journal";
        let [Value::Integer(count), Value::Integer(first), Value::Integer(first_scoring)] =
            ask(&db, blocks)[0][..]
        else {
            panic!()
        };
        assert_eq!((commits.last(), first, first_scoring), (count, 286, 123), "{version}");
        let before = follow(&commits, 1);
        // Rows are forgotten before their messages are: up to the commit of the last one that was.
        let Next::Gap { first: 1, last: gap } = before[0] else { panic!("{:?}", before[0]) };
        let torn = "SELECT 1 + count(*) FROM journal, state WHERE journal.last_scoring < first_scoring - 1";
        assert_eq!(ask(&db, torn), [[Value::Integer(gap)]], "{version}");
        let whole = all(&before[1..]);
        let accepted: Vec<_> = whole.iter().flat_map(|commit| &commit.accepted).collect();
        let numbers: Vec<i64> = accepted.iter().map(|message| message.number).collect();
        assert_eq!(numbers, (numbers[0]..=601).collect::<Vec<_>>());
        assert!(
            accepted
                .iter()
                .all(|message| message.vector.is_none() && message.features_published_at.is_none())
        );
        let text = fs::read_to_string(folder.path().join(TEXTS[0])).unwrap();
        for message in &accepted {
            let line = text.lines().nth(usize::try_from(message.number - 1).unwrap()).unwrap();
            let id = message.id.as_ref().map_or("-".to_owned(), RowId::to_string);
            assert_eq!(line.split(' ').nth(2), Some(id.as_str()), "{line}");
        }
        let scored: Vec<_> = whole.iter().flat_map(|commit| &commit.scored).collect();
        let text = fs::read_to_string(folder.path().join(TEXTS[1])).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut shown = String::new();
        for row in &scored {
            assert_eq!(row.prediction, None);
            LineWriter::default().scored(&mut shown, row);
        }
        assert_eq!(shown.lines().collect::<Vec<_>>(), lines[lines.len() - scored.len()..]);
        assert!(scored.len() > 60, "{}", scored.len());
        assert!(whole.iter().all(|commit| commit.expired.is_empty()));

        // And what comes after, of what was known before: live as afterwards.
        let mut live = commits.follow(count + 1, Interest::Everything);
        play(&mut records, 40..45);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut seen = Vec::new();
        for _ in count..commits.last() {
            seen.push(runtime.block_on(live.next()).unwrap().unwrap());
        }
        let later = all(&seen);
        assert!(later.iter().any(|commit| !commit.expired.is_empty()));
        let known =
            later.iter().flat_map(|commit| &commit.scored).filter(|row| row.prediction.unwrap() <= 601);
        assert!(known.count() > 5, "predictions of before have their numbers");
        drop(records);
        let records = Records::open(folder.path()).unwrap();
        assert_eq!(follow(&records.commits(), count + 1), seen, "{version}");
        // What is forgotten meanwhile has its numbers too.
        let again = follow(&records.commits(), 1);
        let Next::Gap { first: 1, last: later_gap } = again[0] else { panic!("{:?}", again[0]) };
        assert!(later_gap > gap && later_gap < count, "{later_gap}");
        let place = usize::try_from(later_gap - gap).unwrap();
        assert_eq!(all(&again[1..])[..10], whole[place..place + 10], "{version}");
    }
}

/// What somebody gets who follows from this commit on, up to the last one.
fn follow(commits: &Commits, from: i64) -> Vec<Next> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut subscription = commits.follow(from, Interest::Everything);
    let (mut found, mut last) = (Vec::new(), 0);
    while last < commits.last() {
        let next = runtime.block_on(subscription.next()).unwrap().unwrap();
        last = match &next {
            Next::Commit(commit) => commit.number,
            Next::Gap { last, .. } => *last,
        };
        found.push(next);
    }
    found
}

/// All of them, of which none is a gap.
fn all(found: &[Next]) -> Vec<Arc<Committed>> {
    let commit = |next: &Next| match next {
        Next::Commit(commit) => Arc::clone(commit),
        gap @ Next::Gap { .. } => panic!("{gap:?}"),
    };
    found.iter().map(commit).collect()
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
