//! Bounds held to values of the formula, and the rates of mistakes in their short form.

use super::*;
use crate::noise::normal;
use crate::sample;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// The second model of the rows of the sample: y + ((71 i mod 31) - 13) / 4.
fn second() -> impl Iterator<Item = (f64, f64, f64)> {
    let other = |row: i32, y_true: f64| y_true + f64::from((71 * row) % 31 - 13) / 4.0;
    sample::rows().zip(0..).map(move |((y_true, y_pred), row)| (y_true, other(row, y_true), y_pred))
}

fn near(value: f64, wanted: f64) {
    assert!((value - wanted).abs() < 6e-9, "{value} is not {wanted}");
}

/// The values were computed apart from this code, with numpy.
#[test]
fn bounds_are_those_of_the_formula() {
    let mut pairs = Pairs::default();
    for (row, (y_true, new, old)) in second().enumerate() {
        pairs.predicted(new, old);
        pairs.labelled(y_true, new, old);
        let (rows, wanted) = match row + 1 {
            50 => (50, (0.14, -1.409_801_42, 1.689_801_42)),
            100 => (100, (0.127_5, -0.839_046_55, 1.094_046_55)),
            _ => continue,
        };
        let (low, high) = pairs.interval(ALPHA).unwrap().ends();
        assert_eq!(pairs.rows(), rows);
        near(pairs.difference().unwrap(), wanted.0);
        near(low, wanted.1);
        near(high, wanted.2);
        near(pairs.mae_new().unwrap() - pairs.mae_old().unwrap(), wanted.0);
    }
    assert_eq!(pairs.finding(ALPHA), Finding::Undecided);
    let step = *pairs.steps().last().unwrap();
    assert_eq!((step.rows, step.difference.to_bits()), (100, pairs.difference().unwrap().to_bits()));
}

#[test]
fn the_first_pair_at_which_it_is_worse_is_found() {
    // |e| of the old one is 20, and that of the new one 30 and 18 in turn; the predictions of many rows differ by 12.
    let mut pairs = Pairs::default();
    for _ in 0..1000 {
        pairs.predicted(12.0, 0.0);
    }
    let first = (0..10_000).find(|row| {
        pairs.labelled(0.0, if row % 2 == 0 { 30.0 } else { 18.0 }, 20.0);
        pairs.finding(ALPHA) == Finding::Worse
    });
    assert_eq!(first.map(|row| row + 1), Some(91));
}

#[test]
fn what_is_said_follows_from_the_bounds() {
    // Constant differences, each in units of an old |error| of 10: what is said after so many pairs.
    for (new, rows, finding) in [
        (10.0, 49, Finding::Undecided),
        (10.0, 50, Finding::NotWorse),
        (5.0, 49, Finding::Undecided),
        (5.0, 50, Finding::Better),
        (15.0, 49, Finding::Undecided),
        (15.0, 50, Finding::Worse),
    ] {
        let mut pairs = Pairs::default();
        for row in 0..rows {
            // Half of the rows have the error on the other side, so that the predictions differ as the errors do.
            let sign = if row % 2 == 0 { 1.0 } else { -1.0 };
            pairs.predicted(new * sign, 10.0 * sign);
            pairs.labelled(0.0, new * sign, 10.0 * sign);
        }
        assert_eq!(pairs.finding(ALPHA), finding, "{new} after {rows}");
    }
}

#[test]
fn far_predictions_hold_the_bounds_apart() {
    // D is .01 in most rows; rows without a label say that the predictions can differ by 100.
    let mut pairs = Pairs::default();
    for _ in 0..2000 {
        pairs.labelled(0.0, 1.01, 1.0);
    }
    assert_eq!(pairs.finding(ALPHA), Finding::Worse);
    for row in 0..2000 {
        pairs.predicted(if row % 100 == 0 { 100.0 } else { 0.01 }, 0.0);
    }
    assert_eq!(pairs.finding(ALPHA), Finding::Undecided);
}

#[test]
fn so_many_labels_are_foretold_as_it_takes() {
    let mut pairs = Pairs::default();
    let mut row = 0;
    let mut next = |pairs: &mut Pairs| {
        let (new, old) = if row % 2 == 0 { (13.0, 10.0) } else { (9.0, 10.0) };
        pairs.predicted(new, old);
        pairs.labelled(0.0, new, old);
        row += 1;
    };
    (0..40).for_each(|_| next(&mut pairs));
    let foretold = pairs.labels_to_go(ALPHA).unwrap();
    let took = (1..).find(|_| {
        next(&mut pairs);
        pairs.finding(ALPHA) != Finding::Undecided
    });
    let took: u64 = took.unwrap();
    assert!(foretold.abs_diff(took) <= took / 5, "{foretold} foretold, {took} needed");
    assert_eq!(pairs.labels_to_go(ALPHA), None);
    assert_eq!(Pairs::default().labels_to_go(ALPHA), None);
}

#[test]
fn a_chart_has_few_steps_and_goes_on_where_it_was() {
    let mut pairs = Pairs::default();
    for row in 1..=12_345_u64 {
        let new = 1.0 / row as f64;
        pairs.predicted(new, 0.5);
        pairs.labelled(0.25, new, 0.5);
        if row % 1000 == 0 {
            pairs = serde_json::from_str(&serde_json::to_string(&pairs).unwrap()).unwrap();
        }
    }
    let steps = pairs.steps();
    assert!((STEPS / 2 - 1..=STEPS + 1).contains(&steps.len()), "{}", steps.len());
    assert!(steps.is_sorted_by(|one, next| one.rows < next.rows));
    assert_eq!(steps.last().map(|step| step.rows), Some(12_345));
    let mut whole = Pairs::default();
    for row in 1..=12_345_u64 {
        let new = 1.0 / row as f64;
        whole.predicted(new, 0.5);
        whole.labelled(0.25, new, 0.5);
    }
    assert_eq!(whole, pairs);
}

#[test]
fn numbers_without_end_say_nothing() {
    let mut pairs = Pairs::default();
    for _ in 0..100 {
        pairs.predicted(1e200, -1e200);
        pairs.labelled(0.0, 1e200, 1.0);
    }
    assert_eq!((pairs.finding(ALPHA), pairs.interval(ALPHA)), (Finding::Undecided, None));
}

/// Each time, whether a version is ever called worse, looked at after every one of `labels` labels. `next` gives the errors of the
/// new one and of the old one; `ahead` rows are predicted before the first label.
fn ever_worse(
    runs: u64,
    ahead: usize,
    labels: usize,
    next: impl Fn(&mut StdRng) -> (f64, f64),
) -> (usize, Vec<usize>) {
    let mut found = Vec::new();
    for run in 0..runs {
        let mut random = StdRng::seed_from_u64(run);
        let mut pairs = Pairs::default();
        for _ in 0..ahead {
            let (new, old) = next(&mut random);
            pairs.predicted(new, old);
        }
        found.extend((1..=labels).find(|_| {
            let (new, old) = next(&mut random);
            pairs.predicted(new, old);
            pairs.labelled(0.0, new, old);
            pairs.finding(ALPHA) == Finding::Worse
        }));
    }
    found.sort_unstable();
    (found.len(), found)
}

/// The short form of the rates that `scripts/rates` holds to those of the rule's origin.
#[test]
fn equal_versions_are_seldom_called_worse_and_worse_ones_soon() {
    let apart = |by: f64| {
        move |random: &mut StdRng| {
            let common = normal(random);
            (common + by * normal(random), common + by * normal(random))
        }
    };
    for (by, most) in [(0.07, 12), (0.35, 8)] {
        let (wrong, _) = ever_worse(200, 500, 3000, apart(by));
        assert!(wrong <= most, "{wrong} of 200 equal versions, {by} apart");
    }
    // .01 worse on most rows and .99 better on one of a hundred: equal in the mean. Only rows without a label can tell.
    let (wrong, _) = ever_worse(100, 4000, 3000, |random| {
        let old = 2.0 + normal(random).abs();
        (if random.random::<f64>() < 0.01 { old - 0.99 } else { old + 0.01 }, old)
    });
    assert!(wrong <= 8, "{wrong} of 100 that are rarely much better");
    // 25 % worse: 125 labels in the median, 211 in nine of ten.
    let (all, labels) = ever_worse(100, 500, 2000, |random| {
        let old = normal(random);
        (old + 0.75 * normal(random), old)
    });
    assert_eq!(all, 100);
    assert!((100..=150).contains(&labels[50]) && labels[90] <= 280, "{labels:?}");
}
