//! Many rows in one message, over RabbitMQ with real processes.

use lapin::BasicProperties;
use shared::message::Role;

use crate::account::{count, wait_for};
use crate::broker;
use crate::faults::{finish, private, ready};
use crate::processes::Services;

#[tokio::test(flavor = "multi_thread")]
async fn each_service_killed_while_rows_travel_together() {
    let (broker, services) = private().await;
    let (mut model, mut metric) = ready(&services).await;
    let load =
        ["--rate", "3000", "--count", "20000", "--rows-per-message", "64", "--label-delay", "uniform:0s..1s"];
    let features = services.features(&load);
    for rows in [2000, 6000, 10_000] {
        services.books.wait_for_rows(rows).await;
        model.kill().await;
        model = services.model(&[]);
        services.books.wait_for_rows(rows + 2000).await;
        metric.kill().await;
        metric = services.metric(&[]);
    }
    finish(&broker, &services, features, [model, metric]).await;
    services.books.agree_with(&services.status());
}

/// What goes wrong with one row is its own matter, at `model` and at `metric`, and its letter can be sent again.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_among_others_goes_alone_and_can_be_sent_again() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (mut model, mut metric) = (services.model(&[]), services.metric(&[]));
    model.ready().await;
    metric.ready().await;
    let (connection, channel) = broker.channel().await;
    let named = || BasicProperties::default().with_message_id("the-message".into());
    let good = "[0.1, 0, 0, 0, 0, 0, 0, 0, 0, 0]";
    let rows = format!("{{\"ids\": [1, 2, 3], \"body\": [{good}, [0.1, NaN], {good}]}}");
    broker.publish(&channel, Role::Features, rows.as_bytes(), named()).await;
    let anonymous = format!("[{good}, [1]]");
    broker.publish(&channel, Role::Features, anonymous.as_bytes(), named()).await;
    broker.publish(&channel, Role::Label, b"{\"ids\": [1, 2, 3], \"body\": [5, 1e16, 7]}", named()).await;
    services.books.wait_for_rows(2).await;

    let letter = |letter: &broker::Letter| {
        let id = letter.message_id().unwrap_or("-").to_owned();
        let body = String::from_utf8_lossy(&letter.body).into_owned();
        (letter.header("x-reason"), letter.header("x-part"), id, body)
    };
    let (rows, labels) = (broker::dead_name(Role::Features), broker::dead_name(Role::Label));
    broker.comes_to(rows, "two letters", |ready| ready == 2).await;
    broker.comes_to(labels, "a letter", |ready| ready == 1).await;
    let of_rows = broker.drain(rows).await;
    let text = |reason: &str, part: &str, body: &str| {
        (reason.to_owned(), part.to_owned(), "-".to_owned(), body.to_owned())
    };
    let mut seen: Vec<_> = of_rows.iter().map(letter).collect();
    seen.sort();
    assert_eq!(
        seen,
        [
            text("not_finite", "2 of 3", r#"{"id": 2, "body": [0.1, "NaN"]}"#),
            text("wrong_length", "2 of 2", "[1]"),
        ]
    );
    assert_eq!(of_rows[0].header("x-original-message-id"), "the-message");
    let of_labels = broker.drain(labels).await;
    assert_eq!(
        of_labels.iter().map(letter).collect::<Vec<_>>(),
        [text("too_extreme", "2 of 3", r#"{"id": 2, "body": 1e16}"#)]
    );

    // Mended, they go again as they are, and meet.
    let mended = format!("{{\"id\": 2, \"body\": {good}}}");
    broker.publish(&channel, Role::Features, mended.as_bytes(), BasicProperties::default()).await;
    let mended = String::from_utf8_lossy(&of_labels[0].body).replace("1e16", "6");
    broker.publish(&channel, Role::Label, mended.as_bytes(), of_labels[0].properties.clone()).await;
    services.books.wait_for_rows(3).await;
    model.stop().await;
    metric.stop().await;
    let status = services.status();
    for (part, name, want) in [
        ("labels", "scored", 3),
        ("labels", "rejected", 1),
        ("labels", "duplicates", 0),
        ("predictions", "received", 3),
        ("predictions", "anonymous", 1),
    ] {
        assert_eq!(count(&status[part], name), want, "{name} of {part}: {status}");
    }
    connection.close(200, "done".into()).await.unwrap();
}

/// At a low rate nothing waits for company.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_due_alone_goes_at_once() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (model, metric) = (services.model(&[]), services.metric(&[]));
    model.ready().await;
    metric.ready().await;
    let mut features = services.features(&["--interval", "1h", "--rows-per-message", "4096"]);
    wait_for("the first row", || services.books.rows() == 1, || metric.log()).await;
    features.stop().await;
    drop(model);
}
