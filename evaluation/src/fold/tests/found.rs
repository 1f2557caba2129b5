//! What has changed is found, and nothing else.

use std::collections::VecDeque;

use rand::RngExt as _;

use super::*;

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
fn quick_labels_are_no_reference_for_slow_ones() {
    // Half of the labels come at once with small errors, the others an hour later with large ones.
    let mut evaluation = Evaluation::new(SETTINGS, Vec::new());
    evaluation.know(0, Identity::serving(Some("m".into()), None), Basis::default());
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
