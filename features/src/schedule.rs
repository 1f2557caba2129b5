//! What falls due when. Pure: time is a parameter, counted from the start.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use shared::message::RowId;

use crate::delay::Delay;
use crate::order::Rows;

/// Rows that could not be published in time, for the broker was away, are not made up for beyond this.
const CATCH_UP: Duration = Duration::from_secs(1);

/// Something to publish: the features or the label of the table's row with that index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// A row's features.
    Row {
        /// The message's id.
        id: RowId,
        /// The table's row.
        row: usize,
    },
    /// The label of a row that was due before.
    Label {
        /// The row's id.
        id: RowId,
        /// The table's row.
        row: usize,
    },
}

/// When the next row is due, and the labels that wait for their time.
#[derive(Debug)]
pub struct Schedule {
    interval: Duration,
    delay: Delay,
    random: StdRng,
    next_row: Duration,
    labels: BinaryHeap<Reverse<Waiting>>,
    sequence: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct Waiting {
    at: Duration,
    /// Labels of the same time leave in the order of their rows.
    sequence: u64,
    id: RowId,
    row: usize,
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Schedule {
    /// Rows every `interval`, the first at once; labels after delays drawn with `seed`.
    #[must_use]
    pub fn new(interval: Duration, delay: Delay, seed: u64) -> Self {
        Self {
            interval,
            delay,
            random: StdRng::seed_from_u64(seed),
            next_row: Duration::ZERO,
            labels: BinaryHeap::new(),
            sequence: 0,
        }
    }

    /// What is due at `now`, `limit` messages at the most and one more where a label goes with its row.
    pub fn due(&mut self, now: Duration, limit: usize, rows: &mut Rows) -> Vec<Due> {
        let mut due = Vec::new();
        while due.len() < limit {
            if self.labels.peek().is_some_and(|Reverse(label)| label.at <= now) {
                due.extend(self.pop_label());
                continue;
            }
            if self.next_row > now {
                break;
            }
            let Some(row) = rows.next() else { break };
            let id = RowId::unique();
            let late = self.delay.draw(&mut self.random);
            due.push(Due::Row { id: id.clone(), row });
            if late.is_zero() {
                due.push(Due::Label { id, row });
            } else {
                self.labels.push(Reverse(Waiting { at: now + late, sequence: self.sequence, id, row }));
                self.sequence += 1;
            }
            self.next_row = (self.next_row + self.interval).max(now.saturating_sub(CATCH_UP));
        }
        due
    }

    /// When something will be due next, if anything will.
    #[must_use]
    pub fn next(&self, rows: &Rows) -> Option<Duration> {
        let label = self.labels.peek().map(|Reverse(label)| label.at);
        let row = rows.any_left().then_some(self.next_row);
        label.into_iter().chain(row).min()
    }

    /// How many labels wait for their time.
    #[must_use]
    pub fn held(&self) -> usize {
        self.labels.len()
    }

    /// Takes labels that wait, the earliest first, `limit` at the most.
    pub fn take_held(&mut self, limit: usize) -> Vec<Due> {
        std::iter::from_fn(|| self.pop_label()).take(limit).collect()
    }

    fn pop_label(&mut self) -> Option<Due> {
        self.labels.pop().map(|Reverse(Waiting { id, row, .. })| Due::Label { id, row })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Order;

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// `r0` is the features of row 0, `l0` its label.
    fn show(due: &[Due]) -> String {
        let show = |due: &Due| match due {
            Due::Row { row, .. } => format!("r{row}"),
            Due::Label { row, .. } => format!("l{row}"),
        };
        due.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    fn setup(interval: u64, delay: Delay, count: u64) -> (Schedule, Rows) {
        (Schedule::new(at(interval), delay, 1), Rows::new(9, Order::Loop, 1, Some(count)))
    }

    #[test]
    fn rows_keep_their_interval_and_labels_go_with_them() {
        let (mut schedule, mut rows) = setup(100, Delay::Fixed(at(0)), 3);
        assert_eq!(show(&schedule.due(at(0), 99, &mut rows)), "r0 l0");
        assert_eq!(show(&schedule.due(at(99), 99, &mut rows)), "");
        assert_eq!(schedule.next(&rows), Some(at(100)));
        assert_eq!(show(&schedule.due(at(250), 99, &mut rows)), "r1 l1 r2 l2");
        assert_eq!(schedule.next(&rows), None);
    }

    #[test]
    fn a_label_and_its_row_share_the_id() {
        let (mut schedule, mut rows) = setup(0, Delay::Fixed(at(5)), 1);
        let first = schedule.due(at(0), 99, &mut rows);
        let second = schedule.due(at(5), 99, &mut rows);
        let ([Due::Row { id: row, .. }], [Due::Label { id: label, .. }]) = (&first[..], &second[..]) else {
            panic!("{first:?} {second:?}")
        };
        assert_eq!(row, label);
    }

    #[test]
    fn a_delayed_label_waits_past_the_last_row() {
        let (mut schedule, mut rows) = setup(10, Delay::Fixed(at(25)), 2);
        assert_eq!(show(&schedule.due(at(10), 99, &mut rows)), "r0 r1");
        assert_eq!(schedule.next(&rows), Some(at(35)));
        assert_eq!(show(&schedule.due(at(34), 99, &mut rows)), "");
        assert_eq!(show(&schedule.due(at(35), 99, &mut rows)), "l0 l1");
    }

    #[test]
    fn drawn_delays_let_labels_overtake() {
        let (mut schedule, mut rows) = setup(0, Delay::Uniform(at(0), at(1000)), 9);
        assert_eq!(show(&schedule.due(at(0), 99, &mut rows)), "r0 r1 r2 r3 r4 r5 r6 r7 r8");
        let labels = show(&schedule.due(at(1000), 99, &mut rows));
        assert_ne!(labels, "l0 l1 l2 l3 l4 l5 l6 l7 l8");
        assert_eq!(labels.len(), "l0 l1 l2 l3 l4 l5 l6 l7 l8".len());
    }

    #[test]
    fn a_batch_is_bounded_and_an_outage_is_not_made_up_for() {
        let (mut schedule, mut rows) = setup(0, Delay::Fixed(at(0)), 1000);
        assert_eq!(schedule.due(at(0), 10, &mut rows).len(), 10);
        let (mut schedule, mut rows) = setup(100, Delay::Fixed(at(0)), 1000);
        let after_an_hour = schedule.due(at(3_600_000), 9999, &mut rows);
        assert!(after_an_hour.len() <= 2 * 12, "{} messages", after_an_hour.len());
    }

    #[test]
    fn held_labels_can_be_taken_early() {
        let (mut schedule, mut rows) = setup(0, Delay::Fixed(at(5000)), 3);
        schedule.due(at(0), 99, &mut rows);
        assert_eq!(schedule.held(), 3);
        assert_eq!(show(&schedule.take_held(2)), "l0 l1");
        assert_eq!(show(&schedule.take_held(2)), "l2");
        assert_eq!(schedule.held(), 0);
    }
}
