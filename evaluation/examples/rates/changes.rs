//! Errors that have changed: how many versions ever cry without any change, and after how many labels one that is there is found.

use evaluation::change::{Direction, Ranks, Watch};
use evaluation::drift::Reference;
use rand::rngs::StdRng;

use crate::comparison::{Comparisons, share};
use crate::errors::{Errors, Kind};
use crate::runs::Runs;

const VERSIONS: u32 = 1000;
const LABELS: i64 = 100_000;
/// So many labels come before a change, so that the evidence is as it usually is, and so many may come until it is found.
const BEFORE: i64 = 2000;
const FAR: i64 = 20_000;
/// By the digits, and by what is said of it.
const PUBLISHED: u32 = 200;

const KINDS: [(&str, Kind); 3] =
    [("normal", Kind::Normal), ("t3", Kind::Student(3)), ("lognormal", Kind::Lognormal)];

pub(crate) fn compare(runs: &Runs, all: &mut Comparisons) {
    false_alarms(runs, all);
    found(runs, all);
    ranks(runs, all);
}

/// Against so many errors of a kind, in bins as a model file has them.
fn watch(of: Kind, rows: u32, random: &mut StdRng) -> Watch {
    let mut errors = Errors::new(of, random);
    let errors: Vec<f64> = (0..rows).map(|_| errors.next(random)).collect();
    let sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    let ranks = |numbers: &[f64]| Ranks::Histogram(Reference::of(numbers).unwrap());
    Watch::new(ranks(&sizes), ranks(&errors))
}

/// Whether errors were ever called larger, and whether they were ever called higher or lower.
fn cries(mut watch: Watch, of: Kind, random: &mut StdRng) -> [bool; 2] {
    let mut errors = Errors::new(of, random);
    (0..LABELS).for_each(|at| _ = watch.add(errors.next(random), at));
    let ever = |of: &[Direction]| of.iter().any(|direction| watch.detector(*direction).alarms() > 0);
    [ever(&[Direction::Worse]), ever(&[Direction::Higher, Direction::Lower])]
}

fn false_alarms(runs: &Runs, all: &mut Comparisons) {
    all.section(&format!("5 Change: {VERSIONS} versions, 100 000 labels without any"), PUBLISHED);
    for (place, ((name, of), larger)) in (0..).zip(KINDS.into_iter().zip([".035", ".055", ".035"])) {
        let cry = runs.make(600 + place, VERSIONS, |random| cries(watch(of, 354, random), of, random));
        all.share(&format!("{name}, against 354, larger"), larger, cry.iter().map(|of| of[0]));
        all.share(
            &format!("{name}, against 354, higher or lower"),
            ".045..0.050",
            cry.iter().map(|of| of[1]),
        );
    }
    for (place, (name, of)) in (0..).zip(KINDS) {
        let cry = runs.make(610 + place, VERSIONS, |random| cries(watch(of, 88, random), of, random));
        all.share(&format!("{name}, against 88, larger"), ".16..0.18", cry.iter().map(|of| of[0]));
    }
    let cry = runs.make(619, VERSIONS, |random| cries(Watch::of_first(500), Kind::Normal, random));
    all.ours("normal, against its own first 500, larger", share(cry.iter().map(|of| of[0])));
    // The published ones do not say against what: ranks are as good as exact here.
    for (place, (name, of, published)) in (0..).zip([
        ("AR.3", Kind::Autocorrelated(0.3), ".005"),
        ("AR.6", Kind::Autocorrelated(0.6), ".62"),
        ("scale AR .9, sd .25", Kind::Wandering(0.9, 0.25), ".76"),
    ]) {
        let cry = runs.make(620 + place, VERSIONS, |random| cries(watch(of, 100_000, random), of, random));
        all.share(&format!("{name}, against 100 000, larger"), published, cry.iter().map(|of| of[0]));
        let cry = runs.make(625 + place, VERSIONS, |random| cries(watch(of, 354, random), of, random));
        all.ours(&format!("{name}, against 354, larger"), share(cry.iter().map(|of| of[0])));
    }
    all.not_comparable("CUSUM, Page-Hinkley, ADWIN", "-", "other detectors, which are not in the code");
}

/// After how many labels a change is found that makes errors larger by a factor, or moves them, and where it is said to begin.
fn find(of: Kind, (scale, shift): (f64, f64), wanted: Direction, random: &mut StdRng) -> (f64, f64) {
    let mut watch = watch(of, 354, random);
    let mut errors = Errors::new(of, random);
    (0..BEFORE).for_each(|at| _ = watch.add(errors.next(random), at));
    let found = (BEFORE..BEFORE + FAR).find_map(|at| {
        let alarms = watch.add(errors.next(random) * scale + shift, at);
        alarms.into_iter().find(|(direction, _)| *direction == wanted)
    });
    // Labels are counted from 0 here.
    found.map_or((f64::INFINITY, f64::NAN), |(_, alarm)| {
        ((alarm.at - BEFORE + 1) as f64, (alarm.since - BEFORE) as f64)
    })
}

fn found(runs: &Runs, all: &mut Comparisons) {
    all.section(
        &format!("5 Change: labels until it is found, {VERSIONS} versions against 354 errors"),
        PUBLISHED,
    );
    let changes = [(1.25, "774..1030", "2433..5370"), (1.5, "180..254", "322..452"), (2.0, "70..92", "")];
    for (place, (scale, median, most)) in (0..).zip(changes) {
        let mut since: Vec<f64> = Vec::new();
        for (kind, (name, of)) in (0..).zip(KINDS) {
            let found = runs.make(630 + 10 * place + kind, VERSIONS, |random| {
                find(of, (scale, 0.0), Direction::Worse, random)
            });
            let labels: Vec<f64> = found.iter().map(|(labels, _)| *labels).collect();
            all.quantile(&format!("{name} x {scale}, median"), 0.5, median, &labels);
            if !most.is_empty() {
                all.quantile(&format!("{name} x {scale}, 90 %"), 0.9, most, &labels);
            }
            let told: Vec<f64> =
                found.iter().map(|(_, since)| *since).filter(|since| since.is_finite()).collect();
            if scale < 2.0 {
                all.quantile(&format!("{name} x {scale}, since when, off by"), 0.5, "-12..-2", &told);
            }
            since.extend(told);
        }
        if let Some((low, high)) = [(1.25, (-354.0, 401.0)), (1.5, (-354.0, 18.0))]
            .iter()
            .find_map(|(of, ends)| (*of == scale).then_some(*ends))
        {
            let inside = since.iter().map(|since| (low..=high).contains(since));
            all.share(&format!("all x {scale}, since when within {low} to {high}"), ".90", inside);
        }
    }
    for (kind, (name, of)) in (0..).zip(KINDS) {
        let found = runs.make(670 + kind, VERSIONS, |random| find(of, (1.1, 0.0), Direction::Worse, random));
        let missed = found.iter().map(|(labels, _)| labels.is_infinite());
        all.share(&format!("{name} x 1.1, missed in 20 000 labels"), ".57..0.71", missed);
    }
    for (place, (by, published)) in (0..).zip([(0.25, "315..762"), (0.5, "75..145"), (1.0, "33..45")]) {
        for (kind, (name, of)) in (0..).zip(KINDS) {
            let shift = by * of.moments().1.sqrt();
            let found = runs.make(680 + 10 * place + kind, VERSIONS, |random| {
                find(of, (1.0, shift), Direction::Higher, random)
            });
            let mut labels: Vec<f64> = found.into_iter().map(|(labels, _)| labels).collect();
            let what = format!("{name} up by {by} sd, median");
            if of == Kind::Lognormal {
                labels.sort_unstable_by(f64::total_cmp);
                let why = format!("of which kinds it is is not said; ours {}", labels[labels.len() / 2]);
                all.not_comparable(&what, published, &why);
            } else {
                all.quantile(&what, 0.5, published, &labels);
            }
        }
    }
}

fn ranks(runs: &Runs, all: &mut Comparisons) {
    all.section("5 Change: by how much the mean rank moves, normal, from 10 000 errors to 10 000", 1000);
    for (place, (scale, published)) in
        (0..).zip([(1.1, ".030"), (1.25, ".070"), (1.5, ".126"), (2.0, ".205")])
    {
        let moved = runs.make(720 + place, 1000, |random| {
            let mut errors = Errors::new(Kind::Normal, random);
            let mut sizes = || -> Vec<f64> { (0..10_000).map(|_| errors.next(random).abs()).collect() };
            let ranks = Ranks::of(&sizes()).unwrap();
            let sum: f64 = sizes().iter().map(|size| ranks.rank(size * scale).unwrap()).sum();
            sum / 10_000.0 - 0.5
        });
        all.mean(&format!("x {scale}"), published, &moved);
    }
}
