//! The way back, as `metric` orders it: every replica ends on the same version, and stays there until a person says otherwise.

use std::process::Command;

use shared::control::{Control, Decision, DecisionState};
use shared::message::Name;

use super::*;
use crate::broker;
use crate::processes::{Process, Services, programs};

fn worse(version: &str, before: &str) -> Control {
    let [model, version, before] = ["model", version, before].map(|name| Name::parse(name).unwrap());
    let (state, difference) = (DecisionState::Worse, Some(18.9));
    Control { decisions: vec![Decision { model, version, before, state, act: true, rows: 58, difference }] }
}

/// Says again and again what is decided, as `metric` does.
async fn repeat(publisher: &Publisher, control: &Control, until: impl Future<Output = ()>) {
    let saying = async {
        let mut clock = tokio::time::interval(Duration::from_millis(100));
        loop {
            clock.tick().await;
            publisher.send_control("test", control).await.unwrap();
        }
    };
    tokio::select! {
        () = saying => {}
        () = until => {}
    }
}

async fn all_say(processes: &[Process], text: &str) {
    for process in processes {
        process.says(text).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_serves_the_version_before_again_and_keeps_to_it() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let file = File::new(&services.books, "model.json");
    let kept = services.books.path("versions");
    let kept = kept.to_str().unwrap();
    let good = file.put(1.0);
    let start =
        || services.model(&["--model", file.argument(), "--versions", kept, "--admin-addr", "127.0.0.1:0"]);
    let mut replicas = [start(), start(), start()];
    all_say(&replicas, "serving ").await;
    let bad = file.put(3.0);
    all_say(&replicas, &format!("model@{bad} now serves")).await;
    let mut ends = Ends::new(&broker.url);
    let control = worse(&bad, &good);
    let took_back = format!(
        "took back model@{bad}, which is worse over 58 rows with a label; in the mean its errors are larger by 18.9: model@{good} serves again"
    );
    repeat(&ends.publisher, &control, all_say(&replicas, &took_back)).await;
    // One that missed it all finds the file as it was left, and what the others remember.
    replicas[2].kill().await;
    replicas[2] = start();
    replicas[2].says(&format!("Serving model@{good} instead")).await;
    // Repeated, it has no further consequence.
    let mut all = Predicted::default();
    let rows = ends.rows(300).await;
    let publisher = ends.publisher.clone();
    let predicted = ends.take(&mut all, "each row", |all| all.serving() == rows);
    repeat(&publisher, &control, predicted).await;
    assert_eq!(all.by(ModelRole::Serving, "model", &good), rows, "{:?}", all.counts());
    assert_eq!(all.0.len(), 1, "{:?}", all.counts());
    for (replica, times) in replicas.iter().zip([1.0, 1.0, 0.0]) {
        assert_eq!(replica.counter("pipeline_model_taken_back_total", "model").await, times);
    }
    assert_eq!(fs::read(file.argument()).unwrap(), model(3.0).0, "the file is left alone");
    // A person has the last word.
    let accept =
        Command::new(programs().join("model")).args(["accept", &bad, "--versions", kept]).output().unwrap();
    let said = String::from_utf8(accept.stdout).unwrap();
    assert!(accept.status.success() && said.starts_with(&format!("{bad} is accepted")), "{said}");
    for replica in &replicas {
        replica.says(&format!("model@{bad} now serves, replacing model@{good}")).await;
    }
    // Whoever hears it first tells the others, by way of the folder.
    let heard = format!("predicts no more: {bad} is worse over 58 rows with a label, and was accepted");
    let told = "predicts no more: another process with these versions has heard that it is decided";
    let says = |replica: &Process, text: &str| replica.log().contains(text);
    let ended = wait_for(
        "every shadow to end",
        || replicas.iter().all(|replica| says(replica, &heard) || says(replica, told)),
        || replicas.iter().map(Process::log).collect(),
    );
    repeat(&ends.publisher, &control, ended).await;
    assert!(replicas.iter().any(|replica| says(replica, &heard)));
    let mut all = Predicted::default();
    let rows = ends.rows(300).await;
    ends.take(&mut all, "each row", |all| all.serving() == rows).await;
    assert_eq!(all.by(ModelRole::Serving, "model", &bad), rows, "{:?}", all.counts());
}
