//! Dead letters that the broker does not take: whole, cut, bare, or not at all, while good rows go on.

use shared::message::Role;
use shared::transport::QueueKind;
use shared::transport::administration::rights;

use crate::broker::{self, Broker};
use crate::feed::Feed;
use crate::hostile::ready;
use crate::processes::{Process, Services};
use crate::raw::{Properties, Raw, long, table, value};

/// What the broker takes from now on, on new channels.
fn limit(broker: &Broker, bytes: usize) {
    // RabbitMQ 3.10 reads the one, 4.0 the other.
    broker.ctl(&["eval", &format!("application:set_env(rabbit, max_message_size, {bytes}).")]);
    broker.ctl(&["eval", &format!("persistent_term:put(max_message_size, {bytes}).")]);
}

/// A message that is no JSON, of 600 kB, with a header of its own.
async fn publish_bad(broker: &Broker, name: &str) {
    let mut raw = Raw::connect(&broker.url).await;
    let headers = table(&[(b"x-own", value(b'S', &long(b"theirs")))]);
    let block = Properties::default().text("message_id", name.as_bytes()).headers(headers).block();
    raw.publish("y_true", &block, &vec![b'x'; 600_000]).await;
    raw.confirmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_the_broker_goes_in_the_form_that_fits() {
    let broker = broker::private().await;
    broker.declare(QueueKind::Quorum).await;
    for (max, kept) in [(134_217_728, 600_000), (512 * 1024, 65_536), (32 * 1024, 0), (100, 0)] {
        limit(&broker, 134_217_728);
        publish_bad(&broker, &format!("bad-{max}")).await;
        limit(&broker, max);
        let services = Services::new(&broker.url);
        let mut metric = services.metric(&[]);
        metric.ready().await;
        Feed::of(&services).pairs(0..20).await;
        services.books.wait_for_rows(20).await;
        broker.has_ready_dead("y_true.dead", 1).await;
        metric.stop().await;
        let letters = broker.drain("y_true.dead").await;
        let letter = &letters[0];
        assert_eq!((letters.len(), letter.body.len()), (1, kept), "max {max}");
        assert_eq!(letter.header("x-reason"), "not_json");
        assert_eq!(letter.message_id(), Some(&*format!("bad-{max}")));
        if kept < 600_000 {
            assert_eq!(letter.header("x-original-length"), "600000");
            assert_eq!(letter.header("x-original-sha256").len(), 64);
            assert_eq!(letter.header("x-headers-dropped"), "1");
        } else {
            assert_eq!(letter.header("x-own"), "theirs");
        }
        assert_eq!(metric_reconnects(&metric), 0, "{}", metric.log());
    }
    limit(&broker, 134_217_728);
}

fn metric_reconnects(metric: &Process) -> usize {
    metric.log().matches("lost RabbitMQ").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_at_all_waits_and_others_go_on() {
    let broker = broker::private().await;
    broker.declare(QueueKind::Quorum).await;
    // With the right to do so, metric would make the exchange of the dead letters anew.
    let all = rights(&shared::transport::Queues::default());
    let of_metric = all.iter().find(|rights| rights.user == "metric").unwrap();
    broker.try_ctl(&["delete_user", "metric"]);
    broker.ctl(&["add_user", "metric", "secret"]);
    let (configure, write, read) = (&of_metric.configure, &of_metric.write, &of_metric.read);
    broker.ctl(&["set_permissions", "-p", "test", "metric", configure, write, read]);
    let services = Services::new(&broker.url);
    let url = broker.url.replace("test:test@", "metric:secret@");
    let logs = services.books.logs().to_string_lossy().into_owned();
    let mut metric = Process::start(&services.books, "metric", &["--amqp-url", &url, "--logs", &logs]);
    metric.ready().await;
    let (connection, channel) = broker.channel().await;
    channel.exchange_delete("pipeline.dead".into(), Default::default()).await.unwrap();
    publish_bad(&broker, "parked").await;
    let feed = Feed::of(&services);
    metric.says("It waits here, tried").await;
    while metric.counter("pipeline_parked", "").await != 1.0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // The feed makes the exchange anew: from here on letters can be published again.
    feed.pairs(0..500).await;
    services.books.wait_for_rows(500).await;
    broker.has_ready_dead("y_true.dead", 1).await;
    metric.says("is safe now").await;
    while metric.counter("pipeline_parked", "").await != 0.0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(metric_reconnects(&metric), 0, "{}", metric.log());
    metric.stop().await;
    let letters = broker.drain("y_true.dead").await;
    assert_eq!((letters.len(), letters[0].message_id()), (1, Some("parked")));
    assert_eq!(letters[0].header("x-original-length"), "600000");
    connection.close(200, "done".into()).await.unwrap();
    broker.try_ctl(&["delete_user", "metric"]);
}

/// A queue of dead letters that is full keeps letters waiting, and the messages that they speak of with them.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_of_dead_letters_holds_up_nothing_good() {
    let broker = broker::turn().await;
    let (connection, channel) = broker.channel().await;
    let mut arguments = lapin::types::FieldTable::default();
    arguments.insert("x-max-length".into(), lapin::types::AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), lapin::types::AMQPValue::LongString("reject-publish".into()));
    let durable = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare("Features.dead".into(), durable, arguments).await.unwrap();
    let services = Services::new(&broker.url);
    let (mut model, mut metric) = ready(&services).await;
    for _ in 0..30 {
        broker.publish(&channel, Role::Features, b"{poison", lapin::BasicProperties::default()).await;
    }
    let mut features = services.features(&["--interval", "1ms", "--count", "1000"]);
    assert_eq!(features.exit(std::time::Duration::from_secs(60)).await, Some(0), "{}", features.log());
    services.books.wait_for_rows(1000).await;
    let parked = async || model.counter("pipeline_parked", "").await >= 20.0;
    while !parked().await {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    // Nothing is lost by a stop: what has no letter is a message of its queue again.
    model.stop().await;
    metric.stop().await;
    let mut all = broker.drain("Features.dead").await.len();
    all += broker.drain("Features").await.len();
    assert_eq!(all, 30);
    connection.close(200, "done".into()).await.unwrap();
}
