//! `--label-horizon` and `--retain` in real processes: what may still come never expires, whoever was away; what will
//! never come does.

use std::time::{Duration, Instant};

use lapin::BasicProperties;
use metric::store::{Reader, Selection};
use serde_json::Value;
use shared::message::Role;
use shared::transport::QueueKind;

use crate::account::{adds_up, count, wait_for};
use crate::broker::{self, QUEUE_SETTLES};
use crate::feed::Feed;
use crate::processes::{Services, can_trace};

/// A count of the labels, as `metric status` has it.
fn labels(services: &Services, name: &str) -> u64 {
    count(&services.status()["labels"], name)
}

/// Waits until there are so many.
async fn labels_come_to(services: &Services, name: &str, wanted: u64) {
    let is = || labels(services, name) == wanted;
    wait_for(&format!("{wanted} labels to be {name}"), is, || services.status().to_string()).await;
}

/// All labels and predictions have met, and none in vain.
fn all_scored(status: &Value, rows: u64) {
    adds_up(status);
    for half in ["labels", "predictions"] {
        for (name, wanted) in [("scored", rows), ("expired", 0), ("late", 0)] {
            assert_eq!(count(&status[half], name), wanted, "{name} of {half}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_outlast_a_model_that_is_away_for_longer_than_the_horizon() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (mut model, metric) = (services.model(&[]), services.metric(&["--label-horizon", "5s"]));
    model.ready().await;
    metric.ready().await;
    model.stop().await;
    // Twelve seconds of rows, whose labels come at once.
    let mut features = services.features(&["--rate", "40", "--count", "480"]);
    assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    broker.has_ready(Role::Features, 480).await;
    assert_eq!(labels(&services, "expired"), 0);
    let model = services.model(&[]);
    services.books.wait_for_rows(480).await;
    all_scored(&services.status(), 480);

    // With the model there, what is not predicted expires: after the horizon, or after two thirds of it, where the look that ends
    // the outage comes after the labels, for then a third counts at once.
    let before = Instant::now();
    Feed::of(&services).labels(0..30).await;
    labels_come_to(&services, "expired", 30).await;
    assert!(before.elapsed() > Duration::from_secs(3), "expired after {:?}", before.elapsed());
    all_scored_but(&services.status(), 480, 30);
    drop((model, metric));
}

fn all_scored_but(status: &Value, rows: u64, expired: u64) {
    adds_up(status);
    let labels = &status["labels"];
    assert_eq!((count(labels, "scored"), count(labels, "expired")), (rows, expired), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_queue_of_features_time_goes_on() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    // A queue that nobody makes: predictions come from somewhere else.
    let mut metric = services.metric(&["--label-horizon", "2s", "--features-queue", "nobody.has.this"]);
    metric.ready().await;
    let feed = Feed::of(&services);
    feed.labels(0..20).await;
    feed.predictions(10..30).await;
    labels_come_to(&services, "expired", 10).await;
    wait_for(
        "the predictions to expire",
        || count(&services.status()["predictions"], "expired") == 10,
        || services.status().to_string(),
    )
    .await;
    all_scored_but(&services.status(), 10, 10);
    metric.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_nobody_takes_hold_the_clock_only_until_as_many_predictions_have_come() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let metric = services.metric(&["--label-horizon", "2s"]);
    metric.ready().await;
    let (connection, channel) = broker.channel().await;
    for _ in 0..5 {
        broker.publish(&channel, Role::Features, b"[1]", BasicProperties::default()).await;
    }
    broker.has_ready(Role::Features, 5).await;
    let feed = Feed::of(&services);
    feed.labels(0..10).await;
    metric.says("5 rows wait to be predicted in Features").await;
    assert_eq!(labels(&services, "pending"), 10, "{}", services.status());
    // A model elsewhere predicts other rows: what waits is nobody's.
    let mut from = 1000;
    let start = Instant::now();
    while labels(&services, "expired") < 10 {
        assert!(start.elapsed() < Duration::from_secs(90), "{}", services.status());
        feed.predictions(from..from + 500).await;
        from += 500;
    }
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_metric_itself_expires_nothing() {
    if !can_trace(false) {
        return;
    }
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let feed = Feed::of(&services);
    const ROWS: usize = 12_000;
    feed.labels(0..ROWS).await;
    feed.predictions(0..ROWS).await;
    // A disk that takes a third of a second for each sync, so that the backlog outlasts the horizon; but what is taken at
    // once, 2048 of each queue, does not.
    let logs = services.books.logs();
    let path = format!("-P{}", logs.join("metric.db-wal").display());
    let slow = "-einject=fsync,fdatasync:delay_enter=300000";
    let horizon = ["--label-horizon", "6s"];
    let metric = services.metric_traced_with(&["-etrace=fsync,fdatasync", &path, slow], &horizon);
    metric.ready().await;
    let start = Instant::now();
    services.books.wait_for_rows(ROWS).await;
    assert!(start.elapsed() > Duration::from_secs(7), "no backlog: {:?}", start.elapsed());
    all_scored(&services.status(), ROWS as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_time_in_which_metric_is_ready_counts_and_a_restart_goes_on_with_it() {
    const HORIZON: Duration = Duration::from_secs(6);
    let broker = broker::private().await;
    let services = Services::new(&broker.url);
    let mut metric = services.metric(&["--label-horizon", "6s"]);
    metric.ready().await;
    tokio::time::sleep(QUEUE_SETTLES).await;
    Feed::of(&services).labels(0..10).await;
    labels_come_to(&services, "pending", 10).await;
    let mut counted = Duration::ZERO;
    let mut ready_since = Instant::now();
    // Longer than the horizon: metric lives without a broker, then it is stopped.
    broker.script("kill");
    metric.not_ready().await;
    counted += ready_since.elapsed();
    tokio::time::sleep(HORIZON + Duration::from_secs(1)).await;
    assert_eq!(labels(&services, "pending"), 10, "{}", metric.log());
    broker.script("start");
    metric.ready().await;
    ready_since = Instant::now();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(labels(&services, "pending"), 10, "{}", metric.log());
    metric.stop().await;
    counted += ready_since.elapsed();
    tokio::time::sleep(HORIZON).await;
    let again = Instant::now();
    let metric = services.metric(&["--label-horizon", "6s"]);
    labels_come_to(&services, "expired", 10).await;
    let took = again.elapsed();
    // What was counted before the restart is not counted anew, and no more is.
    assert!(took + counted > HORIZON - Duration::from_millis(500), "expired after {counted:?} and {took:?}");
    assert!(took < HORIZON + Duration::from_secs(1), "the two seconds before the restart are lost: {took:?}");
    drop(metric);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_beyond_retain_leaves_the_database_and_stays_in_the_text_files() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let limits = ["--label-horizon", "2s", "--retain", "3s"];
    let metric = services.metric(&limits);
    metric.ready().await;
    let feed = Feed::of(&services);
    feed.pairs(0..100).await;
    services.books.wait_for_rows(100).await;
    let kept = || {
        let reader = Reader::open(&services.books.logs()).unwrap();
        reader.scored(0, 1000, &Selection::default()).unwrap().map_or(0, |(_, rows)| rows.len())
    };
    assert_eq!(kept(), 100);
    wait_for("the history to go", || kept() == 0, || metric.log()).await;
    // A repetition is taken for a new row no sooner than after two horizons, and by then everything is gone.
    feed.pairs(100..110).await;
    services.books.wait_for_rows(110).await;
    assert_eq!(kept(), 10);
    services.books.settle_exactly().await;
    all_scored(&services.status(), 110);
}
