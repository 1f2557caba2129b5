//! The room where dead letters lie, for a person who looks through them: takes letters without removing them, publishes some
//! again, and acknowledges those that are done with.
//!
//! Nothing here comes back by itself. What is not acknowledged goes back to its queue when the connection ends, in whatever
//! way it ends, so whoever is cut off begins anew and has lost nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
    BasicQosOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use tokio::time::{Instant, sleep, timeout};

use super::administration::{self, told};
use super::content::Parcel;
use super::endpoint::Endpoint;
use super::lane::{Fate, Lane, parts};
use super::link::{DEADLINE, Session, in_time, while_bytes_come};
use super::refusal::Operation;
use super::stored;
use super::topology::{self, Answer};
use crate::printable::printable;
use crate::transport::queues::QueueName;
use crate::transport::stored::StoredLetter;

/// How many letters, and bytes of their bodies, are handed out at a time: one letter more where that is long.
const WINDOW: u32 = 1000;
const WINDOW_BYTES: usize = 32 * 1024 * 1024;
/// How long no letter comes before it is looked whether there are more.
const SILENCE: Duration = Duration::from_millis(200);
/// How long letters that were held may take to be ready again. Somebody else may have taken them.
const BACK: Duration = Duration::from_secs(3);
/// How long RabbitMQ may take nothing that is published, for want of memory or disk, before that is told.
const BLOCKED: Duration = Duration::from_secs(10);

/// How often it is looked what cannot be waited for.
const LOOK: Duration = Duration::from_millis(20);

/// A connection for whoever looks through dead letters.
pub struct LetterRoom {
    endpoint: Endpoint,
    connection: Arc<Connection>,
    session: Session<()>,
    lane: Lane,
}

/// What became of a letter that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// It is safe in the queue.
    Confirmed,
    /// It is not in the queue, or nobody knows; the text says why.
    Not(String),
}

/// A queue of dead letters that is being looked through, from its oldest on.
pub struct Reading<'a> {
    room: &'a LetterRoom,
    queue: QueueName,
    channel: Channel,
    /// How many are still to be handed out.
    rest: u32,
    handed_out: VecDeque<Taken>,
    /// How many were handed out in all.
    count: u32,
    acknowledged: Acknowledged,
}

/// Which acknowledgements were told. Those from the first delivery on without a gap are told by the last of them alone.
#[derive(Debug, Default)]
struct Acknowledged {
    up_to: u64,
    count: u32,
}

impl Acknowledged {
    /// What is to be told of more of them, each with whether it speaks for all before it.
    fn more(&mut self, tags: &[Tag]) -> Vec<(u64, bool)> {
        let mut tags: Vec<u64> = tags.iter().map(|Tag(tag)| *tag).collect();
        tags.sort_unstable();
        self.count += u32::try_from(tags.len()).unwrap_or(u32::MAX);
        let without_gap = tags.iter().zip(self.up_to + 1..).take_while(|(tag, next)| *tag == next).count();
        self.up_to += without_gap as u64;
        let all = (without_gap > 0).then_some((self.up_to, true));
        all.into_iter().chain(tags[without_gap..].iter().map(|tag| (*tag, false))).collect()
    }
}

/// A letter that is held: it is still in its queue, and nobody else gets it.
#[derive(Debug)]
pub struct Taken {
    /// What acknowledges it.
    pub tag: Tag,
    /// All of it.
    pub letter: StoredLetter,
}

/// One letter of a [`Reading`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag(u64);

impl LetterRoom {
    /// Connects, at one of the broker's addresses.
    ///
    /// # Errors
    /// No broker, or one that refuses.
    pub async fn open(endpoint: Endpoint) -> anyhow::Result<Self> {
        let (connection, watch) = administration::connect(&endpoint, "dead letters").await?;
        let session = Session::of(&connection, &watch, ());
        let lane = Lane::open(&connection).await.map_err(told)?;
        Ok(Self { endpoint, connection, session, lane })
    }

    /// How many messages of a queue are ready to be handed out; none where there is no such queue.
    ///
    /// # Errors
    /// No connection, or a broker that refuses.
    pub async fn ready(&self, queue: &QueueName) -> anyhow::Result<Option<u32>> {
        let found = topology::look(&self.connection, &self.endpoint, queue).await.map_err(told)?;
        Ok(found.map(|found| found.messages))
    }

    /// Begins to look through a queue: at so many letters at the most.
    ///
    /// # Errors
    /// No connection, or a broker that refuses.
    pub async fn read(&self, queue: &QueueName, at_most: u32) -> anyhow::Result<Reading<'_>> {
        let channel = in_time("opening a channel", self.connection.create_channel()).await.map_err(told)?;
        let (handed_out, acknowledged) = (VecDeque::new(), Acknowledged::default());
        let queue = queue.clone();
        Ok(Reading { room: self, queue, channel, rest: at_most, handed_out, count: 0, acknowledged })
    }

    /// Publishes letters, each to the queue of this name and to nothing else that may be bound, and says what became of each.
    pub async fn post(&self, letters: &[(&QueueName, &StoredLetter)]) -> Vec<Posted> {
        let mut posted = Vec::with_capacity(letters.len());
        for part in parts(letters, |(_, letter)| letter.body.len()) {
            let parcels: Result<Vec<Parcel<'_>>, String> =
                part.iter().map(|(queue, letter)| parcel(queue, letter)).collect();
            let parcels = match parcels {
                Ok(parcels) => parcels,
                Err(why) => {
                    posted.resize(posted.len() + part.len(), Posted::Not(why));
                    break;
                }
            };
            let fates = tokio::select! {
                fates = self.lane.publish(&self.session, &self.connection, &parcels, None) => Some(fates),
                () = self.blocked() => None,
            };
            match fates {
                Some(fates) => {
                    posted.extend(part.iter().zip(fates).map(|((queue, _), fate)| self.posted(queue, fate)));
                }
                None => {
                    let why = "RabbitMQ takes no messages for want of memory or disk (an alarm); try again when that is over";
                    posted.resize(posted.len() + part.len(), Posted::Not(why.to_owned()));
                    break;
                }
            }
        }
        posted.resize_with(letters.len(), || Posted::Not("it was not published any more".to_owned()));
        posted
    }

    /// Resolves when the broker has blocked publishing for too long.
    async fn blocked(&self) {
        let mut time = Duration::ZERO;
        while time < BLOCKED {
            sleep(LOOK).await;
            time = if self.session.status.blocked() { time + LOOK } else { Duration::ZERO };
        }
    }

    fn posted(&self, queue: &QueueName, fate: Fate) -> Posted {
        Posted::Not(match fate {
            Fate::Confirmed => return Posted::Confirmed,
            Fate::Returned => format!("there is no queue {queue}"),
            Fate::Full => format!("{queue} takes no more: it is full, or most of its nodes are away"),
            Fate::Closed(code, text) => {
                let operation = Operation::Publish { exchange: "" };
                self.endpoint.refused(&operation, &Answer { code, text }).sentence
            }
            Fate::Lost => {
                "the connection was lost before RabbitMQ confirmed it, so it may be there twice".to_owned()
            }
        })
    }

    /// Ends the connection. What is held goes back to its queue.
    pub async fn close(self) {
        administration::close(self.connection).await;
    }
}

fn parcel<'a>(queue: &'a QueueName, letter: &'a StoredLetter) -> Result<Parcel<'a>, String> {
    let properties = stored::properties(letter)?;
    Ok(Parcel { exchange: "", routing_key: queue.as_str(), body: &letter.body, properties, mandatory: true })
}

impl Reading<'_> {
    /// The next letter; none when as many were handed out as were asked for, or when there are no more.
    ///
    /// # Errors
    /// The connection is lost, or the broker hands out nothing though letters wait.
    pub async fn next(&mut self) -> anyhow::Result<Option<Taken>> {
        if self.handed_out.is_empty() && self.rest > 0 {
            self.fill().await?;
        }
        Ok(self.handed_out.pop_front())
    }

    /// Has up to [`WINDOW`] letters handed out. The subscription is over before any of them can be acknowledged, which would
    /// bring others in their place, and without an end.
    async fn fill(&mut self) -> anyhow::Result<()> {
        let Self { room, queue, channel, .. } = &*self;
        let watch = &*room.session.watch;
        let wanted = self.rest.min(WINDOW);
        let prefetch = u16::try_from(wanted).unwrap_or(u16::MAX);
        in_time("setting the prefetch", channel.basic_qos(prefetch, BasicQosOptions::default()))
            .await
            .map_err(told)?;
        let consume = async {
            let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
            match channel.basic_consume(queue.as_str().into(), "".into(), options, arguments).await {
                Ok(deliveries) => Ok(Ok(deliveries)),
                Err(why) => topology::answer_of(&why).map(Err).ok_or(why),
            }
        };
        let consumed = while_bytes_come(watch, "subscribing", consume).await.map_err(told)?;
        let mut deliveries = consumed.map_err(|answer| {
            anyhow!(room.endpoint.refused(&Operation::Consume(queue.as_str()), &answer).sentence)
        })?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        let mut silent = Duration::ZERO;
        let mut is_last = false;
        while (found.len() as u64) < u64::from(wanted) && bytes < WINDOW_BYTES {
            match timeout(SILENCE, deliveries.next()).await {
                Ok(Some(Ok(delivery))) => {
                    silent = Duration::ZERO;
                    bytes += delivery.data.len();
                    found.push(self.taken(delivery));
                }
                Ok(Some(Err(why))) => bail!(self.lost(&why.to_string())),
                Ok(None) => bail!(self.lost("RabbitMQ ended the subscription: was the queue deleted?")),
                Err(_) if room.ready(queue).await? == Some(0) => {
                    is_last = true;
                    break;
                }
                Err(_) => {
                    silent += SILENCE;
                    if silent >= DEADLINE {
                        bail!(
                            "RabbitMQ hands out nothing of {queue}, in which letters wait: has another consumer the queue for itself?"
                        );
                    }
                }
            }
        }
        let cancel = channel.basic_cancel(deliveries.tag(), BasicCancelOptions::default());
        while_bytes_come(watch, "ending the subscription", cancel).await.map_err(told)?;
        // What it has handed out until it heard that. What is too much comes again, with the next ones.
        let mut too_much = Vec::new();
        while let Some(delivery) = deliveries.next().await {
            let delivery = delivery.map_err(|why| anyhow!(self.lost(&why.to_string())))?;
            let fits = bytes < WINDOW_BYTES;
            bytes += delivery.data.len();
            let taken = self.taken(delivery);
            if fits {
                found.push(taken);
            } else {
                too_much.push(taken.tag);
            }
        }
        for Tag(tag) in too_much {
            let back = BasicNackOptions { requeue: true, ..Default::default() };
            in_time("giving a letter back", channel.basic_nack(tag, back)).await.map_err(told)?;
        }
        let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
        self.count = self.count.saturating_add(count);
        self.rest = if is_last { 0 } else { self.rest.saturating_sub(count) };
        self.handed_out.extend(found);
        Ok(())
    }

    fn taken(&self, delivery: lapin::message::Delivery) -> Taken {
        let tag = Tag(delivery.delivery_tag);
        let note = self.room.session.watch.take_note(self.channel.id(), delivery.delivery_tag);
        Taken { tag, letter: stored::read(delivery, note) }
    }

    fn lost(&self, why: &str) -> String {
        format!("lost {} at {}: {}", self.queue, self.room.endpoint, printable(why))
    }

    /// Removes letters from the queue.
    ///
    /// # Errors
    /// The connection is lost. What could not be told any more goes back to the queue.
    pub async fn acknowledge(&mut self, tags: &[Tag]) -> anyhow::Result<()> {
        for (tag, multiple) in self.acknowledged.more(tags) {
            let acknowledged = self.channel.basic_ack(tag, BasicAckOptions { multiple });
            in_time("acknowledging letters", acknowledged).await.map_err(told)?;
        }
        Ok(())
    }

    /// Ends the looking through. What was not acknowledged goes back to the queue; when this returns, RabbitMQ has heard of
    /// every acknowledgement, and whoever looks next finds the letters there.
    ///
    /// # Errors
    /// The connection is lost: some of what was acknowledged may be in the queue again.
    pub async fn finish(self) -> anyhow::Result<()> {
        let Self { room, queue, channel, count, acknowledged, .. } = self;
        let ready = room.ready(&queue).await?.unwrap_or(0);
        // Of a quorum queue, a channel has 32 acknowledgements under way and keeps the others, which its end would forget. An
        // answer of the queue comes after those that are under way, and sets the others free, all at once; a second one comes
        // after them. What is handed out thereby goes back with the rest.
        for _ in 0..acknowledged.count.min(2) {
            let get = channel.basic_get(queue.as_str().into(), BasicGetOptions::default());
            if let Some(message) = in_time("looking at the queue", get).await.map_err(told)? {
                drop(room.session.watch.take_note(channel.id(), message.delivery.delivery_tag));
            }
        }
        in_time("closing a channel", channel.close(200, "looked through".into())).await.map_err(told)?;
        // The broker answers that before they are back, and tells it in no other way.
        let wanted = ready.saturating_add(count.saturating_sub(acknowledged.count));
        let since = Instant::now();
        while room.ready(&queue).await?.is_some_and(|ready| ready < wanted) && since.elapsed() < BACK {
            sleep(LOOK).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_without_a_gap_are_told_together() {
        let mut acknowledged = Acknowledged::default();
        let mut more =
            |tags: &[u64]| acknowledged.more(&tags.iter().map(|tag| Tag(*tag)).collect::<Vec<_>>());
        assert!(more(&[]).is_empty());
        assert_eq!(more(&[2, 1, 3]), [(3, true)]);
        assert_eq!(more(&[4, 6, 7]), [(4, true), (6, false), (7, false)]);
        // What lies between is held, so nothing may speak for it.
        assert_eq!(more(&[8]), [(8, false)]);
        assert_eq!(more(&[5]), [(5, true)]);
        assert_eq!(more(&[9]), [(9, false)]);
    }
}
