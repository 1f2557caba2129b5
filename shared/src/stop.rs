//! How a process is asked to end: first gracefully, then at once.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Two signals that every task of a process shares.
///
/// After [`Stop::requested`] a service takes nothing new and finishes what it holds. After
/// [`Stop::overdue`] it lets go of that too: what is unacknowledged goes back to its queue.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    graceful: CancellationToken,
    at_once: CancellationToken,
}

impl Stop {
    /// How long a service may take to finish what it holds, after which it must let go. Docker kills after 10 s.
    pub const GRACE: Duration = Duration::from_secs(5);

    /// Asks for a graceful stop.
    pub fn request(&self) {
        self.graceful.cancel();
    }

    /// Asks to let go of everything now.
    pub fn give_up(&self) {
        self.graceful.cancel();
        self.at_once.cancel();
    }

    /// Resolves when a graceful stop was asked for.
    pub async fn requested(&self) {
        self.graceful.cancelled().await;
    }

    /// Whether a graceful stop was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.graceful.is_cancelled()
    }

    /// Resolves when the time to finish is over.
    pub async fn overdue(&self) {
        self.at_once.cancelled().await;
    }

    /// A stop of its own, for one service of several in a process: it is asked for separately, but when this one
    /// gives up, so does it.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { graceful: self.at_once.child_token(), at_once: self.at_once.child_token() }
    }

    /// Sleeps, but no longer than until a graceful stop. Returns whether the whole time passed.
    pub async fn sleep(&self, time: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(time) => true,
            () = self.requested() => false,
        }
    }
}
