//! Looks at exchanges and queues, and makes what is missing where that is ours to do.
//!
//! What exists is used as it is. A queue is made by its consumer, with its queue of dead letters; whoever only publishes
//! waits for that first. Every look and every declaration has a channel of its own, because the broker answers what it
//! refuses by closing the channel.

use std::collections::BTreeMap;
use std::fmt;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind};
use tracing::{info, warn};

use super::endpoint::Endpoint;
use super::link::in_time;
use super::refusal::{self, Kind, Operation, Refusal};
use crate::message::Role;
use crate::transport::Error;
use crate::transport::queues::{Argument, Arguments, DEAD_EXCHANGE, EXCHANGE, QueueName, Subscription};

/// Why a connection could not be made usable.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody answers, or no longer. It may work at another address, or later.
    Unreachable(String),
    /// The broker answers, and refuses. It may work when a person has acted.
    Refused(String),
    /// It will not work until a person has acted and this program is started anew.
    Lasting(Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) | Self::Refused(why) => f.write_str(why),
            Self::Lasting(error) => error.fmt(f),
        }
    }
}

/// What the broker said when it closed a channel or a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) text: String,
}

/// The broker's answer, where an error is one.
pub(super) fn answer_of(why: &lapin::Error) -> Option<Answer> {
    match why.kind() {
        ErrorKind::ProtocolError(error) => {
            Some(Answer { code: error.get_id(), text: error.get_message().to_string() })
        }
        _ => None,
    }
}

/// A queue that exists.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// How many messages are ready for a consumer.
    pub(super) messages: u32,
    pub(super) consumers: u32,
}

/// Whether messages can reach a queue.
pub(super) enum Route {
    /// It is bound to our exchange now.
    Bound,
    /// It may not be bound by us: it can be published to by its name.
    ByName,
    /// It does not exist.
    Missing,
}

/// Runs a call on a channel of its own. The inner result is the broker's.
pub(super) async fn ask<T>(
    connection: &Connection,
    what: String,
    call: impl AsyncFnOnce(Channel) -> lapin::Result<T>,
) -> Result<Result<T, Answer>, Failure> {
    let channel = in_time("opening a channel", connection.create_channel()).await?;
    let asked = call(channel.clone());
    let answered = async {
        match asked.await {
            Ok(done) => Ok(Ok(done)),
            Err(why) => answer_of(&why).map(Err).ok_or(why),
        }
    };
    let answer = in_time(&what, answered).await?;
    if answer.is_ok() {
        in_time("closing a channel", channel.close(200, "done".into())).await?;
    }
    Ok(answer)
}

/// Looks whether a queue exists. That needs no right.
pub(super) async fn look(
    connection: &Connection,
    endpoint: &Endpoint,
    queue: &QueueName,
) -> Result<Option<Found>, Failure> {
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let looked = ask(connection, format!("looking at the queue {queue}"), async |channel| {
        channel.queue_declare(queue.as_str().into(), options, FieldTable::default()).await
    });
    match looked.await? {
        Ok(state) => Ok(Some(Found { messages: state.message_count(), consumers: state.consumer_count() })),
        Err(answer) => {
            let refusal = endpoint.refused(&Operation::LookAtQueue(queue.as_str()), &answer);
            match refusal.kind {
                Kind::Missing => Ok(None),
                _ => Err(failure(refusal)),
            }
        }
    }
}

/// Makes sure that an exchange exists.
pub(super) async fn exchange(
    connection: &Connection,
    endpoint: &Endpoint,
    name: &'static str,
) -> Result<(), Failure> {
    let declare = |passive| async move {
        let options = ExchangeDeclareOptions { durable: true, passive, ..Default::default() };
        ask(connection, format!("declaring the exchange {name}"), async |channel| {
            channel.exchange_declare(name.into(), ExchangeKind::Direct, options, FieldTable::default()).await
        })
        .await
    };
    let there = declare(true).await?.is_ok();
    // Looking at it does not tell its kind; declaring it does, to whoever may.
    match declare(false).await? {
        Ok(()) => {
            if !there {
                info!("created the exchange {name} at {endpoint}");
            }
            Ok(())
        }
        Err(answer) => {
            let refusal = endpoint.refused(&Operation::DeclareExchange(name), &answer);
            Err(match refusal.kind {
                Kind::NoRight if there => return Ok(()),
                Kind::NoRight => Failure::Refused(format!(
                    "there is no exchange {name}, and this user may not create it: {}. Or have an administrator run `pipeline topology`",
                    refusal.sentence
                )),
                Kind::Differs { .. } => Failure::Lasting(Error::Incompatible(
                    format!(
                        "the exchange {name} at {endpoint} exists but is not direct and durable: {}. Use another vhost, or delete the exchange if nothing else uses it",
                        answer.text
                    )
                    .into(),
                )),
                _ => failure(refusal),
            })
        }
    }
}

/// Makes sure that a queue of ours exists, is bound, and has its dead letters.
pub(super) async fn own(
    connection: &Connection,
    endpoint: &Endpoint,
    subscription: &Subscription,
) -> Result<Found, Failure> {
    exchange(connection, endpoint, EXCHANGE).await?;
    let Subscription { queue, key, arguments, .. } = subscription;
    // Before the queue that names their exchange.
    if let Err(why) = dead_letters(connection, endpoint, subscription).await {
        match why {
            Failure::Refused(why) => {
                let key = format!("dead letters of {queue}");
                endpoint.once(&key, || {
                    warn!("dead letters of {queue} have no queue: {why}. Messages that cannot be used wait and are counted");
                });
            }
            other => return Err(other),
        }
    }
    let found = match look(connection, endpoint, queue).await? {
        Some(found) => {
            compare(connection, endpoint, queue, arguments).await?;
            found
        }
        None => {
            declare_missing(connection, endpoint, queue, arguments).await?;
            Found { messages: 0, consumers: 0 }
        }
    };
    if let Err(why) = bind(connection, endpoint, queue, EXCHANGE, key).await? {
        tracing::debug!("{queue} cannot be bound to {EXCHANGE}: {why}");
    }
    Ok(found)
}

/// Makes a queue that is missing, in its consumer's place: with its dead letters, bound.
pub(super) async fn make(
    connection: &Connection,
    endpoint: &Endpoint,
    subscription: &Subscription,
) -> Result<(), Failure> {
    exchange(connection, endpoint, EXCHANGE).await?;
    dead_letters(connection, endpoint, subscription).await?;
    let Subscription { queue, key, arguments, .. } = subscription;
    declare_missing(connection, endpoint, queue, arguments).await?;
    bind(connection, endpoint, queue, EXCHANGE, key).await?.map_err(Failure::Refused)
}

/// Makes a queue that is missing, unbound.
pub(super) async fn declare_missing(
    connection: &Connection,
    endpoint: &Endpoint,
    queue: &QueueName,
    arguments: &Arguments,
) -> Result<(), Failure> {
    match declare(connection, queue, arguments).await? {
        Ok(()) => {
            info!("created the queue {queue} at {endpoint} ({})", endpoint.queues().kind());
            Ok(())
        }
        Err(answer) => Err(refused_queue(endpoint, queue, &answer)),
    }
}

/// Makes sure that the dead letters of a queue have their place, where it has any.
pub(super) async fn dead_letters(
    connection: &Connection,
    endpoint: &Endpoint,
    subscription: &Subscription,
) -> Result<(), Failure> {
    let Some(arguments) = &subscription.dead_arguments else { return Ok(()) };
    exchange(connection, endpoint, DEAD_EXCHANGE).await?;
    let dead = subscription.dead();
    if look(connection, endpoint, &dead).await?.is_none() {
        match declare(connection, &dead, arguments).await? {
            Ok(()) => info!("created the queue {dead} at {endpoint}"),
            Err(answer) => return Err(refused_queue(endpoint, &dead, &answer)),
        }
    }
    // Where it exists and we may not bind it, an administrator has.
    if let Err(why) = bind(connection, endpoint, &dead, DEAD_EXCHANGE, &subscription.queue).await? {
        tracing::debug!("{dead} cannot be bound to {DEAD_EXCHANGE}: {why}");
    }
    Ok(())
}

/// Finds out why a message for this queue came back, and binds the queue where that helps.
pub(super) async fn route(
    connection: &Connection,
    endpoint: &Endpoint,
    queue: &QueueName,
) -> Result<Route, Failure> {
    if look(connection, endpoint, queue).await?.is_none() {
        return Ok(Route::Missing);
    }
    match bind(connection, endpoint, queue, EXCHANGE, queue).await? {
        Ok(()) => Ok(Route::Bound),
        Err(why) => {
            tracing::debug!("{queue} cannot be bound to {EXCHANGE}: {why}");
            Ok(Route::ByName)
        }
    }
}

pub(super) async fn declare(
    connection: &Connection,
    queue: &QueueName,
    arguments: &Arguments,
) -> Result<Result<(), Answer>, Failure> {
    let options = QueueDeclareOptions { durable: arguments.durable, ..Default::default() };
    let declared = ask(connection, format!("declaring the queue {queue}"), async |channel| {
        channel.queue_declare(queue.as_str().into(), options, table(arguments)).await
    });
    Ok(declared.await?.map(drop))
}

/// The inner error is a sentence.
pub(super) async fn bind(
    connection: &Connection,
    endpoint: &Endpoint,
    queue: &QueueName,
    exchange: &str,
    key: &QueueName,
) -> Result<Result<(), String>, Failure> {
    let options = QueueBindOptions::default();
    let bound = ask(connection, format!("binding the queue {queue}"), async |channel| {
        let (queue, key) = (queue.as_str().into(), key.as_str().into());
        channel.queue_bind(queue, exchange.into(), key, options, FieldTable::default()).await
    });
    let operation = Operation::Bind { queue: queue.as_str(), exchange };
    Ok(bound.await?.map_err(|answer| endpoint.refused(&operation, &answer).sentence))
}

/// Says once how a queue that exists differs from how we would have made it, as far as the broker tells, and what that
/// costs.
pub(super) async fn compare(
    connection: &Connection,
    endpoint: &Endpoint,
    queue: &QueueName,
    arguments: &Arguments,
) -> Result<(), Failure> {
    let Err(answer) = declare(connection, queue, arguments).await? else { return Ok(()) };
    let refusal = endpoint.refused(&Operation::DeclareQueue(queue.as_str()), &answer);
    match refusal.kind {
        Kind::Stream => Err(Failure::Lasting(Error::Incompatible(
            format!(
                "{queue} at {endpoint} is a stream, which delivers its messages again and again; a queue is needed. \
                 Name another queue for {}",
                owner_flag(endpoint, queue)
            )
            .into(),
        ))),
        Kind::Differs { argument } => {
            let kind = endpoint.queues().kind();
            let cost = refusal::cost_of_difference(&answer.text)
                .unwrap_or_else(|| format!("its {argument} differs"));
            endpoint.once(&format!("{queue} differs"), || {
                warn!("queue {queue} exists and is used as it is, though --queue-kind {kind} would create it differently: {cost}");
            });
            Ok(())
        }
        // Without the right to declare, nobody can tell.
        _ => Ok(()),
    }
}

fn owner_flag(endpoint: &Endpoint, queue: &QueueName) -> &'static str {
    let role = Role::ALL.into_iter().find(|role| endpoint.queues().name(*role) == queue);
    flag(role.unwrap_or(Role::Features))
}

/// The flag that names the queue of a role.
pub(super) fn flag(role: Role) -> &'static str {
    match role {
        Role::Features => "--features-queue",
        Role::Label => "--labels-queue",
        Role::Prediction => "--predictions-queue",
    }
}

/// A queue that is missing and cannot be made.
pub(super) fn refused_queue(endpoint: &Endpoint, queue: &QueueName, answer: &Answer) -> Failure {
    let refusal = endpoint.refused(&Operation::DeclareQueue(queue.as_str()), answer);
    match refusal.kind {
        Kind::NoRight => Failure::Refused(format!(
            "there is no queue {queue}, and this user may not create it: {}. Or have an administrator run `pipeline topology`",
            refusal.sentence
        )),
        Kind::ReservedName | Kind::TransientRefused | Kind::Stream => {
            Failure::Lasting(Error::Incompatible(refusal.sentence.into()))
        }
        _ => failure(refusal),
    }
}

fn failure(refusal: Refusal) -> Failure {
    Failure::Refused(refusal.sentence)
}

pub(super) fn table(arguments: &Arguments) -> FieldTable {
    let value = |argument| match argument {
        Argument::Int(int) => AMQPValue::LongLongInt(int),
        Argument::Text(text) => AMQPValue::LongString(LongString::from(text)),
    };
    let entries = arguments.list.iter().map(|(name, argument)| (ShortString::from(*name), value(*argument)));
    entries.collect::<BTreeMap<_, _>>().into()
}
