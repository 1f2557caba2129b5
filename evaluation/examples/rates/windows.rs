//! Intervals of a window: how many are wrong, and how many windows have none because few rows are most of them.

use evaluation::confidence::{Interval, half_width, of_positive, of_r2, of_root};
use evaluation::distribution::student;
use evaluation::moments::Moments;
use evaluation::window::{LastRows, Row};
use rand::rngs::StdRng;

use crate::comparison::{Comparisons, share};
use crate::errors::{Errors, Kind};
use crate::noise::normal;
use crate::runs::Runs;

const WINDOWS: u32 = 5000;
/// With fewer runs the published digits could not be.
const PUBLISHED: u32 = 1000;

/// The kind, then what was published of windows of 100, 500 and 1000 rows.
const MEANS: [(&str, Kind, [&str; 3], [&str; 3]); 7] = [
    ("normal", Kind::Normal, [".034", ".033", ".040"], [".037", ".035", ".041"]),
    ("Laplace", Kind::Laplace, [".040", ".034", ".038"], [".067", ".041", ".037"]),
    ("t3", Kind::Student(3), [".054", ".038", ".039"], [".222", ".199", ".199"]),
    ("lognormal", Kind::Lognormal, [".060", ".040", ".040"], [".198", ".126", ".102"]),
    ("diabetes", Kind::Diabetes, [".039", ".033", ".034"], [".042", ".033", ".036"]),
    ("AR.6", Kind::Autocorrelated(0.6), [".080", ".060", ".056"], [".096", ".064", ".057"]),
    ("scale AR .9", Kind::Wandering(0.9, 0.5), [".270", ".103", ".079"], [".317", ".130", ".092"]),
];

/// The kind, and the shares of windows of 500 rows that show no interval of RMSE, and of MAE.
const GUARDED: [(&str, Kind, [Option<&str>; 2]); 6] = [
    ("normal", Kind::Normal, [Some(".000"), None]),
    ("diabetes", Kind::Diabetes, [Some(".000"), None]),
    ("Laplace", Kind::Laplace, [Some(".007"), None]),
    ("t3", Kind::Student(3), [Some(".58"), Some(".10")]),
    ("lognormal", Kind::Lognormal, [Some(".80"), None]),
    ("spiked", Kind::Spiked, [Some(".998"), Some(".97")]),
];

pub(crate) fn compare(runs: &Runs, all: &mut Comparisons) {
    all.section(&format!("2.1 Windows: shares of {WINDOWS} that are wrong"), PUBLISHED);
    for (kind, (name, of, absolute, squared)) in (0..).zip(MEANS) {
        let (mae, mse) = of.moments();
        for (size, rows) in [100, 500, 1000].into_iter().enumerate() {
            let wrong = runs.make(100 + 10 * kind + size as u64, WINDOWS, |random| {
                let mut errors = Errors::new(of, random);
                let window: Vec<f64> = (0..rows).map(|_| errors.next(random)).collect();
                let mean_of = |power: i32| {
                    let numbers: Vec<f64> = window.iter().map(|error| error.abs().powi(power)).collect();
                    (numbers.iter().sum::<f64>() / f64::from(rows), half_width(&numbers).unwrap())
                };
                let (absolute, squared) = (mean_of(1), mean_of(2));
                let misses = |interval: Option<Interval>, truth: f64| !interval.unwrap().contains(truth);
                [
                    misses(of_positive(absolute.0, absolute.1), mae),
                    misses(of_root(squared.0, squared.1), mse.sqrt()),
                ]
            });
            all.share(&format!("{name}, MAE of {rows}"), absolute[size], wrong.iter().map(|of| of[0]));
            all.share(&format!("{name}, RMSE of {rows}"), squared[size], wrong.iter().map(|of| of[1]));
        }
    }
    for (kind, (name, of, published)) in (0..).zip([
        ("normal", Kind::Normal, ".06"),
        ("Laplace", Kind::Laplace, ".06"),
        ("diabetes", Kind::Diabetes, ".06"),
        ("t3", Kind::Student(3), ".15"),
    ]) {
        // Predictions that are normal and as wide as the errors, so that the truth is a half; which ones were meant is not said.
        let deviation = of.moments().1.sqrt();
        let wrong = runs.make(200 + kind, WINDOWS, |random| {
            let rows = last_rows(of, deviation, random);
            let mut moments = Moments::default();
            rows.rows().for_each(|row| moments.add(row.y_true, row.y_pred, None, None));
            let half = moments.r2_sd().unwrap() * student(499).unwrap() / 500.0_f64.sqrt();
            let misses = |interval: Interval| !interval.contains(0.5);
            let shown = rows.scores(None).r2.unwrap().interval;
            (misses(of_r2(moments.r2().unwrap(), half).unwrap()), shown.map(misses))
        });
        all.share(&format!("{name}, R2 of 500, by the rows alone"), published, wrong.iter().map(|of| of.0));
        // What is published of R² is not the larger of rows and batches, which is what we show.
        let shown = share(wrong.iter().filter_map(|of| of.1));
        all.ours(&format!("{name}, R2 of 500, where and as it is shown"), shown);
    }
    all.not_comparable("plain t, bootstraps", "-", "other methods, which are not in the code");
    for (kind, (name, of, [squared, absolute])) in (0..).zip(GUARDED) {
        let hidden =
            runs.make(300 + kind, WINDOWS, |random| last_rows(of, 1.0, random).scores(None).dominated);
        if let Some(published) = squared {
            all.share(
                &format!("{name}, RMSE of 500 not shown"),
                published,
                hidden.iter().map(|of| of.squared),
            );
        }
        if let Some(published) = absolute {
            all.share(
                &format!("{name}, MAE of 500 not shown"),
                published,
                hidden.iter().map(|of| of.absolute),
            );
        }
    }
}

/// 500 rows whose predictions are normal.
fn last_rows(of: Kind, deviation: f64, random: &mut StdRng) -> LastRows {
    let mut errors = Errors::new(of, random);
    let mut rows = LastRows::new(500);
    for at in 0..500 {
        let y_pred = deviation * normal(random);
        rows.add(Row::new(y_pred - errors.next(random), y_pred, at, 0, None));
    }
    rows
}
