//! How much of the main path's time a slow version may take that predicts beside it. Pure.

use std::time::Duration;

/// How long a batch waits for it at the most.
pub(super) const MOST_WAIT: Duration = Duration::from_millis(100);
/// What a batch may wait without any rest after it, in milliseconds.
const FREE: i64 = 5;
/// How many times longer it rests than the batch has waited.
const REST: i64 = 9;

/// When it may predict again.
#[derive(Debug, Default)]
pub(super) struct Pace {
    rests_until: i64,
    told: bool,
}

impl Pace {
    /// Whether it may.
    pub(super) fn may(&self, now: i64) -> bool {
        now >= self.rests_until
    }

    /// A batch has waited for it. Returns whether that is to be said: the first time that it has to rest.
    pub(super) fn waited(&mut self, now: i64, waited: i64) -> bool {
        if waited <= FREE {
            return false;
        }
        self.rests_until = self.rests_until.max(now + REST * waited);
        !std::mem::replace(&mut self.told, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_is_a_tenth_of_the_time_at_the_most() {
        let mut pace = Pace::default();
        // When it has predicted, how long that was waited for, when it may again, and whether it is said.
        for (at, waited, next, said) in
            [(0, 1, 0, false), (10, 5, 10, false), (20, 100, 920, true), (920, 100, 1820, false)]
        {
            assert!(pace.may(at), "{at}");
            assert_eq!(pace.waited(at, waited), said, "{at}");
            assert_eq!((pace.may(next.max(at + 1) - 1), pace.may(next)), (next <= at, true), "{at}");
        }
    }

    #[test]
    fn of_several_that_wait_the_longest_rest_counts() {
        let mut pace = Pace::default();
        pace.waited(0, 100);
        pace.waited(1, 10);
        assert!(!pace.may(899) && pace.may(900));
    }
}
