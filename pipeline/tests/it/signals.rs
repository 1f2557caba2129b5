//! How processes understand the signals to stop: what they hold is finished, a closed terminal is an order like any other, and
//! only a second order makes them let go.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::account::Books;
use crate::broker;
use crate::processes::{Process, Services, programs, repository};

/// What they say who let go.
const LETS_GO: &str = "abandoning work in flight; unacknowledged messages go back to their queues";

#[tokio::test(flavor = "multi_thread")]
async fn signals_of_a_closed_terminal_publish_the_labels_that_are_held() {
    let broker = broker::turn().await;
    broker.declare(shared::transport::QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let rows = ["--interval", "0s", "--count", "5", "--order", "once", "--label-delay", "1h"];
    let mut command = tokio::process::Command::new("env");
    // Whoever has the tests ignore it, as nohup does, has their children ignore it too.
    command.arg("--default-signal=HUP").arg(programs().join("features"));
    command.args(["--amqp-url", &services.url]).args(rows).current_dir(repository("."));
    let mut features = Process::spawn(&services.books, "features", command);
    broker.has_ready(shared::message::Role::Features, 5).await;
    assert_eq!(broker.ready("y_true").await, 0);
    features.signal("HUP");
    assert_eq!(features.exit(Duration::from_secs(8)).await, Some(0), "{}", features.log());
    assert_eq!(broker.ready("y_true").await, 5);
}

/// Starts `features` where there is no broker: what it has to publish stays in flight, so that it cannot finish.
fn stuck(books: &Books, nohup: bool) -> Process {
    let mut command = tokio::process::Command::new(if nohup { "nohup" } else { "env" });
    command.arg(programs().join("features")).args(["--amqp-url", "amqp://127.0.0.1:1", "--interval", "0s"]);
    // A group of its own, as a shell makes one.
    command.current_dir(repository(".")).process_group(0);
    Process::spawn(books, "features", command)
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_to_a_process_and_its_group_are_one_order_and_a_later_one_is_impatience() {
    let books = Books::new();
    let mut features = stuck(&books, false);
    features.says("cannot reach RabbitMQ at").await;
    // As `timeout` does it: the process, then everything in its group. Signals of one moment would become one by themselves.
    let both = "kill -s TERM -- $0; sleep 0.05; kill -s TERM -- -$0";
    assert!(Command::new("sh").args(["-c", both, &features.id().to_string()]).status().unwrap().success());
    features.says("features stops: it finishes what it holds").await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!features.log().contains(LETS_GO), "{}", features.log());
    let start = Instant::now();
    features.signal("INT");
    assert_eq!(features.exit(Duration::from_secs(8)).await, Some(0), "{}", features.log());
    let said = format!("second stop signal: {LETS_GO}");
    assert!(features.log().contains(&said), "{}", features.log());
    // Not by the end of the time that it has to finish.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_that_nohup_keeps_off_do_not_stop() {
    let books = Books::new();
    let mut features = stuck(&books, true);
    features.says("cannot reach RabbitMQ at").await;
    features.signal("HUP");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!features.log().contains("features stops"), "{}", features.log());
    features.signal("TERM");
    features.says("features stops").await;
    features.says(&format!("not finished in 5s: {LETS_GO}")).await;
    assert_eq!(features.exit(Duration::from_secs(4)).await, Some(0), "{}", features.log());
}
