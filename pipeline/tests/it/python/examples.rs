//! The files of `examples/python` as they are, each in the place of one of our services, and killed once under way.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use futures_util::future::join_all;
use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use shared::message::Role;
use shared::transport::QueueKind;

use crate::account::{Recorded, count, wait_for};
use crate::broker::{self, Broker, QUEUE_SETTLES, dead_name};
use crate::processes::{Process, Services, repository};

use super::{PATIENCE, interpreter, setup};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// Rows in the table that is sent.
const ROWS: usize = 442;
/// After how many the one that is tested is killed.
const KILLED_AFTER: usize = 100;

fn example(services: &Services, script: &str, arguments: &[&str]) -> Process {
    let mut command = tokio::process::Command::new(interpreter());
    // Without it, Python would leave its files beside the examples.
    command.arg("-B").arg(repository("examples/python").join(script));
    command.args(["--url", &services.url]).args(arguments);
    Process::spawn(&services.books, script, command)
}

fn serve(services: &Services, model: &Path) -> Process {
    example(services, "serve_model.py", &["--model", model.to_str().unwrap(), "--model-name", "python"])
}

/// `data/diabetes.csv` with a column of ids.
fn table(services: &Services) -> PathBuf {
    let text = fs::read_to_string(repository("data/diabetes.csv")).unwrap();
    let mut lines = text.lines();
    let mut with_ids = format!("order,{}\n", lines.next().unwrap());
    for (number, line) in lines.enumerate() {
        writeln!(with_ids, "order:{number},{line}").unwrap();
    }
    let path = services.books.path("orders.csv");
    fs::write(&path, with_ids).unwrap();
    path
}

/// The version that predictions of a file name: the first digits of its hash.
fn version(path: &Path) -> String {
    let hashed = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(hashed.stdout).unwrap()[..12].to_owned()
}

fn all_are(recorded: &Recorded, wanted: usize) {
    let found = (recorded.labels.len(), recorded.predictions.len(), recorded.rows.len());
    assert_eq!(found, (wanted, wanted, wanted), "labels, predictions and rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_labels_of_the_example_reach_our_model_and_metric_past_a_kill() {
    for together in ["1", "16"] {
        let (broker, services) = setup().await;
        let (model, metric) = (services.model(&[]), services.metric(&[]));
        model.ready().await;
        metric.ready().await;
        let (data, ledger) = (table(&services), services.books.ledger());
        let arguments = [
            &["--data", data.to_str().unwrap(), "--id", "order", "--target", "target"][..],
            &["--ledger", ledger.to_str().unwrap(), "--together", together],
        ]
        .concat();
        let mut sender = example(&services, "send_rows.py", &arguments);
        let sent = || services.books.confirmed().0.len();
        wait_for("the first rows", || sent() >= KILLED_AFTER, || sender.log()).await;
        sender.kill().await;
        let before = sent();
        assert!(before < ROWS, "it was killed when all were sent: {before}");
        // What a kill cuts off within a line.
        let text = fs::read_to_string(&ledger).unwrap();
        fs::write(&ledger, &text[..text.len() - 3]).unwrap();
        let mut sender = example(&services, "send_rows.py", &arguments);
        assert_eq!(sender.exit(PATIENCE).await, Some(0), "{}", sender.log());
        assert_eq!(sender.log(), "");
        services.books.settle_exactly().await;
        all_are(&services.books.recorded(), ROWS);
        let status = services.status();
        let again = count(&status["labels"], "duplicates") + count(&status["predictions"], "duplicates");
        assert!((1..=32).contains(&again), "only what the ledger lacked came twice: {status:#}");
        services.books.agree_with(&status);
        for role in Role::ALL {
            broker.has_ready_dead(dead_name(role), 0).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_of_the_example_serves_our_features_and_metric_past_a_kill() {
    for (rows, pace) in [
        (ROWS, &["--rate", "400", "--body", "bare"][..]),
        (ROWS, &["--rate", "400", "--body", "wrapped"]),
        (8000, &["--interval", "0s", "--rows-per-message", "8"]),
    ] {
        let (broker, services) = setup().await;
        broker.declare(QueueKind::Quorum).await;
        let metric = services.metric(&[]);
        metric.ready().await;
        let file = services.books.path("model.json");
        fs::copy(repository("data/model.json"), &file).unwrap();
        let count = rows.to_string();
        let mut features = services.features(&[&["--count", &count][..], pace].concat());
        let mut model = serve(&services, &file);
        let predicted = || services.books.recorded().predictions.len();
        wait_for("the first predictions", || predicted() >= KILLED_AFTER, || model.log()).await;
        model.signal("STOP");
        broker.has_any(Role::Features).await; // its prefetch is full: it holds rows that nobody has answered
        model.kill().await;
        let first = version(&file);
        let mut model = serve(&services, &file);
        model.says(&format!("{first} serves")).await;
        assert_eq!(features.exit(PATIENCE).await, Some(0), "{}", features.log());
        services.books.settle_exactly().await;
        all_are(&services.books.recorded(), rows);
        services.books.agree_with(&services.status());
        weighed(&services, &first, rows);
        bad_rows_are_letters(&broker, &services, &file, &model).await;
        assert_eq!(model.has_ended(), None, "{}", model.log());
    }
}

/// Each prediction says from which numbers it was made, and by which version.
fn weighed(services: &Services, version: &str, rows: usize) {
    let text = fs::read_to_string(repository("data/model.json")).unwrap();
    let model: serde_json::Value = serde_json::from_str(&text).unwrap();
    let weights = model["coefficients"].as_array().unwrap().iter();
    let weights: Vec<f64> = weights.map(|weight| weight.as_f64().unwrap()).collect();
    let said = services.metric_command(&["export", "--features", "--format", "ndjson"]);
    assert_eq!(said.lines().count(), rows);
    for line in said.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&row["model"], &row["model_version"]), (&"python".into(), &version.into()), "{row}");
        let feature = |number: usize| row[format!("feature_{}", number + 1)].as_f64().unwrap();
        let sum: f64 = weights.iter().enumerate().map(|(number, weight)| weight * feature(number)).sum();
        let (wanted, is) = (model["intercept"].as_f64().unwrap() + sum, row["y_pred"].as_f64().unwrap());
        assert!((wanted - is).abs() < 1e-9, "{row}");
    }
}

/// Properties of a message of this trace.
fn within(trace: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert("traceparent".into(), AMQPValue::LongString(LongString::from(trace)));
    BasicProperties::default().with_headers(headers)
}

/// What cannot be used is told with its reason, and the rows beside it go on; a file that is swapped serves, one that is none does
/// not.
async fn bad_rows_are_letters(broker: &Broker, services: &Services, file: &Path, model: &Process) {
    const GOOD: &str = "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]";
    let changed = fs::read_to_string(file).unwrap().replacen("\"intercept\":", "\"intercept\":  ", 1);
    fs::write(services.books.path("new.json"), "{}").unwrap();
    fs::rename(services.books.path("new.json"), file).unwrap();
    let (connection, channel) = broker.channel().await;
    let bad = [
        ("not_json", "[1, 2".to_owned()),
        ("bad_shape", r#"{"a": 1, "b": 2}"#.to_owned()),
        ("wrong_length", "[1, 2, 3]".to_owned()),
        ("missing_value", GOOD.replacen('0', "null", 1)),
        ("not_finite", GOOD.replacen('0', "NaN", 1)),
        ("not_finite", GOOD.replacen('0', &"9".repeat(400), 1)),
        ("too_extreme", GOOD.replacen('0', "1e300", 1)),
    ];
    let ids = |number: usize| within(TRACE).with_message_id(format!("bad:{number}").into());
    join_all(bad.iter().enumerate().map(async |(number, (_, body))| {
        broker.publish(&channel, Role::Features, body.as_bytes(), ids(number)).await;
    }))
    .await;
    let many = format!(r#"{{"ids": ["many:1", "many:2", "many:3"], "rows": [{GOOD}, [1], {GOOD}]}}"#);
    broker.publish(&channel, Role::Features, many.as_bytes(), BasicProperties::default()).await;
    broker.has_ready_dead(dead_name(Role::Features), u32::try_from(bad.len()).unwrap() + 1).await;
    model.says("keeps serving").await;
    let letters = broker.drain(dead_name(Role::Features)).await;
    for (number, (reason, body)) in bad.iter().enumerate() {
        let id = format!("bad:{number}");
        let letter = letters.iter().find(|letter| letter.message_id() == Some(&id)).unwrap();
        assert_eq!(
            (letter.header("x-reason"), letter.header("traceparent")),
            ((*reason).to_owned(), TRACE.to_owned()),
            "{body}"
        );
        assert_eq!(letter.body, body.as_bytes());
    }
    let part = letters.iter().find(|letter| letter.message_id().is_none()).unwrap();
    assert_eq!((part.header("x-part"), part.header("x-reason")), ("2 of 3".into(), "wrong_length".into()));
    let part: serde_json::Value = serde_json::from_slice(&part.body).unwrap();
    assert_eq!(part, serde_json::json!({"id": "many:2", "rows": [1]}));

    fs::write(services.books.path("new.json"), changed).unwrap();
    fs::rename(services.books.path("new.json"), file).unwrap();
    let (options, nothing) =
        (QueueDeclareOptions { durable: true, ..Default::default() }, FieldTable::default());
    channel.queue_declare("spy".into(), options, nothing.clone()).await.unwrap();
    let bind = QueueBindOptions::default();
    channel.queue_bind("spy".into(), "pipeline".into(), "y_predict".into(), bind, nothing).await.unwrap();
    let last = within(TRACE).with_message_id("last".into());
    broker.publish(&channel, Role::Features, GOOD.as_bytes(), last).await;
    let predicted = |recorded: &Recorded| {
        ["many:1", "many:3", "last"].iter().all(|id| recorded.predictions.get(*id) == Some(&1))
    };
    let all = || predicted(&services.books.recorded());
    wait_for("the good ones to be predicted", all, || model.log()).await;
    model.says(&format!("{} serves", version(file))).await;
    let spied = broker.drain("spy").await;
    let last = spied.iter().find(|letter| letter.message_id() == Some("last")).unwrap();
    assert_eq!(last.header("traceparent"), TRACE);
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_challenger_of_the_example_is_scored_on_the_same_labels_and_holds_up_nothing() {
    let (broker, services) = setup().await;
    let (model, metric) = (services.model(&[]), services.metric(&[]));
    model.ready().await;
    metric.ready().await;
    let file = services.books.path("candidate.json");
    fs::copy(repository("data/model.json"), &file).unwrap();
    let arguments = ["--model", file.to_str().unwrap(), "--name", "candidate"];
    let challenge = || example(&services, "challenge.py", &arguments);
    let mut challenger = challenge();
    challenger.says(" challenges").await;
    let (connection, channel) = broker.channel().await;
    let bad = BasicProperties::default().with_message_id("bad".into());
    let both = channel.basic_publish(
        "pipeline".into(),
        Role::Features.name().into(),
        BasicPublishOptions::default(),
        b"[1, 2, 3]",
        bad,
    );
    both.await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
    challenger.says("rows that it cannot use: 1; wrong_length").await;

    // Stopped, it holds up nobody, and what waits for it is predicted later.
    challenger.kill().await;
    let count = ROWS.to_string();
    let mut features = services.features(&["--count", &count, "--interval", "0s"]);
    assert_eq!(features.exit(PATIENCE).await, Some(0), "{}", features.log());
    services.books.wait_for_rows(ROWS).await;
    challenger = challenge();
    let scored = || {
        let said = services.metric_command(&["export", "--model", "candidate"]);
        said.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    wait_for("its predictions of all rows", || scored().len() == ROWS, || challenger.log()).await;
    let first = version(&file);
    assert!(scored().iter().all(|line| line.contains(&format!(",candidate,{first},"))));
    // The rows of records, and an export that asks for nobody, are of the one that serves.
    let recorded = fs::read_to_string(services.books.logs().join("metric_log.csv")).unwrap();
    for said in [recorded, services.metric_command(&["export"])] {
        assert_eq!((said.lines().count(), said.contains(",candidate,")), (ROWS + 1, false));
    }
    broker.has_ready_dead(dead_name(Role::Features), 1).await;
    broker.has_ready_dead(dead_name(Role::Prediction), 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_the_example_come_late_and_past_a_kill() {
    let (broker, services) = setup().await;
    let (model, metric) = (services.model(&[]), services.metric(&[]));
    model.ready().await;
    metric.ready().await;
    let data = table(&services);
    let rows = ["--data", data.to_str().unwrap(), "--id", "order", "--order", "once"];
    let mut features =
        services.features(&[&rows[..], &["--target", "target", "--no-labels", "--interval", "0s"]].concat());
    assert_eq!(features.exit(PATIENCE).await, Some(0), "{}", features.log());
    let predicted = || services.books.recorded().predictions.len();
    wait_for("all predictions, before the first label", || predicted() == ROWS, || model.log()).await;
    assert_eq!(services.books.rows(), 0);

    let ledger = services.books.ledger();
    let arguments = [&rows[..4], &["--target", "target", "--ledger", ledger.to_str().unwrap()]].concat();
    let mut sender = example(&services, "send_labels.py", &arguments);
    let sent = || services.books.confirmed().1.len();
    wait_for("the first labels", || sent() >= KILLED_AFTER, || sender.log()).await;
    sender.kill().await;
    assert!(sent() < ROWS, "it was killed when all were sent: {}", sent());
    let mut sender = example(&services, "send_labels.py", &arguments);
    assert_eq!(sender.exit(PATIENCE).await, Some(0), "{}", sender.log());
    services.books.settle_exactly().await;
    all_are(&services.books.recorded(), ROWS);
    let status = services.status();
    assert!(count(&status["labels"], "duplicates") <= 1, "{status:#}");
    services.books.agree_with(&status);
    for role in Role::ALL {
        broker.has_ready_dead(dead_name(role), 0).await;
    }
}

/// Two of them at once, on a broker that is killed: they come back by themselves, and send again what was not confirmed.
#[tokio::test(flavor = "multi_thread")]
async fn the_examples_come_back_to_a_broker_that_was_killed() {
    let broker = broker::private().await;
    let services = Services::new(&broker.url);
    broker.declare(QueueKind::Quorum).await;
    let metric = services.metric(&[]);
    metric.ready().await;
    tokio::time::sleep(QUEUE_SETTLES).await;
    let (data, ledger) = (table(&services), services.books.ledger());
    let model = serve(&services, &repository("data/model.json"));
    let arguments = [
        &["--data", data.to_str().unwrap(), "--id", "order", "--target", "target"][..],
        &["--ledger", ledger.to_str().unwrap()],
    ]
    .concat();
    let mut sender = example(&services, "send_rows.py", &arguments);
    let sent = || services.books.confirmed().0.len();
    wait_for("the first rows", || sent() >= KILLED_AFTER, || sender.log()).await;
    broker.script("kill");
    sender.says("no RabbitMQ").await;
    model.says("no RabbitMQ").await;
    assert!(sent() < ROWS, "the broker was killed when all were sent");
    broker.script("start");
    assert_eq!(sender.exit(PATIENCE).await, Some(0), "{}", sender.log());
    services.books.settle_exactly().await;
    all_are(&services.books.recorded(), ROWS);
    services.books.agree_with(&services.status());
}
