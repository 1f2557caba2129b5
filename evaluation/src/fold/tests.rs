//! Events in, a report out: what is counted, and what the other tests are made with.

mod charts;
mod found;
mod rules;
mod saved;
mod swaps;
mod verdicts;
mod versions;

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::*;
use crate::basis::{FeatureBasis, Residuals};
use crate::histogram::Histogram;
use crate::report::{ReferenceKind, State, VersionReport};

const SETTINGS: Settings = Settings { window: 500, period: 86_400_000, horizon: 86_400_000, versions: 20 };
/// Between two rows, in milliseconds.
const STEP: i64 = 1000;

fn all(_: Option<&str>, _: Option<&str>) -> bool {
    true
}

/// Ten bins of 0 to 1, each with as many of the 400 rows.
fn uniform() -> Histogram {
    Histogram { edges: (0..=10).map(|tenth| f64::from(tenth) / 10.0).collect(), counts: vec![40; 10] }
}

/// Features that are uniform, and errors that are uniform between -1 and 1.
fn basis() -> Basis {
    let feature = |name: &str| FeatureBasis {
        name: name.into(),
        histogram: Some(uniform()),
        commonest: Some(1.0 / 400.0),
    };
    let doubled = uniform().edges.iter().map(|edge| edge * 2.0 - 1.0).collect();
    Basis {
        features: ["a", "b", "c"].map(feature).into(),
        prediction: None,
        label_median: Some(0.0),
        residuals: Some(Residuals {
            error: Histogram { edges: doubled, counts: vec![40; 10] },
            absolute_error: uniform(),
        }),
        holdout_mae: Some(0.5),
    }
}

fn prediction(number: i64, value: f64, at: i64) -> Prediction<'static> {
    Prediction { number, anonymous: false, value, at, row_at: None, received: at, vector: None }
}

fn row(prediction: i64, y_true: f64, y_pred: f64, predicted_at: i64, labelled_at: i64) -> Row {
    Row { prediction: Some(prediction), y_true, y_pred, predicted_at, labelled_at, received: labelled_at }
}

/// A version that is known by number 3, and how many rows it has had.
struct Stream {
    evaluation: Evaluation,
    random: StdRng,
    rows: i64,
}

impl Stream {
    fn new(basis: Basis, seed: u64) -> Self {
        Self::with_rules(basis, seed, &[])
    }

    fn with_rules(basis: Basis, seed: u64, rules: &[&str]) -> Self {
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let mut evaluation = Evaluation::new(SETTINGS, rules);
        evaluation.know(3, Identity::serving(Some("m".into()), Some("v".into())), basis);
        Self { evaluation, random: StdRng::seed_from_u64(seed), rows: 0 }
    }

    /// Rows with their labels at once: `shift` is added to feature b, and errors are `larger`.
    fn add(&mut self, rows: i64, shift: f64, larger: f64) {
        for _ in 0..rows {
            self.rows += 1;
            let (number, at) = (self.rows, self.rows * STEP);
            let mut vector: [f64; 3] = [(); 3].map(|()| self.random.random());
            vector[1] += shift;
            let (y_true, error) = (self.random.random::<f64>(), larger * self.random.random_range(-1.0..1.0));
            let y_pred = y_true + error;
            let prediction = Prediction { vector: Some(&vector), ..prediction(number, y_pred, at) };
            self.evaluation.predicted(3, &prediction);
            self.evaluation.labelled(y_true, at);
            self.evaluation.scored(3, &row(number, y_true, y_pred, at, at));
            self.evaluation.committed(number, at);
        }
    }

    fn report(&self) -> Report {
        self.evaluation.report(self.rows * STEP, all)
    }
}

fn only(report: &Report) -> &VersionReport {
    let [version] = &report.versions[..] else { panic!("{} versions", report.versions.len()) };
    version
}

#[test]
fn what_is_compared_is_forgotten_with_the_versions_that_are_let_go() {
    let settings = Settings { window: 10, period: 1000, horizon: 1000, versions: 3 };
    let mut evaluation = Evaluation::new(settings, Vec::new());
    let saved = |evaluation: &Evaluation| crate::saved::save(evaluation).unwrap().len();
    let know = |evaluation: &mut Evaluation, number: usize| {
        let identity = Identity::serving(Some("m".into()), Some(format!("{number:064}")));
        evaluation.know(number, identity, Basis::default());
    };
    (0..10).for_each(|number| know(&mut evaluation, number));
    let before = saved(&evaluation);
    (10..1000).for_each(|number| know(&mut evaluation, number));
    assert!(saved(&evaluation) < before + 5000, "{before} to {}", saved(&evaluation));
}

#[test]
fn rows_by_hand() {
    let mut evaluation = Evaluation::new(SETTINGS, Vec::new());
    let basis = Basis { label_median: Some(10.0), ..Basis::default() };
    evaluation.know(0, Identity::serving(Some("m".into()), Some("v1".into())), basis);
    // What is told of a version again counts for nothing.
    evaluation.know(0, Identity::serving(Some("other".into()), None), Basis::default());
    evaluation.labelled(7.0, 500);
    // The label of row 1 comes before its prediction, that of row 2 after it, row 3 waits, row 4 is given up.
    evaluation.labelled(12.0, 1000);
    evaluation.predicted(0, &Prediction { row_at: Some(1000), ..prediction(1, 11.0, 1010) });
    evaluation.scored(0, &row(1, 12.0, 11.0, 1010, 1000));
    evaluation.predicted(0, &prediction(2, 9.0, 2000));
    evaluation.predicted(0, &prediction(3, 9.0, 2500));
    evaluation.predicted(0, &prediction(4, 9.0, 2600));
    evaluation.predicted(0, &Prediction { anonymous: true, ..prediction(5, 9.0, 2700) });
    evaluation.labelled(6.0, 3000);
    evaluation.scored(0, &row(2, 6.0, 9.0, 2000, 3000));
    evaluation.expired(0, 4, 2600);
    // Nobody knows this one.
    evaluation.predicted(7, &prediction(6, 9.0, 9000));
    evaluation.scored(7, &row(6, 9.0, 9.0, 9000, 9000));
    evaluation.committed(12, 4000);

    let report = evaluation.report(5000, all);
    assert_eq!((report.at.0, report.commit), (5000, 12));
    let version = only(&report);
    assert!(version.serves);
    let rows = version.rows;
    assert_eq!((rows.predicted, rows.labelled, rows.waiting, rows.expired, rows.anonymous), (4, 2, 1, 1, 1));
    let moments =
        [version.first_predicted, version.last_predicted, version.last_labelled].map(Option::unwrap);
    assert_eq!(moments.map(|at| at.0), [1010, 2700, 3000]);
    for scores in [&version.scores.since_first, &version.scores.last_rows, &version.scores.period] {
        assert_eq!((scores.rows, scores.mae.unwrap().value, scores.bias.unwrap().value), (2, 2.0, 1.0));
        // Errors of 1 and 3, where 10 would have had 2 and 4.
        assert!((scores.skill_to_constant.unwrap().value - (1.0 - 4.0 / 6.0)).abs() < 1e-15);
        // Row 1 was made with its label, so the one before it is the last: 7 for 12, and 12 for 6.
        let skill = scores.skill_to_persistence.unwrap();
        assert_eq!(skill.rows, 2);
        assert!((skill.value - (1.0 - 4.0 / 11.0)).abs() < 1e-15);
    }
    assert_eq!(version.scores.period_predicted, 4);
    let half = version.labels.lag_p50.unwrap();
    // Within a bin of lags, of which there are ten a decade.
    assert!((1000.0..1260.0).contains(&half.ms) && !half.more, "{half:?}");
    assert_eq!(report.verdict.state, State::Provisional);
}

#[test]
fn the_label_of_a_row_is_not_what_was_known_before_it() {
    let mut evaluation = Evaluation::new(SETTINGS, Vec::new());
    evaluation.know(0, Identity::serving(None, None), Basis::default());
    evaluation.labelled(5.0, 100);
    evaluation.predicted(0, &prediction(1, 4.0, 200));
    evaluation.scored(0, &row(1, 5.0, 4.0, 200, 100));
    let report = evaluation.report(300, all);
    assert_eq!(only(&report).scores.last_rows.skill_to_persistence, None);
}

#[test]
fn the_last_to_predict_serves_and_others_are_left_out_on_request() {
    let mut evaluation = Evaluation::new(SETTINGS, Vec::new());
    for (number, version) in ["v1", "v2"].into_iter().enumerate() {
        evaluation.know(number, Identity::serving(Some("m".into()), Some(version.into())), Basis::default());
    }
    evaluation.know(2, Identity::serving(Some("shadow".into()), Some("v1".into())), Basis::default());
    evaluation.predicted(1, &prediction(1, 1.0, 1000));
    evaluation.predicted(2, &prediction(2, 1.0, 1500));
    // The way back: the older version again.
    evaluation.predicted(0, &prediction(3, 1.0, 2000));
    let serve: Vec<bool> = evaluation.report(3000, all).versions.iter().map(|of| of.serves).collect();
    assert_eq!(serve, [true, false, true]);
    let report = evaluation.report(3000, |model, version| model == Some("m") && version == Some("v2"));
    assert_eq!(only(&report).version.as_deref(), Some("v2"));
    assert_eq!(report.verdict.version, Some(0));
    evaluation.forgotten(2, 5);
    evaluation.forgotten(6, 7);
    let report = evaluation.report(3000, all);
    assert_eq!((report.gap, report.commit), (Some(Gap { first: 2, last: 7 }), 7));
}

#[test]
fn rows_from_before_what_is_forgotten_have_scores_and_are_not_counted() {
    let mut evaluation = Evaluation::new(SETTINGS, Vec::new());
    evaluation.forgotten(1, 9);
    assert!(evaluation.is_all_forgotten());
    evaluation.know(0, Identity::serving(Some("m".into()), None), Basis::default());
    evaluation.scored(0, &row(1, 1.0, 2.0, 10, 20));
    evaluation.expired(0, 0, 11);
    for number in 3..6 {
        evaluation.predicted(0, &prediction(number, 2.0, number * 10));
    }
    evaluation.scored(0, &row(3, 1.0, 2.0, 30, 60));
    // Those from before it may be the later ones.
    evaluation.scored(0, &row(2, 1.0, 2.0, 10, 60));
    evaluation.expired(0, 4, 40);
    evaluation.committed(10, 60);
    assert!(!evaluation.is_all_forgotten());
    let report = evaluation.report(100, all);
    let rows = only(&report).rows;
    assert_eq!((rows.predicted, rows.labelled, rows.expired, rows.waiting), (3, 1, 1, 1));
    assert_eq!(only(&report).scores.since_first.rows, 3);
}

#[test]
fn a_clock_of_the_model_that_is_ahead_leaves_each_row_where_it_was_predicted() {
    let mut evaluation = Evaluation::new(SETTINGS, Vec::new());
    evaluation.know(0, Identity::serving(None, None), Basis::default());
    for number in 1..=100 {
        let received = number * 10_000;
        evaluation.predicted(0, &Prediction { received, ..prediction(number, 1.0, received + 3000) });
        let labelled_at = received + 2000;
        evaluation
            .scored(0, &Row { received: labelled_at, ..row(number, 1.0, 1.0, received + 3000, labelled_at) });
    }
    let report = evaluation.report(1_010_000, all);
    let version = only(&report);
    assert_eq!((version.rows.labelled, version.rows.waiting), (100, 0));
    let half = version.labels.lag_p50.unwrap();
    assert!((1500.0..2600.0).contains(&half.ms), "{half:?}");
    assert_eq!(version.labels.coverage, Some(1.0));
}

#[test]
fn nothing_is_too_odd() {
    let rules = [
        "mae > 1",
        "p99.high{window=100000} < 3",
        "r2{window=1d} < 1",
        "coverage < 1",
        "lag_p90 > 1s",
        "drift > 0",
    ];
    let mut stream = Stream::with_rules(basis(), 7, &rules);
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -f64::MAX, 0.0, -0.0, 1.0];
    let times = [i64::MIN, -1, 0, 1, i64::MAX];
    for number in 0..3000 {
        let mut pick = || odd[usize::try_from(stream.random.next_u32() % 8).unwrap()];
        let (value, y_true, vector) = (pick(), pick(), [pick(), pick(), pick(), pick()]);
        let mut time = || times[usize::try_from(stream.random.next_u32() % 5).unwrap()];
        let (at, received, later) = (time(), time(), time());
        let width = usize::try_from(number % 5).unwrap();
        let prediction = Prediction {
            received,
            vector: Some(&vector[..width]),
            row_at: Some(later),
            ..prediction(number, value, at)
        };
        stream.evaluation.predicted(3, &prediction);
        stream.evaluation.labelled(y_true, later);
        match number % 3 {
            0 => stream.evaluation.scored(3, &Row { received, ..row(number, y_true, value, at, later) }),
            1 => stream.evaluation.expired(3, number, received),
            _ => {}
        }
        stream.evaluation.committed(number, later);
        if number % 100 == 0 {
            for now in times {
                let report = stream.evaluation.report(now, all);
                assert!(serde_json::to_string(&report).unwrap().len() > 100);
            }
        }
    }
}
