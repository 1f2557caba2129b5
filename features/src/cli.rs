//! The command line of the program `features`: flags in, exit code out.

use std::process::ExitCode;

use crate::FeaturesOptions;
use clap::{Parser, Subcommand};
use shared::admin::Healthcheck;
use shared::service::{self, ServiceOptions};
use shared::transport::{AmqpOptions, Endpoint, Transport};

/// Publishes the rows of a table and their labels, for `model` and `metric`.
#[derive(Parser, Debug)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    features: FeaturesOptions,
    #[command(flatten)]
    amqp: AmqpOptions,
    #[command(flatten)]
    service: ServiceOptions,
}

#[derive(Subcommand, Debug)]
enum Command {
    Healthcheck(Healthcheck),
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Healthcheck(healthcheck)) => healthcheck.run(),
        None => service::main(
            "features",
            cli.service,
            Endpoint::new(cli.amqp).map(Transport::Amqp),
            |context| async { crate::run(context, cli.features).await.map(drop) },
        ),
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
