//! Control on RabbitMQ: sent to everybody who listens, each of whom has a queue that goes with its connection.

use lapin::Channel;
use lapin::options::QueueDeclareOptions;

use super::content::Parcel;
use super::endpoint::Endpoint;
use super::lane::Fate;
use super::link::Session;
use super::publisher::{Lanes, Publisher};
use super::refusal::Operation;
use super::side::{AT_MOST, properties};
use super::subscribe::{Stream, Subscribed};
use super::topology::{self, Answer, Failure, ask};
use crate::message::RowId;
use crate::transport::Error;
use crate::transport::control::MOST;
use crate::transport::queues::{Argument, Arguments, EXCHANGE, QueueName};
use crate::transport::side::{Sent, SideMessage};

/// How many messages are handed out at once.
const PREFETCH: u16 = 4;

/// See [`Publisher::send_control`](crate::transport::Publisher::send_control).
pub(in crate::transport) async fn send_control(
    publisher: &Publisher,
    message: &SideMessage,
) -> Result<Sent, Error> {
    let session = publisher.session().await?;
    let Lanes { connection, aside, .. } = &session.role;
    if session.status.blocked() {
        return Ok(Sent::blocked());
    }
    if let Err(why) = aside.make_ready(connection).await {
        return Ok(Sent::failed(why));
    }
    let endpoint = publisher.endpoint();
    let key = endpoint.queues().control();
    let (routing_key, body) = (key.as_str(), &*message.body);
    // Not mandatory: where nobody listens, nobody needs it.
    let parcel =
        Parcel { exchange: EXCHANGE, routing_key, body, properties: properties(message), mandatory: false };
    let fates = aside.publish(&session, connection, &[parcel], Some(AT_MOST)).await;
    Ok(match fates.into_iter().next() {
        Some(Fate::Confirmed | Fate::Returned) => Sent::Confirmed,
        Some(Fate::Full) => Sent::failed(format!("a queue behind {key} is unavailable")),
        Some(Fate::Closed(code, text)) => {
            let publish = Operation::Publish { exchange: EXCHANGE };
            Sent::failed(endpoint.refused(&publish, &Answer { code, text }).sentence)
        }
        Some(Fate::Lost) | None => Sent::failed(format!("no confirm for {key}")),
    })
}

/// Makes a queue of our own behind the key, and consumes it. Under another name each time: the one before may still be that of a
/// connection which the broker takes for alive.
pub(super) async fn subscribe(
    session: &Session<Subscribed>,
    endpoint: &Endpoint,
    key: &QueueName,
) -> Result<Stream, Failure> {
    let connection = &session.role.connection;
    let queue = key.with(&RowId::unique().to_string());
    let (messages, bytes) = MOST;
    let arguments = Arguments {
        durable: false,
        list: vec![
            ("x-queue-type", Argument::Text("classic")),
            ("x-max-length", Argument::Int(messages)),
            ("x-max-length-bytes", Argument::Int(bytes)),
            ("x-overflow", Argument::Text("drop-head")),
        ],
    };
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
    let declared = ask(connection, format!("declaring the queue {queue}"), async |channel: Channel| {
        channel.queue_declare(queue.as_str().into(), options, topology::table(&arguments)).await
    });
    if let Err(answer) = declared.await? {
        let refusal = endpoint.refused(&Operation::DeclareQueue(queue.as_str()), &answer);
        return Err(Failure::Refused(refusal.sentence));
    }
    topology::bind(connection, endpoint, &queue, EXCHANGE, key).await?.map_err(Failure::Refused)?;
    Stream::open(connection, &session.watch, endpoint, &queue, PREFETCH).await
}
