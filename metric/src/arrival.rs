//! A message on its way into the database.

use std::sync::Arc;

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
    Prediction(Origin),
}

/// Where a prediction comes from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origin {
    /// Who predicted.
    pub model: ModelId,
    /// When its row was published, if that is known.
    pub features_published_at: Option<Timestamp>,
    /// What it was predicted from, as the model weighs it, if that was said. Shared with whoever follows what is committed.
    pub vector: Option<Arc<[f64]>>,
}

/// A prediction of which only the model is known.
impl From<ModelId> for Origin {
    fn from(model: ModelId) -> Self {
        Self { model, ..Self::default() }
    }
}

impl From<Label> for Arrival {
    fn from(label: Label) -> Self {
        let Label { key, value, published_at } = label;
        Self { id: key.into_id(), kind: ArrivalKind::Label, value, published_at }
    }
}

impl From<Prediction> for Arrival {
    fn from(prediction: Prediction) -> Self {
        let Prediction {
            key,
            value,
            model,
            model_version,
            role,
            published_at,
            features_published_at,
            vector,
        } = prediction;
        let (model, vector) = (ModelId { name: model, version: model_version, role }, vector.map(Arc::from));
        let kind = ArrivalKind::Prediction(Origin { model, features_published_at, vector });
        Self { id: key.into_id(), kind, value, published_at }
    }
}
