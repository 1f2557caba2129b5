//! A message of ours as it leaves: body, properties and headers, before any transport has seen it.

use super::{Alone, Asking, Incoming, Role, header};
use crate::trace::Context;

/// A value in a message's headers.
#[derive(Debug, Clone, PartialEq)]
pub enum HeaderValue {
    /// A whole number.
    Int(i64),
    /// Text.
    Text(Box<str>),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A message of ours, ready to be published.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// What it is, which says where it goes.
    pub role: Role,
    /// The property `message_id`.
    pub message_id: Option<Box<str>>,
    /// The property `content_type`; ours say `application/json`.
    pub content_type: Option<&'static str>,
    /// The property `app_id`: the service that sends it.
    pub app: &'static str,
    /// The property `timestamp`, in seconds.
    pub timestamp: i64,
    /// The headers.
    pub headers: Vec<(&'static str, HeaderValue)>,
    /// The body: JSON.
    pub body: Vec<u8>,
    /// Who wants a reply, if anybody does: the properties `reply_to` and `correlation_id`.
    pub asking: Option<Asking>,
    /// Where it is in a trace: the headers `traceparent` and `tracestate`.
    pub trace: Option<Context>,
}

impl Outgoing {
    /// The same as part of this trace, or of none.
    #[must_use]
    pub fn within(self, trace: Option<Context>) -> Self {
        Self { trace, ..self }
    }

    /// One item of it, as a message of its own.
    #[must_use]
    pub fn part(&self, alone: Alone) -> Self {
        let Alone { index, of, body, vector } = alone;
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .filter(|(_, value)| !matches!(value, HeaderValue::Bytes(_)))
            .cloned()
            .collect();
        headers.extend(vector.map(|vector| (header::FEATURES, HeaderValue::Bytes(vector))));
        headers.push((header::PART, HeaderValue::Text(format!("{} of {of}", index + 1).into())));
        let trace = self.trace.clone();
        Self { message_id: None, headers, body, asking: None, trace, ..*self }
    }
}

impl Incoming for Outgoing {
    fn body(&self) -> &[u8] {
        &self.body
    }
    fn message_id(&self) -> Option<&str> {
        self.message_id.as_deref()
    }
    fn correlation_id(&self) -> Option<&str> {
        self.asking.as_ref()?.correlation_id.as_deref()
    }
    fn reply_to(&self) -> Option<&str> {
        self.asking.as_ref().map(|asking| &*asking.reply_to)
    }
    fn content_encoding(&self) -> Option<&str> {
        // Ours have none.
        None
    }
    fn content_type(&self) -> Option<&str> {
        self.content_type
    }
    fn int_header(&self, name: &str) -> Option<i64> {
        self.headers.iter().find_map(|(key, value)| match value {
            HeaderValue::Int(int) if *key == name => Some(*int),
            _ => None,
        })
    }
    fn text_header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(key, value)| match value {
            HeaderValue::Text(text) if *key == name => Some(&**text),
            _ => None,
        })
    }
    fn list_header(&self, _: &str) -> Option<Vec<&str>> {
        // Ours send none.
        None
    }
    fn bytes_header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find_map(|(key, value)| match value {
            HeaderValue::Bytes(bytes) if *key == name => Some(&**bytes),
            _ => None,
        })
    }
    fn trace(&self) -> Option<Context> {
        self.trace.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_memory_a_message_arrives_as_it_left() {
        let message = Outgoing {
            role: Role::Label,
            message_id: Some("order:17".into()),
            content_type: Some("application/json"),
            app: "features",
            timestamp: 1_795_194_245,
            headers: vec![("x-count", HeaderValue::Int(-5)), ("x-model", HeaderValue::Text("m".into()))],
            body: b"151".to_vec(),
            asking: None,
            trace: None,
        };
        assert_eq!(message.body(), b"151");
        assert_eq!((message.message_id(), message.correlation_id()), (Some("order:17"), None));
        assert_eq!((message.content_type(), message.content_encoding()), (Some("application/json"), None));
        let ints = ["x-count", "x-model", "x-none"].map(|name| message.int_header(name));
        assert_eq!(ints, [Some(-5), None, None]);
        let texts = ["x-count", "x-model", "x-none"].map(|name| message.text_header(name));
        assert_eq!(texts, [None, Some("m"), None]);
        assert_eq!(message.list_header("x-model"), None);
    }
}
