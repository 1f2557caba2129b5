//! Cards in the outbox, and on their way.

use shared::message::Role;
use shared::readiness::Readiness;
use shared::stop::Stop;
use shared::transport::Transport;
use tokio::time::timeout;

use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn model(version: &str, length: usize) -> Card {
    Card { model: name("m"), about: About::Model(name(version)), json: version.repeat(length).into() }
}

fn refused(at: i64) -> Card {
    Card { model: name("m"), about: About::Refused(Timestamp(at)), json: format!("{at}").into() }
}

fn pending(outbox: &Outbox) -> Vec<&str> {
    outbox.pending.iter().map(|card| &*card.json).collect()
}

fn send_all(outbox: &mut Outbox) {
    while let Some(card) = outbox.next() {
        outbox.sent(&card);
    }
}

#[test]
fn what_is_so_now_is_published_again_and_what_was_is_not() {
    let mut outbox = Outbox::default();
    outbox.repeat();
    assert_eq!(pending(&outbox), [""; 0]);
    for card in [model("a", 1), refused(1), model("b", 1), refused(2), refused(3)] {
        outbox.add(Arc::new(card));
    }
    // While something waits, there is nothing to repeat.
    outbox.repeat();
    assert_eq!(pending(&outbox), ["a", "1", "b", "2", "3"]);
    send_all(&mut outbox);
    outbox.repeat();
    assert_eq!(pending(&outbox), ["b", "3"]);
    outbox.add(Arc::new(model("c", 1)));
    send_all(&mut outbox);
    outbox.repeat();
    assert_eq!(pending(&outbox), ["c"]);
}

#[test]
fn cards_that_wait_are_bounded_in_number_and_in_bytes() {
    let mut outbox = Outbox::default();
    let dropped = outbox.next();
    assert!(dropped.is_none());
    (0..103).for_each(|at| outbox.add(Arc::new(refused(at))));
    assert_eq!((outbox.pending.len(), pending(&outbox)[0]), (MOST, "3"));
    (0..9).for_each(|_| outbox.add(Arc::new(model("x", 1 << 20))));
    assert_eq!(outbox.pending.len(), 8);
    assert!(outbox.pending.iter().all(|card| card.json.len() == 1 << 20));
    // One that was dropped while it was under way takes no other along.
    outbox.sent(&Arc::new(refused(3)));
    assert_eq!(outbox.pending.len(), 8);
}

#[test]
fn the_waits_grow_up_to_the_usual_time() {
    let waits = [1, 2, 3, 10, 11, 40, u32::MAX].map(|failures| wait_after(failures).as_secs());
    assert_eq!(waits, [1, 2, 4, 512, 600, 600, 600]);
}

#[tokio::test]
async fn cards_are_published_in_their_order_whenever_they_come() {
    let (transport, stop, readiness) = (Transport::in_memory(), Stop::default(), Readiness::default());
    let publisher = transport.publisher("test", &stop, &readiness);
    let announcements = Announcements::default();
    announcements.add(refused(1));
    let publishing = tokio::spawn(announcements.clone().publish("test", publisher));
    announcements.add(model("a", 3));
    let consumer = transport.consumer("test", transport.subscription(Role::Prediction), 1, &stop, &readiness);
    let mut cards = consumer.aside(SideQueue::Cards);
    for want in ["1", "aaa"] {
        let card = timeout(Duration::from_secs(30), cards.take()).await.expect("no card").unwrap();
        assert_eq!(card.body(), want.as_bytes());
        card.ack().await;
    }
    publishing.abort();
}
