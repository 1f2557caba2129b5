//! A message as AMQP carries it, and ours turned into that.

use std::sync::Arc;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, ByteArray, FieldTable, LongString};
use tokio_util::sync::CancellationToken;

use super::guard::watch::{Charge, Finding, FindingKind, Note};
use crate::message::{Alone, Asking, HeaderValue, Incoming, Outgoing, Rejection, Reply, header};

/// Body and properties as they came, as far as they could be read.
#[derive(Debug)]
pub(in crate::transport) struct Content {
    pub(super) body: Vec<u8>,
    pub(super) properties: Arc<BasicProperties>,
    /// Where it is only one item of a message: which.
    pub(super) part: Option<Part>,
    /// How often its queue has handed it out before; only quorum queues count. Zero at the first time, whatever a
    /// producer has put into the header.
    pub(super) deliveries_before: u64,
    /// What the guard found wrong with it.
    pub(super) finding: Option<Box<Finding>>,
    /// What it takes of the connection's budget of bytes, until nobody has it any more.
    charge: Option<Arc<Charge>>,
    /// Cancelled when the connection that brought it has ended: then the broker delivers it again.
    pub(super) session: CancellationToken,
}

/// Which item of its message something is.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Such as `7 of 64`.
    pub(super) number: String,
    /// Its own part of the header `features`, as the header has it.
    pub(super) vector: Option<AMQPValue>,
}

impl Content {
    pub(super) fn new(delivery: lapin::message::Delivery, note: Note, session: CancellationToken) -> Self {
        let deliveries_before = deliveries_before(&delivery);
        let lapin::message::Delivery { properties, data: body, .. } = delivery;
        let Note { charge, finding } = note;
        let (properties, charge) = (Arc::new(properties), charge.map(Arc::new));
        Self { body, properties, part: None, deliveries_before, finding, charge, session }
    }

    /// What did not come by a connection of ours, so that none brings it again.
    pub(super) fn brought(
        body: Vec<u8>,
        properties: BasicProperties,
        deliveries_before: u64,
        finding: Option<Finding>,
    ) -> Self {
        let (properties, finding) = (Arc::new(properties), finding.map(Box::new));
        let session = CancellationToken::new();
        Self { body, properties, part: None, deliveries_before, finding, charge: None, session }
    }

    /// One item of it. It shares the properties, however many there are, and what is taken of the budget.
    pub(in crate::transport) fn part(&self, alone: Alone) -> Self {
        let Alone { index, of, body, vector } = alone;
        let vector = vector.map(|vector| AMQPValue::ByteArray(ByteArray::from(vector)));
        let part = Some(Part { number: format!("{} of {of}", index + 1), vector });
        let (properties, charge) = (Arc::clone(&self.properties), self.charge.clone());
        let (deliveries_before, session) = (self.deliveries_before, self.session.clone());
        Self { body, properties, part, deliveries_before, finding: None, charge, session }
    }

    /// The same without body, headers and charge: what a bare letter needs.
    pub(super) fn forgotten(&self, properties: BasicProperties, finding: Box<Finding>) -> Self {
        let (properties, part, session) = (Arc::new(properties), self.part.clone(), self.session.clone());
        let (deliveries_before, finding) = (self.deliveries_before, Some(finding));
        Self { body: Vec::new(), properties, part, deliveries_before, finding, charge: None, session }
    }

    /// Whether it is one of several items, so that the ids among the properties are not its own.
    pub(super) fn is_of_many(&self) -> bool {
        self.part.is_some()
    }

    fn header(&self, name: &str) -> Option<&AMQPValue> {
        self.properties.headers().as_ref()?.inner().get(name)
    }
}

/// See [`Content::deliveries_before`].
pub(super) fn deliveries_before(delivery: &lapin::message::Delivery) -> u64 {
    if !delivery.redelivered {
        return 0;
    }
    let headers = delivery.properties.headers().as_ref();
    let count = headers.and_then(|headers| int(headers.inner().get("x-delivery-count")?));
    count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
}

impl Incoming for Content {
    fn body(&self) -> &[u8] {
        &self.body
    }
    fn message_id(&self) -> Option<&str> {
        let id = self.properties.message_id().as_ref().filter(|_| !self.is_of_many());
        id.map(lapin::types::ShortString::as_str)
    }
    fn correlation_id(&self) -> Option<&str> {
        let id = self.properties.correlation_id().as_ref().filter(|_| !self.is_of_many());
        id.map(lapin::types::ShortString::as_str)
    }
    fn reply_to(&self) -> Option<&str> {
        let queue = self.properties.reply_to().as_ref().filter(|_| !self.is_of_many());
        queue.map(lapin::types::ShortString::as_str)
    }
    fn content_type(&self) -> Option<&str> {
        self.properties.content_type().as_ref().map(lapin::types::ShortString::as_str)
    }
    fn content_encoding(&self) -> Option<&str> {
        self.properties.content_encoding().as_ref().map(lapin::types::ShortString::as_str)
    }
    fn int_header(&self, name: &str) -> Option<i64> {
        int(self.header(name)?)
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
    fn bytes_header(&self, name: &str) -> Option<&[u8]> {
        match self.header(name)? {
            AMQPValue::ByteArray(bytes) => Some(bytes.as_slice()),
            // As most clients send bytes.
            AMQPValue::LongString(bytes) => Some(bytes.as_bytes()),
            _ => None,
        }
    }
    fn finding(&self) -> Option<Rejection> {
        let finding = self.finding.as_ref()?;
        let reason = match finding.kind {
            FindingKind::BadProperties => Rejection::PROPERTIES,
            FindingKind::TooLarge => Rejection::TOO_LARGE,
        };
        Some(Rejection::new(reason, &finding.detail))
    }
}

fn int(value: &AMQPValue) -> Option<i64> {
    match *value {
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

fn text(value: &AMQPValue) -> Option<&str> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        _ => None,
    }
}

/// A publication in AMQP's terms, and what identifies it when the broker returns it.
pub(super) struct Parcel<'a> {
    pub(super) exchange: &'a str,
    pub(super) routing_key: &'a str,
    pub(super) body: &'a [u8],
    pub(super) properties: BasicProperties,
    /// Whether the broker gives it back where no queue takes it.
    pub(super) mandatory: bool,
}

impl Parcel<'_> {
    /// Whether the broker's returned message is this one. Messages without an id that agree in all this are
    /// interchangeable.
    pub(super) fn is(&self, returned: &lapin::message::BasicReturnMessage) -> bool {
        returned.exchange.as_str() == self.exchange
            && returned.routing_key.as_str() == self.routing_key
            && returned.delivery.properties.message_id() == self.properties.message_id()
            && returned.delivery.data == self.body
    }
}

/// The properties of a message of ours.
pub(super) fn properties(message: &Outgoing) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in &message.headers {
        let value = match value {
            HeaderValue::Int(int) => AMQPValue::LongLongInt(*int),
            HeaderValue::Text(text) => AMQPValue::LongString(LongString::from(&**text)),
            HeaderValue::Bytes(bytes) => AMQPValue::ByteArray(ByteArray::from(bytes.as_slice())),
        };
        headers.insert((*name).into(), value);
    }
    if let Some(trace) = &message.trace {
        headers.insert(header::TRACE_PARENT.into(), AMQPValue::LongString(LongString::from(trace.parent())));
        if let Some(state) = trace.state() {
            headers.insert(header::TRACE_STATE.into(), AMQPValue::LongString(LongString::from(state)));
        }
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
    let properties = match &message.message_id {
        Some(id) => properties.with_message_id((**id).into()),
        None => properties,
    };
    match &message.asking {
        Some(asking) => asked_by(asking, properties),
        None => properties,
    }
}

/// With the properties of a message that wants a reply.
pub(super) fn asked_by(asking: &Asking, properties: BasicProperties) -> BasicProperties {
    let properties = properties.with_reply_to((*asking.reply_to).into());
    match &asking.correlation_id {
        Some(id) => properties.with_correlation_id((**id).into()),
        None => properties,
    }
}

/// The properties of a reply. Like whoever waits for it, it does not outlive the broker.
pub(super) fn reply_properties(reply: &Reply) -> BasicProperties {
    let properties = properties(&reply.message).with_delivery_mode(1);
    let properties = if reply.is_error { properties.with_type("error".into()) } else { properties };
    match &reply.asking.correlation_id {
        Some(id) => properties.with_correlation_id((**id).into()),
        None => properties,
    }
}
