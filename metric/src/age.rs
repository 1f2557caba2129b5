//! The horizon's clock: the time in which both halves of a row could have been received. Pure.
//!
//! Time counts while `metric` is ready. What waits in a queue could not be received, so each look at the queues begins
//! a span. Where nothing waited, its time counts as it passes. Where something did, such as rows while no model runs,
//! nothing counts until that has come, and then the span's time counts, but no more than a third of the horizon. A half
//! whose other one waits in a queue sees the end of two spans at the most before that one is taken, and so cannot expire
//! meanwhile, however long the outage or the backlog; and where something waits always, under a load that never pauses,
//! time counts all the same.

use shared::clock::Clock;
use shared::transport::Waiting;

/// How long this process may be busy between two looks at the clock.
const LONGEST_STEP_MS: i64 = 10_000;
/// The part of the horizon by which the clock may run on at the end of a span in which something waited.
const PART: i64 = 3;

/// Counts time. What a steady clock says, and what holds meanwhile, are parameters.
#[derive(Debug)]
pub(crate) struct Age {
    ms: i64,
    seen: i64,
    longest_step: i64,
    /// What has passed of this span and does not count yet.
    held_ms: i64,
    /// What must come before this span is over; none where no look was possible.
    owed: Option<Owed>,
}

/// A look at the queues.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// How many messages wait.
    pub(crate) waiting: Waiting,
    /// How many messages with labels have been received so far, whatever became of them.
    pub(crate) labels: u64,
    /// The same of those with predictions.
    pub(crate) predictions: u64,
    /// How many predictions those had. A model may answer many rows that came together one by one.
    pub(crate) predicted: u64,
    /// The most rows that a message was seen to have: as many may be in one that waits.
    pub(crate) most_rows: u64,
}

/// What waited at the beginning of a span, without what has come since.
#[derive(Debug, Clone, Copy)]
struct Owed {
    first: Reading,
    left: Waiting,
}

impl Age {
    /// Goes on from an age in milliseconds.
    pub(crate) fn from(ms: i64, clock: &Clock) -> Self {
        let longest_step = match clock {
            Clock::System => LONGEST_STEP_MS,
            // A hand turns it by hours.
            Clock::Manual(_) => i64::MAX,
        };
        Self { ms, seen: clock.steady_ms(), longest_step, held_ms: 0, owed: None }
    }

    /// Lets time pass, up to `steady` of the clock, and returns the age in milliseconds. What has passed counts if
    /// everything was `ready`, but no more than this process can have worked: one that was stopped or starved received
    /// nothing meanwhile.
    pub(crate) fn pass(&mut self, steady: i64, ready: bool) -> i64 {
        let passed = (steady - self.seen).min(self.longest_step);
        self.seen = steady;
        if ready {
            let counted = if self.is_clear() { &mut self.ms } else { &mut self.held_ms };
            *counted += passed;
        }
        self.ms
    }

    /// Takes in a look at the queues. `prefetch` is how many messages of a queue are taken before they count as
    /// received.
    pub(crate) fn look(&mut self, look: Reading, prefetch: u16, horizon_ms: i64) {
        if let Some(owed) = &mut self.owed {
            owed.settle(look, u64::from(prefetch));
            if owed.left != Waiting::default() {
                return;
            }
        }
        self.ms += self.held_ms.min((horizon_ms / PART).max(1));
        self.held_ms = 0;
        self.owed = Some(Owed { first: look, left: look.waiting });
    }

    /// Takes in that a look was not possible: until one is, nobody knows what waits.
    pub(crate) fn cannot_look(&mut self) {
        if self.is_clear() {
            self.owed = None;
        }
    }

    /// For how many milliseconds the clock has been waiting, and for what.
    pub(crate) fn held(&self) -> Option<(i64, Waiting)> {
        self.owed.filter(|_| !self.is_clear()).map(|owed| (self.held_ms, owed.left))
    }

    /// Whether nothing waited when it was looked last.
    pub(crate) fn is_clear(&self) -> bool {
        self.owed.is_some_and(|owed| owed.first.waiting == Waiting::default())
    }
}

impl Owed {
    /// Takes off what has come. A queue that is empty has handed out everything. One that never is has done so when as
    /// many messages were received as waited, after those that were taken before them; of rows, their predictions are, and
    /// there may be many in a message.
    fn settle(&mut self, now: Reading, prefetch: u64) {
        let Self { first, left } = self;
        let labels = now.labels.saturating_sub(first.labels);
        let predictions = now.predictions.saturating_sub(first.predictions);
        let predicted = now.predicted.saturating_sub(first.predicted) / now.most_rows.max(1);
        let before_rows = first.waiting.predictions;
        for (left, waited, waits, came) in [
            (&mut left.labels, first.waiting.labels, now.waiting.labels, labels),
            (&mut left.predictions, first.waiting.predictions, now.waiting.predictions, predictions),
            (
                &mut left.features,
                first.waiting.features,
                now.waiting.features,
                predicted.saturating_sub(before_rows),
            ),
        ] {
            if waits == 0 || came >= waited + prefetch {
                *left = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::clock::{Hand, Timestamp};

    const PREFETCH: u16 = 20;
    const HORIZON: i64 = 30_000;

    fn age() -> Age {
        Age { ms: 0, seen: 0, longest_step: LONGEST_STEP_MS, held_ms: 0, owed: None }
    }

    fn waiting([features, labels, predictions]: [u64; 3]) -> Waiting {
        Waiting { features, labels, predictions }
    }

    /// Rows wait in messages of 64. A model answers them together, or one by one.
    #[test]
    fn rows_that_wait_together_are_owed_each() {
        for one_by_one in [false, true] {
            let mut age = age();
            let mut look = |features, rows: u64| {
                let predictions = if one_by_one { rows } else { rows / 64 };
                let waiting = waiting([features, 0, 0]);
                age.look(
                    Reading { waiting, labels: 0, predictions, predicted: rows, most_rows: 64 },
                    PREFETCH,
                    HORIZON,
                );
                age.held().map_or(0, |(_, left)| left.features)
            };
            assert_eq!(look(10, 0), 10);
            assert_eq!(look(9, 64 * 29), 10, "one message is missing");
            // What waits now is owed next.
            assert_eq!(look(9, 64 * 30), 9);
            assert_eq!(look(0, 64 * 30), 0);
        }
    }

    #[test]
    fn time_counts_while_everything_is_ready_and_no_step_is_long() {
        let look =
            Reading { waiting: Waiting::default(), labels: 0, predictions: 0, predicted: 0, most_rows: 1 };
        let mut age = Age { ms: 500, seen: 1000, ..age() };
        age.look(look, PREFETCH, HORIZON);
        for (steady, ready, want) in [
            (2000, true, 1500),
            // Not ready: what has passed is gone, also when it is ready again.
            (9000, false, 1500),
            (9500, true, 2000),
            // Stopped for an hour, and up again.
            (3_609_500, true, 12_000),
            (3_609_600, true, 12_100),
        ] {
            assert_eq!(age.pass(steady, ready), want, "at {steady}");
        }
    }

    #[test]
    fn only_a_clock_that_is_turned_by_hand_makes_long_steps() {
        let hand = Hand::at(Timestamp(0));
        for (clock, want) in [(Clock::System, 10_005), (Clock::Manual(hand), 60_005)] {
            let mut age = Age::from(5, &clock);
            age.look(
                Reading {
                    waiting: Waiting::default(),
                    labels: 0,
                    predictions: 0,
                    predicted: 0,
                    most_rows: 1,
                },
                PREFETCH,
                HORIZON,
            );
            assert_eq!(age.pass(age.seen + 60_000, true), want);
        }
    }

    /// What happens at a second: a look at features, labels and predictions that wait, and how many of the latter two have
    /// been received; or that none was possible.
    enum At {
        Reading([u64; 3], [u64; 2]),
        Blind,
    }
    use At::{Blind, Reading as Saw};

    #[test]
    fn what_waits_holds_the_clock_until_it_has_come() {
        for (what, steps, want) in [
            (
                "nothing waits, or the queues are missing",
                vec![(0, Saw([0; 3], [0; 2])), (9, Saw([0; 3], [0; 2])), (12, Saw([0; 3], [0; 2]))],
                12,
            ),
            (
                "nothing counts before the first look, and then a third of the horizon at the most",
                vec![(4, Saw([0; 3], [0; 2]))],
                4,
            ),
            (
                "an outage of the model: rows wait, labels go on coming",
                vec![
                    (0, Saw([0; 3], [0; 2])),
                    (1, Saw([5, 0, 0], [5, 0])),
                    (10, Saw([90, 0, 0], [90, 0])),
                    (20, Saw([900, 0, 0], [900, 0])),
                ],
                1,
            ),
            (
                "and its end",
                vec![
                    (1, Saw([5, 0, 0], [5, 0])),
                    (9, Saw([900, 0, 0], [900, 0])),
                    (19, Saw([900, 0, 0], [900, 0])),
                    (27, Saw([0, 0, 0], [900, 880])),
                    (29, Saw([0; 3], [900; 2])),
                ],
                1 + 10 + 2,
            ),
            (
                "a load that always leaves some waiting: they are others at each look",
                (0..=12).map(|s| (s, Saw([7, 0, 0], [s * 30, s * 30]))).collect(),
                12,
            ),
            (
                "the same, slower: two looks at a time",
                (0..=12).map(|s| (s, Saw([7, 0, 0], [s * 15, s * 15]))).collect(),
                12,
            ),
            (
                "a backlog that takes longer than the horizon counts a third of it for each time it turns over",
                (0..=130).map(|s| (s, Saw([980, 0, 0], [s * 20, s * 20]))).collect(),
                20,
            ),
            (
                "predictions that had waited themselves are not those of the rows",
                vec![
                    (0, Saw([10, 0, 100], [0, 0])),
                    (5, Saw([10, 0, 10], [0, 129])),
                    (6, Saw([10, 0, 10], [0, 130])),
                ],
                6,
            ),
            ("the same, one less", vec![(0, Saw([10, 0, 100], [0, 0])), (5, Saw([10, 0, 10], [0, 129]))], 0),
            (
                "labels and predictions wait here",
                vec![
                    (0, Saw([0, 50, 60], [0, 0])),
                    (2, Saw([0, 50, 60], [69, 80])),
                    (3, Saw([0, 50, 60], [70, 80])),
                ],
                3,
            ),
            (
                "labels wait, and predictions have come",
                vec![(0, Saw([0, 50, 60], [0, 0])), (2, Saw([0, 50, 60], [69, 80]))],
                0,
            ),
            (
                "each queue may be empty at another look",
                vec![
                    (0, Saw([9, 9, 9], [0, 0])),
                    (1, Saw([0, 9, 9], [0, 0])),
                    (2, Saw([9, 0, 9], [0, 0])),
                    (3, Saw([9, 9, 0], [0, 0])),
                ],
                3,
            ),
            (
                "without a look nothing is known, and what passes waits for the next one",
                vec![(0, Saw([0; 3], [0; 2])), (1, Blind), (5, Blind), (7, Saw([0; 3], [0; 2])), (8, Blind)],
                8,
            ),
            ("nor is it at the end", vec![(0, Saw([0; 3], [0; 2])), (1, Blind), (5, Blind)], 1),
            (
                "what is owed stays owed over a gap",
                vec![(0, Saw([9, 0, 0], [0; 2])), (1, Blind), (5, Saw([9, 0, 0], [0; 2]))],
                0,
            ),
        ] {
            let (mut age, mut counted) = (age(), 0);
            for (second, at) in steps {
                age.pass(i64::try_from(second).unwrap() * 1000, true);
                match at {
                    Saw(waits, [labels, predictions]) => {
                        let look = Reading {
                            waiting: waiting(waits),
                            labels,
                            predictions,
                            predicted: predictions,
                            most_rows: 1,
                        };
                        age.look(look, PREFETCH, HORIZON);
                    }
                    Blind => age.cannot_look(),
                }
                assert!(age.ms >= counted, "{what}: it ran back");
                counted = age.ms;
            }
            assert_eq!(counted, want * 1000, "{what}");
        }
    }

    /// The promise itself: whatever waits for how long, a half whose other one is behind others in a queue has a part of
    /// its horizon left when that one is taken.
    #[test]
    fn a_half_never_expires_while_its_other_one_waits_in_a_queue() {
        for (rate, outage) in (1..200).flat_map(|rate| [0, 10, 100, 1000].map(|outage| (rate, outage))) {
            let (mut age, mut waits, mut published, mut predicted) = (age(), 0_u64, 0_u64, 0_u64);
            // When the row of each second was published, and the age then.
            let mut rows: std::collections::VecDeque<(u64, i64)> = [].into();
            for second in 0..2000 {
                let now = age.pass(second * 1000, true);
                if second < 1000 {
                    waits += 100;
                    published += 100;
                    rows.push_back((published, now));
                }
                if !(50..50 + outage).contains(&second) {
                    let taken = waits.min(rate);
                    waits -= taken;
                    predicted += taken;
                }
                while let Some((_, then)) = rows.pop_front_if(|(row, _)| *row <= predicted) {
                    assert!(now - then < HORIZON, "at {second} s, {rate} a second, {outage} s of outage");
                }
                age.look(
                    Reading {
                        waiting: waiting([waits, 0, 0]),
                        labels: published,
                        predictions: predicted,
                        predicted,
                        most_rows: 1,
                    },
                    PREFETCH,
                    HORIZON,
                );
            }
        }
    }
}
