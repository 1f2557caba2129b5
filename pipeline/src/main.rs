//! The program `pipeline`: flags in, exit code out. Everything else is in the library.
//!
//! Started under the name of a service, it is that service: so the container image holds one program with four
//! names.

use std::env;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use pipeline::PipelineOptions;
use pipeline::topology::Topology;
use shared::admin::Healthcheck;
use shared::service::{self, ServiceOptions};
use shared::transport::{AmqpOptions, Endpoint, Transport};

/// Runs features, model and metric in one process: rows are published, predicted, joined with their labels and
/// recorded in the logs folder. Needs no broker.
#[derive(Parser, Debug)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// How the services exchange messages.
    #[arg(long, env = "TRANSPORT", value_enum, default_value_t = Kind::Memory)]
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
    /// Makes, shows or removes the exchanges and queues on RabbitMQ, and says which rights each service needs.
    Topology(Topology),
    Healthcheck(Healthcheck),
}

fn main() -> ExitCode {
    let name = env::args_os().next().unwrap_or_default();
    match Path::new(&name).file_name().and_then(|name| name.to_str()) {
        Some("features") => features::cli::main(),
        Some("model") => model::cli::main(),
        Some("metric") => metric::cli::main(),
        _ => all_three(),
    }
}

fn all_three() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Healthcheck(healthcheck)) => return healthcheck.run(),
        Some(Command::Topology(topology)) => return topology.run(),
        None => {}
    }
    let transport = match cli.transport {
        Kind::Memory => Ok(Transport::in_memory()),
        Kind::Amqp => Endpoint::new(cli.amqp).map(Transport::Amqp),
    };
    service::main("pipeline", cli.service, transport, |context| pipeline::run(context, cli.pipeline))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn flags_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
