//! A row that kills whoever works on it is found among its neighbours, tried alone, and becomes a dead letter.

use shared::clock::Timestamp;
use std::collections::BTreeSet;

use shared::message::{Features, Key, Outgoing, Role, Row, RowId};
use shared::readiness::Readiness;
use shared::transport::{Consumer, QueueKind};

use crate::contract::{World, ids, publish, take};

fn row(id: &str) -> Outgoing {
    let key = Key::Property(RowId::parse(id).unwrap());
    Row { key, features: Features::Vector(vec![1.0]), names: None, published_at: None }
        .encode("test", Timestamp(0))
}

/// What one process does: it takes and acknowledges, until it has the killer in its hands, of which it dies with all that it
/// holds. Returns how many it held, and whether the killer was found out instead.
async fn life(world: &World, served: &mut BTreeSet<String>) -> (usize, bool) {
    let rows = world.transport.subscription(Role::Features);
    let mut consumer: Consumer =
        world.transport.consumer("test", rows, 100, &world.stop, &Readiness::default());
    loop {
        let batch = take(&mut consumer, 8).await;
        let held = ids(&batch);
        let Some(at) = held.iter().position(|id| id == "killer") else {
            assert!(batch.deliveries.iter().all(|delivery| !delivery.is_deadly()));
            batch.ack().await;
            served.extend(held);
            continue;
        };
        if batch.deliveries[at].is_deadly() {
            assert_eq!(held.len(), 1);
            batch.ack().await;
            consumer.close().await;
            return (1, true);
        }
        // What a dead process held goes back, with all that it had not even looked at.
        consumer.close().await;
        drop(batch);
        return (held.len(), false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killer_is_tried_alone_before_it_is_given_up_and_its_neighbours_are_served() {
    let world = World::amqp(QueueKind::Quorum).await;
    let mut batch: Vec<Outgoing> = (0..30).map(|number| row(&format!("before-{number}"))).collect();
    batch.push(row("killer"));
    batch.extend((0..30).map(|number| row(&format!("after-{number}"))));
    publish(&world.transport.publisher("test", &world.stop, &Readiness::default()), batch).await;
    let (mut lives, mut served) = (Vec::new(), BTreeSet::new());
    loop {
        let (held, found) = life(&world, &mut served).await;
        if found {
            break;
        }
        lives.push(held);
        assert!(lives.len() <= 10, "{lives:?}");
    }
    // At most five die with others in their hands, and at least five alone.
    let alone = lives.iter().rev().take_while(|held| **held == 1).count();
    assert!(alone >= 5, "{lives:?}");
    // Nothing was lost with the dead: the rest is there, and is no letter.
    let rows = world.transport.subscription(Role::Features);
    let mut consumer = world.transport.consumer("test", rows, 100, &world.stop, &Readiness::default());
    while served.len() < 60 {
        let batch = take(&mut consumer, 8).await;
        assert!(batch.deliveries.iter().all(|delivery| !delivery.is_deadly()));
        served.extend(ids(&batch));
        batch.ack().await;
    }
}
