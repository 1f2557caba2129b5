//! Tests of a version's lifetime.

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::confidence::Interval;
use crate::noise::normal;
use crate::sample;
use crate::table::Estimate;

fn of(pairs: impl IntoIterator<Item = (f64, f64)>) -> Lifetime {
    let mut lifetime = Lifetime::default();
    pairs.into_iter().for_each(|(y_true, y_pred)| lifetime.add(y_true, y_pred, None, None));
    lifetime
}

fn ends(estimate: Option<Estimate>) -> (f64, f64) {
    let Interval { low, high } = estimate.unwrap().interval.unwrap();
    (low.unwrap(), high.unwrap())
}

#[test]
fn the_sequence_of_the_sample() {
    let (low, high) = ends(of(sample::rows()).scores().mae);
    assert!((low - 1.313_877_63).abs() < 5e-9 && (high - 2.576_800_10).abs() < 5e-9, "{low} {high}");
}

#[test]
fn each_interval_is_its_formula() {
    let lifetime = of(sample::rows());
    let (table, moments, width) = (lifetime.scores(), lifetime.moments(), since_the_swap(100).unwrap());
    let batch = |of: &dyn Fn(f64, f64) -> f64| {
        let mut batches = Batches::default();
        sample::rows().for_each(|(y_true, y_pred)| batches.add(of(y_true, y_pred)));
        batches.long_run_sd().unwrap()
    };
    let check = |found: (f64, f64), low: f64, high: f64| {
        assert!((found.0 - low).abs() < 1e-9 && (found.1 - high).abs() < 1e-9, "{found:?} for {low} {high}");
    };
    let half = batch(&|y, p| (p - y).powi(2)).max(moments.squared_sd().unwrap()) * width;
    let mse = moments.mse().unwrap();
    check(ends(table.rmse), (mse * (-half / mse).exp()).sqrt(), (mse * (half / mse).exp()).sqrt());
    let half = batch(&|y, p| p - y).max(moments.signed_sd().unwrap()) * width;
    check(ends(table.bias), 0.27 - half, 0.27 + half);
    // The influence on R², row by row.
    let mean = moments.label_mean().unwrap();
    let spread = sample::rows().map(|(y, _)| (y - mean).powi(2)).sum::<f64>() / 100.0;
    let influence = |y: f64, p: f64| {
        -((p - y).powi(2) - mse) / spread + mse * ((y - mean).powi(2) - spread) / spread.powi(2)
    };
    let half = batch(&influence).max(moments.r2_sd().unwrap()) * width;
    let lacks = 1.0 - moments.r2().unwrap();
    check(ends(table.r2), 1.0 - lacks * (half / lacks).exp(), 1.0 - lacks * (-half / lacks).exp());
}

#[test]
fn the_batches_widen_every_interval_where_rows_repeat_their_neighbours() {
    // 64 rows in a row are the same.
    let rows: Vec<(f64, f64)> = sample::rows().collect();
    let apart = of((0..6400).map(|row| rows[row % 100])).scores();
    let alike = of((0..6400).map(|row| rows[row / 64])).scores();
    let widths = |table: &ScoreTable| {
        [table.mae, table.rmse, table.bias, table.r2].map(|score| ends(score).1 - ends(score).0)
    };
    let (alike, apart) = (widths(&alike), widths(&apart));
    assert!(alike.iter().zip(apart).all(|(alike, apart)| *alike > 4.0 * apart), "{alike:?} {apart:?}");
}

#[test]
fn quantiles_are_those_of_the_sketch() {
    let table = of(sample::rows()).scores();
    assert_eq!((table.rows, table.max, table.sketched), (100, Some(3.75), true));
    for (estimate, exact) in [(table.median, 1.75), (table.p90, 3.25), (table.p99, 3.75)] {
        let Estimate { value, interval } = estimate.unwrap();
        assert!((value / exact - 1.0).abs() <= 0.01 && interval.is_none(), "{value} for {exact}");
    }
    assert_eq!(of(sample::rows().take(99)).scores().p99, None);
}

#[test]
fn what_cannot_be_trusted_has_no_interval() {
    assert_eq!(Lifetime::default().scores(), ScoreTable { sketched: true, ..ScoreTable::default() });
    let few = of(sample::rows().take(29)).scores();
    assert!(few.mae.is_some());
    assert_eq!([few.mae, few.rmse, few.bias, few.r2].map(|score| score.unwrap().interval), [None; 4]);
    let enough = of(sample::rows().take(30)).scores();
    assert!(
        [enough.mae, enough.rmse, enough.bias, enough.r2]
            .iter()
            .all(|score| score.unwrap().interval.is_some())
    );
    let alike = of([(1.0, 2.0); 50]).scores();
    assert_eq!((alike.mae.unwrap().interval, alike.bias.unwrap().interval, alike.r2), (None, None, None));
    // One row of 101 that is most of all: the scores stay.
    let spiked = of(sample::rows().chain([(0.0, 100.0)])).scores();
    assert_eq!(spiked.dominated, Dominated { absolute: true, squared: true });
    assert_eq!([spiked.mae, spiked.rmse, spiked.r2].map(|score| score.unwrap().interval), [None; 3]);
    assert!(spiked.bias.unwrap().interval.is_some());
    for odd in [f64::NAN, f64::INFINITY, f64::MAX] {
        let table = of(sample::rows().chain([(-f64::MAX, odd)])).scores();
        assert_eq!((table.mae.unwrap().value, table.mae.unwrap().interval), (f64::INFINITY, None), "{odd}");
    }
}

#[test]
fn normal_errors_are_ever_outside_in_few_of_many_lives() {
    let mean = (2.0 / std::f64::consts::PI).sqrt();
    let mut random = StdRng::seed_from_u64(20_240_607);
    let mut wrong = 0;
    for _ in 0..500 {
        let mut lifetime = Lifetime::default();
        let mut ever = false;
        for row in 1..=5000_u32 {
            lifetime.add(0.0, normal(&mut random), None, None);
            // An interval hardly moves from one of many rows to the next.
            if !ever && row >= 30 && (row < 300 || row % 10 == 0) {
                let half = lifetime.absolute_sd().unwrap() * since_the_swap(row.into()).unwrap();
                ever = !of_positive(lifetime.moments().mae().unwrap(), half).unwrap().contains(mean);
            }
        }
        wrong += u32::from(ever);
    }
    // Measured by simulation: 2.9 %. None at all would be an interval that is too wide.
    assert!((1..=30).contains(&wrong), "{wrong} of 500");
}

#[test]
fn they_go_on_where_they_were() {
    let mut whole = Lifetime::default();
    let mut interrupted = Lifetime::default();
    let odd = [(1.0 / 3.0, 1e17), (f64::MAX, -f64::MAX), (0.0, f64::NAN), (1.0, 2.0)];
    for (row, (y_true, y_pred)) in sample::rows().chain(odd).enumerate() {
        whole.add(y_true, y_pred, Some(0.1), (row > 2).then_some(1.0 / 7.0));
        interrupted = serde_json::from_str(&serde_json::to_string(&interrupted).unwrap()).unwrap();
        interrupted.add(y_true, y_pred, Some(0.1), (row > 2).then_some(1.0 / 7.0));
        assert_eq!(interrupted, whole, "{row}");
    }
    assert_eq!(interrupted.scores(), whole.scores());
}
