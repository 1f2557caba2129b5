//! The messages' form on the wire, in and out. Pure: bytes and properties to values and back.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{HeaderValue, Key, Label, Name, Outgoing, Prediction, Rejection, Role, Row, RowId};
use crate::clock::Timestamp;

/// The longest body that is read, in bytes. It bounds what one message can cost.
pub const MAX_BODY: usize = 1024 * 1024;

const PUBLISHED_AT: &str = "published_at_ms";
const FEATURES_PUBLISHED_AT: &str = "features_published_at_ms";
const FEATURE_NAMES: &str = "x-feature-names";
const MODEL: &str = "model";
const MODEL_VERSION: &str = "model_version";

/// What decoding needs of a message, whichever transport brought it.
pub trait Incoming {
    /// The body as it came.
    fn body(&self) -> &[u8];
    /// The property `message_id`.
    fn message_id(&self) -> Option<&str>;
    /// The property `correlation_id`.
    fn correlation_id(&self) -> Option<&str>;
    /// The property `content_type`.
    fn content_type(&self) -> Option<&str>;
    /// A header with a whole number.
    fn int_header(&self, name: &str) -> Option<i64>;
    /// A header with text.
    fn text_header(&self, name: &str) -> Option<&str>;
    /// A header with a list of texts.
    fn list_header(&self, name: &str) -> Option<Vec<&str>>;
    /// What was found wrong with it before anybody could read it.
    fn finding(&self) -> Option<Rejection> {
        None
    }
}

impl Row {
    /// Reads a row of features.
    ///
    /// # Errors
    /// The reason why it cannot be used.
    pub fn decode(message: &impl Incoming) -> Result<Self, Rejection> {
        let (key, features) = decode_body::<Vec<f64>>(message)?;
        let listed = || Some(serde_json::Value::from(message.list_header(FEATURE_NAMES)?).to_string().into());
        let names = message.text_header(FEATURE_NAMES).map(Into::into).or_else(listed);
        Ok(Self { key, features, names, published_at: published_at(message) })
    }

    /// Writes it for its queue.
    #[must_use]
    pub fn encode(&self, app: &'static str, now: Timestamp) -> Outgoing {
        let mut outgoing = envelope(Role::Features, &self.key, &self.features, app, now);
        if let Some(names) = &self.names {
            outgoing.headers.push((FEATURE_NAMES, HeaderValue::Text((**names).into())));
        }
        outgoing
    }
}

impl Label {
    /// Reads a label.
    ///
    /// # Errors
    /// The reason why it cannot be used.
    pub fn decode(message: &impl Incoming) -> Result<Self, Rejection> {
        let (key, value) = decode_body::<f64>(message)?;
        Ok(Self { key, value, published_at: published_at(message) })
    }

    /// Writes it for its queue.
    #[must_use]
    pub fn encode(&self, app: &'static str, now: Timestamp) -> Outgoing {
        envelope(Role::Label, &self.key, &self.value, app, now)
    }
}

impl Prediction {
    /// Reads a prediction.
    ///
    /// # Errors
    /// The reason why it cannot be used.
    pub fn decode(message: &impl Incoming) -> Result<Self, Rejection> {
        let (key, value) = decode_body::<f64>(message)?;
        Ok(Self {
            key,
            value,
            model: name_header(message, MODEL)?,
            model_version: name_header(message, MODEL_VERSION)?,
            published_at: published_at(message),
            features_published_at: message.int_header(FEATURES_PUBLISHED_AT).map(Timestamp),
        })
    }

    /// Writes it for its queue.
    #[must_use]
    pub fn encode(&self, app: &'static str, now: Timestamp) -> Outgoing {
        let mut outgoing = envelope(Role::Prediction, &self.key, &self.value, app, now);
        if let Some(model) = &self.model {
            outgoing.headers.push((MODEL, HeaderValue::Text(model.as_str().into())));
        }
        if let Some(version) = &self.model_version {
            outgoing.headers.push((MODEL_VERSION, HeaderValue::Text(version.as_str().into())));
        }
        if let Some(at) = self.features_published_at {
            outgoing.headers.push((FEATURES_PUBLISHED_AT, HeaderValue::Int(at.0)));
        }
        outgoing
    }
}

fn published_at(message: &impl Incoming) -> Option<Timestamp> {
    // A time that no file could show is taken for its nearest end.
    message.int_header(PUBLISHED_AT).map(|ms| Timestamp(ms.clamp(0, Timestamp::LAST.0)))
}

fn name_header(message: &impl Incoming, header: &str) -> Result<Option<Name>, Rejection> {
    let parse = |text| {
        Name::parse(text).map_err(|why| Rejection::new(Rejection::MODEL, format!("header {header}: {why}")))
    };
    message.text_header(header).map(parse).transpose()
}

/// A body that a queue carries. JSON has only finite numbers, and so has every body that was read.
trait Body: Serialize + for<'de> Deserialize<'de> {
    /// What the shape is called in an error.
    const SHAPE: &str;
}

impl Body for Vec<f64> {
    const SHAPE: &str = "an array of numbers";
}

impl Body for f64 {
    const SHAPE: &str = "a number";
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped<'a, B> {
    #[serde(borrow)]
    id: &'a RawValue,
    body: B,
}

fn decode_body<B: Body>(message: &impl Incoming) -> Result<(Key, B), Rejection> {
    if let Some(finding) = message.finding() {
        return Err(finding);
    }
    let bytes = message.body();
    if bytes.len() > MAX_BODY {
        let detail = format!("{} bytes, more than {MAX_BODY}", bytes.len());
        return Err(Rejection::new(Rejection::TOO_LARGE, detail));
    }
    if let Some(other) = message.content_type().filter(|text| !is_json(text)) {
        let detail = format!("{other:?}; wanted is application/json or none");
        return Err(Rejection::new(Rejection::CONTENT_TYPE, detail));
    }
    if bytes.trim_ascii_start().first() == Some(&b'{') {
        let wrapped: Wrapped<'_, B> =
            serde_json::from_slice(bytes).map_err(|why| unreadable::<B>(bytes, &why))?;
        let (id, raw) = wrapped_id(wrapped.id)?;
        return Ok((Key::Body { id, raw }, wrapped.body));
    }
    let body = serde_json::from_slice(bytes).map_err(|why| unreadable::<B>(bytes, &why))?;
    let key = match message.message_id().or(message.correlation_id()) {
        Some(text) => Key::Property(row_id(text)?),
        None => Key::Anonymous,
    };
    Ok((key, body))
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.is_empty() || kind.eq_ignore_ascii_case("application/json")
}

fn row_id(text: &str) -> Result<RowId, Rejection> {
    RowId::parse(text).map_err(|why| Rejection::new(Rejection::ID, why))
}

/// The text of an id in a body: a string's content, or a number as its sender spelt it.
fn wrapped_id(raw: &RawValue) -> Result<(RowId, Box<str>), Rejection> {
    let json = raw.get();
    let id = match json.as_bytes().first() {
        Some(b'"') => {
            let text: String =
                serde_json::from_str(json).map_err(|why| Rejection::new(Rejection::ID, why))?;
            row_id(&text)?
        }
        Some(b'-' | b'0'..=b'9') => row_id(json)?,
        _ => return Err(Rejection::new(Rejection::ID, "it is neither a string nor a number")),
    };
    Ok((id, json.into()))
}

/// Tells apart what is wrong with a body that did not parse.
fn unreadable<B: Body>(bytes: &[u8], why: &serde_json::Error) -> Rejection {
    let text = why.to_string();
    if text.starts_with("number out of range") || has_non_finite_token(bytes) {
        return Rejection::new(Rejection::NOT_FINITE, text);
    }
    if why.is_data() {
        let detail = format!("wanted is {} or {{\"id\", \"body\"}}: {text}", B::SHAPE);
        return Rejection::new(Rejection::SHAPE, detail);
    }
    Rejection::new(Rejection::NOT_JSON, text)
}

/// Whether `NaN` or `Infinity`, which Python's `json` writes and JSON does not have, stands outside a string.
fn has_non_finite_token(bytes: &[u8]) -> bool {
    let mut in_string = false;
    let mut escaped = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'N' | b'I' if !in_string => {
                let rest = &bytes[at..];
                return rest.starts_with(b"NaN") || rest.starts_with(b"Infinity");
            }
            _ => {}
        }
    }
    false
}

fn envelope<B: Body>(role: Role, key: &Key, body: &B, app: &'static str, now: Timestamp) -> Outgoing {
    // Unwrap safety: numbers and sequences of numbers always serialise, and a Vec takes every byte.
    #[expect(clippy::unwrap_used, reason = "see above")]
    let json = serde_json::to_vec(body).unwrap();
    let (message_id, body) = match key {
        Key::Property(id) => (Some(id.as_str().into()), json),
        Key::Anonymous => (None, json),
        Key::Body { raw, .. } => {
            (None, [b"{\"id\": ", raw.as_bytes(), b", \"body\": ", &json, b"}"].concat())
        }
    };
    let headers = vec![(PUBLISHED_AT, HeaderValue::Int(now.0))];
    let content_type = Some("application/json");
    Outgoing { role, message_id, content_type, app, timestamp: now.seconds(), headers, body }
}

#[cfg(test)]
mod tests;
