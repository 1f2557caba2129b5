//! Events in, a report out.

use std::collections::VecDeque;

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::*;
use crate::basis::{FeatureBasis, Residuals};
use crate::histogram::Histogram;
use crate::report::{ReferenceKind, State, VersionReport};

const SETTINGS: Settings = Settings { window: 500, period: 86_400_000, horizon: 86_400_000 };
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
        evaluation.know(3, Some("m".into()), Some("v".into()), basis);
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
fn rows_by_hand() {
    let mut evaluation = Evaluation::new(SETTINGS, Vec::new());
    let basis = Basis { label_median: Some(10.0), ..Basis::default() };
    evaluation.know(0, Some("m".into()), Some("v1".into()), basis);
    // What is told of a version again counts for nothing.
    evaluation.know(0, Some("other".into()), None, Basis::default());
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
    evaluation.know(0, None, None, Basis::default());
    evaluation.labelled(5.0, 100);
    evaluation.predicted(0, &prediction(1, 4.0, 200));
    evaluation.scored(0, &row(1, 5.0, 4.0, 200, 100));
    let report = evaluation.report(300, all);
    assert_eq!(only(&report).scores.last_rows.skill_to_persistence, None);
}

#[test]
fn a_feature_that_moves_is_found_and_no_other() {
    let mut stream = Stream::new(basis(), 1);
    stream.add(1000, 0.0, 1.0);
    let report = stream.report();
    assert_eq!(report.verdict.state, State::Ok, "{:?}", report.verdict);
    // One standard deviation of a uniform number.
    stream.add(300, 0.289, 1.0);
    let report = stream.report();
    let drift = &only(&report).drift;
    let drifting: Vec<&str> =
        drift.features.iter().filter(|of| of.drifts_since.is_some()).map(|of| of.name.as_str()).collect();
    assert_eq!(drifting, ["b"], "{drift:?}");
    // What has moved most comes first.
    assert_eq!(
        (drift.features[0].name.as_str(), drift.features[0].reference),
        ("b", ReferenceKind::ModelFile)
    );
    let since = drift.features[0].drifts_since.unwrap().0;
    assert!((1000 * STEP..=1300 * STEP).contains(&since), "{since}");
    assert_eq!(report.verdict.state, State::Look);
    assert!(report.verdict.sentence.starts_with("b is not as before"), "{:?}", report.verdict);
    assert!(report.verdict.advice.contains("No harm seen yet in 1300 labels"), "{:?}", report.verdict);
}

#[test]
fn errors_that_grow_are_found_with_their_beginning() {
    let mut stream = Stream::new(basis(), 2);
    stream.add(2000, 0.0, 1.0);
    assert_eq!(stream.report().verdict.state, State::Ok);
    stream.add(400, 0.0, 1.5);
    let report = stream.report();
    let worse = only(&report).change.worse;
    assert!(worse.holds && worse.alarms >= 1, "{worse:?}");
    let since = worse.since.unwrap().0 / STEP;
    assert!((1650..=2020).contains(&since), "{since}");
    assert_eq!(report.verdict.state, State::Look);
    assert!(report.verdict.sentence.starts_with("The errors of m@v are larger"), "{:?}", report.verdict);
    assert!(report.verdict.advice.contains("the labels or the world have changed"), "{:?}", report.verdict);
    // Long after it is over, it is told of, and nobody is to look.
    stream.add(2500, 0.0, 1.0);
    let report = stream.report();
    let worse = only(&report).change.worse;
    assert!(!worse.holds && worse.alarms >= 1, "{worse:?}");
    assert_eq!(report.verdict.state, State::Ok, "{:?}", report.verdict);
}

#[test]
fn without_a_model_file_the_first_rows_are_the_reference() {
    let mut stream = Stream::new(Basis::default(), 3);
    stream.add(499, 0.0, 1.0);
    let report = stream.report();
    let feature = &only(&report).drift.features[0];
    assert_eq!((feature.rows, feature.rows_wanted, feature.psi), (499, Some(1000), None));
    // The first labels are left out, until it is looked whether they are the quick ones.
    assert_eq!(only(&report).change.labels_wanted, Some(50));
    assert_eq!(report.verdict.state, State::Provisional);
    assert!(
        report.verdict.sentence.contains("nothing yet to compare its errors with"),
        "{:?}",
        report.verdict
    );
    stream.add(141, 0.0, 1.0);
    let report = stream.report();
    let feature = &only(&report).drift.features[0];
    assert_eq!((feature.rows, feature.rows_wanted, feature.psi), (640, Some(1000), None));
    stream.add(1059, 0.0, 1.0);
    let report = stream.report();
    let version = only(&report);
    let names: Vec<&str> = version.drift.features.iter().map(|of| of.name.as_str()).collect();
    assert!(["feature_1", "feature_2", "feature_3"].iter().all(|name| names.contains(name)), "{names:?}");
    for of in version.drift.features.iter().chain(&version.drift.prediction) {
        assert_eq!((of.reference, of.rows_wanted), (ReferenceKind::FirstRows, None));
        assert!(of.psi.is_some() && of.drifts_since.is_none(), "{of:?}");
    }
    assert_eq!(version.change.labels_wanted, None);
    // What is lacking is said.
    for lacks in ["how all features were spread", "no errors of rows", "no bins", "median"] {
        assert!(version.missing.iter().any(|what| what.contains(lacks)), "{lacks}: {:?}", version.missing);
    }
    assert_eq!(Stream::new(basis(), 4).report().versions[0].missing, Vec::<String>::new());
}

#[test]
fn a_slice_in_which_errors_are_larger_is_found() {
    let mut stream = Stream::new(basis(), 5);
    for number in 1..=3000 {
        let vector: [f64; 3] = [(); 3].map(|()| stream.random.random());
        let size = if vector[2] >= 0.9 { 3.0 } else { 1.0 };
        let error = size * stream.random.random_range(-1.0..1.0);
        let at = number * STEP;
        stream
            .evaluation
            .predicted(3, &Prediction { vector: Some(&vector), ..prediction(number, error, at) });
        stream.evaluation.scored(3, &row(number, 0.0, error, at, at));
    }
    let report = stream.report();
    let worst = &only(&report).worst_slices;
    assert_eq!((worst[0].feature.as_str(), worst[0].from, worst[0].to), ("c", Some(0.9), None), "{worst:?}");
    assert!(worst[0].mae > 2.0 * worst[0].mae_of_the_rest && worst[0].chance < 1e-6, "{worst:?}");
}

#[test]
fn labels_that_stop_are_noticed() {
    let mut stream = Stream::new(basis(), 6);
    stream.add(600, 0.0, 1.0);
    for number in 601..1300 {
        stream.evaluation.predicted(3, &prediction(number, 0.5, number * STEP));
    }
    let report = stream.evaluation.report(1300 * STEP, all);
    assert_eq!(only(&report).labels.longest_quiet, Some(STEP));
    assert_eq!(report.verdict.state, State::Look);
    assert!(report.verdict.sentence.contains("no label has come for 12 min"), "{:?}", report.verdict);
}

#[test]
fn labels_that_come_once_an_hour_have_not_stopped() {
    let mut stream = Stream::new(basis(), 8);
    for hour in 1..=3 {
        for number in hour * 1000..hour * 1000 + 720 {
            let (y_pred, at) = (0.1, number * 5000);
            stream.evaluation.predicted(3, &prediction(number, y_pred, at));
            if number % 2 == 0 && hour < 3 {
                let row = Row { received: (hour * 1000 + 720) * 5000, ..row(number, 0.0, y_pred, at, at) };
                stream.evaluation.scored(3, &row);
            }
        }
    }
    let report = stream.evaluation.report(3720 * 5000, all);
    assert_eq!(only(&report).labels.longest_quiet, Some(5_000_000));
    assert!(!report.verdict.sentence.contains("no label has come"), "{:?}", report.verdict);
}

#[test]
fn what_is_not_judged_yet_is_said_in_words() {
    let mut evaluation = Evaluation::new(SETTINGS, Vec::new());
    assert_eq!(evaluation.report(0, all).verdict.sentence, "No row has been predicted yet.");
    evaluation.know(0, Some("m".into()), None, Basis::default());
    evaluation.predicted(0, &Prediction { anonymous: true, ..prediction(1, 1.0, 0) });
    let verdict = evaluation.report(1000, all).verdict;
    assert_eq!(verdict.state, State::Nothing);
    assert!(verdict.sentence.contains("1 rows without an id"), "{verdict:?}");
    evaluation.predicted(0, &prediction(2, 1.0, 0));
    let verdict = evaluation.report(180_000, all).verdict;
    assert_eq!(verdict.state, State::Nothing);
    assert!(verdict.sentence.contains("no label has come; the oldest has waited 3 min"), "{verdict:?}");
    // Quick labels only: of 100 rows of the last minute, those 40 have labels that came at once.
    for number in 3..103 {
        evaluation.predicted(0, &prediction(number, 1.0, 180_000 + number * 100));
        if number % 5 < 2 {
            let at = 180_000 + number * 100;
            evaluation.scored(0, &row(number, 1.0, 1.0, at, at + 50));
        }
    }
    let verdict = evaluation.report(200_000, all).verdict;
    assert_eq!(verdict.state, State::Provisional, "{verdict:?}");
    assert!(verdict.sentence.contains("only labels that came within that time"), "{verdict:?}");
}

#[test]
fn the_last_to_predict_serves_and_others_are_left_out_on_request() {
    let mut evaluation = Evaluation::new(SETTINGS, Vec::new());
    for (number, version) in ["v1", "v2"].into_iter().enumerate() {
        evaluation.know(number, Some("m".into()), Some(version.into()), Basis::default());
    }
    evaluation.know(2, Some("shadow".into()), Some("v1".into()), Basis::default());
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
    evaluation.know(0, Some("m".into()), None, Basis::default());
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
    evaluation.know(0, None, None, Basis::default());
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
fn whose_labels_never_come_is_not_provisional_for_ever_and_without_any_is_looked_at() {
    let settings = Settings { horizon: 60_000, ..SETTINGS };
    let mut evaluation = Evaluation::new(settings, Vec::new());
    evaluation.know(0, Some("m".into()), None, basis());
    let mut state = |from: i64, to: i64, labelled: bool| {
        for number in from..to {
            let at = number * STEP;
            evaluation.predicted(0, &prediction(number, 1.0, at));
            if labelled && number % 5 > 0 {
                evaluation.scored(0, &row(number, 1.0 + at as f64 / 1e9, 1.0, at, at + 100));
            } else if number > 60 {
                evaluation.expired(0, number - 60, at - 60_000);
            }
        }
        evaluation.report(to * STEP, all).verdict
    };
    let verdict = state(1, 40, true);
    assert_eq!(verdict.state, State::Provisional, "{verdict:?}");
    let verdict = state(40, 300, true);
    assert_ne!(verdict.state, State::Provisional, "{verdict:?}");
    let mut evaluation = Evaluation::new(settings, Vec::new());
    evaluation.know(0, Some("m".into()), None, basis());
    evaluation.predicted(0, &prediction(1, 1.0, 0));
    evaluation.expired(0, 1, 0);
    let verdict = evaluation.report(100_000, all).verdict;
    assert_eq!(verdict.state, State::Look);
    assert!(verdict.sentence.contains("1 rows have waited in vain"), "{verdict:?}");
}

#[test]
fn after_a_pause_labels_have_not_stopped() {
    let mut stream = Stream::new(basis(), 12);
    stream.add(600, 0.0, 1.0);
    let begin = 600 * STEP + 3_600_000;
    for number in 601..700 {
        stream.evaluation.predicted(3, &prediction(number, 0.5, begin + number));
    }
    let verdict = stream.evaluation.report(begin + 10_000, all).verdict;
    assert!(!verdict.sentence.contains("no label has come"), "{verdict:?}");
}

#[test]
fn of_several_models_the_one_that_is_worst_off_is_told_of() {
    let mut stream = Stream::new(basis(), 13);
    stream.add(1000, 0.0, 1.0);
    stream.add(400, 0.0, 2.0);
    stream.evaluation.know(8, Some("other".into()), None, basis());
    for number in 2001..2700 {
        let at = number * STEP;
        let error = stream.random.random_range(-1.0..1.0);
        stream.evaluation.predicted(8, &prediction(number, error, at));
        stream.evaluation.scored(8, &row(number, 0.0, error, at, at));
    }
    let report = stream.evaluation.report(2700 * STEP, all);
    assert_eq!(
        (report.verdict.state, report.verdict.version),
        (State::Look, Some(0)),
        "{:?}",
        report.verdict
    );
    let report = stream.evaluation.report(2700 * STEP, |model, _| model == Some("other"));
    assert_ne!(report.verdict.state, State::Look, "{:?}", report.verdict);
    // One that has not predicted for longer than the period serves no more.
    stream.evaluation.predicted(8, &prediction(9000, 0.0, 90_000 * STEP));
    let report = stream.evaluation.report(90_000 * STEP, all);
    assert_eq!(report.verdict.version, Some(1), "{:?}", report.verdict);
}

#[test]
fn a_change_that_comes_back_is_told_of_since_it_is_back() {
    let mut stream = Stream::new(basis(), 14);
    stream.add(1000, 0.0, 1.0);
    stream.add(600, 0.0, 1.5);
    stream.add(4000, 0.0, 1.0);
    stream.add(400, 0.0, 1.5);
    let report = stream.report();
    let worse = only(&report).change.worse;
    let since = worse.since.unwrap().0 / STEP;
    assert!(worse.holds && since > 5000, "{worse:?}");
}

#[test]
fn quick_labels_are_no_reference_for_slow_ones() {
    // Half of the labels come at once with small errors, the others an hour later with large ones.
    let mut evaluation = Evaluation::new(SETTINGS, Vec::new());
    evaluation.know(0, Some("m".into()), None, Basis::default());
    let mut random = StdRng::seed_from_u64(15);
    let mut slow = VecDeque::new();
    for number in 1..=20_000 {
        let at = number * STEP;
        evaluation.predicted(0, &prediction(number, 0.0, at));
        if number % 2 == 0 {
            let label = random.random_range(-1.0..1.0);
            evaluation.scored(0, &row(number, label, 0.0, at, at + 100));
        } else {
            slow.push_back(number);
        }
        while slow.front().is_some_and(|first| first * STEP + 3_600_000 <= at) {
            let first = slow.pop_front().unwrap();
            let label = random.random_range(-4.0..4.0);
            evaluation.scored(0, &row(first, label, 0.0, first * STEP, at));
        }
    }
    let report = evaluation.report(20_000 * STEP, all);
    assert_eq!(only(&report).change.labels_wanted, None);
    assert_eq!(only(&report).change.worse.alarms, 0, "{:?}", only(&report).change);
}

/// How the rules stand, in the order in which they were given.
fn states(report: &Report) -> Vec<&'static str> {
    report.alerts.iter().map(|alert| alert.state.word()).collect()
}

#[test]
fn rules_fire_and_end_by_what_came() {
    let rules = [
        "mae{window=100} > 0.7",
        "mae.low{window=100} > 5",
        "rmse{window=version} > 0.01 for 1",
        "bias{window=1m} > 100",
        "wape{model=other} > 0",
        "drift{feature=b} > 0 for 1",
        "changed > 0 for 1",
        "coverage < 0.9",
    ];
    let mut stream = Stream::with_rules(basis(), 9, &rules);
    stream.add(29, 0.0, 1.0);
    // With fewer than 30 labels there is no value, and before 500 rows nothing is known of drift.
    assert_eq!(states(&stream.report())[..2], ["unknown"; 2]);
    assert_eq!(states(&stream.report())[5], "unknown");
    stream.add(1000, 0.0, 1.0);
    let fine = ["inactive", "inactive", "firing", "inactive", "unknown", "inactive", "inactive", "inactive"];
    assert_eq!(states(&stream.report()), fine);
    stream.add(300, 0.5, 2.0);
    let report = stream.report();
    assert_eq!(states(&report)[0], "firing");
    assert_eq!(states(&report)[5..7], ["firing", "firing"]);
    let since = report.alerts[0].since.unwrap().0 / STEP;
    assert!((1030..1330).contains(&since), "{since}");
    let said =
        &report.notices.iter().find(|notice| notice.text.starts_with("mae{window=100} > 0.7")).unwrap();
    assert!(said.text.contains(" fires: it is "), "{said:?}");
    stream.add(300, 0.0, 1.0);
    let report = stream.report();
    assert_eq!(states(&report)[0], "inactive");
    assert!(report.notices[0].at >= report.notices[1].at, "{:?}", report.notices);
    assert!(
        report.notices.iter().any(|notice| notice.text.contains("has ended after")),
        "{:?}",
        report.notices
    );
}

#[test]
fn rules_of_lags_see_labels_that_wait_and_silence() {
    let rules = [
        "waiting > 500 for 1",
        "since_label > 10m for 1",
        "lag_p90 > 1m for 1",
        "coverage{age=1m} < 0.6 for 1",
    ];
    let mut stream = Stream::with_rules(basis(), 10, &rules);
    stream.add(600, 0.0, 1.0);
    assert_eq!(states(&stream.report()), ["inactive"; 4]);
    for number in 601..=1300 {
        stream.evaluation.predicted(3, &prediction(number, 0.5, number * STEP));
        stream.evaluation.committed(number, number * STEP);
    }
    let report = stream.evaluation.report(1300 * STEP, all);
    // Nine tenths of the labels are not known to come at all.
    assert_eq!(states(&report), ["firing", "firing", "unknown", "firing"], "{report:?}");
    // Nothing came since, and the report itself looks.
    let mut silent = Stream::with_rules(basis(), 11, &["since_label > 1h for 1"]);
    silent.add(100, 0.0, 1.0);
    // Less than a minute after the last look, there is something new to be asked for.
    let mut asked = Stream::with_rules(basis(), 16, &["waiting > 5 for 1"]);
    for number in 1..=9 {
        asked.evaluation.predicted(3, &prediction(number, 0.5, number * STEP));
        asked.evaluation.committed(number, number * STEP);
    }
    assert_eq!(states(&asked.evaluation.report(10 * STEP, all)), ["firing"]);
    assert_eq!(states(&silent.report()), ["inactive"]);
    assert_eq!(states(&silent.evaluation.report(100 * STEP + 3_700_000, all)), ["firing"]);
}

#[test]
fn a_rule_looks_at_the_version_that_serves_and_goes_on_past_a_swap() {
    let mut evaluation = Evaluation::new(SETTINGS, vec!["mae{window=100} > 1".parse().unwrap()]);
    for (number, error) in [(0, 0.5), (1, 2.0)] {
        evaluation.know(number, Some("m".into()), Some(number.to_string()), Basis::default());
        for at in 1..=200 {
            let time = (i64::try_from(number).unwrap() * 1000 + at) * STEP;
            let id = time;
            evaluation.predicted(number, &prediction(id, error, time));
            evaluation.scored(number, &row(id, 0.0, error + at as f64 / 1e6, time, time));
            evaluation.committed(id, time);
        }
        let wanted = if number == 0 { "inactive" } else { "firing" };
        assert_eq!(states(&evaluation.report(2_000_000, all)), [wanted], "version {number}");
    }
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
