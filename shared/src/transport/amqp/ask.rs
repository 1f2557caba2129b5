//! Asking on RabbitMQ, by direct reply-to: replies come to the channel that the question went out on, without a queue.
//!
//! What is wrong with that channel is told to whoever asks, and the next question gets another one.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures_util::StreamExt as _;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::content::Content;
use super::endpoint::Endpoint;
use super::lane::{Lane, confirming_channel};
use super::link::{Link, Session, in_time};
use super::side::send;
use super::topology::Failure;
use crate::message::{Asking, Incoming as _};
use crate::readiness::Readiness;
use crate::stop::Stop;
use crate::transport::side::{Sent, SideMessage, SideQueue};

/// What the broker knows the channel by that consumes it.
const DIRECT_REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// See [`AskChannel`](crate::transport::AskChannel).
pub(in crate::transport) struct AskChannel {
    endpoint: Endpoint,
    app: &'static str,
    stop: Stop,
    link: OnceLock<Link<Open>>,
    waiting: Arc<Waiting>,
}

/// What the connection has.
struct Open {
    connection: Arc<Connection>,
    /// The channel that is in use.
    line: tokio::sync::Mutex<Option<Arc<Line>>>,
}

/// A channel that carries questions out and replies in.
struct Line {
    channel: Channel,
    lane: Lane,
    /// Cancelled when no more replies come.
    ended: CancellationToken,
    reader: AbortHandle,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl AskChannel {
    pub(in crate::transport) fn new(endpoint: Endpoint, app: &'static str, stop: Stop) -> Self {
        Self { endpoint, app, stop, link: OnceLock::new(), waiting: Arc::default() }
    }

    fn link(&self) -> &Link<Open> {
        self.link.get_or_init(|| {
            let open =
                |connection, _| async move { Ok(Open { connection, line: tokio::sync::Mutex::default() }) };
            // Whether it is there is nothing that the service needs to be ready.
            let nobody = Readiness::default();
            Link::keep(self.endpoint.clone(), self.app, "asking".to_owned(), self.stop.clone(), &nobody, open)
        })
    }

    pub(in crate::transport) async fn ask(
        &self,
        message: SideMessage,
        until: Instant,
    ) -> Result<Content, String> {
        let session = match timeout_at(until, self.link().session()).await {
            Ok(session) => session.map_err(|why| why.to_string())?,
            Err(_) => return Err(format!("there is no connection to RabbitMQ at {}", self.endpoint)),
        };
        let Waited { number, reply, .. } = &mut self.waiting.enter();
        let asking =
            Asking { reply_to: DIRECT_REPLY_TO.into(), correlation_id: Some(number.to_string().into()) };
        let message = SideMessage { asking: Some(asking), ..message };
        // Whoever is no longer interested must not leave the channel with a confirm on its way.
        let (endpoint, waiting) = (self.endpoint.clone(), Arc::clone(&self.waiting));
        let out = tokio::spawn(send_out(Arc::clone(&session), endpoint, waiting, message));
        let late = || "no reply in time".to_owned();
        let line = match timeout_at(until, out).await {
            Ok(Ok(line)) => line?,
            Ok(Err(why)) => return Err(why.to_string()),
            Err(_) => return Err(late()),
        };
        tokio::select! {
            reply = reply => reply.map_err(|_| late()),
            () = line.ended.cancelled() => Err("the channel to RabbitMQ was closed".to_owned()),
            () = session.failed() => Err("the connection to RabbitMQ was lost".to_owned()),
            () = tokio::time::sleep_until(until) => Err(late()),
        }
    }

    pub(in crate::transport) async fn close(&self) {
        if let Some(link) = self.link.get() {
            link.close().await;
        }
    }
}

impl fmt::Debug for AskChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AskChannel({})", self.endpoint)
    }
}

/// Sends a question, on the channel that is in use or else on another one.
async fn send_out(
    session: Arc<Session<Open>>,
    endpoint: Endpoint,
    waiting: Arc<Waiting>,
    message: SideMessage,
) -> Result<Arc<Line>, String> {
    let Open { connection, line: place } = &session.role;
    let line = {
        let mut place = place.lock().await;
        match place.as_ref().filter(|line| line.channel.status().connected() && !line.ended.is_cancelled()) {
            Some(line) => Arc::clone(line),
            None => {
                let line = Line::open(&session, waiting).await.map_err(|why| why.to_string())?;
                Arc::clone(place.insert(Arc::new(line)))
            }
        }
    };
    match send(&session, connection, &line.lane, &endpoint, SideQueue::Asks, &message).await {
        Sent::Confirmed => Ok(line),
        Sent::Not { why, early } => {
            let mut place = place.lock().await;
            // What became of a channel after that, nobody knows; its other questions keep it until they are answered.
            if !early && place.as_ref().is_some_and(|now| Arc::ptr_eq(now, &line)) {
                *place = None;
            }
            Err(why)
        }
    }
}

impl Line {
    async fn open(session: &Session<Open>, waiting: Arc<Waiting>) -> Result<Self, Failure> {
        let channel = confirming_channel(&session.role.connection).await?;
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let consume =
            channel.basic_consume(DIRECT_REPLY_TO.into(), "".into(), options, FieldTable::default());
        let mut replies = in_time("asking for replies", consume).await?;
        let ended = CancellationToken::new();
        let (id, watch, of_session) = (channel.id(), Arc::clone(&session.watch), session.ended.clone());
        let no_more = ended.clone().drop_guard();
        let reader = tokio::spawn(async move {
            let _no_more = no_more;
            while let Some(Ok(delivery)) = replies.next().await {
                let note = watch.take_note(id, delivery.delivery_tag);
                waiting.answer(Content::new(delivery, note, of_session.clone()));
            }
        });
        Ok(Self { lane: Lane::on(channel.clone()), channel, ended, reader: reader.abort_handle() })
    }
}

/// The questions that wait for a reply, by their correlation id.
#[derive(Default)]
struct Waiting {
    last: AtomicU64,
    questions: Mutex<HashMap<u64, oneshot::Sender<Content>>>,
}

/// A place among them, until it is dropped.
struct Waited {
    all: Arc<Waiting>,
    number: u64,
    reply: oneshot::Receiver<Content>,
}

impl Waiting {
    fn enter(self: &Arc<Self>) -> Waited {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = oneshot::channel();
        self.lock().insert(number, sender);
        Waited { all: Arc::clone(self), number, reply }
    }

    /// Gives a reply to whoever waits for it. What comes late, or twice, is nobody's.
    fn answer(&self, reply: Content) {
        let number = reply.correlation_id().and_then(|id| id.parse().ok());
        if let Some(question) = number.and_then(|number: u64| self.lock().remove(&number)) {
            _ = question.send(reply);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Content>>> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waited {
    fn drop(&mut self) {
        self.all.lock().remove(&self.number);
    }
}
