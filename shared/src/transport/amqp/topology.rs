//! The exchanges, queues and bindings that every service declares before it uses them.

use std::collections::BTreeMap;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, ErrorKind, ExchangeKind};

use super::content::{DEAD_EXCHANGE, EXCHANGE};
use super::endpoint::{Endpoint, QueueKind};
use crate::message::Role;
use crate::transport::Error;

/// Stands in for "no limit": -1 means that on RabbitMQ 4 and "drop at the first redelivery" on 3.10, and no
/// limit given means 20 on RabbitMQ 4, which loses good messages of a consumer that crashes in a loop.
const DELIVERY_LIMIT: i64 = 1_000_000;

/// How many messages a queue holds before it refuses more and publishers wait. Quorum queues are not made for
/// longer ones.
const MAX_LENGTH: i64 = 5_000_000;

/// Why a connection could not be made usable.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may work later.
    Passing(String),
    /// It will not work until a person has acted.
    Lasting(Error),
}

impl From<lapin::Error> for Failure {
    fn from(why: lapin::Error) -> Self {
        Self::Passing(why.to_string())
    }
}

/// Declares everything. Declaring what exists alike changes nothing.
pub(super) async fn declare(channel: &Channel, endpoint: &Endpoint) -> Result<(), Failure> {
    let kind = endpoint.queue_kind();
    for exchange in [EXCHANGE, DEAD_EXCHANGE] {
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        channel
            .exchange_declare(exchange.into(), ExchangeKind::Direct, options, FieldTable::default())
            .await
            .map_err(|why| refused(&why, What::Exchange, exchange, endpoint))?;
    }
    for queue in Role::ALL {
        let durable = kind != QueueKind::Transient;
        declare_queue(channel, queue.name(), durable, arguments(kind), endpoint).await?;
        declare_queue(channel, queue.dead_name(), true, dead_arguments(kind), endpoint).await?;
        for (exchange, name) in [(EXCHANGE, queue.name()), (DEAD_EXCHANGE, queue.dead_name())] {
            let key = queue.name().into();
            let options = QueueBindOptions::default();
            channel.queue_bind(name.into(), exchange.into(), key, options, FieldTable::default()).await?;
        }
    }
    Ok(())
}

async fn declare_queue(
    channel: &Channel,
    name: &'static str,
    durable: bool,
    arguments: FieldTable,
    endpoint: &Endpoint,
) -> Result<(), Failure> {
    let options = QueueDeclareOptions { durable, ..Default::default() };
    match channel.queue_declare(name.into(), options, arguments).await {
        Ok(_) => Ok(()),
        Err(why) => Err(refused(&why, What::Queue, name, endpoint)),
    }
}

/// The arguments with which a queue is declared, chosen so that RabbitMQ 3.10 to 4.3 understand them alike.
fn arguments(kind: QueueKind) -> FieldTable {
    let dead_letters = ("x-dead-letter-exchange", text(DEAD_EXCHANGE));
    match kind {
        QueueKind::Quorum => table([
            ("x-queue-type", text("quorum")),
            ("x-delivery-limit", AMQPValue::LongLongInt(DELIVERY_LIMIT)),
            dead_letters,
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-overflow", text("reject-publish")),
            ("x-max-length", AMQPValue::LongLongInt(MAX_LENGTH)),
        ]),
        QueueKind::Classic => table([("x-queue-type", text("classic")), dead_letters]),
        // What `queue_declare(queue=name)` means in Python: none at all.
        QueueKind::Transient => FieldTable::default(),
    }
}

fn dead_arguments(kind: QueueKind) -> FieldTable {
    match kind {
        QueueKind::Quorum => table([
            ("x-queue-type", text("quorum")),
            ("x-delivery-limit", AMQPValue::LongLongInt(DELIVERY_LIMIT)),
            ("x-overflow", text("reject-publish")),
            ("x-max-length", AMQPValue::LongLongInt(MAX_LENGTH)),
        ]),
        QueueKind::Classic | QueueKind::Transient => table([("x-queue-type", text("classic"))]),
    }
}

fn table<const N: usize>(arguments: [(&'static str, AMQPValue); N]) -> FieldTable {
    arguments
        .map(|(name, value)| (ShortString::from(name), value))
        .into_iter()
        .collect::<BTreeMap<_, _>>()
        .into()
}

fn text(value: &'static str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Exchange,
    Queue,
}

/// Tells a refusal that lasts from a failure that passes.
fn refused(why: &lapin::Error, what: What, name: &'static str, endpoint: &Endpoint) -> Failure {
    let ErrorKind::ProtocolError(error) = why.kind() else {
        return Failure::Passing(format!("declaring {name}: {why}"));
    };
    let said = error.get_message();
    let kind = endpoint.queue_kind();
    let differs = matches!(error.kind(), AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED));
    let broken = matches!(error.kind(), AMQPErrorKind::Hard(AMQPHardError::INTERNALERROR));
    let text = match what {
        What::Exchange if differs => format!(
            "exchange {name} on {endpoint} exists as another kind than direct and durable: {said}. Use another \
             vhost, or delete it where nothing else uses it"
        ),
        What::Queue if differs => format!(
            "queue {name} on {endpoint} exists with other arguments than --queue-kind {kind} declares: {said}. \
             Start with the --queue-kind that made it (quorum, classic or transient), use another vhost, or, \
             when its messages may go, delete it: rabbitmqctl delete_queue {name}"
        ),
        What::Queue if broken && said.as_str().contains("transient_nonexcl_queues") => format!(
            "{endpoint} refuses transient queues, as RabbitMQ does from 4.3 on: {said}. Start with --queue-kind \
             quorum, or permit them on the broker: deprecated_features.permit.transient_nonexcl_queues = true"
        ),
        _ => return Failure::Passing(format!("declaring {name}: {said}")),
    };
    Failure::Lasting(Error::Incompatible(text.into()))
}
