//! Counters and gauges that are changed where something happens.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use super::{Family, MetricSource, OTHER, Scrape, register};

/// How many series a family has, where nothing else is said.
const MOST: usize = 100;
/// The longest value of a label, in characters.
const LONGEST: usize = 128;

/// A family of counters.
///
/// It has a bounded number of series. When there is one more, the one that was counted up the longest ago is added to a
/// last one, whose labels all say [`OTHER`].
#[derive(Debug)]
pub struct Counter<const N: usize>(Counted<N, u64>);

/// A family of gauges. When there is one more than it may have, the one that was set the longest ago is forgotten.
#[derive(Debug)]
pub struct Gauge<const N: usize>(Counted<N, f64>);

impl<const N: usize> Counter<N> {
    /// Names a family; see [`Family::new`]. The name ends in `_total`.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self(Counted::new(name, help, labels, 0))
    }

    /// The same with another bound.
    #[must_use]
    pub const fn of_latest(mut self, most: usize) -> Self {
        self.0.most = most;
        self
    }

    /// Counts up. A count of 0 makes the series, so that a rate has something to rise from.
    pub fn add(&'static self, values: [&str; N], count: u64) {
        self.0.registered.call_once(|| register(self));
        self.count(values, count);
    }

    fn count(&self, values: [&str; N], count: u64) {
        let mut series = self.0.lock();
        if N > 0 && values.iter().all(|value| *value == OTHER) {
            series.other += count;
            return;
        }
        let values = values.map(printable);
        if let Some(folded) = series.make_room(&values, self.0.most) {
            series.other += folded;
        }
        *series.latest(&values) += count;
    }
}

impl<const N: usize> Gauge<N> {
    /// Names a family; see [`Family::new`].
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self(Counted::new(name, help, labels, 0.0))
    }

    /// Sets it.
    pub fn set(&'static self, values: [&str; N], value: f64) {
        self.0.registered.call_once(|| register(self));
        let values = values.map(printable);
        let mut series = self.0.lock();
        series.make_room(&values, self.0.most);
        *series.latest(&values) = value;
    }
}

#[derive(Debug)]
struct Counted<const N: usize, V> {
    family: Family<N>,
    most: usize,
    registered: Once,
    series: Mutex<Series<N, V>>,
}

impl<const N: usize, V> Counted<N, V> {
    const fn new(name: &'static str, help: &'static str, labels: [&'static str; N], other: V) -> Self {
        Self {
            family: Family::new(name, help, labels),
            most: MOST,
            registered: Once::new(),
            series: Mutex::new(Series { shown: Vec::new(), other }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Series<N, V>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Series<const N: usize, V> {
    /// The one that was changed last is the last.
    shown: Vec<([Box<str>; N], V)>,
    other: V,
}

impl<const N: usize, V: Copy + Default> Series<N, V> {
    /// Takes the oldest one out where these values would be one more than `most`.
    fn make_room(&mut self, values: &[Cow<'_, str>; N], most: usize) -> Option<V> {
        let full = self.shown.len() >= most.max(1) && self.place(values).is_none();
        full.then(|| self.shown.remove(0).1)
    }

    /// The one with these values. It is made where it is missing.
    fn latest(&mut self, values: &[Cow<'_, str>; N]) -> &mut V {
        match self.place(values) {
            Some(place) => self.shown[place..].rotate_left(1),
            None => self.shown.push((values.each_ref().map(|value| (**value).into()), V::default())),
        }
        let last = self.shown.len() - 1;
        &mut self.shown[last].1
    }

    fn place(&self, values: &[Cow<'_, str>; N]) -> Option<usize> {
        let same = |kept: &[Box<str>; N]| kept.iter().zip(values).all(|(kept, value)| **kept == **value);
        // Mostly the last one.
        self.shown.iter().rposition(|(kept, _)| same(kept))
    }

    /// All of them, in the order of their values.
    fn sorted(&self) -> Vec<([&str; N], V)> {
        let mut sorted: Vec<_> =
            self.shown.iter().map(|(kept, value)| (kept.each_ref().map(|kept| &**kept), *value)).collect();
        sorted.sort_by_key(|(values, _)| *values);
        sorted
    }
}

/// A value that is short, and harmless on a terminal. Prometheus' own escapes are the encoder's affair.
fn printable(value: &str) -> Cow<'_, str> {
    if value.len() <= LONGEST && !value.contains(char::is_control) {
        return value.into();
    }
    let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    value.chars().take(LONGEST).map(shown).collect::<String>().into()
}

impl<const N: usize> MetricSource for &'static Counter<N> {
    fn read(&self, scrape: &mut Scrape<'_>) -> fmt::Result {
        let series = self.0.lock();
        let mut all = series.sorted();
        if series.other > 0 {
            all.push(([OTHER; N], series.other));
        }
        scrape.counters(&self.0.family, all)
    }
}

impl<const N: usize> MetricSource for &'static Gauge<N> {
    fn read(&self, scrape: &mut Scrape<'_>) -> fmt::Result {
        scrape.gauges(&self.0.family, self.0.lock().sorted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{encode, text_of};

    /// The lines with values.
    fn lines(text: &str) -> Vec<&str> {
        text.lines().filter(|line| !line.starts_with('#')).collect()
    }

    #[test]
    fn the_latest_are_shown_and_the_rest_together() {
        static SEEN: Counter<2> = Counter::new("seen_total", "Seen.", ["who", "what"]).of_latest(2);
        for (who, count) in [("a", 1), ("b", 2), ("a", 4), ("c", 8), ("d", 16), ("c", 32)] {
            SEEN.add([who, "x"], count);
        }
        let wanted = [
            r#"seen_total{who="c",what="x"} 40"#,
            r#"seen_total{who="d",what="x"} 16"#,
            r#"seen_total{who="other",what="other"} 7"#,
        ];
        assert_eq!(lines(&text_of(&SEEN)), wanted);
        // Somebody's real name must not make the same series twice.
        SEEN.add(["other", "other"], 64);
        assert_eq!(lines(&text_of(&SEEN))[2], r#"seen_total{who="other",what="other"} 71"#);
    }

    #[test]
    fn a_million_values_make_no_more_series_than_a_hundred() {
        static FLOOD: Counter<1> = Counter::new("flood_total", "Flood.", ["value"]);
        for number in 0..10_000 {
            FLOOD.add([&format!("{number}\n{}", "x".repeat(1000))], 1);
        }
        let text = text_of(&FLOOD);
        assert_eq!(lines(&text).len(), MOST + 1);
        assert!(text.len() < 20_000, "{} bytes", text.len());
        assert_eq!(lines(&text)[MOST], format!("flood_total{{value=\"other\"}} {}", 10_000 - MOST));
        assert!(text.contains("9999\u{fffd}xxx"), "{text}");
    }

    #[test]
    fn what_differs_only_beyond_what_is_shown_is_one_series() {
        static LONG: Counter<1> = Counter::new("long_total", "Long.", ["value"]);
        for end in ["a", "b"] {
            LONG.add([&format!("{}{end}", "x".repeat(LONGEST))], 1);
        }
        assert_eq!(lines(&text_of(&LONG)), [format!("long_total{{value=\"{}\"}} 2", "x".repeat(LONGEST))]);
    }

    #[test]
    fn a_gauge_has_what_was_set_last_and_a_series_may_start_at_zero() {
        static LEVEL: Gauge<0> = Gauge::new("level", "Level.", []);
        static NONE: Counter<0> = Counter::new("none_total", "None.", []);
        LEVEL.set([], 3.0);
        LEVEL.set([], 2.5);
        NONE.add([], 0);
        assert_eq!(lines(&text_of(&LEVEL)), ["level 2.5"]);
        let all = encode();
        assert!(lines(&all).contains(&"level 2.5") && lines(&all).contains(&"none_total 0"), "{all}");
    }
}
