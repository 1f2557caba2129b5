//! Ten thousand dead letters of five kinds, requeued after a fix with a kill in the middle: each row once in the account.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lapin::BasicProperties;
use shared::message::Role;
use shared::transport::QueueKind;

use super::{FEATURES, dead};
use crate::account::wait_for;
use crate::broker;
use crate::processes::{Process, Services, asked, programs};

/// Trains a model from a table.
fn trained(folder: &Path, name: &str, table: &str, flags: &[&str]) -> PathBuf {
    let (data, model) = (folder.join(format!("{name}.csv")), folder.join(format!("{name}.json")));
    std::fs::write(&data, table).unwrap();
    let mut command = Command::new(programs().join("model"));
    command.arg("train").arg("--data").arg(&data).arg("--model").arg(&model).args(["--target", "y"]);
    let output = command.args(flags).env_clear().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    model
}

/// What the first model cannot take, five ways, and the second can.
fn row(number: usize) -> String {
    let (a, b, c, d, e) = (number % 40, "x", number % 7, "1", number % 11);
    match number % 5 {
        0 => format!(r#"{{"a": {a}, "b": "{b}", "c": {c}, "d": "{d}"}}"#),
        1 => format!(r#"{{"a": {a}, "b": "{b}", "c": null, "d": "{d}", "e": {e}}}"#),
        2 => format!(r#"{{"a": {a}, "b": "z", "c": {c}, "d": "{d}", "e": {e}}}"#),
        3 => format!(r#"{{"a": 1{a:04}, "b": "{b}", "c": {c}, "d": "{d}", "e": {e}}}"#),
        _ => format!(r#"{{"a": {a}, "b": "{b}", "c": {c}, "d": "red", "e": {e}}}"#),
    }
}

fn models(folder: &Path) -> (PathBuf, PathBuf) {
    let (mut first, mut second) = (String::from("a,b,c,d,e,y\n"), String::from("a,b,c,d,y\n"));
    for i in 0..60 {
        let (b, c, d, e, y) = (["x", "y"][i % 2], i * i % 7, i % 5, i * 3 % 11, i * 2 + i * i % 7);
        first += &format!("{i},{b},{c},{d},{e},{y}\n");
        let (b, d) = (["x", "y", "z"][i % 3], ["1", "2", "red"][i / 3 % 3]);
        let c = if i % 10 == 9 { String::new() } else { c.to_string() };
        second += &format!("{},{b},{c},{d},{y}\n", i * 300);
    }
    let first = trained(folder, "first", &first, &["--one-hot", "b"]);
    let second = trained(folder, "second", &second, &["--one-hot", "b,d", "--missing", "median"]);
    (first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_letters_of_five_kinds_are_each_once_in_the_account() {
    let count = asked("LETTERS").unwrap_or(10_000);
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = models(folder.path());
    let mut metric = services.metric(&[]);
    let mut model = services.model(&["--model", first.to_str().unwrap(), "--strict"]);
    model.ready().await;
    metric.ready().await;
    let (connection, channel) = broker.channel().await;
    for number in 0..count {
        let id = format!("row-{number}");
        let properties = || BasicProperties::default().with_message_id(id.as_str().into());
        broker.publish(&channel, Role::Features, row(number).as_bytes(), properties()).await;
        broker.publish(&channel, Role::Label, number.to_string().as_bytes(), properties()).await;
    }
    broker.has_ready_dead(FEATURES, u32::try_from(count).unwrap()).await;
    model.stop().await;
    let listed = dead(&broker, &["list", "Features", "--json"]).ends(0).json();
    let groups = listed["queues"][0]["groups"].as_array().unwrap();
    let reasons: BTreeSet<&str> = groups.iter().filter_map(|group| group["reason"].as_str()).collect();
    assert_eq!(reasons.len(), 5, "{listed}");
    assert!(groups.iter().all(|group| group["letters"] == count / 5), "{listed}");

    // The fix.
    let mut model = services.model(&["--model", second.to_str().unwrap()]);
    model.ready().await;
    let requeue = ["dead", "requeue", "Features", "--rate", "2000", "--amqp-url", &broker.url];
    let mut killed = Process::start(&services.books, "pipeline", &requeue);
    let some = || services.books.rows() > count / 4;
    wait_for("a quarter of the rows", some, || format!("{}\n{}", killed.log(), model.log())).await;
    killed.kill().await;
    let rest = || dead(&broker, &["requeue", "Features", "--rate", "5000"]);
    // What the killed one held may not all be back yet.
    let mut said = rest();
    while said.code == Some(0) || broker.ready(FEATURES).await > 0 {
        said = rest();
    }
    said.ends(3);
    services.books.wait_for_rows(count).await;
    let recorded = services.books.recorded();
    recorded.assert_each_once();
    assert_eq!(recorded.rows.len(), count);
    assert_eq!(broker.ready(FEATURES).await, 0);
    assert_eq!(killed.exit(Duration::from_secs(1)).await, None);
    model.stop().await;
    metric.stop().await;
    services.books.agree_with(&services.status());
    connection.close(200, "done".into()).await.unwrap();
}
