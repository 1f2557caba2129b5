//! A message as AMQP carries it, and ours turned into that.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString};

use crate::message::{HeaderValue, Incoming, Outgoing, Role};
use crate::transport::{DeadLetter, Publication};

/// The exchange through which everything is published.
pub(super) const EXCHANGE: &str = "pipeline";
/// The exchange of the dead letters.
pub(super) const DEAD_EXCHANGE: &str = "pipeline.dead";

/// Body and properties as they came.
#[derive(Debug, Clone)]
pub(in crate::transport) struct Content {
    pub(super) body: Vec<u8>,
    pub(super) properties: BasicProperties,
}

impl Content {
    fn header(&self, name: &str) -> Option<&AMQPValue> {
        self.properties.headers().as_ref()?.inner().get(name)
    }
}

impl Incoming for Content {
    fn body(&self) -> &[u8] {
        &self.body
    }
    fn message_id(&self) -> Option<&str> {
        self.properties.message_id().as_ref().map(lapin::types::ShortString::as_str)
    }
    fn correlation_id(&self) -> Option<&str> {
        self.properties.correlation_id().as_ref().map(lapin::types::ShortString::as_str)
    }
    fn content_type(&self) -> Option<&str> {
        self.properties.content_type().as_ref().map(lapin::types::ShortString::as_str)
    }
    fn int_header(&self, name: &str) -> Option<i64> {
        match *self.header(name)? {
            AMQPValue::LongLongInt(int) => Some(int),
            AMQPValue::LongInt(int) => Some(int.into()),
            AMQPValue::LongUInt(int) => Some(int.into()),
            AMQPValue::ShortInt(int) => Some(int.into()),
            AMQPValue::ShortUInt(int) => Some(int.into()),
            AMQPValue::ShortShortInt(int) => Some(int.into()),
            AMQPValue::ShortShortUInt(int) => Some(int.into()),
            _ => None,
        }
    }
    fn text_header(&self, name: &str) -> Option<&str> {
        text(self.header(name)?)
    }
    fn list_header(&self, name: &str) -> Option<Vec<&str>> {
        match self.header(name)? {
            AMQPValue::FieldArray(items) => items.as_slice().iter().map(text).collect(),
            _ => None,
        }
    }
}

fn text(value: &AMQPValue) -> Option<&str> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        _ => None,
    }
}

/// A publication in AMQP's terms, and what identifies it when the broker returns it.
pub(super) struct Parcel<'a> {
    pub(super) exchange: &'static str,
    pub(super) routing_key: &'static str,
    pub(super) body: &'a [u8],
    pub(super) properties: BasicProperties,
}

impl<'a> Parcel<'a> {
    pub(super) fn new(publication: &'a Publication) -> Self {
        match publication {
            Publication::Message(message) => Self {
                exchange: EXCHANGE,
                routing_key: message.queue.name(),
                body: &message.body,
                properties: properties(message),
            },
            Publication::Dead(letter) => {
                let crate::transport::Content::Amqp(content) = &letter.content else {
                    unreachable!("a delivery is dead-lettered on the transport that brought it")
                };
                Self {
                    exchange: DEAD_EXCHANGE,
                    routing_key: letter.queue.name(),
                    body: &content.body,
                    properties: dead_properties(letter, &content.properties),
                }
            }
        }
    }

    /// The queue this goes to, as people know it.
    pub(super) fn destination(&self) -> &'static str {
        let dead = self.exchange == DEAD_EXCHANGE;
        let queue = Role::ALL.into_iter().find(|queue| queue.name() == self.routing_key);
        queue.map_or(self.routing_key, |queue| if dead { queue.dead_name() } else { queue.name() })
    }

    /// Whether the broker's returned message is this one. Messages without an id that agree in all this are
    /// interchangeable.
    pub(super) fn is(&self, returned: &lapin::message::BasicReturnMessage) -> bool {
        returned.exchange.as_str() == self.exchange
            && returned.routing_key.as_str() == self.routing_key
            && returned.delivery.properties.message_id() == self.properties.message_id()
            && returned.delivery.data == self.body
    }
}

fn properties(message: &Outgoing) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in &message.headers {
        let value = match value {
            HeaderValue::Int(int) => AMQPValue::LongLongInt(*int),
            HeaderValue::Text(text) => AMQPValue::LongString(LongString::from(&**text)),
        };
        headers.insert((*name).into(), value);
    }
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_timestamp(u64::try_from(message.timestamp).unwrap_or(0))
        .with_app_id(message.app.into())
        .with_headers(headers);
    let properties = match message.content_type {
        Some(content_type) => properties.with_content_type(content_type.into()),
        None => properties,
    };
    match &message.message_id {
        Some(id) => properties.with_message_id((**id).into()),
        None => properties,
    }
}

/// The message's own properties and headers with the reason added. The letter outlives a restart of the broker
/// even where the message would not have.
///
/// What the broker would act upon is only told in headers: a user that is not us (refused with the channel), an
/// expiration (the letter would delete itself), and further receivers.
fn dead_properties(letter: &DeadLetter, original: &BasicProperties) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in original.headers().iter().flat_map(|headers| headers.inner()) {
        let name = match name.as_str() {
            "CC" => "x-original-cc".into(),
            "BCC" => "x-original-bcc".into(),
            _ => name.clone(),
        };
        headers.insert(name, value.clone());
    }
    let mut text = |name: &'static str, value: &str| {
        headers.insert(name.into(), AMQPValue::LongString(LongString::from(value)));
    };
    if let Some(user) = original.user_id() {
        text("x-original-user-id", user.as_str());
    }
    if let Some(expiration) = original.expiration() {
        text("x-original-expiration", expiration.as_str());
    }
    text("x-reason", letter.rejection.reason);
    text("x-detail", &letter.rejection.detail);
    text("x-service", letter.service);
    headers.insert("x-attempts".into(), AMQPValue::LongLongInt(letter.attempts()));
    let keep = BasicProperties::default().with_headers(headers).with_delivery_mode(2);
    let keep = match original.content_type() {
        Some(value) => keep.with_content_type(value.clone()),
        None => keep,
    };
    let keep = match original.content_encoding() {
        Some(value) => keep.with_content_encoding(value.clone()),
        None => keep,
    };
    let keep = match original.message_id() {
        Some(value) => keep.with_message_id(value.clone()),
        None => keep,
    };
    let keep = match original.correlation_id() {
        Some(value) => keep.with_correlation_id(value.clone()),
        None => keep,
    };
    let keep = match original.app_id() {
        Some(value) => keep.with_app_id(value.clone()),
        None => keep,
    };
    match original.timestamp() {
        Some(value) => keep.with_timestamp(*value),
        None => keep,
    }
}

impl DeadLetter {
    /// How often the message was delivered: the broker counts redeliveries on quorum queues.
    fn attempts(&self) -> i64 {
        let redeliveries = match &self.content {
            crate::transport::Content::Amqp(content) => content.int_header("x-delivery-count"),
            crate::transport::Content::Memory(_) => None,
        };
        redeliveries.unwrap_or(0).saturating_add(1)
    }
}
