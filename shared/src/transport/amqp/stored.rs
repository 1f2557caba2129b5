//! A message as the client library has it, turned into a letter in values of our own and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable, LongString, ShortString};

use super::content::{Content, deliveries_before};
use super::endpoint::Endpoint;
use super::guard::watch::{Finding, FindingKind, Note};
use crate::message::{Incoming as _, Rejection, Role};
use crate::printable::quoted;
use crate::trace::Span;
use crate::transport::Delivery;
use crate::transport::stored::{LetterProperties, LetterValue, StoredLetter};

/// A delivery as a letter. What it takes of the connection's budget is given back: whoever takes letters bounds how many.
pub(super) fn read(delivery: lapin::message::Delivery, note: Note) -> StoredLetter {
    let routing_key = delivery.routing_key.as_str().to_owned();
    let handed_out = deliveries_before(&delivery);
    let content = Content::new(delivery, note, tokio_util::sync::CancellationToken::new());
    let finding = content.finding();
    let Content { body, properties, .. } = content;
    let text = |value: &Option<ShortString>| value.as_ref().map(|value| value.as_str().to_owned());
    let headers = properties.headers().as_ref().map(fields).unwrap_or_default();
    let properties = LetterProperties {
        content_type: text(properties.content_type()),
        content_encoding: text(properties.content_encoding()),
        delivery_mode: *properties.delivery_mode(),
        priority: *properties.priority(),
        correlation_id: text(properties.correlation_id()),
        reply_to: text(properties.reply_to()),
        expiration: text(properties.expiration()),
        message_id: text(properties.message_id()),
        timestamp: *properties.timestamp(),
        kind: text(properties.kind()),
        user_id: text(properties.user_id()),
        app_id: text(properties.app_id()),
        cluster_id: text(properties.cluster_id()),
    };
    StoredLetter { routing_key, properties, headers, body, handed_out, finding }
}

/// Properties and headers as they are published.
///
/// # Errors
/// A property or the name of a header is longer than AMQP's 255 bytes.
pub(super) fn properties(letter: &StoredLetter) -> Result<BasicProperties, String> {
    let LetterProperties {
        content_type,
        content_encoding,
        delivery_mode,
        priority,
        correlation_id,
        reply_to,
        expiration,
        message_id,
        timestamp,
        kind,
        user_id,
        app_id,
        cluster_id,
    } = &letter.properties;
    type Set<T> = fn(BasicProperties, T) -> BasicProperties;
    let texts: [(&Option<String>, Set<ShortString>); 10] = [
        (content_type, BasicProperties::with_content_type),
        (content_encoding, BasicProperties::with_content_encoding),
        (correlation_id, BasicProperties::with_correlation_id),
        (reply_to, BasicProperties::with_reply_to),
        (expiration, BasicProperties::with_expiration),
        (message_id, BasicProperties::with_message_id),
        (kind, BasicProperties::with_type),
        (user_id, BasicProperties::with_user_id),
        (app_id, BasicProperties::with_app_id),
        (cluster_id, BasicProperties::with_cluster_id),
    ];
    let mut properties = BasicProperties::default();
    for (text, set) in texts {
        if let Some(text) = text {
            properties = set(properties, short(text)?);
        }
    }
    if let Some(mode) = delivery_mode {
        properties = properties.with_delivery_mode(*mode);
    }
    if let Some(priority) = priority {
        properties = properties.with_priority(*priority);
    }
    if let Some(timestamp) = timestamp {
        properties = properties.with_timestamp(*timestamp);
    }
    Ok(if letter.headers.is_empty() { properties } else { properties.with_headers(table(&letter.headers)?) })
}

fn short(text: &str) -> Result<ShortString, String> {
    ShortString::try_new(text)
        .map_err(|_| format!("{} has {} bytes; AMQP has room for 255", quoted(text), text.len()))
}

fn fields(table: &FieldTable) -> BTreeMap<String, LetterValue> {
    table.inner().iter().map(|(name, value)| (name.as_str().to_owned(), field(value))).collect()
}

/// What came through the guard is nested 31 deep at most.
fn field(value: &AMQPValue) -> LetterValue {
    match value {
        AMQPValue::Boolean(value) => LetterValue::Bool(*value),
        AMQPValue::ShortShortInt(int) => LetterValue::Int8(*int),
        AMQPValue::ShortShortUInt(int) => LetterValue::UInt8(*int),
        AMQPValue::ShortInt(int) => LetterValue::Int16(*int),
        AMQPValue::ShortUInt(int) => LetterValue::UInt16(*int),
        AMQPValue::LongInt(int) => LetterValue::Int32(*int),
        AMQPValue::LongUInt(int) => LetterValue::UInt32(*int),
        AMQPValue::LongLongInt(int) => LetterValue::Int64(*int),
        AMQPValue::Float(number) => LetterValue::Float(*number),
        AMQPValue::Double(number) => LetterValue::Double(*number),
        AMQPValue::DecimalValue(DecimalValue { scale, value }) => {
            LetterValue::Decimal { scale: *scale, value: *value }
        }
        AMQPValue::ShortString(text) => LetterValue::text(text.as_str()),
        AMQPValue::LongString(text) => LetterValue::Text(text.as_bytes().to_vec()),
        AMQPValue::FieldArray(items) => LetterValue::List(items.as_slice().iter().map(field).collect()),
        AMQPValue::Timestamp(seconds) => LetterValue::Timestamp(*seconds),
        AMQPValue::FieldTable(table) => LetterValue::Table(fields(table)),
        AMQPValue::ByteArray(bytes) => LetterValue::Bytes(bytes.as_slice().to_vec()),
        AMQPValue::Void => LetterValue::Nothing,
    }
}

fn table(fields: &BTreeMap<String, LetterValue>) -> Result<FieldTable, String> {
    let entry = |(name, field): (&String, &LetterValue)| Ok((short(name)?, value(field)?));
    Ok(fields.iter().map(entry).collect::<Result<BTreeMap<_, _>, String>>()?.into())
}

fn value(field: &LetterValue) -> Result<AMQPValue, String> {
    Ok(match field {
        LetterValue::Nothing => AMQPValue::Void,
        LetterValue::Bool(value) => AMQPValue::Boolean(*value),
        LetterValue::Int8(int) => AMQPValue::ShortShortInt(*int),
        LetterValue::UInt8(int) => AMQPValue::ShortShortUInt(*int),
        LetterValue::Int16(int) => AMQPValue::ShortInt(*int),
        LetterValue::UInt16(int) => AMQPValue::ShortUInt(*int),
        LetterValue::Int32(int) => AMQPValue::LongInt(*int),
        LetterValue::UInt32(int) => AMQPValue::LongUInt(*int),
        LetterValue::Int64(int) => AMQPValue::LongLongInt(*int),
        LetterValue::Float(number) => AMQPValue::Float(*number),
        LetterValue::Double(number) => AMQPValue::Double(*number),
        LetterValue::Decimal { scale, value } => {
            AMQPValue::DecimalValue(DecimalValue { scale: *scale, value: *value })
        }
        LetterValue::Timestamp(seconds) => AMQPValue::Timestamp(*seconds),
        LetterValue::Text(bytes) => AMQPValue::LongString(LongString::from(bytes.as_slice())),
        LetterValue::Bytes(bytes) => AMQPValue::ByteArray(ByteArray::from(bytes.as_slice())),
        LetterValue::List(items) => {
            let items: Vec<AMQPValue> = items.iter().map(value).collect::<Result<_, _>>()?;
            AMQPValue::FieldArray(FieldArray::from(items))
        }
        LetterValue::Table(fields) => AMQPValue::FieldTable(table(fields)?),
    })
}

impl Endpoint {
    /// A message of a role's queue that somebody else took from there and handed on, in values of our own. What it becomes goes to
    /// this broker. Properties that AMQP has no room for make it one that cannot be used.
    #[must_use]
    pub fn delivered(&self, role: Role, message: StoredLetter, redelivered: bool) -> Delivery {
        let subscription = Arc::new(self.queues().subscription(role));
        let unfit = |detail: String| Finding {
            kind: FindingKind::BadProperties,
            detail,
            properties: None,
            body: None,
        };
        let found = message.finding.as_ref().map(|found| Finding {
            kind: if found.reason == Rejection::TOO_LARGE {
                FindingKind::TooLarge
            } else {
                FindingKind::BadProperties
            },
            ..unfit(found.detail.clone())
        });
        let (properties, finding) = match properties(&message) {
            Ok(properties) => (properties, found),
            Err(why) => (BasicProperties::default(), found.or_else(|| Some(unfit(why)))),
        };
        let content = Content::brought(message.body, properties, message.handed_out, finding);
        let content = crate::transport::Content::Amqp(Arc::new(content));
        Delivery { subscription, redelivered, deadly: false, content, span: Span::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::QueueKind;

    #[test]
    fn a_message_that_was_handed_on_is_a_delivery() {
        let endpoint = Endpoint::from_url("amqp://h", QueueKind::Quorum).unwrap();
        let message = |id: String| StoredLetter {
            properties: LetterProperties { message_id: Some(id), ..LetterProperties::default() },
            headers: [("published_at_ms".to_owned(), LetterValue::Int64(5))].into(),
            body: b"[1]".to_vec(),
            handed_out: 2,
            ..StoredLetter::default()
        };
        let good = endpoint.delivered(Role::Features, message("a".to_owned()), true);
        assert_eq!((good.message_id(), good.body(), good.redelivered()), (Some("a"), &b"[1]"[..], true));
        assert_eq!((good.int_header("published_at_ms"), good.finding()), (Some(5), None));
        let bad = endpoint.delivered(Role::Features, message("x".repeat(256)), false);
        assert_eq!(bad.finding().unwrap().reason, Rejection::PROPERTIES);
        let found = Some(Rejection::new(Rejection::TOO_LARGE, "long"));
        let long = StoredLetter { finding: found.clone(), ..message("a".to_owned()) };
        assert_eq!(endpoint.delivered(Role::Features, long, false).finding(), found);
    }

    #[test]
    fn a_letter_goes_back_as_it_came() {
        let every = vec![
            LetterValue::Nothing,
            LetterValue::Bool(true),
            LetterValue::Int8(-1),
            LetterValue::UInt8(255),
            LetterValue::Int16(-2),
            LetterValue::UInt16(2),
            LetterValue::Int32(-3),
            LetterValue::UInt32(3),
            LetterValue::Int64(i64::MIN),
            LetterValue::Float(0.5),
            LetterValue::Double(-0.0),
            LetterValue::Decimal { scale: 2, value: 314 },
            LetterValue::Timestamp(u64::MAX),
            LetterValue::Text(vec![0xff, 0]),
            LetterValue::Bytes(vec![1, 2]),
            LetterValue::Table([("t".to_owned(), LetterValue::List(Vec::new()))].into()),
        ];
        for one in &every {
            assert_eq!(field(&value(one).unwrap()), *one);
        }
        let text = |name: &str| Some(name.to_owned());
        let letter = StoredLetter {
            routing_key: "Features".to_owned(),
            properties: LetterProperties {
                content_type: text("a"),
                content_encoding: text("b"),
                delivery_mode: Some(1),
                priority: Some(9),
                correlation_id: text("c"),
                reply_to: text("d"),
                expiration: text("60000"),
                message_id: text("e"),
                timestamp: Some(7),
                kind: text("f"),
                user_id: text("g"),
                app_id: text("h"),
                cluster_id: text("i"),
            },
            headers: [("all".to_owned(), LetterValue::List(every))].into(),
            body: b"[1]".to_vec(),
            handed_out: 0,
            finding: None,
        };
        let delivery = lapin::message::Delivery::mock(
            1,
            "pipeline.dead".into(),
            "Features".into(),
            false,
            letter.body.clone(),
        );
        let delivery = lapin::message::Delivery { properties: properties(&letter).unwrap(), ..delivery };
        assert_eq!(read(delivery, Note::default()), letter);
    }

    #[test]
    fn what_amqp_has_no_room_for_is_told() {
        let long = "x".repeat(256);
        let named = StoredLetter {
            headers: [(long.clone(), LetterValue::Nothing)].into(),
            ..StoredLetter::default()
        };
        let property = LetterProperties { app_id: Some(long), ..LetterProperties::default() };
        let with_property = StoredLetter { properties: property, ..StoredLetter::default() };
        for letter in [named, with_property] {
            let why = properties(&letter).unwrap_err();
            assert!(why.ends_with("has 256 bytes; AMQP has room for 255"), "{why}");
        }
    }
}
