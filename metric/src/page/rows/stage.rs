//! How far a row has come.

use shared::clock::Timestamp;

use crate::store::{FoundLabel, FoundPrediction, FoundRow};

/// How far a row has come, by its first prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stage {
    /// It has its label, which came so many milliseconds after the prediction; less than 0: before it.
    Labelled { lag: i64 },
    /// It waits for its label, since then.
    Waiting { since: Timestamp },
    /// No label came in time.
    Expired,
    /// Its label came after that.
    Late,
    /// Its label has come, and no prediction yet.
    LabelAlone,
    /// Its label was given up: no prediction came in time.
    LabelExpired,
}

impl Stage {
    pub(super) fn of(row: &FoundRow) -> Self {
        Self::between(row.predictions.first(), row.label)
    }

    /// By any prediction of a row, with whether the label met it.
    pub(super) fn between(prediction: Option<&(FoundPrediction, bool)>, label: Option<FoundLabel>) -> Self {
        match (prediction, label) {
            (Some((prediction, true)), Some(label)) => {
                Self::Labelled { lag: label.at.0.saturating_sub(prediction.at.0) }
            }
            (Some((FoundPrediction { expired: Some(_), .. }, _)), Some(_)) => Self::Late,
            (Some((FoundPrediction { expired: Some(_), .. }, _)), None) => Self::Expired,
            (Some((prediction, _)), _) => Self::Waiting { since: prediction.at },
            (None, Some(FoundLabel { expired: Some(_), .. })) => Self::LabelExpired,
            (None, _) => Self::LabelAlone,
        }
    }

    /// For programs.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Labelled { .. } => "scored",
            Self::Waiting { .. } => "waiting",
            Self::Expired => "expired",
            Self::Late => "late",
            Self::LabelAlone => "label_waiting",
            Self::LabelExpired => "label_expired",
        }
    }
}
