//! Whether a challenger keeps up with the rows: said once when it does not, and once when it does again. Pure.

use std::time::Duration;

use shared::clock::Timestamp;

/// So old may be the rows that it predicts. It is more than any pause of a broker or a start takes.
const BEHIND: Duration = Duration::from_secs(60);
/// It has caught up when they are younger than this. Less than the other, so that it is not said again and again.
const CAUGHT_UP: Duration = Duration::from_secs(10);

/// What there is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// It predicts rows that are this old.
    Behind(Duration),
    /// It was behind, and is no more.
    CaughtUp,
}

/// How long ago that was. Who publishes rows may say any time, also one that is yet to come.
pub(super) fn age(now: Timestamp, published: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(now.0.saturating_sub(published.0)).unwrap_or(0))
}

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Lag {
    behind: bool,
}

impl Lag {
    /// What there is to be said of rows that were published so long ago.
    pub(super) fn note(&mut self, age: Duration) -> Option<News> {
        let behind = if self.behind { age >= CAUGHT_UP } else { age >= BEHIND };
        let news = match (self.behind, behind) {
            (false, true) => Some(News::Behind(age)),
            (true, false) => Some(News::CaughtUp),
            _ => None,
        };
        self.behind = behind;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_may_say_any_time() {
        for (now, published, age_ms) in [
            (5000, 2000, 3000),
            (5000, 6000, 0),
            (5000, i64::MAX, 0),
            (5000, i64::MIN, i64::MAX.unsigned_abs()),
        ] {
            assert_eq!(
                age(Timestamp(now), Timestamp(published)),
                Duration::from_millis(age_ms),
                "{published}"
            );
        }
    }

    #[test]
    fn it_is_said_once_at_each_end() {
        let mut lag = Lag::default();
        let second = Duration::from_secs;
        for (age, news) in [
            (0, None),
            (59, None),
            (60, Some(News::Behind(second(60)))),
            (4000, None),
            (59, None),
            (10, None),
            (9, Some(News::CaughtUp)),
            (30, None),
            (61, Some(News::Behind(second(61)))),
        ] {
            assert_eq!(lag.note(second(age)), news, "{age} s");
        }
    }
}
