//! What is published and nobody consumes is said once, with the queue: most often the other service calls it differently.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lapin::Connection;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::endpoint::Endpoint;
use super::topology::{self, Found};
use crate::message::Role;
use crate::transport::queues::owner;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a queue may grow without a consumer: services may be started in any order.
const PATIENCE: Duration = Duration::from_secs(20);

/// Of which roles this process has published something.
#[derive(Debug, Default)]
pub(super) struct Published([AtomicBool; Role::ALL.len()]);

impl Published {
    pub(super) fn add(&self, role: Role) {
        self.of(role).store(true, Ordering::Relaxed);
    }

    fn has(&self, role: Role) -> bool {
        self.of(role).load(Ordering::Relaxed)
    }

    fn of(&self, role: Role) -> &AtomicBool {
        &self.0[match role {
            Role::Features => 0,
            Role::Label => 1,
            Role::Prediction => 2,
        }]
    }
}

/// Looks whether somebody consumes what is published, as long as it lives.
pub(super) struct Unread(JoinHandle<()>);

impl Unread {
    pub(super) fn watch(connection: Arc<Connection>, endpoint: Endpoint, published: Arc<Published>) -> Self {
        Self(tokio::spawn(async move {
            let mut growths = [Growth::default(); Role::ALL.len()];
            let start = Instant::now();
            loop {
                sleep(LOOK_EVERY).await;
                for (role, growth) in Role::ALL.into_iter().zip(&mut growths) {
                    // A blocked connection is not read: the answer would come when nobody waits for it any more.
                    if !published.has(role) || connection.status().blocked() {
                        continue;
                    }
                    let queue = endpoint.queues().name(role);
                    let Ok(Some(found)) = topology::look(&connection, &endpoint, queue).await else {
                        continue;
                    };
                    let key = format!("{queue} is unread");
                    if growth.is_unread(found, start.elapsed()) {
                        endpoint.once(&key, || say(&endpoint, role, found.messages));
                    } else if found.consumers > 0 && endpoint.unsaid(&key) {
                        info!("{queue} has a consumer now");
                    }
                }
            }
        }))
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn say(endpoint: &Endpoint, role: Role, messages: u32) {
    let (queue, flag, service) = (endpoint.queues().name(role), topology::flag(role), owner(role));
    warn!(
        "nobody consumes {queue} at {endpoint}: {messages} messages are waiting, and more arrive. Is {service} running? If it uses another queue name, give that with {flag}, or --exercise v2 for features, y_true and y_pred"
    );
}

/// How a queue grows while nobody consumes it.
#[derive(Debug, Clone, Copy, Default)]
struct Growth {
    /// Since when it has no consumer, and how many messages it had then.
    since: Option<(Duration, u32)>,
}

impl Growth {
    /// Whether a queue, as it is found at this time, grows for nobody.
    fn is_unread(&mut self, found: Found, now: Duration) -> bool {
        if found.consumers > 0 {
            self.since = None;
            return false;
        }
        let (since, messages) = *self.since.get_or_insert((now, found.messages));
        now - since >= PATIENCE && found.messages > messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_grows_for_twenty_seconds_without_a_consumer_is_unread() {
        // Second, messages and consumers at each look, and whether the last one finds it unread.
        for (looks, unread) in [
            (&[(5, 3, 0), (25, 13, 0)][..], true),
            (&[(5, 3, 0), (24, 13, 0)], false),
            // Nothing more comes.
            (&[(5, 3, 0), (60, 3, 0)], false),
            // A consumer reads slowly, or came in between.
            (&[(5, 3, 1), (60, 900, 1)], false),
            (&[(5, 3, 0), (20, 9, 1), (30, 13, 0), (45, 20, 0)], false),
            (&[(5, 3, 0), (20, 9, 1), (30, 13, 0), (50, 20, 0)], true),
        ] {
            let mut growth = Growth::default();
            let found = looks.iter().map(|&(second, messages, consumers)| {
                growth.is_unread(Found { messages, consumers }, Duration::from_secs(second))
            });
            assert_eq!(found.last(), Some(unread), "{looks:?}");
        }
    }
}
