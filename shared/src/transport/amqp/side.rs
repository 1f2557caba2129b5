//! Side queues on RabbitMQ: sent to on a lane of their own, taken from on the connection that consumes. Whatever is wrong with
//! them ends neither session.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::options::BasicAckOptions;
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Acker, BasicProperties, Connection};
use tracing::info;

use super::content::{Content, Parcel, asked_by};
use super::control;
use super::endpoint::Endpoint;
use super::lane::{Fate, Lane};
use super::link::{Backoff, Link, Session, in_time};
use super::publisher::{Lanes, Publisher};
use super::refusal::Operation;
use super::subscribe::{Stream, Subscribed};
use super::topology::{self, Answer, Failure, Route};
use crate::message::header;
use crate::transport::Error;
use crate::transport::queues::{EXCHANGE, QueueName};
use crate::transport::side::{Sent, SideMessage, SideQueue};

/// How long a confirm is waited for, and as long besides as the body takes. Less than after which a session counts as lost.
pub(super) const AT_MOST: Duration = Duration::from_secs(5);
/// The waits before a queue that could not be consumed is tried again.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// See [`Publisher::send_aside`](crate::transport::Publisher::send_aside).
pub(in crate::transport) async fn send_aside(
    publisher: &Publisher,
    side: SideQueue,
    message: &SideMessage,
) -> Result<Sent, Error> {
    let session = publisher.session().await?;
    let Lanes { connection, aside, .. } = &session.role;
    // Where it takes nothing, nothing more is asked of it.
    if !session.status.blocked()
        && let Err(why) = aside.make_ready(connection).await
    {
        return Ok(Sent::failed(why));
    }
    Ok(send(&session, connection, aside, publisher.endpoint(), side, message).await)
}

/// Sends a message once, on a lane that is ready.
pub(super) async fn send<S>(
    session: &Session<S>,
    connection: &Connection,
    lane: &Lane,
    endpoint: &Endpoint,
    side: SideQueue,
    message: &SideMessage,
) -> Sent {
    let queue = endpoint.queues().side(side);
    // First by our exchange, then after it was bound to that, or by its name.
    let (mut exchange, mut was_bound) = (EXCHANGE, false);
    loop {
        // It would be written behind everything that the broker does not read, and be known of by nobody.
        if session.status.blocked() {
            return Sent::blocked();
        }
        let (routing_key, body) = (queue.as_str(), &*message.body);
        let parcel = Parcel { exchange, routing_key, body, properties: properties(message), mandatory: true };
        let fates = lane.publish(session, connection, &[parcel], Some(AT_MOST)).await;
        return match fates.into_iter().next() {
            Some(Fate::Confirmed) => Sent::Confirmed,
            Some(Fate::Returned) if exchange.is_empty() => Sent::early(&queue),
            Some(Fate::Returned) => match topology::route(connection, endpoint, &queue).await {
                Ok(Route::Missing) => Sent::early(&queue),
                Ok(Route::Bound) if !was_bound => {
                    was_bound = true;
                    continue;
                }
                Ok(Route::Bound | Route::ByName) => {
                    exchange = "";
                    continue;
                }
                Err(why) => Sent::failed(why),
            },
            Some(Fate::Full) => Sent::failed(format!("queue {queue} is unavailable")),
            Some(Fate::Closed(code, text)) => Sent::failed(
                endpoint.refused(&Operation::Publish { exchange }, &Answer { code, text }).sentence,
            ),
            Some(Fate::Lost) | None => Sent::failed(format!("no confirm from {queue}")),
        };
    }
}

pub(super) fn properties(message: &SideMessage) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, text) in &message.headers {
        headers.insert((*name).into(), AMQPValue::LongString(LongString::from(&**text)));
    }
    headers.insert(header::PUBLISHED_AT.into(), AMQPValue::LongLongInt(message.published_at.0));
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        // What is asked for is of no use after a restart.
        .with_delivery_mode(if message.asking.is_some() { 1 } else { 2 })
        .with_timestamp(u64::try_from(message.published_at.seconds()).unwrap_or(0))
        .with_app_id(message.app.into())
        .with_headers(headers);
    match &message.asking {
        Some(asking) => asked_by(asking, properties),
        None => properties,
    }
}

/// What is taken from.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// A queue that several may consume.
    Side(SideQueue),
    /// A queue of its own behind the key of control.
    Control,
}

/// Takes from a side queue by the connection of a consumer.
pub struct SideReceiver {
    link: Arc<Link<Subscribed>>,
    endpoint: Endpoint,
    origin: Origin,
    backoff: Backoff,
    current: Option<Current>,
}

/// The subscription that deliveries are taken from, until it ends.
struct Current {
    session: Arc<Session<Subscribed>>,
    stream: Stream,
}

impl SideReceiver {
    pub(super) fn of(side: SideQueue, link: Arc<Link<Subscribed>>, endpoint: Endpoint) -> Self {
        Self::new(Origin::Side(side), link, endpoint)
    }

    pub(super) fn of_control(link: Arc<Link<Subscribed>>, endpoint: Endpoint) -> Self {
        Self::new(Origin::Control, link, endpoint)
    }

    fn new(origin: Origin, link: Arc<Link<Subscribed>>, endpoint: Endpoint) -> Self {
        Self { link, endpoint, origin, backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT), current: None }
    }

    /// What people are told that it takes from.
    fn name(&self) -> QueueName {
        match self.origin {
            Origin::Side(side) => self.endpoint.queues().side(side),
            Origin::Control => self.endpoint.queues().control(),
        }
    }

    pub(in crate::transport) async fn take(&mut self) -> Result<crate::transport::SideDelivery, Error> {
        let queue = self.name();
        loop {
            let Some(Current { session, stream }) =
                self.current.as_mut().filter(|current| current.session.is_up())
            else {
                let session = self.link.session().await?;
                self.current = None;
                let subscribed = match self.origin {
                    Origin::Side(side) => self.subscribe(&session, side, &queue).await,
                    Origin::Control => control::subscribe(&session, &self.endpoint, &queue).await,
                };
                match subscribed.map_err(|why| why.to_string()) {
                    Ok(stream) => {
                        if self.endpoint.unsaid(&unconsumed(&queue)) {
                            info!("consuming {queue} after all");
                        }
                        self.current = Some(Current { session, stream });
                    }
                    Err(why) => self.wait(&session, &queue, &why).await,
                }
                continue;
            };
            let next = tokio::select! {
                next = stream.deliveries.next() => next,
                () = session.failed() => continue,
            };
            match next {
                Some(Ok(delivery)) => {
                    self.backoff.reset();
                    let acker = delivery.acker.clone();
                    let note = session.watch.take_note(stream.channel.id(), delivery.delivery_tag);
                    let content = Content::new(delivery, note, session.ended.clone());
                    let delivery = SideDelivery { content, acker };
                    return Ok(crate::transport::SideDelivery::Amqp(Box::new(delivery)));
                }
                ended => {
                    let (session, channel) = (Arc::clone(session), stream.channel.clone());
                    self.current = None;
                    // What it had handed out goes back; nobody waits for that.
                    tokio::spawn(async move {
                        in_time("closing a channel", channel.close(200, "ended".into())).await
                    });
                    let why = match ended {
                        Some(Err(why)) => why.to_string(),
                        _ => "the broker ended the subscription: was the queue deleted?".to_owned(),
                    };
                    self.wait(&session, &queue, &why).await;
                }
            }
        }
    }

    /// Makes the queue where it is missing, and consumes it.
    async fn subscribe(
        &self,
        session: &Session<Subscribed>,
        side: SideQueue,
        queue: &QueueName,
    ) -> Result<Stream, Failure> {
        let (connection, endpoint) = (&session.role.connection, &self.endpoint);
        let arguments = side.arguments(endpoint.queues().kind());
        if topology::look(connection, endpoint, queue).await?.is_some() {
            topology::compare(connection, endpoint, queue, &arguments).await?;
        } else {
            topology::declare_missing(connection, endpoint, queue, &arguments).await?;
        }
        // Where we may not, an administrator has, or whoever sends uses its name.
        if let Err(why) = topology::bind(connection, endpoint, queue, EXCHANGE, queue).await? {
            tracing::debug!("{queue} cannot be bound to {EXCHANGE}: {why}");
        }
        Stream::open(connection, &session.watch, endpoint, queue, side.prefetch()).await
    }

    /// Says once why the queue is not consumed, and waits before it is tried again.
    async fn wait(&mut self, session: &Session<Subscribed>, queue: &QueueName, why: &str) {
        self.endpoint.once(&unconsumed(queue), || {
            info!("not consuming {queue}: {why}; rows, labels and predictions do not need it; retrying");
        });
        tokio::select! {
            () = tokio::time::sleep(self.backoff.next()) => {}
            () = session.failed() => {}
        }
    }
}

fn unconsumed(queue: &QueueName) -> String {
    format!("{queue} is not consumed")
}

impl fmt::Debug for SideReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SideReceiver({})", self.name())
    }
}

/// A message of a side queue.
#[derive(Debug)]
pub struct SideDelivery {
    pub(in crate::transport) content: Content,
    acker: Acker,
}

impl SideDelivery {
    pub(in crate::transport) async fn ack(self) {
        // Of a channel that is gone, it comes again.
        let told = in_time("acknowledging", self.acker.ack(BasicAckOptions::default()));
        if let Err(why) = told.await {
            tracing::debug!("a message of a side queue: {why}");
        }
    }
}
