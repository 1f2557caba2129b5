//! Services that start long before the others, or run without them.

use std::time::Duration;

use shared::clock::{Hand, Timestamp};
use shared::transport::QueueKind;

use crate::account::wait_for;
use crate::broker;
use crate::by_hand::Metric;
use crate::processes::Services;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_before_anybody_consumes_it_is_kept() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let mut features = services.features(&["--order", "once", "--interval", "0s", "--count", "300"]);
    assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    let log = features.log();
    for said in [
        "queue Features does not exist yet: model, its consumer, creates it",
        "created the queue Features",
        "created the queue y_true",
    ] {
        assert!(log.contains(said), "{said:?} is missing: {log}");
    }
    assert_eq!((broker.ready("Features").await, broker.ready("y_true").await), (300, 300));

    // Takes nothing before its predictions have a queue.
    let mut model = services.model(&[]);
    model.says("queue y_predict does not exist yet: metric, its consumer, creates it").await;
    assert_eq!(broker.ready("Features").await, 300);
    model.ready().await;
    broker.has_ready(shared::message::Role::Prediction, 300).await;

    let mut metric = services.metric(&[]);
    services.books.settle_exactly().await;
    assert_eq!(services.status()["labels"]["scored"], 300);
    model.stop().await;
    metric.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_nobody_consumes_are_said_once_and_shown_by_status_until_somebody_does() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    broker.declare(QueueKind::Quorum).await;
    let hand = Hand::at(Timestamp(1_795_194_245_123));
    let metric = Metric::start(&services, &hand);
    let mut features = services.features(&["--rate", "20"]);
    let unread = || services.hint("unread_rows");

    features.says("nobody consumes Features at").await;
    for part in ["messages are waiting", "Is model running?", "--features-queue", "--exercise v2"] {
        assert!(features.log().contains(part), "{part}: {}", features.log());
    }
    assert_eq!(unread(), None, "the minute is not over");
    hand.advance(60_000);
    wait_for("the hint", || unread().is_some(), || format!("{}", services.status())).await;
    let said = unread().unwrap();
    for part in [
        " rows wait in Features and nobody has consumed them since 2026-11-20T17:0",
        "--features-queue Features",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Nobody looks any more, and it is as it was.
    metric.stop().await;
    assert_eq!(unread(), Some(said));

    let metric = Metric::start(&services, &hand);
    let mut model = services.model(&[]);
    features.says("Features has a consumer now").await;
    wait_for("the hint to go", || unread().is_none(), || format!("{}", services.status())).await;
    features.stop().await;
    // Once, and never of the queue that had a consumer all the time.
    assert_eq!(features.log().matches("nobody consumes").count(), 1, "{}", features.log());
    services.books.settle_exactly().await;
    model.stop().await;
    metric.stop().await;
}
