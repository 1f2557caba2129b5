//! One `metric` records a stream, and whoever else takes from it is told.

use lapin::options::{BasicCancelOptions, BasicConsumeOptions};
use lapin::types::FieldTable;
use shared::transport::QueueKind;

use crate::broker;
use crate::feed::Feed;
use crate::processes::Services;

const ANOTHER: &str = "another metric already records these queues";

#[tokio::test(flavor = "multi_thread")]
async fn second_metric_waits_and_takes_over_when_the_first_is_killed() {
    let broker = broker::turn().await;
    let (first, second) = (Services::new(&broker.url), Services::new(&broker.url));
    let mut one = first.metric(&[]);
    one.ready().await;
    let mut other = second.metric(&[]);
    other.says(ANOTHER).await;
    other.not_ready().await;
    Feed::of(&first).pairs(0..200).await;
    first.books.wait_for_rows(200).await;
    one.kill().await;
    other.says("got the lock").await;
    other.ready().await;
    Feed::of(&second).pairs(200..300).await;
    second.books.wait_for_rows(100).await;
    broker.emptied().await;
    other.stop().await;
    // Each row was joined by one of both, from both its halves.
    assert_eq!((first.books.rows(), second.books.rows()), (200, 100));
    assert_eq!(other.log().matches(ANOTHER).count(), 1, "it is said once:\n{}", other.log());
}

/// RabbitMQ takes a frozen process for alive for half a minute.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute: scripts/long links"]
async fn second_metric_takes_over_from_a_frozen_one() {
    let broker = broker::turn().await;
    let (first, second) = (Services::new(&broker.url), Services::new(&broker.url));
    let one = first.metric(&[]);
    one.ready().await;
    let mut other = second.metric(&[]);
    other.says(ANOTHER).await;
    one.signal("STOP");
    Feed::of(&second).pairs(0..100).await;
    other.says("got the lock").await;
    second.books.wait_for_rows(100).await;
    // The first one finds out when it may go on, and waits in its turn.
    one.signal("CONT");
    one.says(ANOTHER).await;
    Feed::of(&second).pairs(100..200).await;
    second.books.wait_for_rows(200).await;
    other.stop().await;
    one.says("got the lock").await;
    assert_eq!((first.books.rows(), second.books.rows()), (0, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_metric_is_told_on_whichever_side_it_comes() {
    for kind in [QueueKind::Quorum, QueueKind::Transient] {
        let broker = broker::turn().await;
        broker.declare(kind).await;
        let services = Services::new(&broker.url);
        let (connection, channel) = broker.channel().await;
        let consume = async || {
            let options = BasicConsumeOptions::default();
            channel.basic_consume("y_predict".into(), "old".into(), options, FieldTable::default()).await
        };
        let cancel =
            async || channel.basic_cancel("old".into(), BasicCancelOptions::default()).await.unwrap();
        // It ends when it is dropped.
        let old = consume().await.unwrap();
        let mut metric = services.metric(&["--queue-kind", &kind.to_string()]);
        metric.says("another consumer takes messages from y_predict").await;
        if kind == QueueKind::Transient {
            // It could not have the queue for itself, so it took nothing at all.
            metric.not_ready().await;
        }
        cancel().await;
        drop(old);
        metric.says("the other consumer of y_predict is gone").await;
        metric.ready().await;
        match kind {
            QueueKind::Quorum => {
                let _old = consume().await.unwrap();
                let told =
                    || metric.log().matches("another consumer takes messages from y_predict").count() == 2;
                crate::account::wait_for("the second notice", told, || metric.log()).await;
            }
            // This kind knows exclusive consumers.
            _ => assert!(consume().await.unwrap_err().to_string().contains("exclusive")),
        }
        metric.stop().await;
        _ = connection.close(200, "done".into()).await;
    }
}
