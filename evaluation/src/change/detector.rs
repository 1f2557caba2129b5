//! A detector of a mean rank that has gone above one half, with a proven rate of false alarms.

use serde::{Deserialize, Serialize};

/// By how much the mean rank may be above ½: two standard errors of a reference of 354 rows.
const MARGIN: f64 = 0.03;
/// For so many labels an alarm holds: a mean error that is larger by a quarter alarms again within half of them.
const HOLDS: u64 = 2000;
/// How much is bet on the next rank: one for each size of change.
const BETS: [f64; 5] = [0.1, 0.2, 0.4, 0.8, 1.6];

/// The mean rank was above one half for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// At which label, counted from 1.
    pub label: u64,
    /// When that label came, in milliseconds.
    pub at: i64,
    /// Since which label, by the best guess: the first one after the sum of what is above ½ and the margin was last at 0.
    pub since_label: u64,
    /// When that one came, in milliseconds.
    pub since: i64,
}

/// An e-detector of Shiryaev and Roberts's form (Shin, Ramdas and Rinaldo, New England Journal of Statistics in Data Science,
/// 2024; arXiv 2203.03532).
///
/// While the mean rank, given the past, is at most 0.53, it takes at least `threshold` labels in the mean until a false alarm,
/// whatever the distribution. After an alarm it begins anew, and the alarms stay told. Serialised with every bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    threshold: f64,
    /// One for each bet; below five times the threshold, so always finite.
    evidence: [f64; 5],
    labels: u64,
    /// The sum of what is above ½ and the margin, since it was last at 0.
    excess: f64,
    /// The label and the time from which on it is above 0.
    above: Option<(u64, i64)>,
    alarms: u64,
    first: Option<Alarm>,
    last: Option<Alarm>,
}

impl Detector {
    /// With so many labels, in the mean, to a false alarm: 1 to 1e12.
    #[must_use]
    pub fn new(threshold: f64) -> Self {
        Self {
            threshold: if threshold.is_nan() { 1.0 } else { threshold.clamp(1.0, 1e12) },
            evidence: [0.0; 5],
            labels: 0,
            excess: 0.0,
            above: None,
            alarms: 0,
            first: None,
            last: None,
        }
    }

    /// Takes in the rank of a label's error, from 0 to 1, and the label's time in milliseconds; says whether that is an alarm.
    /// NaN is left out.
    pub fn add(&mut self, rank: f64, at: i64) -> Option<Alarm> {
        if rank.is_nan() {
            return None;
        }
        self.labels += 1;
        let over = rank.clamp(0.0, 1.0) - 0.5 - MARGIN;
        for (evidence, bet) in self.evidence.iter_mut().zip(BETS) {
            *evidence = (*evidence + 1.0) * (1.0 + bet * over);
        }
        self.excess = (self.excess + over).max(0.0);
        self.above = (self.excess > 0.0).then(|| self.above.unwrap_or((self.labels, at)));
        if self.mean() <= self.threshold {
            return None;
        }
        let (since_label, since) = self.above.unwrap_or((self.labels, at));
        let alarm = Alarm { label: self.labels, at, since_label, since };
        self.alarms += 1;
        let goes_on = self.last.is_some_and(|last| alarm.label.saturating_sub(last.label) <= HOLDS);
        self.first = self.first.filter(|_| goes_on).or(Some(alarm));
        self.last = Some(alarm);
        (self.evidence, self.excess, self.above) = ([0.0; 5], 0.0, None);
        Some(alarm)
    }

    fn mean(&self) -> f64 {
        self.evidence.iter().sum::<f64>() / self.evidence.len() as f64
    }

    /// The decimal logarithm of the evidence, for a chart; it alarms above that of the threshold, and is 0 where there is less
    /// evidence than after one label without any.
    #[must_use]
    pub fn log10(&self) -> f64 {
        self.mean().max(1.0).log10()
    }

    /// How much evidence is an alarm.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// How many labels there were.
    #[must_use]
    pub fn labels(&self) -> u64 {
        self.labels
    }

    /// How many alarms there were. A change that stays alarms again and again.
    #[must_use]
    pub fn alarms(&self) -> u64 {
        self.alarms
    }

    /// Whether the last alarm was among the last 2000 labels. A change that stays alarms again and again.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.last.is_some_and(|alarm| self.labels.saturating_sub(alarm.label) <= HOLDS)
    }

    /// The first alarm of those that followed each other within 2000 labels, up to the last: its beginning is that of the change.
    #[must_use]
    pub fn first(&self) -> Option<Alarm> {
        self.first
    }

    /// The last alarm.
    #[must_use]
    pub fn last(&self) -> Option<Alarm> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The evidence's natural logarithm after each of the labels.
    fn logarithms(ranks: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut detector = Detector::new(1e5);
        ranks
            .map(|rank| {
                detector.add(rank, 0);
                detector.mean().ln()
            })
            .collect()
    }

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() <= 5e-9, "{got} is not {expected}");
    }

    #[test]
    fn evidence_by_hand() {
        let high = logarithms([0.95; 20].into_iter());
        close(high[0], 0.231_429_13);
        close(high[9], 4.691_246_08);
        // In fractions, without rounding: 9.603365851776.
        close(high[19], 9.603_365_85);
        let even = logarithms((0..1000).map(|j| (f64::from(7 * j % 10) + 0.5) / 10.0));
        close(even[9], 2.238_927_06);
        close(even[99], 3.870_184_48);
        close(even[999], 4.632_529_94);
    }

    #[test]
    fn it_alarms_and_begins_anew() {
        for (rank, label) in [(0.95, 24), (0.65, 65)] {
            let mut detector = Detector::new(1e5);
            assert_eq!(detector.log10(), 0.0);
            let alarms: Vec<Alarm> = (1..=2 * label).filter_map(|at| detector.add(rank, at)).collect();
            let [first, last] = alarms[..] else { panic!("{alarms:?}") };
            let number = label.unsigned_abs();
            assert_eq!(first, Alarm { label: number, at: label, since_label: 1, since: 1 });
            assert_eq!(
                last,
                Alarm { label: 2 * number, at: 2 * label, since_label: number + 1, since: label + 1 }
            );
            assert_eq!((detector.first(), detector.last(), detector.alarms()), (Some(first), Some(last), 2));
            assert_eq!((detector.log10(), detector.labels()), (0.0, 2 * number));
        }
    }

    #[test]
    fn since_when_is_told() {
        let mut detector = Detector::new(1e5);
        // Too high, then low enough to make up for it, then too high for good.
        let ranks = [0.9; 5].into_iter().chain([0.2; 8]).chain([0.9; 100]);
        let alarm = ranks.zip(1000..).find_map(|(rank, at)| detector.add(rank, at)).unwrap();
        assert_eq!((alarm.since_label, alarm.since), (14, 1013));
        assert!(detector.log10() == 0.0 && alarm.label > 14);
    }

    #[test]
    fn no_rank_and_no_threshold_are_too_odd() {
        for threshold in [f64::NAN, -1.0, f64::INFINITY] {
            let mut detector = Detector::new(threshold);
            for rank in [f64::NAN, -5.0, 7.0, f64::INFINITY, f64::NEG_INFINITY] {
                (0..200).for_each(|at| _ = detector.add(rank, at));
                assert!(detector.evidence.iter().all(|evidence| evidence.is_finite()));
                assert!(detector.log10().is_finite());
            }
            assert_eq!(detector.labels(), 800);
        }
    }
}
