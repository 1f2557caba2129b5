//! A message as it lies in a queue of dead letters, in values of our own, so that whoever looks through one need not know the
//! client library.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::message::{Incoming, Rejection};

/// Everything of a message: what [`LetterRoom`](super::LetterRoom) reads and publishes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StoredLetter {
    /// With which key it was published into its queue.
    pub routing_key: String,
    /// What stands beside the headers.
    pub properties: LetterProperties,
    /// The headers.
    pub headers: BTreeMap<String, LetterValue>,
    /// The body.
    pub body: Vec<u8>,
    /// How often its queue has handed it out before, where the queue counts that.
    pub handed_out: u64,
    /// Why this is not all of it, where the connection did not bring it whole.
    pub finding: Option<Rejection>,
}

/// The properties of a message, by their names in AMQP.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "they are AMQP's")]
pub struct LetterProperties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_mode: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
}

/// A value in the headers, with AMQP's type, so that it goes back as it came.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "they are AMQP's")]
pub enum LetterValue {
    Nothing,
    Bool(bool),
    Int8(i8),
    UInt8(u8),
    Int16(i16),
    UInt16(u16),
    Int32(i32),
    UInt32(u32),
    Int64(i64),
    Float(f32),
    Double(f64),
    Decimal {
        scale: u8,
        value: u32,
    },
    Timestamp(u64),
    /// Usually UTF-8, which nothing makes sure of.
    Text(Vec<u8>),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Table(BTreeMap<String, Self>),
}

impl LetterValue {
    /// A text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into().into_bytes())
    }

    /// The text that it is, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The whole number that it is, if it is one.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match *self {
            Self::Int8(int) => Some(int.into()),
            Self::UInt8(int) => Some(int.into()),
            Self::Int16(int) => Some(int.into()),
            Self::UInt16(int) => Some(int.into()),
            Self::Int32(int) => Some(int.into()),
            Self::UInt32(int) => Some(int.into()),
            Self::Int64(int) => Some(int),
            _ => None,
        }
    }
}

impl Incoming for StoredLetter {
    fn body(&self) -> &[u8] {
        &self.body
    }
    fn message_id(&self) -> Option<&str> {
        self.properties.message_id.as_deref()
    }
    fn correlation_id(&self) -> Option<&str> {
        self.properties.correlation_id.as_deref()
    }
    fn reply_to(&self) -> Option<&str> {
        self.properties.reply_to.as_deref()
    }
    fn content_type(&self) -> Option<&str> {
        self.properties.content_type.as_deref()
    }
    fn content_encoding(&self) -> Option<&str> {
        self.properties.content_encoding.as_deref()
    }
    fn int_header(&self, name: &str) -> Option<i64> {
        self.headers.get(name)?.as_int()
    }
    fn text_header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.as_text()
    }
    fn list_header(&self, name: &str) -> Option<Vec<&str>> {
        match self.headers.get(name)? {
            LetterValue::List(items) => items.iter().map(LetterValue::as_text).collect(),
            _ => None,
        }
    }
    fn bytes_header(&self, name: &str) -> Option<&[u8]> {
        match self.headers.get(name)? {
            LetterValue::Bytes(bytes) | LetterValue::Text(bytes) => Some(bytes),
            _ => None,
        }
    }
    fn finding(&self) -> Option<Rejection> {
        self.finding.clone()
    }
}
