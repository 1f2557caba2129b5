//! The log's lines about messages that were dead-lettered: a producer that sends nothing else must not fill the log.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tracing::warn;

use super::delivery::shown_id;
use super::queues::Subscription;
use crate::message::{Incoming, Rejection};
use crate::quota::{Asked, Quota};

/// How many of them are said in a second. The metrics count all, and each letter has its reason.
const A_SECOND: u64 = 20;

/// Of this process.
static SAID: Mutex<Quota> = Mutex::new(Quota::new(A_SECOND));
/// When counting seconds began.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Says that a message was dead-lettered, and why, unless too many were in this second.
pub(super) fn dead_lettered(subscription: &Subscription, message: &dyn Incoming, rejection: &Rejection) {
    let mut said = lock();
    let time = START.elapsed();
    turn(&mut said, time);
    match said.ask() {
        Asked::Say => {
            drop(said);
            let Rejection { reason, detail } = rejection;
            warn!(
                queue = %subscription.queue,
                row.id = %shown_id(message),
                "dead-lettered to {} ({reason}): {detail}",
                subscription.dead()
            );
        }
        Asked::HideFirst => {
            drop(said);
            // Also where no other one follows.
            if let Ok(runtime) = Handle::try_current() {
                let rest = Duration::from_secs(1) - Duration::from_nanos(time.subsec_nanos().into());
                runtime.spawn(async move {
                    tokio::time::sleep(rest).await;
                    turn(&mut lock(), START.elapsed());
                });
            }
        }
        Asked::Hide => {}
    }
}

fn turn(said: &mut Quota, time: Duration) {
    if let Some(hidden) = said.now(i64::try_from(time.as_secs()).unwrap_or(i64::MAX)) {
        warn!("and {hidden} more were dead-lettered in that second");
    }
}

fn lock() -> MutexGuard<'static, Quota> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner)
}
