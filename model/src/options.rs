//! The service's flags.

use std::path::PathBuf;

use clap::Args;
use shared::message::{BodyKey, Name};

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
}

impl ServeOptions {
    /// What matters of them, for the first line of the log.
    #[must_use]
    pub fn settings(&self) -> String {
        format!("model file {}{}", self.model.display(), self.answers.settings())
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
