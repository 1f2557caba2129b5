//! What both transports keep of questions and replies, beside the rest of their contract.

use std::time::Duration;

use shared::ask::{Asker, Unanswered};
use shared::clock::Timestamp;
use shared::message::{Asking, Incoming as _, Key, ModelRole, Prediction, Reply};
use shared::transport::{QueueKind, Replier, SideMessage, SideQueue, SideReceiver};
use tokio::time::timeout;

use super::{ASK, PATIENCE, ROW};
use crate::contract::{World, label, nothing_comes, publish, take};

fn reply(asking: &Asking, value: f64) -> Reply {
    let prediction = Prediction {
        key: Key::Anonymous,
        value,
        model: None,
        model_version: None,
        role: ModelRole::Serving,
        published_at: None,
        features_published_at: None,
        vector: None,
    };
    Reply::predictions(asking, &[prediction], false, "test", Timestamp(0)).unwrap()
}

/// Takes one question, and returns who asks and the row.
async fn take_question(asks: &mut SideReceiver) -> (Asking, String) {
    let question = timeout(PATIENCE, asks.take()).await.expect("no question comes").unwrap();
    let asking = Asking::of(&question.content()).expect("it says nobody who asks");
    let row = String::from_utf8(question.body().to_vec()).unwrap();
    question.ack().await;
    (asking, row)
}

fn replier(world: &World) -> Replier {
    world.publisher().replier()
}

pub async fn a_question_gets_its_own_reply_and_the_three_queues_know_nothing_of_it(world: &World) {
    let mut consumer = world.consumer(10);
    let (mut asks, replier) = (consumer.aside(SideQueue::Asks), replier(world));
    let asker = Asker::new(&world.transport, "test", &world.stop);
    let ask = |number: usize| asker.ask(number.to_string().into_bytes(), PATIENCE);
    let asking = async { futures_util::future::join_all((0..30).map(ask)).await };
    let answering = async {
        // The last comes first, so that each must find its own.
        let mut questions = Vec::new();
        for _ in 0..30 {
            questions.push(take_question(&mut asks).await);
        }
        for (asking, row) in questions.into_iter().rev() {
            replier.send(reply(&asking, row.parse().unwrap()));
        }
    };
    let (answers, ()) = tokio::join!(asking, answering);
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap().prediction, number as f64);
    }
    asker.close().await;
    nothing_comes(&mut consumer).await;
}

pub async fn a_reply_to_somebody_who_has_gone_disturbs_nobody(world: &World) {
    let consumer = world.consumer(10);
    let (mut asks, publisher) = (consumer.aside(SideQueue::Asks), world.publisher());
    let replier = publisher.replier();
    let gone = Asker::new(&world.transport, "test", &world.stop);
    let (asked, (asking, _)) =
        tokio::join!(gone.ask(b"1".to_vec(), Duration::from_millis(300)), take_question(&mut asks));
    assert_eq!(asked, Err(Unanswered::Nobody("no reply in time".to_owned())));
    gone.close().await;
    for reply_to in [&*asking.reply_to, "nobody", "amq.rabbitmq.reply-to.nobody", "amq.rabbitmq.reply-to"] {
        replier.send(reply(&Asking { reply_to: reply_to.into(), ..asking.clone() }, 1.0));
    }
    let asker = Asker::new(&world.transport, "test", &world.stop);
    let answering = async {
        let (asking, _) = take_question(&mut asks).await;
        replier.send(reply(&asking, 7.0));
    };
    let (answer, ()) = tokio::join!(asker.ask(b"2".to_vec(), PATIENCE), answering);
    assert_eq!(answer.unwrap().prediction, 7.0);
    publish(&publisher, vec![label("a")]).await;
}

pub async fn no_reply_goes_to_a_queue_of_ours(world: &World) {
    let mut consumer = world.consumer(10);
    let replier = replier(world);
    for reply_to in ["y_true", "y_true.dead", "y_predict", "Features.ask"] {
        replier.send(reply(&Asking { reply_to: reply_to.into(), correlation_id: None }, 1.0));
    }
    replier.finish().await;
    nothing_comes(&mut consumer).await;
    let mut asks = consumer.aside(SideQueue::Asks);
    assert!(timeout(Duration::from_millis(300), asks.take()).await.is_err(), "it is asked by us");
}

pub async fn a_row_that_wants_a_reply_is_delivered_with_who_asks(world: &World) {
    let (publisher, mut consumer) = (world.publisher(), world.consumer(10));
    for correlation_id in [Some("1"), None] {
        let asking = Asking { reply_to: "amq.gen-x".into(), correlation_id: correlation_id.map(Into::into) };
        let mut message = label("a");
        message.asking = Some(asking.clone());
        publish(&publisher, vec![message]).await;
        let batch = take(&mut consumer, 10).await;
        let delivery = &batch.deliveries[0];
        assert_eq!((delivery.reply_to(), delivery.correlation_id()), (Some("amq.gen-x"), correlation_id));
        let known_by = correlation_id.unwrap_or("a");
        assert_eq!(Asking::of(delivery).unwrap().correlation_id.as_deref(), Some(known_by));
        batch.ack().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_nobody_takes_is_gone_before_a_model_comes() {
    let world = World::amqp(QueueKind::Quorum).await;
    let broker = world.broker.as_ref().unwrap();
    let message = SideMessage {
        app: "test",
        published_at: Timestamp(0),
        headers: Vec::new(),
        body: ROW.into(),
        asking: Some(Asking { reply_to: "x".into(), correlation_id: None }),
    };
    world.publisher().send_aside(SideQueue::Asks, message).await.unwrap();
    broker.comes_to(ASK, "one question", |ready| ready == 1).await;
    broker.comes_to(ASK, "none", |ready| ready == 0).await;
}
