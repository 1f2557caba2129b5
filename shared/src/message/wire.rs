//! The messages' form on the wire, in and out. Pure: bytes and properties to values and back.

mod features;
mod ids;
mod number;
mod object;
mod payload;
mod together;
mod value;
mod written;

use std::sync::Arc;

use super::header::{
    FEATURE_NAMES, FEATURES, FEATURES_PUBLISHED_AT, MODEL, MODEL_ROLE, MODEL_VERSION, PUBLISHED_AT,
};
use object::Object;
use value::Form;

use super::{
    Alone, Bundle, Features, Key, Label, ModelRole, Name, Prediction, Rejection, Role, Row, RowId, scorable,
};
use crate::clock::Timestamp;
use crate::trace::Context;

pub use value::read as read_json;
pub use written::MOST_VECTORS;

/// The longest body that is read, in bytes. It bounds what one message can cost.
pub const MAX_BODY: usize = 1024 * 1024;

/// What decoding needs of a message, whichever transport brought it.
pub trait Incoming {
    /// The body as it came.
    fn body(&self) -> &[u8];
    /// The property `message_id`.
    fn message_id(&self) -> Option<&str>;
    /// The property `correlation_id`.
    fn correlation_id(&self) -> Option<&str>;
    /// The property `reply_to`.
    fn reply_to(&self) -> Option<&str>;
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
    /// A header with bytes.
    fn bytes_header(&self, name: &str) -> Option<&[u8]>;
    /// What was found wrong with it before anybody could read it.
    fn finding(&self) -> Option<Rejection> {
        None
    }
    /// Where it is in a trace, which is that of what is made of it, too.
    fn trace(&self) -> Option<Context> {
        Context::of(self)
    }
}

/// So that what reads a message need not know who brought it.
impl Incoming for &dyn Incoming {
    fn body(&self) -> &[u8] {
        (**self).body()
    }
    fn message_id(&self) -> Option<&str> {
        (**self).message_id()
    }
    fn correlation_id(&self) -> Option<&str> {
        (**self).correlation_id()
    }
    fn reply_to(&self) -> Option<&str> {
        (**self).reply_to()
    }
    fn content_type(&self) -> Option<&str> {
        (**self).content_type()
    }
    fn content_encoding(&self) -> Option<&str> {
        (**self).content_encoding()
    }
    fn int_header(&self, name: &str) -> Option<i64> {
        (**self).int_header(name)
    }
    fn text_header(&self, name: &str) -> Option<&str> {
        (**self).text_header(name)
    }
    fn list_header(&self, name: &str) -> Option<Vec<&str>> {
        (**self).list_header(name)
    }
    fn bytes_header(&self, name: &str) -> Option<&[u8]> {
        (**self).bytes_header(name)
    }
    fn finding(&self) -> Option<Rejection> {
        (**self).finding()
    }
    fn trace(&self) -> Option<Context> {
        (**self).trace()
    }
}

impl Row {
    /// Reads rows of features. `names` is what the model's features are called, where it knows: by them it is seen whether an
    /// object has features by name. Those are given in this order, and nothing else that is in the object.
    ///
    /// # Errors
    /// The reason why nothing of it can be used.
    pub fn decode(message: &impl Incoming, names: Option<&[String]>) -> Result<Bundle<Self>, Rejection> {
        Self::read(message, names, Form::Array)
    }

    /// Reads rows for a model that takes rows by name only: it says so where a row is none.
    ///
    /// # Errors
    /// As [`Row::decode`].
    pub fn decode_by_name(message: &impl Incoming, names: &[String]) -> Result<Bundle<Self>, Rejection> {
        Self::read(message, Some(names), Form::ByName)
    }

    fn read(
        message: &impl Incoming,
        names: Option<&[String]>,
        wanted: Form,
    ) -> Result<Bundle<Self>, Rejection> {
        let known = names.unwrap_or_default();
        let bundle = payload::read(message, |json| {
            let quick = |vector: Vec<f64>| Ok(Features::Vector(vector));
            let slow = |json: &[u8], place| features::one_of_many(json, place, known, wanted);
            if let Some(items) = together::items(message, json, wanted, quick, slow)? {
                return Ok(Bundle { together: true, items });
            }
            Ok(Bundle::of_one(match Object::of(json, wanted)? {
                Some(object) => features::of_object(message, &object, known, wanted)?,
                None => (key_beside(message, wanted)?, Features::Vector(value::vector(json, wanted)?)),
            }))
        })?;
        let listed = || Some(serde_json::Value::from(message.list_header(FEATURE_NAMES)?).to_string().into());
        let names: Option<Arc<str>> = message.text_header(FEATURE_NAMES).map(Into::into).or_else(listed);
        let published_at = published_at(message);
        Ok(bundle.map(|(key, features)| Self { key, features, names: names.clone(), published_at }))
    }
}

impl Label {
    /// Reads labels.
    ///
    /// # Errors
    /// The reason why nothing of it can be used.
    pub fn decode(message: &impl Incoming) -> Result<Bundle<Self>, Rejection> {
        let published_at = published_at(message);
        let bundle = scored(message, "the label")?;
        Ok(bundle.map(|(key, value)| Self { key, value, published_at }))
    }
}

impl Prediction {
    /// Reads predictions. Where the header `features` does not have as many numbers for each of them, they have no vectors.
    ///
    /// # Errors
    /// The reason why nothing of it can be used.
    pub fn decode(message: &impl Incoming) -> Result<Bundle<Self>, Rejection> {
        let bundle = scored(message, "the prediction")?;
        let (model, model_version) = (name_header(message, MODEL)?, name_header(message, MODEL_VERSION)?);
        let role = message.text_header(MODEL_ROLE).map_or(Ok(ModelRole::Serving), ModelRole::parse)?;
        let published_at = published_at(message);
        let features_published_at = message.int_header(FEATURES_PUBLISHED_AT).map(Timestamp);
        let mut vectors = vectors(message, bundle.items.len());
        let prediction = |(key, value)| Self {
            key,
            value,
            model: model.clone(),
            model_version: model_version.clone(),
            role,
            published_at,
            features_published_at,
            vector: None,
        };
        let items = bundle.items.into_iter().map(|item| {
            let vector = vectors.as_mut().and_then(Iterator::next);
            item.map(|item| Self { vector, ..prediction(item) })
        });
        Ok(Bundle { together: bundle.together, items: items.collect() })
    }
}

impl Role {
    /// These items of a message of this role that has several, each as a message of its own; none where it has only one.
    pub fn alone(self, message: &impl Incoming, indices: &[usize]) -> Vec<Alone> {
        let wanted = match self {
            Self::Features => Form::Array,
            Self::Label | Self::Prediction => Form::Number,
        };
        payload::read(message, |json| Ok(together::alone(message, json, wanted, indices))).unwrap_or_default()
    }
}

/// The vectors of as many predictions, in their order; none where the header is missing or has not as many numbers for each.
fn vectors(message: &impl Incoming, count: usize) -> Option<impl Iterator<Item = Box<[f64]>>> {
    const SIZE: usize = size_of::<f64>();
    let bytes = message.bytes_header(FEATURES)?;
    let width = bytes.len() / (SIZE * count);
    let fits = width > 0 && bytes.len() == SIZE * count * width;
    fits.then(|| {
        let number = |bytes: &[u8; SIZE]| f64::from_le_bytes(*bytes);
        let numbers = bytes.as_chunks().0;
        numbers.chunks(width).map(move |row| row.iter().map(number).collect())
    })
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

/// The key of a body that has none in it. Whoever asks for a row's prediction counts its questions in `correlation_id`, from 1 in
/// each process: with `reply_to` that is no row's id. Labels and predictions ask for nothing.
fn key_beside(message: &impl Incoming, wanted: Form) -> Result<Key, Rejection> {
    let is_row = !matches!(wanted, Form::Number);
    let asks = is_row && message.reply_to().is_some_and(|queue| !queue.is_empty());
    match message.message_id().or(message.correlation_id().filter(|_| !asks)) {
        Some(text) => {
            let id = RowId::parse(text).map_err(|why| Rejection::new(Rejection::ID, why))?;
            Ok(Key::Property(id))
        }
        None => Ok(Key::Anonymous),
    }
}

/// Labels or predictions, with their rows.
fn scored(message: &impl Incoming, what: &str) -> Result<Bundle<(Key, f64)>, Rejection> {
    payload::read(message, |json| {
        let slow = |json: &[u8], _| scorable(what, value::number(json, what)?);
        if let Some(items) =
            together::items(message, json, Form::Number, |value| scorable(what, value), slow)?
        {
            return Ok(Bundle { together: true, items });
        }
        let (key, json) = match Object::of(json, Form::Number)? {
            Some(object) => object.id_and_value(Form::Number)?,
            None => (key_beside(message, Form::Number)?, json),
        };
        Ok(Bundle::of_one((key, scorable(what, value::number(json, what)?)?)))
    })
}

#[cfg(test)]
mod tests;
