//! Dead letters that the broker does not take: whole, cut, bare, or not at all, while good rows go on.

use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};
use shared::message::Role;
use shared::transport::QueueKind;
use shared::transport::administration::rights;

use crate::broker::{self, Broker};
use crate::erlang::{with_rights, with_user, with_vhost, without_user, without_vhost};
use crate::feed::Feed;
use crate::hostile::{good_row, ready};
use crate::processes::{Process, Services, asked};
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
    broker.eval(&[without_user("metric"), with_user("metric"), with_rights(of_metric)]);
    let services = Services::new(&broker.url);
    let url = broker.url.replace("test:test@", "metric:secret@");
    let logs = services.books.logs().to_string_lossy().into_owned();
    let mut metric = Process::start(&services.books, "metric", &["--amqp-url", &url, "--logs", &logs]);
    metric.ready().await;
    let (connection, channel) = broker.channel().await;
    channel.exchange_delete("pipeline.dead".into(), Default::default()).await.unwrap();
    publish_bad(&broker, "parked").await;
    let feed = Feed::of(&services);
    metric.says("retrying at least every").await;
    metric.counts("pipeline_dead_letters_parked", |parked| parked == 1.0).await;
    // The feed makes the exchange anew: from here on letters can be published again.
    feed.pairs(0..500).await;
    services.books.wait_for_rows(500).await;
    broker.has_ready_dead("y_true.dead", 1).await;
    metric.says("published the dead letter of").await;
    metric.counts("pipeline_dead_letters_parked", |parked| parked == 0.0).await;
    assert_eq!(metric_reconnects(&metric), 0, "{}", metric.log());
    metric.stop().await;
    let letters = broker.drain("y_true.dead").await;
    assert_eq!((letters.len(), letters[0].message_id()), (1, Some("parked")));
    assert_eq!(letters[0].body.len(), 600_000, "a letter that only waited is whole");
    connection.close(200, "done".into()).await.unwrap();
    broker.eval(&[without_user("metric")]);
}

/// A queue of dead letters that takes one letter and no more.
async fn one_letter_only(channel: &Channel, queue: &str) {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.into(), durable, arguments).await.unwrap();
}

/// A queue of dead letters that is full keeps letters waiting, and the messages that they speak of with them.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_of_dead_letters_holds_up_nothing_good() {
    let broker = broker::turn().await;
    let (connection, channel) = broker.channel().await;
    one_letter_only(&channel, "Features.dead").await;
    let services = Services::new(&broker.url);
    let (mut model, mut metric) = ready(&services).await;
    for _ in 0..30 {
        broker.publish(&channel, Role::Features, b"{poison", BasicProperties::default()).await;
    }
    let mut features = services.features(&["--interval", "1ms", "--count", "1000"]);
    assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    services.books.wait_for_rows(1000).await;
    model.counts("pipeline_dead_letters_parked", |parked| parked >= 20.0).await;
    // Nothing is lost by a stop: what has no letter is a message of its queue again.
    model.stop().await;
    metric.stop().await;
    let mut all = broker.drain("Features.dead").await.len();
    all += broker.drain("Features").await.len();
    assert_eq!(all, 30);
    connection.close(200, "done".into()).await.unwrap();
}

/// Labels by the million while one letter waits for the whole run: what a message costs in the end is what it cost in
/// the beginning. The table of labels grows meanwhile, and the machine has its moods: so a second `metric`, of another vhost,
/// takes the same labels in turn with the first, and sets nothing aside. `MILLIONS` says how many.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "half an hour: scripts/long labels"]
async fn labels_by_the_million_go_past_one_that_is_set_aside() {
    let millions = asked("MILLIONS").unwrap_or(10);
    let broker = broker::private().await;
    let other = "test-beside";
    broker.eval(&[without_vhost(other), with_vhost(other)]);
    let (connection, channel) = broker.channel().await;
    one_letter_only(&channel, "y_true.dead").await;
    let (vhosts, _) = broker.url.rsplit_once('/').unwrap();
    let urls = [broker.url.clone(), format!("{vhosts}/{other}")];
    let services = urls.map(|url| Services::new(&url));
    let metrics = services.each_ref().map(|services| services.metric(&[]));
    for metric in &metrics {
        metric.ready().await;
    }
    for _ in 0..2 {
        broker.publish(&channel, Role::Label, b"{poison", BasicProperties::default()).await;
    }
    metrics[0].says("retrying at least every").await;
    let feeds = services.each_ref().map(Feed::of);
    let (mut costs, mut resident) = (Vec::new(), Vec::new());
    for million in 0..millions {
        let mut cpu = [0.0; 2];
        for part in million * 20..(million + 1) * 20 {
            let rows = part * 50_000..(part + 1) * 50_000;
            for ((metric, feed), cpu) in metrics.iter().zip(&feeds).zip(&mut cpu) {
                let before = metric.cpu();
                feed.labels_unbooked(rows.clone()).await;
                while metric.counter("pipeline_received_total", "y_true").await < rows.end as f64 {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                *cpu += metric.cpu() - before;
            }
        }
        costs.push(cpu[0] / cpu[1]);
        resident.push(metrics[0].resident() / 1024);
        println!(
            "million {}: {:.2} us a label, {:.2} with nothing set aside, {} MiB resident",
            million + 1,
            cpu[0],
            cpu[1],
            resident[million]
        );
    }
    println!("beside the other, the last million cost {:.3} of the first", costs[millions - 1] / costs[0]);
    assert_eq!(metrics[0].counter("pipeline_dead_letters_parked", "").await, 1.0);
    let (first, last) = (resident[0], resident[millions - 1]);
    assert!(last < first + 40, "{first} MiB after the first million, {last} after the last");
    connection.close(200, "done".into()).await.unwrap();
    drop(metrics);
    broker.eval(&[without_vhost(other)]);
}

/// A budget of bytes that is full for a minute, because the dead letters are not taken.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: scripts/long links"]
async fn a_budget_that_is_full_for_a_minute_loses_nothing() {
    let broker = broker::turn().await;
    let (connection, channel) = broker.channel().await;
    one_letter_only(&channel, "Features.dead").await;
    let services = Services::new(&broker.url);
    let (mut model, mut metric) = ready(&services).await;
    let mut raw = Raw::connect(&broker.url).await;
    for number in 0..200 {
        let block = Properties::default().text("message_id", format!("large-{number}").as_bytes()).block();
        raw.publish("Features", &block, &vec![b'x'; 1 << 20]).await;
        if number % 16 == 15 {
            raw.confirmed().await;
        }
    }
    good_row(&mut raw, "good").await;
    raw.confirmed().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let lost = model.counter("pipeline_reconnects_total", "").await;
    assert!(lost <= 2.0, "{lost} reconnects:\n{}", model.log());
    // Room for all of them, and for what comes behind.
    let mut letters = broker.drain("Features.dead").await;
    channel.queue_delete("Features.dead".into(), Default::default()).await.unwrap();
    broker.declare(QueueKind::Quorum).await;
    services.books.wait_for_rows(2).await;
    let all = || letters.len();
    println!(
        "{} letters before there was room, {lost} reconnects, {} MiB at the most",
        all(),
        model.peak() / 1024
    );
    assert!(model.peak() / 1024 < 128, "{} MiB at the most", model.peak() / 1024);
    let mut left = 200 - letters.len();
    while left > 0 {
        let more = broker.ready("Features.dead").await;
        if more >= left {
            break;
        }
        left = 200 - letters.len();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    model.stop().await;
    metric.stop().await;
    letters.extend(broker.drain("Features.dead").await);
    let ids: std::collections::BTreeSet<_> =
        letters.iter().map(|letter| letter.message_id().unwrap()).collect();
    assert_eq!(ids.len(), 200);
    connection.close(200, "done".into()).await.unwrap();
}
