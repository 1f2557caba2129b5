//! The judgement of the version that serves, in a sentence, and what to do.

mod swap;

use crate::answers::ENOUGH_LABELS;
use crate::number::{Decimals, count, duration};
use crate::report::{ComparisonReport, Moment, ReferenceKind, SpreadReport, State, Verdict, VersionReport};

/// Labels have stopped when the last one is this many times longer ago than ever two of them were apart, and
const QUIETER: i64 = 3;
/// at least this long, in milliseconds.
const QUIET: i64 = 600_000;
/// So many of the features that have moved are named.
const NAMED: usize = 3;

/// Judges the versions that serve, each model's, and tells of the one that is worst off, of several the one that predicted last.
/// Those that have not predicted for a whole `period` longer than the last one serve no more.
pub(crate) fn of(
    now: i64,
    period: i64,
    versions: &[VersionReport],
    comparisons: &[ComparisonReport],
) -> Verdict {
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
        .map(|(at, version)| {
            let judgement = judge(now, version);
            let of_swap = swap::judge(now, version, comparisons).filter(|of| of.state >= judgement.state);
            (at, version, of_swap.unwrap_or(judgement))
        })
        .max_by_key(|(at, version, judgement)| (judgement.state, version.last_predicted, *at));
    let Some((at, _, judgement)) = judged else {
        return Verdict {
            state: State::Nothing,
            version: None,
            sentence: "No row has been predicted yet.".into(),
            advice: "Start features and model, and send rows.".into(),
            command: None,
        };
    };
    let Judgement { state, sentence, advice, command } = judgement;
    Verdict { state, version: Some(at), sentence, advice, command }
}

/// What is said of a version.
#[derive(Debug)]
struct Judgement {
    state: State,
    sentence: String,
    advice: String,
    command: Option<String>,
}

impl Judgement {
    fn of(state: State, sentence: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state, sentence: sentence.into(), advice: advice.into(), command: None }
    }
}

/// What writes the labelled rows since then, with what they were predicted from.
fn export_since(since: Option<Moment>) -> Option<String> {
    since.map(|since| format!("metric export --features --since {since}"))
}

fn judge(now: i64, version: &VersionReport) -> Judgement {
    let name = version.name();
    let ago = |at: Moment| duration(now.saturating_sub(at.0).max(0));
    let labels = version.rows.labelled;
    let change = &version.change;
    let moves = |spread: &&SpreadReport| spread.drifts_since.is_some() || spread.stuck_since.is_some();
    let mut drifting: Vec<&SpreadReport> = version.drift.features.iter().filter(moves).collect();
    // The prediction moves with the features: by itself it is worth a word.
    if drifting.is_empty() {
        drifting.extend(version.drift.prediction.iter().filter(moves));
    }
    let moved = named(&drifting);

    let changes = [
        (&change.worse, "errors of", "are larger than they were"),
        (&change.higher, "predictions of", "are higher against the labels than they were"),
        (&change.lower, "predictions of", "are lower against the labels than they were"),
    ];
    if let Some((evidence, what, how)) = changes.into_iter().find(|(evidence, ..)| evidence.holds) {
        let since = evidence.since.map(|since| format!(", since about {} ago", ago(since)));
        let sentence = format!("The {what} {name} {how}{}.", since.unwrap_or_default());
        if drifting.is_empty() {
            let advice = "The features look as before, so the labels or the world have changed: look at the rows that are furthest off.";
            return Judgement::of(State::Look, sentence, advice);
        }
        let (them, their, come) =
            if drifting.len() == 1 { ("it", "its", "comes") } else { ("they", "their", "come") };
        let advice = format!(
            "{moved} moved too: find out where {them} {come} from now. If {their} new values are right, train on the rows since then:"
        );
        let command = export_since(moved_since(&drifting).into_iter().chain(evidence.since).min());
        return Judgement { command, ..Judgement::of(State::Look, sentence, advice) };
    }
    // Against the last prediction, for a pipeline that stands still has not lost its labels, and goes on without any.
    let quiet = version.last_predicted.zip(version.predicted_since_label).zip(version.last_labelled);
    let quiet = quiet.map(|((predicted, since), labelled)| {
        let usual = version.labels.longest_quiet.unwrap_or(0);
        let quiet = predicted.0.saturating_sub(labelled.max(since).0);
        (quiet > usual.saturating_mul(QUIETER).max(QUIET)).then_some(labelled)
    });
    if let (Some(Some(labelled)), true) = (quiet, version.rows.waiting > 0) {
        return Judgement::of(
            State::Look,
            format!("{name} predicts, but no label has come for {}.", ago(labelled)),
            "There is no judgement since then: check the producer of labels.",
        );
    }
    if !drifting.is_empty() {
        let since = moved_since(&drifting).unwrap_or(Moment(now));
        let advice = if labels == 0 {
            "No label has come yet, so whether that does harm is not known.".to_owned()
        } else {
            format!("No harm seen yet in {} labels: keep an eye on the errors.", count(labels))
        };
        let (verb, come) = if drifting.len() == 1 { ("is", "it comes") } else { ("are", "they come") };
        let sentence = format!("{moved} {verb} not as before, for {}.", ago(since));
        return Judgement::of(State::Look, sentence, format!("{advice} Find out where {come} from now."));
    }
    if labels == 0 && version.rows.expired > 0 {
        return Judgement::of(
            State::Look,
            format!("{name} has no label, and {} rows have waited in vain.", count(version.rows.expired)),
            "Labels come too late, with other ids, or not at all: check their producer and --label-horizon.",
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
                "If labels usually take longer than that, wait. Otherwise check what publishes them."
                    .to_owned(),
            ),
        };
        return Judgement::of(State::Nothing, sentence, advice);
    }
    if labels < ENOUGH_LABELS {
        let takes = version.first_predicted.map(|first| {
            let each = now.saturating_sub(first.0).max(0) / i64::try_from(labels).unwrap_or(1).max(1);
            each.saturating_mul(i64::try_from(ENOUGH_LABELS - labels).unwrap_or(0))
        });
        return Judgement::of(
            State::Provisional,
            format!(
                "{name} has {} so far: an interval needs {ENOUGH_LABELS}. Until then this is a number, not a judgement.",
                if labels == 1 { "1 label".to_owned() } else { format!("{} labels", count(labels)) }
            ),
            match takes {
                Some(takes) if takes > 0 => format!("Wait: at this rate it takes about {}.", duration(takes)),
                _ => "Wait for more labels.".to_owned(),
            },
        );
    }
    if version.labels.provisional {
        let age = version.first_predicted.map_or_else(String::new, ago);
        let usual = match version.labels.lag_p90 {
            Some(lag) if !lag.more => format!(" (nine tenths come within {})", milliseconds(lag.ms)),
            _ => String::new(),
        };
        return Judgement::of(
            State::Provisional,
            format!("{name} serves for {age}: only labels that came within that time are known{usual}."),
            "Wait for the slower labels before you judge it.",
        );
    }
    if let Some(wanted) = change.labels_wanted {
        return Judgement::of(
            State::Provisional,
            format!("{name} has {} labels, and nothing yet to compare its errors with.", count(labels)),
            format!("Wait for {} more.", count(wanted)),
        );
    }
    let advice = if version.drift.features.is_empty() {
        "Nothing to do. For its features to be watched too, serve a file that `model train` has written."
    } else {
        "Nothing to do."
    };
    Judgement::of(State::Ok, as_expected(&name, version), advice)
}

/// That its errors are as they were where they are compared with, and what they are.
fn as_expected(name: &str, version: &VersionReport) -> String {
    let plain = |value: f64| Decimals::of(value).plain(value);
    let mae = version.scores.last_rows.mae.or(version.scores.since_first.mae);
    let mae = mae.map(|mae| format!(": {} on average", plain(mae.value))).unwrap_or_default();
    let holdout = version.holdout_mae.filter(|_| !mae.is_empty());
    let holdout =
        holdout.map(|held| format!(", {} on the rows held out in training", plain(held))).unwrap_or_default();
    match version.change.reference {
        ReferenceKind::ModelFile => format!("The errors of {name} are as expected{mae}{holdout}."),
        ReferenceKind::FirstRows => format!("The errors of {name} are as in its first labels{mae}{holdout}."),
    }
}

/// Since when the first of them has moved.
fn moved_since(spreads: &[&SpreadReport]) -> Option<Moment> {
    spreads.iter().filter_map(|spread| spread.drifts_since.or(spread.stuck_since)).min()
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
