//! How often numbers were where.

use serde::{Deserialize, Serialize};

/// Into how many bins numbers are sorted.
const BINS: usize = 10;

/// Counts in bins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// The limits of the bins, ascending, in the unit of the numbers: one more than there are bins.
    pub edges: Vec<f64>,
    /// How many numbers each bin has.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Of numbers, none of which is NaN: up to ten bins of about equal counts, so that a comparison by bins weighs every part of
    /// the distribution alike. Equal numbers are never parted, so few values have few bins. Empty without numbers.
    #[must_use]
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let (Some(&smallest), Some(&largest)) = (sorted.first(), sorted.last()) else {
            return Self::default();
        };
        let mut edges = vec![smallest];
        let mut counts = Vec::new();
        let mut from = 0;
        for bin in 1..BINS {
            // The first number of the next bin: the one at its share of the count, or the next one that differs.
            let aim = sorted.len() * bin / BINS;
            if aim <= from {
                continue;
            }
            let before = sorted[aim - 1];
            let next = aim + sorted[aim..].partition_point(|number| *number <= before);
            if next == sorted.len() {
                break;
            }
            let middle = f64::midpoint(before, sorted[next]);
            // Between neighbours there is no middle.
            edges.push(if middle > before { middle } else { sorted[next] });
            counts.push((next - from) as u64);
            from = next;
        }
        edges.push(largest);
        counts.push((sorted.len() - from) as u64);
        Self { edges, counts }
    }

    /// The share of the numbers that are below a limit, from 0 to 1, as if each bin were filled evenly. 0 without numbers.
    #[must_use]
    pub fn share_below(&self, limit: f64) -> f64 {
        let all: u64 = self.counts.iter().sum();
        let part = |(ends, count): (&[f64], &u64)| {
            let (from, to) = (ends[0], ends[1]);
            let part = if to > from {
                ((limit - from) / (to - from)).clamp(0.0, 1.0)
            } else {
                f64::from(limit > from)
            };
            *count as f64 * part
        };
        self.edges.windows(2).zip(&self.counts).map(part).sum::<f64>() / all.max(1) as f64
    }

    /// The value below which this share of the numbers is, from 0 to 1, as if each bin were filled evenly. None without numbers.
    #[must_use]
    pub fn value_above(&self, share: f64) -> Option<f64> {
        let wanted = share * self.counts.iter().sum::<u64>() as f64;
        let mut below = 0.0;
        for (ends, count) in self.edges.windows(2).zip(&self.counts) {
            let count = *count as f64;
            if count > 0.0 && below + count >= wanted {
                return Some(ends[0] + (ends[1] - ends[0]) * ((wanted - below) / count).clamp(0.0, 1.0));
            }
            below += count;
        }
        self.edges.last().copied().filter(|_| below > 0.0)
    }
}

/// The bin of a number between limits that ascend, each of which begins a bin; that of NaN is the first. There are few limits: to
/// count is faster than to search, whose every step is a guess.
pub(crate) fn bin(limits: &[f64], number: f64) -> usize {
    limits.iter().map(|limit| usize::from(*limit <= number)).sum()
}

/// In how many places numbers are put where only a bound of the commonest one's share is wanted.
const PLACES: usize = 1 << PLACE_BITS;
const PLACE_BITS: u32 = 10;

/// At least the share of the number that is there most often, from 0 to 1; 0 without numbers. Numbers that fall into the same of
/// 1024 places count as one: of numbers that are all different, it is little more than the largest of so many random counts. Takes
/// a tenth of the time of [`commonest`], which sorts.
#[must_use]
pub(crate) fn commonest_at_most(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let all = numbers.len();
    let mut counts = [0_u32; PLACES];
    for number in numbers {
        // Both zeros are one number. The factor is 2^64 over the golden ratio: Knuth, The Art of Computer Programming 3, 6.4.
        let mixed = (number + 0.0).to_bits().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = (mixed >> (u64::BITS - PLACE_BITS)) as usize;
        counts[place] += 1;
    }
    f64::from(counts.into_iter().max().unwrap_or(0)) / all.max(1) as f64
}

/// The number that is there most often, and its share from 0 to 1; none without numbers.
#[must_use]
pub fn commonest(numbers: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = numbers.into_iter().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let most = sorted.chunk_by(|a, b| a == b).max_by_key(|same| same.len())?;
    Some((most[0], most.len() as f64 / sorted.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_of_equal_counts_that_part_no_equal_numbers() {
        let histogram = Histogram::of((0..500).map(|i| f64::from(i * 7 % 500)));
        assert_eq!((histogram.counts.as_slice(), histogram.edges[1]), ([50; 10].as_slice(), 49.5));
        let ties = Histogram::of([1.0, 2.0, 2.0, 1.0, 2.0]);
        assert_eq!((ties.edges, ties.counts), (vec![1.0, 1.5, 2.0], vec![2, 3]));
        // Between neighbours the upper one is the limit.
        let near = Histogram::of([1.0, 1.0_f64.next_up()]);
        assert_eq!(near.edges, [1.0, 1.0_f64.next_up(), 1.0_f64.next_up()]);
        assert_eq!(Histogram::of([]), Histogram::default());
    }

    #[test]
    fn shares_and_values_are_each_others_inverse() {
        let histogram = Histogram { edges: vec![0.0, 1.0, 1.0, 5.0], counts: vec![4, 2, 4] };
        for (value, share) in [(0.0, 0.0), (0.5, 0.2), (3.0, 0.8), (5.0, 1.0)] {
            assert!((histogram.share_below(value) - share).abs() < 1e-12, "{value}");
            assert_eq!(histogram.value_above(share), Some(value));
        }
        assert_eq!([-1.0, 9.0].map(|value| histogram.share_below(value)), [0.0, 1.0]);
        // A bin without a width is passed at once.
        assert_eq!(histogram.value_above(0.5), Some(1.0));
        let none = Histogram::default();
        assert_eq!((none.share_below(1.0), none.value_above(0.5)), (0.0, None));
    }

    #[test]
    fn the_commonest_number_and_its_share() {
        assert_eq!(commonest([3.0, 1.0, 3.0, 0.0, 3.0]), Some((3.0, 0.6)));
        let share = |numbers: &[f64]| commonest(numbers.iter().copied()).map(|(_, share)| share);
        assert_eq!(share(&[2.0, 1.0, 2.0, 3.0]), Some(0.5));
        assert_eq!(share(&[0.0, -0.0, 3.0, 4.0]), Some(0.5));
        assert_eq!(commonest([]), None);
    }

    #[test]
    fn a_bound_of_its_share_is_never_too_low_and_seldom_far() {
        let of = |numbers: Vec<f64>| {
            let share = commonest(numbers.iter().copied()).map_or(0.0, |(_, share)| share);
            let bound = commonest_at_most(numbers.into_iter());
            assert!(bound >= share, "{bound} < {share}");
            bound - share
        };
        assert_eq!(of(vec![]), 0.0);
        assert_eq!(of(vec![0.0, -0.0, 0.0, 1.0]), 0.0);
        assert_eq!(of(vec![7.0; 500]), 0.0);
        // Numbers of other kinds, none of them twice: the rest of a bound of 5 % is for those that fall together.
        let kinds: [fn(u32) -> f64; 6] = [
            f64::from,
            |i| f64::from(i) / 500.0,
            |i| -f64::from(i) * 1000.0,
            |i| f64::from(i).exp2(),
            |i| 1e9 + f64::from(i) * 1e-3,
            |i| (f64::from(i) * 0.7).sin(),
        ];
        for kind in kinds {
            let excess = of((0..500).map(kind).collect());
            assert!(excess < 0.02, "{excess}");
        }
    }
}
