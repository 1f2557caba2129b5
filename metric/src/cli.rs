//! The command line of the program `metric`: flags in, exit code out.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use shared::admin::Healthcheck;
use shared::cli;
use shared::clock::{Clock, Timestamp};
use shared::owner;
use shared::printable::lines;
use shared::service::{self, ServiceOptions, exit};
use shared::transport::{AmqpOptions, Endpoint, Transport};
use tokio::sync::watch;

use crate::MetricOptions;
use crate::alerts::Alerts;
use crate::backup::Backup;
use crate::compare::Compare;
use crate::draw::Plot;
use crate::export::Export;
use crate::models::Models;
use crate::rebuild::Rebuild;
use crate::report::ReportCommand;
use crate::status::Status;
use crate::terminal::Watch;

/// Joins predictions with labels, records them in the logs folder, and says how good they are.
#[derive(Parser, Debug)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    metric: MetricOptions,
    /// When started by root: give the records' folder to the owner of this path, and run as that owner.
    #[arg(long, value_name = "PATH", help_heading = "Records")]
    run_as_owner_of: Option<PathBuf>,
    #[command(flatten)]
    amqp: AmqpOptions,
    #[command(flatten)]
    service: ServiceOptions,
}

#[derive(Subcommand, Debug)]
enum Command {
    Report(ReportCommand),
    Compare(Compare),
    Plot(Plot),
    Watch(Watch),
    Status(Status),
    Alerts(Alerts),
    Export(Export),
    Models(Models),
    Rebuild(Rebuild),
    Backup(Backup),
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
        Some(Command::Healthcheck(healthcheck)) => healthcheck.run(),
        Some(Command::Report(report)) => match report.run() {
            Ok((text, code)) => {
                told(Ok(text));
                code
            }
            Err(why) => told(Err(why)),
        },
        Some(Command::Compare(compare)) => told(compare.run()),
        Some(Command::Plot(plot)) => told(plot.run()),
        Some(Command::Watch(watch)) => told(watch.run().map(|()| String::new())),
        Some(Command::Status(status)) => told(status.run()),
        Some(Command::Alerts(alerts)) => told(alerts.run(Timestamp::now().0)),
        Some(Command::Export(export)) => told(export.run().map(|()| String::new())),
        Some(Command::Models(models)) => told(models.run()),
        Some(Command::Rebuild(rebuild)) => told(rebuild.run()),
        Some(Command::Backup(backup)) => told(backup.run()),
        None => {
            if let Some(path) = &cli.run_as_owner_of
                && let Err(why) = owner::work_as_owner_of(path, &cli.metric.logs)
            {
                eprintln!("metric failed: {why:#}");
                return ExitCode::from(exit::FAILURE);
            }
            let transport = Endpoint::new(cli.amqp).map(Transport::Amqp);
            let settings = cli.metric.settings();
            service::main("metric", cli.service, transport, &settings, |context| {
                crate::run(context, cli.metric, Clock::System, watch::Sender::new(0))
            })
        }
    }
}

/// Prints what a command has found, or why it could not.
fn told(result: anyhow::Result<String>) -> ExitCode {
    match result {
        Ok(text) => {
            // A reader that went away, such as `head`, has seen enough.
            _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("metric failed: {}", lines(&format!("{why:#}")));
            ExitCode::from(exit::FAILURE)
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
