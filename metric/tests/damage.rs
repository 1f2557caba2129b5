//! A flipped bit in the journal is found and named, or has no effect on what is shown.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use metric::account::{Account, Rejected};
use metric::arrival::{Arrival, ArrivalKind};
use metric::join::ModelId;
use metric::records::Records;
use metric::store::{CommitTime, Limits, schema};
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

/// A folder with some hundred blocks, of one message and of many.
fn filled(folder: &Path) {
    let mut records = Records::open(folder).unwrap();
    let mut row = 0..;
    for age in 0..200 {
        let rows = row.by_ref().take(if age % 50 == 49 { 300 } else { 3 });
        let arrivals: Vec<Arrival> = rows
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
                    arrival(ArrivalKind::Prediction(ModelId::default()), value / 3.0),
                ]
            })
            .collect();
        commit(&mut records, age, &arrivals);
    }
    records.close().unwrap();
}

/// What is shown: the account and both files, which are written anew from the database.
fn shown(folder: &Path) -> Result<(Account, [Vec<u8>; 2]), WriteError> {
    let mut records = Records::open(folder)?;
    let account = records.account()?.clone();
    let texts = ["labels_log.txt", "metric_log.csv"].map(|name| fs::read(folder.join(name)).unwrap());
    records.close()?;
    Ok((account, texts))
}

#[test]
fn a_flipped_bit_in_the_journal_is_named_or_changes_nothing() {
    let original = tempfile::tempdir().unwrap();
    filled(original.path());
    let image = fs::read(schema::path(original.path())).unwrap();
    let db = Connection::open(schema::path(original.path())).unwrap();
    let mut pages = db
        .prepare("SELECT pageno, pgsize FROM dbstat WHERE name IN ('journal', 'journal_scoring') AND pagetype != 'internal'")
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
    let (mut named, mut by_number, mut harmless) = (0, 0, 0);
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
                let why = format!("{:#}", why.into_error());
                assert!(why.contains("metric.db") && why.contains("damaged"), "{why}");
                named += 1;
                by_number += u64::from(why.contains("block that begins with message"));
            }
        }
    }
    println!("held: {named} of {TRIES} were named, {by_number} by the message, {harmless} changed nothing");
    assert!(by_number > TRIES / 3, "only {by_number} of {TRIES} were named by the message");
    assert!(named > TRIES / 2, "only {named} of {TRIES} were found: does the test change the journal?");
}
