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
use super::endpoint::Endpoint;
use super::lane::{Fate, Lane};
use super::link::{Backoff, Link, Session, in_time};
use super::publisher::{Lanes, Publisher};
use super::refusal::Operation;
use super::subscribe::{Stream, Subscribed};
use super::topology::{self, Answer, Failure, Route};
use crate::transport::Error;
use crate::transport::queues::{EXCHANGE, QueueName};
use crate::transport::side::{PUBLISHED_AT, Sent, SideMessage, SideQueue};

/// How long a confirm is waited for, and as long besides as the body takes. Less than after which a session counts as lost.
const AT_MOST: Duration = Duration::from_secs(5);
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
            return Sent::failed("RabbitMQ takes no messages now, for want of memory or disk");
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

fn properties(message: &SideMessage) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, text) in &message.headers {
        headers.insert((*name).into(), AMQPValue::LongString(LongString::from(&**text)));
    }
    headers.insert(PUBLISHED_AT.into(), AMQPValue::LongLongInt(message.published_at.0));
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

/// Takes from a side queue by the connection of a consumer.
pub struct SideReceiver {
    link: Arc<Link<Subscribed>>,
    endpoint: Endpoint,
    side: SideQueue,
    backoff: Backoff,
    current: Option<Current>,
}

/// The subscription that deliveries are taken from, until it ends.
struct Current {
    session: Arc<Session<Subscribed>>,
    stream: Stream,
}

impl SideReceiver {
    pub(super) fn new(link: Arc<Link<Subscribed>>, endpoint: Endpoint, side: SideQueue) -> Self {
        Self { link, endpoint, side, backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT), current: None }
    }

    pub(in crate::transport) async fn take(&mut self) -> Result<crate::transport::SideDelivery, Error> {
        let queue = self.endpoint.queues().side(self.side);
        loop {
            let Some(Current { session, stream }) =
                self.current.as_mut().filter(|current| current.session.is_up())
            else {
                let session = self.link.session().await?;
                self.current = None;
                match self.subscribe(&session, &queue).await {
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
    async fn subscribe(&self, session: &Session<Subscribed>, queue: &QueueName) -> Result<Stream, String> {
        let (connection, endpoint) = (&session.role.connection, &self.endpoint);
        let subscribe = async {
            let arguments = self.side.arguments(endpoint.queues().kind());
            if topology::look(connection, endpoint, queue).await?.is_some() {
                topology::compare(connection, endpoint, queue, &arguments).await?;
            } else {
                topology::declare_missing(connection, endpoint, queue, &arguments).await?;
            }
            // Where we may not, an administrator has, or whoever sends uses its name.
            if let Err(why) = topology::bind(connection, endpoint, queue, EXCHANGE, queue).await? {
                tracing::debug!("{queue} cannot be bound to {EXCHANGE}: {why}");
            }
            Stream::open(connection, &session.watch, endpoint, queue, self.side.prefetch()).await
        };
        subscribe.await.map_err(|why: Failure| why.to_string())
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
        write!(f, "SideReceiver({})", self.endpoint.queues().side(self.side))
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
        if let Err(why) = self.acker.ack(BasicAckOptions::default()).await {
            tracing::debug!("cannot acknowledge a message of a side queue: {why}");
        }
    }
}
