//! The service's flags.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use shared::message::{BodyKey, ModelRole, Name};

pub use crate::doors::http::{HttpOptions, HttpRecord};

/// Which model is served, and how.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Model")]
pub struct ServeOptions {
    /// The model file: .json, or from elsewhere .onnx, .pkl or .joblib. It may be replaced while the service runs.
    #[arg(long, value_name = "FILE", default_value = "data/model.json")]
    pub model: PathBuf,

    /// How rows are answered.
    #[command(flatten)]
    pub answers: AnswerOptions,

    /// What becomes of earlier versions.
    #[command(flatten)]
    pub versions: VersionOptions,

    /// Do not serve: predict the same rows beside the model that serves, under this name, to be compared with it. The rows come by a
    /// queue of its own, and nothing that becomes of it touches the others.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["model_name", "versions"], help_heading = "Versions")]
    pub challenger: Option<Name>,

    /// Who is answered over HTTP.
    #[command(flatten)]
    pub http: HttpOptions,
}

/// How rows are answered.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Model")]
pub struct AnswerOptions {
    /// Model name stamped on every prediction, next to the version.
    #[arg(long, value_name = "NAME", default_value = "model")]
    pub model_name: Name,

    /// Refuse rows with a feature outside the trained range; otherwise they are predicted and counted. Only files that
    /// `model train` wrote know that range.
    #[arg(long)]
    pub strict: bool,

    /// Publish predictions without the features that they were made from. metric keeps those otherwise.
    #[arg(long)]
    pub no_features: bool,

    /// Key of the prediction beside the id, where the row had its id in the body; such as `y_pred`.
    #[arg(long, value_name = "KEY", default_value_t)]
    pub predictions_key: BodyKey,

    /// What the predictions are for.
    #[arg(skip)]
    pub role: ModelRole,
}

/// What becomes of the versions that served before.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Versions")]
pub struct VersionOptions {
    /// Folder that keeps the last 5 files that served, and which versions were taken back or accepted, so that a restart knows
    /// them. Several models of one name may share it.
    #[arg(long, value_name = "DIR")]
    pub versions: Option<PathBuf>,

    /// After a swap, have the version before go on predicting the same rows as NAME.shadow, until metric knows which of the two is
    /// better.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub shadow: ShadowWhen,
}

/// Whether the version before goes on after a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ShadowWhen {
    /// It does.
    #[default]
    On,
    /// It does not.
    Off,
}

impl ServeOptions {
    /// What matters of them, for the first line of the log.
    #[must_use]
    pub fn settings(&self) -> String {
        let file = format!("model file {}", self.model.display());
        match &self.challenger {
            Some(name) => format!("{file} as the challenger {name}"),
            None => file + &self.answers.settings(),
        }
    }
}

impl AnswerOptions {
    /// Whether predictions carry what they were made from.
    #[must_use]
    pub fn keeps_features(&self) -> bool {
        !self.no_features
    }

    /// What matters of them, for the first line of the log.
    #[must_use]
    pub fn settings(&self) -> String {
        let name = if self.model_name.as_str() == "model" {
            String::new()
        } else {
            format!(" as {}", self.model_name)
        };
        if self.strict { name + ", strict" } else { name }
    }
}
