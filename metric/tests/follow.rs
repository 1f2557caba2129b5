//! Whoever follows what is committed gets each commit once and in order, however far behind they are.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ops::Range;
use std::sync::Arc;

use futures_util::FutureExt as _;
use metric::account::Rejected;
use metric::arrival::{Arrival, ArrivalKind, Origin};
use metric::committed::{Committed, Interest};
use metric::follow::{Next, Subscription};
use metric::records::Records;
use metric::store::{CommitTime, Limits, Store, schema};
use metric::write_error::WriteError;
use rusqlite::Connection;
use shared::clock::Timestamp;
use shared::message::RowId;

const HORIZON: i64 = 1000;

/// A prediction and a label of each row, but for the last label.
fn messages(rows: Range<usize>, age: i64) -> Vec<Arrival> {
    let mut pairs: Vec<Arrival> = rows
        .flat_map(|row| {
            let id = RowId::parse(&format!("order:{row}")).ok();
            let origin = Origin {
                features_published_at: Some(Timestamp(age)),
                vector: Some(vec![row as f64, 0.5].into()),
                ..Origin::default()
            };
            let arrival = move |kind| Arrival { id: id.clone(), kind, value: 1.5, published_at: None };
            [arrival(ArrivalKind::Prediction(origin)), arrival(ArrivalKind::Label)]
        })
        .collect();
    pairs.pop();
    pairs
}

fn time(age: i64) -> CommitTime {
    CommitTime { wall: Timestamp(1_795_194_245_123 + age), age }
}

fn try_commit(records: &mut Records, rows: Range<usize>, age: i64) -> Result<(), WriteError> {
    let limits = Limits { horizon_ms: HORIZON, ..Limits::default() };
    records.commit(&messages(rows, age), Rejected::default(), time(age), &limits).map(|_| ())
}

fn commit(records: &mut Records, rows: Range<usize>, age: i64) {
    try_commit(records, rows, age).unwrap();
}

/// The next commit.
async fn next(subscription: &mut Subscription) -> Arc<Committed> {
    match subscription.next().await.unwrap() {
        Some(Next::Commit(commit)) => commit,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn somebody_who_is_far_behind_gets_what_somebody_got_who_was_not() {
    const COMMITS: i64 = 1500;
    let folder = tempfile::tempdir().unwrap();
    let mut records = Records::open(folder.path()).unwrap();
    let commits = records.commits();
    let [mut live, mut lazy] = [(); 2].map(|()| commits.follow(1, Interest::Everything));
    let mut seen = Vec::new();
    for number in 1..=COMMITS {
        // Now and then, something only expires.
        let first = 3 * usize::try_from(number).unwrap();
        let rows = if number > 14 && number % 7 == 0 { 0..0 } else { first..first + 3 };
        commit(&mut records, rows, number * 100);
        assert_eq!(commits.last(), number);
        seen.push(next(&mut live).await);
    }
    assert!(seen.iter().any(|commit| commit.accepted.is_empty() && commit.expired.len() == 1));
    // Too far back for what is in memory.
    for commit in &seen {
        assert_eq!(next(&mut lazy).await, *commit);
    }
    // And while more comes.
    let mut later = commits.follow(COMMITS - 100, Interest::Everything);
    for number in COMMITS - 100..=COMMITS + 50 {
        if number > COMMITS - 50 {
            let row = 10 * usize::try_from(number).unwrap();
            commit(&mut records, row..row + 1, (number + 50) * 100);
        }
        assert_eq!(next(&mut later).await.number, number);
    }
    assert!(lazy.next().now_or_never().is_some(), "what is in memory is there at once");
}

#[tokio::test]
async fn a_commit_that_failed_leaves_no_number() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Records::open(folder.path()).unwrap();
    let mut live = records.commits().follow(1, Interest::Everything);
    commit(&mut records, 0..2, 0);
    let other = Connection::open(schema::path(folder.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let failed = try_commit(&mut records, 2..4, 10);
    assert!(matches!(failed, Err(WriteError::Passing(_))), "{failed:?}");
    other.execute_batch("ROLLBACK").unwrap();
    // In the middle of one, after the messages were written.
    other.execute_batch("ALTER TABLE feature RENAME TO elsewhere").unwrap();
    assert!(try_commit(&mut records, 2..4, 10).is_err());
    other.execute_batch("ALTER TABLE elsewhere RENAME TO feature").unwrap();
    commit(&mut records, 2..4, 20);
    let seen = [next(&mut live).await, next(&mut live).await];
    let numbers = seen.each_ref().map(|commit| (commit.number, commit.age, commit.accepted.len()));
    assert_eq!(numbers, [(1, 0, 3), (2, 20, 3)]);
    // Somebody who reads both from the database.
    drop(records);
    let records = Records::open(folder.path()).unwrap();
    let mut behind = records.commits().follow(1, Interest::Everything);
    assert_eq!([next(&mut behind).await, next(&mut behind).await], seen);
}

#[tokio::test]
async fn a_commit_that_was_made_and_was_said_to_have_failed_is_not_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Store::open(folder.path()).unwrap();
    let record = |store: &mut Store, rows, age| {
        store.record(&messages(rows, age), Rejected::default(), time(age), &Limits::default())
    };
    let mut store = open();
    let commits = store.commits();
    let mut live = commits.follow(1, Interest::Everything);
    record(&mut store, 0..2, 0).unwrap();
    // What another one commits is to this one as if an error had come back from its own.
    record(&mut open(), 2..4, 10).unwrap();
    assert!(record(&mut store, 2..4, 10).is_err());
    record(&mut store, 2..4, 20).unwrap();
    assert_eq!((commits.last(), commits.account().labels.duplicates), (2, 1));
    record(&mut store, 4..6, 30).unwrap();
    let mut ages = Vec::new();
    for number in 1..=3 {
        let commit = next(&mut live).await;
        assert_eq!(commit.number, number);
        ages.push(commit.age);
    }
    assert_eq!(ages, [0, 10, 30]);
    assert_eq!(commits.account(), *store.account().unwrap());
}

#[tokio::test]
async fn a_commit_without_news_has_no_number_and_the_account_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Records::open(folder.path()).unwrap();
    let commits = records.commits();
    commit(&mut records, 0..2, 0);
    commit(&mut records, 0..2, 10);
    assert_eq!((commits.last(), commits.account().labels.duplicates), (1, 1));
    assert_eq!(commits.account(), *records.account().unwrap());
}

#[tokio::test]
async fn what_nobody_wants_is_not_built() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Records::open(folder.path()).unwrap();
    let commits = records.commits();
    let mut rows = commits.follow(1, Interest::Rows);
    commit(&mut records, 0..2, 0);
    let first = next(&mut rows).await;
    assert_eq!((first.accepted.len(), first.scored.len()), (0, 1));
    // Somebody comes who wants everything: also of what was built without.
    let mut everything = commits.follow(1, Interest::Everything);
    let whole = next(&mut everything).await;
    assert_eq!((whole.accepted.len(), &whole.scored), (3, &first.scored));
    commit(&mut records, 2..4, 10);
    assert_eq!(next(&mut everything).await.accepted.len(), 3);
    // When they have gone, it is as before.
    drop(everything);
    commit(&mut records, 4..6, 20);
    _ = next(&mut rows).await;
    assert_eq!(next(&mut rows).await.accepted.len(), 0);
}

#[tokio::test]
async fn waiting_may_be_left_off_and_ends_with_the_records() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Records::open(folder.path()).unwrap();
    let commits = records.commits();
    commit(&mut records, 0..2, 0);
    let mut subscription = commits.follow(1, Interest::Everything);
    // The first is read from the database by another thread, and nobody waits for it.
    assert!(subscription.next().now_or_never().is_none());
    assert_eq!(next(&mut subscription).await.number, 1);
    assert!(subscription.next().now_or_never().is_none());
    // Of what has not come yet, somebody begins with what they name.
    let mut later = commits.follow(3, Interest::Rows);
    assert!(later.next().now_or_never().is_none());
    commit(&mut records, 2..4, 10);
    commit(&mut records, 4..6, 20);
    records.close().unwrap();
    assert_eq!([next(&mut subscription).await.number, next(&mut subscription).await.number], [2, 3]);
    assert_eq!(subscription.next().await.unwrap(), None);
    assert_eq!(next(&mut later).await.number, 3);
    assert_eq!(later.next().await.unwrap(), None);
    assert_eq!(commits.follow(9, Interest::Rows).next().await.unwrap(), None);
}
