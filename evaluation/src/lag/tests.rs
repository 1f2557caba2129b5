//! The curve and the weights against values by hand, and what is kept in bounded memory against lists.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

const HOUR: f64 = 3_600_000.0;

/// Twelve rows: age and lag in seconds, absolute error. Where the lag is above the age, the label is not known.
const ROWS: [(i64, f64, f64); 12] = [
    (10, 1.0, 3.0),
    (10, 4.0, 8.0),
    (9, 2.0, 4.0),
    (8, 12.0, 9.0),
    (7, 5.0, 7.0),
    (6, 3.0, 5.0),
    (5, 9.0, 9.0),
    (4, 2.0, 4.0),
    (3, 6.0, 8.0),
    (2, 1.0, 2.0),
    (1, 2.0, 3.0),
    (1, 0.5, 1.0),
];

#[expect(clippy::cast_possible_truncation, reason = "small and whole")]
fn judged() -> Vec<Judged> {
    ROWS.map(|(age, lag, loss)| Judged { age: age * 1000, label: Some(((lag * 1000.0) as i64, loss)) })
        .to_vec()
}

fn followed(rows: &[Judged]) -> Vec<Followed> {
    rows.iter().map(|row| Followed { age: row.age, lag: row.label.map(|(lag, _)| lag) }).collect()
}

/// The same rows as events; those without a label at `now` wait.
fn cohorts(rows: &[Judged], now: i64) -> Cohorts {
    let mut cohorts = Cohorts::default();
    for row in rows {
        cohorts.predicted(now - row.age);
    }
    for row in rows {
        if let Some((lag, loss)) = row.label.filter(|(lag, _)| *lag <= row.age) {
            cohorts.labelled(now - row.age, lag, loss);
        }
    }
    cohorts
}

fn close(got: f64, expected: f64, within: f64) {
    assert!((got - expected).abs() <= within, "{got} is not {expected}");
}

#[test]
fn the_curve_of_twelve_rows() {
    let curve = LagCurve::exact(&followed(&judged()));
    let expected =
        [(0.5, 0.083333), (1.0, 0.25), (2.0, 0.4375), (3.0, 0.53125), (4.0, 0.648438), (5.0, 0.765625)];
    // Both corners of each step; it rises at once.
    let corners: Vec<(f64, f64)> = curve.points().collect();
    assert!(corners.chunks(2).all(|step| step[0].0 == step[1].0 && step[0].1 < step[1].1), "{corners:?}");
    for ((at, share), (lag, expected)) in curve.points().skip(1).step_by(2).zip(expected) {
        assert_eq!(at, lag * 1000.0);
        close(share, expected, 5e-7);
        assert_eq!(curve.share(at), share);
        assert!(curve.share(at - 1.0) < share);
        assert_eq!(curve.share(at + 1.0), share);
    }
    assert_eq!(corners.len(), 2 * expected.len());
    close(curve.reached(), 0.765625, 1e-12);
    assert_eq!(curve.quantile(0.25), Quantile::At(1000.0));
    assert_eq!(curve.quantile(0.26), Quantile::At(2000.0));
    assert_eq!(curve.quantile(0.9), Quantile::MoreThan(10_000.0));
    assert!(curve.is_provisional(1_000_000));
}

#[test]
fn a_version_is_provisional_until_it_has_lived_for_nine_of_ten_labels() {
    let rows: Vec<Followed> = (1..=10).map(|lag| Followed { age: 100, lag: Some(lag) }).collect();
    let curve = LagCurve::exact(&rows);
    assert_eq!(curve.quantile(0.9), Quantile::At(9.0));
    assert_eq!(curve.quantile(1.0), Quantile::At(10.0));
    assert!(curve.is_provisional(8) && !curve.is_provisional(9));
}

#[test]
fn so_many_of_so_many_labels_are_their_share() {
    for rows in 1..100_i64 {
        let all: Vec<Followed> = (1..=rows).map(|lag| Followed { age: 100, lag: Some(lag) }).collect();
        let curve = LagCurve::exact(&all);
        for lag in 1..=rows {
            assert_eq!(curve.quantile(lag as f64 / rows as f64), Quantile::At(lag as f64), "{rows}");
        }
    }
}

#[test]
fn as_many_rows_are_old_enough_as_have_such_a_lag() {
    // A hundred rows at once, and one at the end of the second: taken to lie evenly, few of them would be old.
    let mut cohorts = Cohorts::default();
    (0..100).for_each(|_| cohorts.predicted(0));
    cohorts.predicted(999);
    for (lag, loss) in [(100, 1.0), (900, 2.0)] {
        (0..50).for_each(|_| cohorts.labelled(0, lag, loss));
    }
    // Weights of 101/100 and 101/50.
    close(cohorts.weighted(1000).unwrap().mae, (0.5 + 2.0) / (0.5 + 1.0), 1e-12);
}

#[test]
fn the_weights_of_twelve_rows() {
    let rows = judged();
    let weighted = Weighted::exact(&rows).unwrap();
    close(weighted.mae, 4.651_029_20, 5e-9);
    let shares: [f64; 8] = [1.0, 8.0 / 12.0, 10.0 / 12.0, 7.0 / 12.0, 9.0 / 12.0, 10.0 / 12.0, 1.0, 1.0];
    let weights = shares.map(|share| 1.0 / share);
    let effective =
        weights.iter().sum::<f64>().powi(2) / weights.iter().map(|weight| weight * weight).sum::<f64>();
    close(weighted.effective, effective, 1e-12);
    // 4 s and 5 s share a bin, whose mean lag 8 rows are older than; the ages are kept exactly.
    let counted = cohorts(&rows, 1_000_000).weighted(1_000_000).unwrap();
    let at = |lag: f64| ROWS.iter().filter(|row| row.0 as f64 >= lag).count() as f64 / 12.0;
    let known =
        [(1.0, 3.0), (4.5, 8.0), (2.0, 4.0), (4.5, 7.0), (3.0, 5.0), (2.0, 4.0), (1.0, 2.0), (0.5, 1.0)];
    let sum = |of: fn((f64, f64)) -> f64| known.iter().map(|row| of(*row) / at(row.0)).sum::<f64>();
    close(counted.mae, sum(|row| row.1) / sum(|_| 1.0), 1e-12);
}

#[test]
fn nothing_is_known_without_rows() {
    let curve = LagCurve::exact(&[]);
    assert_eq!((curve.share(1e9), curve.reached(), curve.oldest()), (0.0, 0.0, 0.0));
    assert_eq!(curve.quantile(0.5), Quantile::MoreThan(0.0));
    assert_eq!(Cohorts::default().curve(0, 100), curve);
    assert_eq!(Weighted::exact(&[Judged { age: 5, label: None }]), None);
    assert_eq!(Cohorts::default().weighted(0), None);
}

#[test]
fn what_the_waiting_rows_would_have_to_be() {
    // 80 labels of mean error 4; for 5 in all, the 20 others need 9.
    assert_eq!(tipping_point(80, 4.0, 20, 5.0), Some(9.0));
    assert_eq!(tipping_point(80, 10.0, 20, 5.0), Some(-15.0));
    assert_eq!(tipping_point(0, f64::NAN, 20, 5.0), Some(5.0));
    assert_eq!(tipping_point(80, 4.0, 0, 5.0), None);
    assert_eq!(bounds(80, 4.0, 20, 10.0), Some((3.2, 5.2)));
    assert_eq!(bounds(80, 4.0, 0, f64::NAN), Some((4.0, 4.0)));
    assert_eq!(bounds(0, f64::NAN, 0, 1.0), None);
}

/// Predicted evenly over this many hours, lag exponential with mean 1 h, and slow labels have large errors.
#[expect(clippy::cast_possible_truncation, reason = "milliseconds of hours")]
fn late(random: &mut StdRng, rows: u32, hours: f64) -> Vec<Judged> {
    let row = |i: u32| {
        let lag = -(1.0 - random.random::<f64>()).ln();
        let age = hours * (f64::from(i) + 0.5) / f64::from(rows);
        let label = Some(((lag * HOUR) as i64, lag.sqrt() * (0.5 + random.random::<f64>())));
        Judged { age: (age * HOUR) as i64, label }
    };
    (0..rows).map(row).collect()
}

#[test]
fn counts_in_bins_tell_what_lists_tell() {
    for (seed, hours) in [(1, 0.25), (2, 1.0), (3, 4.0), (4, 8.0), (5, 200.0)] {
        let rows = late(&mut StdRng::seed_from_u64(seed), 20_000, hours);
        let now = 1_700_000_000_000;
        let (exact, counted) = (LagCurve::exact(&followed(&rows)), cohorts(&rows, now).curve(now, i64::MAX));
        for point in 1..50 {
            let lag = hours.min(3.0) * HOUR * f64::from(point) / 50.0;
            close(counted.share(lag), exact.share(lag), 0.01);
            if hours >= 4.0 {
                close(counted.share(lag), 1.0 - (-lag / HOUR).exp(), 0.02);
            }
        }
        for share in [0.1, 0.5, 0.9] {
            match (counted.quantile(share), exact.quantile(share)) {
                (Quantile::At(counted), Quantile::At(exact)) => close(counted / exact, 1.0, 0.05),
                (Quantile::MoreThan(counted), Quantile::MoreThan(exact)) => assert_eq!(counted, exact),
                differ => panic!("{hours} h, {share}: {differ:?}"),
            }
        }
        assert_eq!(counted.is_provisional(rows[rows.len() - 1].age), hours < 2.0);
        let (exact, counted) = (Weighted::exact(&rows).unwrap(), cohorts(&rows, now).weighted(now).unwrap());
        close(counted.mae / exact.mae, 1.0, 0.02);
        // In the bin of the oldest age the weights differ most: there the mean lag says the least.
        close(counted.effective / exact.effective, 1.0, if hours < 4.0 { 0.4 } else { 0.1 });
    }
}

#[test]
fn slow_labels_with_large_errors_are_made_up_for() {
    // The mean of sqrt(lag) is Γ(1.5) = 0.886.
    let rows = late(&mut StdRng::seed_from_u64(6), 20_000, 8.0);
    let known: Vec<f64> = rows
        .iter()
        .filter_map(|row| row.label.filter(|(lag, _)| *lag <= row.age).map(|(_, loss)| loss))
        .collect();
    let plain = known.iter().sum::<f64>() / known.len() as f64;
    assert!(plain < 0.85, "{plain}");
    close(cohorts(&rows, 0).weighted(0).unwrap().mae, 0.886, 0.02);
}

#[test]
fn rows_given_up_count_up_to_the_horizon() {
    let mut cohorts = Cohorts::default();
    for at in 0..100 {
        cohorts.predicted(at);
        if at < 40 {
            cohorts.labelled(at, 1000, 2.0);
        } else if at < 90 {
            cohorts.expired(at);
        }
    }
    let now = 10_000_000;
    let counts = cohorts.counts();
    assert_eq!((counts.predicted, counts.labelled, counts.expired, counts.waiting), (100, 40, 50, 10));
    let curve = cohorts.curve(now, 60_000);
    close(curve.reached(), 0.4, 1e-12);
    assert_eq!(curve.quantile(0.5), Quantile::MoreThan(60_000.0));
    // A horizon below the lag: those who were given up before it do not count as waiting for it.
    close(cohorts.curve(now, 500).reached(), 1.0, 1e-12);
    assert_eq!(cohorts.of_at_least(now, now - 99).labelled, 40);
    assert_eq!(cohorts.of_at_least(now, now - 98), Counts::default());
}

#[test]
fn cohorts_are_bounded_and_go_on_where_they_were() {
    let mut random = StdRng::seed_from_u64(7);
    let mut whole = Cohorts::default();
    let mut parted = Cohorts::default();
    let mut at = 0_i64;
    for row in 0..30_000 {
        at += random.random_range(0..200_000);
        let lag = random.random_range(0..10_000_000);
        let loss = if row == 20_000 { f64::INFINITY } else { random.random::<f64>() };
        for cohorts in [&mut whole, &mut parted] {
            cohorts.predicted(at);
            match lag % 3 {
                0 => cohorts.labelled(at, lag, loss),
                1 => cohorts.expired(at),
                _ => {}
            }
        }
        if row % 1000 == 999 {
            parted = serde_json::from_str(&serde_json::to_string(&parted).unwrap()).unwrap();
            assert_eq!(parted, whole);
            assert!(whole.iter().count() <= 96 && (row < 2000 || whole.iter().count() >= 48));
            assert_eq!(parted.curve(at, 20_000_000), whole.curve(at, 20_000_000));
        }
    }
    assert_eq!(whole.counts().predicted, 30_000);
    // 30 000 rows are 3e9 ms, and 1000 · 2^16 · 48 is more than that.
    assert!(whole.width() <= 1000 << 16, "{}", whole.width());
}

#[test]
fn no_time_is_too_odd() {
    let mut cohorts = Cohorts::default();
    for at in [i64::MIN, -1, 0, i64::MAX] {
        for lag in [i64::MIN, 0, i64::MAX] {
            cohorts.predicted(at);
            cohorts.predicted(at);
            cohorts.labelled(at, lag, f64::NAN);
        }
    }
    (0..300).for_each(|power| cohorts.predicted(i64::MAX >> (power % 62) << (power % 5)));
    for now in [i64::MIN, 0, i64::MAX] {
        for horizon in [i64::MIN, 0, i64::MAX] {
            let curve = cohorts.curve(now, horizon);
            assert!((0.0..=1.0).contains(&curve.reached()), "{curve:?}");
            assert!((0.0..=1.0).contains(&curve.share(1e4)));
            let _ = (curve.quantile(f64::NAN), cohorts.weighted(now));
        }
    }
}

#[test]
fn rows_that_wait_are_at_risk_as_long_as_the_oldest_label() {
    // A cohort of ten, of which the first three are 5.2 s old, and two of these have their labels just now.
    let mut cohorts = Cohorts::default();
    for row in 0..10 {
        cohorts.predicted(row * 100);
        if [0, 2].contains(&row) {
            cohorts.labelled(row * 100, 5200, 1.0);
        }
    }
    let curve = cohorts.curve(5400, 86_400_000);
    assert!(curve.reached() < 0.95, "{curve:?}");
    assert!(curve.is_provisional(5400), "{curve:?}");
}
