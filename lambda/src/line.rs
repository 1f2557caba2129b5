//! The way to the broker: what a function says of rows goes there by itself, for what it returns goes nowhere.
//!
//! Between two invocations the process is frozen, and its connection may end meanwhile without a word. So one that was not used for
//! longer than the broker waits for a sign of life is left, and what is published by one that breaks is published again by the next.

use std::time::Instant;

use model::serve::Answers;
use shared::clock::Timestamp;
use shared::message::{Outgoing, Reply};
use shared::readiness::Readiness;
use shared::stop::Stop;
use shared::transport::{Burial, DeadLetter, Endpoint, Publisher, Replier, Transport};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::failure::Failure;

/// How this connection is called in the broker's list.
const APP: &str = "lambda";
/// How long a connection may go without being used. The broker closes one that is silent for two heartbeats, of 10 s.
const FRESH_MS: i64 = 20_000;

/// A broker, and the connection to it while there is one.
#[derive(Debug)]
pub(crate) struct Line {
    endpoint: Endpoint,
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    publisher: Publisher,
    replier: Replier,
    used: Timestamp,
}

/// What is to be sent.
#[derive(Debug, Default)]
struct Bundle {
    predictions: Vec<Outgoing>,
    letters: Vec<DeadLetter>,
    replies: Vec<Reply>,
}

impl Line {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, open: Mutex::default() }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Publishes predictions, dead letters and replies, and returns when the broker has confirmed the first two, `end` at the latest. What a failure
    /// leaves behind may have arrived: the batch comes again, and with it the same ids.
    pub(crate) async fn send(&self, answers: Vec<Answers>, end: Instant) -> Result<(), Failure> {
        let within = end.saturating_duration_since(Instant::now());
        let mut bundle = Bundle::default();
        for answers in answers {
            bundle.predictions.extend(answers.predictions);
            bundle.letters.extend(answers.rejected.into_iter().flat_map(|(_, letters)| letters));
            bundle.replies.extend(answers.replies);
        }
        let Bundle { predictions, letters, replies } = bundle;
        if predictions.is_empty() && letters.is_empty() && replies.is_empty() {
            return Ok(());
        }
        let mut place = self.open.lock().await;
        let open = place.take().filter(|open| is_fresh(open.used, Timestamp::now()));
        let open = open.unwrap_or_else(|| self.open());
        let buried = open.publisher.bury_all(letters);
        let sent = timeout(within, async { tokio::try_join!(open.publisher.publish(predictions), buried) });
        match sent.await {
            Ok(Ok(((), Burial::Confirmed))) => {
                replies.into_iter().for_each(|reply| open.replier.send(reply));
                // Before the process is frozen.
                _ = timeout(end.saturating_duration_since(Instant::now()), open.replier.finish()).await;
                *place = Some(Open { used: Timestamp::now(), ..open });
                Ok(())
            }
            Ok(Ok(((), Burial::GivenBack))) => Err(self.unconfirmed("does not take the dead letters")),
            Ok(Err(why)) => Err(self.unconfirmed(&format!("cannot be used: {why}"))),
            Err(_) => Err(self.unconfirmed(&format!("has not confirmed within {} s", within.as_secs()))),
        }
    }

    fn open(&self) -> Open {
        let transport = Transport::Amqp(self.endpoint.clone());
        let publisher = transport.publisher(APP, &Stop::default(), &Readiness::default());
        Open { replier: publisher.replier(), publisher, used: Timestamp::now() }
    }

    fn unconfirmed(&self, what: &str) -> Failure {
        let message = format!(
            "RabbitMQ at {} {what}: Lambda brings the whole batch again. The log above says why; look whether the broker runs, and \
             whether this function's subnets and security groups reach it",
            self.endpoint
        );
        Failure::new(Failure::UNCONFIRMED, message)
    }
}

/// Whether a connection that was used then can be used now. A clock that was set back says nothing.
fn is_fresh(used: Timestamp, now: Timestamp) -> bool {
    (0..=FRESH_MS).contains(&(now.0 - used.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_was_not_used_for_long_is_left() {
        for (used, now, wanted) in
            [(0, 0, true), (0, 20_000, true), (0, 20_001, false), (1, 0, false), (0, 3_600_000, false)]
        {
            assert_eq!(is_fresh(Timestamp(used), Timestamp(now)), wanted, "{used} {now}");
        }
    }
}
