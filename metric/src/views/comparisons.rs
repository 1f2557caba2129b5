//! Versions that predicted the same rows, for people at a terminal.

use evaluation::number::{Decimals, count, signed_percent};
use evaluation::pairs::Finding;
use evaluation::report::ComparisonReport;

use crate::status::aligned;

/// What was found, in a few words that begin with the new one.
pub(crate) fn finding(of: &ComparisonReport) -> &'static str {
    match (of.finding, of.is_swap) {
        (Finding::Better, _) => "better",
        (Finding::Worse, _) => "worse",
        (Finding::NotWorse, _) => "not worse",
        (Finding::Undecided, true) if of.decided.is_some() => "undecided to the end",
        (Finding::Undecided, _) => "undecided",
    }
}

/// The difference of the mean absolute errors, and its bounds.
pub(crate) fn difference(of: &ComparisonReport) -> (String, Option<String>) {
    let Some(difference) = of.difference else { return ("-".to_owned(), None) };
    match of.interval.map(|interval| interval.ends()) {
        Some((low, high)) => {
            // As fine as the bounds are wide: where one of them is just beyond 0, that must be seen.
            let decimals = Decimals::of((high - low) / 2.0);
            (decimals.signed(difference), Some(decimals.signed_interval(low, high)))
        }
        None => (Decimals::of(difference).signed(difference), None),
    }
}

/// A line for each comparison, and what the numbers are; nothing where there is none.
pub(crate) fn comparisons(of: &[ComparisonReport]) -> String {
    if of.is_empty() {
        return String::new();
    }
    let header = ["version", "against", "rows", "difference", "", "bounds", "state"];
    let mut rows: Vec<Vec<String>> = vec![header.map(str::to_owned).into()];
    for comparison in of {
        let (difference, bounds) = difference(comparison);
        let to_go = comparison.labels_to_go.map(|more| format!(", about {} labels to go", count(more)));
        rows.push(vec![
            comparison.new.name(),
            comparison.old.name(),
            count(comparison.rows),
            difference,
            comparison.share.map(signed_percent).unwrap_or_default(),
            bounds.unwrap_or_else(|| "-".to_owned()),
            format!("{}{}", finding(comparison), to_go.unwrap_or_default()),
        ]);
    }
    aligned(&rows)
        + "Of the mean absolute errors on rows that both predicted; below 0 the first one errs less.\n\
           Each bound holds with 95 %, whenever it is looked at.\n"
}

#[cfg(test)]
mod tests {
    use evaluation::confidence::Interval;
    use evaluation::identity::{Identity, ModelRole};
    use evaluation::report::{DecisionReport, Moment};

    use super::*;

    #[test]
    fn a_line_says_which_one_errs_less_and_how_sure_that_is() {
        let candidate = |model: &str, version: &str, role| Identity {
            model: Some(model.into()),
            version: Some(version.into()),
            role,
        };
        let swap = ComparisonReport {
            new: candidate("model", "e0b7", ModelRole::Serving),
            old: candidate("model.shadow", "9c41", ModelRole::Shadow),
            is_swap: true,
            rows: 58,
            predicted: 90,
            mae_new: Some(61.8),
            mae_old: Some(42.9),
            difference: Some(18.9),
            share: Some(18.9 / 42.9),
            interval: Interval::closed(0.3, 37.5),
            finding: Finding::Worse,
            decided: Some(DecisionReport { at: Moment(5), rows: 58, difference: 18.9 }),
            labels_to_go: None,
            first: Moment(0),
            last: Moment(9),
            steps: Vec::new(),
        };
        let challenge = ComparisonReport {
            new: candidate("ridge", "77aa", ModelRole::Challenger),
            old: candidate("model", "9c41", ModelRole::Serving),
            is_swap: false,
            rows: 4,
            difference: Some(-1.25),
            share: Some(-0.03),
            interval: None,
            finding: Finding::Undecided,
            decided: None,
            labels_to_go: Some(2200),
            ..swap.clone()
        };
        assert_eq!(
            comparisons(&[swap, challenge]),
            "version        against  rows  difference                bounds                               state\n\
             model@e0b7  model@9c41    58       +18.9   +44 %  +0.3 … +37.5                               worse\n\
             ridge@77aa  model@9c41     4       −1.25  −3.0 %             -  undecided, about 2200 labels to go\n\
             Of the mean absolute errors on rows that both predicted; below 0 the first one errs less.\n\
             Each bound holds with 95 %, whenever it is looked at.\n"
        );
    }
}
