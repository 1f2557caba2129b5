//! How many versions are kept, and what is remembered of the others.

use super::*;

fn of(evaluation: &Evaluation) -> Vec<String> {
    let report = evaluation.report(1_000_000, all);
    report.versions.iter().map(|version| version.version.clone().unwrap()).collect()
}

fn evaluation(rules: &[&str]) -> Evaluation {
    let settings = Settings { versions: 3, ..SETTINGS };
    Evaluation::new(settings, rules.iter().map(|rule| rule.parse().unwrap()).collect())
}

fn know(evaluation: &mut Evaluation, number: usize) {
    evaluation.know(number, Identity::serving(Some("m".into()), Some(number.to_string())), Basis::default());
}

#[test]
fn those_that_predicted_last_are_kept() {
    let mut evaluation = evaluation(&[]);
    for (number, at) in [(10, 5), (11, 9), (12, 7)] {
        know(&mut evaluation, number);
        evaluation.predicted(number, &prediction(i64::try_from(number).unwrap(), 1.0, at));
    }
    assert_eq!(of(&evaluation), ["10", "11", "12"]);
    know(&mut evaluation, 13);
    evaluation.predicted(13, &prediction(13, 1.0, 8));
    assert_eq!(of(&evaluation), ["11", "12", "13"]);
    assert!(!evaluation.knows(10) && evaluation.has_known(10) && !evaluation.has_known(14));
    // A label of the one that was let go is of no version, and those of the others still find theirs.
    evaluation.scored(10, &row(10, 1.0, 1.0, 5, 20));
    for (number, at) in [(11, 9), (12, 7), (13, 8)] {
        evaluation.scored(number, &row(i64::try_from(number).unwrap(), 1.0, 1.0, at, 20));
    }
    let report = evaluation.report(1_000_000, all);
    assert!(report.versions.iter().all(|version| version.rows.labelled == 1), "{report:?}");
    assert_eq!(report.older_versions, 1);
    // It predicts again, and begins anew.
    know(&mut evaluation, 10);
    evaluation.predicted(10, &prediction(99, 1.0, 30));
    assert_eq!(of(&evaluation), ["11", "13", "10"]);
    assert_eq!(evaluation.report(1_000_000, all).older_versions, 1);
    // What comes late of its earlier life is a score, and none of the rows that it has now.
    evaluation.predicted(10, &prediction(100, 1.0, 31));
    evaluation.scored(10, &row(7, 2.0, 1.0, 3, 40));
    evaluation.expired(10, 8, 4);
    evaluation.scored(10, &row(99, 1.0, 1.0, 30, 41));
    let report = evaluation.report(1_000_000, all);
    let version = &report.versions[2];
    let rows = version.rows;
    assert_eq!((rows.predicted, rows.labelled, rows.expired, rows.waiting), (2, 1, 0, 1));
    assert_eq!(version.scores.since_first.rows, 2);
}

#[test]
fn a_rule_that_counts_labels_goes_on_when_a_version_is_let_go() {
    let mut evaluation = evaluation(&["mae{window=30} > 0.5 for 2 keep 2"]);
    let mut number = 0;
    for version in 0..8 {
        know(&mut evaluation, version);
        for _ in 0..40 {
            number += 1;
            let at = number * STEP;
            evaluation.predicted(version, &prediction(number, 1.0, at));
            evaluation.scored(version, &row(number, 0.0, 1.0, at, at));
            evaluation.committed(number, at);
        }
    }
    let firing = evaluation.report(number * STEP, all).alerts[0].clone();
    assert_eq!(firing.state, crate::alert::State::Firing);
    // The one that predicts now has no errors: as many looks as are asked for end it, though half of all versions are gone.
    know(&mut evaluation, 8);
    for _ in 0..40 {
        number += 1;
        let at = number * STEP;
        evaluation.predicted(8, &prediction(number, 1.0, at));
        evaluation.scored(8, &row(number, 1.0, 1.0, at, at));
        evaluation.committed(number, at);
    }
    assert_eq!(evaluation.report(number * STEP, all).alerts[0].state, crate::alert::State::Inactive);
}

#[test]
fn what_comes_to_be_known_late_is_compared_with_from_then_on() {
    let mut evaluation = evaluation(&[]);
    know(&mut evaluation, 4);
    know(&mut evaluation, 5);
    let mut number = 0;
    let mut add = |evaluation: &mut Evaluation, rows: i64| {
        for _ in 0..rows {
            number += 1;
            let at = number * STEP;
            let vector = [0.25, 0.5, 0.75];
            evaluation.predicted(5, &Prediction { vector: Some(&vector), ..prediction(number, 1.0, at) });
            evaluation.scored(5, &row(number, 0.0, 1.0, at, at));
        }
        evaluation.committed(number, number * STEP);
    };
    add(&mut evaluation, 40);
    let lacking: Vec<_> = evaluation.lacking().collect();
    assert_eq!(lacking, [(4, Some("m"), Some("4")), (5, Some("m"), Some("5"))]);
    // What says nothing changes nothing, nor does what is said of a version that is not known.
    evaluation.learn(5, Basis::default());
    evaluation.learn(6, basis());
    let spread = |evaluation: &Evaluation, name: &str| {
        let report = evaluation.report(1_000_000, all);
        let version = report.versions.iter().find(|version| version.version.as_deref() == Some("5")).unwrap();
        let feature = version.drift.features.iter().find(|feature| feature.name == name);
        (version.rows.labelled, feature.map(|feature| (feature.reference, feature.rows)))
    };
    assert_eq!(spread(&evaluation, "feature_1"), (40, Some((ReferenceKind::FirstRows, 40))));
    evaluation.learn(5, basis());
    assert_eq!(evaluation.lacking().map(|(number, ..)| number).collect::<Vec<_>>(), [4]);
    add(&mut evaluation, 10);
    assert_eq!(spread(&evaluation, "feature_1"), (50, None));
    assert_eq!(spread(&evaluation, "a"), (50, Some((ReferenceKind::ModelFile, 10))));
    // Once it is known, nothing else counts.
    evaluation.learn(5, Basis { holdout_mae: Some(9.0), ..basis() });
    add(&mut evaluation, 10);
    assert_eq!(spread(&evaluation, "a"), (60, Some((ReferenceKind::ModelFile, 20))));
}
