//! Rows and labels in the forms that other programs send, by way of a broker: each row meets its label.

use std::collections::BTreeSet;

use lapin::BasicProperties;
use shared::message::Role;

use crate::broker;
use crate::processes::Services;

/// 151, as `gzip` has it.
const GZIP_151: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x33\x34\x35\x04\x00\x39\x94\x07\x29\x03\x00\x00\x00";

/// The features of the model in the repository, by name and out of order.
const NAMED: &str = r#""bmi": "0.06", "age": 0.03, "sex": true, "bp": 0.02, "s1": -0.04, "s2": -0.03, "s3": 1e-2,
    "s4": 0, "s5": 0.01, "s6": -0.02, "clinic": "North""#;

fn beside(id: &str) -> BasicProperties {
    BasicProperties::default().with_message_id(id.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_meet_their_labels_in_whatever_form_they_come() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (mut model, mut metric) = (services.model(&[]), services.metric(&[]));
    model.ready().await;
    metric.ready().await;
    let (connection, channel) = broker.channel().await;
    let none = BasicProperties::default;
    let text = || BasicProperties::default().with_content_type("text/plain".into());
    let rows = [
        ("order:17", format!("{{{NAMED}}}"), beside("order:17").with_content_type("text/plain".into())),
        ("a/b", format!(r#"{{"id": "a/b", {NAMED}}}"#), none()),
        ("5", r#"{"id": 5.0, "features": ["0.03", 1, 0, 0, "0", 0, 0, 0, 0, 0]}"#.to_owned(), text()),
        ("39640798", format!(r#"{{"x": {{{NAMED}}}, "id": 3.9640798e7}}"#), none()),
    ];
    let labels = [
        (b"\"151.0\"".to_vec(), beside("order:17").with_content_type("text/plain".into())),
        (GZIP_151.to_vec(), beside("a/b").with_content_encoding("gzip".into())),
        (br#"{"id": "5", "y_true": "151"}"#.to_vec(), none()),
        (br#"{"id": 39640798, "body": true}"#.to_vec(), none()),
    ];
    for (_, body, properties) in &rows {
        broker.publish(&channel, Role::Features, body.as_bytes(), properties.clone()).await;
    }
    for (body, properties) in labels {
        broker.publish(&channel, Role::Label, &body, properties).await;
    }
    services.books.wait_for_rows(rows.len()).await;
    let recorded = services.books.recorded();
    recorded.assert_each_once();
    let found: BTreeSet<_> = recorded.rows.keys().map(String::as_str).collect();
    assert_eq!(found, rows.iter().map(|(id, ..)| *id).collect());
    model.stop().await;
    metric.stop().await;
    connection.close(200, "done".into()).await.unwrap();
}
