//! Messages of RabbitMQ in an event of Lambda, turned into what they were. Pure.
//!
//! The structs are ours and ask for nothing: a property that a message does not have comes as `null`, and a message that cannot be
//! read must become a dead letter. An error would bring the whole batch again, for ever.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use shared::message::Rejection;
use shared::transport::stored::{LetterProperties, StoredLetter};

use crate::headers::{headers, seconds};

/// The messages of one queue.
#[derive(Debug)]
pub(crate) struct FromQueue {
    /// The queue and its vhost, as `Features::/`.
    pub(crate) key: String,
    pub(crate) messages: Vec<Handed>,
}

/// A message that Lambda took from a queue.
#[derive(Debug, PartialEq)]
pub(crate) struct Handed {
    pub(crate) message: StoredLetter,
    pub(crate) redelivered: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    basic_properties: Option<Properties>,
    redelivered: Option<bool>,
    data: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Properties {
    content_type: Option<String>,
    content_encoding: Option<String>,
    headers: Option<BTreeMap<String, Value>>,
    delivery_mode: Option<u8>,
    priority: Option<u8>,
    correlation_id: Option<String>,
    reply_to: Option<String>,
    expiration: Option<String>,
    message_id: Option<String>,
    timestamp: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    user_id: Option<String>,
    app_id: Option<String>,
    cluster_id: Option<String>,
}

/// Reads all of them, by queue.
pub(crate) fn read(by_queue: &RawValue) -> Result<Vec<FromQueue>, String> {
    let queues: BTreeMap<String, Vec<&RawValue>> = serde_json::from_str(by_queue.get())
        .map_err(|why| format!("the messages of RabbitMQ cannot be read: {why}"))?;
    let of_one = |(key, records): (String, Vec<&RawValue>)| FromQueue {
        key,
        messages: records.into_iter().map(handed).collect(),
    };
    Ok(queues.into_iter().map(of_one).collect())
}

fn handed(record: &RawValue) -> Handed {
    match serde_json::from_str::<Record>(record.get()) {
        Ok(record) => whole(record),
        Err(why) => {
            let why = format!("Lambda's record of the message cannot be read, and is the body here: {why}");
            let finding = Some(Rejection::new(Rejection::PROPERTIES, why));
            let message = StoredLetter { body: record.get().into(), finding, ..StoredLetter::default() };
            Handed { message, redelivered: false }
        }
    }
}

fn whole(record: Record) -> Handed {
    let Record { basic_properties, redelivered, data } = record;
    let of = basic_properties.unwrap_or_default();
    let redelivered = redelivered.unwrap_or(false);
    let headers = headers(of.headers.unwrap_or_default());
    // Only a quorum queue counts, and only what it has handed out before.
    let count = headers.get("x-delivery-count").filter(|_| redelivered).and_then(|count| count.as_int());
    let handed_out = count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
    let data = data.unwrap_or_default();
    // What is no base64 is no row either, and goes to the dead letters as it is.
    let body = BASE64_STANDARD.decode(&data).unwrap_or_else(|_| data.into_bytes());
    let properties = LetterProperties {
        content_type: of.content_type,
        content_encoding: of.content_encoding,
        delivery_mode: of.delivery_mode,
        priority: of.priority,
        correlation_id: of.correlation_id,
        reply_to: of.reply_to,
        expiration: of.expiration,
        message_id: of.message_id,
        timestamp: of.timestamp.as_deref().and_then(seconds),
        kind: of.kind,
        user_id: of.user_id,
        app_id: of.app_id,
        cluster_id: of.cluster_id,
    };
    let message = StoredLetter { properties, headers, body, handed_out, ..StoredLetter::default() };
    Handed { message, redelivered }
}

#[cfg(test)]
mod tests {
    use shared::transport::stored::LetterValue;

    use super::*;

    fn one(json: &str) -> Handed {
        handed(serde_json::from_str::<&RawValue>(json).unwrap())
    }

    #[test]
    fn a_message_is_what_it_was_and_what_it_lacks_is_null() {
        let handed = one(r#"{"basicProperties": {"contentType": "application/json", "contentEncoding": null,
            "headers": {"published_at_ms": 5, "x-delivery-count": 3}, "deliveryMode": 2, "priority": null,
            "correlationId": null, "replyTo": null, "expiration": null, "messageId": "row-17",
            "timestamp": "Jan 1, 1970, 12:33:41 AM", "type": null, "userId": null, "appId": "features",
            "clusterId": null, "bodySize": 3}, "redelivered": true, "data": "WzFd"}"#);
        let text = |text: &str| Some(text.to_owned());
        let properties = LetterProperties {
            content_type: text("application/json"),
            delivery_mode: Some(2),
            message_id: text("row-17"),
            timestamp: Some(2021),
            app_id: text("features"),
            ..LetterProperties::default()
        };
        let headers = [("published_at_ms", 5), ("x-delivery-count", 3)]
            .map(|(name, int)| (name.to_owned(), LetterValue::Int64(int)));
        let message = StoredLetter {
            properties,
            headers: headers.into(),
            body: b"[1]".to_vec(),
            handed_out: 3,
            ..StoredLetter::default()
        };
        assert_eq!(handed, Handed { message, redelivered: true });
    }

    #[test]
    fn a_record_that_cannot_be_read_is_a_message_that_cannot_be_used() {
        assert_eq!(one("{}").message, StoredLetter::default());
        assert_eq!(one(r#"{"data": "not base64!"}"#).message.body, b"not base64!");
        let first = r#"{"basicProperties": {"headers": {"x-delivery-count": 3}}, "redelivered": false}"#;
        assert_eq!(one(first).message.handed_out, 0, "a producer may have put it there");
        for bad in ["7", r#"{"basicProperties": 7}"#, r#"{"basicProperties": {"priority": 1000}}"#] {
            let message = one(bad).message;
            assert_eq!(message.finding.map(|why| why.reason), Some(Rejection::PROPERTIES), "{bad}");
            assert_eq!(message.body, bad.as_bytes());
        }
    }
}
