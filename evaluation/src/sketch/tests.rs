//! Tests of the sketch.

use super::*;
use crate::sample;

fn of(errors: impl IntoIterator<Item = f64>) -> Sketch {
    let mut sketch = Sketch::default();
    errors.into_iter().for_each(|error| sketch.add(error));
    sketch
}

/// Errors over many decades, from a fixed sequence.
fn spread(count: u32) -> Vec<f64> {
    let mut x = 1_u32;
    (0..count)
        .map(|_| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (f64::from(x) / 4_294_967_296.0 * 20.0 - 10.0).exp()
        })
        .collect()
}

#[test]
fn buckets() {
    assert!((GAMMA - 1.020_202_02).abs() < 5e-9);
    assert!((LN_GAMMA / GAMMA.ln() - 1.0).abs() < 1e-14);
    let known = [(1e-9, -1036), (0.001, -345), (1.0, 0), (1.5, 21), (43.5, 189), (1000.0, 346), (1e9, 1037)];
    for (error, index) in known {
        assert_eq!(index_of(error), index, "{error}");
    }
    let value = of([1e9]).value_of(189);
    assert!((value - 43.383_347_60).abs() < 5e-9, "{value}");
}

#[test]
fn each_quantile_is_within_one_percent() {
    let mut errors = spread(20_000);
    let sketch = of(errors.iter().copied());
    errors.sort_by(f64::total_cmp);
    for percent in 0..=100_u8 {
        let q = f64::from(percent) / 100.0;
        let exact = errors[19_999 * usize::from(percent) / 100];
        let value = sketch.quantile(q).unwrap();
        assert!((value / exact - 1.0).abs() <= ACCURACY + 1e-12, "{q}: {value} for {exact}");
    }
    assert_eq!((sketch.count(), sketch.max()), (20_000, Some(errors[19_999])));
}

#[test]
fn zeros_have_a_bucket_of_their_own() {
    let sketch = of([0.0, 5.0, -0.0, 0.0, -5.0]);
    assert_eq!((sketch.count(), sketch.quantile(0.5)), (5, Some(0.0)));
    assert!((sketch.quantile(0.75).unwrap() - 5.0).abs() <= 0.05);
    assert_eq!(of([0.0]).max(), Some(0.0));
}

#[test]
fn order_and_merging_change_nothing() {
    let errors = spread(3000);
    let whole = of(errors.iter().copied());
    assert_eq!(of(errors.iter().rev().copied()), whole);
    let mut merged = of(errors[..1000].iter().copied());
    merged.merge(&Sketch::default());
    merged.merge(&of(errors[1000..].iter().copied().chain([0.0])));
    assert_eq!(merged, of(errors.iter().copied().chain([0.0])));
}

#[test]
fn memory_is_bounded_and_the_highest_errors_stay_apart() {
    // Buckets without end, in an order that has the lowest come late.
    let errors: Vec<f64> =
        (-300..300).rev().flat_map(|e| spread(20).into_iter().map(move |x| x * 10_f64.powi(e))).collect();
    let sketch = of(errors.iter().copied());
    assert_eq!((sketch.buckets.len(), sketch.count()), (MOST, 12_000));
    assert_eq!(of(errors.iter().rev().copied()), sketch);
    let mut halves = of(errors[..5000].iter().copied());
    halves.merge(&of(errors[5000..].iter().copied()));
    assert_eq!(halves, sketch);
    let mut ascending = errors;
    ascending.sort_by(f64::total_cmp);
    let value = sketch.quantile(0.9).unwrap();
    assert!((value / ascending[10_799] - 1.0).abs() <= ACCURACY);
    assert!(serde_json::to_string(&sketch).unwrap().len() < 20_000);
}

#[test]
fn what_is_not_finite_is_above_all_else() {
    let sketch = of([1.0, f64::INFINITY, f64::NAN, f64::NEG_INFINITY, f64::MAX, 5e-324]);
    assert_eq!((sketch.quantile(1.0), sketch.max()), (Some(f64::INFINITY), Some(f64::INFINITY)));
    assert!(sketch.quantile(0.4).unwrap().is_finite());
    assert_eq!(of([f64::MAX]).quantile(0.0), Some(f64::MAX));
    for q in [-0.1, 1.1, f64::NAN] {
        assert_eq!(sketch.quantile(q), None);
    }
    assert_eq!((Sketch::default().quantile(0.5), Sketch::default().max()), (None, None));
}

#[test]
fn the_share_of_the_largest_hundredth() {
    assert_eq!(Sketch::default().share_of_largest(|error| error), None);
    assert_eq!(of([0.0, 0.0]).share_of_largest(|error| error), None);
    // 200 equal ones: a hundredth. Two of them a thousand times as large: 2000 of 2198; and of 20, a fifth of one.
    let share = |errors: &[f64], power: i32| {
        of(errors.iter().copied()).share_of_largest(|error| error.powi(power)).unwrap()
    };
    let mut errors = vec![1.0; 200];
    assert!((share(&errors, 1) - 0.01).abs() < 1e-12);
    (errors[7], errors[70]) = (1000.0, 1000.0);
    assert!((share(&errors, 1) - 2000.0 / 2198.0).abs() < 0.02);
    assert!((share(&errors[60..80], 1) - 200.0 / 1019.0).abs() < 0.004);
    assert!((share(&errors, 2) - 1.0).abs() < 1e-3);
}

#[test]
fn they_go_on_where_they_were() {
    let mut whole = Sketch::default();
    let mut interrupted = Sketch::default();
    for error in
        sample::rows().map(|(y_true, y_pred)| y_pred - y_true).chain([0.0, 1e300, 1e-300, f64::INFINITY])
    {
        whole.add(error);
        interrupted = serde_json::from_str(&serde_json::to_string(&interrupted).unwrap()).unwrap();
        interrupted.add(error);
        assert_eq!(interrupted, whole);
    }
}
