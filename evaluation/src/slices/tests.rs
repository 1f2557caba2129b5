//! Sums by hand, how often a slice is called worse by chance, and that one which is worse is found.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::noise::normal;

fn tenths() -> Vec<f64> {
    (1..10).map(|tenth| f64::from(tenth) / 10.0).collect()
}

/// Rows of ten uniform features; their errors are normal, and larger by `scale` where the fourth feature is in its eighth bin.
fn slices(random: &mut StdRng, rows: u32, scale: f64) -> Slices {
    let mut slices = Slices::new(&vec![tenths(); 10]).unwrap();
    for _ in 0..rows {
        let features: Vec<f64> = (0..10).map(|_| random.random()).collect();
        let bad = (0.7..0.8).contains(&features[3]);
        slices.add(&slices.places(&features), normal(random) * if bad { scale } else { 1.0 });
    }
    slices
}

#[test]
fn slices_by_hand() {
    let mut slices = Slices::new(&[vec![1.0, 2.0], vec![]]).unwrap();
    for (features, error) in [
        (&[0.5, 9.0][..], 1.0),
        (&[1.0, 9.0], -3.0),
        (&[1.9], 5.0),
        (&[f64::NAN, 9.0], -2.0),
        (&[f64::INFINITY, 9.0], 4.0),
        (&[2.0, 9.0], 8.0),
        (&[2.0, 9.0], f64::NAN),
    ] {
        slices.add(&slices.places(features), error);
    }
    assert_eq!(slices.rows(), (6, 1));
    let all = slices.all();
    let rows: Vec<_> = all
        .iter()
        .map(|slice| {
            (
                slice.feature,
                slice.bin,
                slice.from,
                slice.to,
                slice.loss.rows,
                slice.loss.mean,
                slice.error.mean,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            (0, Some(0), None, Some(1.0), 1, 1.0, 1.0),
            (0, Some(1), Some(1.0), Some(2.0), 2, 4.0, 1.0),
            (0, Some(2), Some(2.0), None, 2, 6.0, 6.0),
            (0, None, None, None, 1, 2.0, -2.0),
            (1, Some(0), None, None, 5, 18.0 / 5.0, 8.0 / 5.0),
            (1, None, None, None, 1, 5.0, 5.0),
        ]
    );
    let second = all[1];
    assert_eq!((second.loss.variance, second.error.variance), (2.0, 32.0));
    // 1, 4, 8 and 2.
    assert_eq!((second.rest.rows, second.rest.mean), (4, 3.75));
    assert!((second.rest.variance - 9.583_333_333).abs() < 1e-9);
    assert_eq!((second.difference(), second.chance), (0.25, None));
    assert_eq!(slices.worst(5), []);
}

#[test]
fn what_is_refused() {
    for (limits, fine) in [
        (vec![], true),
        (vec![tenths(); 100], true),
        (vec![tenths(); 101], false),
        (vec![vec![0.0; 10]], false),
        (vec![vec![1.0, 0.0]], false),
        (vec![vec![f64::NAN]], false),
        (vec![vec![f64::INFINITY]], false),
    ] {
        assert_eq!(Slices::new(&limits).is_ok(), fine, "{limits:?}");
    }
}

#[test]
fn where_nothing_is_worse_a_slice_is_seldom_called_so() {
    // In at most one run of 20: of 200, more than 18 are seen once in 150 times. Without the correction it would be nearly all.
    let mut random = StdRng::seed_from_u64(1);
    let called = (0..200).filter(|_| !slices(&mut random, 1000, 1.0).worst(5).is_empty()).count();
    assert!(called <= 18, "{called}");
}

#[test]
fn the_slice_that_is_worse_is_found() {
    let mut random = StdRng::seed_from_u64(2);
    let found = (0..50).filter(|_| {
        let worst = slices(&mut random, 2000, 1.6).worst(5);
        worst.first().is_some_and(|slice| (slice.feature, slice.bin) == (3, Some(7)))
    });
    let found = found.count();
    assert!(found >= 45, "{found}");
    let many = slices(&mut random, 100_000, 2.0);
    let worst = many.worst(5);
    let slice = worst[0];
    assert_eq!((slice.feature, slice.from, slice.to), (3, Some(0.7), Some(0.8)));
    assert!((slice.loss.mean - 2.0 * 0.797_885).abs() < 0.05 && (slice.rest.mean - 0.797_885).abs() < 0.02);
    assert!(slice.chance.unwrap() < 1e-100);
    assert!(worst.iter().all(|slice| slice.difference() > 0.0) && many.worst(0).is_empty());
}

#[test]
fn slices_are_ordered_by_how_much_worse_they_are() {
    let mut slices = Slices::new(&[vec![1.0, 2.0, 3.0, 4.0, 5.0]]).unwrap();
    for (row, noise) in (0_u8..240).zip([0.9, 1.1].into_iter().cycle()) {
        let bin = f64::from(row / 40);
        slices.add(&slices.places(&[bin]), noise + [0.0, 3.0, 0.0, 5.0, 0.0, 4.0][usize::from(row / 40)]);
    }
    let bins = |most: usize| slices.worst(most).iter().map(|slice| slice.bin).collect::<Vec<_>>();
    assert_eq!(bins(5), [Some(3), Some(5), Some(1)]);
    assert_eq!(bins(2), [Some(3), Some(5)]);
}

#[test]
fn errors_far_from_zero_vary_as_much() {
    let mut random = StdRng::seed_from_u64(3);
    let (mut near, mut far) = (Slices::new(&[vec![0.5]]).unwrap(), Slices::new(&[vec![0.5]]).unwrap());
    for _ in 0..1000 {
        // Multiples of 2^-10, which 1e9 leaves as they are.
        let (number, error) = (random.random::<f64>(), f64::from(random.random_range(1..3000_u32)) / 1024.0);
        near.add(&near.places(&[number]), error);
        far.add(&far.places(&[number]), error + 1e9);
    }
    for (near, far) in near.all().iter().zip(far.all()) {
        assert_eq!((near.loss.variance, near.error.variance), (far.loss.variance, far.error.variance));
        // A mean near 1e9 has no more digits.
        assert!((near.chance.unwrap() - far.chance.unwrap()).abs() < 1e-6);
        assert!((near.error.mean + 1e9 - far.error.mean).abs() < 1e-6);
    }
}

#[test]
fn they_go_on_where_they_were() {
    let mut random = StdRng::seed_from_u64(4);
    let mut whole = Slices::new(&vec![tenths(); 100]).unwrap();
    let mut parted = whole.clone();
    for row in 0..600 {
        let error = match row % 200 {
            150 => f64::NAN,
            180 => f64::MAX,
            190 => -1e200,
            _ => normal(&mut random),
        };
        let features: Vec<f64> = (0..100).map(|_| random.random::<f64>() / random.random::<f64>()).collect();
        for slices in [&mut whole, &mut parted] {
            slices.add(&slices.places(&features), error);
        }
        if row % 60 == 0 {
            let text = serde_json::to_string(&parted).unwrap();
            assert!(text.len() < 300_000, "{}", text.len());
            parted = serde_json::from_str(&text).unwrap();
            assert_eq!(parted, whole);
        }
    }
    assert_eq!(whole.rows(), (597, 3));
    // Beyond what 64 bits hold: no slice is said to differ.
    assert_eq!((whole.worst(5), parted.all().len()), (vec![], whole.all().len()));
}
