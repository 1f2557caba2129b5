//! The version before predicts the same rows, and no crash leaves one without the other.

use super::*;
use crate::broker;
use crate::processes::Services;

/// Predictions of a pair are confirmed together, and a row comes again until both are.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_swap_both_versions_predict_each_row_over_crashes() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let file = File::new(&services.books, "model.json");
    let old = file.put(1.0);
    let kept = services.books.path("versions");
    let arguments = ["--model", file.argument(), "--versions", kept.to_str().unwrap()];
    let mut process = services.model(&arguments);
    let mut ends = Ends::new(&broker.url);
    let mut all = Predicted::default();
    let first = ends.rows(100).await;
    ends.take(&mut all, "rows of the first", |all| all.serving() == first).await;
    assert_eq!(all.by(ModelRole::Serving, "model", &old), first);
    assert_eq!(all.0.len(), 1, "nothing is in the shadow before a swap");
    let new = file.put(3.0);
    process.says(&format!("model.shadow@{old} goes on predicting the same rows, beside model@{new}")).await;
    process.says(&format!("model@{new} now serves")).await;
    has_kept(kept.to_str().unwrap(), &new).await;
    let mut second = BTreeSet::new();
    for _ in 0..4 {
        second.append(&mut ends.rows(1500).await);
        let some = all.serving().len() + 300;
        ends.take(&mut all, "some more rows", |all| all.serving().len() >= some).await;
        process.kill().await;
        process = services.model(&arguments);
    }
    let both = |all: &Predicted| {
        all.by(ModelRole::Serving, "model", &new) == second
            && all.by(ModelRole::Shadow, "model.shadow", &old) == second
    };
    ends.take(&mut all, "each row by both", both).await;
    all.agree_with(&[(&old, 1.0), (&new, 3.0)]);
    assert_eq!(all.0.len(), 3, "{:?}", all.counts());
}

/// What the shadow cannot predict, and what nobody else has predicted, is left out.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_has_one_letter_and_the_shadow_says_nothing_of_it() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let file = File::new(&services.books, "model.json");
    let old = file.put(1.0);
    let process = services.model(&["--model", file.argument(), "--admin-addr", "127.0.0.1:0"]);
    process.says("serving ").await;
    let new = file.put(3.0);
    process.says(&format!("model@{new} now serves")).await;
    let mut ends = Ends::new(&broker.url);
    let mut all = Predicted::default();
    let bad = Outgoing { body: b"no JSON".to_vec(), ..row(7777) };
    ends.publisher.publish(vec![bad]).await.unwrap();
    let rows = ends.rows(50).await;
    ends.take(&mut all, "each row by both", |all| {
        all.by(ModelRole::Serving, "model", &new) == rows
            && all.by(ModelRole::Shadow, "model.shadow", &old) == rows
    })
    .await;
    broker.has_ready_dead(broker::dead_name(Role::Features), 1).await;
    process.counts("pipeline_shadow_rows_total", |_| true).await;
    assert_eq!(process.counter("pipeline_shadow_rows_total", "predicted").await, 50.0);
    assert_eq!(process.counter("pipeline_shadow_rows_total", "refused").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_shadow_a_swap_is_a_swap() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let file = File::new(&services.books, "model.json");
    file.put(1.0);
    let process = services.model(&["--model", file.argument(), "--shadow", "off"]);
    process.says("serving ").await;
    let new = file.put(3.0);
    process.says(&format!("model@{new} now serves")).await;
    let mut ends = Ends::new(&broker.url);
    let mut all = Predicted::default();
    let rows = ends.rows(50).await;
    ends.take(&mut all, "each row", |all| all.serving() == rows).await;
    assert_eq!((all.0.len(), process.log().contains("model.shadow")), (1, false), "{}", process.log());
}
