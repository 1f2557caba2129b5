//! Questions of pika's clients, as tutorial 6 of RabbitMQ writes them.

use std::fs;
use std::path::Path;

use crate::processes::{Process, Services, repository};

use super::{PATIENCE, interpreter, setup};

/// The client, which asks for the rows of a file.
fn client(services: &Services, queue: &str, rows: &Path, more: &[&str]) -> Process {
    let mut command = tokio::process::Command::new(interpreter());
    command.arg(repository("pipeline/tests/python/ask.py")).args([&services.url, queue]).arg(rows).args(more);
    Process::spawn(&services.books, "ask.py", command)
}

async fn replies(services: &Services, queue: &str, rows: &Path, more: &[&str]) -> Vec<serde_json::Value> {
    let mut client = client(services, queue, rows, more);
    assert_eq!(client.exit(PATIENCE).await, Some(0), "{}", client.log());
    client.log().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn their_clients_get_their_replies_one_by_one_and_a_thousand_at_once() {
    let (_broker, services) = setup().await;
    let (metric, model) = (services.metric(&[]), services.model(&[]));
    metric.ready().await;
    model.ready().await;
    model.says("created the queue Features.ask").await;
    let rows = services.books.path("rows");
    let row = |first: usize| format!("[{first}e-4, 0, 0, 0, 0, 0, 0, 0, 0, 0]");
    let bad = "[1, 2, 3]".to_owned();
    let of = |count: usize| (1..count).map(row).chain([bad.clone()]).collect::<Vec<_>>().join("\n");
    fs::write(&rows, of(20)).unwrap();
    let recorded = replies(&services, "Features", &rows, &[]).await;
    let asked = replies(&services, "Features.ask", &rows, &[]).await;
    assert_eq!(asked, recorded);
    assert_eq!((asked.len(), &asked[19]["reason"]), (20, &"wrong_length".into()));
    let in_order = |replies: &[serde_json::Value]| {
        let values: Vec<f64> = replies.iter().filter_map(serde_json::Value::as_f64).collect();
        values.is_sorted() || values.iter().rev().is_sorted()
    };
    assert!(in_order(&asked), "each has its own: {asked:?}");
    let mut gone = client(&services, "Features.ask", &rows, &["--leave"]);
    assert_eq!(gone.exit(PATIENCE).await, Some(0), "{}", gone.log());
    fs::write(&rows, of(1000)).unwrap();
    let asked = replies(&services, "Features.ask", &rows, &["--at-once"]).await;
    assert!(asked.len() == 1000 && in_order(&asked), "{} replies", asked.len());
    let recorded = replies(&services, "Features", &rows, &["--at-once"]).await;
    assert_eq!(asked, recorded);
    for process in [&metric, &model] {
        assert!(!process.log().contains("lost RabbitMQ"), "{}", process.log());
    }
}
