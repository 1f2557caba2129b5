//! The errors of a version against a reference: larger, or more to one side.

use serde::{Deserialize, Serialize};

use super::detector::{Alarm, Detector};
use super::ranks::Ranks;
use crate::first_rows::FirstRows;
use crate::trace::{Point, Trace};

/// So many labels, in the mean, to a false alarm.
const LABELS: f64 = 1e5;

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Absolute errors are larger.
    Worse,
    /// Predictions are higher against the labels than they were.
    Higher,
    /// Predictions are lower against the labels than they were.
    Lower,
}

impl Direction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Worse, Self::Higher, Self::Lower];
}

/// Watches the errors of a version in the order of their labels. Serialised with every bit, so that it goes on where it was; about
/// 40 kB of JSON where the reference is a sample of 500.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    reference: Known,
    worse: Detector,
    higher: Detector,
    lower: Detector,
    /// Of the first of these.
    trace: Trace,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Known {
    Not(FirstRows),
    Errors { absolute: Ranks, signed: Ranks },
}

impl Watch {
    /// Against the absolute errors and the errors of rows that the fit had not seen, best of 300 or more.
    #[must_use]
    pub fn new(absolute: Ranks, signed: Ranks) -> Self {
        Self::with(Known::Errors { absolute, signed })
    }

    /// Against the first so many errors that it will see; 500 is a good choice. They should be those of a version that is older than
    /// nine tenths of its lags, for the first labels that come are the quick ones.
    #[must_use]
    pub fn of_first(errors: usize) -> Self {
        Self::with(Known::Not(FirstRows::new(errors)))
    }

    fn with(reference: Known) -> Self {
        let (worse, side) = (Detector::new(LABELS), Detector::new(2.0 * LABELS));
        Self { reference, worse, higher: side.clone(), lower: side, trace: Trace::default() }
    }

    /// Takes in the error (prediction minus label) of the next label and the time when that came, in milliseconds; tells of alarms.
    /// NaN is left out.
    pub fn add(&mut self, error: f64, at: i64) -> Vec<(Direction, Alarm)> {
        match &mut self.reference {
            Known::Not(first) => {
                first.add(error);
                let Some(errors) = first.all() else { return Vec::new() };
                let absolute: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
                if let (Some(absolute), Some(signed)) = (Ranks::of(&absolute), Ranks::of(errors)) {
                    self.reference = Known::Errors { absolute, signed };
                }
                Vec::new()
            }
            Known::Errors { absolute, signed } => {
                let (Some(size), Some(side)) = (absolute.rank(error.abs()), signed.rank(error)) else {
                    return Vec::new();
                };
                let worse = self.worse.add(size, at);
                // An alarm leaves no evidence behind.
                let evidence = worse.map_or(self.worse.log10(), |_| self.worse.threshold().log10());
                self.trace.add(at, evidence, worse.is_some());
                let alarms = [
                    (Direction::Worse, worse),
                    (Direction::Higher, self.higher.add(side, at)),
                    (Direction::Lower, self.lower.add(1.0 - side, at)),
                ];
                alarms.into_iter().filter_map(|(what, alarm)| alarm.map(|alarm| (what, alarm))).collect()
            }
        }
    }

    /// The detector of one kind of change.
    #[must_use]
    pub fn detector(&self, direction: Direction) -> &Detector {
        match direction {
            Direction::Worse => &self.worse,
            Direction::Higher => &self.higher,
            Direction::Lower => &self.lower,
        }
    }

    /// How the evidence went that errors are larger.
    pub(crate) fn trace(&self) -> &[Point] {
        self.trace.points()
    }

    /// How many errors there are of those that shall be the reference, and how many are wanted; none once there is a reference.
    #[must_use]
    pub fn learning(&self) -> Option<(usize, usize)> {
        match &self.reference {
            Known::Not(first) => Some(first.progress()),
            Known::Errors { .. } => None,
        }
    }
}
