//! Tests of the intervals.

use super::*;
use crate::sample;

fn errors() -> Vec<f64> {
    sample::rows().map(|(y_true, y_pred)| y_pred - y_true).collect()
}

fn close(interval: Option<Interval>, low: f64, high: f64) {
    let found = interval.unwrap();
    assert!(
        (found.low.unwrap() - low).abs() < 5e-9 && (found.high.unwrap() - high).abs() < 5e-9,
        "{found:?}"
    );
}

#[test]
fn widths_of_sequences() {
    assert!((rho2(2000.0, 0.05) - 0.003_968_077).abs() < 5e-10);
    for (t, expected) in [
        (30.0, 1.382_983_47),
        (100.0, 0.471_879_35),
        (500.0, 0.145_983_64),
        (1000.0, 0.097_511_00),
        (10_000.0, 0.031_530_30),
        (1e6, 0.003_779_07),
    ] {
        let width = two_sided(t, rho2(2000.0, 0.05), 0.05);
        assert!((width - expected).abs() < 5e-9, "{t}: {width}");
    }
    for (t, expected) in [
        (50.0, 0.520_299_07),
        (100.0, 0.315_242_25),
        (500.0, 0.124_284_87),
        (1000.0, 0.088_585_86),
        (10_000.0, 0.030_897_17),
    ] {
        let width = one_sided(t, rho2(500.0, 0.1), 0.05);
        assert!((width - expected).abs() < 5e-9, "{t}: {width}");
    }
    assert_eq!(since_the_swap(29), None);
    assert!((since_the_swap(30).unwrap() - 1.382_983_47).abs() < 5e-9);
    assert!(since_the_swap(u64::MAX).unwrap() > 0.0);
}

#[test]
fn intervals_of_a_window() {
    let signed = errors();
    let absolute: Vec<f64> = signed.iter().map(|e| e.abs()).collect();
    let squared: Vec<f64> = signed.iter().map(|e| e * e).collect();
    close(of_positive(mean(&absolute), half_width(&absolute).unwrap()), 1.637_328_09, 2.067_759_07);
    close(of_root(mean(&squared), half_width(&squared).unwrap()), 1.947_456_24, 2.333_813_67);
    close(of_signed(mean(&signed), half_width(&signed).unwrap()), -0.151_723_02, 0.691_723_02);
    let means: Vec<f64> = absolute.chunks(5).map(mean).collect();
    let batches = standard_error(&means).unwrap() * student(19).unwrap();
    close(of_positive(1.84, batches), 1.762_209_54, 1.921_224_42);
}

#[test]
fn rows_that_repeat_their_neighbours_widen_the_interval() {
    // Sorted, the same rows depend on each other as much as they can: the 20 batches see it.
    let mut sorted = errors();
    let apart = half_width(&sorted).unwrap();
    sorted.sort_by(f64::total_cmp);
    assert!(half_width(&sorted).unwrap() > 2.0 * apart);
    // Below 100 rows there are no batches.
    let sorted = &sorted[..99];
    let mut shuffled: Vec<f64> = sorted.iter().step_by(2).copied().collect();
    shuffled.extend(sorted.iter().skip(1).step_by(2));
    assert!((half_width(sorted).unwrap() / half_width(&shuffled).unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn what_cannot_be_trusted_has_no_interval() {
    assert_eq!(half_width(&[]), None);
    assert_eq!(half_width(&errors()[..29]), None);
    assert!(half_width(&errors()[..30]).is_some());
    assert_eq!(half_width(&[1.0; 200]), None);
    for odd in [f64::NAN, f64::INFINITY, f64::MAX] {
        let mut rows = errors();
        rows[3] = odd;
        assert_eq!(half_width(&rows), None, "{odd}");
    }
    for (mean, half) in
        [(0.0, 1.0), (1.0, 0.0), (1.0, f64::NAN), (f64::NAN, 1.0), (1.0, 1e4), (f64::INFINITY, 1.0)]
    {
        assert_eq!(of_positive(mean, half), None, "{mean} {half}");
        assert_eq!(of_root(mean, half), None, "{mean} {half}");
    }
    assert_eq!((of_signed(f64::INFINITY, 1.0), of_signed(1.0, 0.0)), (None, None));
    assert_eq!((of_r2(1.0, 0.1), of_r2(f64::NEG_INFINITY, 0.1)), (None, None));
}

#[test]
fn the_largest_hundredth() {
    assert_eq!(share_of_largest(&[]), None);
    assert_eq!(share_of_largest(&[0.0; 5]), None);
    assert_eq!(share_of_largest(&[1.0, f64::INFINITY]), None);
    // Of 150 rows, one and a half.
    let mut numbers = vec![1.0; 150];
    (numbers[148], numbers[149]) = (20.0, 100.0);
    assert!((share_of_largest(&numbers).unwrap() - 110.0 / 268.0).abs() < 1e-15);
    assert!((share_of_largest(&[3.0]).unwrap() - 0.01).abs() < 1e-15);
}

#[test]
fn inside_and_outside() {
    let half_open = Interval { low: Some(1.0), high: None };
    assert!(
        half_open.contains(1.0)
            && half_open.contains(9.0)
            && !half_open.contains(0.9)
            && !half_open.is_open()
    );
    let closed = Interval::closed(1.0, 2.0).unwrap();
    assert!(closed.contains(2.0) && !closed.contains(2.1) && !closed.contains(f64::NAN));
    assert!(Interval { low: None, high: None }.is_open());
}
