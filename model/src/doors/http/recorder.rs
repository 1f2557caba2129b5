//! Publishes what came by HTTP, and says when the broker has confirmed it. What is under way is bounded, and nothing waits behind
//! it: whoever comes when there is no room comes again.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use shared::message::{Incoming as _, Outgoing};
use shared::transport::Publisher;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::problem::Problem;

/// How many rows and labels are under way at once, each of which counts as one for each 4 KiB that it has.
const MOST: usize = 16_384;
const BYTES_OF_ONE: usize = 4 << 10;
/// How long an answer waits for its confirms.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many requests are published together, and how many such batches are under way.
const TOGETHER: usize = 64;
const DEPTH: usize = 2;

/// A way to the queues. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    jobs: mpsc::UnboundedSender<Job>,
    room: Arc<Semaphore>,
    publisher: Publisher,
}

/// The messages of a request. Its place is taken until they are published, whoever still waits for that.
#[derive(Debug)]
struct Job {
    messages: Vec<Outgoing>,
    done: oneshot::Sender<()>,
    place: OwnedSemaphorePermit,
}

impl Recorder {
    /// Starts to publish, in the runtime of whoever calls.
    pub(super) fn start(publisher: Publisher) -> Self {
        // Bounded by the room that each job has.
        let (jobs, incoming) = mpsc::unbounded_channel();
        tokio::spawn(publish_all(incoming, publisher.clone()));
        Self { jobs, room: Arc::new(Semaphore::new(MOST)), publisher }
    }

    /// Whether what is published now goes out now.
    pub(super) fn is_taking(&self) -> bool {
        self.publisher.is_taking()
    }

    /// Returns when the messages, with so many rows or labels in them, are safe in their queues.
    pub(super) async fn publish(&self, messages: Vec<Outgoing>, rows: usize) -> Result<(), Problem> {
        if !self.is_taking() {
            return Err(Problem::unavailable("the broker is away or takes nothing now; try again"));
        }
        let bytes: usize = messages.iter().map(size).sum();
        let cost = rows.max(bytes.div_ceil(BYTES_OF_ONE)).clamp(1, MOST);
        let place = u32::try_from(cost).map(|cost| Arc::clone(&self.room).try_acquire_many_owned(cost));
        let Ok(Ok(place)) = place else {
            return Err(Problem::unavailable("too much is under way to the broker; try again in a second"));
        };
        let (done, safe) = oneshot::channel();
        // Where nobody takes jobs any more, `safe` says so.
        _ = self.jobs.send(Job { messages, done, place });
        match timeout(PATIENCE, safe).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Problem::unavailable("this service stops; send it again with the same id")),
            Err(_) => Err(Problem::unavailable(format!(
                "the broker has not confirmed it within {PATIENCE:?}; it may have been taken, so send it again with the same id"
            ))),
        }
    }

    /// Waits until nothing is under way.
    pub(super) async fn finish(&self) {
        let all = u32::try_from(MOST).unwrap_or(u32::MAX);
        // It is never closed.
        _ = self.room.acquire_many(all).await;
    }
}

/// The bytes of a message that somebody else has chosen.
fn size(message: &Outgoing) -> usize {
    message.body.len() + message.bytes_header("features").map_or(0, <[u8]>::len)
}

async fn publish_all(mut jobs: mpsc::UnboundedReceiver<Job>, publisher: Publisher) {
    let mut flight = FuturesUnordered::new();
    loop {
        let mut taken = Vec::new();
        tokio::select! {
            count = jobs.recv_many(&mut taken, TOGETHER), if flight.len() < DEPTH => {
                if count == 0 {
                    break;
                }
                flight.push(publish(taken, &publisher));
            }
            Some(()) = flight.next() => {}
        }
    }
    while flight.next().await.is_some() {}
}

async fn publish(jobs: Vec<Job>, publisher: &Publisher) {
    let (mut messages, mut waiting) = (Vec::new(), Vec::new());
    for Job { messages: of_job, done, place } in jobs {
        messages.extend(of_job);
        waiting.push((done, place));
    }
    // Why it could not is said by whoever keeps the connection; those who wait hear that it was not.
    if publisher.publish(messages).await.is_ok() {
        for (done, place) in waiting {
            drop(place);
            // Whoever asked may be gone.
            _ = done.send(());
        }
    }
}
