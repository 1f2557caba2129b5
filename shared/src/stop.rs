//! How a process is asked to end: first gracefully, then at once.

use std::time::Duration;

/// Signals to stop that come within this time of the first are the same order: `timeout` signals a process and its group,
/// a closed terminal everything that it has started, and some people press Ctrl-C twice.
const SAME_ORDER: Duration = Duration::from_millis(500);

/// What a signal to stop means, by when it comes: pure.
#[derive(Debug, Default)]
pub struct Orders {
    /// When the first one came.
    first: Option<Duration>,
}

/// What to do on a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// To finish what is held, and end.
    Stop,
    /// Nothing new.
    Same,
    /// To let go of everything.
    GiveUp,
}

impl Orders {
    /// Understands a signal that comes at this time of a clock that never runs back.
    pub fn heard(&mut self, now: Duration) -> Order {
        match self.first {
            None => {
                self.first = Some(now);
                Order::Stop
            }
            Some(first) if now.saturating_sub(first) < SAME_ORDER => Order::Same,
            Some(_) => Order::GiveUp,
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_signal_is_impatience_unless_it_comes_with_the_first() {
        use Order::{GiveUp, Same, Stop};
        for (times, orders) in [
            (&[7000][..], &[Stop][..]),
            (&[7000, 7000, 7000], &[Stop, Same, Same]),
            (&[7000, 7499, 7500], &[Stop, Same, GiveUp]),
            // Not from the latest on: who goes on pressing is impatient.
            (&[7000, 7300, 7600], &[Stop, Same, GiveUp]),
            (&[0, 60_000], &[Stop, GiveUp]),
        ] {
            let mut heard = Orders::default();
            let got: Vec<Order> = times.iter().map(|ms| heard.heard(Duration::from_millis(*ms))).collect();
            assert_eq!(got, orders, "{times:?}");
        }
    }
}
