//! The command line of the program `pipeline`: flags in, exit code out.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use shared::admin::Healthcheck;
use shared::cli;
use shared::service::{self, ServiceOptions};
use shared::transport::{AmqpOptions, Endpoint, Transport};

use crate::PipelineOptions;
use crate::asyncapi::AsyncApi;
use crate::dead::Dead;
use crate::topology::Topology;

/// Runs features, model and metric in one process: rows are published, predicted, joined with their labels and
/// recorded in the logs folder. Needs no broker.
#[derive(Parser, Debug)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// How the services exchange messages.
    #[arg(long, value_enum, default_value_t = Kind::Memory)]
    transport: Kind,
    #[command(flatten)]
    pipeline: PipelineOptions,
    #[command(flatten)]
    amqp: AmqpOptions,
    #[command(flatten)]
    service: ServiceOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Inside this process.
    Memory,
    /// Through RabbitMQ.
    Amqp,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Creates, shows or deletes the exchanges and queues on RabbitMQ, and prints the rights that each service needs.
    Topology(Topology),
    Dead(Dead),
    #[command(name = "asyncapi")]
    AsyncApi(AsyncApi),
    Healthcheck(Healthcheck),
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
    match cli.command {
        Some(Command::Healthcheck(healthcheck)) => return healthcheck.run(),
        Some(Command::Topology(topology)) => return topology.run(),
        Some(Command::Dead(dead)) => return dead.run(),
        Some(Command::AsyncApi(asyncapi)) => return asyncapi.run(),
        None => {}
    }
    let transport = match cli.transport {
        Kind::Memory => Ok(Transport::in_memory()),
        Kind::Amqp => Endpoint::new(cli.amqp).map(Transport::Amqp),
    };
    let settings = cli.pipeline.settings();
    service::main("pipeline", cli.service, transport, &settings, |context| crate::run(context, cli.pipeline))
}

#[cfg(test)]
mod tests {
    #[test]
    fn flags_are_consistent() {
        super::command().debug_assert();
    }
}
