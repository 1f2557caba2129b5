//! Which version of which model it is, and what it predicts for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a version predicts for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelRole {
    /// It serves: its predictions are the answers.
    #[default]
    Serving,
    /// It is the version before the one that serves.
    Shadow,
    /// It would like to serve.
    Challenger,
}

impl ModelRole {
    /// What reports and messages call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Shadow => "shadow",
            Self::Challenger => "challenger",
        }
    }
}

/// A version by its names.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// The model, if it said.
    pub model: Option<String>,
    /// Its version, if it said.
    pub version: Option<String>,
    /// What it predicts for.
    pub role: ModelRole,
}

impl Identity {
    /// One that serves.
    #[must_use]
    pub fn serving(model: Option<String>, version: Option<String>) -> Self {
        Self { model, version, role: ModelRole::Serving }
    }

    /// Whether only one of both predicts a row.
    pub(crate) fn is_of_the_same(&self, other: &Self) -> bool {
        self.model == other.model && self.role == other.role
    }

    /// The model's name, for a shadow that of the model that it is one of.
    #[must_use]
    pub fn serving_model(&self) -> Option<&str> {
        self.model.as_deref().map(|model| match self.role {
            ModelRole::Shadow => model.strip_suffix(".shadow").unwrap_or(model),
            ModelRole::Serving | ModelRole::Challenger => model,
        })
    }

    /// As people name it: `model@version`. A shadow has the name of its model.
    #[must_use]
    pub fn name(&self) -> String {
        match (self.serving_model(), &self.version) {
            (Some(model), Some(version)) => format!("{model}@{version}"),
            (Some(model), None) => model.to_owned(),
            (None, Some(version)) => format!("unnamed model, version {version}"),
            (None, None) => "unnamed model".into(),
        }
    }
}
