//! Sends replies on a channel of their own, so that an asker who is gone, a right that is missing, or a channel that the broker
//! closes disturbs nothing else. A reply is sent once: whoever waits for it can ask again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tracing::{info, warn};

use super::content::{Parcel, reply_properties};
use super::endpoint::Endpoint;
use super::lane::{self, Fate};
use super::link::Link;
use super::publisher::Lanes;
use super::refusal::Operation;
use super::topology::Answer;
use crate::message::Reply;
use crate::transport::reply::{LOST, SENT, count};

/// The most replies and bytes of body that wait to be sent. What is beyond that is dropped.
const MOST: usize = 4096;
const MOST_BYTES: usize = 8 << 20;
/// How long a connection or a confirm is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is said once while replies cannot be sent.
const UNSENT: &str = "replies are not sent";

/// Where replies are handed in. Clones are handles to the same one.
#[derive(Clone)]
pub(in crate::transport) struct Replies(Arc<Inner>);

struct Inner {
    queue: mpsc::Sender<Item>,
    room: Arc<Semaphore>,
    sender: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.sender.abort();
    }
}

enum Item {
    Reply {
        reply: Box<Reply>,
        _room: OwnedSemaphorePermit,
    },
    /// Everything before it was tried.
    Mark(oneshot::Sender<()>),
}

impl Replies {
    pub(super) fn start(link: Arc<Link<Lanes>>, endpoint: Endpoint) -> Self {
        let (queue, incoming) = mpsc::channel(MOST);
        let sender = tokio::spawn(Sender { link, endpoint }.run(incoming)).abort_handle();
        Self(Arc::new(Inner { queue, room: Arc::new(Semaphore::new(MOST_BYTES)), sender }))
    }

    /// Hands one in, or drops it where too many wait.
    pub(in crate::transport) fn send(&self, reply: Reply) {
        let bytes = u32::try_from(reply.message.body.len()).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.0.room).try_acquire_many_owned(bytes).ok();
        let taken = room.is_some_and(|_room| {
            self.0.queue.try_send(Item::Reply { reply: Box::new(reply), _room }).is_ok()
        });
        if !taken {
            count(LOST, 1);
        }
    }

    /// Resolves when everything that was handed in before was tried.
    pub(in crate::transport) async fn tried(&self) {
        let (mark, tried) = oneshot::channel();
        if self.0.queue.send(Item::Mark(mark)).await.is_ok() {
            _ = tried.await;
        }
    }
}

impl fmt::Debug for Replies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replies").finish_non_exhaustive()
    }
}

struct Sender {
    link: Arc<Link<Lanes>>,
    endpoint: Endpoint,
}

impl Sender {
    async fn run(self, mut incoming: mpsc::Receiver<Item>) {
        let mut items = Vec::new();
        while incoming.recv_many(&mut items, lane::MOST_MESSAGES).await > 0 {
            let (mut replies, mut marks) = (Vec::new(), Vec::new());
            let mut rooms = Vec::new();
            for item in items.drain(..) {
                match item {
                    Item::Reply { reply, _room } => {
                        replies.push(*reply);
                        rooms.push(_room);
                    }
                    Item::Mark(mark) => marks.push(mark),
                }
            }
            for part in lane::parts(&replies, |reply| reply.message.body.len()) {
                self.send(part).await;
            }
            drop(rooms);
            // Whoever waited may have given up.
            marks.into_iter().for_each(|mark| _ = mark.send(()));
        }
    }

    /// Sends what fits onto a lane, and says once what keeps it from going, and once when nothing does any more.
    async fn send(&self, part: &[Reply]) {
        let tried = self.try_to_send(part).await;
        let sent = tried.as_ref().map_or(0, |sent| *sent);
        count(SENT, sent as u64);
        count(LOST, (part.len() - sent) as u64);
        match tried {
            Ok(_) if self.endpoint.unsaid(UNSENT) => info!("replies are sent again"),
            Ok(_) => {}
            Err(why) => self.endpoint.once(UNSENT, || {
                warn!("cannot send replies: {why}; predictions go on, and whoever asks gets no answer");
            }),
        }
    }

    /// How many were sent; or why none was.
    async fn try_to_send(&self, part: &[Reply]) -> Result<usize, String> {
        let session = match timeout(PATIENCE, self.link.session()).await {
            Ok(Ok(session)) => session,
            Ok(Err(why)) => return Err(why.to_string()),
            Err(_) => return Err("there is no connection to RabbitMQ".to_owned()),
        };
        // They would be written behind everything that the broker does not read.
        if session.status.blocked() {
            return Err("RabbitMQ takes no messages now, for want of memory or disk".to_owned());
        }
        let Lanes { connection, replies, .. } = &session.role;
        replies.make_ready(connection).await.map_err(|why| why.to_string())?;
        let parcels: Vec<Parcel<'_>> = part.iter().map(parcel).collect();
        let fates = replies.publish(&session, connection, &parcels, Some(PATIENCE)).await;
        let refused = fates.iter().find_map(|fate| match fate {
            Fate::Closed(code, text) => Some(Answer { code: *code, text: text.clone() }),
            _ => None,
        });
        match refused {
            Some(answer) => {
                Err(self.endpoint.refused(&Operation::Publish { exchange: "" }, &answer).sentence)
            }
            // A full queue of an asker, or a session that has ended, which is said by whoever keeps it.
            None => Ok(fates.iter().filter(|fate| matches!(fate, Fate::Confirmed)).count()),
        }
    }
}

fn parcel(reply: &Reply) -> Parcel<'_> {
    Parcel {
        exchange: "",
        routing_key: &reply.asking.reply_to,
        body: &reply.message.body,
        properties: reply_properties(reply),
        // Whoever has gone does not want it back.
        mandatory: false,
    }
}
