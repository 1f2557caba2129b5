//! What follows where the version before goes on in the shadow.

use super::*;
use crate::alert::State as AlertState;
use crate::identity::ModelRole;
use crate::pairs::Finding;
use crate::report::State;
use crate::saved;

/// Old version, new version, and the old one in the shadow.
const VERSIONS: [(usize, &str, &str, ModelRole); 3] = [
    (0, "m", "old", ModelRole::Serving),
    (1, "m", "new", ModelRole::Serving),
    (2, "m.shadow", "old", ModelRole::Shadow),
];

fn new() -> Evaluation {
    let mut evaluation = Evaluation::new(SETTINGS, vec!["worse > 0 for 1".parse().unwrap()]);
    for (number, model, version, role) in VERSIONS {
        let identity = Identity { model: Some(model.into()), version: Some(version.into()), role };
        evaluation.know(number, identity, Basis::default());
    }
    evaluation
}

/// Each of these versions predicts a row with this error, and its label comes. `at` counts the commits, one a second.
fn commit(evaluation: &mut Evaluation, at: i64, said: &[(usize, f64)]) {
    let (id, time) = (at.to_string(), at * 1000);
    for (version, error) in said {
        let number = 10 * at + *version as i64;
        evaluation.predicted(*version, &prediction(number, *error, time));
        evaluation.row_predicted(*version, &id, *error, time);
    }
    evaluation.labelled(0.0, time);
    for (version, error) in said {
        let row = row(10 * at + *version as i64, 0.0, *error, time, time);
        evaluation.scored(*version, &row);
        evaluation.row_scored(*version, &id, &row);
    }
    evaluation.committed(at, time);
}

#[test]
fn a_worse_version_is_told_of_until_the_one_before_serves_again() {
    let mut evaluation = new();
    let sign = |at: i64| if at % 2 == 0 { 1.0 } else { -1.0 };
    (0..100).for_each(|at| commit(&mut evaluation, at, &[(0, sign(at))]));
    for at in 100..149 {
        commit(&mut evaluation, at, &[(1, 2.0 * sign(at)), (2, sign(at))]);
    }
    let before = evaluation.report(149_000, all);
    assert_eq!((before.comparisons[0].finding, before.comparisons[0].rows), (Finding::Undecided, 49));
    assert_eq!(before.alerts[0].state, AlertState::Inactive);
    // What goes on from what was saved says the same, to the last bit.
    let mut goes_on = saved::load(&saved::save(&evaluation).unwrap()).unwrap();
    for evaluation in [&mut evaluation, &mut goes_on] {
        for at in 149..160 {
            commit(evaluation, at, &[(1, 2.0 * sign(at)), (2, sign(at))]);
        }
    }
    let report = evaluation.report(160_000, all);
    assert_eq!(report, goes_on.report(160_000, all));
    assert_eq!((report.verdict.state, report.verdict.version), (State::Look, Some(1)));
    assert_eq!(
        report.verdict.sentence,
        "m@new errs 1.00 more than the version before, m@old, on the same 50 rows."
    );
    assert_eq!(report.answers[3].answer, "m@old");
    assert_eq!(report.alerts[0].state, AlertState::Firing);
    let serve: Vec<bool> = report.versions.iter().map(|version| version.serves).collect();
    assert_eq!(serve, [false, true, false]);

    for at in 160..200 {
        commit(&mut evaluation, at, &[(0, sign(at))]);
    }
    let report = evaluation.report(200_000, all);
    assert_eq!((report.verdict.state, report.verdict.version), (State::RolledBack, Some(0)));
    assert!(report.verdict.sentence.starts_with("The new version m@new erred 1.00 more"), "{report:?}");
    assert_eq!(report.alerts[0].state, AlertState::Inactive);
    // It is news for a day.
    let report = evaluation.report(150_000 + 86_400_000, all);
    assert_ne!(report.verdict.state, State::RolledBack);
}

#[test]
fn a_version_that_is_not_worse_is_no_reason_to_look() {
    let mut evaluation = new();
    let sign = |at: i64| if at % 2 == 0 { 1.0 } else { -1.0 };
    for at in 0..200 {
        commit(&mut evaluation, at, &[(1, sign(at)), (2, 1.01 * sign(at))]);
    }
    let report = evaluation.report(200_000, all);
    assert!(matches!(report.comparisons[0].finding, Finding::Better | Finding::NotWorse), "{report:?}");
    assert_eq!(report.verdict.version, Some(1));
    assert!(![State::Look, State::RolledBack].contains(&report.verdict.state), "{:?}", report.verdict);
}
