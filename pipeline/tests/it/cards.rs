//! Cards of models: from the file to the records, and that rows need none of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lapin::BasicProperties;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions, QueuePurgeOptions};
use lapin::types::{AMQPValue, FieldTable};
use model::encode::Encoding;
use model::file::{ModelFile, sha256};
use model::linear::Linear;
use serde_json::Value;
use shared::message::{Cell, Role};
use shared::transport::administration::{Rights, rights, rights_with_side_queues};
use shared::transport::{QueueKind, Queues};

use crate::account::{Books, wait_for};
use crate::broker::{self, Broker};
use crate::erlang::{with_rights, with_user, without_user};
use crate::processes::{Process, Services};

const CARDS: &str = "y_predict.cards";

/// A model file that is swapped.
struct Models(PathBuf);

impl Models {
    fn new(books: &Books) -> Self {
        let folder = books.path("models");
        fs::create_dir(&folder).unwrap();
        Self(folder.join("model.json"))
    }

    fn argument(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn rename_in(&self, bytes: &[u8]) {
        let new = self.0.with_file_name("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(&new, &self.0).unwrap();
    }

    /// Has a model with this intercept there, and returns its version.
    fn good(&self, intercept: f64) -> String {
        let linear = Linear::new(None, &[2.0], intercept).unwrap();
        let training = serde_json::json!({"algorithm": "ols", "parameters": {}, "libraries": {}, "rows": 7, "made_at": ""});
        let encoding = Encoding::plain(vec!["a".to_owned()]);
        let training = serde_json::from_value(training).unwrap();
        let file = ModelFile::linear(&encoding, "target".to_owned(), &linear, training);
        let bytes = file.with_golden(&[&[Cell::Number(7.0)]]).unwrap().to_json().unwrap();
        self.rename_in(&bytes);
        sha256(&bytes)[..12].to_owned()
    }
}

/// Rows whose only feature is a.
fn table(books: &Books) -> String {
    let path = books.path("rows.csv");
    let rows: String = (0..300).map(|i| format!("{i},{i}\n")).collect();
    fs::write(&path, format!("a,target\n{rows}")).unwrap();
    path.to_str().unwrap().to_owned()
}

fn versions(services: &Services) -> Vec<String> {
    let with_card = |model: &&Value| !model["card"].is_null();
    let models = services.models();
    let models = models["models"].as_array().unwrap();
    models.iter().filter(with_card).map(|model| model["version"].as_str().unwrap().to_owned()).collect()
}

async fn has_cards(services: &Services, wanted: &[&String], process: &Process) {
    // Before it was, there may be no records to look at.
    process.ready().await;
    let has = || wanted.iter().all(|version| versions(services).contains(version));
    wait_for(&format!("cards of {wanted:?}"), has, || format!("{}\n{}", services.models(), process.log()))
        .await;
}

async fn refused(services: &Services, count: usize, process: &Process) {
    let has = || services.models()["refused"].as_array().unwrap().len() >= count;
    wait_for(&format!("{count} refused files"), has, || format!("{}\n{}", services.models(), process.log()))
        .await;
}

/// Rows go through, each once, and nobody has lost a connection or its readiness.
async fn rows_go_on(services: &Services, table: &str, processes: [&Process; 2]) {
    let rows = ["--order", "once", "--interval", "0s", "--data", table];
    let mut features = services.features(&rows);
    assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    services.books.settle_exactly().await;
    for process in processes {
        assert_eq!(process.get("/ready").await.0, 200, "{}", process.log());
        assert!(!process.log().contains("lost RabbitMQ"), "{}", process.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_serves_what_is_swapped_in_and_what_is_refused_is_in_the_records() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let table = table(&services.books);
    let models = Models::new(&services.books);
    let first = models.good(1.0);
    // Longer than metric: the card waits for it.
    let mut model = services.model(&["--shadow", "off", "--model", models.argument()]);
    model.says("queue y_predict does not exist yet").await;
    let mut metric = services.metric(&[]);
    has_cards(&services, &[&first], &metric).await;
    models.rename_in(b"{");
    refused(&services, 1, &metric).await;
    let second = models.good(2.0);
    has_cards(&services, &[&first, &second], &metric).await;
    rows_go_on(&services, &table, [&model, &metric]).await;

    let said = services.models();
    let of = |version: &String| {
        let mut models = said["models"].as_array().unwrap().iter();
        models.find(|model| model["version"] == **version).unwrap()
    };
    assert_eq!(
        (&of(&first)["predictions"]["received"], &of(&second)["predictions"]["scored"]),
        (&0.into(), &300.into())
    );
    let card = &of(&second)["card"];
    assert_eq!(
        (&card["file"], &card["rows"], &card["target"]),
        (&"model.json".into(), &7.into(), &"target".into())
    );
    assert_eq!(card["weights"]["intercept"], 2.0);
    let refusal = &said["refused"][0]["card"];
    assert_eq!((&refusal["reason"], &refusal["serving"]), (&"malformed".into(), &first.clone().into()));

    // Another model process says the same; what is kept is the same.
    let cards = said["models"].clone();
    model.stop().await;
    let model = services.model(&["--shadow", "off", "--model", models.argument()]);
    let seen = |said: &Value| said["models"][1]["last_seen"].as_str().unwrap().to_owned();
    let again = || seen(&services.models()) > seen(&said);
    wait_for("the same card", again, || format!("{}\n{}", services.models(), model.log())).await;
    let after = services.models();
    assert_eq!(
        (&after["models"][1]["card"], &after["models"][1]["first_seen"]),
        (&cards[1]["card"], &cards[1]["first_seen"])
    );
    assert_eq!(after["models"].as_array().unwrap().len(), 2);
    metric.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_cards_that_is_deleted_or_full_of_rubbish_holds_nothing_up() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let table = table(&services.books);
    let models = Models::new(&services.books);
    let first = models.good(1.0);
    let (metric, model) =
        (services.metric(&[]), services.model(&["--shadow", "off", "--model", models.argument()]));
    has_cards(&services, &[&first], &metric).await;

    broker.delete(CARDS).await;
    metric.says("not consuming y_predict.cards: the broker ended the subscription").await;
    rows_go_on(&services, &table, [&model, &metric]).await;
    metric.says("consuming y_predict.cards after all").await;
    let second = models.good(2.0);
    has_cards(&services, &[&second], &metric).await;

    let (connection, channel) = broker.channel().await;
    let deep = "[".repeat(100_000).into_bytes();
    let large = vec![b' '; (1 << 20) + 1];
    let rubbish = [&b""[..], b"{", b"\xff", b"{\"card\":99}", &deep, &large];
    for number in 0..120 {
        let (body, key) = (rubbish[number % rubbish.len()], CARDS);
        let options = BasicPublishOptions::default();
        channel
            .basic_publish("".into(), key.into(), options, body, BasicProperties::default())
            .await
            .unwrap();
    }
    rows_go_on(&services, &table, [&model, &metric]).await;
    let third = models.good(3.0);
    has_cards(&services, &[&third], &metric).await;
    assert!(metric.counter("pipeline_cards_total", "unreadable").await > 0.0);
    assert!(metric.counter("pipeline_cards_total", "model").await >= 3.0);
    let lines = metric.log().matches("dropped a message of the queue of cards").count();
    assert!((1..=10).contains(&lines), "{lines} lines: {}", metric.log());
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_cards_that_cannot_be_used_is_said_once_and_rows_need_none() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let table = table(&services.books);
    let models = Models::new(&services.books);
    models.good(1.0);
    // Somebody else has it for himself.
    let (connection, channel) = broker.channel().await;
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(CARDS.into(), options, FieldTable::default()).await.unwrap();
    let alone = BasicConsumeOptions { exclusive: true, no_ack: true, ..Default::default() };
    let theirs =
        channel.basic_consume(CARDS.into(), "theirs".into(), alone, FieldTable::default()).await.unwrap();
    let (metric, model) =
        (services.metric(&[]), services.model(&["--shadow", "off", "--model", models.argument()]));
    metric.says("not consuming y_predict.cards: ").await;
    rows_go_on(&services, &table, [&model, &metric]).await;
    drop(theirs);
    channel.basic_cancel("theirs".into(), Default::default()).await.unwrap();
    metric.says("consuming y_predict.cards after all").await;
    assert_eq!(metric.log().matches("not consuming y_predict.cards: ").count(), 1, "{}", metric.log());
    let second = models.good(2.0);
    has_cards(&services, &[&second], &metric).await;
    connection.close(200, "done".into()).await.unwrap();
}

/// A queue that takes nothing. It is said once, and the card goes when there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_cannot_be_published_is_told_of_once_and_goes_later() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    broker.delete(CARDS).await;
    let (connection, channel) = broker.channel().await;
    let mut full = FieldTable::default();
    // Both cards have room once it is empty.
    full.insert("x-max-length".into(), AMQPValue::LongLongInt(2));
    full.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(CARDS.into(), durable, full).await.unwrap();
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    for _ in 0..2 {
        let (options, properties) = (options, properties.clone());
        channel.basic_publish("".into(), CARDS.into(), options, b"rubbish", properties).await.unwrap();
    }
    broker.comes_to(CARDS, "two messages", |ready| ready == 2).await;

    let services = Services::new(&broker.url);
    let table = table(&services.books);
    let models = Models::new(&services.books);
    models.good(1.0);
    let model = services.model(&["--model", models.argument(), "--shadow", "off"]);
    model.says("queue y_predict.cards is unavailable").await;
    models.good(2.0);
    model.says("now serves").await;
    let rows = ["--order", "once", "--interval", "0s", "--data", &table];
    assert_eq!(services.features(&rows).exit(Duration::from_secs(60)).await, Some(0));
    broker.has_ready(Role::Prediction, 300).await;
    channel.queue_purge(CARDS.into(), QueuePurgeOptions::default()).await.unwrap();
    model.says("cards of models are published again").await;
    assert_eq!(model.log().matches("cannot publish the card of").count(), 1, "{}", model.log());
    connection.close(200, "done".into()).await.unwrap();
}

fn of(all: &[Rights], user: &str) -> Rights {
    all.iter().find(|rights| rights.user == user).unwrap().clone()
}

fn as_user(broker: &Broker, user: &str) -> String {
    broker.url.replace("test:test@", &format!("{user}:secret@"))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_right_to_cards_does_everything_else() {
    let broker = broker::private().await;
    broker.declare(QueueKind::Quorum).await;
    broker.delete(CARDS).await;
    let (without, with) = (rights(&Queues::default()), rights_with_side_queues(&Queues::default()));
    let mut all = Vec::new();
    for rights in without.iter().filter(|rights| ["model", "metric"].contains(&rights.user)) {
        all.extend([without_user(rights.user), with_user(rights.user), with_rights(rights)]);
    }
    broker.eval(&all);
    let services = Services::new(&broker.url);
    let table = table(&services.books);
    let models = Models::new(&services.books);
    let first = models.good(1.0);
    let start = |user: &str, arguments: &[&str]| {
        let url = as_user(&broker, user);
        Process::start(&services.books, user, &[&["--amqp-url", &url][..], arguments].concat())
    };
    let logs = services.books.logs().to_string_lossy().into_owned();
    let (metric, model) =
        (start("metric", &["--logs", &logs]), start("model", &["--model", models.argument()]));
    metric.says("not consuming y_predict.cards: ").await;
    let said = "the user \"metric\" has no configure right on the queue y_predict.cards";
    assert!(metric.log().replace('\\', "").contains(said), "{}", metric.log());
    rows_go_on(&services, &table, [&model, &metric]).await;
    for process in [&metric, &model] {
        assert!(!process.log().contains("WARN"), "{}", process.log());
    }
    broker.eval(&[with_rights(&of(&with, "metric")), with_rights(&of(&with, "model"))]);
    has_cards(&services, &[&first], &metric).await;
    rows_go_on(&services, &table, [&model, &metric]).await;
    drop((model, metric));
    broker.eval(&["model", "metric"].map(without_user));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_one_process_the_card_is_in_the_records_too() {
    let books = Books::new();
    let services = Services { url: String::new(), books };
    let (logs, ledger) = (services.books.logs(), services.books.ledger());
    let arguments = [
        "--logs",
        logs.to_str().unwrap(),
        "--ledger",
        ledger.to_str().unwrap(),
        "--interval",
        "0s",
        "--count",
        "500",
    ];
    let mut process = Process::start(&services.books, "pipeline", &arguments);
    assert_eq!(process.exit(Duration::from_secs(60)).await, Some(0), "{}", process.log());
    let said = services.models();
    let model = &said["models"][0];
    assert_eq!(
        (&model["card"]["file"], &model["predictions"]["scored"]),
        (&"model.json".into(), &500.into())
    );
    assert_eq!(said["models"].as_array().unwrap().len(), 1);
    let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/model.json")).unwrap();
    assert_eq!(model["version"], sha256(&bytes)[..12]);
}
