//! Replies as other clients see them: errors, askers who have gone, rows that want one besides, and whom none is sent to.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};
use shared::ask::{Asker, Unanswered};
use shared::message::Rejection;
use shared::stop::Stop;
use tokio::time::timeout;

use super::{ASK, PATIENCE, ROW, answer, started, transport};
use crate::account::{count, wait_for};
use crate::broker::Letter;

/// A queue of an asker's own, as clients without direct reply-to have it.
async fn replies(channel: &Channel) -> (String, lapin::Consumer) {
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await.unwrap();
    let (name, options) =
        (queue.name().to_string(), BasicConsumeOptions { no_ack: true, ..Default::default() });
    let consumer =
        channel.basic_consume(queue.name().clone(), "".into(), options, FieldTable::default()).await.unwrap();
    (name, consumer)
}

async fn next(consumer: &mut lapin::Consumer) -> Letter {
    let delivery = timeout(PATIENCE, consumer.next()).await.expect("no reply comes").unwrap().unwrap();
    Letter { body: delivery.data, properties: delivery.properties }
}

async fn send(channel: &Channel, queue: &str, body: &[u8], properties: BasicProperties) {
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), queue.into(), options, body, properties).await.unwrap();
}

fn correlation(reply: &Letter) -> String {
    reply.properties.correlation_id().as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn json(reply: &Letter) -> serde_json::Value {
    serde_json::from_slice(&reply.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_cannot_be_answered_gets_the_reason_and_one_of_nobody_is_dropped() {
    let (broker, _services, _metric, model) = started(&[]).await;
    let asker = Asker::new(&transport(&broker.url), "test", &Stop::default());
    answer(&asker, ROW).await;
    for (row, reason) in [
        (&b"no JSON"[..], Rejection::NOT_JSON),
        (b"[1,2,3]", Rejection::LENGTH),
        (b"[1,2,3,4,5,6,7,8,9,null]", Rejection::SHAPE),
        (b"{\"age\": 1}", Rejection::SHAPE),
        (b"", Rejection::NOT_JSON),
    ] {
        match asker.ask(row.to_vec(), PATIENCE).await {
            Err(Unanswered::Refused { reason: said, error }) => {
                assert!(!error.is_empty());
                println!("{said}: {error}");
                assert!(said == reason || [Rejection::NAMES, Rejection::MISSING].contains(&&*said), "{said}");
            }
            other => panic!("{}: {other:?}", String::from_utf8_lossy(row)),
        }
    }
    let (connection, channel) = broker.channel().await;
    let (queue, mut consumer) = replies(&channel).await;
    // An id in the body is repeated, and a body beyond the bound is told of too.
    let asking = |id: &str| {
        BasicProperties::default().with_reply_to(queue.as_str().into()).with_correlation_id(id.into())
    };
    send(&channel, ASK, br#"{"id": "w", "x": [1, 2, 3]}"#, asking("c-1 \u{fc}")).await;
    let reply = next(&mut consumer).await;
    assert_eq!((correlation(&reply), reply.header("x-reason")), ("c-1 \u{fc}".into(), "wrong_length".into()));
    assert_eq!((&json(&reply)["reason"], &json(&reply)["id"]), (&"wrong_length".into(), &"w".into()));
    assert_eq!(reply.properties.kind().as_ref().map(ToString::to_string).as_deref(), Some("error"));
    assert_eq!(reply.properties.delivery_mode(), &Some(1));
    send(&channel, ASK, &vec![b' '; (1 << 20) + 1], asking("c-2")).await;
    let reply = next(&mut consumer).await;
    assert_eq!((correlation(&reply), reply.header("x-reason")), ("c-2".into(), "too_large".into()));

    for _ in 0..30 {
        send(&channel, ASK, ROW, BasicProperties::default()).await;
    }
    model.counts("pipeline_asks_total", |asks| asks >= 38.0).await;
    assert_eq!(model.counter("pipeline_asks_total", "dropped").await, 30.0);
    assert_eq!(model.log().matches("dropped a question without reply_to").count(), 5, "{}", model.log());
    assert_eq!(broker.ready("Features.dead").await, 0);
    assert_eq!(model.counter("pipeline_rejected_total", "").await, 0.0);
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asker_that_has_gone_disturbs_nobody() {
    let (broker, services, _metric, model) = started(&[]).await;
    let asker = Asker::new(&transport(&broker.url), "test", &Stop::default());
    answer(&asker, ROW).await;
    // Stopped in the middle of questions, and before them: queues of their own, and none at all.
    for round in 0..5 {
        let (connection, channel) = broker.channel().await;
        let (queue, _consumer) = replies(&channel).await;
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let direct = "amq.rabbitmq.reply-to";
        let _direct =
            channel.basic_consume(direct.into(), "".into(), options, FieldTable::default()).await.unwrap();
        for number in 0..20 {
            let reply_to = if number % 2 == 0 { direct } else { &queue };
            let id = format!("gone-{round}-{number}");
            let to = BasicProperties::default().with_reply_to(reply_to.into()).with_message_id(id.into());
            send(&channel, if round % 2 == 0 { ASK } else { "Features" }, ROW, to).await;
        }
        connection.close(200, "gone".into()).await.unwrap();
        answer(&asker, ROW).await;
    }
    let mut features = services.features(&["--interval", "0s", "--count", "100"]);
    assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    services.books.settle().await;
    assert!(!model.log().contains("WARN"), "{}", model.log());
    assert_eq!(model.counter("pipeline_reconnects_total", "").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_wants_a_reply_is_answered_and_recorded() {
    let (broker, services, metric, model) = started(&[]).await;
    let (connection, channel) = broker.channel().await;
    let (queue, mut consumer) = replies(&channel).await;
    let asking = || BasicProperties::default().with_reply_to(queue.as_str().into());
    // What clients count is no row: two processes both begin with 1.
    let mut seen = BTreeMap::new();
    for (message_id, correlation_id, body) in [
        (Some("row-a"), Some("1"), ROW.to_vec()),
        (Some("row-b"), None, ROW.to_vec()),
        (None, Some("1"), ROW.to_vec()),
        (None, Some("2"), [br#"{"id": "row-c", "x": "#, ROW, b"}"].concat()),
    ] {
        let properties = match message_id {
            Some(id) => asking().with_message_id(id.into()),
            None => asking(),
        };
        let properties = match correlation_id {
            Some(id) => properties.with_correlation_id(id.into()),
            None => properties,
        };
        send(&channel, "Features", &body, properties).await;
        let reply = next(&mut consumer).await;
        assert_eq!(correlation(&reply), correlation_id.or(message_id).unwrap());
        assert_eq!((reply.header("model"), reply.header("model_version").len()), ("model".to_owned(), 12));
        seen.insert(reply.message_id().unwrap_or("-").to_owned(), String::from_utf8(reply.body).unwrap());
    }
    assert_eq!(seen.keys().map(String::as_str).collect::<Vec<_>>(), ["-", "row-a", "row-b", "row-c"]);
    assert_eq!(seen["row-a"], seen["-"]);
    assert_eq!(seen["row-c"], format!("{{\"id\": \"row-c\", \"body\": {}}}", seen["row-a"]));

    // A bad one is told of, and a dead letter all the same; of several, the good ones are predicted.
    send(&channel, "Features", b"[1]", asking().with_message_id("bad".into())).await;
    let reply = next(&mut consumer).await;
    assert_eq!((correlation(&reply), json(&reply)["id"].as_str()), ("bad".to_owned(), Some("bad")));
    let both = [br#"{"ids": ["row-d", "row-e"], "x": ["#, ROW, b",[1]]}"].concat();
    send(&channel, "Features", &both, asking().with_correlation_id("3".into())).await;
    let (good, bad) = (next(&mut consumer).await, next(&mut consumer).await);
    assert_eq!((correlation(&good), correlation(&bad)), ("3".to_owned(), "3".to_owned()));
    assert_eq!(json(&good)["ids"], serde_json::json!(["row-d"]));
    assert_eq!(json(&bad)["id"], "row-e");
    broker.has_ready_dead("Features.dead", 2).await;

    let recorded = || services.books.recorded().predictions;
    wait_for("5 predictions", || recorded().len() == 5, || metric.log()).await;
    assert_eq!(recorded(), ["-", "row-a", "row-b", "row-c", "row-d"].map(|id| (id.to_owned(), 1)).into());
    assert_eq!(model.counter("pipeline_asks_total", "").await, 0.0);
    assert_eq!(model.counter("pipeline_replies_total", "sent").await, 7.0);
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_reply_would_go_to_a_queue_of_ours_is_predicted_and_gets_none() {
    let (broker, services, metric, model) = started(&[]).await;
    let (connection, channel) = broker.channel().await;
    for number in 0..30 {
        let queue = ["y_true", "y_predict", "Features", "y_true.dead", "Features.ask"][number % 5];
        let properties = BasicProperties::default().with_reply_to(queue.into());
        let properties = properties.with_message_id(format!("row-{number}").into());
        send(&channel, "Features", ROW, properties.clone()).await;
        send(&channel, ASK, ROW, properties).await;
    }
    model.counts("pipeline_replies_total", |replies| replies >= 60.0).await;
    assert_eq!(model.counter("pipeline_replies_total", "forbidden").await, 60.0);
    let recorded = || services.books.recorded().predictions.len();
    wait_for("30 predictions", || recorded() == 30, || metric.log()).await;
    assert_eq!(model.log().matches("no reply is sent to ").count(), 5, "{}", model.log());
    let status = services.status();
    assert_eq!((count(&status["labels"], "received"), count(&status["predictions"], "received")), (0, 30));
    for dead in ["Features.dead", "y_true.dead", "y_predict.dead"] {
        assert_eq!(broker.ready(dead).await, 0, "{dead}");
    }
    connection.close(200, "done".into()).await.unwrap();
}
