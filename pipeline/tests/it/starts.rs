//! What a process says of itself when it starts, and as whom it goes on.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

use serde_json::Value;

use crate::account::Books;
use crate::broker;
use crate::processes::{Process, Services, can_trace, is_root};

const URL: &str = "amqp://somebody:S3cret@127.0.0.1:1/v";

#[tokio::test(flavor = "multi_thread")]
async fn starts_say_what_was_set_in_one_line_without_a_secret() {
    let books = Books::new();
    let logs = books.logs();
    let logs = logs.to_str().unwrap();
    for (name, arguments, want) in [
        (
            "features",
            &["--rate", "50", "--label-delay", "1h", "--labels-queue", "labels"][..],
            "rows of data/diabetes.csv, one every 20ms, labels after 1h; RabbitMQ at amqp://127.0.0.1:1/v, quorum queues, \
             y_true in labels; admin 127.0.0.1:0"
                .to_owned(),
        ),
        (
            "model",
            &["--model", "none.json", "--strict", "--queue-kind", "classic", "--admin-addr", "off"],
            "model file none.json, strict; RabbitMQ at amqp://127.0.0.1:1/v, classic queues; admin off".to_owned(),
        ),
        (
            "metric",
            &["--logs", logs, "--label-horizon", "2h", "--retain", "30d"],
            format!(
                "records in {logs}, label horizon 2h, retain 30days; RabbitMQ at amqp://127.0.0.1:1/v, quorum queues; admin \
                 127.0.0.1:0"
            ),
        ),
    ] {
        let mut process = Process::start(&books, name, &[&["--amqp-url", URL], arguments].concat());
        process.says(" starts: ").await;
        let log = process.log();
        let first: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(first["message"], format!("{name} {version} starts: {want}"));
        process.stop().await;
        assert!(!process.log().contains("S3cret"), "{}", process.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_obey_a_stop_from_the_first_line_on() {
    if !can_trace(false) {
        return;
    }
    let books = Books::new();
    // Its admin endpoint takes its address after the line, and half a second for it.
    let trace = ["-etrace=bind", "-einject=bind:delay_enter=500000"];
    let arguments = ["--amqp-url", URL, "--model", "none.json", "--admin-addr", "127.0.0.1:0"];
    let mut model = Process::traced(&books, "model", &trace, &arguments);
    model.says(" starts: ").await;
    model.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_mark_what_a_connection_and_a_batch_say_by_fields() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let mut metric = services.metric(&["--log", "info,spans=debug"]);
    metric.ready().await;
    let (connection, channel) = broker.channel().await;
    for id in ["row-1", "row-2"] {
        let properties = lapin::BasicProperties::default().with_message_id(id.into());
        broker.publish(&channel, shared::message::Role::Label, b"{poison", properties).await;
    }
    metric.says("row-2").await;
    connection.close(200, "done".into()).await.unwrap();
    metric.stop().await;
    let log = metric.log();
    let find = |what: &str| -> Value {
        let line = log.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}:\n{log}"));
        serde_json::from_str(line).unwrap()
    };
    let span = &find("connected to RabbitMQ at")["span"];
    assert_eq!((&span["name"], &span["service"]), (&"connection".into(), &"metric".into()), "{log}");
    assert!(span["broker"].as_str().unwrap().starts_with("amqp://") && span["purpose"].is_string(), "{span}");
    let span = &find("dead-lettered to y_true.dead (not_json)")["span"];
    assert_eq!((&span["name"], &span["queue"]), (&"batch".into(), &"y_true".into()), "{log}");
    assert_eq!(span["first"], "row-1", "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_as_root_leave_no_right_of_roots() {
    if !is_root() {
        println!("left out: only root can become somebody else");
        return;
    }
    // Whose file it is that is named, and who goes on.
    for user in [1234, 0] {
        let books = Books::new();
        let (logs, file) = (books.logs(), books.path("docker-compose.yml"));
        std::fs::write(&file, "").unwrap();
        chown(&file, Some(user), Some(user)).unwrap();
        // Somebody else must be able to get there.
        std::fs::set_permissions(books.path("."), Permissions::from_mode(0o755)).unwrap();
        let (logs_flag, file_flag) = (logs.to_str().unwrap(), file.to_str().unwrap());
        let arguments = ["--amqp-url", URL, "--logs", logs_flag, "--run-as-owner-of", file_flag];
        let mut metric = Process::start(&books, "metric", &arguments);
        metric.says("recording to").await;
        let status = std::fs::read_to_string(format!("/proc/{}/status", metric.id())).unwrap();
        let has = |what: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(has("Uid:"), [user; 4].map(|user| user.to_string()).join(" "), "{status}");
        for none in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(has(none), "0000000000000000", "{user}: {status}");
        }
        assert_eq!(has("NoNewPrivs:"), "1", "{status}");
        assert_eq!(std::fs::metadata(logs.join("metric.db")).unwrap().uid(), user);
        metric.stop().await;
    }
}
