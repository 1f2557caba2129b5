//! What travels between the services: a row of features, its label, a prediction.
//!
//! Three body shapes are read. Bare, `[0.1, 0.2]` or `151.0`, with the id in the message's properties;
//! wrapped, `{"id": ..., "body": ...}`, as later versions of the Python exercise send; and bare without any
//! id, which can be predicted and logged but never joined. An answer leaves in the shape its question had.

mod feature_names;
mod id;
mod outgoing;
mod reject;
mod wire;

use std::sync::Arc;

use crate::clock::Timestamp;

pub use id::{Name, RowId};
pub use outgoing::{HeaderValue, Outgoing};
pub use reject::Rejection;
pub use wire::{Incoming, MAX_BODY};

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
    /// The id is in the body. `raw` is its JSON as it came, so that the answer repeats it to the letter.
    Body {
        /// The id's text.
        id: RowId,
        /// The id's JSON: a string or a number.
        raw: Box<str>,
    },
    /// No id at all.
    Anonymous,
}

impl Key {
    /// A key whose id travels in the body, as JSON text.
    #[must_use]
    pub fn wrapped(id: RowId) -> Self {
        let raw = format!("\"{id}\"").into();
        Self::Body { id, raw }
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

/// A row of features.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Which row this is.
    pub key: Key,
    /// The feature vector: finite numbers.
    pub features: Vec<f64>,
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
    /// When the prediction was published, if its sender said.
    pub published_at: Option<Timestamp>,
    /// When its row was published, if that is known.
    pub features_published_at: Option<Timestamp>,
}
