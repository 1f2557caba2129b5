//! Ten thousand messages of all kinds on all three queues, while connections are cut: each is in one place afterwards.

use std::time::Duration;

use shared::message::Role;

use crate::broker::{self, Broker, dead_name};
use crate::feed::seed;
use crate::hostile::ready;
use crate::processes::{Process, Services, asked};
use crate::proxy::Proxy;
use crate::raw::Raw;
use crate::storm_messages::{Found, Storm, account, key};

/// `STORMS` of them, each with another seed; two where nothing is said.
#[tokio::test(flavor = "multi_thread")]
async fn storm_of_all_kinds_is_accounted_for() {
    let seed = seed();
    for seed in (seed..).take(asked("STORMS").unwrap_or(2)) {
        println!("SEED={seed}");
        pass(seed).await;
    }
}

async fn pass(seed: u64) {
    let broker = broker::turn().await;
    let proxy = Proxy::before(broker.address()).await;
    let services = Services::new(&broker.url_via(&proxy.address.to_string()));
    let (mut model, mut metric) = ready(&services).await;
    let storm = Storm::new(seed, 10_000);
    let expected = storm.expected();
    let mut raw = Raw::connect(&broker.url).await;
    for (number, message) in storm.messages().enumerate() {
        raw.publish(message.expected.queue, &message.properties, &message.body).await;
        if number % 100 == 99 {
            raw.confirmed().await;
        }
        // What has no id cannot be told from its repetition, so nothing is under way where the connections are cut.
        if number % 4000 == 3999 {
            raw.confirmed().await;
            settled(&broker, &services).await;
            proxy.cut();
            model.not_ready().await;
            model.ready().await;
            metric.ready().await;
        }
    }
    raw.confirmed().await;
    settled(&broker, &services).await;
    model.stop().await;
    metric.stop().await;
    let mut found = Found::default();
    for role in Role::ALL {
        assert!(broker.drain(role.name()).await.is_empty(), "{} is drained", role.name());
    }
    for role in Role::ALL {
        for letter in broker.drain(dead_name(role)).await {
            let key = key(letter.message_id(), &letter.body);
            *found.letters.entry((role.name().to_owned(), key)).or_default() += 1;
        }
    }
    let recorded = services.books.recorded();
    (found.labels, found.predictions, found.rows) = (recorded.labels, recorded.predictions, recorded.rows);
    let wrong = account(&expected, &found);
    let said = |process: &Process| {
        let log = process.log();
        log.lines().filter(|line| !line.contains("dead-lettered to")).collect::<Vec<_>>().join("\n")
    };
    let logs = || format!("{}\n{}", said(&model), said(&metric));
    let some = &wrong[..wrong.len().min(20)];
    assert!(wrong.is_empty(), "{} wrong, SEED={seed}: {some:#?}\n{}", wrong.len(), logs());
}

/// Waits until nothing is in a queue or in anybody's hands: the queues are empty, and what is recorded or a letter does not
/// change for a while.
async fn settled(broker: &Broker, services: &Services) {
    let mut before = 0;
    loop {
        broker.emptied().await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let recorded = services.books.recorded();
        let mut now: usize = recorded.labels.values().chain(recorded.predictions.values()).sum();
        for role in Role::ALL {
            now += broker.ready(dead_name(role)).await;
        }
        if now == before {
            return;
        }
        before = now;
    }
}
