//! What charts show of a version.

use super::Version;
use crate::drift::Reference;
use crate::histogram::Histogram;
use crate::panes::Pane;
use crate::quantile;
use crate::report::{BinReport, Charts, EvidencePoint, LagPoint, Moment, PaneReport, RowReport};
use crate::window;

/// Into how many bins errors are sorted.
const ERROR_BINS: usize = 20;
/// So many of the last rows are shown one by one.
const LAST: usize = 300;
/// So many are told of that are furthest off.
const FURTHEST: usize = 10;
/// The outer bins of errors begin where this share of them is nearer to 0.
const WITHIN: f64 = 0.99;

impl Version {
    pub(super) fn timeline(&self, now: i64) -> Vec<PaneReport> {
        let nine_tenths = self.lag_p90(now);
        let is_late = |ends: i64| nine_tenths.is_none_or(|lag| ends.saturating_add(lag) > now);
        let length = self.timeline.length();
        let pane = |(from, pane): (i64, &Pane)| {
            let Pane { predicted, expired, moments, sketch } = pane;
            let known = moments.count().saturating_add(*expired);
            PaneReport {
                from: Moment(from),
                predicted: *predicted,
                labelled: moments.count(),
                expired: *expired,
                mature: known >= *predicted || !is_late(from.saturating_add(length)),
                mae: moments.mae(),
                rmse: moments.rmse(),
                bias: moments.bias(),
                r2: moments.r2(),
                p90: sketch.quantile(0.9),
            }
        };
        self.timeline.iter().map(pane).collect()
    }

    pub(super) fn charts(&self, now: i64, window: usize) -> Charts {
        let curve = self.cohorts.curve(now, self.horizon);
        let last = |most: usize| self.last_rows.rows().skip(self.last_rows.rows().len().saturating_sub(most));
        let mut furthest: Vec<&window::Row> = last(window).collect();
        let size = |row: &window::Row| (row.y_pred - row.y_true).abs();
        furthest.sort_by(|one, other| size(other).total_cmp(&size(one)));
        let errors: Vec<f64> = last(window).map(|row| row.y_pred - row.y_true).collect();
        let sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
        let end = end_of(&sizes);
        let known = self.basis.residuals.as_ref();
        Charts {
            lag: curve.points().map(|(ms, share)| LagPoint { ms, share }).collect(),
            evidence: self
                .errors
                .trace()
                .iter()
                .map(|point| EvidencePoint {
                    label: point.label,
                    at: Moment(point.at),
                    log10: point.log10,
                    alarm: point.alarm,
                })
                .collect(),
            errors: end.map(|end| bins(&errors, -end, end, known.map(|of| &of.error))).unwrap_or_default(),
            absolute_errors: end
                .map(|end| bins(&sizes, 0.0, end, known.map(|of| &of.absolute_error)))
                .unwrap_or_default(),
            last: last(LAST).map(row).collect(),
            furthest: furthest.into_iter().take(FURTHEST).map(row).collect(),
        }
    }
}

fn row(row: &window::Row) -> RowReport {
    let window::Row { y_true, y_pred, predicted_at, prediction, .. } = *row;
    RowReport { prediction, predicted_at: Moment(predicted_at), y_true, y_pred }
}

/// Where the bins of errors end, by their sizes; none where there are no errors, all are 0, or they are too large for bins.
fn end_of(sizes: &[f64]) -> Option<f64> {
    let mut sorted = sizes.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile::quantile(&sorted, WITHIN).filter(|end| *end > 0.0 && end.is_finite())
}

/// Numbers in bins of equal width from one value to another. The outer ones have no end, but for one that begins at 0, for sizes.
fn bins(numbers: &[f64], begin: f64, end: f64, reference: Option<&Histogram>) -> Vec<BinReport> {
    let width = (end - begin) / ERROR_BINS as f64;
    let limits: Vec<f64> = (1..ERROR_BINS).map(|at| width * at as f64 + begin).collect();
    let mut counts = [0_u64; ERROR_BINS];
    for number in numbers {
        counts[limits.partition_point(|limit| limit <= number)] += 1;
    }
    let reference = reference.filter(|known| Reference::new(&known.edges, &known.counts, None).is_ok());
    let below = |limit: Option<f64>, at_the_end: f64| {
        reference.map(|known| limit.map_or(at_the_end, |limit| known.share_below(limit)))
    };
    let bin = |(at, count): (usize, &u64)| {
        let (from, to) =
            (at.checked_sub(1).and_then(|before| limits.get(before)).copied(), limits.get(at).copied());
        BinReport {
            from: from.or((begin == 0.0).then_some(begin)),
            to,
            share: *count as f64 / numbers.len() as f64,
            reference_share: below(from, 0.0).zip(below(to, 1.0)).map(|(from, to)| to - from),
        }
    };
    counts.iter().enumerate().map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors with their sign, and their sizes.
    fn both(errors: &[f64], reference: Option<&Histogram>) -> Option<[Vec<BinReport>; 2]> {
        let sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
        let end = end_of(&sizes)?;
        Some([bins(errors, -end, end, reference), bins(&sizes, 0.0, end, reference)])
    }

    #[test]
    fn errors_fall_into_bins_beside_those_of_the_reference() {
        let errors: Vec<f64> = (-100..100).map(|error| f64::from(error) + 0.5).collect();
        let reference = Histogram { edges: vec![-50.0, 0.0, 150.0], counts: vec![1, 3] };
        let [bins, _] = both(&errors, Some(&reference)).unwrap();
        assert_eq!((bins.len(), bins[0].from, bins[19].to), (20, None, None));
        assert!((bins.iter().map(|bin| bin.share).sum::<f64>() - 1.0).abs() < 1e-12);
        let known: f64 = bins.iter().filter_map(|bin| bin.reference_share).sum();
        assert!((known - 1.0).abs() < 1e-12, "{known}");
        let below_zero: f64 = bins[..10].iter().filter_map(|bin| bin.reference_share).sum();
        assert!((below_zero - 0.25).abs() < 1e-12, "{below_zero}");
        assert!((bins[9].to.unwrap()).abs() < 1e-9);
        assert!((bins[10].share - 0.05).abs() < 0.006, "{:?}", bins[10]);
    }

    #[test]
    fn sizes_begin_at_0_and_the_last_bin_has_all_that_is_larger() {
        let errors: Vec<f64> =
            (0..200).map(|row| f64::from(row) * if row % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let reference = Histogram { edges: vec![0.0, 100.0, 400.0], counts: vec![1, 1] };
        let [_, bins] = both(&errors, Some(&reference)).unwrap();
        assert_eq!((bins.len(), bins[0].from, bins[19].to), (20, Some(0.0), None));
        assert!(bins.windows(2).all(|pair| pair[0].to == pair[1].from));
        let end = bins[19].from.unwrap();
        let beyond = errors.iter().filter(|error| error.abs() >= end).count() as f64 / 200.0;
        assert!((bins[19].share - beyond).abs() < 1e-12, "{:?}", bins[19]);
        let shares = |of: &[BinReport]| of.iter().map(|bin| bin.share).sum::<f64>();
        assert!((shares(&bins) - 1.0).abs() < 1e-12);
        let known: Vec<f64> = bins.iter().filter_map(|bin| bin.reference_share).collect();
        assert!((known.iter().sum::<f64>() - 1.0).abs() < 1e-12 && known[19] > 0.3, "{known:?}");
    }

    #[test]
    fn what_has_no_width_has_no_bins() {
        for none in [&[] as &[f64], &[0.0; 9], &[f64::INFINITY; 9]] {
            assert_eq!(both(none, None), None);
        }
        let [without, sizes] = both(&[1.0, -2.0], Some(&Histogram::default())).unwrap();
        for bins in [without, sizes] {
            assert!(bins.len() == 20 && bins.iter().all(|bin| bin.reference_share.is_none()));
        }
    }
}
