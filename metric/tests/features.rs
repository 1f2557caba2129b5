//! What rows were predicted from is kept, and given back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use metric::account::Rejected;
use metric::arrival::{Arrival, ArrivalKind, Origin};
use metric::join::ModelId;
use metric::records::Records;
use metric::store::{CommitTime, Limits, schema};
use rusqlite::Connection;
use shared::clock::Timestamp;
use shared::message::{Name, RowId};

fn prediction(id: Option<&str>, version: &str, vector: Option<&[f64]>) -> Arrival {
    let model =
        ModelId { name: Name::parse("m").ok(), version: Name::parse(version).ok(), ..ModelId::default() };
    let origin = Origin { model, features_published_at: None, vector: vector.map(Into::into) };
    let id = id.map(|id| RowId::parse(id).unwrap());
    Arrival { id, kind: ArrivalKind::Prediction(origin), value: 1.5, published_at: Some(Timestamp(1000)) }
}

fn label(id: &str) -> Arrival {
    let id = RowId::parse(id).ok();
    Arrival { id, kind: ArrivalKind::Label, value: 2.0, published_at: Some(Timestamp(2000)) }
}

fn commit(records: &mut Records, age: i64, arrivals: &[Arrival], limits: &Limits) {
    let now = CommitTime { wall: Timestamp(age), age };
    let done = records.commit(arrivals, Rejected::default(), now, limits).unwrap();
    records.show(&done.labels_log, &done.metric_log).unwrap();
    records.sync().unwrap();
}

const UUID: &str = "0193a0b2-7c1d-7e2f-8000-000000000001";

/// Rows of two widths, one without, and predictions that have met nothing.
fn filled(folder: &Path) {
    let mut records = Records::open(folder).unwrap();
    let first = [
        prediction(Some("a"), "1", Some(&[0.1 + 0.2, -0.0])),
        prediction(Some(UUID), "1", Some(&[1e-7, 5.0])),
        prediction(None, "1", Some(&[7.0, 8.0])),
        prediction(Some("without"), "2", None),
        label("a"),
        prediction(Some("wide"), "2", Some(&[1.0, 2.0, 3.0])),
        prediction(Some("empty"), "2", Some(&[])),
        // One that is ignored.
        prediction(Some("a"), "1", Some(&[9.0, 9.0])),
    ];
    commit(&mut records, 0, &first, &Limits::default());
    let second = ["without", UUID, "wide", "empty"].map(label);
    commit(&mut records, 10, &second, &Limits::default());
    records.close().unwrap();
}

fn export(folder: &Path, flags: &[&str]) -> String {
    let exported = Command::new(env!("CARGO_BIN_EXE_metric"))
        .args(["export", "--features", "--logs", folder.to_str().unwrap()])
        .args(flags)
        .output()
        .unwrap();
    assert!(exported.status.success(), "{exported:?}");
    String::from_utf8(exported.stdout).unwrap()
}

#[test]
fn plain_sql_gives_the_vector_of_each_row() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let db = Connection::open(schema::path(folder.path())).unwrap();
    let mut query = db
        .prepare("SELECT id, model, model_version, prediction, width, vector FROM features ORDER BY seq")
        .unwrap();
    let rows = query
        .query_map([], |row| {
            let vector: Vec<u8> = row.get(5)?;
            let (numbers, _) = vector.as_chunks();
            let numbers: Vec<f64> = numbers.iter().map(|number| f64::from_le_bytes(*number)).collect();
            let [id, model, version]: [String; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
            let (prediction, width): (i64, i64) = (row.get(3)?, row.get(4)?);
            Ok(format!("{id} {model}@{version} {prediction} {width} {numbers:?}"))
        })
        .unwrap();
    assert_eq!(
        rows.map(Result::unwrap).collect::<Vec<_>>(),
        [
            "a m@1 1 2 [0.30000000000000004, -0.0]".to_owned(),
            format!("{UUID} m@1 2 2 [1e-7, 5.0]"),
            "wide m@2 6 3 [1.0, 2.0, 3.0]".to_owned(),
        ]
    );
    // Three predictions that follow each other share a blob, one of them anonymous.
    let mut blobs = db.prepare("SELECT first, width, length(data) FROM feature").unwrap();
    let blobs = blobs.query_map([], |row| row.try_into()).unwrap();
    assert_eq!(blobs.map(Result::unwrap).collect::<Vec<(i64, i64, i64)>>(), [(1, 2, 48), (6, 3, 24)]);
}

#[test]
fn export_has_a_column_for_each_feature() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let csv = export(folder.path(), &[]);
    let cells = |line: &str| line.splitn(10, ',').map(str::to_owned).collect::<Vec<_>>();
    let cells: Vec<(String, String)> =
        csv.lines().map(cells).map(|cells| (cells[0].clone(), cells[9].clone())).collect();
    let cells: Vec<_> = cells.iter().map(|(id, features)| (id.as_str(), features.as_str())).collect();
    assert_eq!(
        cells,
        [
            ("id", "feature_1,feature_2,feature_3"),
            ("a", "0.30000000000000004,-0,"),
            ("without", ",,"),
            (UUID, "0.0000001,5,"),
            ("wide", "1,2,3"),
            ("empty", ",,"),
        ]
    );
    // The columns are those of the rows that are asked for.
    let one = export(folder.path(), &["--model", "m@1"]);
    assert!(one.lines().next().unwrap().ends_with(",label_lag_ms,feature_1,feature_2"), "{one}");
    assert_eq!(one.lines().count(), 3);
    let json = export(folder.path(), &["--format", "ndjson"]);
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["feature_1"], 0.1 + 0.2);
    assert_eq!((&lines[0]["feature_3"], &lines[1]["feature_1"]), (&().into(), &().into()));
    assert_eq!((lines[3]["feature_3"].as_f64(), lines[3]["id"].as_str()), (Some(3.0), Some("wide")));
    // Where no row has any, there is no column.
    let folder = tempfile::tempdir().unwrap();
    drop(Records::open(folder.path()).unwrap());
    assert_eq!(export(folder.path(), &[]), metric::lines::METRIC_HEADER);
    assert_eq!(export(folder.path(), &["--model", "m"]), metric::lines::METRIC_HEADER);
}

#[test]
fn they_are_forgotten_with_their_messages() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { horizon_ms: 100, retain_ms: Some(100), ..Limits::default() };
    let mut records = Records::open(folder.path()).unwrap();
    let vectors = |folder: &Path| -> Vec<i64> {
        let db = Connection::open(schema::path(folder)).unwrap();
        let mut firsts = db.prepare("SELECT first FROM feature").unwrap();
        firsts.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    for (age, row) in [(0, "a"), (50, "b"), (150, "c")] {
        commit(&mut records, age, &[prediction(Some(row), "1", Some(&[1.0]))], &limits);
    }
    assert_eq!(vectors(folder.path()), [1, 2, 3]);
    for (age, kept) in [(199, vec![1, 2, 3]), (200, vec![2, 3]), (251, vec![3]), (350, vec![])] {
        commit(&mut records, age, &[], &limits);
        commit(&mut records, age, &[], &limits);
        assert_eq!(vectors(folder.path()), kept, "{age}");
    }
}

/// Bytes of the database's pages, all of them and those of the features.
fn pages(folder: &Path) -> (i64, i64) {
    let db = Connection::open(schema::path(folder)).unwrap();
    let sql = "SELECT sum(pgsize), sum(CASE name WHEN 'feature' THEN pgsize END) FROM dbstat";
    db.query_row(sql, [], |row| row.try_into()).unwrap()
}

#[test]
fn ten_features_take_little_more_than_their_numbers() {
    const ROWS: usize = 20_000;
    // Rows a commit, and the most bytes that the features of one take.
    for (rows, most) in [(500, 88), (1, 106)] {
        let [with, without] = [true, false].map(|with| {
            let folder = tempfile::tempdir().unwrap();
            let mut records = Records::open(folder.path()).unwrap();
            // Commits of a single row take their time.
            let count = if rows == 1 { ROWS / 20 } else { ROWS };
            for first in (0..count).step_by(rows) {
                let ids: Vec<RowId> = (0..rows).map(|_| RowId::unique()).collect();
                let vector =
                    |row: usize| -> Vec<f64> { (1..=10).map(|place| 1.0 / (row + place) as f64).collect() };
                let predictions = ids.iter().zip(first..).map(|(id, row)| {
                    let vector = with.then(|| vector(row));
                    prediction(Some(&id.to_string()), "1", vector.as_deref())
                });
                let labels = ids.iter().map(|id| label(&id.to_string()));
                let now = CommitTime { wall: Timestamp(3000), age: 0 };
                let group: Vec<Arrival> = predictions.chain(labels).collect();
                records.commit(&group, Rejected::default(), now, &Limits::default()).unwrap();
            }
            records.close().unwrap();
            let (all, features) = pages(folder.path());
            let count = i64::try_from(count).unwrap();
            (all / count, features / count)
        });
        println!(
            "held: {rows} rows a commit: the database has {} bytes a row, {} of them features; {} without",
            with.0, with.1, without.0
        );
        assert!((80..most).contains(&with.1), "{}", with.1);
        // An empty table has a page.
        assert!(without.1 < 5, "{}", without.1);
    }
}
