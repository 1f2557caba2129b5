//! Users with exactly the rights that are documented run the pipeline, and each right that is missing has its sentence.

use std::time::Duration;

use shared::transport::administration::{Rights, rights};
use shared::transport::{QueueKind, Queues};

use crate::broker::{self, Broker};
use crate::erlang::{with_rights, with_user, without_user};
use crate::http::{address, send_a_row_and_its_label};
use crate::processes::{Process, Services, repository};

const PATIENCE: Duration = Duration::from_secs(60);

/// A broker with everything made, and a user for each service that has its rights.
struct World {
    broker: Broker,
    services: Services,
}

impl World {
    async fn new() -> Self {
        let broker = broker::private().await;
        broker.declare(QueueKind::Quorum).await;
        // They may be there from a test that failed.
        let mut all = vec![without_user("stranger")];
        for rights in rights(&Queues::default()) {
            all.extend([without_user(rights.user), with_user(rights.user), with_rights(&rights)]);
        }
        broker.eval(&all);
        let services = Services::new(&broker.url);
        Self { broker, services }
    }

    fn give(&self, rights: &Rights) {
        self.broker.eval(&[with_rights(rights)]);
    }

    fn url(&self, user: &str) -> String {
        self.broker.url.replace("test:test@", &format!("{user}:secret@"))
    }

    fn start(&self, user: &str) -> Process {
        let (url, logs) = (self.url(user), self.services.books.logs());
        let logs = logs.to_string_lossy().into_owned();
        let data = repository("data/diabetes.csv").to_string_lossy().into_owned();
        match user {
            "metric" => Process::start(&self.services.books, user, &["--amqp-url", &url, "--logs", &logs]),
            "model" => {
                let http = ["--amqp-url", &url, "--http-addr", "127.0.0.1:0"];
                Process::start(&self.services.books, user, &http)
            }
            _ => {
                let rows = ["--data", &data, "--interval", "2ms", "--count", "200"];
                Process::start(&self.services.books, user, &[&["--amqp-url", &url][..], &rows].concat())
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let users = rights(&Queues::default());
        let gone: Vec<String> = users.iter().map(|rights| without_user(rights.user)).collect();
        self.broker.eval(&gone);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_rights_are_enough_and_each_missing_one_is_named() {
    let world = World::new().await;
    let (model, metric) = (world.start("model"), world.start("metric"));
    model.ready().await;
    metric.ready().await;
    let mut features = world.start("features");
    assert_eq!(features.exit(PATIENCE).await, Some(0), "{}", features.log());
    world.services.books.wait_for_rows(200).await;
    // What comes by HTTP needs no other right.
    send_a_row_and_its_label(&address(&model).await).await;
    world.services.books.wait_for_rows(201).await;
    let (connection, channel) = world.broker.channel().await;
    world
        .broker
        .publish(&channel, shared::message::Role::Label, b"{poison", lapin::BasicProperties::default())
        .await;
    world.broker.has_ready_dead("y_true.dead", 1).await;
    for process in [&features, &model, &metric] {
        let log = process.log();
        assert!(!log.contains("WARN") || log.contains("dead-lettered to"), "{log}");
        assert!(!log.contains("refuses access") && !log.contains("without the lock"), "{log}");
    }
    drop((model, metric));

    let all = rights(&Queues::default());
    let of = |user: &str| all.iter().find(|rights| rights.user == user).unwrap();
    let none = || "^$".to_owned();
    for (user, without, sentence) in [
        (
            "features",
            Rights { write: none(), ..of("features").clone() },
            "has no write right on the exchange pipeline",
        ),
        ("model", Rights { read: none(), ..of("model").clone() }, "has no read right on the queue Features"),
        (
            "model",
            Rights { write: none(), ..of("model").clone() },
            "has no write right on the exchange pipeline",
        ),
        ("metric", Rights { read: none(), ..of("metric").clone() }, "has no read right on the queue y_true"),
        (
            "metric",
            Rights { configure: none(), ..of("metric").clone() },
            "recording without the lock y_predict.metric",
        ),
        (
            "metric",
            Rights { write: none(), ..of("metric").clone() },
            "has no write right on the exchange pipeline.dead",
        ),
    ] {
        println!("{user}: {sentence}");
        world.give(&without);
        // What needs the right: a row for model to answer, a letter for metric.
        for (role, body) in [
            (shared::message::Role::Features, &b"[1,2,3,4,5,6,7,8,9,10]"[..]),
            (shared::message::Role::Label, b"{poison"),
        ] {
            world.broker.publish(&channel, role, body, lapin::BasicProperties::default()).await;
        }
        let mut process = world.start(user);
        process.says(sentence).await;
        world.give(of(user));
        if user == "features" {
            assert_eq!(process.exit(PATIENCE).await, Some(0), "{}", process.log());
        } else {
            process.ready().await;
            let role =
                if user == "model" { shared::message::Role::Features } else { shared::message::Role::Label };
            world.broker.has_ready(role, 0).await;
            process.stop().await;
        }
        assert!(!process.log().contains("secret"), "{}", process.log());
    }
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_looks_after_dead_letters_needs_what_is_documented() {
    let world = World::new().await;
    let (connection, channel) = world.broker.channel().await;
    let letter = || {
        let mut headers = lapin::types::FieldTable::default();
        headers.insert("x-reason".into(), lapin::types::AMQPValue::LongString("not_json".into()));
        lapin::BasicProperties::default().with_message_id("a".into()).with_headers(headers)
    };
    let dead = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pipeline"));
        command.arg("dead").args(arguments).args(["--amqp-url", &world.url("dead")]).env_clear();
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let file = world.services.books.path("letters.ndjson");
    let file = file.to_str().unwrap();
    std::fs::write(file, r#"{"queue": "y_true.dead", "headers": {"x-reason": "not_json"}, "body": "5"}"#)
        .unwrap();
    let options = lapin::options::BasicPublishOptions::default();
    channel.basic_publish("".into(), "y_true.dead".into(), options, b"5", letter()).await.unwrap();
    world.broker.has_ready_dead("y_true.dead", 1).await;
    for arguments in [
        &["list"][..],
        &["show", "y_true"],
        &["export", "y_true"],
        &["requeue", "y_true"],
        &["import", file],
        &["purge", "y_true", "--yes"],
    ] {
        let (code, said) = dead(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
    }
    channel.basic_publish("".into(), "y_true.dead".into(), options, b"5", letter()).await.unwrap();
    world.broker.has_ready_dead("y_true.dead", 1).await;
    let all = rights(&Queues::default());
    let rights = all.iter().find(|rights| rights.user == "dead").unwrap();
    world.give(&Rights { write: "^$".to_owned(), ..rights.clone() });
    let (code, said) = dead(&["requeue", "y_true"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("has no write right on the exchange amq.default"), "{said}");
    world.give(&Rights { read: "^$".to_owned(), ..rights.clone() });
    let (code, said) = dead(&["list", "y_true"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("has no read right on the queue y_true.dead"), "{said}");
    world.broker.has_ready_dead("y_true.dead", 1).await;
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_let_in_is_told_why_in_four_sentences() {
    let world = World::new().await;
    world.broker.eval(&[with_user("stranger")]);
    let address = world.broker.address();
    for (url, sentence) in [
        (world.broker.url.replace("test:test@", "metric:wr0ng@"), "or its password is wrong"),
        (format!("amqp://test:test@{address}/nowhere"), "there is no vhost"),
        (world.url("stranger"), "has no rights in the vhost"),
        (
            world.broker.url.replace(&address, "127.0.0.1:1"),
            "cannot reach RabbitMQ at amqp://127.0.0.1:1/test",
        ),
    ] {
        let logs = world.services.books.path("elsewhere").to_string_lossy().into_owned();
        let mut process =
            Process::start(&world.services.books, "metric", &["--amqp-url", &url, "--logs", &logs]);
        process.says(sentence).await;
        let log = process.log();
        assert!(!log.contains("wr0ng") && !log.contains("secret"), "{log}");
        assert_eq!(log.contains("cannot reach RabbitMQ at"), url.contains("127.0.0.1:1/"), "{log}");
        process.stop().await;
    }
    world.broker.eval(&[without_user("stranger")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_makes_shows_and_removes_everything() {
    let world = World::new().await;
    let topology = |arguments: &[&str]| {
        let url = world.url("topology");
        let program = env!("CARGO_BIN_EXE_pipeline");
        let mut command = std::process::Command::new(program);
        let output = command.args(["topology", "--amqp-url", &url]).args(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let (connection, channel) = world.broker.channel().await;
    world
        .broker
        .publish(&channel, shared::message::Role::Label, b"151", lapin::BasicProperties::default())
        .await;
    let (code, said) = topology(&["--delete"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("left: queue y_true: has 1 messages; --force deletes them with it"), "{said}");
    assert!(said.contains("queue Features: deleted"), "{said}");
    assert!(said.contains("left: exchange pipeline: still has queues bound to it"), "{said}");
    let (code, said) = topology(&["--delete", "--force"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, printed) = topology(&["--print"]);
    assert_eq!(code, Some(0), "{printed}");
    let (code, said) = topology(&[]);
    assert_eq!(code, Some(0), "{said}");
    for line in printed.lines() {
        let made = said.lines().any(|other| other.starts_with(line));
        assert!(made, "{line:?} is not made:\n{said}");
    }
    let (code, said) = topology(&["--rights"]);
    assert_eq!(code, Some(0), "{said}");
    for rights in rights(&Queues::default()) {
        assert!(said.contains(&rights.command("test")), "{said}");
    }
    connection.close(200, "done".into()).await.unwrap();
}
