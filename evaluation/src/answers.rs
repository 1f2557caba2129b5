//! The four questions of whoever looks at a model, each with an answer in a word or a number, and why in a line.

use crate::identity::ModelRole;
use crate::number::{Decimals, count, duration, percent};
use crate::pairs::Finding;
use crate::report::{Answer, ComparisonReport, LagQuantile, Moment, Question, SpreadReport, VersionReport};

/// With fewer labels there is no interval.
pub(crate) const ENOUGH_LABELS: u64 = 30;
/// Of the rows that are old enough, so many have their label where nothing is amiss.
const MOST_LABELLED: f64 = 0.9;
/// A version is new for so long, in milliseconds.
const NEW: i64 = 86_400_000;
/// So many of what has changed is named.
const NAMED: usize = 2;

/// Answers for the version that the verdict speaks of; none where there is none.
pub(crate) fn of(
    now: i64,
    judged: Option<usize>,
    versions: &[VersionReport],
    comparisons: &[ComparisonReport],
) -> Vec<Answer> {
    let Some((at, version)) = judged.and_then(|at| Some((at, versions.get(at)?))) else { return Vec::new() };
    vec![
        how_good(version),
        trust(now, version),
        changed(now, at, versions),
        better(at, versions, comparisons),
    ]
}

fn answer(question: Question, answer: impl Into<String>, reason: impl Into<String>) -> Answer {
    Answer { question, answer: answer.into(), reason: reason.into() }
}

fn how_good(version: &VersionReport) -> Answer {
    let question = Question::HowGood;
    let scores = &version.scores.last_rows;
    let Some(mae) = scores.mae else {
        return answer(question, "Not known", "no label has come yet");
    };
    let labels = match scores.rows {
        1 => "off in the only label so far".to_owned(),
        rows if rows == version.scores.since_first.rows => {
            format!("off on average over all {} labels so far", count(rows))
        }
        rows => format!("off on average over the last {} labels", count(rows)),
    };
    let (value, range) = mae.written();
    let sure = match range {
        Some(range) => format!("95 % sure: {range}"),
        None if scores.rows < ENOUGH_LABELS => format!("no interval before {ENOUGH_LABELS} labels"),
        None => "few rows are most of it, so no interval".to_owned(),
    };
    answer(question, value, format!("{labels}; {sure}"))
}

fn trust(now: i64, version: &VersionReport) -> Answer {
    let question = Question::Trust;
    let age = version.first_predicted.map_or_else(String::new, |first| ago(now, first));
    if version.rows.labelled == 0 {
        let waits = version.rows.waiting;
        return answer(question, "Not yet", format!("{} predictions, and no label in {age}", count(waits)));
    }
    if version.labels.provisional {
        return answer(question, "Not yet", format!("only labels that came within {age} are known"));
    }
    if version.rows.labelled < ENOUGH_LABELS {
        return answer(question, "Not yet", format!("{} labels are too few", count(version.rows.labelled)));
    }
    match (version.labels.coverage, version.labels.lag_p90) {
        (Some(coverage), Some(LagQuantile { ms, more: false })) => {
            let word = if coverage >= MOST_LABELLED { "Yes" } else { "In part" };
            let reason =
                format!("{} of the rows older than {} have their label", percent(coverage), time(ms));
            answer(question, word, reason)
        }
        _ => answer(
            question,
            "In part",
            format!(
                "{} of the rows have their label",
                percent(version.rows.labelled as f64 / version.rows.predicted.max(1) as f64)
            ),
        ),
    }
}

fn changed(now: i64, at: usize, versions: &[VersionReport]) -> Answer {
    let question = Question::Changed;
    let version = &versions[at];
    let drift = &version.drift;
    let spreads: Vec<&SpreadReport> = drift.features.iter().chain(&drift.prediction).collect();
    let since = |spread: &SpreadReport| spread.drifts_since.or(spread.stuck_since);
    let moved: Vec<&SpreadReport> =
        spreads.iter().copied().filter(|spread| since(spread).is_some()).collect();
    let change = &version.change;
    let errors = [&change.worse, &change.higher, &change.lower].into_iter().find(|evidence| evidence.holds);
    let learning = spreads.iter().find_map(|spread| Some((spread.rows, spread.rows_wanted?)));
    if moved.is_empty() && errors.is_none() {
        let nothing_yet = |what: String| answer(question, "Too early", what);
        return match (change.labels_wanted, learning) {
            (_, Some((rows, wanted))) => nothing_yet(format!(
                "features are watched from {} rows on; {} so far",
                count(wanted),
                count(rows)
            )),
            (Some(wanted), None) => nothing_yet(format!("errors: {} more labels are needed", count(wanted))),
            (None, None) => match new(now, at, versions) {
                Some(since) => answer(
                    question,
                    "The version",
                    format!("this one serves since {since} ago; else {}", steady(drift.features.len())),
                ),
                None => answer(question, "Nothing", steady(drift.features.len())),
            },
        };
    }
    let mut names: Vec<String> = moved.iter().take(NAMED).map(|spread| spread.name.clone()).collect();
    if moved.len() > NAMED {
        names.push(format!("{} more", moved.len() - NAMED));
    }
    if errors.is_some() {
        names.push("errors".to_owned());
    }
    let began =
        moved.iter().filter_map(|spread| since(spread)).chain(errors.and_then(|errors| errors.since)).min();
    let mut reason = began.map_or_else(String::new, |began| format!("since about {} ago", ago(now, began)));
    if errors.is_none() && change.labels_wanted.is_none() {
        reason += "; the errors are as before";
    }
    answer(question, names.join(", "), reason)
}

/// How long a version has served that took over from another one lately.
fn new(now: i64, at: usize, versions: &[VersionReport]) -> Option<String> {
    let first = versions[at].first_predicted?;
    let is_before = |other: &VersionReport| {
        other.role == ModelRole::Serving && other.first_predicted.is_some_and(|before| before < first)
    };
    let is_new = now.saturating_sub(first.0) < NEW && versions.iter().any(is_before);
    is_new.then(|| ago(now, first))
}

fn steady(features: usize) -> String {
    match features {
        0 => "the errors are as before".to_owned(),
        1 => "neither the errors nor the feature".to_owned(),
        features => format!("neither the errors nor any of {features} features"),
    }
}

/// What the last comparison on the same rows says; where there is none, a hint from other rows.
fn better(at: usize, versions: &[VersionReport], comparisons: &[ComparisonReport]) -> Answer {
    let question = Question::Better;
    let name = versions[at].name();
    let of_it = |of: &&ComparisonReport| of.new.name() == name || of.old.name() == name;
    let Some(comparison) = comparisons.iter().filter(of_it).max_by_key(|of| (of.decided.is_some(), of.last))
    else {
        return seems_better(at, versions);
    };
    let (new, old) = (comparison.new.name(), comparison.old.name());
    let rows = format!("on {} rows that both predicted", count(comparison.rows));
    let by = comparison.difference.map(|difference| Decimals::of(difference).plain(difference.abs()));
    match (comparison.finding, by) {
        (Finding::Better, Some(by)) => answer(question, new, format!("by {by} {rows}, against {old}")),
        (Finding::Worse, Some(by)) => answer(question, old, format!("by {by} {rows}, against {new}")),
        (Finding::NotWorse, _) => {
            answer(question, "No difference that matters", format!("between {new} and {old}, {rows}"))
        }
        _ => {
            let to_go = comparison.labels_to_go.map(|more| format!("; about {} labels to go", count(more)));
            let reason = format!("between {new} and {old}, {rows}{}", to_go.unwrap_or_default());
            answer(question, "Undecided", reason)
        }
    }
}

/// The mean absolute error beside that of the version before it. They have predicted different rows, so it is a hint and no more.
fn seems_better(at: usize, versions: &[VersionReport]) -> Answer {
    let question = Question::Better;
    let version = &versions[at];
    let others = versions.iter().enumerate().filter(|(place, other)| {
        *place != at && other.rows.predicted > 0 && other.role == ModelRole::Serving
    });
    let Some((_, before)) = others.max_by_key(|(_, other)| other.last_predicted) else {
        return answer(question, "Only one so far", "no other version has predicted anything");
    };
    let all = |of: &VersionReport| {
        of.scores.since_first.mae.filter(|_| of.scores.since_first.rows >= ENOUGH_LABELS)
    };
    let (Some(mine), Some(its)) = (all(version), all(before)) else {
        return answer(question, "Too early", format!("it and {} have too few labels", before.name()));
    };
    let ratio = mine.value / its.value - 1.0;
    let how = if ratio > 0.0 { "larger" } else { "smaller" };
    let against = format!(
        "its errors are {} {how} than those of {}, on other rows",
        percent(ratio.abs()),
        before.name()
    );
    let word = match (mine.interval, its.interval) {
        (Some(mine), Some(its)) if mine.ends().1 < its.ends().0 => "This one, it seems",
        (Some(mine), Some(its)) if mine.ends().0 > its.ends().1 => "The one before, it seems",
        _ => "Undecided",
    };
    answer(question, word, against)
}

fn ago(now: i64, at: Moment) -> String {
    duration(now.saturating_sub(at.0).max(0))
}

#[expect(clippy::cast_possible_truncation, reason = "a cast of a large float saturates")]
fn time(ms: f64) -> String {
    duration(ms.round() as i64)
}
