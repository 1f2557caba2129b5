//! How fast new connections are taken.

use std::time::Duration;

use tokio::time::Instant;

/// So many a second, after a few at once.
#[derive(Debug)]
pub(super) struct Pace {
    /// The time of one.
    each: Duration,
    /// How far it may run ahead of the clock.
    ahead: Duration,
    /// When the next one would be due if all came evenly.
    next: Instant,
}

impl Pace {
    pub(super) fn new(per_second: u32, at_once: u32, now: Instant) -> Self {
        let each = Duration::from_secs(1) / per_second.max(1);
        Self { each, ahead: each * at_once, next: now }
    }

    /// Takes one more and returns how long to wait before it.
    pub(super) fn take(&mut self, now: Instant) -> Duration {
        let due = self.next.max(now);
        self.next = due + self.each;
        due.saturating_duration_since(now).saturating_sub(self.ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_at_once_and_then_evenly() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut pace = Pace::new(100, 3, start);
        let waits: Vec<_> = (0..6).map(|_| pace.take(start)).collect();
        assert_eq!(waits, [ms(0), ms(0), ms(0), ms(0), ms(10), ms(20)]);
        // Half a second later it has the same again, and no more than that.
        let later = start + ms(500);
        let waits: Vec<_> = (0..5).map(|_| pace.take(later)).collect();
        assert_eq!(waits, [ms(0), ms(0), ms(0), ms(0), ms(10)]);
    }

    #[test]
    fn in_a_second_no_more_than_is_allowed() {
        let start = Instant::now();
        let mut pace = Pace::new(1000, 8, start);
        let mut now = start;
        let mut taken = 0;
        while now < start + Duration::from_secs(1) {
            now += pace.take(now);
            taken += 1;
        }
        assert!((1000..=1010).contains(&taken), "{taken}");
    }
}
