//! Publishing with confirms.
//!
//! The client attaches a returned message to whichever confirm comes next, which need not be its own. So a
//! channel carries one batch at a time: then every return among its confirms belongs to this batch, and the
//! returned message itself says which one it was. Several channels keep several batches under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation, Connection};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::{info, warn};

use super::content::Parcel;
use super::endpoint::Endpoint;
use super::link::{Backoff, DEADLINE, Link, Session, confirming_channel, in_time};
use super::topology::{self, Failure};
use crate::readiness::Readiness;
use crate::stop::Stop;
use crate::transport::{Error, Publication};

/// How many batches can be under way at once.
const LANES: usize = 4;

/// Publishes over one connection. Clones share it.
#[derive(Debug, Clone)]
pub struct Publisher {
    link: Arc<Link<Lanes>>,
    endpoint: Endpoint,
    stop: Stop,
}

struct Lanes {
    connection: Arc<Connection>,
    channels: Vec<Mutex<Channel>>,
    next: AtomicUsize,
}

/// What became of a batch.
struct Outcome {
    /// Indices of what is not known to be safe.
    unconfirmed: Vec<usize>,
    /// What the broker said of those, if it was the broker.
    refusal: Option<String>,
}

impl Publisher {
    pub(in crate::transport) fn new(
        endpoint: Endpoint,
        app: &'static str,
        stop: Stop,
        readiness: &Readiness,
    ) -> Self {
        let purpose = "publishing".to_owned();
        let link = Link::keep(endpoint.clone(), app, purpose, stop.clone(), readiness, open_lanes);
        Self { link: Arc::new(link), endpoint, stop }
    }

    pub(in crate::transport) async fn publish(&self, batch: &[Publication]) -> Result<(), Error> {
        let parcels: Vec<_> = batch.iter().map(Parcel::new).collect();
        let mut pending: Vec<usize> = (0..parcels.len()).collect();
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut refused = false;
        while !pending.is_empty() {
            let session = self.link.session().await?;
            let outcome = tokio::select! {
                outcome = publish_once(&session, &parcels, &pending) => outcome,
                () = self.stop.overdue() => return Err(Error::Stopped),
            };
            pending = outcome.unconfirmed;
            if let Some(why) = outcome.refusal {
                if !refused {
                    warn!(
                        "RabbitMQ at {} refuses {} message(s): {why}; trying again until it takes them",
                        self.endpoint,
                        pending.len()
                    );
                }
                refused = true;
                let healed = async {
                    tokio::time::sleep(backoff.next()).await;
                    self.heal(&session).await
                };
                tokio::select! {
                    healed = healed => healed?,
                    () = self.stop.overdue() => return Err(Error::Stopped),
                }
            }
        }
        if refused {
            info!("RabbitMQ at {} took the messages that it had refused", self.endpoint);
        }
        Ok(())
    }

    /// Declares the queues anew: the usual reason for a returned message is that one was deleted.
    async fn heal(&self, session: &Session<Lanes>) -> Result<(), Error> {
        let declared = async {
            let channel = in_time("opening a channel", session.role.connection.create_channel()).await?;
            timeout(DEADLINE, topology::declare(&channel, &self.endpoint))
                .await
                .unwrap_or_else(|_| Err(Failure::Passing(format!("no answer within {DEADLINE:?}"))))?;
            in_time("closing a channel", channel.close(200, "declared".into())).await
        };
        match declared.await {
            Ok(()) => Ok(()),
            Err(Failure::Lasting(error)) => Err(error),
            Err(Failure::Passing(why)) => {
                session.fail(format!("declaring the queues anew: {why}"));
                Ok(())
            }
        }
    }

    pub(in crate::transport) async fn close(&self) {
        self.link.close().await;
    }
}

async fn open_lanes(connection: Arc<Connection>) -> Result<Lanes, Failure> {
    let mut channels = Vec::with_capacity(LANES);
    for _ in 0..LANES {
        channels.push(Mutex::new(confirming_channel(&connection).await?));
    }
    Ok(Lanes { connection, channels, next: AtomicUsize::new(0) })
}

/// Publishes the pending ones on one channel and waits for their confirms.
async fn publish_once(session: &Session<Lanes>, parcels: &[Parcel<'_>], pending: &[usize]) -> Outcome {
    let lanes = &session.role;
    let lane = lanes.next.fetch_add(1, Ordering::Relaxed) % lanes.channels.len();
    let channel = lanes.channels[lane].lock().await;
    let mut complete = FailUnlessComplete { session, complete: false };
    let unknown = || Outcome { unconfirmed: pending.to_vec(), refusal: None };
    let confirmed = AtomicUsize::new(0);
    let confirms = pending.iter().map(async |&index| {
        let confirm = confirm(&channel, &parcels[index]).await;
        confirmed.fetch_add(1, Ordering::Relaxed);
        confirm
    });
    let confirms = join_all(confirms);
    let confirms = tokio::select! {
        confirms = confirms => confirms,
        () = overdue(session, &confirmed) => {
            let queue = pending.first().map_or("", |&index| parcels[index].destination());
            session.fail(format!("no confirm within {DEADLINE:?} for messages to {queue}"));
            return unknown();
        }
        () = session.failed() => return unknown(),
    };
    complete.complete = true;

    let mut unconfirmed = Vec::new();
    let mut refusal = None;
    let mut returned: Vec<BasicReturnMessage> = Vec::new();
    for (confirm, &index) in confirms.into_iter().zip(pending) {
        match confirm {
            Ok(Confirmation::Ack(message)) => returned.extend(message),
            Ok(Confirmation::Nack(message)) => {
                returned.extend(message);
                unconfirmed.push(index);
                refusal = Some(format!("{} is full or unavailable", parcels[index].destination()));
            }
            Ok(Confirmation::NotRequested) => unreachable!("every lane asked for confirms"),
            Err(why) => {
                session.fail(format!("publishing to {}: {why}", parcels[index].destination()));
                unconfirmed.push(index);
            }
        }
    }
    for message in &returned {
        let is_it = |&&index: &&usize| parcels[index].is(message) && !unconfirmed.contains(&index);
        if let Some(&index) = pending.iter().find(is_it) {
            refusal = Some(format!("{}: {}", parcels[index].destination(), message.reply_text));
            unconfirmed.push(index);
        }
    }
    unconfirmed.sort_unstable();
    Outcome { unconfirmed, refusal }
}

/// A batch that is given up half-way leaves confirms behind, which the lane's next batch would take for its own.
struct FailUnlessComplete<'a> {
    session: &'a Session<Lanes>,
    complete: bool,
}

impl Drop for FailUnlessComplete<'_> {
    fn drop(&mut self) {
        if !self.complete {
            self.session.fail("a publish was given up before its confirms came");
        }
    }
}

async fn confirm(channel: &Channel, parcel: &Parcel<'_>) -> lapin::Result<Confirmation> {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let properties = parcel.properties.clone();
    channel
        .basic_publish(parcel.exchange.into(), parcel.routing_key.into(), options, parcel.body, properties)
        .await?
        .await
}

/// Resolves when no confirm has come for too long. While the broker blocks the connection, none need come.
async fn overdue(session: &Session<Lanes>, confirmed: &AtomicUsize) {
    const STEP: Duration = Duration::from_secs(1);
    let mut silent = Duration::ZERO;
    let mut before = 0;
    while silent < DEADLINE {
        tokio::time::sleep(STEP).await;
        let now = confirmed.load(Ordering::Relaxed);
        silent = if session.status.blocked() || now != before { Duration::ZERO } else { silent + STEP };
        before = now;
    }
}
