//! Shadows and challengers: their rows are recorded, and are no lines of `metric_log.csv`, whoever writes it and whenever.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use metric::account::Rejected;
use metric::arrival::{Arrival, ArrivalKind};
use metric::join::ModelId;
use metric::records::Records;
use metric::store::{CommitTime, Limits, Reader};
use shared::clock::Timestamp;
use shared::message::{ModelRole, Name, RowId};

fn arrival(row: usize, kind: ArrivalKind, value: f64) -> Arrival {
    Arrival { id: RowId::parse(&format!("row-{row}")).ok(), kind, value, published_at: Some(Timestamp(5)) }
}

fn prediction(row: usize, name: &str, role: ModelRole, value: f64) -> Arrival {
    let model = ModelId { name: Name::parse(name).ok(), version: Name::parse("v1").ok(), role };
    arrival(row, ArrivalKind::Prediction(model.into()), value)
}

/// Three predictions and a label of each of these rows. The challenger has taken the name of the model that serves.
fn commit(records: &mut Records, rows: std::ops::Range<usize>, show: bool) {
    let arrivals: Vec<Arrival> = rows
        .flat_map(|row| {
            [
                prediction(row, "m", ModelRole::Challenger, 3.0),
                prediction(row, "m", ModelRole::Serving, 2.0),
                prediction(row, "m.shadow", ModelRole::Shadow, 4.0),
                arrival(row, ArrivalKind::Label, 1.0),
            ]
        })
        .collect();
    let now = CommitTime { wall: Timestamp(1_795_194_245_123), age: 7 };
    let recorded = records.commit(&arrivals, Rejected::default(), now, &Limits::default()).unwrap();
    assert_eq!(recorded.scored, arrivals.len() / 4);
    if show {
        records.show(&recorded.labels_log, &recorded.metric_log).unwrap();
    }
}

#[test]
fn only_what_serves_has_lines_and_everything_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("metric_log.csv");
    let mut records = Records::open(folder.path()).unwrap();
    commit(&mut records, 0..10, true);
    // A crash between commit and lines: the next start writes them from the database.
    commit(&mut records, 10..20, false);
    drop(records);
    let mut records = Records::open(folder.path()).unwrap();
    commit(&mut records, 20..30, true);
    let text = fs::read_to_string(&log).unwrap();
    let rows: Vec<&str> = text.lines().skip(1).collect();
    let wanted: Vec<String> = (0..30).map(|row| format!("row-{row},1,2,1,m,v1,")).collect();
    assert_eq!(rows.len(), wanted.len());
    assert!(rows.iter().zip(&wanted).all(|(row, wanted)| row.starts_with(wanted.as_str())), "{text}");
    // And so does one who finds no file.
    records.close().unwrap();
    fs::remove_file(&log).unwrap();
    Records::open(folder.path()).unwrap().close().unwrap();
    assert!(fs::read_to_string(&log).unwrap().lines().count() <= 1, "a file that was taken away starts anew");

    let account = Reader::open(folder.path()).unwrap().account().unwrap();
    let of: Vec<_> =
        account.models().iter().map(|of| (of.model.role, of.counts.received, of.counts.scored)).collect();
    assert_eq!(
        of,
        [(ModelRole::Challenger, 30, 30), (ModelRole::Serving, 30, 30), (ModelRole::Shadow, 30, 30)]
    );
}
