//! `pipeline dead`: the dead letters on RabbitMQ as work for a person. Look, fix, send back, check the account.
//!
//! Which letters are meant, what goes back and how it is written is decided in pure files; `look`, `requeue`, `import` and `purge`
//! do it. A letter leaves its queue only when what was asked for is done with it, so whoever is cut off begins anew: a letter
//! that was sent back and not yet removed is sent back twice, which its id makes harmless.

mod again;
mod copies;
mod facts;
mod field;
mod import;
mod line;
mod look;
mod options;
mod purge;
mod queue;
mod requeue;
mod shown;
mod tally;
mod wanted;

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use serde_json::Value;
use shared::service::exit;
use shared::transport::{AmqpOptions, Endpoint, Error, LetterRoom};

use options::{Export, Import, List, Purge, Requeue, Show};
use queue::DeadQueue;

/// Looks through the dead letters on RabbitMQ, sends them back to their queue, saves and deletes them.
#[derive(Args, Debug)]
pub struct Dead {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    List(List),
    Show(Show),
    Requeue(Requeue),
    Export(Export),
    Import(Import),
    Purge(Purge),
}

/// How a command has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    /// Some letters stay where they are; what was said names them.
    SomeStay,
    /// There was nothing to do.
    NothingMatched,
}

impl Dead {
    /// Runs the command.
    #[must_use]
    pub fn run(self) -> ExitCode {
        match self.done() {
            Ok(End::Done) => ExitCode::SUCCESS,
            Ok(End::SomeStay) => ExitCode::from(exit::FAILURE),
            Ok(End::NothingMatched) => ExitCode::from(exit::NOTHING_MATCHED),
            Err(why) => {
                eprintln!("pipeline dead failed: {why:#}");
                let incompatible = matches!(why.downcast_ref::<Error>(), Some(Error::Incompatible(_)));
                ExitCode::from(if incompatible { exit::INCOMPATIBLE } else { exit::FAILURE })
            }
        }
    }

    fn done(self) -> anyhow::Result<End> {
        let runtime = tokio::runtime::Runtime::new().context("cannot start threads")?;
        runtime.block_on(async {
            match self.command {
                Command::List(list) => look::list(list).await,
                Command::Show(show) => look::show(show).await,
                Command::Export(export) => look::export(export).await,
                Command::Requeue(requeue) => requeue::run(requeue).await,
                Command::Import(import) => import::run(import).await,
                Command::Purge(purge) => purge::run(purge).await,
            }
        })
    }
}

/// The broker that the flags name.
fn endpoint(amqp: AmqpOptions) -> anyhow::Result<Endpoint> {
    ensure!(
        amqp.name_a_broker(),
        "no broker is named, and only RabbitMQ keeps dead letters: give its address with --amqp-url or AMQP_URL (in one process \
         without a broker, dead letters are gone when it ends)"
    );
    Endpoint::new(amqp)
}

/// The queue that is meant, and how many letters of it are to be looked at; none where it does not exist, which was said.
async fn opened(endpoint: &Endpoint, queue: &str) -> anyhow::Result<(LetterRoom, DeadQueue, u32)> {
    let queue = DeadQueue::parse(queue, endpoint.queues()).map_err(anyhow::Error::msg)?;
    let room = LetterRoom::open(endpoint.clone()).await?;
    let waiting = room.ready(&queue.name).await?;
    let waiting = waiting.with_context(|| {
        format!(
            "there is no queue {} at {endpoint}; `pipeline topology` creates those of the pipeline",
            queue.name
        )
    })?;
    Ok((room, queue, waiting))
}

/// Prints what a command has to say, for people or for programs.
fn print(json: bool, text: &str, value: &Value) {
    if json {
        println!("{}", line::ascii(value));
    } else {
        print!("{text}");
    }
}
