//! A flipped bit in the journal or in the features is found and named, or has no effect on what is shown.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use metric::account::{Account, Rejected};
use metric::arrival::{Arrival, ArrivalKind, Origin};
use metric::committed::Interest;
use metric::follow::Next;
use metric::records::Records;
use metric::store::{CommitTime, Limits, Reader, Selection, WithVector, schema};
use metric::write_error::WriteError;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rusqlite::Connection;
use shared::clock::Timestamp;
use shared::message::RowId;

const TRIES: u64 = 200;

fn commit(records: &mut Records, age: i64, arrivals: &[Arrival]) {
    let now = CommitTime { wall: Timestamp(1_795_194_245_123 + age), age };
    let done = records.commit(arrivals, Rejected::default(), now, &Limits::default()).unwrap();
    records.show(&done.labels_log, &done.metric_log).unwrap();
}

fn origin(row: i64) -> Origin {
    let vector: Vec<f64> = (0..10).map(|place| 1.0 / (1 + row + place) as f64).collect();
    Origin {
        features_published_at: Some(Timestamp(1_795_194_245_000)),
        vector: Some(vector.into()),
        ..Origin::default()
    }
}

/// A folder with some hundred blocks, of one message and of many.
fn filled(folder: &Path) {
    let mut records = Records::open(folder).unwrap();
    let mut row = 0..;
    for age in 0..200 {
        let rows = row.by_ref().take(if age % 50 == 49 { 300 } else { 3 });
        let mut arrivals: Vec<Arrival> = rows
            .flat_map(|row: i64| {
                let id = if row % 2 == 0 {
                    Some(RowId::unique())
                } else {
                    RowId::parse(&format!("order:{row}")).ok()
                };
                let arrival = move |kind, value| Arrival { id: id.clone(), kind, value, published_at: None };
                let value = 25.0 + 1.0 / (1 + row) as f64;
                [
                    arrival(ArrivalKind::Label, value),
                    arrival(ArrivalKind::Prediction(origin(row)), value / 3.0),
                ]
            })
            .collect();
        // As they come in batches of one queue.
        arrivals.sort_by_key(|arrival| arrival.kind != ArrivalKind::Label);
        commit(&mut records, age, &arrivals);
    }
    records.close().unwrap();
}

/// What is shown: the account, both files, which are written anew from the database, the rows with their features, and what
/// somebody gets who follows from the beginning on.
type Shown = (Account, [Vec<u8>; 2], Vec<WithVector>, Vec<Next>);

fn shown(folder: &Path) -> anyhow::Result<Shown> {
    let mut records = Records::open(folder).map_err(WriteError::into_error)?;
    let account = records.account().map_err(WriteError::into_error)?.clone();
    let texts = ["labels_log.txt", "metric_log.csv"].map(|name| fs::read(folder.join(name)).unwrap());
    let commits = records.commits();
    let mut behind = commits.follow(1, Interest::Everything);
    records.close().map_err(WriteError::into_error)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut followed = Vec::new();
    while let Some(next) = runtime.block_on(behind.next())? {
        followed.push(next);
    }
    Ok((account, texts, rows(folder)?, followed))
}

fn rows(folder: &Path) -> anyhow::Result<Vec<WithVector>> {
    let (reader, mut after, mut all) = (Reader::open(folder)?, 0, Vec::new());
    while let Some((last, rows)) = reader.scored_with_vectors(after, 1000, &Selection::default())? {
        after = last;
        all.extend(rows);
    }
    Ok(all)
}

#[test]
fn a_flipped_bit_is_named_or_changes_nothing() {
    let original = tempfile::tempdir().unwrap();
    filled(original.path());
    let image = fs::read(schema::path(original.path())).unwrap();
    let db = Connection::open(schema::path(original.path())).unwrap();
    let mut pages = db
        .prepare(
            "SELECT pageno, pgsize FROM dbstat \
             WHERE name IN ('journal', 'journal_scoring', 'feature') AND pagetype != 'internal'",
        )
        .unwrap();
    let pages: Vec<(usize, usize)> =
        pages.query_map([], |row| row.try_into()).unwrap().map(Result::unwrap).collect();
    assert!(pages.len() > 20, "{pages:?}");
    let run = |image: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(schema::path(folder.path()), image).unwrap();
        shown(folder.path())
    };
    let right = run(&image).unwrap();
    let mut random = StdRng::seed_from_u64(14);
    let (mut named, mut by_number, mut features, mut harmless) = (0, 0, 0, 0);
    for _ in 0..TRIES {
        let (page, size) = pages[random.random_range(0..pages.len())];
        let (byte, bit) = ((page - 1) * size + random.random_range(0..size), random.random_range(0..8));
        let mut damaged = image.clone();
        damaged[byte] ^= 1 << bit;
        match run(&damaged) {
            Ok(shown) => {
                assert!(shown == right, "bit {bit} of byte {byte} changes what is shown, and nobody notices");
                harmless += 1;
            }
            Err(why) => {
                let why = format!("{why:#}");
                assert!(why.contains("metric.db") && why.contains("damaged"), "{why}");
                named += 1;
                by_number += u64::from(why.contains("block that begins with message"));
                features += u64::from(why.contains("the features from prediction"));
            }
        }
    }
    println!(
        "held: {named} of {TRIES} were named, {by_number} by the message, {features} by the prediction, {harmless} changed nothing"
    );
    assert!(by_number > TRIES / 8, "only {by_number} of {TRIES} were named by the message");
    assert!(features > TRIES / 8, "only {features} of {TRIES} were named by the prediction");
    assert!(named > TRIES / 2, "only {named} of {TRIES} were found: does the test change the journal?");
}

/// Where the start has not looked at it, because the database is large or it was changed since.
#[test]
fn features_that_are_damaged_meanwhile_are_named_by_whoever_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let records = Records::open(folder.path()).unwrap();
    let db = Connection::open(schema::path(folder.path())).unwrap();
    let first: i64 = db
        .query_row(
            "SELECT first FROM feature WHERE length(data) > 80 ORDER BY first LIMIT 1 OFFSET 2",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let flip = "UPDATE feature SET data = CAST(substr(data, 1, 85) || \
                CASE substr(data, 86, 1) WHEN x'00' THEN x'01' ELSE x'00' END || substr(data, 87) AS BLOB)";
    db.execute(&format!("{flip} WHERE first = ?1"), [first]).unwrap();
    let named = format!("damaged (the features from prediction {first} on have another checksum");
    let why = format!("{:#}", rows(folder.path()).unwrap_err());
    assert!(why.contains(&named), "{why}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let follow = |interest| {
        let mut behind = records.commits().follow(1, interest);
        (1..=records.commits().last()).try_for_each(|_| runtime.block_on(behind.next()).map(|_| ()))
    };
    let why = format!("{:#}", follow(Interest::Everything).unwrap_err());
    assert!(why.contains(&named), "{why}");
    // Who does not want them is not disturbed.
    follow(Interest::Rows).unwrap();
    let exported = Command::new(env!("CARGO_BIN_EXE_metric"))
        .args(["export", "--features", "--logs", folder.path().to_str().unwrap()])
        .output()
        .unwrap();
    let why = String::from_utf8(exported.stderr).unwrap();
    assert!(!exported.status.success() && why.contains(&named), "{why}");
}
