//! The messages' form on the wire, in and out. Pure: bytes and properties to values and back.

mod features;
mod number;
mod object;
mod payload;
mod value;

use serde::Serialize;

use object::Object;
use value::Form;

use super::{
    Features, HeaderValue, Key, Label, Name, Outgoing, Prediction, Rejection, Role, Row, RowId, scorable,
};
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
    /// The property `content_encoding`.
    fn content_encoding(&self) -> Option<&str>;
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
    /// Reads a row of features. `names` is what the model's features are called, where it knows: by them it is seen whether an
    /// object has features by name. Those are given in this order, and nothing else that is in the object.
    ///
    /// # Errors
    /// The reason why it cannot be used.
    pub fn decode(message: &impl Incoming, names: Option<&[String]>) -> Result<Self, Rejection> {
        Self::read(message, names, Form::Array)
    }

    /// Reads a row for a model that takes rows by name only: it says so where the row is none.
    ///
    /// # Errors
    /// As [`Row::decode`].
    pub fn decode_by_name(message: &impl Incoming, names: &[String]) -> Result<Self, Rejection> {
        Self::read(message, Some(names), Form::ByName)
    }

    fn read(message: &impl Incoming, names: Option<&[String]>, wanted: Form) -> Result<Self, Rejection> {
        let (key, features) = payload::read(message, |json| match Object::of_body(json, wanted)? {
            Some(object) => features::of_object(message, &object, names.unwrap_or_default(), wanted),
            None => Ok((key_beside(message)?, Features::Vector(value::vector(json, wanted)?))),
        })?;
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
        let (key, value) = scored(message, "the label")?;
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
        let (key, value) = scored(message, "the prediction")?;
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

/// The key of a body that has none in it.
fn key_beside(message: &impl Incoming) -> Result<Key, Rejection> {
    match message.message_id().or(message.correlation_id()) {
        Some(text) => {
            let id = RowId::parse(text).map_err(|why| Rejection::new(Rejection::ID, why))?;
            Ok(Key::Property(id))
        }
        None => Ok(Key::Anonymous),
    }
}

/// A label or a prediction, with its row.
fn scored(message: &impl Incoming, what: &str) -> Result<(Key, f64), Rejection> {
    let (key, value) = payload::read(message, |json| match Object::of_body(json, Form::Number)? {
        Some(object) => {
            let (key, json) = object.id_and_value(Form::Number)?;
            Ok((key, value::number(json, what)?))
        }
        None => Ok((key_beside(message)?, value::number(json, what)?)),
    })?;
    Ok((key, scorable(what, value)?))
}

fn envelope(role: Role, key: &Key, body: &impl Serialize, app: &'static str, now: Timestamp) -> Outgoing {
    // Unwrap safety: numbers, texts, sequences and maps with text for keys always serialise, and a Vec takes every byte.
    #[expect(clippy::unwrap_used, reason = "see above")]
    let json = serde_json::to_vec(body).unwrap();
    let (message_id, body) = match key {
        Key::Property(id) => (Some(id.to_string().into()), json),
        Key::Anonymous => (None, json),
        Key::Body { raw, under, .. } => {
            let under = serde_json::Value::from(under.as_str()).to_string();
            (None, [b"{\"id\": ", raw.as_bytes(), b", ", under.as_bytes(), b": ", &json, b"}"].concat())
        }
    };
    let headers = vec![(PUBLISHED_AT, HeaderValue::Int(now.0))];
    let content_type = Some("application/json");
    Outgoing { role, message_id, content_type, app, timestamp: now.seconds(), headers, body }
}

#[cfg(test)]
mod tests;
