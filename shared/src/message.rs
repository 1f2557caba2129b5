//! What travels between the services: a row of features, its label, a prediction.
//!
//! A body is bare, `[0.1, 0.2]` or `151.0`, with the id in the message's properties or without any, which can be predicted and
//! logged but never joined; or wrapped, `{"id": ..., KEY: ...}`, as later versions of the Python exercise send. A row's features may
//! also come by name, with or without an id among them. Many may travel in one message, `{"ids": [...], KEY: [...]}`. An answer
//! has the form of its question, and its id where that had it.

mod body_key;
mod bundle;
mod cell;
mod feature_names;
pub mod header;
mod id;
mod model_role;
mod name;
mod outgoing;
mod reject;
mod reply;
mod wire;

use std::sync::Arc;

use crate::clock::Timestamp;

pub use body_key::BodyKey;
pub use bundle::{Alone, Bundle, MOST_ROWS};
pub use cell::{Cell, Features};
pub use id::{RowId, ShortId};
pub use model_role::ModelRole;
pub use name::Name;
pub use outgoing::{HeaderValue, Outgoing};
pub use reject::Rejection;
pub use reply::{Answer, Asking, Refused, Reply};
pub use wire::{Incoming, MAX_BODY, MOST_VECTORS, read_json};

/// What a message is in the pipeline. Text files, metrics and messages for people call it by this name, whatever its queue
/// is called on the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Rows of features, from `features` to `model`.
    Features,
    /// True labels, from `features` to `metric`.
    Label,
    /// Predictions, from `model` to `metric`.
    Prediction,
}

impl Role {
    /// Every role, in the order in which a row passes them.
    pub const ALL: [Self; 3] = [Self::Features, Self::Label, Self::Prediction];

    /// The role's name, which is also what its queue is called where nothing else is said.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Features => "Features",
            Self::Label => "y_true",
            Self::Prediction => "y_predict",
        }
    }
}

/// Which row a message speaks of, and how its sender said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The id is the property `message_id` and the body is bare.
    Property(RowId),
    /// The id is in the body.
    Body {
        /// The id's text.
        id: RowId,
        /// The id's JSON as it came, so that the answer repeats it to the letter: a number, or a text with escapes. None
        /// where it is the text in quotes.
        raw: Option<Box<str>>,
        /// The key of the value beside it, where the message leaves. Where one was read, it is the usual one.
        under: BodyKey,
    },
    /// No id at all.
    Anonymous,
}

impl Key {
    /// A key whose id travels in the body, as JSON text.
    #[must_use]
    pub fn wrapped(id: RowId) -> Self {
        Self::Body { id, raw: None, under: BodyKey::default() }
    }

    /// The same with the value under this key, where the id travels in the body.
    #[must_use]
    pub fn under(self, key: &BodyKey) -> Self {
        match self {
            Self::Body { id, raw, .. } => Self::Body { id, raw, under: key.clone() },
            other => other,
        }
    }

    /// The row's id, if it has one.
    #[must_use]
    pub fn id(&self) -> Option<&RowId> {
        match self {
            Self::Property(id) | Self::Body { id, .. } => Some(id),
            Self::Anonymous => None,
        }
    }

    /// As [`Key::id`], without a copy.
    #[must_use]
    pub fn into_id(self) -> Option<RowId> {
        match self {
            Self::Property(id) | Self::Body { id, .. } => Some(id),
            Self::Anonymous => None,
        }
    }
}

/// The largest label or prediction, in size. A sum of millions of errors of that size, squared too, is still a number.
pub const LARGEST_VALUE: f64 = 1e15;

/// Holds a label or a prediction to what can be scored. `what` is it called in an error.
///
/// # Errors
/// It is not finite, or beyond [`LARGEST_VALUE`].
pub fn scorable(what: &str, value: f64) -> Result<f64, Rejection> {
    if !value.is_finite() {
        return Err(Rejection::new(Rejection::NOT_FINITE, format!("{what} is {value}")));
    }
    if value.abs() > LARGEST_VALUE {
        let detail = format!("{what} is {value:e}; scored are numbers up to {LARGEST_VALUE:e}");
        return Err(Rejection::new(Rejection::EXTREME, detail));
    }
    Ok(value)
}

/// A row of features.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Which row this is.
    pub key: Key,
    /// What the model predicts from.
    pub features: Features,
    /// The features' names as their sender spelt them, if it did: see [`Row::parse_names`].
    pub names: Option<Arc<str>>,
    /// When it was published, if its sender said.
    pub published_at: Option<Timestamp>,
}

/// The true value of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Whose label this is.
    pub key: Key,
    /// The label, a finite number.
    pub value: f64,
    /// When it was published, if its sender said.
    pub published_at: Option<Timestamp>,
}

/// What a model says of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Whose prediction this is.
    pub key: Key,
    /// The prediction, a finite number.
    pub value: f64,
    /// The model that predicted, if it said.
    pub model: Option<Name>,
    /// The first 12 hex digits of the model file's SHA-256, if it said.
    pub model_version: Option<Name>,
    /// Whether it is what the pipeline answers, or made beside for comparison.
    pub role: ModelRole,
    /// When the prediction was published, if its sender said.
    pub published_at: Option<Timestamp>,
    /// When its row was published, if that is known.
    pub features_published_at: Option<Timestamp>,
    /// What it was predicted from, as the model weighs it, if the model says so.
    pub vector: Option<Box<[f64]>>,
}

impl Prediction {
    /// The same without what it was predicted from.
    fn without_vector(&self) -> Self {
        let Self { key, value, model, model_version, role, published_at, features_published_at, vector: _ } =
            self;
        Self {
            key: key.clone(),
            value: *value,
            model: model.clone(),
            model_version: model_version.clone(),
            role: *role,
            published_at: *published_at,
            features_published_at: *features_published_at,
            vector: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text files, metrics and the queues of every release have them.
    #[test]
    fn roles_have_the_names_of_the_exercises_queues() {
        assert_eq!(Role::ALL.map(Role::name), ["Features", "y_true", "y_predict"]);
    }

    #[test]
    fn a_key_tells_its_row_and_keeps_how_it_was_said() {
        let id = RowId::parse("row-1").unwrap();
        let body = "y_pred".parse::<BodyKey>().unwrap();
        for (key, has_id) in
            [(Key::Property(id.clone()), true), (Key::wrapped(id.clone()), true), (Key::Anonymous, false)]
        {
            let wanted = has_id.then_some(&id);
            assert_eq!((key.id(), key.clone().into_id().as_ref()), (wanted, wanted), "{key:?}");
            let Key::Body { id: of_body, raw, under } = key.clone().under(&body) else {
                assert_eq!(key.clone().under(&body), key);
                continue;
            };
            assert_eq!((of_body, raw, &under), (id.clone(), None, &body));
        }
    }
}
