//! What falls due when. Pure: time is a parameter, counted from the start.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use shared::message::{Features, RowId};

use crate::delay::Delay;
use crate::entry::Entry;

/// How many labels wait for their time at the most; then rows wait too. With the longest ids that is 100 MB.
const HELD: usize = 500_000;
/// How many bytes of rows a batch has, about; one row more where that is long.
const BATCH_BYTES: usize = 1 << 20;
/// Rows that could not be published in time, for the broker was away, are not made up for beyond this.
const CATCH_UP: Duration = Duration::from_secs(1);

/// Something to publish.
#[derive(Debug, Clone, PartialEq)]
pub enum Due {
    /// A row's features.
    Row {
        /// The row's id.
        id: RowId,
        /// What is known of it.
        features: Features,
        /// The features' names, where they go with it.
        names: Option<Arc<str>>,
    },
    /// The label of a row that was due before.
    Label {
        /// The row's id.
        id: RowId,
        /// The label.
        value: f64,
    },
}

/// When the next row is due, and the labels that wait for their time.
#[derive(Debug)]
pub struct Schedule {
    interval: Duration,
    delay: Delay,
    random: StdRng,
    next_row: Duration,
    hurried: bool,
    labels: BinaryHeap<Reverse<Waiting>>,
    sequence: u64,
    withheld: u64,
}

#[derive(Debug, PartialEq)]
struct Waiting {
    at: Duration,
    /// Labels of the same time leave in the order of their rows.
    sequence: u64,
    id: RowId,
    value: f64,
}

impl Eq for Waiting {}

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
            hurried: false,
            labels: BinaryHeap::new(),
            sequence: 0,
            withheld: 0,
        }
    }

    /// What is due at `now` of what these entries have ready: `limit` messages at the most, and one more where a label
    /// goes with its row.
    pub fn due(
        &mut self,
        now: Duration,
        limit: usize,
        entries: &mut impl Iterator<Item = Entry>,
    ) -> Vec<Due> {
        let mut due = Vec::new();
        let mut bytes = 0;
        while due.len() < limit && bytes < BATCH_BYTES {
            if self.labels.peek().is_some_and(|Reverse(label)| label.at <= now || self.hurried) {
                due.extend(self.pop_label());
                continue;
            }
            if (self.next_row > now && !self.hurried) || self.is_full() {
                break;
            }
            let Some(entry) = entries.next() else { break };
            bytes += entry.size();
            self.add(entry, now, &mut due);
            self.next_row = (self.next_row + self.interval).max(now.saturating_sub(CATCH_UP));
        }
        due
    }

    fn add(&mut self, entry: Entry, now: Duration, due: &mut Vec<Due>) {
        let Entry { id, features, names, label, withheld } = entry;
        self.withheld += u64::from(withheld);
        let id = id.unwrap_or_else(RowId::unique);
        // A label that comes alone is late already.
        let late = if features.is_some() { self.delay.draw(&mut self.random) } else { Duration::ZERO };
        if let Some(features) = features {
            due.push(Due::Row { id: id.clone(), features, names });
        }
        match label {
            Some(value) if late.is_zero() || self.hurried => due.push(Due::Label { id, value }),
            Some(value) => {
                self.labels.push(Reverse(Waiting { at: now + late, sequence: self.sequence, id, value }));
                self.sequence += 1;
            }
            None => {}
        }
    }

    /// When something will be due next: a label, or an entry if one is `ready`.
    #[must_use]
    pub fn next(&self, ready: bool) -> Option<Duration> {
        let label = self.labels.peek().map(|Reverse(label)| label.at);
        let row = (ready && !self.is_full()).then_some(self.next_row);
        label.into_iter().chain(row).min()
    }

    /// How many labels wait for their time.
    #[must_use]
    pub fn held(&self) -> usize {
        self.labels.len()
    }

    /// How many labels were kept back on purpose.
    #[must_use]
    pub fn withheld(&self) -> u64 {
        self.withheld
    }

    /// Whether so many labels wait that rows wait too.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.labels.len() >= HELD
    }

    /// From here on nothing waits for its time.
    pub fn hurry(&mut self) {
        self.hurried = true;
    }

    fn pop_label(&mut self) -> Option<Due> {
        self.labels.pop().map(|Reverse(Waiting { id, value, .. })| Due::Label { id, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// `r0` is the features of row 0, `l0` its label.
    fn show(due: &[Due]) -> String {
        let show = |due: &Due| match due {
            Due::Row { features: Features::Vector(row), .. } => format!("r{}", row[0]),
            Due::Row { .. } => panic!("{due:?}"),
            Due::Label { value, .. } => format!("l{value}"),
        };
        due.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    fn entries(count: u64) -> std::vec::IntoIter<Entry> {
        let entry = |row: u64| Entry {
            features: Some(Features::Vector(vec![row as f64])),
            label: Some(row as f64),
            ..Entry::default()
        };
        (0..count).map(entry).collect::<Vec<_>>().into_iter()
    }

    fn setup(interval: u64, delay: Delay, count: u64) -> (Schedule, std::vec::IntoIter<Entry>) {
        (Schedule::new(at(interval), delay, 1), entries(count))
    }

    #[test]
    fn rows_keep_their_interval_and_labels_go_with_them() {
        let (mut schedule, mut rows) = setup(100, Delay::Fixed(at(0)), 3);
        assert_eq!(show(&schedule.due(at(0), 99, &mut rows)), "r0 l0");
        assert_eq!(show(&schedule.due(at(99), 99, &mut rows)), "");
        assert_eq!((schedule.next(true), schedule.next(false)), (Some(at(100)), None));
        assert_eq!(show(&schedule.due(at(250), 99, &mut rows)), "r1 l1 r2 l2");
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
    fn an_id_of_ones_own_is_kept_and_either_part_may_be_absent() {
        let id = RowId::parse("order:17").ok();
        let features = Some(Features::Vector(vec![1.0]));
        let mut entries = [
            Entry { id: id.clone(), features, ..Entry::default() },
            Entry { id: id.clone(), label: Some(2.0), ..Entry::default() },
        ]
        .into_iter();
        // The label alone does not wait.
        let (mut schedule, _) = setup(0, Delay::Fixed(at(5)), 0);
        let due = schedule.due(at(0), 99, &mut entries);
        assert_eq!(show(&due), "r1 l2");
        assert!(due.iter().all(
            |due| matches!(due, Due::Row { id: i, .. } | Due::Label { id: i, .. } if Some(i) == id.as_ref())
        ));
    }

    #[test]
    fn a_delayed_label_waits_past_the_last_row() {
        let (mut schedule, mut rows) = setup(10, Delay::Fixed(at(25)), 2);
        assert_eq!(show(&schedule.due(at(10), 99, &mut rows)), "r0 r1");
        assert_eq!(schedule.next(false), Some(at(35)));
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
        let long = Entry { features: Some(Features::Vector(vec![0.0; 20_000])), ..Entry::default() };
        let mut long = std::iter::repeat_n(long, 100);
        let batch = schedule.due(at(0), 100, &mut long).len();
        assert!((2..10).contains(&batch), "{batch} long rows");
        let (mut schedule, mut rows) = setup(100, Delay::Fixed(at(0)), 1000);
        let after_an_hour = schedule.due(at(3_600_000), 9999, &mut rows);
        assert!(after_an_hour.len() <= 2 * 12, "{} messages", after_an_hour.len());
    }

    #[test]
    fn nothing_waits_for_its_time_in_a_hurry() {
        let (mut schedule, mut rows) = setup(1000, Delay::Fixed(at(5000)), 3);
        assert_eq!(show(&schedule.due(at(0), 99, &mut rows)), "r0");
        assert_eq!(schedule.held(), 1);
        schedule.hurry();
        assert_eq!(show(&schedule.due(at(0), 2, &mut rows)), "l0 r1 l1");
        assert_eq!(show(&schedule.due(at(0), 9, &mut rows)), "r2 l2");
        assert_eq!(schedule.held(), 0);
    }

    #[test]
    fn rows_wait_where_too_many_labels_do() {
        let (mut schedule, mut rows) = setup(0, Delay::Fixed(at(5000)), HELD as u64 + 5);
        while !schedule.due(at(0), 9999, &mut rows).is_empty() {}
        assert_eq!((schedule.held(), schedule.is_full(), rows.len()), (HELD, true, 5));
        assert_eq!(schedule.next(true), Some(at(5000)));
    }
}
