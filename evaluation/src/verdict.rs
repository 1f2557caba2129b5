//! The judgement of the version that serves, in a sentence, and what to do.

use crate::answers::ENOUGH_LABELS;
use crate::number::{Decimals, count, duration};
use crate::report::{Moment, SpreadReport, State, Verdict, VersionReport};

/// Labels have stopped when the last one is this many times longer ago than ever two of them were apart, and
const QUIETER: i64 = 3;
/// at least this long, in milliseconds.
const QUIET: i64 = 600_000;
/// So many of the features that have moved are named.
const NAMED: usize = 3;

/// Judges the versions that serve, each model's, and tells of the one that is worst off, of several the one that predicted last.
/// Those that have not predicted for a whole `period` longer than the last one serve no more.
pub(crate) fn of(now: i64, period: i64, versions: &[VersionReport]) -> Verdict {
    let latest = versions.iter().filter_map(|version| version.last_predicted).max();
    let is_recent = |version: &VersionReport| {
        version
            .last_predicted
            .zip(latest)
            .is_some_and(|(last, latest)| last.0 >= latest.0.saturating_sub(period))
    };
    // One that was asked for by itself need not serve.
    let any_serves = versions.iter().any(|version| version.serves && is_recent(version));
    let judged = versions
        .iter()
        .enumerate()
        .filter(|(_, version)| is_recent(version) && (version.serves || !any_serves))
        .map(|(at, version)| (at, version, judge(now, version)))
        .max_by_key(|(at, version, (state, ..))| (*state, version.last_predicted, *at));
    let Some((at, _, (state, sentence, advice))) = judged else {
        return Verdict {
            state: State::Nothing,
            version: None,
            sentence: "No row has been predicted yet.".into(),
            advice: "Start features and model, and send rows.".into(),
        };
    };
    Verdict { state, version: Some(at), sentence, advice }
}

fn judge(now: i64, version: &VersionReport) -> (State, String, String) {
    let name = version.name();
    let ago = |at: Moment| duration(now.saturating_sub(at.0).max(0));
    let labels = version.rows.labelled;
    let change = &version.change;
    let drifting: Vec<&SpreadReport> = version
        .drift
        .features
        .iter()
        .chain(&version.drift.prediction)
        .filter(|spread| spread.drifts_since.is_some() || spread.stuck_since.is_some())
        .collect();
    let moved = named(&drifting);

    let changes = [
        (&change.worse, "errors of", "are larger than they were"),
        (&change.higher, "predictions of", "are higher against the labels than they were"),
        (&change.lower, "predictions of", "are lower against the labels than they were"),
    ];
    if let Some((evidence, what, how)) = changes.into_iter().find(|(evidence, ..)| evidence.holds) {
        let since = evidence.since.map(|since| format!(", since about {} ago", ago(since)));
        let sentence = format!("The {what} {name} {how}{}.", since.unwrap_or_default());
        let advice = if drifting.is_empty() {
            "The features look as before, so the labels or the world have changed: look at the newest errors."
                .to_owned()
        } else {
            format!("{moved} moved too: train on rows since then.")
        };
        return (State::Look, sentence, advice);
    }
    // Against the last prediction, for a pipeline that stands still has not lost its labels, and goes on without any.
    let quiet = version.last_predicted.zip(version.predicted_since_label).zip(version.last_labelled);
    let quiet = quiet.map(|((predicted, since), labelled)| {
        let usual = version.labels.longest_quiet.unwrap_or(0);
        let quiet = predicted.0.saturating_sub(labelled.max(since).0);
        (quiet > usual.saturating_mul(QUIETER).max(QUIET)).then_some(labelled)
    });
    if let (Some(Some(labelled)), true) = (quiet, version.rows.waiting > 0) {
        return (
            State::Look,
            format!("{name} predicts, but no label has come for {}.", ago(labelled)),
            "There is no judgement since then: check the producer of labels.".into(),
        );
    }
    if !drifting.is_empty() {
        let since = drifting
            .iter()
            .filter_map(|spread| spread.drifts_since.or(spread.stuck_since))
            .min()
            .unwrap_or(Moment(now));
        let advice = if labels == 0 {
            "No label has come yet, so whether that does harm is not known.".to_owned()
        } else {
            format!("No harm seen yet in {} labels: keep an eye on the errors.", count(labels))
        };
        let verb = if drifting.len() == 1 { "is" } else { "are" };
        return (State::Look, format!("{moved} {verb} not as before, for {}.", ago(since)), advice);
    }
    if labels == 0 && version.rows.expired > 0 {
        return (
            State::Look,
            format!("{name} has no label, and {} rows have waited in vain.", count(version.rows.expired)),
            "Labels come too late, with other ids, or not at all: check their producer and --label-horizon."
                .into(),
        );
    }
    if labels == 0 {
        let waits = version.first_predicted.map(|first| format!("; the oldest has waited {}", ago(first)));
        let (sentence, advice) = match version.rows.predicted {
            0 => (
                format!("{name} has predicted {} rows without an id.", count(version.rows.anonymous)),
                "No label can meet them: give each row an id.".to_owned(),
            ),
            predicted => (
                format!(
                    "{name} has predicted {} rows, and no label has come{}.",
                    count(predicted),
                    waits.unwrap_or_default()
                ),
                "Nothing to do, if labels come later than that.".to_owned(),
            ),
        };
        return (State::Nothing, sentence, advice);
    }
    if labels < ENOUGH_LABELS {
        return (
            State::Provisional,
            format!("{name} has {} labels: an interval needs {ENOUGH_LABELS}.", count(labels)),
            "Wait for more labels.".into(),
        );
    }
    if version.labels.provisional {
        let age = version.first_predicted.map_or_else(String::new, ago);
        let usual = match version.labels.lag_p90 {
            Some(lag) if !lag.more => format!(" (nine tenths come within {})", milliseconds(lag.ms)),
            _ => String::new(),
        };
        return (
            State::Provisional,
            format!("{name} serves for {age}: only labels that came within that time are known{usual}."),
            "Wait for the slower labels before you judge it.".into(),
        );
    }
    if let Some(wanted) = change.labels_wanted {
        return (
            State::Provisional,
            format!("{name} has {} labels, and nothing yet to compare its errors with.", count(labels)),
            format!("Wait for {} more.", count(wanted)),
        );
    }
    let mae = version.scores.last_rows.mae.or(version.scores.since_first.mae);
    let mae =
        mae.map(|mae| format!(": its mean absolute error is {}", Decimals::of(mae.value).plain(mae.value)));
    (State::Ok, format!("{name} is as it was{}.", mae.unwrap_or_default()), "Nothing to do.".into())
}

fn named(spreads: &[&SpreadReport]) -> String {
    let names: Vec<&str> = spreads.iter().take(NAMED).map(|spread| spread.name.as_str()).collect();
    match spreads.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a cast of a large float saturates")]
fn milliseconds(ms: f64) -> String {
    duration(ms.round() as i64)
}
