//! `pipeline topology`: the exchanges and queues on RabbitMQ, for an administrator.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use shared::service::exit;
use shared::transport::administration::{self, Rights};
use shared::transport::{AmqpOptions, Endpoint, Error};

/// Creates missing exchanges and queues, as a user that may. With them in place, the services need no right to create
/// anything.
#[derive(Args, Debug)]
pub struct Topology {
    /// Print what would be created, and change nothing.
    #[arg(long, conflicts_with_all = ["delete", "rights"])]
    print: bool,

    /// Delete them: only queues without messages and consumers, and exchanges that nothing else is bound to.
    #[arg(long, conflicts_with = "rights")]
    delete: bool,

    /// Delete queues even with messages and consumers.
    #[arg(long, requires = "delete")]
    force: bool,

    /// Print the rights that each service needs, as rabbitmqctl commands.
    #[arg(long)]
    rights: bool,

    #[command(flatten)]
    amqp: AmqpOptions,
}

impl Topology {
    /// Runs the command.
    #[must_use]
    pub fn run(self) -> ExitCode {
        match self.told() {
            Ok((text, code)) => {
                print!("{text}");
                code
            }
            Err(why) => {
                eprintln!("pipeline topology failed: {why:#}");
                let incompatible = matches!(why.downcast_ref::<Error>(), Some(Error::Incompatible(_)));
                ExitCode::from(if incompatible { exit::INCOMPATIBLE } else { exit::FAILURE })
            }
        }
    }

    fn told(self) -> anyhow::Result<(String, ExitCode)> {
        let endpoint = Endpoint::new(self.amqp)?;
        let done =
            |lines: Vec<String>| Ok((lines.into_iter().map(|line| line + "\n").collect(), ExitCode::SUCCESS));
        if self.rights {
            return done(rights(&endpoint)?);
        }
        if self.print {
            let items = administration::items(endpoint.queues());
            return done(items.iter().map(ToString::to_string).collect());
        }
        let runtime = tokio::runtime::Runtime::new().context("cannot start threads")?;
        if self.delete {
            let (gone, stay) = runtime.block_on(administration::delete(&endpoint, self.force))?;
            let code = if stay.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILURE) };
            let stay = stay.into_iter().map(|line| format!("left: {line}"));
            return Ok((gone.into_iter().chain(stay).map(|line| line + "\n").collect(), code));
        }
        done(runtime.block_on(administration::declare(&endpoint))?)
    }
}

fn rights(endpoint: &Endpoint) -> anyhow::Result<Vec<String>> {
    let vhost = endpoint.vhost()?;
    let commands =
        |rights: Vec<Rights>| rights.into_iter().map(|rights| rights.command(&vhost)).collect::<Vec<_>>();
    let today = commands(administration::rights(endpoint.queues()));
    let later = commands(administration::rights_with_side_queues(endpoint.queues()));
    let mut lines =
        vec!["# Each user has the name of what it runs. Once everything is made, this is enough:".to_owned()];
    lines.extend(today.iter().cloned());
    lines.push(
        "# With side queues (cards, questions, control, challengers), which rows do not need:".to_owned(),
    );
    lines.extend(later.into_iter().filter(|command| !today.contains(command)));
    Ok(lines)
}
