//! The function on AWS Lambda with a real RabbitMQ: what it publishes, and what becomes of a batch when the broker goes away.

use std::time::Duration;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};
use shared::message::Role;
use shared::transport::QueueKind;

use crate::account::Books;
use crate::broker::{Letter, dead_name, turn};
use crate::processes::{Process, programs, repository};
use crate::proxy::Proxy;

#[expect(dead_code, reason = "the tests without a broker use all of it that these do not")]
#[path = "../../../lambda/tests/function/runtime_api.rs"]
mod runtime_api;

use runtime_api::{Function, Told, event, is_documented};

/// How long an event may take.
const TIME: Duration = Duration::from_secs(60);

fn start(url: &str) -> Function {
    let model = repository("data/model.json");
    let variables = [("PIPELINE_MODEL", model.to_str().unwrap()), ("AMQP_URL", url)];
    Function::start(&programs().join("bootstrap"), &variables)
}

/// Has the function answer an event. The thread that waits leaves its tasks, such as the proxy's, to others.
fn invoke(function: &Function, event: &[u8], within: Duration) -> Told {
    tokio::task::block_in_place(|| function.invoke(event, within))
}

/// A batch of one row.
fn row(id: &str) -> Vec<u8> {
    let body = "WzAuMDM4LDAuMDUxLDAuMDYyLDAuMDIyLC0wLjA0NCwtMC4wMzUsLTAuMDQzLC0wLjAwMywwLjAyMCwtMC4wMThd";
    let record = json!({ "basicProperties": { "messageId": id }, "redelivered": false, "data": body });
    json!({ "eventSource": "aws:rmq", "rmqMessagesByQueue": { "Features::/": [record] } }).to_string().into()
}

/// An event for the vhost of a test.
fn of_vhost(event: &[u8], url: &str) -> Vec<u8> {
    let vhost = url.rsplit('/').next().unwrap();
    let text = String::from_utf8(event.to_vec()).unwrap();
    text.replace("\"Features::/\"", &format!("\"Features::{vhost}\"")).into()
}

/// What two ways of predicting must have in common: all but the times and who opened the connection.
fn comparable(letters: Vec<Letter>) -> Vec<String> {
    let mut all: Vec<String> = letters
        .into_iter()
        .map(|Letter { body, properties }| {
            let headers = properties.headers().clone().unwrap_or_default();
            let headers: Vec<String> = headers
                .inner()
                .iter()
                .filter(|(name, _)| name.as_str() != "published_at_ms")
                .map(|(name, value)| format!("{name}={value:?}"))
                .collect();
            format!(
                "{} {:?} {:?} {:?} {:?} {}",
                String::from_utf8_lossy(&body),
                properties.message_id(),
                properties.content_type(),
                properties.delivery_mode(),
                properties.app_id(),
                headers.join(" "),
            )
        })
        .collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn lambda_publishes_what_model_publishes_and_a_poisoned_record_fails_nothing() {
    let broker = turn().await;
    broker.declare(QueueKind::Quorum).await;
    let documented = event("rabbitmq");

    let function = start(&broker.url);
    let told = invoke(&function, &of_vhost(&documented, &broker.url), TIME);
    assert!(matches!(told, Told::Answer(_)), "{told:?}\n{}", function.log());
    is_documented("rabbitmq", &told);
    let [line] = &function.metrics()[..] else { panic!("{}", function.log()) };
    for (name, count) in [
        ("Rows", 5),
        ("Predictions", 3),
        ("Rejected", 2),
        ("Rejected_not_json", 1),
        ("Rejected_wrong_length", 1),
        ("Errors", 0),
    ] {
        assert_eq!(line[name], json!(count), "{name}: {line}");
    }
    drop(function);
    let by_lambda = (broker.drain("y_predict").await, broker.drain(dead_name(Role::Features)).await);
    let mut reasons: Vec<String> = by_lambda.1.iter().map(|letter| letter.header("x-reason")).collect();
    reasons.sort();
    assert_eq!(reasons, ["not_json", "wrong_length"]);
    let poisoned = by_lambda.1.iter().find(|letter| letter.message_id() == Some("row-18")).unwrap();
    // How often the queue handed it out, and that its headers are texts again, is in the letter.
    assert_eq!((poisoned.header("x-attempts"), poisoned.header("tries")), ("2".to_owned(), "v".to_owned()));
    assert_eq!(poisoned.body, b"[1,*junk");

    // The same messages, as RabbitMQ brings them to `model`.
    let event: Value = serde_json::from_slice(&documented).unwrap();
    let (connection, channel) = broker.channel().await;
    for record in event["rmqMessagesByQueue"]["Features::/"].as_array().unwrap() {
        let (body, properties) = published(record);
        broker.publish(&channel, Role::Features, &body, properties).await;
    }
    connection.close(200, "published".into()).await.unwrap();
    let books = Books::new();
    let model = ["--amqp-url", &broker.url, "--model", "data/model.json", "--admin-addr", "127.0.0.1:0"];
    let mut model = Process::start(&books, "model", &model);
    broker.has_ready(Role::Prediction, 3).await;
    broker.has_ready_dead(dead_name(Role::Features), 2).await;
    model.stop().await;
    let by_model = (broker.drain("y_predict").await, broker.drain(dead_name(Role::Features)).await);
    assert_eq!(comparable(by_lambda.0), comparable(by_model.0));
    let plain = |letters: Vec<Letter>| {
        let mut all: Vec<_> = letters
            .iter()
            .map(|letter| {
                let header = |name| letter.header(name);
                let said = ["x-reason", "x-detail", "x-service", "x-letter-id", "x-part"].map(header);
                (letter.body.clone(), letter.message_id().map(str::to_owned), said)
            })
            .collect();
        all.sort();
        all
    };
    assert_eq!(plain(by_lambda.1), plain(by_model.1));
}

/// A record of an event as a message: body and properties.
fn published(record: &Value) -> (Vec<u8>, BasicProperties) {
    use base64::Engine as _;
    let body = base64::prelude::BASE64_STANDARD.decode(record["data"].as_str().unwrap()).unwrap();
    let of = &record["basicProperties"];
    let mut headers = FieldTable::default();
    for (name, value) in
        of["headers"].as_object().into_iter().flatten().filter(|(name, _)| *name != "x-delivery-count")
    {
        let value = match value.get("bytes") {
            Some(bytes) => {
                let bytes: Vec<u8> = serde_json::from_value(bytes.clone()).unwrap();
                AMQPValue::LongString(bytes.as_slice().into())
            }
            None => AMQPValue::LongLongInt(value.as_i64().unwrap()),
        };
        headers.insert(name.as_str().into(), value);
    }
    let properties = BasicProperties::default().with_headers(headers);
    let properties = match of["messageId"].as_str() {
        Some(id) => properties.with_message_id(id.into()),
        None => properties,
    };
    (body, properties)
}

/// Between two invocations, Lambda freezes the process; its connection may be gone when it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn lambda_connects_again_after_it_was_frozen() {
    let broker = turn().await;
    broker.declare(QueueKind::Quorum).await;
    let proxy = Proxy::before(broker.address()).await;
    let function = start(&broker.url_via(&proxy.address.to_string()));
    let signal = |name: &str| {
        let id = function.id().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    };
    let answered = |id: &str| {
        let told = invoke(&function, &of_vhost(&row(id), &broker.url), TIME);
        assert!(matches!(told, Told::Answer(_)), "{told:?}\n{}", function.log());
    };
    answered("first");
    signal("STOP");
    proxy.cut();
    signal("CONT");
    answered("second");
    answered("third");
    let letters = broker.drain("y_predict").await;
    let mut ids: Vec<&str> = letters.iter().filter_map(Letter::message_id).collect();
    ids.dedup();
    assert_eq!(ids, ["first", "second", "third"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lambda_fails_a_batch_while_the_broker_is_away_and_publishes_it_when_it_comes_again() {
    let broker = turn().await;
    broker.declare(QueueKind::Quorum).await;
    let proxy = Proxy::before(broker.address()).await;
    let function = start(&broker.url_via(&proxy.address.to_string()));
    proxy.refuse();
    let batch = of_vhost(&event("rabbitmq"), &broker.url);
    let Told::Error(error) = invoke(&function, &batch, Duration::from_secs(3)) else {
        panic!("{}", function.log())
    };
    assert_eq!(error["errorType"], "not_confirmed", "{error}");
    assert_eq!(broker.ready("y_predict").await, 0);
    proxy.cut();
    is_documented("rabbitmq", &invoke(&function, &batch, TIME));
    broker.has_ready(Role::Prediction, 3).await;
    broker.has_ready_dead(dead_name(Role::Features), 2).await;
}
