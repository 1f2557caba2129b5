//! Drift: how many model files ever cry without any, and after how many rows one that is there is found.

use evaluation::drift::{Detector, Reference, Statistics};
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::comparison::Comparisons;
use crate::noise::normal;
use crate::runs::Runs;

const WINDOW: usize = 500;
/// Of a file, as the published numbers are.
const FEATURES: usize = 10;
/// Within so many rows a file has a false alarm in one case of twenty, or fewer.
const ROWS: u32 = 100_000;
/// So far drift is looked for.
const FAR: u32 = 20_000;
const FILES: u32 = 1000;

pub(crate) fn compare(runs: &Runs, all: &mut Comparisons) {
    false_alarms(runs, all);
    one_look(runs, all);
    found(runs, all);
}

/// A number of the reference's distribution, and one of the rows that come.
type Draw = fn(&mut StdRng) -> f64;

/// Of so many rows. Numbers do not repeat, so the share of the commonest, which takes most of the time, is left out.
fn reference(rows: u32, random: &mut StdRng, draw: Draw) -> Reference {
    let numbers: Vec<f64> = (0..rows).map(|_| draw(random)).collect();
    let of = Reference::of(&numbers).unwrap();
    let ends = numbers.iter().fold((f64::MAX, f64::MIN), |(low, high), x| (x.min(low), x.max(high)));
    let edges: Vec<f64> = [ends.0].into_iter().chain(of.limits().iter().copied()).chain([ends.1]).collect();
    Reference::new(&edges, of.counts(), None).unwrap()
}

fn false_alarms(runs: &Runs, all: &mut Comparisons) {
    // Families of ten of 6000, 6000 and 2000 features.
    for (place, (rows, theirs, files, often)) in
        (0..).zip([(354, 600, ".018", ".037"), (442, 600, ".020", ".025"), (10_000, 200, ".030", ".037")])
    {
        all.section(
            &format!("4 Drift: {FILES} files of {FEATURES} features of {rows} rows, without any"),
            theirs,
        );
        let alarms = runs.make(500 + place, FILES, |random| {
            let mut alarms = 0_u32;
            for _ in 0..FEATURES {
                let uniform: Draw = |random| random.random();
                let mut detector = Detector::new(reference(rows, random, uniform), WINDOW, FEATURES);
                let mut before = false;
                for row in 0..ROWS {
                    detector.add(uniform(random), row.into());
                    let now = detector.moved().is_some();
                    alarms += u32::from(now && !before);
                    before = now;
                }
            }
            f64::from(alarms)
        });
        all.share("files that ever alarm in 100 000 rows", files, alarms.iter().map(|alarms| *alarms > 0.0));
        all.mean("alarms of a file in 100 000 rows", often, &alarms);
    }
    all.not_comparable(
        "PSI > .1, PSI > .25, KS p < .05, JS > .1, AD, X2",
        "-",
        "other rules, which are not in the code",
    );
    all.not_comparable("PSI threshold for 5 % of families", "-", "no rule of ours goes by PSI alone");
}

fn one_look(runs: &Runs, all: &mut Comparisons) {
    all.section("4 Drift: one look without any, quantiles of 95 %", 1000);
    for (place, (rows, psi, formula)) in
        (0..).zip([(354, ".080", ".082"), (442, ".071", ".072"), (10_000, ".035", ".036")])
    {
        let looks = runs.make(520 + place, 5000, |random| look(rows, 500, random, |x| x));
        let psis: Vec<f64> = looks.iter().map(|look| look.psi).collect();
        all.quantile(&format!("PSI against {rows} rows"), 0.95, psi, &psis);
        let noise: Vec<f64> = looks.iter().map(Statistics::psi_noise).collect();
        all.mean(&format!("its noise by the formula, {rows} rows"), formula, &noise);
        if rows == 354 {
            let ks: Vec<f64> = looks.iter().map(|look| look.ks).collect();
            all.quantile("KS on ten bins", 0.95, "1.18", &ks);
        }
    }
    all.section("4 Drift: a shift in words, from 10 000 rows to 10 000", 1000);
    for (place, (by, published)) in (0..).zip([(0.25, ".246"), (0.5, ".491"), (1.0, ".970")]) {
        let told = runs.make(530 + place, 2000, |random| {
            look(10_000, 10_000, random, |x| x + by).shift_in_sd().unwrap()
        });
        all.mean(&format!("of {by} sd"), published, &told);
    }
}

/// One look at a window of normal numbers.
fn look(rows: u32, window: u32, random: &mut StdRng, changed: impl Fn(f64) -> f64) -> Statistics {
    let reference = reference(rows, random, normal);
    let mut counts = vec![0; reference.counts().len()];
    (0..window).for_each(|_| counts[reference.bin(changed(normal(random)))] += 1);
    Statistics::of(&counts, reference.counts()).unwrap()
}

/// What may be published of rows until the alarm.
enum Published {
    /// The median and the 90 % quantile.
    Rows(&'static str, &'static str),
    /// The share that is found in 20 000 rows.
    Share(&'static str),
}

fn found(runs: &Runs, all: &mut Comparisons) {
    use Published::{Rows, Share};
    all.section("4 Drift: rows until one feature of ten alarms, looks are 50 rows apart", 200);
    type Change = fn(f64, &mut StdRng) -> f64;
    let stuck: Change = |x, random| if random.random::<f64>() < 0.1 { 0.0 } else { x };
    let changes: [(&str, u32, Change, Published); 8] = [
        ("up by .25 sd", 354, |x, _| x + 0.25, Share(".57")),
        ("up by .25 sd", 10_000, |x, _| x + 0.25, Rows("500", "1050")),
        ("up by .5 sd", 354, |x, _| x + 0.5, Rows("400", "500")),
        ("up by 1 sd", 354, |x, _| x + 1.0, Rows("200", "250")),
        ("spread x 1.5", 354, |x, _| x * 1.5, Rows("450", "600")),
        ("spread x .7", 354, |x, _| x * 0.7, Rows("450", "850")),
        ("10 % are 0", 354, stuck, Share(".16")),
        ("10 % are 0", 10_000, stuck, Rows("500", "1050")),
    ];
    for (place, (change, rows, changed, published)) in (0..).zip(changes) {
        let found = runs.make(540 + place, 1000, |random| {
            let mut detector = Detector::new(reference(rows, random, normal), WINDOW, FEATURES);
            (0..500).for_each(|row| _ = detector.add(normal(random), row));
            let found = (1..=FAR).find(|row| {
                let number = changed(normal(random), random);
                detector.add(number, i64::from(*row));
                detector.moved().is_some()
            });
            found.map_or(f64::INFINITY, f64::from)
        });
        let what = format!("{change}, {rows} rows");
        match published {
            Share(share) => {
                all.share(
                    &format!("{what}, found in 20 000"),
                    share,
                    found.iter().map(|rows| rows.is_finite()),
                );
            }
            Rows(median, most) => {
                all.quantile(&format!("{what}, median"), 0.5, median, &found);
                all.quantile(&format!("{what}, 90 %"), 0.9, most, &found);
            }
        }
    }
    let rows = runs.make(560, 1000, |random| {
        let numbers: Vec<f64> = (0..354).map(|_| normal(random)).collect();
        let mut detector = Detector::new(Reference::of(&numbers).unwrap(), WINDOW, FEATURES);
        (0..500).for_each(|row| _ = detector.add(normal(random), row));
        let found = (1..=FAR).find(|row| {
            detector.add(stuck(normal(random), random), i64::from(*row));
            detector.stuck().is_some()
        });
        found.unwrap_or(u32::MAX)
    });
    let mut rows = rows;
    rows.sort_unstable();
    let at = |tenth: usize| rows[(rows.len() * tenth / 10).min(rows.len() - 1)];
    all.ours("10 % are 0, by the share of the commonest number", format!("{}, 90 %: {}", at(5), at(9)));
    all.not_comparable("windows of 1000 rows", "-", "the window is 500 rows and cannot be chosen");
}
