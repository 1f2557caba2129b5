//! The command line of the program `model`: flags in, exit code out.

use std::process::ExitCode;

use crate::ServeOptions;
use crate::train::{self, TrainOptions};
use clap::{Parser, Subcommand};
use shared::admin::Healthcheck;
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
    /// Fits ordinary least squares to a table and writes the model file.
    Train(TrainOptions),
    Healthcheck(Healthcheck),
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Train(options)) => match train::train(&options) {
            Ok(model) => {
                print!("{}", train::report(&model, &options.model));
                ExitCode::SUCCESS
            }
            Err(why) => {
                eprintln!("model train failed: {why:#}");
                ExitCode::FAILURE
            }
        },
        Some(Command::Healthcheck(healthcheck)) => healthcheck.run(),
        None => {
            service::main("model", cli.service, Endpoint::new(cli.amqp).map(Transport::Amqp), |context| {
                crate::run(context, cli.serve)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn flags_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
