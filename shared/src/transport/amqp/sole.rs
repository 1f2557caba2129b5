//! One consumer of a stream, and nobody else: the lock, and how others are noticed.
//!
//! Two that record the same stream would get half of its labels and half of its predictions each, and join a quarter. Quorum
//! queues do not know exclusive consumers, so whoever records holds a queue that only its own connection may use. It
//! lives as long as the connection by which everything is consumed, so lock and consumers come and go together.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::endpoint::Endpoint;
use super::refusal::{Kind, Operation};
use super::topology::{self, Answer, Failure, ask};
use crate::transport::queues::QueueName;

/// How often a lock that somebody else holds is asked for.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// How often it is looked who else consumes.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long RabbitMQ may take a dead connection for alive, at a heartbeat of 10 s.
const LINGERS: Duration = Duration::from_secs(35);

/// When this process held the lock last.
#[derive(Clone, Default)]
pub(super) struct Former(Arc<Mutex<Option<Instant>>>);

impl Former {
    fn holds(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn held_lately(&self) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < LINGERS)
    }
}

/// Waits for the lock. Returns false where this user may not have it.
pub(super) async fn lock(
    connection: &Connection,
    endpoint: &Endpoint,
    name: &QueueName,
    former: &Former,
) -> Result<bool, Failure> {
    let (waiting, lingering) = (format!("waiting for {name}"), format!("{name} lingers"));
    loop {
        let Err(answer) = declare(connection, name).await? else {
            if endpoint.unsaid(&waiting) | endpoint.unsaid(&lingering) {
                info!("got the lock {name}: recording now");
            }
            return Ok(true);
        };
        let refusal = endpoint.refused(&Operation::Lock(name.as_str()), &answer);
        match refusal.kind {
            Kind::Locked if former.held_lately() => endpoint.once(&lingering, || {
                warn!(
                    "the lock {name} at {endpoint} is held, probably by our previous connection, which RabbitMQ considers alive for up to {LINGERS:?}; waiting for it"
                );
            }),
            // A queue that anybody may look at is no lock.
            Kind::Locked if topology::look(connection, endpoint, name).await.is_ok_and(|found| found.is_some()) => {
                return Err(Failure::Refused(format!(
                    "{name} is an ordinary queue, but metric needs that name for its lock; delete it: rabbitmqctl delete_queue {name}"
                )));
            }
            Kind::Locked => endpoint.once(&waiting, || {
                warn!(
                    "another metric already records these queues at {endpoint} and holds the lock {name}; waiting until it stops. To record the same stream twice, give this one its own queues"
                );
            }),
            Kind::NoRight => {
                endpoint.once(name.as_str(), || {
                    warn!(
                        "recording without the lock {name}: {}. A second metric on the same queues would take half of the messages, and neither could join all rows",
                        refusal.sentence
                    );
                });
                return Ok(false);
            }
            _ => return Err(Failure::Refused(refusal.sentence)),
        }
        sleep(ASK_EVERY).await;
    }
}

/// Makes the lock. It goes with its connection, so it is neither durable nor left behind.
async fn declare(connection: &Connection, name: &QueueName) -> Result<Result<(), Answer>, Failure> {
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let declared = ask(connection, format!("declaring the lock {name}"), async |channel: Channel| {
        channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await
    });
    Ok(declared.await?.map(drop))
}

/// Says that somebody else consumes a queue that must be ours alone, and waits a while.
pub(super) async fn wait_for_other(endpoint: &Endpoint, queue: &QueueName) {
    endpoint.once(&other(queue), || say(endpoint, queue, "waiting until it is gone"));
    sleep(ASK_EVERY).await;
}

fn other(queue: &QueueName) -> String {
    format!("another consumer of {queue}")
}

fn say(endpoint: &Endpoint, queue: &QueueName, what: &str) {
    warn!(
        "another consumer takes messages from {queue} at {endpoint}, such as an old metric.py: each message reaches only one of the two, so many rows would never be joined; {what}. Stop it (rabbitmqctl list_consumers shows it), or give this metric its own queues with --labels-queue and --predictions-queue"
    );
}

/// Looks who else consumes, as long as it lives.
pub(super) struct Company(JoinHandle<()>);

impl Company {
    /// Without the lock, a consumer of ours that is dead and still counted looks like another: then only one that stays
    /// is told.
    pub(super) fn watch(
        connection: Arc<Connection>,
        endpoint: Endpoint,
        queues: Vec<QueueName>,
        lock: Option<(QueueName, Former)>,
    ) -> Self {
        Self(tokio::spawn(async move {
            let mut since: Vec<Option<Instant>> = vec![None; queues.len()];
            loop {
                if let Some((name, former)) = &lock {
                    // It may have been deleted. Then it is made anew, or another has it, and this one has to wait.
                    match declare(&connection, name).await {
                        Ok(Ok(())) => former.holds(),
                        Ok(Err(_)) => {
                            warn!("the lock {name} was deleted, and somebody else holds it now");
                            _ = connection.close(320, "the lock is lost".into()).await;
                            return;
                        }
                        // On a slow link, answers wait behind large messages. A connection that is gone is told elsewhere.
                        Err(_) => {}
                    }
                }
                for (queue, since) in queues.iter().zip(&mut since) {
                    let Ok(found) = topology::look(&connection, &endpoint, queue).await else { continue };
                    if found.is_none_or(|found| found.consumers < 2) {
                        *since = None;
                        if endpoint.unsaid(&other(queue)) {
                            info!("the other consumer of {queue} is gone");
                        }
                        continue;
                    }
                    let first = *since.get_or_insert_with(Instant::now);
                    if lock.is_some() || first.elapsed() >= LINGERS {
                        endpoint.once(&other(queue), || {
                            say(&endpoint, queue, "this metric asks the broker to be served first")
                        });
                    }
                }
                sleep(LOOK_EVERY).await;
            }
        }))
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        self.0.abort();
    }
}
