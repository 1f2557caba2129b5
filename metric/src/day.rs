//! Days, by which text files are closed. Pure.

use std::fmt;

use shared::clock::Timestamp;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A day in UTC, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(pub i64);

impl Day {
    /// The day of a moment.
    #[must_use]
    pub const fn of(moment: Timestamp) -> Self {
        Self(moment.0.div_euclid(DAY_MS))
    }

    /// Whether lines of another day no longer belong to the file of this one.
    ///
    /// A clock that is set back over midnight by a little makes no file. One that was wrong by years, and is mended, does, or
    /// nothing would be closed for years.
    #[must_use]
    pub const fn is_over(self, next: Self) -> bool {
        next.0 > self.0 || next.0 < self.0 - 1
    }
}

/// `2026-11-25`. A day outside the years 1970 to 9999 shows as the nearest end of them.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = Timestamp(self.0.saturating_mul(DAY_MS)).to_string();
        f.write_str(moment.split('T').next().unwrap_or_default())
    }
}

/// The name of a file of this day: the plain one, or the first with a number that is not taken.
#[must_use]
pub fn name_of(log: &str, day: Day, taken: &[String]) -> String {
    let plain = format!("{log}.{day}");
    let numbered = (2..).map(|number| format!("{plain}-{number}"));
    let mut names = std::iter::once(plain.clone()).chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_belongs_to_its_day_in_utc() {
        for (moment, day) in [
            ("2026-11-25T00:00:00.000Z", "2026-11-25"),
            ("2026-11-25T23:59:59.999Z", "2026-11-25"),
            ("2026-11-26T00:00:00.000Z", "2026-11-26"),
            ("2028-02-29T12:00:00.000Z", "2028-02-29"),
        ] {
            assert_eq!(Day::of(Timestamp::parse(moment).unwrap()).to_string(), day);
        }
        assert_eq!(Day::of(Timestamp(-1)), Day(-1));
        assert_eq!(Day::of(Timestamp(i64::MAX)).to_string(), "9999-12-31");
    }

    #[test]
    fn a_file_is_over_with_the_next_day_and_not_with_a_clock_that_is_corrected() {
        for (next, over) in [(99, false), (100, false), (101, true), (140, true), (98, true), (3, true)] {
            assert_eq!(Day(100).is_over(Day(next)), over, "{next}");
        }
    }

    #[test]
    fn no_name_is_given_twice() {
        let taken = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (names, want) in [
            (&[][..], "a.csv.1970-01-02"),
            (&["a.csv.1970-01-01", "b.1970-01-02"], "a.csv.1970-01-02"),
            (&["a.csv.1970-01-02"], "a.csv.1970-01-02-2"),
            (&["a.csv.1970-01-02", "a.csv.1970-01-02-3"], "a.csv.1970-01-02-2"),
            (&["a.csv.1970-01-02-2", "a.csv.1970-01-02"], "a.csv.1970-01-02-3"),
        ] {
            assert_eq!(name_of("a.csv", Day(1), &taken(names)), want);
        }
    }
}
