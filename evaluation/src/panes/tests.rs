//! Tests of the panes.

use super::*;
use crate::sample;
use crate::table::Estimate;

const HOUR: i64 = 3_600_000;

/// A day's panes are half an hour long; the sample's rows are predicted a quarter of an hour apart.
fn day() -> Panes {
    first(100)
}

/// The first rows of it.
fn first(rows: usize) -> Panes {
    let mut panes = Panes::new(24 * HOUR);
    for (row, (y_true, y_pred)) in sample::rows().take(rows).enumerate() {
        let at = row as i64 * HOUR / 4;
        assert!(panes.predicted(at));
        assert!(panes.labelled(at, (y_true, y_pred), Some(30.0), None));
    }
    panes
}

#[test]
fn a_window_is_its_whole_panes() {
    let panes = day();
    assert_eq!(panes.length(), HOUR / 2);
    // Row 99 is of 24:45, in the pane from 24:30; with the 47 before, it begins at 1:00, with row 4.
    let window = panes.window(25 * HOUR - 1);
    assert_eq!((window.from, window.until, window.all.predicted), (HOUR, 25 * HOUR - 1, 96));
    let mut moments = Moments::default();
    let mut sketch = Sketch::default();
    for (y_true, y_pred) in sample::rows().skip(4) {
        moments.add(y_true, y_pred, Some(30.0), None);
        sketch.add(y_pred - y_true);
    }
    let table = window.scores();
    assert_eq!(window.all.sketch, sketch);
    assert_eq!((table.rows, table.max, table.sketched), (96, Some(3.75), true));
    let value = |estimate: Option<Estimate>| estimate.unwrap().value;
    assert_eq!((value(table.mae), value(table.bias)), (moments.mae().unwrap(), moments.bias().unwrap()));
    assert!((value(table.r2) - moments.r2().unwrap()).abs() < 1e-15);
    assert_eq!(table.skill_to_constant, moments.skill_to_constant());
    // One pane later, two rows fewer; and one before the epoch has none.
    assert_eq!(panes.window(25 * HOUR).scores().rows, 94);
    assert_eq!(panes.window(-1).scores(), ScoreTable { sketched: true, ..ScoreTable::default() });
}

#[test]
fn a_late_label_goes_into_its_own_pane() {
    let mut panes = Panes::new(48_000);
    assert!(panes.predicted(1500) && panes.predicted(11_500));
    assert!(panes.labelled(1500, (1.0, 2.0), None, None));
    let found: Vec<(i64, u64, u64)> =
        panes.iter().map(|(at, pane)| (at, pane.predicted, pane.moments.count())).collect();
    assert_eq!(found, [(1000, 1, 1), (11_000, 1, 0)]);
}

#[test]
fn predictions_and_what_was_given_up_are_counted() {
    let mut panes = Panes::new(48_000);
    assert!(panes.predicted(2000) && panes.predicted(-1) && panes.expired(2999));
    let found: Vec<(i64, u64, u64)> =
        panes.iter().map(|(at, pane)| (at, pane.predicted, pane.expired)).collect();
    assert_eq!(found, [(-1000, 1, 0), (2000, 1, 1)]);
}

#[test]
fn panes_that_are_in_no_window_any_more_are_closed() {
    let mut panes = Panes::new(48_000);
    (0..200).for_each(|second| assert!(panes.predicted(second * 1000)));
    let begins: Vec<i64> = panes.iter().map(|(at, _)| at).collect();
    assert_eq!((begins.len(), begins[0], begins[48]), (49, 151_000, 199_000));
    let before = panes.clone();
    assert!(!panes.labelled(150_999, (1.0, 2.0), None, None));
    assert_eq!(panes, before);
    assert!(panes.labelled(151_000, (1.0, 2.0), None, None));
    // A gap closes all at once.
    assert!(panes.predicted(i64::MAX));
    assert_eq!(panes.iter().count(), 1);
}

#[test]
fn bounds() {
    for span in [0, -5, i64::MIN, i64::MAX, 1] {
        let mut panes = Panes::new(span);
        for at in [i64::MIN, -1, 0, 1, i64::MAX] {
            panes.predicted(at);
            panes.labelled(at, (1.0, f64::NAN), None, None);
            assert!(panes.window(at).scores().mae.is_none_or(|mae| mae.interval.is_none()));
        }
        assert!(panes.length() > 0 && panes.iter().count() <= 5);
    }
}

#[test]
fn intervals_see_panes_whose_rows_are_alike() {
    // The same 4800 errors, once each three panes with their own and once in turn.
    let errors: Vec<f64> =
        sample::rows().take(16).flat_map(|(y_true, y_pred)| [y_pred - y_true; 300]).collect();
    let scores = |order: &dyn Fn(usize) -> usize| {
        let mut panes = Panes::new(48_000);
        for (at, remainder) in (0..4800).zip((0..97_u8).cycle()) {
            let label = f64::from(remainder);
            panes.labelled(at as i64 * 10, (label, label + errors[order(at)]), None, None);
        }
        panes.window(47_999).scores()
    };
    let (alike, apart) = (scores(&|at| at), scores(&|at| at * 1009 % 4800));
    assert_eq!((alike.rows, apart.rows), (4800, 4800));
    let widths = |table: &ScoreTable| {
        [table.mae, table.rmse, table.bias, table.r2].map(|score| {
            let interval = score.unwrap().interval.unwrap();
            interval.high.unwrap() - interval.low.unwrap()
        })
    };
    let (alike, apart) = (widths(&alike), widths(&apart));
    assert!(alike.iter().zip(apart).all(|(alike, apart)| *alike > 4.0 * apart), "{alike:?} {apart:?}");
    // Where panes do not matter, half the width is near that of Student's t.
    let mean = errors.iter().sum::<f64>() / 4800.0;
    let variance = errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / 4800.0;
    let plain = 2.0 * 1.96 * (variance / 4800.0).sqrt();
    assert!((0.99..1.6).contains(&(apart[2] / plain)), "{apart:?} {plain}");
}

#[test]
fn few_rows_have_no_interval() {
    let scores = |rows: usize| first(rows).window(rows as i64 * HOUR / 4 - 1).scores();
    assert_eq!((scores(28).rows, scores(28).mae.unwrap().interval), (28, None));
    assert_eq!(scores(30).rows, 30);
    assert!(scores(30).mae.unwrap().interval.is_some());
}

#[test]
fn they_go_on_where_they_were() {
    let [mut whole, mut interrupted] = [(); 2].map(|()| Panes::new(24 * HOUR));
    for (row, (y_true, y_pred)) in sample::rows().chain([(f64::MAX, -f64::MAX)]).enumerate() {
        let at = (row as i64 - 50) * HOUR / 3;
        for panes in [&mut whole, &mut interrupted] {
            panes.predicted(at);
            panes.labelled(at, (y_true / 3.0, y_pred), Some(0.1), Some(0.7));
        }
        assert_eq!(interrupted, whole, "{row}");
        interrupted = serde_json::from_str(&serde_json::to_string(&interrupted).unwrap()).unwrap();
        assert_eq!(interrupted, whole, "{row}");
    }
}
