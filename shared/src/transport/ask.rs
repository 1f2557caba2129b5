//! Asking: a row goes to the side queue of asks, and the reply comes to nobody but whoever asked.

use std::sync::Arc;

use tokio::time::Instant;

use super::delivery::Content;
use super::side::SideMessage;
use super::{Transport, amqp, memory};
use crate::message::Incoming;
use crate::stop::Stop;

/// A way to ask. On RabbitMQ it has a connection of its own, which is opened when somebody asks for the first time, so
/// that nothing else notices when it is lost.
#[derive(Debug)]
pub struct AskChannel(Way);

#[derive(Debug)]
enum Way {
    Amqp(amqp::AskChannel),
    Memory(memory::Broker),
}

/// A reply as it came.
#[derive(Debug)]
pub struct ReplyDelivery(Content);

impl ReplyDelivery {
    /// Everything that is in it.
    #[must_use]
    pub fn content(&self) -> &dyn Incoming {
        self.0.incoming()
    }
}

impl Transport {
    /// A way to ask, of a service that is named for people who read the broker's list of connections.
    #[must_use]
    pub fn ask_channel(&self, app: &'static str, stop: &Stop) -> AskChannel {
        AskChannel(match self {
            Self::Amqp(endpoint) => Way::Amqp(amqp::AskChannel::new(endpoint.clone(), app, stop.clone())),
            Self::Memory(broker) => Way::Memory(broker.clone()),
        })
    }
}

impl AskChannel {
    /// Sends a row to the side queue of asks, and waits for its reply until then. Who asks is said here.
    ///
    /// # Errors
    /// Why there is no reply, for people.
    pub async fn ask(&self, message: SideMessage, until: Instant) -> Result<ReplyDelivery, String> {
        match &self.0 {
            Way::Amqp(channel) => {
                let content = channel.ask(message, until).await?;
                Ok(ReplyDelivery(Content::Amqp(Arc::new(content))))
            }
            Way::Memory(broker) => {
                let reply = broker.ask(message, until).await.ok_or("no reply in time")?;
                Ok(ReplyDelivery(Content::Memory(Arc::new(reply.message))))
            }
        }
    }

    /// Closes the connection, within a second.
    pub async fn close(&self) {
        if let Way::Amqp(channel) = &self.0 {
            channel.close().await;
        }
    }
}
