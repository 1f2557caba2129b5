//! What the transport heals by itself on RabbitMQ, and the one thing that it cannot.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use shared::clock::Timestamp;
use shared::message::{Key, ModelRole, Outgoing, Prediction, Role, RowId};
use shared::stop::Stop;
use shared::transport::{Endpoint, Error, QueueKind, Transport};
use tokio::time::timeout;

use crate::broker::{self, Letter};
use crate::contract::{World, ids, label, labels, publish, take, take_all};
use crate::proxy::Proxy;

fn prediction(id: &str) -> Outgoing {
    let key = Key::Property(RowId::parse(id).unwrap());
    Prediction {
        key,
        value: 1.0,
        model: None,
        model_version: None,
        role: ModelRole::Serving,
        published_at: None,
        features_published_at: None,
        vector: None,
    }
    .encode("test", Timestamp(0))
}

async fn behind_proxy() -> (World, Proxy) {
    let mut world = World::amqp(QueueKind::Quorum).await;
    let broker = world.broker.as_ref().unwrap();
    let proxy = Proxy::before(broker.address()).await;
    let endpoint =
        Endpoint::from_url(&broker.url_via(&proxy.address.to_string()), QueueKind::Quorum).unwrap();
    world.transport = Transport::Amqp(endpoint);
    (world, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_loses_nothing() {
    let (world, proxy) = behind_proxy().await;
    let publisher = world.publisher();
    let mut consumer = world.consumer(100);
    let sender = tokio::spawn(async move {
        for batch in 0..60 {
            publish(&publisher, labels(batch * 50..(batch + 1) * 50)).await;
        }
    });
    let mut seen = BTreeSet::new();
    let mut cut_at = 0;
    while seen.len() < 3000 {
        let batch = take(&mut consumer, 64).await;
        seen.extend(ids(&batch));
        batch.ack().await;
        if seen.len() > cut_at + 300 {
            cut_at = seen.len();
            proxy.cut();
        }
    }
    sender.await.unwrap();
    assert_eq!(seen, (0..3000).map(|id| id.to_string()).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_that_was_given_up_takes_no_answer_from_a_later_one() {
    let (world, proxy) = behind_proxy().await;
    let (connection, channel) = world.broker.as_ref().unwrap().channel().await;
    let publisher = world.publisher();
    publish(&publisher, vec![label("first"), prediction("first")]).await;
    // From now on every label comes back at once, before what a queue has to make safe is confirmed; and the client gives what
    // came back to whichever confirm is next.
    channel.queue_delete("y_true".into(), Default::default()).await.unwrap();
    proxy.stall_for(Duration::from_secs(3));
    // On each lane a few messages that nobody waits for any more, and behind them so many which must not be lost that the few are
    // confirmed before the last of them has come back.
    let few = (0..4).map(|_| {
        let few = (0..10).map(|id| prediction(&id.to_string())).collect();
        timeout(Duration::from_millis(500), publisher.publish(few))
    });
    assert!(join_all(few).await.into_iter().all(|given_up| given_up.is_err()));
    // Somebody makes the queue in its consumer's place, after some seconds.
    let published = join_all((0..4).map(|lane| publisher.publish(labels(lane * 256..(lane + 1) * 256))));
    timeout(Duration::from_secs(60), published)
        .await
        .expect("publish hangs")
        .into_iter()
        .for_each(Result::unwrap);
    let there: BTreeSet<String> = world
        .broker
        .as_ref()
        .unwrap()
        .drain("y_true")
        .await
        .iter()
        .filter_map(|letter| letter.message_id().map(str::to_owned))
        .collect();
    let lost: Vec<String> = (0..1024).map(|id| id.to_string()).filter(|id| !there.contains(id)).collect();
    assert!(lost.is_empty(), "said to be published, and lost: {lost:?}");
    _ = connection.close(200, "done".into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_accepts_and_closes_is_waited_for() {
    let (world, proxy) = behind_proxy().await;
    proxy.refuse();
    let publisher = world.publisher();
    let waiting = tokio::spawn(async move { publish(&publisher, vec![label("a")]).await });
    let mut consumer = world.consumer(10);
    let refused = timeout(Duration::from_secs(3), consumer.take(1)).await;
    assert!(refused.is_err(), "nothing can come yet");
    proxy.cut();
    assert_eq!(ids(&take(&mut consumer, 1).await), ["a"]);
    waiting.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_from_before_a_cut_comes_again() {
    let (world, proxy) = behind_proxy().await;
    publish(&world.publisher(), vec![label("a")]).await;
    let mut consumer = world.consumer(10);
    let before = take(&mut consumer, 1).await;
    proxy.cut();
    let again = take(&mut consumer, 1).await;
    // Too late, and harmless: it must not acknowledge what the new connection delivered.
    before.ack().await;
    assert_eq!(ids(&again), ["a"]);
    assert!(again.deliveries[0].redelivered());
    drop(again);
    assert_eq!(ids(&take(&mut consumer, 1).await), ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unroutable_messages_among_good_ones_are_not_lost() {
    let world = World::amqp(QueueKind::Quorum).await;
    let broker = world.broker.as_ref().unwrap();
    let publisher = world.publisher();
    publish(&publisher, vec![label("first"), prediction("first")]).await;
    let (connection, channel) = broker.channel().await;
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..4 {
        let publisher = publisher.clone();
        senders.spawn(async move {
            for batch in 0..10 {
                let id = |at: usize| format!("{sender}-{batch}-{at}");
                // One in four goes to the queue that is cut off again and again.
                let mixed =
                    |at: usize| if at.is_multiple_of(4) { prediction(&id(at)) } else { label(&id(at)) };
                publish(&publisher, (0..100).map(mixed).collect()).await;
            }
        });
    }
    let mut unbound = 0;
    while !senders.is_empty() && unbound < 10 {
        let name = || Role::Prediction.name().into();
        channel.queue_unbind(name(), "pipeline".into(), name(), FieldTable::default()).await.unwrap();
        unbound += 1;
        tokio::select! {
            Some(sent) = senders.join_next() => sent.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
    while let Some(sent) = senders.join_next().await {
        sent.unwrap();
    }
    connection.close(200, "done".into()).await.unwrap();
    let arrived = |letters: Vec<Letter>| -> BTreeSet<String> {
        letters.iter().map(|letter| letter.message_id().unwrap().to_owned()).collect()
    };
    let (labels, predictions) =
        (arrived(broker.drain("y_true").await), arrived(broker.drain("y_predict").await));
    assert_eq!((labels.len(), predictions.len()), (3001, 1001), "after {unbound} unbindings");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_the_broker_closes_is_replaced() {
    let world = World::amqp(QueueKind::Quorum).await;
    let publisher = world.publisher();
    publish(&publisher, vec![label("a")]).await;
    let (connection, channel) = world.broker.as_ref().unwrap().channel().await;
    // The next publish is answered with 404, which closes its channel.
    channel.exchange_delete("pipeline".into(), Default::default()).await.unwrap();
    publish(&publisher, vec![label("b")]).await;
    assert_eq!(take_all(&mut world.consumer(10), 2).await, ["a", "b"]);
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_deleted_while_consuming_is_declared_again() {
    let world = World::amqp(QueueKind::Quorum).await;
    let publisher = world.publisher();
    let mut consumer = world.consumer(10);
    publish(&publisher, vec![label("a")]).await;
    assert_eq!(take_all(&mut consumer, 1).await, ["a"]);
    let (connection, channel) = world.broker.as_ref().unwrap().channel().await;
    channel.queue_delete("y_true".into(), Default::default()).await.unwrap();
    // Its consumer makes it again, which is what the publisher waits for.
    let (taken, ()) = tokio::join!(take_all(&mut consumer, 1), publish(&publisher, vec![label("b")]));
    assert_eq!(taken, ["b"]);
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_other_arguments_is_used_as_it_is() {
    let broker = broker::turn().await;
    let (connection, channel) = broker.channel().await;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare("y_true".into(), durable, FieldTable::default()).await.unwrap();
    let endpoint = Endpoint::from_url(&broker.url, QueueKind::Quorum).unwrap();
    let world = World { transport: Transport::Amqp(endpoint), stop: Stop::default(), broker: Some(broker) };
    let mut consumer = world.consumer(10);
    publish(&world.publisher(), labels(0..3)).await;
    assert_eq!(take_all(&mut consumer, 3).await, ["0", "1", "2"]);
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_waiting_for_an_absent_broker() {
    let endpoint = Endpoint::from_url("amqp://127.0.0.1:1", QueueKind::Quorum).unwrap();
    let stop = Stop::default();
    let world = World { transport: Transport::Amqp(endpoint), stop: stop.clone(), broker: None };
    let mut consumer = world.consumer(10);
    let waiting = tokio::spawn(async move { consumer.take(1).await.map(drop) });
    stop.give_up();
    assert!(matches!(waiting.await.unwrap(), Err(Error::Stopped)));
}
