//! Messages that cannot be used: what their letters keep, and how much of the log they get.

use lapin::BasicProperties;
use shared::message::Role;

use crate::broker::{self, dead_name};
use crate::processes::Services;

#[tokio::test(flavor = "multi_thread")]
async fn refused_messages_keep_every_property_that_the_broker_does_not_act_upon() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let mut metric = services.metric(&[]);
    metric.ready().await;
    let kept = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("identity".into())
        .with_message_id("row-1".into())
        .with_correlation_id("question-1".into())
        .with_reply_to("answers".into())
        .with_app_id("exercise".into())
        .with_type("label".into())
        .with_cluster_id("here".into())
        .with_priority(7)
        .with_timestamp(1_700_000_000);
    let (connection, channel) = broker.channel().await;
    // It would delete the letter.
    let sent = kept.clone().with_expiration("3600000".into()).with_delivery_mode(1);
    broker.publish(&channel, Role::Label, b"{poison", sent).await;
    broker.has_ready_dead(dead_name(Role::Label), 1).await;
    let letters = broker.drain(dead_name(Role::Label)).await;
    let letter = &letters[0];
    assert_eq!(letter.header("x-original-expiration"), "3600000");
    let headers = letter.properties.headers().clone().unwrap();
    assert_eq!(letter.properties, kept.with_delivery_mode(2).with_headers(headers));
    connection.close(200, "done".into()).await.unwrap();
    metric.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_messages_get_twenty_lines_a_second_and_a_sum() {
    const SENT: usize = 3000;
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let mut metric = services.metric(&["--log-format", "json"]);
    metric.ready().await;
    let (connection, channel) = broker.channel().await;
    for _ in 0..SENT {
        broker.publish(&channel, Role::Label, b"{poison\nforged", BasicProperties::default()).await;
    }
    broker.has_ready_dead(dead_name(Role::Label), u32::try_from(SENT).unwrap()).await;
    connection.close(200, "done".into()).await.unwrap();
    let sums = |log: &str| -> usize {
        let rest = |line: &str| -> Option<usize> {
            Some(line.split_once("and ")?.1.split_once(" more were dead-lettered")?.0.parse().unwrap())
        };
        log.lines().filter_map(rest).sum::<usize>()
    };
    let lines = |log: &str| log.matches("dead-lettered to y_true.dead (not_json): ").count();
    let all = || {
        let log = metric.log();
        lines(&log) + sums(&log) == SENT
    };
    crate::account::wait_for("all to be said or summed up", all, || metric.log()).await;
    let log = metric.log();
    // They came within some seconds.
    assert!(sums(&log) > SENT / 2 && lines(&log) >= 20, "{} lines:\n{log}", lines(&log));
    let second = |line: &str| line.split_once("\"timestamp\":\"").unwrap().1[..19].to_owned();
    let mut seconds = std::collections::BTreeMap::<String, usize>::new();
    for line in log.lines().filter(|line| line.contains("dead-lettered to ")) {
        *seconds.entry(second(line)).or_default() += 1;
    }
    // A second of the clock on the wall has parts of two of ours.
    assert!(seconds.values().all(|lines| *lines <= 40), "{seconds:?}");
    metric.stop().await;
}
