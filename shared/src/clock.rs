//! The only place that reads the wall clock, so that everything else takes time as a parameter.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment, in milliseconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The last moment of the year 9999.
    pub const LAST: Self = Self(253_402_300_799_999);

    /// The wall clock's present reading.
    #[expect(clippy::disallowed_methods, reason = "this is the one source the ban points at")]
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Reads `2026-11-21T17:04:05.123Z`, with or without a fraction of the second.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let since = humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since.as_millis()).ok().map(Self)
    }

    /// Reads what people write on a command line: a day, which is its first moment, or a time.
    ///
    /// # Errors
    /// What is expected.
    pub fn of_person(text: &str) -> Result<Self, String> {
        let whole =
            if text.len() == "2026-11-22".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
        Self::parse(&whole)
            .ok_or_else(|| "expected a day or a time in UTC, such as 2026-11-22T10:00:00Z".to_owned())
    }

    /// Whole seconds since 1970, as AMQP's `timestamp` property has them.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

/// `2026-11-21T17:04:05.123Z`. A moment outside the years 1970 to 9999 shows as its nearest end.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.min(Self::LAST.0)).unwrap_or(0);
        write!(f, "{}", humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(millis)))
    }
}

/// Where a service that lets time pass reads it: from the machine, or from a hand that turns it.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clocks.
    System,
    /// Stands still but for [`Hand::advance`] and [`Hand::set_wall`].
    Manual(Arc<Hand>),
}

impl Clock {
    /// The wall clock's reading. It can be set, forward and back.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Manual(hand) => Timestamp(hand.wall.load(Ordering::SeqCst)),
        }
    }

    /// Milliseconds since some moment in this process. Never runs back and cannot be set.
    #[must_use]
    pub fn steady_ms(&self) -> i64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        match self {
            Self::System => i64::try_from(START.elapsed().as_millis()).unwrap_or(i64::MAX),
            Self::Manual(hand) => hand.steady.load(Ordering::SeqCst),
        }
    }
}

/// Turns a [`Clock::Manual`].
#[derive(Debug)]
pub struct Hand {
    wall: AtomicI64,
    steady: AtomicI64,
}

impl Hand {
    /// A clock that shows this time.
    #[must_use]
    pub fn at(wall: Timestamp) -> Arc<Self> {
        Arc::new(Self { wall: AtomicI64::new(wall.0), steady: AtomicI64::new(0) })
    }

    /// Lets time pass.
    pub fn advance(&self, ms: i64) {
        self.wall.fetch_add(ms, Ordering::SeqCst);
        self.steady.fetch_add(ms, Ordering::SeqCst);
    }

    /// Sets the wall clock, as an administrator or a time server does.
    pub fn set_wall(&self, wall: Timestamp) {
        self.wall.store(wall.0, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_milliseconds_in_utc() {
        assert_eq!(Timestamp(1_795_194_245_123).to_string(), "2026-11-20T17:04:05.123Z");
        assert_eq!(Timestamp::parse("2026-11-20T17:04:05.123Z"), Some(Timestamp(1_795_194_245_123)));
        assert_eq!(Timestamp::parse("tomorrow"), None);
        assert_eq!(Timestamp(-1).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_day_is_its_first_moment() {
        assert_eq!(Timestamp::of_person("2026-11-20"), Ok(Timestamp(1_795_132_800_000)));
        assert_eq!(Timestamp::of_person("2026-11-20T17:04:05.123Z"), Ok(Timestamp(1_795_194_245_123)));
        assert!(Timestamp::of_person("yesterday").unwrap_err().contains("2026-11-22T10:00:00Z"));
    }

    #[test]
    fn a_manual_clock_is_turned_by_hand() {
        let hand = Hand::at(Timestamp(1000));
        let clock = Clock::Manual(Arc::clone(&hand));
        hand.advance(500);
        assert_eq!((clock.wall(), clock.steady_ms()), (Timestamp(1500), 500));
        hand.set_wall(Timestamp(200));
        assert_eq!((clock.wall(), clock.steady_ms()), (Timestamp(200), 500));
    }

    #[test]
    fn seconds_round_down() {
        assert_eq!(Timestamp(1999).seconds(), 1);
        assert_eq!(Timestamp(-1).seconds(), -1);
    }
}
