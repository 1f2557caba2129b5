//! The contract that both transports keep: one list of checks, run on memory and on RabbitMQ.

use std::time::Duration;

use shared::clock::Timestamp;
use shared::control::{Control, Decision, DecisionState};
use shared::message::{Incoming as _, Key, Label, Name, Outgoing, Rejection, Role, RowId};
use shared::readiness::Readiness;
use shared::stop::Stop;
use shared::trace::Context;
use shared::transport::memory::Dead;
use shared::transport::{
    Batch, Burial, Consumer, Endpoint, Publisher, QueueKind, Sent, SideDelivery, SideMessage, SideQueue,
    SideReceiver, Transport,
};
use tokio::time::timeout;

use crate::ask::contract::{
    a_question_gets_its_own_reply_and_the_three_queues_know_nothing_of_it,
    a_reply_to_somebody_who_has_gone_disturbs_nobody, a_row_that_wants_a_reply_is_delivered_with_who_asks,
    no_reply_goes_to_a_queue_of_ours,
};
use crate::broker::{self, Broker, Letter};

/// Long enough for a delivery that is on its way; what has not come by then is not coming.
const NOTHING_COMES: Duration = Duration::from_millis(700);
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// Nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A transport to check, and what it needs.
pub struct World {
    pub transport: Transport,
    pub stop: Stop,
    pub broker: Option<Broker>,
}

impl World {
    fn memory() -> Self {
        Self { transport: Transport::in_memory(), stop: Stop::default(), broker: None }
    }

    pub async fn amqp(kind: QueueKind) -> Self {
        let broker = broker::turn().await;
        broker.declare(kind).await;
        let endpoint = Endpoint::from_url(&broker.url, kind).unwrap();
        Self { transport: Transport::Amqp(endpoint), stop: Stop::default(), broker: Some(broker) }
    }

    pub fn publisher(&self) -> Publisher {
        self.transport.publisher("test", &self.stop, &Readiness::default())
    }

    pub fn consumer(&self, prefetch: u16) -> Consumer {
        let labels = self.transport.subscription(Role::Label);
        self.transport.consumer("test", labels, prefetch, &self.stop, &Readiness::default())
    }

    /// Reason, body and place in a trace of each dead letter of the label queue.
    async fn dead_letters(&self) -> Vec<(String, Vec<u8>, Option<String>)> {
        match (&self.transport, &self.broker) {
            (Transport::Memory(broker), _) => {
                let dead = broker.dead_letters(Role::Label).into_iter();
                let read = |dead: Dead| {
                    let trace = dead.message.trace().map(|trace| trace.parent());
                    (dead.rejection.reason.to_owned(), dead.message.body.clone(), trace)
                };
                dead.map(read).collect()
            }
            (_, Some(broker)) => {
                let dead = broker.drain(broker::dead_name(Role::Label)).await.into_iter();
                let read = |letter: Letter| {
                    let trace = letter.has("traceparent").then(|| letter.header("traceparent"));
                    (letter.header("x-reason"), letter.body, trace)
                };
                dead.map(read).collect()
            }
            _ => unreachable!(),
        }
    }
}

pub fn label(id: &str) -> Outgoing {
    let key = Key::Property(RowId::parse(id).unwrap());
    Label { key, value: 151.0, published_at: None }.encode("test", Timestamp(0))
}

pub fn labels(ids: impl IntoIterator<Item = usize>) -> Vec<Outgoing> {
    ids.into_iter().map(|id| label(&id.to_string())).collect()
}

pub async fn publish(publisher: &Publisher, batch: Vec<Outgoing>) {
    timeout(PATIENCE, publisher.publish(batch)).await.expect("publish hangs").unwrap();
}

pub async fn take(consumer: &mut Consumer, limit: usize) -> Batch {
    timeout(PATIENCE, consumer.take(limit)).await.expect("take hangs").unwrap()
}

pub async fn nothing_comes(consumer: &mut Consumer) {
    if let Ok(batch) = timeout(NOTHING_COMES, consumer.take(100)).await {
        panic!("delivered: {:?}", ids(&batch.unwrap()));
    }
}

pub fn ids(batch: &Batch) -> Vec<String> {
    batch.deliveries.iter().map(|delivery| delivery.message_id().unwrap_or("-").to_owned()).collect()
}

/// Takes and acknowledges until there are `count`.
pub async fn take_all(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    while all.len() < count {
        let batch = take(consumer, 256).await;
        all.extend(ids(&batch));
        batch.ack().await;
    }
    all
}

/// Takes and holds until there are `count`.
async fn hold(consumer: &mut Consumer, count: usize) -> Vec<Batch> {
    let mut held: Vec<Batch> = Vec::new();
    while held.iter().map(|batch| batch.deliveries.len()).sum::<usize>() < count {
        held.push(take(consumer, count).await);
    }
    held
}

fn names(ids: impl IntoIterator<Item = usize>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

async fn one_publisher_keeps_its_order(world: &World) {
    let publisher = world.publisher();
    for batch in 0..10 {
        publish(&publisher, labels(batch * 100..(batch + 1) * 100)).await;
    }
    assert_eq!(take_all(&mut world.consumer(256), 1000).await, names(0..1000));
}

async fn a_confirmed_message_can_be_taken(world: &World) {
    publish(&world.publisher(), vec![label("a")]).await;
    let batch = take(&mut world.consumer(10), 10).await;
    assert_eq!(ids(&batch), ["a"]);
    assert!(!batch.deliveries[0].redelivered());
    assert_eq!(Label::decode(&batch.deliveries[0]).unwrap().only().unwrap().value, 151.0);
}

async fn what_is_acknowledged_is_gone(world: &World) {
    publish(&world.publisher(), labels(0..5)).await;
    let mut consumer = world.consumer(10);
    take_all(&mut consumer, 5).await;
    consumer.close().await;
    nothing_comes(&mut world.consumer(10)).await;
}

async fn a_dropped_batch_comes_again(world: &World) {
    publish(&world.publisher(), labels(0..3)).await;
    let mut consumer = world.consumer(10);
    drop(hold(&mut consumer, 3).await);
    let again = hold(&mut consumer, 3).await;
    let mut seen: Vec<String> = again.iter().flat_map(ids).collect();
    seen.sort();
    assert_eq!(seen, names(0..3));
    assert!(again.iter().flat_map(|batch| &batch.deliveries).all(|delivery| delivery.redelivered()));
}

async fn what_a_closed_consumer_held_comes_again(world: &World) {
    publish(&world.publisher(), labels(0..3)).await;
    let mut consumer = world.consumer(10);
    let held = hold(&mut consumer, 3).await;
    consumer.close().await;
    drop(held);
    let mut again = take_all(&mut world.consumer(10), 3).await;
    again.sort();
    assert_eq!(again, names(0..3));
}

async fn batches_settle_each_for_itself(world: &World) {
    publish(&world.publisher(), labels(0..4)).await;
    let mut consumer = world.consumer(10);
    let first = take(&mut consumer, 2).await;
    let mut rest = hold_rest(&mut consumer, 4 - first.deliveries.len()).await;
    let dropped = ids(&first);
    // The later batches are acknowledged before the earlier one is given back.
    for batch in rest.drain(..) {
        batch.ack().await;
    }
    drop(first);
    let mut again = take_all(&mut consumer, dropped.len()).await;
    again.sort();
    assert_eq!(again, dropped);
    consumer.close().await;
    nothing_comes(&mut world.consumer(10)).await;
}

async fn hold_rest(consumer: &mut Consumer, count: usize) -> Vec<Batch> {
    if count == 0 { Vec::new() } else { hold(consumer, count).await }
}

async fn others_do_not_wait_for_what_is_set_aside(world: &World) {
    publish(&world.publisher(), labels(0..40)).await;
    let mut consumer = world.consumer(4);
    let (mut aside, mut held) = (Vec::new(), Vec::new());
    let mut seen = 0;
    while seen < 40 {
        // With a prefetch of 4 and two held aside, the rest only comes when it is acknowledged past them.
        let mut batch = take(&mut consumer, 2).await;
        seen += batch.deliveries.len();
        if aside.len() < 2 {
            held.extend(batch.deliveries[0].message_id().map(str::to_owned));
            aside.extend(batch.set_aside(&[0]));
        }
        batch.ack().await;
    }
    let last = aside.pop().unwrap();
    last.ack().await;
    drop(aside);
    assert_eq!(take_all(&mut consumer, 1).await, held[..1]);
    consumer.close().await;
    nothing_comes(&mut world.consumer(10)).await;
}

async fn prefetch_bounds_what_is_held(world: &World) {
    publish(&world.publisher(), labels(0..10)).await;
    let mut consumer = world.consumer(4);
    let mut held = hold(&mut consumer, 4).await;
    nothing_comes(&mut consumer).await;
    let first = held.remove(0);
    let room = first.deliveries.len();
    first.ack().await;
    let more = hold(&mut consumer, room).await;
    assert_eq!(more.iter().map(|batch| batch.deliveries.len()).sum::<usize>(), room);
}

async fn consumers_share_a_queue(world: &World) {
    let (mut left, mut right) = (world.consumer(1), world.consumer(1));
    publish(&world.publisher(), labels(0..2)).await;
    let (left, right) = tokio::join!(take(&mut left, 9), take(&mut right, 9));
    let mut both = [ids(&left), ids(&right)].concat();
    both.sort();
    assert_eq!(both, names(0..2));
}

async fn a_dead_letter_is_kept_unchanged_with_its_reason(world: &World) {
    let publisher = world.publisher();
    let trace = Context::read(TRACE, None);
    publish(&publisher, vec![label("bad").within(trace.clone()), label("good")]).await;
    let mut consumer = world.consumer(10);
    for batch in hold(&mut consumer, 2).await {
        for delivery in &batch.deliveries {
            if delivery.message_id() == Some("bad") {
                assert_eq!(delivery.trace(), trace);
                let letter = delivery.reject(Rejection::new(Rejection::LENGTH, "three, not ten"), "test");
                assert_eq!(publisher.bury(letter).await.unwrap(), Burial::Confirmed);
            }
        }
        batch.ack().await;
    }
    consumer.close().await;
    assert_eq!(
        world.dead_letters().await,
        [("wrong_length".to_owned(), b"151.0".to_vec(), Some(TRACE.to_owned()))]
    );
    nothing_comes(&mut world.consumer(10)).await;
}

async fn items_of_a_message_become_letters_of_their_own(world: &World) {
    let publisher = world.publisher();
    let all: Vec<Label> = ["a", "b", "c"]
        .map(|id| Label { key: Key::wrapped(RowId::parse(id).unwrap()), value: 151.0, published_at: None })
        .into();
    let mut together = Label::encode_together(&all, "test", Timestamp(0));
    // What a producer calls the message is nobody's id.
    together.message_id = Some("message".into());
    publish(&publisher, vec![together.within(Context::read(TRACE, None))]).await;
    let mut consumer = world.consumer(10);
    let batch = take(&mut consumer, 10).await;
    let why = |detail: &str| Rejection::new(Rejection::SHAPE, detail);
    for letter in batch.deliveries[0].reject_items(vec![(0, why("first")), (2, why("last"))], "test") {
        assert_eq!(publisher.bury(letter).await.unwrap(), Burial::Confirmed);
    }
    batch.ack().await;
    consumer.close().await;
    let letter = |id: &str| {
        let body = format!("{{\"id\": \"{id}\", \"body\": 151.0}}").into_bytes();
        ("bad_shape".to_owned(), body, Some(TRACE.to_owned()))
    };
    assert_eq!(world.dead_letters().await, [letter("a"), letter("c")]);
    nothing_comes(&mut world.consumer(10)).await;
}

async fn a_batch_is_bounded_in_bytes(world: &World) {
    let long = |id: usize| Outgoing { body: vec![b' '; 700 * 1024], ..label(&id.to_string()) };
    publish(&world.publisher(), (0..5).map(long).collect()).await;
    let mut consumer = world.consumer(10);
    let mut all = Vec::new();
    while all.len() < 5 {
        let batch = take(&mut consumer, 10).await;
        assert!(batch.deliveries.len() <= 2, "{} of them", batch.deliveries.len());
        all.extend(ids(&batch));
        batch.ack().await;
    }
    assert_eq!(all, names(0..5));
}

async fn taking_can_be_given_up_without_loss(world: &World) {
    let publisher = world.publisher();
    let mut consumer = world.consumer(10);
    let mut seen = Vec::new();
    for round in 0..20 {
        publish(&publisher, labels([round])).await;
        // Gives up at moments all around the delivery.
        let patience = Duration::from_micros(200 * round as u64);
        if let Ok(batch) = timeout(patience, consumer.take(10)).await {
            let batch = batch.unwrap();
            seen.extend(ids(&batch));
            batch.ack().await;
        }
    }
    seen.extend(take_all(&mut consumer, 20 - seen.len()).await);
    assert_eq!(seen, names(0..20));
}

async fn publishing_ends_when_the_process_must(world: &World) {
    // Nobody takes anything; the stop comes first.
    world.stop.give_up();
    let endless = (0..20_000).map(|id| label(&id.to_string())).collect();
    let result = timeout(PATIENCE, world.publisher().publish(endless)).await.expect("publish hangs");
    assert_eq!(result.unwrap_err().to_string(), "stopped before the broker confirmed");
}

fn aside(number: i64) -> SideMessage {
    let headers = vec![("model", "m".to_owned())];
    SideMessage {
        app: "test",
        published_at: Timestamp(number),
        headers,
        body: number.to_string().into_bytes().into(),
        asking: None,
    }
}

async fn take_aside(receiver: &mut SideReceiver) -> SideDelivery {
    timeout(PATIENCE, receiver.take()).await.expect("take hangs").unwrap()
}

async fn send_aside(publisher: &Publisher, number: i64) -> Sent {
    timeout(PATIENCE, publisher.send_aside(SideQueue::Cards, aside(number)))
        .await
        .expect("send hangs")
        .unwrap()
}

async fn a_side_queue_gives_what_was_sent_once_it_is_acknowledged_no_more(world: &World) {
    let publisher = world.publisher();
    let consumer = world.consumer(1);
    let mut receiver = consumer.aside(SideQueue::Cards);
    for number in [7, 8] {
        assert_eq!(send_aside(&publisher, number).await, Sent::Confirmed);
        let delivery = take_aside(&mut receiver).await;
        assert_eq!(delivery.body(), number.to_string().as_bytes());
        assert_eq!((delivery.published_at(), delivery.finding()), (Some(Timestamp(number)), None));
        delivery.ack().await;
    }
    // The three queues know nothing of it.
    let mut consumer = consumer;
    nothing_comes(&mut consumer).await;
    consumer.close().await;
    let consumer = world.consumer(1);
    let again = timeout(NOTHING_COMES, consumer.aside(SideQueue::Cards).take()).await;
    assert!(again.is_err(), "delivered again: {again:?}");
}

async fn a_side_queue_loses_its_oldest_and_never_refuses(world: &World) {
    let publisher = world.publisher();
    for number in 0..260 {
        assert_eq!(send_aside(&publisher, number).await, Sent::Confirmed, "{number}");
    }
    let consumer = world.consumer(1);
    let mut receiver = consumer.aside(SideQueue::Cards);
    for number in 4..260 {
        let delivery = take_aside(&mut receiver).await;
        assert_eq!(delivery.published_at(), Some(Timestamp(number)));
        delivery.ack().await;
    }
}

/// Takes until something comes that was sent with this number or later. Sends it again and again, as whoever decides does.
async fn hears(publisher: &Publisher, receiver: &mut SideReceiver, rows: u64) {
    let sending = async {
        loop {
            publisher.send_control("test", &control(rows)).await.unwrap();
            // In memory, nothing of that waits.
            tokio::task::yield_now().await;
        }
    };
    let hearing = async {
        loop {
            let delivery = take_aside(receiver).await;
            let heard = Control::read(delivery.body()).unwrap();
            delivery.ack().await;
            if heard == control(rows) {
                return;
            }
        }
    };
    tokio::select! {
        () = sending => {}
        heard = timeout(PATIENCE, hearing) => heard.expect("it does not come"),
    }
}

fn control(rows: u64) -> Control {
    let [model, version, before] = ["model", "new", "old"].map(|name| Name::parse(name).unwrap());
    let (state, act, difference) = (DecisionState::Worse, true, Some(18.9));
    Control { decisions: vec![Decision { model, version, before, state, act, rows, difference }] }
}

async fn control_comes_to_everybody_who_listens_and_nobody_there_is_no_error(world: &World) {
    let publisher = world.publisher();
    let sent = timeout(PATIENCE, publisher.send_control("test", &control(0))).await.expect("send hangs");
    assert_eq!(sent.unwrap(), Sent::Confirmed);
    let (one, other) = (world.consumer(1), world.consumer(1));
    let (mut first, mut second) = (one.control(), other.control());
    hears(&publisher, &mut first, 1).await;
    hears(&publisher, &mut second, 2).await;
    // The first was there all the time, too.
    hears(&publisher, &mut first, 2).await;
    // The three queues know nothing of it.
    let mut one = one;
    nothing_comes(&mut one).await;
}

macro_rules! contract {
    ($($check:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $check() {
                super::$check(&super::World::memory()).await;
            })*
        }
        mod quorum {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $check() {
                super::$check(&super::World::amqp(super::QueueKind::Quorum).await).await;
            })*
        }
        mod classic {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $check() {
                super::$check(&super::World::amqp(super::QueueKind::Classic).await).await;
            })*
        }
    };
}

contract! {
    one_publisher_keeps_its_order,
    a_confirmed_message_can_be_taken,
    what_is_acknowledged_is_gone,
    a_dropped_batch_comes_again,
    what_a_closed_consumer_held_comes_again,
    batches_settle_each_for_itself,
    others_do_not_wait_for_what_is_set_aside,
    prefetch_bounds_what_is_held,
    consumers_share_a_queue,
    a_dead_letter_is_kept_unchanged_with_its_reason,
    items_of_a_message_become_letters_of_their_own,
    a_batch_is_bounded_in_bytes,
    taking_can_be_given_up_without_loss,
    publishing_ends_when_the_process_must,
    a_side_queue_gives_what_was_sent_once_it_is_acknowledged_no_more,
    a_side_queue_loses_its_oldest_and_never_refuses,
    control_comes_to_everybody_who_listens_and_nobody_there_is_no_error,
    a_question_gets_its_own_reply_and_the_three_queues_know_nothing_of_it,
    a_reply_to_somebody_who_has_gone_disturbs_nobody,
    no_reply_goes_to_a_queue_of_ours,
    a_row_that_wants_a_reply_is_delivered_with_who_asks,
}

/// Whatever publishes goes on beside it.
#[tokio::test(flavor = "multi_thread")]
async fn a_side_queue_that_is_missing_or_unbound_holds_nothing_up() {
    let world = World::amqp(QueueKind::Quorum).await;
    let broker = world.broker.as_ref().unwrap();
    broker.delete("y_predict.cards").await;
    let publisher = world.publisher();
    for number in 0..3 {
        let Sent::Not { why, early: true } = send_aside(&publisher, number).await else {
            panic!("it is sent")
        };
        assert_eq!(why, "queue y_predict.cards does not exist yet: its consumer creates it");
        publish(&publisher, vec![label(&number.to_string())]).await;
    }
    let mut consumer = world.consumer(10);
    let mut receiver = consumer.aside(SideQueue::Cards);
    let taking = tokio::spawn(async move { take_aside(&mut receiver).await.published_at() });
    let sent = async { while send_aside(&publisher, 9).await != Sent::Confirmed {} };
    timeout(PATIENCE, sent).await.expect("the receiver makes no queue");
    assert_eq!(taking.await.unwrap(), Some(Timestamp(9)));
    assert_eq!(take_all(&mut consumer, 3).await, names(0..3));
    broker.unbind("y_predict.cards").await;
    assert_eq!(send_aside(&publisher, 10).await, Sent::Confirmed, "it is bound again");
}

#[tokio::test]
async fn a_full_queue_in_memory_makes_publishers_wait() {
    let world = World::memory();
    let publisher = world.publisher();
    let flood = tokio::spawn(async move { publisher.publish(labels(0..10_000)).await });
    let mut consumer = world.consumer(u16::MAX);
    let first = take(&mut consumer, 100).await;
    assert!(!flood.is_finished(), "10 000 messages do not fit");
    first.ack().await;
    let rest = take_all(&mut consumer, 9_900).await;
    assert_eq!(rest.last().unwrap(), "9999");
    flood.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn control_is_heard_again_after_its_connection_was_lost() {
    let broker = broker::private().await;
    let endpoint = Endpoint::from_url(&broker.url, QueueKind::Quorum).unwrap();
    let world = World { transport: Transport::Amqp(endpoint), stop: Stop::default(), broker: None };
    let publisher = world.publisher();
    let consumer = world.consumer(1);
    let mut receiver = consumer.control();
    hears(&publisher, &mut receiver, 1).await;
    broker.ctl(&["close_all_connections", "for a test"]);
    hears(&publisher, &mut receiver, 2).await;
    consumer.close().await;
}
