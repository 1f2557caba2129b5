//! What an administrator does: make everything, remove it, and know which rights each service needs.
//!
//! The services need no more than [`rights`] says, once everything is made.

use std::fmt;
use std::sync::Arc;

use anyhow::{bail, ensure};
use lapin::Connection;
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};

use super::dial::{self, Round};
use super::endpoint::Endpoint;
use super::guard::watch::Watch;
use super::refusal::{Kind, Operation, quoted};
use super::topology::{self, Failure, ask};
use crate::message::Role;
use crate::transport::queues::{Argument, Arguments, DEAD_EXCHANGE, EXCHANGE, QueueName, Queues};
use crate::transport::side::SideQueue;

/// Something on the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A durable direct exchange.
    Exchange(&'static str),
    /// A queue, and the exchange and key that it is bound to.
    Queue {
        /// Its name.
        name: QueueName,
        /// With what it is made.
        arguments: Arguments,
        /// The exchange.
        exchange: &'static str,
        /// The routing key.
        key: QueueName,
    },
}

/// One line for people.
impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange(name) => write!(f, "exchange {name}: direct, durable"),
            Self::Queue { name, arguments, exchange, key } => {
                write!(f, "queue {name}: {}", if arguments.durable { "durable" } else { "transient" })?;
                for (name, value) in &arguments.list {
                    match value {
                        Argument::Int(int) => write!(f, ", {name}={int}")?,
                        Argument::Text(text) => write!(f, ", {name}={text}")?,
                    }
                }
                write!(f, "; bound to {exchange} with the key {key}")
            }
        }
    }
}

/// Everything that the pipeline needs on a broker, in the order in which it is made.
#[must_use]
pub fn items(queues: &Queues) -> Vec<Item> {
    let mut items = vec![Item::Exchange(EXCHANGE), Item::Exchange(DEAD_EXCHANGE)];
    for role in Role::ALL {
        let one = queues.subscription(role);
        items.extend(one.dead_arguments.clone().map(|arguments| Item::Queue {
            name: one.dead(),
            arguments,
            exchange: DEAD_EXCHANGE,
            key: one.queue.clone(),
        }));
        items.push(Item::Queue {
            name: one.queue,
            arguments: one.arguments,
            exchange: EXCHANGE,
            key: one.key,
        });
    }
    for side in SideQueue::ALL {
        let name = queues.side(side);
        let arguments = side.arguments(queues.kind());
        items.push(Item::Queue { key: name.clone(), name, arguments, exchange: EXCHANGE });
    }
    items
}

/// The permissions of a user: three regular expressions, as `rabbitmqctl set_permissions` takes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Who needs them.
    pub user: &'static str,
    /// What may be declared and deleted.
    pub configure: String,
    /// What may be published to.
    pub write: String,
    /// What may be consumed.
    pub read: String,
}

impl Rights {
    /// The command that gives them.
    #[must_use]
    pub fn command(&self, vhost: &str) -> String {
        let Self { user, configure, write, read } = self;
        format!("rabbitmqctl set_permissions -p {} {user} '{configure}' '{write}' '{read}'", quoted(vhost))
    }
}

/// What each service needs, and whoever looks after the dead letters and the queues.
#[must_use]
pub fn rights(queues: &Queues) -> Vec<Rights> {
    let [features, labels, predictions] = names(queues);
    let rights = |user, configure: &str, write: &str, read: &str| Rights {
        user,
        configure: configure.to_owned(),
        write: write.to_owned(),
        read: read.to_owned(),
    };
    let all = format!(r"^(pipeline|{features}|{labels}|{predictions})(\..+)?$");
    vec![
        rights("features", "^$", "^pipeline$", "^$"),
        rights("model", "^$", r"^pipeline(\.dead)?$", &format!("^{features}$")),
        rights(
            "metric",
            &format!(r"^{predictions}\.metric$"),
            r"^pipeline\.dead$",
            &format!("^({labels}|{predictions})$"),
        ),
        rights("dead", "^$", r"^amq\.default$", &format!(r"^({features}|{labels}|{predictions})\.dead$")),
        rights("topology", &all, &all, &all),
    ]
}

/// What `model` and `metric` need besides for the side queues: cards of models (`<predictions>.cards`, which `metric` makes),
/// questions (`<features>.ask`, which `model` makes, answered by way of `amq.default`), what `metric` decides of versions (by way of
/// `pipeline` to `<features>.control.*`, one a `model`) and challengers (`<features>.challenger.*`). Rows flow without them.
#[must_use]
pub fn rights_with_side_queues(queues: &Queues) -> Vec<Rights> {
    let [features, labels, predictions] = names(queues);
    let side = format!(r"{features}\.(ask|control\..+|challenger\..+)");
    let mut all = rights(queues);
    for rights in &mut all {
        match rights.user {
            "model" => {
                rights.configure = format!("^{side}$");
                rights.write = format!(r"^(pipeline(\.dead)?|amq\.default|{side})$");
                rights.read = format!("^(pipeline|{features}|{side})$");
            }
            "metric" => {
                rights.configure = format!(r"^{predictions}\.(metric|cards)$");
                rights.write = format!(r"^(pipeline(\.dead)?|{predictions}\.cards)$");
                rights.read = format!(r"^(pipeline|{labels}|{predictions}(\.cards)?)$");
            }
            _ => {}
        }
    }
    all
}

/// The queues' names as regular expressions.
fn names(queues: &Queues) -> [String; 3] {
    Role::ALL.map(|role| queues.name(role).as_str().replace('.', r"\."))
}

/// Makes everything that is missing. Returns a line for each item, with what was found or done.
///
/// # Errors
/// No broker, or one that refuses.
pub async fn declare(endpoint: &Endpoint) -> anyhow::Result<Vec<String>> {
    let (connection, _) = connect(endpoint, "topology").await?;
    let mut lines = Vec::new();
    for item in items(endpoint.queues()) {
        match &item {
            Item::Exchange(name) => {
                topology::exchange(&connection, endpoint, name).await.map_err(told)?;
                lines.push(format!("{item}: exists"));
            }
            Item::Queue { name, arguments, exchange, key } => {
                let there = topology::look(&connection, endpoint, name).await.map_err(told)?;
                let done = match there {
                    Some(found) => format!("exists, with {} messages", found.messages),
                    None => {
                        if let Err(answer) =
                            topology::declare(&connection, name, arguments).await.map_err(told)?
                        {
                            bail!("{}", topology::refused_queue(endpoint, name, &answer));
                        }
                        "created".to_owned()
                    }
                };
                let bound = topology::bind(&connection, endpoint, name, exchange, key).await.map_err(told)?;
                bound.map_err(anyhow::Error::msg)?;
                lines.push(format!("{item}: {done}"));
            }
        }
    }
    close(connection).await;
    Ok(lines)
}

/// Removes everything: queues that are empty and that nobody consumes, or all of them where `force` says so, and then the
/// exchanges that nothing else is bound to. Returns a line for each item; what had to stay is the second result.
///
/// # Errors
/// No broker, or one that refuses.
pub async fn delete(endpoint: &Endpoint, force: bool) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let (connection, _) = connect(endpoint, "topology").await?;
    let (mut gone, mut stay) = (Vec::new(), Vec::new());
    for item in items(endpoint.queues()).into_iter().rev() {
        match item {
            Item::Queue { name, .. } => {
                let Some(found) = topology::look(&connection, endpoint, &name).await.map_err(told)? else {
                    gone.push(format!("queue {name}: did not exist"));
                    continue;
                };
                if !force && found.consumers > 0 {
                    stay.push(format!("queue {name}: has {} consumers; stop them first", found.consumers));
                } else if !force && found.messages > 0 {
                    stay.push(format!(
                        "queue {name}: has {} messages; --force deletes them with it",
                        found.messages
                    ));
                } else {
                    let options = QueueDeleteOptions::default();
                    let deleted = ask(&connection, format!("deleting the queue {name}"), async |channel| {
                        channel.queue_delete(name.as_str().into(), options).await
                    });
                    if let Err(answer) = deleted.await.map_err(told)? {
                        bail!("{}", endpoint.refused(&Operation::Delete(name.as_str()), &answer).sentence);
                    }
                    gone.push(format!("queue {name}: deleted, with {} messages", found.messages));
                }
            }
            Item::Exchange(name) => {
                let options = ExchangeDeleteOptions { if_unused: true, ..Default::default() };
                let deleted = ask(&connection, format!("deleting the exchange {name}"), async |channel| {
                    channel.exchange_delete(name.into(), options).await
                });
                match deleted.await.map_err(told)? {
                    Ok(()) => gone.push(format!("exchange {name}: deleted")),
                    Err(answer) => {
                        let refusal = endpoint.refused(&Operation::Delete(name), &answer);
                        ensure!(refusal.kind != Kind::NoRight, "{}", refusal.sentence);
                        stay.push(format!("exchange {name}: still has queues bound to it"));
                    }
                }
            }
        }
    }
    close(connection).await;
    Ok((gone, stay))
}

/// Tries each of the broker's addresses once. `purpose` is for people who read the broker's list of connections.
pub(super) async fn connect(
    endpoint: &Endpoint,
    purpose: &str,
) -> anyhow::Result<(Arc<Connection>, Arc<Watch>)> {
    let mut round = Round::default();
    loop {
        match dial::connect(endpoint, &mut round, purpose).await {
            Ok((connection, watch)) => return Ok((Arc::new(connection), watch)),
            Err(why) if round.is_over() => return Err(told(why).context(format!("at {endpoint}"))),
            Err(_) => {}
        }
    }
}

pub(super) async fn close(connection: Arc<Connection>) {
    // What was asked for is done; how the connection ends changes nothing.
    _ = connection.close(200, "done".into()).await;
}

pub(super) fn told(failure: Failure) -> anyhow::Error {
    match failure {
        Failure::Lasting(error) => error.into(),
        other => anyhow::anyhow!("{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::queues::{Exercise, QueueOptions};

    #[test]
    fn rights_follow_the_queues_names() {
        let options = QueueOptions { exercise: Exercise::V2, ..QueueOptions::default() };
        let queues = Queues::new(&options).unwrap();
        let commands: Vec<String> = rights(&queues).iter().map(|rights| rights.command("/")).collect();
        assert_eq!(commands[0], "rabbitmqctl set_permissions -p / features '^$' '^pipeline$' '^$'");
        assert_eq!(
            commands[2],
            r"rabbitmqctl set_permissions -p / metric '^y_pred\.metric$' '^pipeline\.dead$' '^(y_true|y_pred)$'"
        );
    }

    #[test]
    fn what_is_made_is_said() {
        let lines: Vec<String> = items(&Queues::default()).iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 10);
        assert_eq!(lines[0], "exchange pipeline: direct, durable");
        assert!(lines[3].starts_with("queue Features: durable, x-queue-type=quorum"), "{}", lines[3]);
        assert!(lines[3].ends_with("; bound to pipeline with the key Features"), "{}", lines[3]);
        let cards =
            "queue y_predict.cards: durable, x-queue-type=quorum, x-delivery-limit=20, x-max-length=256";
        assert!(lines[8].starts_with(cards), "{}", lines[8]);
        assert!(lines[8].ends_with("; bound to pipeline with the key y_predict.cards"), "{}", lines[8]);
        assert!(lines[9].starts_with("queue Features.ask: durable, "), "{}", lines[9]);
        assert!(lines[9].contains("x-message-ttl=5000"), "{}", lines[9]);
    }
}
