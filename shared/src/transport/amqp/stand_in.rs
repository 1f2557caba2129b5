//! Making a queue in its consumer's place.
//!
//! A queue belongs to its consumer, which knows best how it should be made, and may be a program that is not ours. So whoever
//! publishes waits for it; but not for ever, since a queue is there to hold what comes before its consumer does.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lapin::Connection;
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::topology::{self, Failure};
use crate::message::Role;

/// How long a consumer has to make its queue.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which queues are missing, and since when.
#[derive(Debug, Default)]
pub(super) struct StandIn {
    missing: Mutex<HashMap<Role, Instant>>,
}

impl StandIn {
    /// The queue of a role is there.
    pub(super) fn found(&self, role: Role) {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).remove(&role);
    }

    /// The queue of a role is missing. Makes it, with its dead letters, where its consumer had its time and we may. Says
    /// whether it did.
    pub(super) async fn missed(
        &self,
        connection: &Connection,
        endpoint: &Endpoint,
        role: Role,
    ) -> Result<bool, Failure> {
        let now = Instant::now();
        let since = *self.missing.lock().unwrap_or_else(PoisonError::into_inner).entry(role).or_insert(now);
        if now.duration_since(since) < PATIENCE {
            return Ok(false);
        }
        match topology::make(connection, endpoint, &endpoint.queues().subscription(role)).await {
            Ok(()) => Ok(true),
            // Then it waits for its consumer as before.
            Err(Failure::Refused(why)) => {
                tracing::debug!("cannot make the queue {}: {why}", endpoint.queues().name(role));
                Ok(false)
            }
            Err(why) => Err(why),
        }
    }
}
