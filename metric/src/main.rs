//! The program `metric`: flags in, exit code out. Everything else is in the library.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use metric::MetricOptions;
use shared::admin;
use shared::service::{self, ServiceOptions};
use shared::transport::{AmqpOptions, Endpoint, Transport};
use tokio::sync::watch;

/// Joins predictions with labels, records them in the logs folder, and says how good they are.
#[derive(Parser, Debug)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    metric: MetricOptions,
    #[command(flatten)]
    amqp: AmqpOptions,
    #[command(flatten)]
    service: ServiceOptions,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Asks the running service whether it is ready: exit code 0 or 1.
    Healthcheck {
        /// The service's admin endpoint.
        #[arg(long, env = "ADMIN_ADDR")]
        admin_addr: admin::Listen,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Healthcheck { admin_addr }) => admin::healthcheck(admin_addr),
        None => {
            service::main("metric", cli.service, Endpoint::new(cli.amqp).map(Transport::Amqp), |context| {
                metric::run(context, cli.metric, watch::Sender::new(0))
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
