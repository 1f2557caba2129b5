//! Looks how many messages wait in the three queues, and whether somebody consumes the rows, by the connection that consumes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::link::Link;
use super::subscribe::Subscribed;
use super::topology::{self, Failure, Found};
use crate::message::Role;
use crate::transport::lookout::{Look, Seen, Waiting};

/// The longest time between two looks for a queue of rows that is missing. RabbitMQ logs each such look as an error, so they
/// become rarer: each comes after as long as the queue is known to be missing.
const LOOK_FOR_EVERY: Duration = Duration::from_secs(60);

/// Looks at queues. It keeps no connection alive.
#[derive(Debug)]
pub struct Lookout {
    link: Arc<Link<Subscribed>>,
    endpoint: Endpoint,
    /// When the queue of rows was missing first and last.
    missed: Option<(Instant, Instant)>,
}

impl Lookout {
    pub(super) fn new(link: Arc<Link<Subscribed>>, endpoint: Endpoint) -> Self {
        Self { link, endpoint, missed: None }
    }

    pub(in crate::transport) async fn look(&mut self) -> Option<Seen> {
        let rows = match self.missed {
            Some((first, last)) if last.elapsed() < (last - first).min(LOOK_FOR_EVERY) => Look::Missing,
            missed => {
                let rows = self.look_at(Role::Features).await?;
                let now = Instant::now();
                self.missed = (rows == Look::Missing).then(|| (missed.map_or(now, |(first, _)| first), now));
                rows
            }
        };
        let waiting = Waiting {
            features: messages(rows),
            labels: messages(self.look_at(Role::Label).await?),
            predictions: messages(self.look_at(Role::Prediction).await?),
        };
        Some(Seen { waiting, rows })
    }

    async fn look_at(&self, role: Role) -> Option<Look> {
        let session = self.link.session().await.ok()?;
        match topology::look(&session.role.connection, &self.endpoint, self.endpoint.queues().name(role))
            .await
        {
            Ok(Some(Found { messages, consumers })) => Some(Look::There { messages, consumers }),
            Ok(None) => Some(Look::Missing),
            // Whoever waited for what it may not see would wait for ever.
            Err(Failure::Refused(_)) => Some(Look::Unknown),
            Err(_) => None,
        }
    }
}

fn messages(look: Look) -> u64 {
    match look {
        Look::There { messages, .. } => u64::from(messages),
        Look::Missing | Look::Unknown => 0,
    }
}
