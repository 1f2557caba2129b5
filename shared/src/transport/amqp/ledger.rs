//! Which acknowledgements may be told to the broker, and when: pure.
//!
//! The broker takes an acknowledgement of many for one of everything before it that it was not told of yet. So what is
//! decided is told together up to the oldest delivery that is still open, and no further; where that one was set aside and
//! may take long, what lies between it and the oldest that is worked on is told one by one. What was told is forgotten.

use std::collections::BTreeMap;

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its effect is safe.
    Acked,
    /// Its queue is to have it again.
    GivenBack,
}

/// Something to tell the broker.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order<A> {
    pub(super) acker: A,
    pub(super) verdict: Verdict,
    /// Whether it speaks for everything before it too.
    pub(super) multiple: bool,
}

/// The deliveries of one channel in their order, each with what acknowledges it, until the broker was told of it.
#[derive(Debug)]
pub(super) struct AckLedger<A> {
    /// Worked on.
    held: BTreeMap<u64, A>,
    /// Not decided either, and the rest need not wait for them.
    aside: BTreeMap<u64, A>,
    /// Decided and not told.
    decided: BTreeMap<u64, (A, Verdict)>,
    /// The number of the next delivery.
    next: u64,
}

impl<A> Default for AckLedger<A> {
    fn default() -> Self {
        Self { held: BTreeMap::new(), aside: BTreeMap::new(), decided: BTreeMap::new(), next: 0 }
    }
}

impl<A> AckLedger<A> {
    /// Adds deliveries in the order of their tags and returns their numbers.
    pub(super) fn enter(&mut self, ackers: impl IntoIterator<Item = A>) -> Vec<u64> {
        let first = self.next;
        for acker in ackers {
            self.held.insert(self.next, acker);
            self.next += 1;
        }
        (first..self.next).collect()
    }

    /// The rest need not wait for these.
    pub(super) fn set_aside(&mut self, numbers: &[u64]) {
        for number in numbers {
            if let Some(acker) = self.held.remove(number) {
                self.aside.insert(*number, acker);
            }
        }
    }

    /// Decides what becomes of deliveries. The first decision counts.
    pub(super) fn decide(&mut self, numbers: &[u64], verdict: Verdict) {
        for number in numbers {
            if let Some(acker) = self.held.remove(number).or_else(|| self.aside.remove(number)) {
                self.decided.insert(*number, (acker, verdict));
            }
        }
    }

    /// How many are worked on: neither decided nor set aside.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether there is something to tell the broker.
    pub(super) fn has_next(&self) -> bool {
        self.decided.first_key_value().is_some_and(|(number, _)| *number < oldest(&self.held))
    }

    /// What to tell the broker next, in this order.
    pub(super) fn next(&mut self) -> Vec<Order<A>> {
        let (held, aside) = (oldest(&self.held), oldest(&self.aside));
        let mut orders: Vec<Order<A>> = Vec::new();
        while let Some(entry) = self.decided.first_entry().filter(|entry| *entry.key() < held) {
            let multiple = *entry.key() < aside;
            let (acker, verdict) = entry.remove();
            match orders.last_mut().filter(|run| multiple && run.verdict == verdict) {
                Some(run) => run.acker = acker,
                None => orders.push(Order { acker, verdict, multiple }),
            }
        }
        orders
    }
}

/// The number of the oldest of these deliveries, or a greater one than any where there is none.
fn oldest<A>(open: &BTreeMap<u64, A>) -> u64 {
    open.first_key_value().map_or(u64::MAX, |(number, _)| *number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    impl<A> AckLedger<A> {
        fn len(&self) -> usize {
            self.held.len() + self.aside.len() + self.decided.len()
        }
    }

    /// `a`cknowledged, `g`iven back or `s`et aside: these tags.
    type Step = (char, &'static [u64]);

    /// Six deliveries with the tags 1 to 6, and what is done with them.
    fn told(steps: &[Step]) -> Vec<String> {
        let mut ledger = AckLedger::default();
        ledger.enter(1..=6);
        let mut told = Vec::new();
        for (step, tags) in steps {
            let numbers: Vec<u64> = tags.iter().map(|tag| tag - 1).collect();
            match step {
                'a' => ledger.decide(&numbers, Verdict::Acked),
                'g' => ledger.decide(&numbers, Verdict::GivenBack),
                _ => ledger.set_aside(&numbers),
            }
            let has_next = ledger.has_next();
            let next = ledger.next();
            assert_eq!((has_next, ledger.has_next()), (!next.is_empty(), false), "{step} {tags:?}");
            for Order { acker, verdict, multiple } in next {
                let verdict = if verdict == Verdict::Acked { "ack" } else { "give back" };
                told.push(format!("{verdict} {}{acker}", if multiple { "to " } else { "" }));
            }
        }
        told
    }

    #[test]
    fn what_is_decided_is_told_as_soon_as_it_may_be() {
        let cases: [(&[Step], &[&str]); 9] = [
            // All at once, in runs of what is alike.
            (&[('a', &[1, 2, 3, 4, 5, 6])], &["ack to 6"]),
            (&[('a', &[1, 2]), ('g', &[3]), ('a', &[4])], &["ack to 2", "give back to 3", "ack to 4"]),
            // Nothing past what is worked on.
            (&[('a', &[2, 3])], &[]),
            (&[('a', &[2, 3]), ('a', &[1])], &["ack to 3"]),
            (&[('a', &[2]), ('g', &[1])], &["give back to 1", "ack to 2"]),
            // Past what was set aside, each by itself, up to what is worked on.
            (&[('s', &[1]), ('a', &[2, 3, 5])], &["ack 2", "ack 3"]),
            (&[('s', &[1]), ('a', &[2, 3]), ('a', &[1])], &["ack 2", "ack 3", "ack to 1"]),
            (&[('a', &[1]), ('s', &[2]), ('g', &[3]), ('a', &[4])], &["ack to 1", "give back 3", "ack 4"]),
            // The first decision counts.
            (&[('a', &[1]), ('g', &[1])], &["ack to 1"]),
        ];
        for (steps, wanted) in cases {
            assert_eq!(told(steps), wanted, "{steps:?}");
        }
    }

    /// What the broker does with orders: it fails on a tag that it does not know.
    #[derive(Default)]
    struct Broker {
        unacked: BTreeSet<u64>,
        ended: BTreeMap<u64, Verdict>,
    }

    impl Broker {
        fn take(&mut self, order: &Order<u64>) {
            assert!(self.unacked.contains(&order.acker), "unknown delivery tag {}", order.acker);
            let first = if order.multiple { 0 } else { order.acker };
            let tags: Vec<u64> = self.unacked.range(first..=order.acker).copied().collect();
            for tag in tags {
                self.unacked.remove(&tag);
                assert!(self.ended.insert(tag, order.verdict).is_none(), "{tag} twice");
            }
        }
    }

    #[test]
    fn a_broker_is_told_of_each_delivery_once_what_was_decided() {
        for seed in 0..300 {
            let mut dice = StdRng::seed_from_u64(seed);
            let (mut ledger, mut broker) = (AckLedger::default(), Broker::default());
            let mut open: Vec<u64> = Vec::new();
            let mut wanted = BTreeMap::new();
            let mut tag = 0;
            for step in 0..400 {
                let ends = step >= 300;
                match dice.random_range(0..10) {
                    0..=2 if !ends => {
                        let tags: Vec<u64> = (tag + 1..=tag + dice.random_range(1..20)).collect();
                        tag = *tags.last().unwrap();
                        broker.unacked.extend(&tags);
                        open.extend(ledger.enter(tags));
                    }
                    3 if !open.is_empty() => {
                        ledger.set_aside(&[open[dice.random_range(0..open.len())]]);
                    }
                    _ if !open.is_empty() => {
                        let verdict = if dice.random_bool(0.8) { Verdict::Acked } else { Verdict::GivenBack };
                        let count = if ends { open.len() } else { dice.random_range(1..=open.len().min(12)) };
                        let from = dice.random_range(0..=open.len() - count);
                        let numbers: Vec<u64> = open.drain(from..from + count).collect();
                        ledger.decide(&numbers, verdict);
                        wanted.extend(numbers.iter().map(|number| (number + 1, verdict)));
                    }
                    _ => {}
                }
                if dice.random_bool(0.7) || ends {
                    ledger.next().iter().for_each(|order| broker.take(order));
                }
            }
            assert!(open.is_empty());
            ledger.next().iter().for_each(|order| broker.take(order));
            assert_eq!((ledger.len(), broker.unacked.len()), (0, 0), "seed {seed}");
            assert_eq!(broker.ended, wanted, "seed {seed}");
        }
    }

    #[test]
    fn what_was_told_is_forgotten_however_long_something_is_set_aside() {
        let mut ledger = AckLedger::default();
        let aside = ledger.enter([0]);
        ledger.set_aside(&aside);
        let mut singles = 0;
        for batch in 0..4_000_u64 {
            let numbers = ledger.enter(batch * 250 + 1..=(batch + 1) * 250);
            ledger.decide(&numbers, Verdict::Acked);
            singles += ledger.next().len();
            assert_eq!(ledger.len(), 1);
        }
        assert_eq!(singles, 1_000_000);
        ledger.decide(&aside, Verdict::Acked);
        assert_eq!(ledger.next(), [Order { acker: 0, verdict: Verdict::Acked, multiple: true }]);
    }
}
