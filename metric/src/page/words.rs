//! Times as somebody reads them: on the clock of whoever looks, as far as the browser has said which that is.

use evaluation::number::{Decimals, duration};
use evaluation::report::Moment;
use maud::{Markup, html};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;
/// No clock on Earth is further ahead of UTC or behind it, in minutes.
const MOST: i64 = 14 * 60;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// How far the clock of whoever looks is ahead of UTC, in minutes; none where nobody has said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Zone(Option<i64>);

impl Zone {
    /// From the header of cookies that the page's script has set: `zone=60`.
    pub(crate) fn of_cookies(cookies: &str) -> Self {
        let zone = cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix("zone="));
        Self(zone.and_then(|minutes| minutes.parse().ok()).filter(|minutes: &i64| minutes.abs() <= MOST))
    }

    /// The same in milliseconds.
    pub(crate) fn ahead(self) -> i64 {
        self.0.unwrap_or(0) * MINUTE
    }

    /// What it is called.
    pub(crate) fn name(self) -> String {
        match self.0 {
            None => "UTC".to_owned(),
            Some(minutes) => {
                let sign = if minutes < 0 { '−' } else { '+' };
                let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
                let rest = if rest == 0 { String::new() } else { format!(":{rest:02}") };
                format!("local time (UTC{sign}{hours}{rest})")
            }
        }
    }

    /// As `2026-11-27T03:10:00.000Z`, on that clock.
    fn written(self, at: Moment) -> String {
        Moment(at.0.saturating_add(self.ahead())).to_string()
    }

    /// `14:32`.
    pub(crate) fn clock(self, at: Moment) -> String {
        self.written(at).get(11..16).unwrap_or_default().to_owned()
    }

    /// `14:32:08`.
    pub(crate) fn seconds(self, at: Moment) -> String {
        self.written(at).get(11..19).unwrap_or_default().to_owned()
    }

    /// The beginning and the end of what lasts so many milliseconds, with seconds where it is short.
    pub(crate) fn range(self, from: Moment, length: i64) -> String {
        let to = Moment(from.0.saturating_add(length));
        if length < MINUTE {
            format!("{} to {}", self.seconds(from), self.seconds(to))
        } else {
            format!("{} to {}", self.clock(from), self.clock(to))
        }
    }

    /// `27 Nov`.
    pub(crate) fn day(self, at: Moment) -> String {
        let written = self.written(at);
        let month = written.get(5..7).and_then(|month| month.parse::<usize>().ok()).unwrap_or(1);
        let day = written.get(8..10).unwrap_or_default().trim_start_matches('0');
        format!("{day} {}", MONTHS.get(month.saturating_sub(1)).unwrap_or(&""))
    }

    /// `27 Nov 2026, 14:32:08`.
    pub(crate) fn whole(self, at: Moment) -> String {
        format!("{} {}, {}", self.day(at), self.written(at).get(..4).unwrap_or_default(), self.seconds(at))
    }

    /// At an axis whose marks are so many milliseconds apart: the date at midnight.
    pub(crate) fn tick(self, at: Moment, step: i64) -> String {
        if at.0.saturating_add(self.ahead()).rem_euclid(DAY) == 0 {
            return self.day(at);
        }
        if step < MINUTE { self.seconds(at) } else { self.clock(at) }
    }

    /// A time of day, with the instant for programs and whoever points at it.
    pub(crate) fn time(self, at: Moment) -> Markup {
        html! { time datetime=(at) title=(at) { (self.clock(at)) } }
    }
}

/// A number alone.
pub(crate) fn number(value: f64) -> String {
    Decimals::of(value).plain(value)
}

/// A difference, always with its sign.
pub(crate) fn signed(value: f64) -> String {
    Decimals::of(value).signed(value)
}

/// With a capital letter at its beginning.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// `12 s ago`, with the instant.
pub(crate) fn ago(now: Moment, at: Moment) -> Markup {
    html! { time datetime=(at) title=(at) { (duration(now.0.saturating_sub(at.0).max(0))) " ago" } }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-27, 23:30:05 UTC.
    const AT: Moment = Moment(1_795_822_205_000);

    #[test]
    fn times_are_those_of_whoever_looks() {
        for (cookies, clock, day, name) in [
            ("", "23:30", "27 Nov", "UTC"),
            ("zone=60", "00:30", "28 Nov", "local time (UTC+1)"),
            ("a=b; zone=-210; c", "20:00", "27 Nov", "local time (UTC−3:30)"),
            ("zone=900", "23:30", "27 Nov", "UTC"),
            ("zone=<script>", "23:30", "27 Nov", "UTC"),
        ] {
            let zone = Zone::of_cookies(cookies);
            assert_eq!((zone.clock(AT).as_str(), zone.day(AT).as_str()), (clock, day), "{cookies}");
            assert_eq!(zone.name(), name);
        }
        assert_eq!(Zone::default().whole(AT), "27 Nov 2026, 23:30:05");
        assert_eq!(Zone::of_cookies("zone=30").tick(Moment(AT.0 - 5000), 3_600_000), "28 Nov");
        assert_eq!(Zone::default().tick(AT, 1000), "23:30:05");
    }
}
