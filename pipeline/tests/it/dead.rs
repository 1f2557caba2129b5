//! `pipeline dead` on a real broker: each command, and that none of them loses a letter.

mod account;
mod export;
mod hostile;
mod kills;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString};
use lapin::{BasicProperties, Channel, Connection, PublisherConfirm};
use serde_json::{Value, json};
use shared::message::Role;
use shared::transport::QueueKind;

use crate::broker::{self, Broker, Letter};
use crate::processes::Services;

const FEATURES: &str = "Features.dead";

/// How a command has ended, and what it has said.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|why| panic!("{why}: {}{}", self.out, self.err))
    }

    /// Nothing that it printed moves a cursor, or is cut into lines by what is in a letter.
    #[track_caller]
    fn is_printable(&self) {
        let odd = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}');
        for text in [&self.out, &self.err] {
            assert!(!text.contains(odd), "{text:?}");
        }
    }

    #[track_caller]
    fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self
    }
}

/// Runs `pipeline dead COMMAND --amqp-url URL ...`, with this to read.
fn dead_typing(url: &str, arguments: &[&str], typed: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeline"));
    command.arg("dead").args(arguments).env_clear();
    if !url.is_empty() {
        command.args(["--amqp-url", url]);
    }
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may end without having read.
    _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn dead(broker: &Broker, arguments: &[&str]) -> Said {
    dead_typing(&broker.url, arguments, "")
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

/// A letter as our services make it, of a row with this id.
fn ours(reason: &str, id: &str) -> BasicProperties {
    let headers: BTreeMap<ShortString, AMQPValue> = [
        ("x-reason", text(reason)),
        ("x-detail", text("as a test has it")),
        ("x-service", text("model")),
        ("x-letter-id", text(&format!("letter of {id}"))),
        ("x-attempts", AMQPValue::LongLongInt(1)),
        ("x-feature-names", text("[\"a\"]")),
    ]
    .into_iter()
    .map(|(name, value)| (name.into(), value))
    .collect();
    let properties = BasicProperties::default().with_headers(headers.into()).with_delivery_mode(2);
    if id.is_empty() { properties } else { properties.with_message_id(id.into()) }
}

fn with(properties: BasicProperties, name: &str, value: AMQPValue) -> BasicProperties {
    let mut headers = properties.headers().clone().unwrap_or_default();
    headers.insert(name.into(), value);
    properties.with_headers(headers)
}

/// Puts a letter into a queue by its name, and waits until it is there.
/// A channel on which the broker confirms: what is not confirmed when a channel ends may be lost, and is at times by 3.10.
async fn channel(broker: &Broker) -> (Connection, Channel) {
    let (connection, channel) = broker.channel().await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    (connection, channel)
}

async fn put(channel: &Channel, queue: &str, body: &[u8], properties: BasicProperties) {
    post(channel, queue, body, properties).await.await.unwrap();
}

/// The same without waiting for the confirm.
async fn post(channel: &Channel, queue: &str, body: &[u8], properties: BasicProperties) -> PublisherConfirm {
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), queue.into(), options, body, properties).await.unwrap()
}

fn ids(letters: &[Letter]) -> Vec<&str> {
    let mut ids: Vec<&str> = letters.iter().map(|letter| letter.message_id().unwrap_or("-")).collect();
    ids.sort_unstable();
    ids
}

/// The names of a message's headers, but for what RabbitMQ adds when it hands it out.
fn headers(letter: &Letter) -> Vec<&str> {
    let headers = letter.properties.headers().as_ref().unwrap();
    headers.inner().keys().map(ShortString::as_str).filter(|name| *name != "x-delivery-count").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_looks_at_dead_letters_lose_nothing_and_change_nothing() {
    for kind in [QueueKind::Quorum, QueueKind::Classic] {
        let broker = broker::turn().await;
        broker.declare(kind).await;
        let (connection, channel) = channel(&broker).await;
        for number in 0..5 {
            let id = format!("row-{number}");
            put(&channel, FEATURES, b"[1, 2]", ours("wrong_length", &id)).await;
        }
        broker.has_ready_dead(FEATURES, 5).await;
        let mut exported = Vec::new();
        for look in 0..50 {
            let arguments = match look % 3 {
                0 => &["list"][..],
                1 => &["show", FEATURES],
                _ => &["export", FEATURES],
            };
            let said = dead(&broker, arguments).ends(0);
            match look % 3 {
                0 => assert!(said.out.starts_with("Features.dead: 5 letters\n"), "{}", said.out),
                1 => assert_eq!(said.out.matches("as a test has it").count(), 5, "{}", said.out),
                _ => exported.push(said.out),
            }
        }
        let lines = |text: &String| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert!(exported.iter().all(|text| lines(text) == lines(&exported[0])), "{exported:?}");
        broker.has_ready_dead(FEATURES, 5).await;
        let letters = broker.drain(FEATURES).await;
        assert_eq!(ids(&letters), ["row-0", "row-1", "row-2", "row-3", "row-4"]);
        assert!(letters.iter().all(|letter| letter.body == b"[1, 2]"));
        connection.close(200, "done".into()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_a_service_goes_back_to_its_queue_and_nowhere_else() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let mut model = services.model(&[]);
    model.ready().await;
    let (connection, channel) = channel(&broker).await;
    let many = br#"{"ids": ["many-1", "many-2"], "x": [[1, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]}"#;
    let short = BasicProperties::default().with_message_id("short".into()).with_app_id("shop".into());
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let short = with(short, "traceparent", text(trace));
    broker.publish(&channel, Role::Features, b"[1, 2]", short).await;
    broker.publish(&channel, Role::Features, many, BasicProperties::default()).await;
    broker.has_ready_dead(FEATURES, 2).await;
    model.stop().await;

    let listed = dead(&broker, &["list", "Features", "--json"]).ends(0).json();
    let group = &listed["queues"][0]["groups"][0];
    assert_eq!((&group["reason"], &group["service"]), (&json!("wrong_length"), &json!("model")));
    assert_eq!(group["letters"], 2, "{listed}");
    // The row that was one of many is found by its own id, and its message's id is nobody's.
    let shown = dead(&broker, &["show", "Features", "--id", "many-1"]).ends(0).out;
    assert!(shown.starts_with("many-1: wrong_length: 2 features, the model expects 10\n"), "{shown}");
    assert!(shown.contains("header x-part: 1 of 2") && !shown.contains("short"), "{shown}");
    let nothing = dead(&broker, &["show", FEATURES, "--id", "nobody"]).ends(3);
    assert_eq!(nothing.err, "no letter of Features.dead matches\n");

    // Whoever has bound another queue to our exchange gets no part of it.
    let (options, nothing) =
        (QueueDeclareOptions { exclusive: true, ..Default::default() }, FieldTable::default());
    channel.queue_declare("spy".into(), options, nothing.clone()).await.unwrap();
    let bind = QueueBindOptions::default();
    channel.queue_bind("spy".into(), "pipeline".into(), "Features".into(), bind, nothing).await.unwrap();
    let dry = dead(&broker, &["requeue", "Features", "--dry-run"]).ends(0).out;
    assert_eq!(dry, "would requeue 2 letters from Features.dead to Features\n");
    broker.has_ready_dead(FEATURES, 2).await;
    let one =
        dead(&broker, &["requeue", "Features", "--reason", "wrong_length,not_json", "--limit", "1"]).ends(0);
    assert!(one.out.starts_with("requeued 1 letter from Features.dead to Features\n"), "{}", one.out);
    dead(&broker, &["requeue", FEATURES, "--rate", "1000"]).ends(0);
    dead(&broker, &["requeue", FEATURES]).ends(3);
    let spied = channel.basic_get("spy".into(), Default::default()).await.unwrap();
    assert!(spied.is_none());
    let mut again = broker.drain("Features").await;
    again.sort_by_key(|letter| letter.body.len());
    assert_eq!(again.len(), 2);
    assert_eq!((&again[0].body[..], again[0].message_id()), (&b"[1, 2]"[..], Some("short")));
    assert_eq!(again[1].body, br#"{"id": "many-1", "x": [1, 2]}"#);
    let wanted = [&["traceparent", "x-attempts", "x-requeued"][..], &["x-attempts", "x-requeued"]];
    for (letter, wanted) in again.iter().zip(wanted) {
        assert_eq!(headers(letter), wanted);
        assert_eq!(letter.header("x-requeued"), "1");
    }
    assert_eq!(again[0].header("traceparent"), trace);
    assert_eq!(again[0].properties.app_id().as_ref().unwrap().as_str(), "shop");
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_go_back_is_named_and_stays() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let (connection, channel) = channel(&broker).await;
    let good = |id| ours("wrong_length", id);
    put(&channel, FEATURES, b"[1]", with(good("cut"), "x-shortened", text("the first 3 of 9 bytes"))).await;
    put(&channel, FEATURES, b"[1]", BasicProperties::default().with_message_id("stranger".into())).await;
    // Copies of one letter, and two rows without an id, which nobody can tell from copies.
    for _ in 0..3 {
        put(&channel, FEATURES, b"[1]", good("copied")).await;
    }
    for _ in 0..2 {
        put(&channel, FEATURES, b"[1]", good("")).await;
    }
    // What RabbitMQ would act upon.
    let cc = AMQPValue::FieldArray(FieldArray::from(vec![text("y_true")]));
    let mut acting = with(good("acting"), "x-original-cc", cc.clone()).with_expiration("600000".into());
    acting = with(acting, "BCC", AMQPValue::FieldArray(FieldArray::from(vec![text(FEATURES)])));
    put(&channel, FEATURES, b"[1]", acting).await;
    broker.has_ready_dead(FEATURES, 8).await;
    broker.drain("y_true").await;

    let said = dead(&broker, &["requeue", "Features", "--rate", "1000"]).ends(1);
    assert!(
        said.out.contains("requeued 4 letters from Features.dead to Features, and removed "),
        "{}",
        said.out
    );
    for line in [
        "2 letters cannot be requeued and stay:\n",
        "  cut (wrong_length): it is shortened: the first 3 of 9 bytes\n",
        "  stranger (foreign): nobody says why it is here (`foreign`): it was never a message of Features\n",
    ] {
        assert!(said.out.contains(line), "{line:?} is missing: {}", said.out);
    }
    broker.has_ready_dead(FEATURES, 2).await;
    assert_eq!(ids(&broker.drain("Features").await), ["-", "-", "acting", "copied"]);
    assert_eq!(broker.ready("y_true").await, 0);
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_the_broker_itself_is_shown_and_goes_back() {
    for kind in [QueueKind::Quorum, QueueKind::Classic] {
        let broker = broker::turn().await;
        broker.declare(kind).await;
        let (connection, channel) = channel(&broker).await;
        let expiring = BasicProperties::default().with_message_id("late".into()).with_expiration("1".into());
        broker.publish(&channel, Role::Features, b"[1]", expiring).await;
        broker.has_ready_dead(FEATURES, 1).await;
        let listed = dead(&broker, &["list", "Features"]).ends(0).out;
        assert!(listed.contains("1  rabbitmq:expired  RabbitMQ  2"), "{listed}");
        let shown = dead(&broker, &["show", "Features", "--reason", "rabbitmq:expired"]).ends(0).out;
        assert!(
            shown.starts_with("late: rabbitmq:expired: RabbitMQ dead-lettered it out of Features\n"),
            "{shown}"
        );
        dead(&broker, &["requeue", "Features"]).ends(0);
        broker.has_ready(Role::Features, 1).await;
        let again = broker.drain("Features").await;
        assert_eq!(again[0].message_id(), Some("late"));
        assert_eq!(headers(&again[0]), ["x-requeued"]);
        connection.close(200, "done".into()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_told_with_what_to_do() {
    let broker = broker::turn().await;
    let unnamed = dead_typing("", &["list"], "").ends(1);
    assert!(
        unnamed.err.contains("no broker is named, and only RabbitMQ keeps dead letters"),
        "{}",
        unnamed.err
    );
    assert!(unnamed.err.contains("--amqp-url or AMQP_URL"), "{}", unnamed.err);
    let nobody = dead_typing("amqp://127.0.0.1:1", &["list"], "").ends(1);
    assert!(nobody.err.contains("nothing listens there"), "{}", nobody.err);
    let none = dead(&broker, &["list"]).ends(3);
    assert!(none.out.contains("y_true.dead: there is no such queue\n"), "{}", none.out);
    let none = dead(&broker, &["show", "Features"]).ends(1);
    assert!(none.err.contains("there is no queue Features.dead at amqp://"), "{}", none.err);
    assert!(none.err.contains("`pipeline topology` creates"), "{}", none.err);
    broker.declare(QueueKind::Quorum).await;
    assert!(dead(&broker, &["list"]).ends(3).out.starts_with("Features.dead: no letters\n"));
    let (connection, channel) = channel(&broker).await;
    put(&channel, FEATURES, b"[1]", ours("not_json", "a")).await;
    broker.has_ready_dead(FEATURES, 1).await;
    broker.delete("Features").await;
    let gone = dead(&broker, &["requeue", "Features"]).ends(1);
    assert!(gone.err.contains("there is no queue Features at amqp://"), "{}", gone.err);
    broker.has_ready_dead(FEATURES, 1).await;
    connection.close(200, "done".into()).await.unwrap();
}
