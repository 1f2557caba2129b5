//! The command line of the program `features`: flags in, exit code out.

use std::process::ExitCode;

use crate::{FeaturesOptions, LabelsOptions};
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use shared::admin::Healthcheck;
use shared::cli;
use shared::service::{self, Context, ServiceOptions};
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
    /// Publishes labels for rows that were sent before.
    Labels(Box<Labels>),
    Healthcheck(Healthcheck),
}

#[derive(Args, Debug)]
struct Labels {
    #[command(flatten)]
    labels: LabelsOptions,
    #[command(flatten)]
    amqp: AmqpOptions,
    #[command(flatten)]
    service: ServiceOptions,
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
        Some(Command::Healthcheck(healthcheck)) => healthcheck.run(),
        Some(Command::Labels(cli)) => {
            let Labels { labels, amqp, service } = *cli;
            let settings = labels.settings();
            start(service, amqp, &settings, |context| crate::run_labels(context, labels))
        }
        None => {
            let settings = cli.features.settings();
            start(cli.service, cli.amqp, &settings, |context| crate::run(context, cli.features))
        }
    }
}

fn start<F: Future<Output = anyhow::Result<u64>>>(
    service: ServiceOptions,
    amqp: AmqpOptions,
    settings: &str,
    run: impl FnOnce(Context) -> F,
) -> ExitCode {
    let transport = Endpoint::new(amqp).map(Transport::Amqp);
    service::main("features", service, transport, settings, |context| async { run(context).await.map(drop) })
}

#[cfg(test)]
mod tests {
    #[test]
    fn flags_are_consistent() {
        super::command().debug_assert();
    }
}
