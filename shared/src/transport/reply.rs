//! Replies: to whoever asked, by the queue that he named, and to no queue of ours.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tracing::warn;

use super::queues::Queues;
use super::{Publisher, amqp, memory};
use crate::clock::Clock;
use crate::message::Reply;
use crate::metrics::Counter;
use crate::quota::{Asked, Quota};

static REPLIES: Counter<1> = Counter::new(
    "pipeline_replies_total",
    "Replies to whoever asked for them by reply_to: sent, forbidden because that names a queue of ours, or lost.",
    ["result"],
);

pub(super) const SENT: &str = "sent";
pub(super) const LOST: &str = "lost";
const FORBIDDEN: &str = "forbidden";

/// How many lines a minute the log gets about a `reply_to` that names a queue of ours.
const A_MINUTE: u64 = 5;
/// How long a process that is to end waits for replies.
const LAST_WAIT: Duration = Duration::from_secs(1);

pub(super) fn count(result: &str, replies: u64) {
    REPLIES.add([result], replies);
}

/// Sends replies, each once, while nobody waits for that. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Replier {
    queues: Queues,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Amqp(amqp::Replies),
    Memory(memory::Broker),
}

impl Publisher {
    /// For whoever answers: replies go on a lane of their own.
    #[must_use]
    pub fn replier(&self) -> Replier {
        [SENT, LOST, FORBIDDEN].iter().for_each(|result| count(result, 0));
        match self {
            Self::Amqp(publisher) => {
                Replier { queues: publisher.queues().clone(), way: Way::Amqp(publisher.replies()) }
            }
            Self::Memory(broker, _) => {
                Replier { queues: broker.names().clone(), way: Way::Memory(broker.clone()) }
            }
        }
    }
}

impl Replier {
    /// Hands a reply in, and returns at once. To a queue of ours it goes never: whoever may write rows could write labels
    /// through us.
    pub fn send(&self, reply: Reply) {
        if self.queues.own(&reply.asking.reply_to) {
            count(FORBIDDEN, 1);
            return say_forbidden(&reply.asking.reply_to);
        }
        match &self.way {
            Way::Amqp(replies) => replies.send(reply),
            Way::Memory(broker) => broker.reply(reply),
        }
    }

    /// Waits until those that were handed in were sent, a second at the most.
    pub async fn finish(&self) {
        if let Way::Amqp(replies) = &self.way {
            // What was not sent by then is lost with its process.
            _ = timeout(LAST_WAIT, replies.tried()).await;
        }
    }
}

fn say_forbidden(queue: &str) {
    static QUOTA: Mutex<Quota> = Mutex::new(Quota::new(A_MINUTE));
    let mut quota = QUOTA.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(hidden) = quota.now(Clock::System.steady_ms() / 60_000) {
        warn!(
            "and {hidden} more replies were not sent in that minute, because reply_to named a queue of ours"
        );
    }
    if quota.ask() == Asked::Say {
        warn!(
            "no reply is sent to {queue}, which is a queue of ours: reply_to must name a queue of the asker's own"
        );
    }
}
