//! Looks at the queues from time to time.

use std::time::Duration;

use shared::transport::{Lookout, Seen};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked what waits in the queues.
const EVERY: Duration = Duration::from_secs(1);

/// Looks at the queues from time to time, in a task of its own, because an answer may take long. It ends when nobody
/// wants to know any more.
pub(super) fn again_and_again(mut lookout: Lookout) -> watch::Receiver<Option<Seen>> {
    let (sender, looks) = watch::channel(None);
    tokio::spawn(async move {
        let mut times = interval(EVERY);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let look = async {
                times.tick().await;
                lookout.look().await
            };
            let seen = tokio::select! {
                seen = look => seen,
                () = sender.closed() => return,
            };
            sender.send_replace(seen);
        }
    });
    looks
}
