//! Control: what `metric` tells every `model`, each of which has a queue of its own for it. It is sent again and again, so none of
//! it waits, and nobody there is no error.

use super::side::{Sent, SideMessage, SideReceiver};
use super::{Consumer, Error, Publisher, amqp};
use crate::clock::Timestamp;
use crate::control::Control;

/// The most messages and bytes that wait for one model; its oldest go.
pub(super) const MOST: (i64, i64) = (16, 1 << 20);

impl Publisher {
    /// Tells every model, once, in seconds, on a lane of its own. Without a connection it waits for one.
    ///
    /// # Errors
    /// [`Error::Incompatible`], or [`Error::Stopped`] when the process must end first.
    pub async fn send_control(&self, app: &'static str, control: &Control) -> Result<Sent, Error> {
        let (headers, body) = (Vec::new(), control.to_json().into());
        let message = SideMessage { app, published_at: Timestamp::now(), headers, body, asking: None };
        match self {
            Self::Amqp(publisher) => amqp::send_control(publisher, &message).await,
            Self::Memory(broker, _) => Ok(broker.send_control(message)),
        }
    }
}

impl Consumer {
    /// Takes what is sent to every model from now on, by this consumer's connection, as long as that is kept.
    #[must_use]
    pub fn control(&self) -> SideReceiver {
        match self {
            Self::Amqp(consumer) => SideReceiver::Amqp(Box::new(consumer.control())),
            Self::Memory(consumer) => SideReceiver::Memory(consumer.broker().control()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::Broker;
    use super::*;

    #[tokio::test]
    async fn everybody_who_takes_gets_each_and_whoever_has_gone_holds_nothing_up() {
        let broker = Broker::default();
        let message = |number: i64| SideMessage {
            app: "test",
            published_at: Timestamp(number),
            headers: Vec::new(),
            body: b"{}".as_slice().into(),
            asking: None,
        };
        assert_eq!(broker.send_control(message(0)), Sent::Confirmed, "nobody is there");
        let (mut one, mut slow) = (broker.control(), broker.control());
        drop(broker.control());
        for number in 1..=MOST.0 + 3 {
            assert_eq!(broker.send_control(message(number)), Sent::Confirmed);
            let delivery = one.take().await;
            assert_eq!(delivery.published_at(), Some(Timestamp(number)));
            delivery.ack().await;
        }
        assert_eq!(slow.take().await.published_at(), Some(Timestamp(4)), "the oldest are gone");
    }
}
