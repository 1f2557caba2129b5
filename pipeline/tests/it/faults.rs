//! Faults of the broker, of the connection and of the processes, under load: whatever happens, what was
//! confirmed is recorded, each once.

use std::time::{Duration, Instant};

use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use shared::message::Role;

use crate::account::wait_for;
use crate::broker::{self, Broker, QUEUE_SETTLES};
use crate::processes::{Process, Services};
use crate::proxy::Proxy;

/// Load for about eight seconds.
const LOAD: [&str; 4] = ["--rate", "1500", "--count", "12000"];

/// `metric` and `model`, ready, with queues old enough for the broker to be killed.
pub async fn ready(services: &Services) -> (Process, Process) {
    let (model, metric) = (services.model(&[]), services.metric(&[]));
    model.ready().await;
    metric.ready().await;
    tokio::time::sleep(QUEUE_SETTLES).await;
    (model, metric)
}

/// Waits for the end of the source, and holds the records to what it saw confirmed: when all is there, the services
/// finish, nothing is left in any queue, and only then it is counted, so that no late duplicate goes unseen.
pub async fn finish(broker: &Broker, services: &Services, mut features: Process, mut rest: [Process; 2]) {
    assert_eq!(features.exit(Duration::from_secs(90)).await, Some(0), "{}", features.log());
    services.books.settle().await;
    for process in &mut rest {
        broker.emptied().await;
        process.stop().await;
    }
    for queue in Role::ALL {
        for name in [queue.name(), broker::dead_name(queue)] {
            let left = broker.drain(name).await;
            assert!(left.is_empty(), "{} messages are left in {name}", left.len());
        }
    }
    services.books.settle_exactly().await;
}

/// A broker that may be harmed, and the services on it.
pub async fn private() -> (Broker, Services) {
    let broker = broker::private().await;
    let services = Services::new(&broker.url);
    (broker, services)
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_killed_under_load() {
    let broker = broker::private_in_quiet().await;
    let services = Services::new(&broker.url);
    let (model, metric) = ready(&services).await;
    let features = services.features(&LOAD);
    for rows in [1000, 5000] {
        services.books.wait_for_rows(rows).await;
        broker.script("kill");
        metric.not_ready().await;
        assert_eq!(metric.get("/live").await.0, 200);
        broker.script("start");
        // The promise: the first line no later than 5 s after the broker accepts connections again.
        let (back, before) = (Instant::now(), services.books.rows());
        services.books.wait_for_rows(before + 1).await;
        assert!(back.elapsed() < Duration::from_secs(5), "the first row came after {:?}", back.elapsed());
    }
    finish(&broker, &services, features, [model, metric]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_absent_at_start_and_for_more_than_sixteen_tries() {
    let broker = broker::private_in_quiet().await;
    let services = Services::new(&broker.url);
    broker.script("stop");
    let features = services.features(&["--interval", "50ms", "--count", "100"]);
    let (model, metric) = (services.model(&[]), services.metric(&[]));
    for process in [&features, &model, &metric] {
        assert_eq!(process.get("/live").await.0, 200);
        // metric opens its records first.
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let (status, body) = process.get("/ready").await;
            assert!(status == 503 && Instant::now() < deadline, "{status} {body}");
            if body.contains("not yet: connected to RabbitMQ") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let deadline = Instant::now() + Duration::from_secs(120);
    for process in [&features, &model, &metric] {
        let links = process.get("/ready").await.1.matches("RabbitMQ").count();
        while process.counter("pipeline_connect_failures_total", "").await <= 17.0 * links as f64 {
            assert!(Instant::now() < deadline, "{}", process.log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let said = process.log().matches("cannot reach RabbitMQ at").count();
        assert_eq!(said, links, "an outage is told once a connection:\n{}", process.log());
    }
    broker.script("start");
    let back = Instant::now();
    services.books.wait_for_rows(1).await;
    assert!(back.elapsed() < Duration::from_secs(5), "the first row came after {:?}", back.elapsed());
    finish(&broker, &services, features, [model, metric]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_under_load() {
    let broker = broker::turn().await;
    let proxy = Proxy::before(broker.address()).await;
    let services = Services::new(&broker.url_via(&proxy.address.to_string()));
    let (model, metric) = (services.model(&[]), services.metric(&[]));
    model.ready().await;
    metric.ready().await;
    let features = services.features(&LOAD);
    for cut in 1..=10 {
        services.books.wait_for_rows(cut * 800).await;
        proxy.cut();
    }
    finish(&broker, &services, features, [model, metric]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_frozen() {
    let broker = broker::private_in_quiet().await;
    let services = Services::new(&broker.url);
    let (model, metric) = ready(&services).await;
    let features = services.features(&["--rate", "500", "--count", "5000"]);
    services.books.wait_for_rows(500).await;
    // Shorter than the heartbeats' patience: nothing is to be noticed.
    broker.script("pause");
    tokio::time::sleep(Duration::from_secs(5)).await;
    broker.script("resume");
    let before = services.books.rows();
    services.books.wait_for_rows(before + 500).await;
    for process in [&features, &model, &metric] {
        assert!(!process.log().contains("lost RabbitMQ"), "{}", process.log());
    }
    // Longer: the connections are given up after two missed heartbeats, or an unanswered call.
    broker.script("pause");
    for process in [&model, &metric] {
        process.says("lost RabbitMQ").await;
    }
    broker.script("resume");
    finish(&broker, &services, features, [model, metric]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_alarm() {
    let (broker, services) = private().await;
    let (mut model, mut metric) = ready(&services).await;
    // A backlog for metric, from before the alarm.
    metric.stop().await;
    let mut first = services.features(&["--interval", "0s", "--count", "3000"]);
    assert_eq!(first.exit(Duration::from_secs(60)).await, Some(0));
    broker.has_ready(Role::Prediction, 3000).await;
    // Two messages that metric cannot use: their dead letters cannot be published in an alarm.
    let (connection, channel) = broker.channel().await;
    for _ in 0..2 {
        broker.publish(&channel, Role::Prediction, b"{poison", lapin::BasicProperties::default()).await;
    }
    connection.close(200, "published".into()).await.unwrap();
    broker.ctl(&["set_vm_memory_high_watermark", "0.00001"]);
    let mut features = services.features(&["--interval", "1ms"]);
    features.says("blocks publishing").await;
    let mut metric = services.metric(&[]);
    let drained = || {
        let recorded = services.books.recorded();
        recorded.labels.len() >= 3000 && recorded.predictions.len() >= 3000
    };
    wait_for("metric to drain its queues during the alarm", drained, || metric.log()).await;
    features.stop().await;
    model.stop().await;
    metric.stop().await;

    // Stopped in the middle of an alarm, and nothing is missing when it is over.
    broker.ctl(&["set_vm_memory_high_watermark", "0.4"]);
    let (_model, _metric) = (services.model(&[]), services.metric(&[]));
    let confirmed = services.books.confirmed();
    let recorded = || {
        let recorded = services.books.recorded();
        confirmed.0.iter().all(|id| recorded.predictions.contains_key(id))
            && confirmed.1.iter().all(|id| recorded.labels.contains_key(id))
    };
    wait_for("all that was confirmed", recorded, String::new).await;
    services.books.recorded().assert_each_once();
    broker.emptied().await;
    // A letter that was under way when its process was stopped in the alarm may have arrived and be sent again.
    let letters = broker.drain(broker::dead_name(Role::Prediction)).await.len();
    assert!((2..=4).contains(&letters), "{letters} dead letters of 2 bad messages");
}

#[tokio::test(flavor = "multi_thread")]
async fn queue_deleted_while_consuming() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (model, metric) = (services.model(&[]), services.metric(&[]));
    model.ready().await;
    metric.ready().await;
    let features = services.features(&["--rate", "200", "--count", "2000"]);
    let (connection, channel) = broker.channel().await;
    for queue in Role::ALL {
        let before = services.books.rows();
        services.books.wait_for_rows(before + 100).await;
        channel.queue_delete(queue.name().into(), Default::default()).await.unwrap();
    }
    let before = services.books.rows();
    services.books.wait_for_rows(before + 100).await;
    // What was in a deleted queue is gone by definition; the rest is there once.
    services.books.recorded().assert_each_once();
    assert!(model.log().contains("was Features deleted?"), "{}", model.log());
    connection.close(200, "done".into()).await.unwrap();
    drop(features);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_person_can_mend_ends_a_service_with_78() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (connection, channel) = broker.channel().await;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    let mut stream = FieldTable::default();
    stream.insert("x-queue-type".into(), AMQPValue::LongString("stream".into()));
    channel.queue_declare("Features".into(), durable, stream).await.unwrap();
    let mut model = services.model(&[]);
    assert_eq!(model.exit(Duration::from_secs(20)).await, Some(78), "{}", model.log());
    for part in ["Features at", "is a stream", "--features-queue"] {
        assert!(model.log().contains(part), "{part:?} is missing:\n{}", model.log());
    }
    let mut metric = services.metric(&["--labels-queue", "amq.labels"]);
    assert_eq!(metric.exit(Duration::from_secs(20)).await, Some(78), "{}", metric.log());
    assert!(metric.log().contains("--labels-queue"), "{}", metric.log());
    // An exchange that would send what is published everywhere.
    channel.exchange_delete("pipeline".into(), Default::default()).await.unwrap();
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let fanout = ExchangeKind::Fanout;
    channel.exchange_declare("pipeline".into(), fanout, durable, FieldTable::default()).await.unwrap();
    let mut features = services.features(&[]);
    assert_eq!(features.exit(Duration::from_secs(20)).await, Some(78), "{}", features.log());
    for process in [&model, &metric, &features] {
        assert!(!process.log().contains("test:test"), "the password is in the log:\n{}", process.log());
    }
    channel.queue_delete("Features".into(), Default::default()).await.unwrap();
    channel.exchange_delete("pipeline".into(), Default::default()).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn model_terminated_mid_batch() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let mut model = services.model(&[]);
    let metric = services.metric(&[]);
    let features = services.features(&LOAD);
    for rows in [1500, 4000, 6500] {
        services.books.wait_for_rows(rows).await;
        model.stop().await;
        // A graceful stop acknowledges what it has published, so nothing is predicted twice.
        assert_eq!(metric.counter("pipeline_duplicates_total", "y_predict").await, 0.0);
        model = services.model(&[]);
    }
    services.books.wait_for_rows(12_000).await;
    assert_eq!(metric.counter("pipeline_duplicates_total", "").await, 0.0);
    finish(&broker, &services, features, [model, metric]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn features_terminated_mid_batch() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (_model, _metric) = (services.model(&[]), services.metric(&[]));
    for rows in [1000, 3000] {
        // Labels that come later leave at the stop, so that no row stays without one. The rate bounds how many there are: a stop
        // that takes longer than five seconds lets go of the rest.
        let mut features = services.features(&["--rate", "2000", "--label-delay", "uniform:0s..1h"]);
        wait_for("rows", || services.books.confirmed().0.len() >= rows, String::new).await;
        features.stop().await;
        services.books.settle_exactly().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metric_terminated_mid_batch() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let model = services.model(&[]);
    let mut metric = services.metric(&[]);
    let features = services.features(&LOAD);
    for rows in [2000, 5000, 8000] {
        services.books.wait_for_rows(rows).await;
        metric.stop().await;
        metric = services.metric(&[]);
    }
    finish(&broker, &services, features, [model, metric]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn model_killed_between_publish_and_acknowledgement() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let metric = services.metric(&[]);
    metric.ready().await;
    // A backlog, so that the model has batches under way whenever it is killed.
    let features = services.features(&["--interval", "0s", "--count", "60000"]);
    let mut kills = 0;
    loop {
        let before = services.books.rows();
        let mut model = services.model(&[]);
        services.books.wait_for_rows(before + 1).await;
        let duplicates = metric.counter("pipeline_duplicates_total", "y_predict").await;
        if duplicates > 0.0 {
            finish(&broker, &services, features, [model, metric]).await;
            return;
        }
        model.kill().await;
        kills += 1;
        assert!(kills < 30, "no kill of 30 fell between a publish and its acknowledgement");
    }
}
