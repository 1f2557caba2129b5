//! Questions in memory: each has an address of its own, at which it gets one reply.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::{Broker, lock};
use crate::message::{Asking, Reply};
use crate::transport::reply::{SENT, count};
use crate::transport::side::{SideMessage, SideQueue};

/// Who waits for a reply, by address.
#[derive(Debug, Default)]
pub(super) struct Askers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: u64,
    waiting: HashMap<Box<str>, oneshot::Sender<Reply>>,
}

/// Forgets who waits, when it waits no more.
struct Waiting<'a> {
    askers: &'a Askers,
    address: Box<str>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.askers.0).waiting.remove(&self.address);
    }
}

impl Broker {
    /// Sends a row to the side queue of asks. None where no reply comes until then.
    pub(in crate::transport) async fn ask(&self, message: SideMessage, until: Instant) -> Option<Reply> {
        let (sender, reply) = oneshot::channel();
        let waiting = {
            let mut state = lock(&self.0.askers.0);
            state.last += 1;
            let address: Box<str> = format!("amq.rabbitmq.reply-to.{}", state.last).into();
            state.waiting.insert(address.clone(), sender);
            Waiting { askers: &self.0.askers, address }
        };
        let asking = Asking { reply_to: waiting.address.clone(), correlation_id: Some("1".into()) };
        self.send_aside(SideQueue::Asks, SideMessage { asking: Some(asking), ..message });
        timeout_at(until, reply).await.ok()?.ok()
    }

    /// Gives a reply to whoever waits for it. Who does not wait any more does not want it.
    pub(in crate::transport) fn reply(&self, reply: Reply) {
        let asker = lock(&self.0.askers.0).waiting.remove(&reply.asking.reply_to);
        if let Some(asker) = asker {
            _ = asker.send(reply);
        }
        count(SENT, 1);
    }
}
