//! Scores over the time of prediction, for a chart: panes that grow with the age of what they show, so that there are few of them,
//! and soon more than one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::panes::Pane;

/// How long a pane may be, in milliseconds; each is so many of the one before.
const LENGTHS: [i64; 11] =
    [1000, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000, 21_600_000, 86_400_000];
/// The longest pane is at least this part of the period.
const IN_A_PERIOD: i64 = 48;
/// So many panes there are at the most, until they are as long as they become.
const MOST: i64 = 120;

/// What was predicted within a period before the latest prediction, in panes that are aligned to the epoch. Times are milliseconds
/// since the epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timeline {
    period: i64,
    /// Which of the lengths.
    length: usize,
    /// By the number of the pane: its beginning divided by its length.
    panes: BTreeMap<i64, Pane>,
    latest: Option<i64>,
}

impl Timeline {
    pub(crate) fn new(period: i64) -> Self {
        Self { period: period.max(1), length: 0, panes: BTreeMap::new(), latest: None }
    }

    /// How long a pane is, in milliseconds.
    pub(crate) fn length(&self) -> i64 {
        LENGTHS.get(self.length).copied().unwrap_or(LENGTHS[0])
    }

    /// The panes that have something, oldest first, each with when it begins.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &Pane)> {
        self.panes.iter().map(|(number, pane)| (number.saturating_mul(self.length()), pane))
    }

    /// Notes something in the pane of this time; not where that is longer ago than a period before the latest.
    pub(crate) fn note(&mut self, at: i64, what: impl FnOnce(&mut Pane)) {
        let latest = self.latest.map_or(at, |latest| latest.max(at));
        let oldest = latest.saturating_sub(self.period);
        if at < oldest {
            return;
        }
        if self.latest != Some(latest) {
            self.latest = Some(latest);
            self.panes = self.panes.split_off(&oldest.div_euclid(self.length()));
            self.lengthen(at, latest);
        }
        what(self.panes.entry(at.div_euclid(self.length())).or_default());
    }

    /// Makes longer panes of those there are, where there would be too many.
    fn lengthen(&mut self, at: i64, latest: i64) {
        let first = self.iter().next().map_or(at, |(begins, _)| begins.min(at));
        let span = latest.saturating_sub(first);
        let is_last = |length: usize| {
            LENGTHS.get(length + 1).is_none() || LENGTHS[length].saturating_mul(IN_A_PERIOD) >= self.period
        };
        let before = self.length();
        let mut length = self.length;
        while !is_last(length) && span / LENGTHS[length] >= MOST {
            length += 1;
        }
        if length == self.length {
            return;
        }
        self.length = length;
        for (number, pane) in std::mem::take(&mut self.panes) {
            let number = number.saturating_mul(before).div_euclid(self.length());
            self.panes.entry(number).or_default().merge(&pane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times: impl IntoIterator<Item = i64>, period: i64) -> Timeline {
        let mut timeline = Timeline::new(period);
        times.into_iter().for_each(|at| timeline.note(at, |pane| pane.predicted += 1));
        timeline
    }

    #[test]
    fn panes_grow_with_what_they_show_and_lose_nothing_of_it() {
        let day = 86_400_000;
        for (seconds, length) in
            [(1, 1000), (119, 1000), (121, 5000), (700, 10_000), (9000, 300_000), (86_000, 1_800_000)]
        {
            let timeline = of((0..=seconds).map(|second| second * 1000), day);
            assert_eq!(timeline.length(), length, "after {seconds} s");
            assert_eq!(timeline.iter().map(|(_, pane)| pane.predicted).sum::<u64>(), seconds as u64 + 1);
            assert!(timeline.iter().count() as i64 <= MOST + 1, "after {seconds} s");
            assert!(timeline.iter().all(|(begins, _)| begins % length == 0));
        }
    }

    #[test]
    fn what_is_longer_ago_than_the_period_is_left_out() {
        let hour = 3_600_000;
        // Whichever comes first.
        for times in [[0, 100 * hour], [100 * hour, 0]] {
            let timeline = of(times, 24 * hour);
            assert_eq!((timeline.iter().count(), timeline.length()), (1, 1000));
        }
        let timeline = of((0..200).map(|number| number * hour), 24 * hour);
        assert_eq!((timeline.iter().count(), timeline.length()), (25, 1_800_000));
        // However long the period is, and however far apart the times are.
        let timeline = of([i64::MIN, 0, i64::MAX], i64::MAX);
        assert_eq!(timeline.length(), 86_400_000);
    }
}
