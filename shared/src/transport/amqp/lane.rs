//! A channel that publishes one batch at a time and says what became of each message.
//!
//! The client attaches a returned message to whichever confirm comes next, which need not be its own. So a
//! channel carries one batch at a time: then every return among its confirms belongs to this batch, and the
//! returned message itself says which one it was.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use lapin::message::BasicReturnMessage;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, Connection};
use tokio::sync::Mutex;

use super::content::Parcel;
use super::link::{Session, in_time};
use super::topology::{Answer, Failure, answer_of};

/// The most messages and bytes of body under way on one channel. A larger message goes by itself.
pub(super) const MOST_MESSAGES: usize = 256;
pub(super) const MOST_BYTES: usize = 1024 * 1024;

/// How long nothing may be heard and nothing be written before a batch counts as lost: this long, and as long as its
/// bytes take on the slowest link that is worth waiting for.
const PATIENCE: Duration = Duration::from_secs(10);
const SLOWEST_BYTES_PER_SECOND: usize = 32_000;
/// What the client writes by itself each second at the most: heartbeats, which are no progress.
const HEARTBEATS: u64 = 32;

/// What became of one message.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    /// It is safe in every queue that is bound to its key.
    Confirmed,
    /// No queue is bound to its key.
    Returned,
    /// A queue refuses it: full, or without a majority of its nodes.
    Full,
    /// The broker closed the channel with this code and text while it was under way. It may have arrived.
    Closed(u16, String),
    /// Nobody knows; it may have arrived.
    Lost,
}

/// One channel, opened anew when the broker has closed it.
#[derive(Default)]
pub(super) struct Lane(Mutex<Option<Channel>>);

impl Lane {
    /// A lane on a channel that waits for confirms.
    pub(super) fn on(channel: Channel) -> Self {
        Self(Mutex::new(Some(channel)))
    }

    /// A lane whose channel is open.
    pub(super) async fn open(connection: &Connection) -> Result<Self, Failure> {
        Ok(Self::on(confirming_channel(connection).await?))
    }

    /// Opens the channel where there is none, without harm to anything else where that fails.
    pub(super) async fn make_ready(&self, connection: &Connection) -> Result<(), Failure> {
        let mut place = self.0.lock().await;
        if !place.as_ref().is_some_and(|channel| channel.status().connected()) {
            *place = Some(confirming_channel(connection).await?);
        }
        Ok(())
    }

    /// Publishes a batch and waits for its confirms, but no longer than `at_most`, where that is said. What was confirmed
    /// until the session fails, or until it is too late, is confirmed.
    pub(super) async fn publish<S>(
        &self,
        session: &Session<S>,
        connection: &Connection,
        parcels: &[Parcel<'_>],
        at_most: Option<Duration>,
    ) -> Vec<Fate> {
        // Taken out, so that a batch that is given up half-way leaves no channel with confirms that the next batch
        // would take for its own.
        let mut place = self.0.lock().await;
        let channel = match place.take() {
            Some(channel) => channel,
            None => match confirming_channel(connection).await {
                Ok(channel) => channel,
                Err(why) => {
                    session.fail(why);
                    return vec![Fate::Lost; parcels.len()];
                }
            },
        };
        let confirmed = AtomicUsize::new(0);
        let confirms: Vec<OnceLock<lapin::Result<Confirmation>>> =
            parcels.iter().map(|_| OnceLock::new()).collect();
        let publishing = join_all(parcels.iter().zip(&confirms).map(async |(parcel, confirm)| {
            _ = confirm.set(publish(&channel, parcel).await);
            confirmed.fetch_add(1, Ordering::Relaxed);
        }));
        let open = || {
            let open = parcels.iter().zip(&confirms).find(|(_, confirm)| confirm.get().is_none());
            open.map_or("", |(parcel, _)| parcel.routing_key)
        };
        tokio::select! {
            _ = publishing => {}
            patience = overdue(session, &confirmed, parcels) => {
                session.fail(format!("no confirm within {patience:?} for messages to {}", open()));
            }
            () = too_late(at_most, parcels) => {
                tracing::debug!("no confirm in time for messages to {}; publishing them again on a new channel", open());
            }
            () = session.failed() => {}
        }
        let fates = fates(parcels, confirms.into_iter().map(OnceLock::into_inner).collect());
        if fates.iter().all(|fate| matches!(fate, Fate::Confirmed | Fate::Returned | Fate::Full)) {
            *place = Some(channel);
        } else if !connection.status().connected() {
            session.fail("the connection ended while messages were under way");
        } else if channel.status().connected() {
            // Nobody else can use it, with confirms on their way.
            tokio::spawn(async move { channel.close(200, "given up".into()).await });
        }
        fates
    }
}

/// Splits a batch into parts that fit onto a lane, in its order.
pub(super) fn parts<T>(items: &[T], bytes: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut parts = Vec::new();
    let mut rest = items;
    while !rest.is_empty() {
        let mut sum = 0;
        let fits = |item: &&T| {
            sum += bytes(item);
            sum <= MOST_BYTES
        };
        let count = rest.iter().take(MOST_MESSAGES).take_while(fits).count().max(1);
        let (part, others) = rest.split_at(count);
        parts.push(part);
        rest = others;
    }
    parts
}

/// What the confirms that came say of each message.
fn fates(parcels: &[Parcel<'_>], confirms: Vec<Option<lapin::Result<Confirmation>>>) -> Vec<Fate> {
    let closed = confirms.iter().find_map(|confirm| answer_of(confirm.as_ref()?.as_ref().err()?));
    let mut returned: Vec<BasicReturnMessage> = Vec::new();
    let mut fates: Vec<Fate> = confirms
        .into_iter()
        .map(|confirm| match confirm {
            None => Fate::Lost,
            Some(Ok(Confirmation::Ack(message))) => {
                returned.extend(message);
                Fate::Confirmed
            }
            Some(Ok(Confirmation::Nack(message))) => {
                returned.extend(message);
                Fate::Full
            }
            Some(Ok(Confirmation::NotRequested)) => unreachable!("every lane asked for confirms"),
            Some(Err(_)) => match &closed {
                Some(Answer { code, text }) => Fate::Closed(*code, (*text).clone()),
                None => Fate::Lost,
            },
        })
        .collect();
    for message in &returned {
        let mut whose = parcels.iter().zip(&mut fates);
        if let Some((_, fate)) =
            whose.find(|(parcel, fate)| parcel.is(message) && matches!(fate, Fate::Confirmed))
        {
            *fate = Fate::Returned;
        }
    }
    fates
}

async fn publish(channel: &Channel, parcel: &Parcel<'_>) -> lapin::Result<Confirmation> {
    let options = BasicPublishOptions { mandatory: parcel.mandatory, ..Default::default() };
    let properties = parcel.properties.clone();
    channel
        .basic_publish(parcel.exchange.into(), parcel.routing_key.into(), options, parcel.body, properties)
        .await?
        .await
}

/// Opens a channel that waits for confirms.
pub(super) async fn confirming_channel(connection: &Connection) -> Result<Channel, Failure> {
    let channel = in_time("opening a channel", connection.create_channel()).await?;
    in_time("asking for confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

/// Resolves when this time is over, and as long besides as the bytes take on the slowest link.
async fn too_late(at_most: Option<Duration>, parcels: &[Parcel<'_>]) {
    match at_most {
        Some(time) => tokio::time::sleep(time + time_of(parcels)).await,
        None => std::future::pending().await,
    }
}

/// How long the bodies take on the slowest link that is worth waiting for.
fn time_of(parcels: &[Parcel<'_>]) -> Duration {
    let bytes: usize = parcels.iter().map(|parcel| parcel.body.len()).sum();
    Duration::from_secs((bytes / SLOWEST_BYTES_PER_SECOND) as u64)
}

/// Resolves when no confirm has come and nothing could be written for too long, with how long that is. While the broker
/// blocks the connection, none need come.
async fn overdue<S>(session: &Session<S>, confirmed: &AtomicUsize, parcels: &[Parcel<'_>]) -> Duration {
    const STEP: Duration = Duration::from_secs(1);
    let patience = PATIENCE + time_of(parcels);
    let mut silent = Duration::ZERO;
    let mut before = (0, session.watch.bytes_written());
    while silent < patience {
        tokio::time::sleep(STEP).await;
        let now = (confirmed.load(Ordering::Relaxed), session.watch.bytes_written());
        let moves = now.0 != before.0 || now.1 > before.1 + HEARTBEATS;
        silent = if session.status.blocked() || moves { Duration::ZERO } else { silent + STEP };
        before = now;
    }
    patience
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_split_by_count_and_by_bytes() {
        let lengths = |items: &[usize]| -> Vec<usize> {
            parts(items, |bytes| *bytes).into_iter().map(<[usize]>::len).collect()
        };
        assert_eq!(lengths(&[]), [0; 0]);
        assert_eq!(lengths(&[1; 600]), [256, 256, 88]);
        assert_eq!(lengths(&[MOST_BYTES / 2, MOST_BYTES / 2, 1]), [2, 1]);
        assert_eq!(lengths(&[1, 2 * MOST_BYTES, 1]), [1, 1, 1]);
    }
}
