//! Subscribing to queues: beside others, or as the only one; one message at a time first, many later.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::StreamExt as _;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection};
use tracing::info;

use super::book::Book;
use super::endpoint::Endpoint;
use super::guard::watch::Watch;
use super::link::{Session, while_bytes_come};
use super::refusal::{Kind, Operation};
use super::sole::{self, Company, Former};
use super::topology::{self, Answer, Failure};
use crate::transport::queues::{QueueName, Subscription};

/// What the link opens for its consumers.
pub(super) struct Subscribed {
    pub(super) connection: Arc<Connection>,
    pub(super) queues: Vec<Stream>,
    pub(super) _company: Option<Company>,
}

/// A queue that is consumed.
pub(super) struct Stream {
    pub(super) channel: Channel,
    pub(super) deliveries: lapin::Consumer,
    pub(super) book: Book,
}

/// A subscription that hands out many at a time, and what the one before had handed out until it ended.
pub(super) struct Wide {
    pub(super) deliveries: lapin::Consumer,
    pub(super) early: VecDeque<lapin::message::Delivery>,
}

impl Stream {
    pub(super) async fn open(
        connection: &Connection,
        watch: &Watch,
        endpoint: &Endpoint,
        queue: &QueueName,
        prefetch: u16,
    ) -> Result<Self, Failure> {
        match Self::consume(connection, watch, queue, prefetch, false).await? {
            Ok(stream) => Ok(stream),
            Err(answer) => Err(refused(endpoint, queue, &answer).1),
        }
    }

    /// Consumes; where `sole`, as the only one, as far as the kind of queue knows that, and otherwise as the first one.
    async fn consume(
        connection: &Connection,
        watch: &Watch,
        queue: &QueueName,
        prefetch: u16,
        sole: bool,
    ) -> Result<Result<Self, Answer>, Failure> {
        let channel = while_bytes_come(watch, "opening a channel", connection.create_channel()).await?;
        let qos = channel.basic_qos(prefetch, BasicQosOptions::default());
        while_bytes_come(watch, "setting the prefetch", qos).await?;
        let options = BasicConsumeOptions { exclusive: sole, ..Default::default() };
        let mut arguments = FieldTable::default();
        if sole {
            arguments.insert("x-priority".into(), AMQPValue::LongInt(10));
        }
        let consumed = async {
            match channel.basic_consume(queue.as_str().into(), "".into(), options, arguments).await {
                Ok(deliveries) => Ok(Ok(deliveries)),
                Err(why) => topology::answer_of(&why).map(Err).ok_or(why),
            }
        };
        let consumed = while_bytes_come(watch, "subscribing", consumed).await?;
        Ok(consumed.map(|deliveries| Self { channel, deliveries, book: Book::default() }))
    }
}

/// What a refusal to let us consume means.
fn refused(endpoint: &Endpoint, queue: &QueueName, answer: &Answer) -> (Kind, Failure) {
    let refusal = endpoint.refused(&Operation::Consume(queue.as_str()), answer);
    (refusal.kind, Failure::Refused(refusal.sentence))
}

/// The lock first, then every queue.
pub(super) async fn subscribe_alone(
    connection: Arc<Connection>,
    watch: &Watch,
    endpoint: Endpoint,
    subscriptions: &[Subscription],
    prefetch: u16,
    former: Former,
) -> Result<Subscribed, Failure> {
    let locked = sole::lock(&connection, &endpoint, &endpoint.queues().lock(), &former).await?;
    for subscription in subscriptions {
        let found = topology::own(&connection, &endpoint, subscription).await?;
        info!("consuming {} ({} messages waiting)", subscription.queue, found.messages);
    }
    let names: Vec<QueueName> = subscriptions.iter().map(|subscription| subscription.queue.clone()).collect();
    // All or none: what is taken of one queue while another is somebody else's could only be joined by halves.
    let queues = loop {
        match consume_all(&connection, watch, &endpoint, &names, prefetch).await? {
            Ok(queues) => break queues,
            Err(queue) => sole::wait_for_other(&endpoint, &queue).await,
        }
    };
    let lock = locked.then(|| (endpoint.queues().lock(), former));
    let company = Company::watch(Arc::clone(&connection), endpoint, names, lock);
    Ok(Subscribed { connection, queues, _company: Some(company) })
}

/// Consumes each of these as the only one, or none of them. The inner error is a queue that somebody else has for itself.
async fn consume_all(
    connection: &Connection,
    watch: &Watch,
    endpoint: &Endpoint,
    names: &[QueueName],
    prefetch: u16,
) -> Result<Result<Vec<Stream>, QueueName>, Failure> {
    let mut queues: Vec<Stream> = Vec::with_capacity(names.len());
    for queue in names {
        match Stream::consume(connection, watch, queue, prefetch, true).await? {
            Ok(stream) => queues.push(stream),
            Err(answer) => {
                for Stream { channel, .. } in queues {
                    while_bytes_come(watch, "closing a channel", channel.close(200, "not yet".into()))
                        .await?;
                }
                return match refused(endpoint, queue, &answer) {
                    (Kind::InUse, _) => Ok(Err(queue.clone())),
                    (_, failure) => Err(failure),
                };
            }
        }
    }
    Ok(Ok(queues))
}

/// Takes more than one at a time from now on.
pub(super) async fn widen(
    session: Arc<Session<Subscribed>>,
    index: usize,
    prefetch: u16,
) -> Result<Wide, Failure> {
    let watch = &*session.watch;
    let Stream { channel, deliveries: narrow, .. } = &session.role.queues[index];
    // One after the other: were both there at once, deliveries would not come in the order of their tags, which the
    // acknowledgements of many at once rely on.
    let cancel = channel.basic_cancel(narrow.tag(), BasicCancelOptions::default());
    while_bytes_come(watch, "ending the first subscription", cancel).await?;
    // The broker may have handed out one more before it heard that.
    let mut narrow = narrow.clone();
    let queue = narrow.queue();
    let rest = async {
        let mut early = VecDeque::new();
        while let Some(delivery) = narrow.next().await {
            early.push_back(delivery?);
        }
        Ok(early)
    };
    let early = while_bytes_come(watch, "ending the first subscription", rest).await?;
    while_bytes_come(watch, "setting the prefetch", channel.basic_qos(prefetch, BasicQosOptions::default()))
        .await?;
    let consume =
        channel.basic_consume(queue, "".into(), BasicConsumeOptions::default(), FieldTable::default());
    let deliveries = while_bytes_come(watch, "subscribing", consume).await?;
    Ok(Wide { deliveries, early })
}
