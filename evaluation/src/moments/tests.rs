//! Tests of the sums.

use super::*;
use crate::sample;

fn of(pairs: impl IntoIterator<Item = (f64, f64)>) -> Moments {
    let mut moments = Moments::default();
    pairs.into_iter().for_each(|(y_true, y_pred)| moments.add(y_true, y_pred, None, None));
    moments
}

#[track_caller]
fn close(found: Option<f64>, expected: f64, within: f64) {
    let found = found.unwrap();
    assert!((found - expected).abs() <= within * expected.abs(), "{found} for {expected}");
}

/// Labels and predictions that are whole multiples of 1/1024, and the same as integers, from a fixed sequence.
fn whole(rows: u32, offset: f64) -> impl Iterator<Item = ((f64, f64), (i128, i128))> {
    let mut x = 7_u32;
    let mut next = move || {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i32::from((x >> 20) as u16) - 2048
    };
    (0..rows).map(move |_| {
        let (label, error) = (next(), next() / 8);
        let y_true = offset + f64::from(label) / 1024.0;
        ((y_true, y_true + f64::from(error) / 1024.0), (i128::from(label), i128::from(error)))
    })
}

#[test]
fn scores_of_the_sample() {
    let all = of(sample::rows());
    close(all.mae(), 1.84, 1e-15);
    close(all.rmse(), 2.131_900_560_532_784, 1e-15);
    close(all.bias(), 0.27, 1e-15);
    close(all.r2(), 14_059.0 / 14_134.0, 1e-15);
    close(all.wape(), 0.054_022_313_564_298_3, 1e-14);
    close(all.smape(), 0.175_811_989_392_083, 1e-14);
    let mape = all.mape().unwrap();
    assert_eq!(mape.rows, 99);
    close(Some(mape.value), 0.166_330_626_018_498, 1e-14);
    let last = of(sample::rows().skip(70));
    close(last.mae(), 1.875, 1e-15);
    close(last.rmse(), 2.167_467_800_606_659, 1e-15);
    close(last.bias(), 0.358_333_333_333_333, 1e-14);
    close(last.r2(), 0.994_457_600_190_858_5, 1e-14);
    close(last.wape(), 0.055_528_134_254_689, 1e-13);
    close(last.smape(), 0.131_907_366_562_233, 1e-14);
    close(last.mape().map(|mape| mape.value), 0.172_129_072_495_435, 1e-14);
}

#[test]
fn deviations_of_the_sample() {
    let all = of(sample::rows());
    close(all.absolute_sd(), 1.082_178_872_049_861_7, 1e-14);
    close(all.signed_sd(), 2.125_387_665_173_750_7, 1e-14);
    close(all.squared_sd(), 4.145_477_181_291_203, 1e-14);
    // The interval of R², on ln(1 - R²), gives the deviation of v back: t(99) √(1/100) sd / (1 - R²) = half of ln(high / low).
    let lacking = 1.0 - all.r2().unwrap();
    let half = ((1.0 - 0.993_193_71_f64) / (1.0 - 0.995_863_04)).ln() / 2.0;
    close(all.r2_sd(), half * 10.0 / 1.984_216_951_586_417_4 * lacking, 2e-6);
}

#[test]
fn skills_of_the_sample() {
    let rows: Vec<(f64, f64)> = sample::rows().collect();
    for (before, skill, count) in [(3, 0.896_115_361_977_634, 97), (1, 0.961_003_236_245_955, 99)] {
        let mut moments = Moments::default();
        for (row, (y_true, y_pred)) in rows.iter().enumerate() {
            let last = row.checked_sub(before).map(|last| rows[last].0);
            moments.add(*y_true, *y_pred, Some(30.0), last);
        }
        let persistence = moments.skill_to_persistence().unwrap();
        assert_eq!(persistence.rows, count);
        close(Some(persistence.value), skill, 1e-14);
        close(moments.skill_to_constant().map(|skill| skill.value), 0.927_444_794_952_681, 1e-14);
    }
}

#[test]
fn ten_million_rows_far_from_zero_are_exact() {
    let rows = 10_000_000;
    let (mut moments, mut sums) = (Moments::default(), [0_i128; 5]);
    for ((y_true, y_pred), (label, error)) in whole(rows, 1e9) {
        moments.add(y_true, y_pred, None, None);
        let exact = [label, label * label, error, error.abs(), error * error];
        sums.iter_mut().zip(exact).for_each(|(sum, one)| *sum += one);
    }
    let n = i128::from(rows);
    let [labels, squares, signed, absolute, squared] = sums;
    let scatter = (n * squares - labels * labels) as f64 / f64::from(rows);
    let unit = 1.0 / 1024.0;
    close(moments.label_sd(), (scatter / f64::from(rows - 1)).sqrt() * unit, 1e-15);
    close(moments.r2(), 1.0 - squared as f64 / scatter, 1e-15);
    close(moments.mae(), absolute as f64 / f64::from(rows) * unit, 1e-15);
    close(moments.bias(), signed as f64 / f64::from(rows) * unit, 1e-15);
    close(moments.label_mean(), 1e9 + labels as f64 / f64::from(rows) * unit, 1e-15);
    let variance = (n * squared - absolute * absolute) as f64 / f64::from(rows) / f64::from(rows - 1);
    close(moments.absolute_sd(), variance.sqrt() * unit, 1e-14);
}

#[test]
fn fourth_powers_agree_with_two_passes() {
    for offset in [0.0, 1e6] {
        let rows: Vec<(f64, f64)> = whole(100_000, offset).map(|(row, _)| row).collect();
        let n = rows.len() as f64;
        let mean = |of: &dyn Fn(&(f64, f64)) -> f64| rows.iter().map(of).sum::<f64>() / n;
        let error = mean(&|row| (row.1 - row.0).powi(2));
        let label = offset + mean(&|row| row.0 - offset);
        let spread = mean(&|row| (row.0 - label).powi(2));
        let v = |row: &(f64, f64)| {
            -((row.1 - row.0).powi(2) - error) / spread
                + error * ((row.0 - label).powi(2) - spread) / spread.powi(2)
        };
        let sd = (mean(&|row| v(row).powi(2)) * n / (n - 1.0)).sqrt();
        close(of(rows.iter().copied()).r2_sd(), sd, 1e-10);
    }
}

#[test]
fn panes_with_other_origins_merge_into_the_same() {
    let rows: Vec<(f64, f64)> = whole(50_000, 1e9).map(|(row, _)| row).collect();
    let whole = of(rows.iter().copied());
    let mut merged = Moments::default();
    merged.merge(&Moments::default());
    rows.chunks(1043).for_each(|rows| merged.merge(&of(rows.iter().copied())));
    merged.merge(&Moments::default());
    assert_eq!((merged.count(), merged.origin()), (whole.count(), whole.origin()));
    assert_eq!((merged.mae(), merged.rmse(), merged.bias()), (whole.mae(), whole.rmse(), whole.bias()));
    close(merged.label_sd(), whole.label_sd().unwrap(), 1e-15);
    close(merged.r2(), whole.r2().unwrap(), 1e-15);
    close(merged.r2_sd(), whole.r2_sd().unwrap(), 1e-12);
    close(merged.label_mean(), whole.label_mean().unwrap(), 1e-15);
}

#[test]
fn a_merge_has_the_other_s_rows_in_every_sum() {
    let add = |moments: &mut Moments, (row, (y_true, y_pred)): (usize, (f64, f64))| {
        moments.add(y_true, y_pred, Some(30.0), (row % 3 == 0).then_some(12.0));
    };
    let [mut all, mut first, mut second] = [(); 3].map(|()| Moments::default());
    for (row, pair) in sample::rows().enumerate() {
        add(&mut all, (row, pair));
        add(if row < 40 { &mut first } else { &mut second }, (row, pair));
    }
    first.merge(&second);
    let scores = |m: &Moments| [m.mae(), m.rmse(), m.bias(), m.r2(), m.wape(), m.smape(), m.label_mean()];
    let deviations = |m: &Moments| [m.label_sd(), m.absolute_sd(), m.signed_sd(), m.squared_sd(), m.r2_sd()];
    let partial = |m: &Moments| [m.mape(), m.skill_to_constant(), m.skill_to_persistence()];
    assert_eq!(
        (scores(&first), deviations(&first), partial(&first)),
        (scores(&all), deviations(&all), partial(&all))
    );
}

#[test]
fn percentages_and_zeros() {
    let zeros = |zeros: usize| of((0..200).map(|row| if row < zeros { (0.0, 1.0) } else { (-2.0, -1.0) }));
    assert_eq!(zeros(2).mape(), Some(Partial { value: 0.5, rows: 198 }));
    assert_eq!(zeros(3).mape(), None);
    assert_eq!(zeros(200).wape(), None);
    assert_eq!(zeros(3).wape(), Some(200.0 / 394.0));
    assert_eq!(of([(0.0, 0.0), (0.0, 5.0), (-1.0, 1.0)]).smape(), Some(4.0 / 3.0));
    assert_eq!(of([(f64::MAX, f64::MAX), (f64::MAX, -f64::MAX)]).smape(), Some(1.0));
}

#[test]
fn what_is_not_defined_is_none() {
    let none = Moments::default();
    let scores =
        [none.mae(), none.rmse(), none.bias(), none.r2(), none.wape(), none.smape(), none.label_mean()];
    let deviations = [none.label_sd(), none.absolute_sd(), none.signed_sd(), none.squared_sd(), none.r2_sd()];
    assert!(scores.into_iter().chain(deviations).all(|score| score.is_none()));
    assert_eq!((none.mape(), none.skill_to_constant(), none.skill_to_persistence()), (None, None, None));
    let alike = of([(5.0, 5.1); 100]);
    assert_eq!((alike.r2(), alike.r2_sd(), alike.label_sd()), (None, None, Some(0.0)));
    assert_eq!(
        (alike.absolute_sd(), alike.signed_sd(), alike.squared_sd()),
        (Some(0.0), Some(0.0), Some(0.0))
    );
    assert_eq!(of([(1.0, 1.0), (2.0, 2.0)]).r2_sd(), None);
    let mut moments = Moments::default();
    moments.add(3.0, 4.0, Some(3.0), Some(3.0));
    assert_eq!((moments.skill_to_constant(), moments.skill_to_persistence()), (None, None));
    assert_eq!((moments.absolute_sd(), moments.label_sd()), (None, None));
}

#[test]
fn beyond_what_64_bits_hold() {
    // The fourth power is too large, and the score stays.
    let large = of([(1e100, 2e100), (1e100, 4e100), (3e100, 3e100)]);
    close(large.mae(), 4.0 / 3.0 * 1e100, 1e-15);
    close(large.r2(), 1.0 - 10.0 / (8.0 / 3.0), 1e-14);
    assert_eq!((large.squared_sd(), large.r2_sd()), (None, None));
    assert!(large.absolute_sd().is_some());
    for odd in
        [(f64::MAX, -f64::MAX), (-f64::MAX, f64::MAX), (f64::NAN, 1.0), (1.0, f64::NAN), (f64::INFINITY, 1.0)]
    {
        for rows in [vec![odd, (1.0, 2.0), (3.0, 4.0)], vec![(1.0, 2.0), odd, (3.0, 4.0)]] {
            let mut moments = of(rows);
            moments.merge(&of([odd, (7.0, 8.0)]));
            assert_eq!(
                (moments.mae(), moments.rmse()),
                (Some(f64::INFINITY), Some(f64::INFINITY)),
                "{odd:?}"
            );
            assert_eq!((moments.bias(), moments.r2(), moments.r2_sd()), (None, None, None), "{odd:?}");
            assert_eq!(
                (moments.absolute_sd(), moments.signed_sd(), moments.squared_sd()),
                (None, None, None)
            );
            assert_eq!(
                serde_json::from_str::<Moments>(&serde_json::to_string(&moments).unwrap()).unwrap().mae(),
                moments.mae()
            );
        }
    }
}

#[test]
fn a_first_label_far_from_all_others() {
    let rows: Vec<(f64, f64)> =
        [(1e8, 1e8)].into_iter().chain(whole(10_000, 0.0).map(|(row, _)| row)).collect();
    let moments = of(rows.iter().copied());
    let mean = rows.iter().map(|row| row.0).sum::<f64>() / 10_001.0;
    let scatter: f64 = rows.iter().map(|row| (row.0 - mean).powi(2)).sum();
    close(moments.label_sd(), (scatter / 10_000.0).sqrt(), 1e-12);
}

#[test]
fn they_go_on_where_they_were() {
    let mut whole = Moments::default();
    let mut interrupted = Moments::default();
    let odd = [(0.1, 1.0 / 3.0), (1e17, 0.3), (-5e-324, 7.0), (f64::MAX, -f64::MAX), (1.0, 2.0)];
    for (row, (y_true, y_pred)) in sample::rows().chain(odd).enumerate() {
        let last = (row > 2).then_some(1.0 / 7.0);
        whole.add(y_true, y_pred, Some(0.1), last);
        interrupted = serde_json::from_str(&serde_json::to_string(&interrupted).unwrap()).unwrap();
        interrupted.add(y_true, y_pred, Some(0.1), last);
        assert_eq!(interrupted, whole, "{row}");
    }
}
