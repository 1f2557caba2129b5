//! Which of two versions is the new one, what is decided when, and what is remembered.

use super::*;
use crate::identity::ModelRole::{Challenger, Serving, Shadow};

fn identity(model: &str, version: &str, role: ModelRole) -> Identity {
    Identity { model: Some(model.into()), version: Some(version.into()), role }
}

/// Of these versions, numbered in this order.
fn of(versions: &[(&str, &str, ModelRole)]) -> Comparisons {
    let mut comparisons = Comparisons::default();
    for (number, (model, version, role)) in versions.iter().enumerate() {
        comparisons.know(number, &identity(model, version, *role));
    }
    comparisons
}

/// Each of these versions predicts a row whose label is 0, and then the label comes. The time is the row's number.
fn row(comparisons: &mut Comparisons, number: i64, said: &[(usize, f64)]) {
    let id = number.to_string();
    for (version, value) in said {
        comparisons.predicted(*version, &id, *value, number);
    }
    for (version, value) in said {
        comparisons.scored(*version, &id, 0.0, *value, number);
    }
}

fn only(comparisons: &Comparisons) -> ComparisonReport {
    let reports = comparisons.report(|_| true);
    let [report] = &reports[..] else { panic!("{} comparisons", reports.len()) };
    report.clone()
}

fn only_or_none(comparisons: &Comparisons) -> Option<ComparisonReport> {
    comparisons.report(|_| true).into_iter().next()
}

#[test]
fn roles_say_which_one_is_new() {
    for (versions, new, is_swap) in [
        ([("m", "2", Serving), ("m.shadow", "1", Shadow)], "m@2", true),
        ([("m.shadow", "1", Shadow), ("m", "2", Serving)], "m@2", true),
        ([("m", "1", Serving), ("c", "9", Challenger)], "c@9", false),
        ([("c", "9", Challenger), ("m", "1", Serving)], "c@9", false),
        ([("m", "1", Serving), ("other", "1", Serving)], "other@1", false),
    ] {
        for said in [[0, 1], [1, 0]] {
            let mut comparisons = of(&versions);
            // The first rows tell that several predict; rows are met from then on.
            for number in 0..5 {
                let new_one = usize::from(versions[1].0 == new.split('@').next().unwrap());
                row(
                    &mut comparisons,
                    number,
                    &said.map(|version| (version, if version == new_one { 3.0 } else { -1.0 })),
                );
            }
            let report = only(&comparisons);
            assert_eq!((report.new.name().as_str(), report.is_swap), (new, is_swap), "{versions:?}");
            assert_eq!((report.rows, report.predicted), (5, 4), "{versions:?} {said:?}");
            assert_eq!((report.difference, report.share), (Some(2.0), Some(2.0)), "{versions:?}");
            assert_eq!((report.first.0, report.last.0), (0, 4));
        }
    }
}

#[test]
fn a_shadow_is_compared_with_what_took_its_place_alone() {
    for versions in [
        [("m.shadow", "1", Shadow), ("other", "2", Serving)],
        [("m.shadow", "1", Shadow), ("other.shadow", "2", Shadow)],
        [("m.shadow", "1", Shadow), ("c", "2", Challenger)],
        // A row that came twice, before a swap and after it.
        [("m.shadow", "1", Shadow), ("m", "1", Serving)],
    ] {
        let mut comparisons = of(&versions);
        for number in 0..5 {
            row(&mut comparisons, number, &[(0, 1.0), (1, 2.0)]);
        }
        assert!(comparisons.report(|_| true).is_empty(), "{versions:?}");
    }
}

#[test]
fn a_version_is_cleared_by_many_rows_and_taken_back_by_few() {
    let versions = [("m", "2", Serving), ("m.shadow", "1", Shadow)];
    for (new, old, finding, rows) in
        [(1.0, 1.0, Finding::NotWorse, 500), (0.5, 1.0, Finding::Better, 500), (1.5, 1.0, Finding::Worse, 50)]
    {
        let mut comparisons = of(&versions);
        for number in 0..700 {
            let sign = if number % 2 == 0 { 1.0 } else { -1.0 };
            row(&mut comparisons, number, &[(0, new * sign), (1, old * sign)]);
            let report = only_or_none(&comparisons);
            let decided = report.and_then(|report| report.decided);
            assert_eq!(decided.is_some(), number + 1 >= rows, "{finding:?} {number}");
        }
        let report = only(&comparisons);
        assert_eq!((report.finding, report.decided.unwrap().rows), (finding, rows.unsigned_abs()));
    }
    // Equal on all rows but one in a hundred: two hundred of the others say nothing yet.
    let mut comparisons = of(&versions);
    for number in 0..600 {
        let rare = if number % 100 == 99 && number > 200 { 1000.0 } else { 1.0 };
        row(&mut comparisons, number, &[(0, rare), (1, 1.0)]);
    }
    assert_eq!(only(&comparisons).decided, None);
}

#[test]
fn a_version_that_serves_again_is_judged_anew_but_not_one_that_was_worse() {
    let versions = [("m", "2", Serving), ("m.shadow", "1", Shadow)];
    for (first, rows, again) in [(1.0, 500, Finding::Worse), (1.5, 50, Finding::Worse)] {
        let mut comparisons = of(&versions);
        for number in 0..rows {
            let sign = if number % 2 == 0 { 1.0 } else { -1.0 };
            row(&mut comparisons, number, &[(0, first * sign), (1, sign)]);
        }
        let decided = only(&comparisons).decided.unwrap();
        // Rows that were under way change nothing, nor do labels that come late.
        row(&mut comparisons, rows, &[(0, first), (1, 1.0)]);
        comparisons.scored(0, "0", 0.0, 1.0, rows + 2 * PAUSE);
        assert_eq!(only(&comparisons).decided.map(|decided| decided.at), Some(decided.at));
        // Days later it is put in the place once more, and is bad on what is there now.
        for number in 0..60 {
            let (at, sign) = (86_400_000 + number, if number % 2 == 0 { 1.0 } else { -1.0 });
            row(&mut comparisons, at, &[(0, 2.0 * sign), (1, sign)]);
        }
        let report = only(&comparisons);
        let is_anew = report.decided.unwrap().at != decided.at;
        assert_eq!((report.finding, is_anew), (again, first < 1.5));
    }
}

#[test]
fn sixteen_models_on_the_same_rows_leave_the_swap_its_place() {
    let names: Vec<String> = (0..14).map(|number| format!("c{number}")).collect();
    let mut versions = vec![("m", "2", Serving), ("m.shadow", "1", Shadow)];
    versions.extend(names.iter().map(|name| (&**name, "1", Challenger)));
    let mut comparisons = of(&versions);
    for number in 0..100_i64 {
        let sign = if number % 2 == 0 { 1.0 } else { -1.0 };
        let said: Vec<_> = (0..16).map(|of| (of, if of == 0 { 1.5 * sign } else { sign })).collect();
        row(&mut comparisons, number, &said);
    }
    let reports = comparisons.report(|_| true);
    assert_eq!(reports.len(), 1 + 14 + 14 * 13 / 2);
    assert!(reports.iter().all(|report| report.rows >= 99), "one begins anew at each row");
    // Others that come and go push out what matters last.
    let versions: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    for (number, version) in (16_usize..).zip(&versions) {
        comparisons.know(number, &identity("d", version, Challenger));
        let at = 1000 + number as i64;
        row(&mut comparisons, at, &[(0, 1.5), (2, 1.0), (number, 1.0)]);
    }
    let reports = comparisons.report(|_| true);
    assert!(reports.len() <= MOST && reports.iter().any(|report| report.is_swap));
}

#[test]
fn a_swap_is_decided_once_and_a_challenger_is_not() {
    let versions = [("m", "2", Serving), ("m.shadow", "1", Shadow), ("c", "9", Challenger)];
    let mut comparisons = of(&versions);
    for number in 0..200 {
        let sign = if number % 2 == 0 { 1.0 } else { -1.0 };
        row(&mut comparisons, number, &[(0, 1.5 * sign), (1, sign), (2, 0.5 * sign)]);
    }
    let reports = comparisons.report(|_| true);
    let swap = reports.iter().find(|of| of.is_swap).unwrap();
    let decided = swap.decided.unwrap();
    assert_eq!((swap.finding, decided.rows, decided.at.0), (Finding::Worse, 50, 49));
    let challenge = reports.iter().find(|of| of.new.model.as_deref() == Some("c") && of.old.role == Serving);
    let challenge = challenge.unwrap();
    assert_eq!((challenge.finding, challenge.decided), (Finding::Better, None));
    // From here on it is better, and stays what was decided.
    for number in 200..2000 {
        row(&mut comparisons, number, &[(0, 0.0), (1, 1.0)]);
    }
    let reports = comparisons.report(|_| true);
    let swap = reports.iter().find(|of| of.is_swap).unwrap();
    assert_eq!((swap.finding, swap.decided.unwrap().rows), (Finding::Worse, 50));
    assert!(swap.difference.unwrap() < 0.0);
}

#[test]
fn an_undecided_swap_ends_after_enough_pairs_or_after_a_week() {
    // Errors that are equal on average and lie far apart.
    let far = |number: i64| if number % 2 == 0 { [(0, 100.0), (1, 0.0)] } else { [(0, 0.0), (1, 100.0)] };
    let versions = [("m", "2", Serving), ("m.shadow", "1", Shadow)];
    let mut comparisons = of(&versions);
    for number in 0..9999 {
        row(&mut comparisons, number, &far(number));
    }
    assert_eq!(only(&comparisons).decided, None);
    assert!(only(&comparisons).labels_to_go.is_some());
    row(&mut comparisons, 9999, &far(9999));
    let report = only(&comparisons);
    assert_eq!((report.finding, report.decided.unwrap().rows), (Finding::Undecided, 10_000));
    assert_eq!(report.labels_to_go, None);

    let mut comparisons = of(&versions);
    for number in 0..60 {
        row(&mut comparisons, number, &far(number));
    }
    comparisons.look(LAST_DAY - 1);
    assert_eq!(only(&comparisons).decided, None);
    comparisons.look(LAST_DAY);
    assert_eq!(only(&comparisons).decided.map(|decided| decided.at.0), Some(LAST_DAY));
}

#[test]
fn several_challengers_share_the_mistakes_that_may_be_made() {
    let mut versions = vec![("m", "1", Serving)];
    versions.extend(["a", "b", "c", "d"].map(|name| (name, "1", Challenger)));
    let width = |challengers: usize| {
        let mut comparisons = of(&versions[..=challengers]);
        for number in 0..100_i64 {
            let said: Vec<_> =
                (0..=challengers).map(|of| (of, ((number * 7 + of as i64) % 5) as f64)).collect();
            row(&mut comparisons, number, &said);
        }
        let reports = comparisons.report(|_| true);
        let of_a = reports.iter().find(|of| of.new.model.as_deref() == Some("a") && of.old.role == Serving);
        let (low, high) = of_a.unwrap().interval.unwrap().ends();
        high - low
    };
    assert!(width(4) > 1.05 * width(1));
}

#[test]
fn a_version_that_is_not_kept_is_not_compared_until_it_is_told_of_again() {
    let mut comparisons = of(&[("m", "2", Serving), ("m.shadow", "1", Shadow)]);
    let rows = |comparisons: &mut Comparisons, from: i64| {
        for number in from..from + 10 {
            row(comparisons, number, &[(0, 1.0), (1, 2.0)]);
        }
        only(comparisons).rows
    };
    assert_eq!(rows(&mut comparisons, 0), 10);
    comparisons.keep(|number| number == 0);
    assert_eq!(comparisons.known.len(), 1);
    assert_eq!(rows(&mut comparisons, 10), 10);
    comparisons.know(1, &identity("m.shadow", "1", Shadow));
    assert_eq!(rows(&mut comparisons, 20), 20);
}

#[test]
fn one_model_alone_is_not_remembered_and_bounds_hold() {
    let mut comparisons = of(&[("m", "1", Serving), ("m", "2", Serving), ("c", "9", Challenger)]);
    for number in 0..100 {
        row(&mut comparisons, number, &[(usize::from(number > 50), 1.0)]);
    }
    assert!(comparisons.predictions.rows.is_empty() && comparisons.errors.rows.is_empty());
    // A challenger whose rows are never met.
    for number in 0..50_000 {
        row(&mut comparisons, 1000 + 2 * number, &[(1, 1.0)]);
        row(&mut comparisons, 1001 + 2 * number, &[(2, 1.0)]);
    }
    assert_eq!((comparisons.predictions.rows.len(), comparisons.predictions.order.len()), (ROWS, ROWS));
    assert!(comparisons.report(|_| true).is_empty());
    for number in 0..2 * ROWS as i64 + 2 {
        row(&mut comparisons, 1_000_000 + number, &[(1, 1.0)]);
    }
    assert!(comparisons.predictions.rows.is_empty() && !comparisons.is_watching);
    // Many versions one after the other, each with the one before in its shadow.
    let mut comparisons = Comparisons::default();
    for version in 0..200_usize {
        comparisons.know(2 * version, &identity("m", &(version + 1).to_string(), Serving));
        comparisons.know(2 * version + 1, &identity("m.shadow", &version.to_string(), Shadow));
        for number in 0..3 {
            let id = (version * 10 + number) as i64;
            row(&mut comparisons, id, &[(2 * version, 1.0), (2 * version + 1, 2.0)]);
        }
    }
    let reports = comparisons.report(|_| true);
    assert_eq!(reports.len(), MOST);
    assert_eq!(reports[0].new.version.as_deref(), Some("200"));
    assert_eq!(comparisons.report(|of| of.version.as_deref() == Some("198")).len(), 2);
}

#[test]
fn a_label_that_came_first_meets_both_predictions() {
    let mut comparisons = of(&[("m", "2", Serving), ("m.shadow", "1", Shadow)]);
    row(&mut comparisons, 0, &[(0, 1.0), (1, 2.0)]);
    for number in 1..10 {
        let id = number.to_string();
        for (version, value) in [(0, 1.0), (1, 2.0)] {
            comparisons.predicted(version, &id, value, number);
            comparisons.scored(version, &id, 0.0, value, number);
        }
    }
    let report = only(&comparisons);
    assert_eq!((report.rows, report.predicted, report.difference), (10, 9, Some(-1.0)));
}
