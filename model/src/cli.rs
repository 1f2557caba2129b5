//! The command line of the program `model`: flags in, exit code out.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::ServeOptions;
use crate::command::accept::{self, AcceptOptions};
use crate::command::backtest::{self, BacktestOptions};
use crate::command::check::{self, CheckOptions};
use crate::command::convert::{self, ConvertOptions};
use crate::command::inspect::{self, InspectOptions};
use crate::command::predict::{self, PredictOptions};
use crate::command::promote::{self, PromoteOptions};
use crate::onnx::trial;
use crate::train::{self, TrainOptions};
use clap::{CommandFactory as _, Parser, Subcommand};
use shared::admin::Healthcheck;
use shared::cli;
use shared::printable::lines;
use shared::service::{self, ServiceOptions};
use shared::transport::{AmqpOptions, Endpoint, Transport};

/// Serves a regression: takes rows of features, publishes predictions. Without a command it serves.
#[derive(Parser, Debug)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeOptions,
    #[command(flatten)]
    amqp: AmqpOptions,
    #[command(flatten)]
    service: ServiceOptions,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Fits a regression to a table and writes the model file.
    Train(Box<TrainOptions>),
    /// Shows a model file: what it was trained on, how good it is, which features matter.
    Inspect(InspectOptions),
    /// Predicts the rows of a table: `model predict FILE < rows.csv > predictions.csv`.
    Predict(PredictOptions),
    /// Runs every check that a swap would. The exit code is 0 if the file can be used.
    Check(CheckOptions),
    /// Predicts rows that production recorded, and compares with what served: `metric export --features | model backtest FILE`. The
    /// exit code is 0 if the file is better, 4 if it is worse, 3 if neither is known.
    Backtest(BacktestOptions),
    /// Puts a file in the place of the one that serves, after the check that a swap makes, and shows what is known of it.
    Promote(PromoteOptions),
    /// Converts a linear scikit-learn model to a model file, without running anything in it.
    Convert(ConvertOptions),
    /// Has a version serve that was taken back, and not be taken back any more.
    Accept(AcceptOptions),
    Healthcheck(Healthcheck),
    /// Tries an ONNX file that comes from standard input: what this program has done in a process of its own.
    #[command(name = trial::COMMAND, hide = true)]
    TryOnnx,
}

/// Its flags and commands.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = cli::parse::<Cli>();
    let (name, done) = match cli.command {
        None => {
            let transport = Endpoint::new(cli.amqp).map(Transport::Amqp);
            let settings = cli.serve.settings();
            return service::main("model", cli.service, transport, &settings, |context| {
                crate::run(context, cli.serve)
            });
        }
        Some(Command::Healthcheck(healthcheck)) => return healthcheck.run(),
        Some(Command::TryOnnx) => return trial::main(),
        Some(Command::Backtest(options)) => return end("backtest", backtest::backtest(&options)),
        Some(Command::Train(options)) => {
            ("train", train::train(&options).and_then(|trained| train::written(&trained, &options.model)))
        }
        Some(Command::Inspect(options)) => ("inspect", inspect::inspect(&options)),
        Some(Command::Predict(options)) => ("predict", predict::predict(&options).map(|()| String::new())),
        Some(Command::Check(options)) => ("check", check::check(&options)),
        Some(Command::Accept(options)) => ("accept", accept::accept(&options)),
        Some(Command::Promote(options)) => ("promote", promote::promote(&options)),
        Some(Command::Convert(options)) => ("convert", convert::convert(&options)),
    };
    end(name, done.map(|text| (text, ExitCode::SUCCESS)))
}

/// Prints what a command says, and ends with its code.
fn end(name: &str, done: anyhow::Result<(String, ExitCode)>) -> ExitCode {
    match done {
        Ok((text, code)) => {
            // A reader that has seen enough, such as `head`, is no failure.
            _ = io::stdout().write_all(text.as_bytes());
            code
        }
        Err(why) => {
            eprintln!("model {name} failed: {}", lines(&format!("{why:#}")));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn flags_are_consistent() {
        super::command().debug_assert();
    }
}
