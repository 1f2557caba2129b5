//! Tests of the window.

use super::*;
use crate::confidence::Interval;
use crate::sample;

fn of(most: usize, pairs: impl IntoIterator<Item = (f64, f64)>) -> LastRows {
    let mut last = LastRows::new(most);
    for (row, (y_true, y_pred)) in pairs.into_iter().enumerate() {
        last.add(Row::new(y_true, y_pred, row as i64 * 1000, 250, None));
    }
    last
}

#[track_caller]
fn close(found: Option<Estimate>, value: f64, ends: Option<(f64, f64)>) {
    let found = found.unwrap();
    assert!((found.value - value).abs() < 1e-12, "{found:?}");
    match (found.interval, ends) {
        (Some(Interval { low: Some(low), high: Some(high) }), Some(ends)) => {
            assert!((low - ends.0).abs() < 5e-9 && (high - ends.1).abs() < 5e-9, "{found:?}");
        }
        (interval, ends) => assert!(interval.is_none() && ends.is_none(), "{interval:?}"),
    }
}

#[test]
fn scores_of_the_sample() {
    let table = of(500, sample::rows()).scores(Some(30.0));
    assert_eq!((table.rows, table.max, table.sketched), (100, Some(3.75), false));
    close(table.mae, 1.84, Some((1.637_328_09, 2.067_759_07)));
    close(table.rmse, 2.131_900_560_532_784, Some((1.947_456_24, 2.333_813_67)));
    close(table.bias, 0.27, Some((-0.151_723_02, 0.691_723_02)));
    close(table.r2, 14_059.0 / 14_134.0, Some((0.993_193_71, 0.995_863_04)));
    // Ranks 40 and 60, 84 and 96 of errors that are quarters.
    close(table.median, 1.75, Some((1.5, 2.25)));
    close(table.p90, 3.25, Some((3.0, 3.5)));
    let p99 = table.p99.unwrap();
    assert_eq!((p99.value, p99.interval), (3.75, Some(Interval { low: Some(3.75), high: None })));
    assert_eq!(table.skill_to_constant.unwrap().rows, 100);
    assert_eq!((table.skill_to_persistence, table.dominated), (None, Dominated::default()));
    assert!((table.wape.unwrap() - 0.054_022_313_564_298_3).abs() < 1e-15);
    assert!((table.smape.unwrap() - 0.175_811_989_392_083).abs() < 1e-14);
    assert_eq!(table.mape.unwrap().rows, 99);
}

#[test]
fn only_the_last_rows_count() {
    let table = of(30, sample::rows()).scores(None);
    assert_eq!((table.rows, table.max), (30, Some(3.75)));
    let value = |estimate: Option<Estimate>| estimate.unwrap().value;
    for (found, expected) in [
        (value(table.mae), 1.875),
        (value(table.rmse), 2.167_467_800_606_659),
        (value(table.bias), 0.358_333_333_333_333),
        (value(table.r2), 0.994_457_600_190_858_5),
        (value(table.median), 1.875),
        (value(table.p90), 3.275),
    ] {
        assert!((found - expected).abs() < 1e-14, "{found} for {expected}");
    }
    // Below 100 rows there is no p99.
    assert_eq!(table.p99, None);
    assert!(table.mae.unwrap().interval.is_some());
    assert_eq!(of(29, sample::rows()).scores(None).mae.unwrap().interval, None);
}

#[test]
fn an_outlier_is_gone_when_its_row_is() {
    let odd = [(1.0, 1e12), (1.0, 1e300), (0.0, f64::INFINITY), (f64::NAN, 0.0)];
    let after = of(100, odd.into_iter().chain(sample::rows()));
    assert_eq!(after.scores(None), of(100, sample::rows()).scores(None));
    let with = of(200, odd.into_iter().chain(sample::rows())).scores(None);
    assert_eq!((with.mae.unwrap().value, with.bias, with.r2), (f64::INFINITY, None, None));
    assert_eq!(with.mae.unwrap().interval, None);
}

#[test]
fn batches_go_by_the_time_of_prediction() {
    // Errors that grow with the time of prediction: whatever order the labels come in, the batches see it.
    let rows: Vec<Row> = (0..200_i64).map(|row| Row::new(0.0, row as f64, row * 10, 5, None)).collect();
    let mut in_order = LastRows::default();
    rows.iter().for_each(|row| in_order.add(*row));
    let mut shuffled = LastRows::default();
    (0..200).for_each(|row| shuffled.add(rows[row * 77 % 200]));
    assert_eq!(shuffled.scores(None), in_order.scores(None));
    // Predicted in the other order, they look independent.
    let mut apart = LastRows::default();
    (0..200).for_each(|row| apart.add(Row { predicted_at: rows[row * 77 % 200].predicted_at, ..rows[row] }));
    let width = |last: &LastRows| {
        let interval = last.scores(None).bias.unwrap().interval.unwrap();
        interval.high.unwrap() - interval.low.unwrap()
    };
    assert!(width(&in_order) > 2.0 * width(&apart));
}

#[test]
fn few_rows_that_dominate_take_the_interval() {
    let with = |error: f64| of(500, sample::rows().chain([(0.0, error)])).scores(None);
    // Of 101 rows the largest and a hundredth of the next: 100 + 0.0375 of 284 and 10 000 + 0.14 of 10 454.
    assert_eq!(with(9.0).dominated, Dominated { absolute: false, squared: false });
    let squared = with(15.0);
    assert_eq!(squared.dominated, Dominated { absolute: false, squared: true });
    assert!(squared.mae.unwrap().interval.is_some() && squared.bias.unwrap().interval.is_some());
    assert_eq!((squared.rmse.unwrap().interval, squared.r2.unwrap().interval), (None, None));
    let both = with(100.0);
    assert_eq!(
        (both.dominated, both.mae.unwrap().interval),
        (Dominated { absolute: true, squared: true }, None)
    );
    assert!((both.mae.unwrap().value - 284.0 / 101.0).abs() < 1e-12);
}

#[test]
fn bounds() {
    assert_eq!(
        (LastRows::default().most(), LastRows::new(0).most(), LastRows::new(usize::MAX).most()),
        (500, 1, 100_000)
    );
    let last = of(2, [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]);
    assert_eq!(last.rows().map(|row| row.y_true).collect::<Vec<_>>(), [2.0, 3.0]);
    assert_eq!(LastRows::default().scores(Some(1.0)), ScoreTable::default());
    assert_eq!(of(9, [(1.0, 1.0)]).scores(None).median.unwrap().value, 0.0);
}

#[test]
fn they_go_on_where_they_were() {
    let [mut whole, mut interrupted] = [(); 2].map(|()| LastRows::new(40));
    for (row, (y_true, y_pred)) in sample::rows().chain([(f64::MAX, f64::INFINITY)]).enumerate() {
        let row = Row::new(y_true / 7.0, y_pred, row as i64, -3, (row > 5).then_some(f64::INFINITY));
        whole.add(row);
        interrupted = serde_json::from_str(&serde_json::to_string(&interrupted).unwrap()).unwrap();
        interrupted.add(row);
        assert_eq!(interrupted, whole);
    }
    assert_eq!(interrupted.rows().last().unwrap().persistence(), Some(f64::INFINITY));
}
