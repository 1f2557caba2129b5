//! How the evidence of a change went, label by label, in as many points as a chart can show.

use serde::{Deserialize, Serialize};

use crate::bits;

/// So many points at the most.
const MOST: usize = 300;

/// The evidence over some labels that followed each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// The last of them, counted from 1.
    pub(crate) label: u64,
    /// When that one came, in milliseconds.
    pub(crate) at: i64,
    /// The highest evidence, as a decimal logarithm.
    #[serde(with = "bits")]
    pub(crate) log10: f64,
    /// Whether there was an alarm.
    pub(crate) alarm: bool,
}

/// The evidence since the first label. Each point stands for as many labels; where there would be too many, for twice as many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trace {
    stride: u64,
    labels: u64,
    points: Vec<Point>,
}

impl Default for Trace {
    fn default() -> Self {
        Self { stride: 1, labels: 0, points: Vec::new() }
    }
}

impl Trace {
    /// Takes in the evidence after the next label, which came at this time.
    pub(crate) fn add(&mut self, at: i64, log10: f64, alarm: bool) {
        self.labels += 1;
        let point = Point { label: self.labels, at, log10, alarm };
        Self::push(&mut self.points, point, self.stride.max(1));
        if self.points.len() > MOST {
            self.stride = self.stride.max(1).saturating_mul(2);
            for point in std::mem::take(&mut self.points) {
                Self::push(&mut self.points, point, self.stride);
            }
        }
    }

    fn push(points: &mut Vec<Point>, point: Point, stride: u64) {
        let place = |point: &Point| point.label.saturating_sub(1) / stride;
        match points.last_mut().filter(|last| place(last) == place(&point)) {
            Some(last) => {
                let (log10, alarm) = (last.log10.max(point.log10), last.alarm || point.alarm);
                *last = Point { log10, alarm, ..point };
            }
            None => points.push(point),
        }
    }

    pub(crate) fn points(&self) -> &[Point] {
        &self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_points_keep_every_height_and_every_alarm() {
        for labels in [1_u64, 300, 301, 12_345] {
            let mut trace = Trace::default();
            for label in 1..=labels {
                trace.add(label as i64 * 10, if label == 7 { 4.5 } else { 1.0 }, label == labels / 2 + 1);
            }
            let points = trace.points();
            let fewest = (MOST as u64 / 2).min(labels);
            assert!(points.len() <= MOST && points.len() as u64 >= fewest, "{labels}");
            assert!(points.is_sorted_by(|one, next| one.label < next.label && one.at < next.at));
            assert_eq!(points.last().map(|last| (last.label, last.at)), Some((labels, labels as i64 * 10)));
            assert_eq!(points.iter().filter(|point| point.alarm).count(), 1);
            let highest = points.iter().map(|point| point.log10).fold(0.0, f64::max);
            assert!((highest - if labels > 6 { 4.5 } else { 1.0 }).abs() < f64::EPSILON);
        }
    }
}
