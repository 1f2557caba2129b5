//! Requeueing that is killed, or that two do at once: no letter is lost.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::message::Role;
use shared::transport::QueueKind;
use tokio::time::timeout;

use super::{FEATURES, channel, dead, ours, post};
use crate::account::wait_for;
use crate::broker::{self, Broker};
use crate::processes::{Process, Services, asked, can_trace};
use crate::proxy::Proxy;

const PATIENCE: Duration = Duration::from_secs(90);

/// Puts letters of rows with these ids there.
async fn letters(broker: &Broker, ids: &[String]) {
    let (connection, channel) = channel(broker).await;
    let mut confirms = Vec::new();
    for id in ids {
        confirms.push(post(&channel, FEATURES, b"[1, 2]", ours("wrong_length", id)).await);
    }
    for confirm in confirms {
        confirm.await.unwrap();
    }
    connection.close(200, "done".into()).await.unwrap();
}

/// Requeues what is left, and holds what came to `Features` to these ids. Returns how many came more than once.
async fn all_are_back(broker: &Broker, ids: &BTreeSet<String>) -> usize {
    // Those that a killed one held come back at once, and may not all be there yet.
    loop {
        let said = dead(broker, &["requeue", "Features", "--rate", "100000"]);
        match said.code {
            Some(0) => {}
            Some(3) if broker.ready(FEATURES).await == 0 => break,
            Some(3) => {}
            other => panic!("{other:?}: {}{}", said.out, said.err),
        }
    }
    let back = broker.drain("Features").await;
    let found: BTreeSet<String> =
        back.iter().map(|letter| letter.message_id().unwrap_or_default().to_owned()).collect();
    let missing: Vec<_> = ids.difference(&found).collect();
    assert!(missing.is_empty() && found.len() == ids.len(), "lost: {missing:?}");
    back.len() - found.len()
}

/// Of a quorum queue, a channel forgets acknowledgements that wait when it ends: those of letters with others between them are
/// many.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_requeued_or_purged_does_not_come_back() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let (connection, channel) = channel(&broker).await;
    let (reasons, mut ids) = (["bad_shape", "not_json", "wrong_length"], BTreeSet::new());
    let mut confirms = Vec::new();
    for row in 0..3000 {
        let id = format!("row-{row}");
        confirms.push(post(&channel, FEATURES, b"[1, 2]", ours(reasons[row % 3], &id)).await);
        ids.extend((row % 3 < 2).then_some(id));
    }
    for confirm in confirms {
        confirm.await.unwrap();
    }
    broker.has_ready_dead(FEATURES, 3000).await;
    for (reason, left) in [("not_json", 2000), ("wrong_length", 1000)] {
        let how: &[&str] =
            if reason == "not_json" { &["requeue", "--rate", "100000"] } else { &["purge", "--yes"] };
        let said = dead(&broker, &[how, &["Features", "--reason", reason]].concat()).ends(0);
        assert!(said.out.contains("1000 letters"), "{}", said.out);
        broker.has_ready_dead(FEATURES, left).await;
    }
    let listed = dead(&broker, &["list", "Features", "--json"]).ends(0).json();
    assert_eq!(listed["queues"][0]["groups"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(all_are_back(&broker, &ids).await, 0);
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requeue_killed_before_each_thing_it_sends_loses_nothing() {
    let all = asked("SWEEP").is_some();
    if !can_trace(all) {
        return;
    }
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let (mut ids, mut kills) = (BTreeSet::new(), 0);
    // One letter at a time, so that each is published, confirmed and acknowledged by itself.
    let requeue = ["dead", "requeue", "Features", "--rate", "10", "--amqp-url", &broker.url];
    for number in (1..).step_by(if all { 1 } else { 3 }) {
        let fresh: Vec<String> = (0..3).map(|row| format!("{number}-{row}")).collect();
        letters(&broker, &fresh).await;
        ids.extend(fresh);
        let inject = format!("-einject=sendto,writev,sendmsg:signal=KILL:when={number}");
        let trace = ["-etrace=sendto,writev,sendmsg", &inject];
        let mut process = Process::traced(&services.books, "pipeline", &trace, &requeue);
        match process.exit(PATIENCE).await {
            None => kills += 1,
            Some(0 | 3) => break,
            other => panic!("{other:?}: {}", process.log()),
        }
    }
    assert!(kills >= 5, "only {kills} kills");
    let twice = all_are_back(&broker, &ids).await;
    assert!(twice <= kills, "{twice} letters came twice after {kills} kills");
    println!("held: {kills} kills before something was sent, {} letters, {twice} twice", ids.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requeue_killed_between_publish_and_confirm_loses_nothing() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let ids: BTreeSet<String> = (0..300).map(|row| format!("row-{row}")).collect();
    letters(&broker, &ids.iter().cloned().collect::<Vec<_>>()).await;
    broker.has_ready_dead(FEATURES, 300).await;
    let proxy = Proxy::before(broker.address()).await;
    let url = broker.url_via(&proxy.address.to_string());
    for back in [1, 100, 200] {
        let arguments = ["dead", "requeue", "Features", "--rate", "100", "--amqp-url", &url];
        let mut process = Process::start(&services.books, "pipeline", &arguments);
        broker.comes_to("Features", "some more", |ready| ready >= back).await;
        // What it publishes from now on arrives, and no confirm comes back.
        proxy.down_only(1);
        timeout(PATIENCE, proxy.holds_back()).await.expect("a confirm that is held back");
        process.kill().await;
        proxy.cut();
        proxy.pass();
    }
    let twice = all_are_back(&broker, &ids).await;
    assert!((1..=30).contains(&twice), "{twice} letters came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_requeue_at_once_share_the_letters() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let ids: BTreeSet<String> = (0..2500).map(|row| format!("row-{row}")).collect();
    letters(&broker, &ids.iter().cloned().collect::<Vec<_>>()).await;
    broker.has_ready_dead(FEATURES, 2500).await;
    let arguments = ["dead", "requeue", "Features", "--rate", "2000", "--amqp-url", &broker.url];
    let mut both = [(); 2].map(|()| Process::start(&services.books, "pipeline", &arguments));
    for process in &mut both {
        let code = process.exit(PATIENCE).await;
        assert!(matches!(code, Some(0 | 3)), "{code:?}: {}", process.log());
    }
    broker.has_ready(Role::Features, 2500).await;
    assert_eq!(all_are_back(&broker, &ids).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_is_told_and_what_was_held_comes_back() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let ids: BTreeSet<String> = (0..200).map(|row| format!("row-{row}")).collect();
    letters(&broker, &ids.iter().cloned().collect::<Vec<_>>()).await;
    broker.has_ready_dead(FEATURES, 200).await;
    let proxy = Proxy::before(broker.address()).await;
    let url = broker.url_via(&proxy.address.to_string());
    let arguments = ["dead", "requeue", "Features", "--rate", "50", "--amqp-url", &url];
    let mut process = Process::start(&services.books, "pipeline", &arguments);
    broker.comes_to("Features", "some", |ready| ready >= 20).await;
    proxy.cut();
    assert_eq!(process.exit(PATIENCE).await, Some(1), "{}", process.log());
    let log = || process.log();
    wait_for("the end to be told", || log().contains("pipeline dead failed: "), log).await;
    assert!(log().contains("requeued "), "{}", log());
    let twice = all_are_back(&broker, &ids).await;
    assert!(twice <= 5, "{twice} letters came twice");
}
