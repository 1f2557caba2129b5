//! Intervals since the first row: how many versions have one that is ever wrong within 10 000 labels, looked at after each.

use evaluation::batches::Batches;
use evaluation::confidence::{Interval, larger, of_positive, of_root, of_signed, since_the_swap};
use evaluation::lifetime::Lifetime;
use evaluation::moments::Moments;
use rand::rngs::StdRng;

use crate::comparison::Comparisons;
use crate::errors::{Errors, Kind};
use crate::noise::normal;
use crate::runs::Runs;

const VERSIONS: u32 = 2000;
const LABELS: u64 = 10_000;
/// With fewer runs the published digits could not be.
const PUBLISHED: u32 = 1000;

/// The kind, then what was published of MAE, RMSE and bias.
const EVER_WRONG: [(&str, Kind, [&str; 3]); 11] = [
    ("normal", Kind::Normal, [".029", ".032", ".033"]),
    ("Laplace", Kind::Laplace, [".026", ".037", ".026"]),
    ("diabetes", Kind::Diabetes, [".025", ".026", ".033"]),
    ("t5", Kind::Student(5), [".027", ".072", ".027"]),
    ("t3", Kind::Student(3), [".040", ".43", ".021"]),
    ("lognormal", Kind::Lognormal, [".040", ".26", ".025"]),
    ("AR.3", Kind::Autocorrelated(0.3), [".039", ".049", ".067"]),
    ("AR.6", Kind::Autocorrelated(0.6), [".070", ".081", ".10"]),
    ("spiked", Kind::Spiked, [".18", ".65", ".020"]),
    ("scale AR .9", Kind::Wandering(0.9, 0.5), [".29", ".39", ".019"]),
    ("slow", Kind::Wandering(0.98, 0.5), [".84", ".85", ".025"]),
];

pub(crate) fn compare(runs: &Runs, all: &mut Comparisons) {
    all.section(
        &format!(
            "2.2 Since the first row: shares of {VERSIONS} versions that are ever wrong in {LABELS} labels"
        ),
        PUBLISHED,
    );
    for (kind, (name, of, published)) in (0..).zip(EVER_WRONG) {
        let wrong = runs.make(400 + kind, VERSIONS, |random| ever_wrong(of, random));
        for (score, (what, published)) in ["MAE", "RMSE", "bias"].into_iter().zip(published).enumerate() {
            all.share(&format!("{name}, {what}"), published, wrong.iter().map(|of| of[score] > 0));
        }
        if of == Kind::Spiked {
            let late = wrong.iter().map(|of| of[0] >= 500);
            all.share("spiked, MAE, from 500 labels on", ".085", late);
        }
    }
    for (kind, (name, of, published)) in
        (0..).zip([("normal", Kind::Normal, ".030"), ("Laplace", Kind::Laplace, ".040")])
    {
        let wrong = runs.make(450 + kind, VERSIONS / 2, |random| r2_is_ever_wrong(of, random));
        all.share(&format!("{name}, R2, where it is shown"), published, wrong);
    }
    all.not_comparable("t3, R2", ".26", "the guard shows few of these intervals");
    all.not_comparable(
        "no logarithm, t* = 500, no batches",
        "-",
        "variants that were not chosen and are not in the code",
    );
    all.not_comparable("t interval looked at all the time", "-", "another method, which is not in the code");
    for (labels, published) in [
        (30, "3.9"),
        (50, "3.1"),
        (100, "2.4"),
        (500, "1.67"),
        (1000, "1.57"),
        (2000, "1.55"),
        (10_000, "1.61"),
        (1_000_000, "1.93"),
    ] {
        // Against the interval that may be looked at once, of the normal distribution as the published ones are.
        let width = since_the_swap(labels).unwrap() / (1.959_964 / (labels as f64).sqrt());
        all.mean(&format!("width at {labels} labels"), published, &[width; 2]);
    }
}

/// The last label at which the interval of each score was wrong; 0 where it never was.
fn ever_wrong(of: Kind, random: &mut StdRng) -> [u64; 3] {
    let (mae, mse) = of.moments();
    let mut errors = Errors::new(of, random);
    let (mut moments, mut batches) = (Moments::default(), [(); 3].map(|()| Batches::default()));
    let mut wrong = [0; 3];
    for label in 1..=LABELS {
        let error = errors.next(random);
        moments.add(0.0, error, None, None);
        batches.iter_mut().zip([error.abs(), error * error, error]).for_each(|(of, number)| of.add(number));
        let Some(width) = since_the_swap(label) else { continue };
        let half = |sd: Option<f64>, batches: &Batches| larger(sd.unwrap(), batches) * width;
        let intervals: [(Option<Interval>, f64); 3] = [
            (of_positive(moments.mae().unwrap(), half(moments.absolute_sd(), &batches[0])), mae),
            (of_root(moments.mse().unwrap(), half(moments.squared_sd(), &batches[1])), mse.sqrt()),
            (of_signed(moments.bias().unwrap(), half(moments.signed_sd(), &batches[2])), 0.0),
        ];
        for (wrong, (interval, truth)) in wrong.iter_mut().zip(intervals) {
            // Where an end is beyond 64 bits there is none, and nothing wrong is said.
            if interval.is_some_and(|interval| !interval.contains(truth)) {
                *wrong = label;
            }
        }
    }
    wrong
}

/// Predictions are normal and as wide as the errors, so the truth is a half; which ones were meant is not said.
fn r2_is_ever_wrong(of: Kind, random: &mut StdRng) -> bool {
    let (_, mse) = of.moments();
    let mut errors = Errors::new(of, random);
    let mut lifetime = Lifetime::default();
    (1..=LABELS).any(|label| {
        let y_pred = mse.sqrt() * normal(random);
        lifetime.add(y_pred - errors.next(random), y_pred, None, None);
        // All scores are made anew: later on, a tenth of the looks sees as much.
        label >= 30
            && (label < 300 || label % 10 == 0)
            && lifetime.scores().r2.and_then(|r2| r2.interval).is_some_and(|interval| !interval.contains(0.5))
    })
}
