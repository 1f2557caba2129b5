//! How far a window is from its reference, and how far noise alone would put it.

use crate::distribution::{chi_squared, normal_quantile};

/// Bins are merged until each has this many rows of the window to be expected: χ² is far off in its tail below.
const EXPECTED: f64 = 10.0;

/// A window against a reference, in bins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// Rows of the window.
    pub window: u64,
    /// Rows of the reference.
    pub reference: u64,
    /// How many bins there are, once the small ones are merged.
    pub bins: usize,
    /// Population stability index, with half a row added to each bin.
    pub psi: f64,
    /// Two-sample χ² of the bins. It is `shift² + spread² + rest`.
    pub x2: f64,
    /// Its part for a shift, as a normal number: above 0 where the window is higher.
    pub shift: f64,
    /// Its part for the spread, as a normal number: above 0 where the window is wider.
    pub spread: f64,
    /// The rest of it: another shape.
    pub rest: f64,
    /// Kolmogorov and Smirnov's largest distance at the bins' limits, times √(nm/(n+m)).
    pub ks: f64,
    /// Wasserstein's mean distance in ranks at the bins' limits, times √(nm/(n+m)).
    pub w1: f64,
    /// By how much the mean rank in the reference has moved, from -½ to ½.
    pub rank: f64,
}

/// What has changed most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Where the numbers are.
    Shift,
    /// How wide they are spread.
    Spread,
    /// Anything else.
    Shape,
}

impl Statistics {
    /// Of the counts of a window and of a reference in the same bins. None where either has no row or more than can be counted, or
    /// their bins differ.
    ///
    /// `shift` and `spread` are the first two components of Neyman's smooth test (Skandinavisk Aktuarietidskrift 20, 1937), on
    /// midranks of both samples together.
    #[must_use]
    pub fn of(window: &[u64], reference: &[u64]) -> Option<Self> {
        let sum = |counts: &[u64]| counts.iter().try_fold(0_u64, |sum, count| sum.checked_add(*count));
        let (rows, reference_rows) = (sum(window)?, sum(reference)?);
        if window.len() != reference.len() || rows == 0 || reference_rows == 0 {
            return None;
        }
        let (n, m) = (rows as f64, reference_rows as f64);
        let bins = merged(window, reference, n / (n + m));
        let root = (n * m / (n + m)).sqrt();
        let count = bins.len() as f64;

        let (mut psi, mut x2, mut ks, mut w1, mut rank) = (0.0, 0.0, 0.0_f64, 0.0, 0.0);
        let (mut below, mut reference_below, mut distance) = (0.0, 0.0, 0.0_f64);
        let mut places = Vec::with_capacity(bins.len());
        for (o, r) in &bins {
            let smooth = |rows: f64, all: f64| (rows + 0.5) / (all + count / 2.0);
            let (q, s) = (smooth(*o, n), smooth(*r, m));
            psi += (q - s) * (q / s).ln();
            let (p, d) = ((o + r) / (n + m), o / n - r / m);
            x2 += d * d / p;
            rank += (reference_below + r / m / 2.0) * d;
            places.push((below + p / 2.0, p, d));
            below += p;
            reference_below += r / m;
            distance += d;
            if places.len() < bins.len() {
                ks = ks.max(distance.abs());
                w1 += distance.abs() / (count - 1.0);
            }
        }
        let mean = |of: &dyn Fn(f64) -> f64| places.iter().map(|(c, p, _)| p * of(*c)).sum::<f64>();
        let component = |of: &dyn Fn(f64) -> f64| {
            let scale = mean(&|c| of(c) * of(c)).sqrt();
            root * places.iter().map(|(c, _, d)| of(*c) * d).sum::<f64>() / scale
        };
        let middle = mean(&|c| c);
        let variance = mean(&|c| (c - middle).powi(2));
        let slope = mean(&|c| (c - middle).powi(3)) / variance;
        let square = |c: f64| (c - middle).powi(2) - variance - slope * (c - middle);
        let shift = if bins.len() < 2 { 0.0 } else { component(&|c| c - middle) };
        let spread = if bins.len() < 3 { 0.0 } else { component(&square) };
        let x2 = root * root * x2;
        let rest = if bins.len() < 4 { 0.0 } else { (x2 - shift * shift - spread * spread).max(0.0) };
        Some(Self {
            window: rows,
            reference: reference_rows,
            bins: bins.len(),
            psi,
            x2,
            shift,
            spread,
            rest,
            ks: root * ks,
            w1: root * w1,
            rank,
        })
    }

    /// `shift² + spread²`: what features are ordered by.
    #[must_use]
    pub fn moved(&self) -> f64 {
        self.shift * self.shift + self.spread * self.spread
    }

    /// Up to where the PSI is noise, in 95 of 100 looks without drift: χ² with one degree fewer than bins, times 1/n + 1/m
    /// (Yurdakul and Naranjo, Journal of Risk Model Validation 14, 2020).
    #[must_use]
    pub fn psi_noise(&self) -> f64 {
        if self.bins < 2 {
            return 0.0;
        }
        chi_squared(self.bins - 1, 0.05) * (1.0 / self.window as f64 + 1.0 / self.reference as f64)
    }

    /// The shift in standard deviations, as if the numbers were normal. None where all of the window is beyond the reference.
    #[must_use]
    pub fn shift_in_sd(&self) -> Option<f64> {
        let share = 0.5 + self.rank;
        // With a rounding error beside it, all is all.
        (1e-9..=1.0 - 1e-9).contains(&share).then(|| 2.0_f64.sqrt() * normal_quantile(share))
    }

    /// The largest part of `x2`.
    #[must_use]
    pub fn largest_part(&self) -> Part {
        let (shift, spread) = (self.shift * self.shift, self.spread * self.spread);
        if shift >= spread && shift >= self.rest {
            Part::Shift
        } else if spread >= self.rest {
            Part::Spread
        } else {
            Part::Shape
        }
    }

    /// The largest part in words, such as `up by 0.3 sd`.
    #[must_use]
    pub fn words(&self) -> String {
        match self.largest_part() {
            _ if self.x2 == 0.0 => "as before".to_owned(),
            Part::Shift => match self.shift_in_sd() {
                Some(sd) if sd >= 0.0 => format!("up by {sd:.1} sd"),
                Some(sd) => format!("down by {:.1} sd", -sd),
                None if self.rank > 0.0 => "above all that was seen".to_owned(),
                None => "below all that was seen".to_owned(),
            },
            Part::Spread if self.spread > 0.0 => "spread wider".to_owned(),
            Part::Spread => "spread less".to_owned(),
            Part::Shape => "of another shape".to_owned(),
        }
    }
}

/// The bins as pairs of counts; the smallest is merged with its smaller neighbour until each has rows enough.
fn merged(window: &[u64], reference: &[u64], share: f64) -> Vec<(f64, f64)> {
    let mut bins: Vec<(f64, f64)> =
        window.iter().zip(reference).map(|(o, r)| (*o as f64, *r as f64)).collect();
    let both = |bin: &(f64, f64)| bin.0 + bin.1;
    while bins.len() > 1 {
        let Some(at) = (0..bins.len()).min_by(|a, b| both(&bins[*a]).total_cmp(&both(&bins[*b]))) else {
            break;
        };
        if both(&bins[at]) * share >= EXPECTED {
            break;
        }
        let after = bins.get(at + 1).map_or(f64::INFINITY, both);
        let before = at.checked_sub(1).map_or(f64::INFINITY, |before| both(&bins[before]));
        let (o, r) = bins.remove(at);
        let neighbour = if before <= after { at - 1 } else { at };
        bins[neighbour] = (bins[neighbour].0 + o, bins[neighbour].1 + r);
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() <= 5e-9, "{got} is not {expected}");
    }

    #[test]
    fn ten_bins_by_hand() {
        let reference = [35, 36, 35, 35, 36, 35, 36, 35, 36, 35];
        let window = [38, 41, 44, 47, 50, 52, 54, 56, 58, 60];
        let statistics = Statistics::of(&window, &reference).unwrap();
        assert_eq!((statistics.window, statistics.reference, statistics.bins), (500, 354, 10));
        close(statistics.psi, 0.019_644_17);
        close(statistics.x2, 4.165_894_08);
        close(statistics.shift * statistics.shift, 3.971_161_39);
        close(statistics.moved(), 4.114_046_54);
        close(statistics.rest, 0.051_847_54);
        close(statistics.ks, 0.863_791_54);
        close(statistics.w1, 0.635_326_90);
        close(statistics.rank, 0.039_754_24);
        close(statistics.shift_in_sd().unwrap(), 0.141_159_15);
        // 16.919 (1/500 + 1/354).
        assert!((statistics.psi_noise() - 0.081_632).abs() < 1e-5);
        assert_eq!((statistics.largest_part(), statistics.words()), (Part::Shift, "up by 0.1 sd".to_owned()));
        let mut back = (window, reference);
        back.0.reverse();
        back.1.reverse();
        let down = Statistics::of(&back.0, &back.1).unwrap();
        close(down.shift, -statistics.shift);
        close(down.spread, statistics.spread);
        assert_eq!(down.words(), "down by 0.1 sd");
    }

    #[test]
    fn two_bins_have_a_shift_only() {
        let statistics = Statistics::of(&[290, 210], &[190, 164]).unwrap();
        close(statistics.x2, 1.576_991_32);
        close(statistics.moved(), 1.576_991_32);
        assert_eq!((statistics.spread, statistics.rest), (0.0, 0.0));
        assert!(statistics.shift < 0.0);
    }

    #[test]
    fn what_changed_is_told() {
        let even = [100, 100, 100, 100, 100];
        for (window, part, words) in [
            ([150, 75, 50, 75, 150], Part::Spread, "spread wider"),
            ([50, 125, 150, 125, 50], Part::Spread, "spread less"),
            ([80, 160, 20, 160, 80], Part::Shape, "of another shape"),
            ([100, 100, 100, 100, 100], Part::Shift, "as before"),
            ([0, 0, 0, 0, 500], Part::Shift, "up by 1.8 sd"),
        ] {
            let statistics = Statistics::of(&window, &even).unwrap();
            assert_eq!(
                (statistics.largest_part(), statistics.words().as_str()),
                (part, words),
                "{statistics:?}"
            );
            let parts = statistics.moved() + statistics.rest;
            assert!((parts - statistics.x2).abs() < 1e-9, "{statistics:?}");
        }
        let beyond = Statistics::of(&[0, 0, 500], &[0, 354, 0]).unwrap();
        assert_eq!((beyond.bins, beyond.words().as_str()), (2, "above all that was seen"));
        assert_eq!(Statistics::of(&[500, 0, 0], &[0, 354, 0]).unwrap().words(), "below all that was seen");
    }

    #[test]
    fn small_bins_are_merged_with_their_smaller_neighbours() {
        for (window, reference, expected) in [
            // Of 20 rows in a bin, 10 are to be expected in the window.
            ([10, 10, 80], [10, 10, 80], vec![(10.0, 10.0), (10.0, 10.0), (80.0, 80.0)]),
            ([10, 9, 81], [10, 10, 80], vec![(19.0, 20.0), (81.0, 80.0)]),
            ([60, 9, 31], [60, 10, 30], vec![(60.0, 60.0), (40.0, 40.0)]),
            ([1, 1, 1], [1, 1, 1], vec![(3.0, 3.0)]),
            ([90, 2, 8], [90, 1, 9], vec![(90.0, 90.0), (10.0, 10.0)]),
        ] {
            assert_eq!(merged(&window, &reference, 0.5), expected);
        }
    }

    #[test]
    fn what_cannot_be_compared() {
        for (window, reference) in [
            (&[][..], &[][..]),
            (&[0, 0], &[1, 1]),
            (&[1, 1], &[0, 0]),
            (&[1], &[1, 1]),
            (&[u64::MAX, 1], &[1, 1]),
        ] {
            assert_eq!(Statistics::of(window, reference), None);
        }
        let one = Statistics::of(&[5], &[7]).unwrap();
        assert_eq!((one.bins, one.x2, one.psi_noise(), one.words().as_str()), (1, 0.0, 0.0, "as before"));
    }
}
