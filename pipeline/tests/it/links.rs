//! Addresses that do not answer, and links that are slow, late, uneven or silent.

use std::time::{Duration, Instant};

use shared::message::Role;
use shared::stop::Stop;
use shared::transport::{Endpoint, QueueKind, Transport};

use crate::broker::{self, Broker};
use crate::contract::{World, label, publish, take};
use crate::hostile::{good_row, ready};
use crate::processes::Services;
use crate::proxy::Proxy;
use crate::raw::{Properties, Raw};

#[tokio::test(flavor = "multi_thread")]
async fn one_good_address_among_bad_ones_is_found() {
    let broker = broker::turn_in_quiet().await;
    broker.declare(QueueKind::Quorum).await;
    let frozen = Proxy::before(broker.address()).await;
    frozen.freeze_new();
    // Each start is at a random one; the promise holds for all of them.
    for _ in 0..6 {
        let hosts = format!("127.0.0.1:1,{},{}", frozen.address, broker.address());
        let endpoint = Endpoint::from_url(&broker.url_via(&hosts), QueueKind::Quorum).unwrap();
        let (transport, stop) = (Transport::Amqp(endpoint), Stop::default());
        let publisher = transport.publisher("test", &stop, &Default::default());
        let start = Instant::now();
        publish(&publisher, vec![label("a")]).await;
        assert!(start.elapsed() < Duration::from_secs(5), "connected after {:?}", start.elapsed());
        publisher.close().await;
    }
    let world = World {
        transport: Transport::Amqp(Endpoint::from_url(&broker.url, QueueKind::Quorum).unwrap()),
        stop: Stop::default(),
        broker: Some(broker),
    };
    take(&mut world.consumer(10), 10).await.ack().await;
}

/// A message that cannot be used, of this many bytes, among 24 rows that can, over a shaped link.
async fn over(broker: &Broker, bytes: usize, reconnects: f64, shape: impl Fn(&Proxy)) {
    let proxy = Proxy::before(broker.address()).await;
    let services = Services::new(&broker.url_via(&proxy.address.to_string()));
    let (mut model, mut metric) = ready(&services).await;
    shape(&proxy);
    let mut raw = Raw::connect(&broker.url).await;
    for number in 0..24 {
        if number == 4 {
            let block = Properties::default().text("message_id", b"large").block();
            for role in [Role::Features, Role::Label] {
                raw.publish(role.name(), &block, &vec![b' '; bytes]).await;
            }
        }
        good_row(&mut raw, &format!("row-{number}")).await;
    }
    raw.confirmed().await;
    // A body of 16 MiB alone occupies a link of 64 kB/s for more than four minutes.
    let start = Instant::now();
    while services.books.rows() < 48 {
        let rows = services.books.rows();
        assert!(start.elapsed() < Duration::from_secs(400), "{rows} rows of 48:\n{}", metric.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for queue in ["Features.dead", "y_true.dead"] {
        broker.has_ready_dead(queue, 1).await;
    }
    // Whatever is still on its way arrives when the link is good, and no second letter is among it.
    proxy.pass();
    model.ready().await;
    metric.ready().await;
    broker.emptied().await;
    for process in [&mut model, &mut metric] {
        let lost = process.counter("pipeline_reconnects_total", "").await;
        assert!(lost <= reconnects, "{lost} reconnects:\n{}", process.log());
        process.stop().await;
    }
    for queue in ["Features.dead", "y_true.dead"] {
        let letters = broker.drain(queue).await;
        assert_eq!(letters.len(), 1, "letters in {queue}");
    }
    assert_eq!(services.books.rows(), 48);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_link_loops_nothing() {
    let broker = broker::turn().await;
    // 1 MiB is as much as a letter has: it passes twice, there and back.
    over(&broker, 1 << 20, 0.0, |proxy| proxy.throttle(256_000)).await;
    over(&broker, 100_000, 0.0, |proxy| proxy.delay(Duration::from_millis(300))).await;
}

/// The same for minutes. `LINK` names one of them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: scripts/long links"]
async fn slowest_links_loop_nothing() {
    type Shape = fn(&Proxy);
    let links: [(&str, usize, f64, Shape); 5] = [
        ("slow", 1 << 20, 0.0, |proxy| proxy.throttle(64_000)),
        // Where the broker gives up on what it cannot send within 30 s, what was acknowledged by then does not come again.
        ("slower", 16 << 20, 1.0, |proxy| proxy.throttle(64_000)),
        ("halving", 100_000, 0.0, |proxy| proxy.halving(1_000_000)),
        ("dripping", 10_000, 0.0, |proxy| proxy.drip(400, Duration::from_millis(20))),
        ("stalling", 100_000, 0.0, |proxy| proxy.stall_for(Duration::from_secs(15))),
    ];
    let broker = broker::turn().await;
    let one = std::env::var("LINK").ok();
    for (name, bytes, reconnects, shape) in links {
        if one.as_ref().is_none_or(|one| one == name) {
            over(&broker, bytes, reconnects, shape).await;
            println!("held: {bytes} bytes over a {name} link");
        }
    }
}
