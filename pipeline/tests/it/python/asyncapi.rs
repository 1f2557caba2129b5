//! What really travels, and what is read of others, held to `docs/asyncapi.json` by another library.

use std::fs;
use std::time::Duration;

use lapin::BasicProperties;
use lapin::types::AMQPValue;
use serde_json::{Map, Value, json};
use shared::message::{Label, Outgoing, Prediction, Role, Row};
use shared::transport::QueueKind;

use super::{interpreter, setup};
use crate::account::wait_for;
use crate::broker::{Letter, dead_name};
use crate::processes::{Process, repository};

/// A message as the script takes it. AMQP's properties stand among the headers.
fn sent(message: &str, letter: &Letter) -> Value {
    let properties = &letter.properties;
    let mut headers = Map::new();
    for (name, value) in properties.headers().iter().flat_map(|headers| headers.inner()) {
        match value {
            AMQPValue::LongString(text) => headers.insert(name.to_string(), text.to_string().into()),
            AMQPValue::LongLongInt(int) => headers.insert(name.to_string(), (*int).into()),
            // Bytes, of which JSON has none.
            _ => None,
        };
    }
    for (name, value) in [
        ("message_id", properties.message_id()),
        ("app_id", properties.app_id()),
        ("content_type", properties.content_type()),
    ] {
        headers.extend(value.as_ref().map(|value| (name.to_owned(), value.as_str().into())));
    }
    headers.extend(properties.timestamp().map(|timestamp| ("timestamp".to_owned(), timestamp.into())));
    let text = String::from_utf8_lossy(&letter.body);
    let payload = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text));
    json!({ "message": message, "good": true, "payload": payload, "headers": headers })
}

/// What others may send, and what not; whether it is read is asked of the code that reads it.
fn of_others() -> Vec<Value> {
    let mut lines = Vec::new();
    let mut is = |message: &str, role: Role, bodies: &[&str], good: bool| {
        for body in bodies {
            let outgoing = Outgoing {
                role,
                message_id: None,
                content_type: None,
                app: "test",
                timestamp: 0,
                headers: Vec::new(),
                body: body.as_bytes().to_vec(),
                asking: None,
                trace: None,
            };
            let names = ["area", "rooms"].map(str::to_owned);
            let all =
                |faults: Result<Vec<bool>, _>| faults.is_ok_and(|items| items.into_iter().all(|good| good));
            let is_read = match role {
                Role::Features => all(Row::decode(&outgoing, Some(&names))
                    .map(|of| of.items.iter().map(Result::is_ok).collect())),
                Role::Label => {
                    all(Label::decode(&outgoing).map(|of| of.items.iter().map(Result::is_ok).collect()))
                }
                Role::Prediction => {
                    all(Prediction::decode(&outgoing).map(|of| of.items.iter().map(Result::is_ok).collect()))
                }
            };
            assert_eq!(is_read, good, "{message} {body}");
            let payload: Value = serde_json::from_str(body).unwrap();
            lines.push(json!({ "message": message, "good": good, "payload": payload }));
        }
    };
    let rows = [
        "[0.038, 0.05]",
        r#"["0.038", true]"#,
        r#"{"area": 50, "rooms": "3"}"#,
        r#"{"area": null, "rooms": "three", "id": "order:17"}"#,
        r#"{"id": "order:17", "body": [0.038, 0.05]}"#,
        r#"{"id": 17, "features": {"area": 50, "rooms": 3}}"#,
        r#"{"ids": ["order:17", 18], "body": [[0.03, 0.05], {"area": 1, "rooms": 2}]}"#,
        "[[0.03, 0.05], [0.01, 0.02]]",
        r#"[{"area": 50, "rooms": 3}, [0.01, 0.02]]"#,
        r#"{"area": 50, "rooms": 3, "tags": ["x"]}"#,
    ];
    is("row", Role::Features, &rows, true);
    let bad = [
        "151.0",
        r#""text""#,
        "null",
        "[[[1]]]",
        r#"{"id": "two words", "body": [1, 2]}"#,
        r#"{"id": "two words", "area": 1, "rooms": 2}"#,
        r#"{"id": null, "area": 1, "rooms": 2}"#,
        r#"[{"id": "a", "area": 1, "rooms": 2}]"#,
    ];
    is("row", Role::Features, &bad, false);
    let values = [
        "151.0",
        r#""151.0""#,
        "-1e15",
        r#"{"id": "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", "y_true": 151.0}"#,
        r#"{"id": -5, "y": 151.0}"#,
        r#"{"id": "-5", "y": 151.0}"#,
        r#"{"ids": ["a/b", "x@y"], "y_true": [151.0, 75.0]}"#,
        "[151.0, 75.0]",
    ];
    let bad = [
        "null",
        r#""high""#,
        "1.1e15",
        "{}",
        r#"{"id": "a"}"#,
        r#"{"id": "a,b", "y": 1}"#,
        r#"{"id": ".a", "y": 1}"#,
        r#"{"id": "a`b", "y": 1}"#,
        r#"{"ids": [], "y": []}"#,
        "[]",
        r#"{"id": "a", "y": 1, "z": 2}"#,
        r#"{"ids": ["a"], "y": 1}"#,
        "[[151.0]]",
    ];
    for (message, role) in [("label", Role::Label), ("prediction", Role::Prediction)] {
        is(message, role, &values, true);
        is(message, role, &bad, false);
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn what_travels_and_what_is_read_is_as_it_is_described() {
    const FORMS: [&[&str]; 3] = [&[], &["--body", "wrapped"], &["--rows-per-message", "4"]];
    const ROWS: &str = "8";
    let (broker, services) = setup().await;
    broker.declare(QueueKind::Quorum).await;
    let publish = async || {
        for form in FORMS {
            let mut features = services.features(&[&["--interval", "0s", "--count", ROWS], form].concat());
            assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
        }
    };
    publish().await;
    let mut lines = of_others();
    for (queue, message) in [("Features", "row"), ("y_true", "label")] {
        lines.extend(broker.drain(queue).await.iter().map(|letter| sent(message, letter)));
    }
    let model = services.model(&["--admin-addr", "127.0.0.1:0"]);
    model.ready().await;
    publish().await;
    let (connection, channel) = broker.channel().await;
    for body in [&b"{poison"[..], b"[1,2,3]", br#"{"ids": ["a", "b"], "body": [[1], [2]]}"#] {
        broker.publish(&channel, Role::Features, body, BasicProperties::default()).await;
    }
    connection.close(200, "done".into()).await.unwrap();
    model.counts("pipeline_predictions_total", |count| count == 24.0).await;
    broker.has_ready_dead(dead_name(Role::Features), 4).await;
    for (queue, message) in [("y_predict", "prediction"), ("Features.dead", "letter")] {
        lines.extend(broker.drain(queue).await.iter().map(|letter| sent(message, letter)));
    }
    let messages = services.books.path("messages.ndjson");
    fs::write(&messages, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let mut command = tokio::process::Command::new(interpreter());
    command.arg(repository("pipeline/tests/python/asyncapi.py"));
    command.arg(repository("docs/asyncapi.json")).arg(&messages);
    let mut script = Process::spawn(&services.books, "asyncapi.py", command);
    assert_eq!(script.exit(Duration::from_secs(60)).await, Some(0), "{}", script.log());
    for message in ["row", "label", "prediction", "letter"] {
        let is_there = || script.log().contains(&format!(" of {message}"));
        wait_for(message, is_there, || script.log()).await;
    }
    println!("{}", script.log());
}
