//! A challenger that is stopped, killed or makes no sense: the account of the model that serves is exact all the same.

use futures_util::StreamExt as _;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

use super::*;
use crate::broker::{self, dead_name};
use crate::processes::Services;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_a_challenger_the_main_path_is_exact() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let books = &services.books;
    let (file, other) = (File::new(books, "model.json"), File::new(books, "other.json"));
    file.put(1.0);
    other.put(3.0);
    let table = books.path("rows.csv");
    let rows: String = (0..3000).map(|i| format!("{i},{i}\n")).collect();
    fs::write(&table, format!("a,target\n{rows}")).unwrap();
    let _metric = services.metric(&[]);
    let model = services.model(&["--model", file.argument(), "--admin-addr", "127.0.0.1:0"]);
    let challenge = |name: &str, file: &File| {
        services.model(&["--model", file.argument(), "--challenger", name, "--admin-addr", "127.0.0.1:0"])
    };
    let (good, stopped, mut killed) = (
        challenge("rival-good", &other),
        challenge("rival-stopped", &other),
        challenge("rival-killed", &other),
    );
    // One that finds none of its rows fit.
    let wide = books.path("wide.json");
    let two = Linear::new(None, &[1.0, 2.0], 0.0).unwrap();
    let training =
        serde_json::json!({"algorithm": "ols", "parameters": {}, "libraries": {}, "rows": 7, "made_at": ""});
    let training = serde_json::from_value(training).unwrap();
    let names = Encoding::plain(vec!["a".to_owned(), "b".to_owned()]);
    let bytes = ModelFile::linear(&names, "target".to_owned(), &two, training);
    let bytes = bytes.with_golden(&[&[Cell::Number(7.0), Cell::Number(1.0)]]).unwrap().to_json().unwrap();
    fs::write(&wide, bytes).unwrap();
    let wide = services.model(&[
        "--model",
        wide.to_str().unwrap(),
        "--challenger",
        "rival-wide",
        "--admin-addr",
        "127.0.0.1:0",
    ]);
    for process in [&model, &good, &stopped, &killed, &wide] {
        process.ready().await;
    }
    stopped.signal("STOP");
    killed.kill().await;
    let run = ["--order", "once", "--interval", "0s", "--data", table.to_str().unwrap()];
    let mut features = services.features(&run);
    assert_eq!(features.exit(PATIENCE).await, Some(0), "{}", features.log());
    books.settle_exactly().await;
    wide.counts("pipeline_challenger_refused_total", |count| count == 3000.0).await;
    good.counts("pipeline_predictions_total", |count| count == 3000.0).await;
    assert_eq!(broker.ready(dead_name(Role::Features)).await, 0, "no letters of challengers");
    assert_eq!(broker.ready("Features.challenger.rival-killed").await, 3000);
    assert_eq!(model.counter("pipeline_predictions_total", "model").await, 3000.0);
    // When it can again, it makes up for what waited.
    stopped.signal("CONT");
    stopped.counts("pipeline_predictions_total", |count| count == 3000.0).await;
    let killed = challenge("rival-killed", &other);
    killed.counts("pipeline_predictions_total", |count| count == 3000.0).await;
    for name in ["good", "stopped", "killed", "wide"] {
        broker.delete(&format!("Features.challenger.rival-{name}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenger_whose_name_cannot_be_one_is_told() {
    let services = Services::new("amqp://127.0.0.1:1");
    let mut process = services.model(&["--challenger", "a b"]);
    assert_eq!(process.exit(PATIENCE).await, Some(2));
    let said = process.log();
    assert!(said.contains("--challenger") && said.contains("it has the character ' '"), "{said}");
    let mut process = services.model(&["--challenger", "a", "--http-addr", "127.0.0.1:0"]);
    assert!(process.fails().await.contains("a challenger answers nobody"), "{}", process.log());
}

/// A program of somebody else. Each kind of nonsense is a body and a role.
#[tokio::test(flavor = "multi_thread")]
async fn a_challenger_that_makes_no_sense_has_its_letters_and_the_main_path_is_exact() {
    const ROWS: u32 = 3000;
    const NONSENSE: [(&[u8], &str); 5] = [
        (b"nonsense", "challenger"),
        (br#"{"body": "high"}"#, "challenger"),
        (b"1e999", "challenger"),
        (b"{}", "challenger"),
        (b"7", "king"),
    ];
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let books = &services.books;
    let file = File::new(books, "model.json");
    file.put(1.0);
    let table = books.path("rows.csv");
    let rows: String = (0..ROWS).map(|row| format!("{row},{row}\n")).collect();
    fs::write(&table, format!("a,target\n{rows}")).unwrap();
    let start = Instant::now();
    let metric = services.metric(&["--admin-addr", "127.0.0.1:0"]);
    let model = services.model(&["--model", file.argument(), "--admin-addr", "127.0.0.1:0"]);
    let name = "rival-nonsense";
    // Its queue is as ours.
    let mut ours =
        services.model(&["--model", file.argument(), "--challenger", name, "--admin-addr", "127.0.0.1:0"]);
    for process in [&metric, &model, &ours] {
        process.ready().await;
    }
    ours.stop().await;
    let run = ["--order", "once", "--interval", "0s", "--data", table.to_str().unwrap()];
    let mut features = services.features(&run);
    let queue = format!("Features.challenger.{name}");
    let (connection, channel) = broker.channel().await;
    let none = FieldTable::default();
    let mut rows = channel.basic_consume((*queue).into(), "".into(), Default::default(), none).await.unwrap();
    for number in 0..ROWS as usize {
        let row = timeout(PATIENCE, rows.next()).await.unwrap().unwrap().unwrap();
        let (body, role) = NONSENSE[number % NONSENSE.len()];
        let mut headers = FieldTable::default();
        for (key, text) in [("model", name), ("model_version", "0000000000aa"), ("model_role", role)] {
            headers.insert(key.into(), AMQPValue::LongString(text.into()));
        }
        let id = row.properties.message_id().clone().unwrap();
        let properties = BasicProperties::default().with_message_id(id).with_headers(headers);
        broker.publish(&channel, Role::Prediction, body, properties).await;
        row.acker.ack(Default::default()).await.unwrap();
    }
    assert_eq!(features.exit(PATIENCE).await, Some(0), "{}", features.log());
    books.settle_exactly().await;
    broker.has_ready_dead(dead_name(Role::Prediction), ROWS).await;
    assert_eq!(model.counter("pipeline_predictions_total", "model").await, f64::from(ROWS));
    let log = metric.log();
    // Twenty lines a second and a sum, however slow this machine is.
    let said = log.lines().filter(|line| line.contains("dead-lettered")).count() as u64;
    let most = 21 * (start.elapsed().as_secs() + 2);
    assert!(
        (1..=most).contains(&said),
        "{ROWS} messages of nonsense are said in {said} lines, not {most}: {log}"
    );
    connection.close(200, "done".into()).await.unwrap();
    broker.delete(&queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenger_that_is_behind_says_so_once_and_again_when_it_is_not() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let file = File::new(&services.books, "model.json");
    file.put(1.0);
    let arguments = ["--model", file.argument(), "--challenger", "rival-late"];
    let challenger = services.model(&[&arguments[..], &["--admin-addr", "127.0.0.1:0"]].concat());
    challenger.ready().await;
    let (connection, channel) = broker.channel().await;
    let queue = "Features.challenger.rival-late";
    let mut sent = 0.0;
    for (age_s, said) in [(0, 0), (3600, 1), (3000, 1), (30, 1), (0, 1)] {
        let at = Timestamp::now().0 - age_s * 1000;
        let mut headers = FieldTable::default();
        headers.insert("published_at_ms".into(), AMQPValue::LongLongInt(at));
        let properties = BasicProperties::default().with_headers(headers);
        channel.basic_publish("".into(), queue.into(), Default::default(), b"[7]", properties).await.unwrap();
        sent += 1.0;
        challenger.counts("pipeline_predictions_total", |count| count == sent).await;
        if said > 0 {
            challenger.says("is behind: it predicts rows that were published 3600 s ago").await;
        }
        assert_eq!(challenger.log().matches("is behind").count(), said, "{}", challenger.log());
    }
    challenger.says("has caught up").await;
    connection.close(200, "done".into()).await.unwrap();
    broker.delete(queue).await;
}
