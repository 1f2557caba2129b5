//! The program's flags. Lambda gives a program none, so each has its variable, as those of the other programs have.

use std::path::PathBuf;

use clap::Parser;
use model::AnswerOptions;
use shared::telemetry::TelemetryOptions;
use shared::transport::AmqpOptions;

/// The model as a function on AWS Lambda, which starts this program and gives it events. Its flags come as variables of the function.
#[derive(Parser, Debug)]
#[command(name = "bootstrap", version)]
pub(crate) struct Options {
    /// The model file, loaded once at the start. [default: model.json beside the program, else /opt/model.json]
    #[arg(long, value_name = "FILE", help_heading = "Model")]
    pub(crate) model: Option<PathBuf>,

    /// How rows are answered.
    #[command(flatten)]
    pub(crate) answers: AnswerOptions,

    /// Namespace of the metrics in CloudWatch.
    #[arg(long, value_name = "NAME", default_value = "pipeline", value_parser = namespace, help_heading = "Metrics")]
    pub(crate) metrics_namespace: String,

    /// Where predictions and dead letters of RabbitMQ's rows go.
    #[command(flatten)]
    pub(crate) amqp: AmqpOptions,

    /// What is logged.
    #[command(flatten)]
    pub(crate) log: TelemetryOptions,
}

/// CloudWatch's rule, and `AWS/` is its own.
fn namespace(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_/#: ".contains(c);
    let fits = (1..=255).contains(&text.len()) && text.chars().all(allowed) && !text.trim().is_empty();
    if fits && !text.starts_with(':') && !text.starts_with("AWS/") {
        return Ok(text.to_owned());
    }
    Err("expected 1 to 255 characters out of A-Z a-z 0-9 . - _ / # : and space, beginning neither with : nor with AWS/"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_consistent() {
        crate::command().debug_assert();
    }

    #[test]
    fn a_namespace_is_one_that_cloudwatch_takes() {
        for good in ["pipeline", "team/pipeline", "a"] {
            assert_eq!(namespace(good).as_deref(), Ok(good));
        }
        for bad in ["", " ", "AWS/Lambda", ":a", "a\nb", &"x".repeat(256)] {
            assert!(namespace(bad).is_err(), "{bad:?}");
        }
    }
}
