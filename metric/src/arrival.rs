//! A message on its way into the database.

use shared::clock::Timestamp;
use shared::message::{Label, Prediction, RowId};

use crate::join::ModelId;

/// A message that can be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// Its row; none where it is anonymous.
    pub id: Option<RowId>,
    /// Whether it is a label or a prediction.
    pub kind: ArrivalKind,
    /// The label or the prediction.
    pub value: f64,
    /// When it was published, if its sender said.
    pub published_at: Option<Timestamp>,
}

/// What a message says of its row.
#[derive(Debug, Clone, PartialEq)]
pub enum ArrivalKind {
    /// The true value.
    Label,
    /// What a model predicts.
    Prediction(ModelId),
}

impl From<Label> for Arrival {
    fn from(label: Label) -> Self {
        let Label { key, value, published_at } = label;
        Self { id: key.into_id(), kind: ArrivalKind::Label, value, published_at }
    }
}

impl From<Prediction> for Arrival {
    fn from(prediction: Prediction) -> Self {
        let Prediction { key, value, model, model_version, published_at, .. } = prediction;
        let kind = ArrivalKind::Prediction(ModelId { name: model, version: model_version });
        Self { id: key.into_id(), kind, value, published_at }
    }
}
