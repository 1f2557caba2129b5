//! A copy of the database is that of one moment, whole, and makes both text files again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use metric::account::Rejected;
use metric::arrival::{Arrival, ArrivalKind, Origin};
use metric::records::Records;
use metric::store::{CommitTime, Limits, schema};
use shared::clock::Timestamp;
use shared::message::RowId;

fn commit(records: &mut Records, rows: Range<usize>) {
    let pairs: Vec<Arrival> = rows
        .flat_map(|row| {
            let id = RowId::parse(&format!("order:{row}")).ok();
            let arrival = move |kind| Arrival { id: id.clone(), kind, value: 1.5, published_at: None };
            [arrival(ArrivalKind::Label), arrival(ArrivalKind::Prediction(Origin::default()))]
        })
        .collect();
    let now = CommitTime { wall: Timestamp(1_795_194_245_123), age: 0 };
    let done = records.commit(&pairs, Rejected::default(), now, &Limits::default()).unwrap();
    records.show(&done.labels_log, &done.metric_log).unwrap();
}

fn texts(folder: &Path) -> [String; 2] {
    ["labels_log.txt", "metric_log.csv"].map(|name| fs::read_to_string(folder.join(name)).unwrap())
}

#[test]
fn a_copy_of_what_is_written_meanwhile_is_that_of_one_moment() {
    let (logs, backups) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copy = backups.path().join("metric.db");
    let mut records = Records::open(logs.path()).unwrap();
    // More than is copied at once.
    for group in 0..20 {
        commit(&mut records, group * 2000..(group + 1) * 2000);
    }
    let before = records.account().unwrap().labels.scored;
    let copied = AtomicBool::new(false);
    let length = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut row = 1_000_000;
            while !copied.load(Ordering::SeqCst) {
                commit(&mut records, row..row + 1);
                row += 1;
            }
            row - 1_000_000
        });
        let length = schema::copy(logs.path(), &copy);
        copied.store(true, Ordering::SeqCst);
        assert!(writer.join().unwrap() > 0, "nothing was written meanwhile");
        length.unwrap()
    });
    assert_eq!(length, fs::metadata(&copy).unwrap().len());
    let names: Vec<_> = fs::read_dir(backups.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["metric.db"], "the copy is one file");

    let after = records.account().unwrap().labels.scored;
    let mut again = Records::open(backups.path()).unwrap();
    let scored = again.account().unwrap().labels.scored;
    assert!((before..=after).contains(&scored), "{scored} of {before} to {after}");
    // Both files are made anew, and are what was written up to then.
    for (made, written) in texts(backups.path()).iter().zip(texts(logs.path())) {
        assert!(!made.is_empty() && written.starts_with(made.as_str()));
    }
    // It knows what it has: a repetition is one.
    commit(&mut again, 0..1);
    assert_eq!(again.account().unwrap().labels.scored, scored);
}

#[test]
fn what_cannot_be_copied_is_named() {
    let (logs, backups) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let to = backups.path().join("x.db");
    let why = |to: &Path| format!("{:#}", schema::copy(logs.path(), to).unwrap_err());
    assert!(why(&to).contains("there is no"), "{}", why(&to));
    drop(Records::open(logs.path()).unwrap());
    let nowhere = backups.path().join("nowhere/x.db");
    assert!(why(&nowhere).contains("nowhere/x.db: No such file"), "{}", why(&nowhere));
    fs::write(backups.path().join("x.db.part"), "half").unwrap();
    assert!(why(&to).contains("x.db.part is there"), "{}", why(&to));
    fs::remove_file(backups.path().join("x.db.part")).unwrap();
    schema::copy(logs.path(), &to).unwrap();
    assert!(why(&to).contains("x.db is there already"), "{}", why(&to));
}
