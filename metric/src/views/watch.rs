//! A report for a terminal of 80 columns and 24 lines, to be drawn again and again.

use evaluation::alert::State as AlertState;
use evaluation::number::{count, duration, percent};
use evaluation::report::{Answer, Moment, Question, Report, VersionReport};

use crate::page::word;

/// The bars of a line, from low to high.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// How long that line is.
const LONG: usize = 48;
/// How wide the terminal is.
const WIDE: usize = 80;
/// So many features and events are named.
const NAMED: usize = 3;

/// The verdict, the answers, the score over time, what moved and what happened; at most 24 lines.
pub(crate) fn watch(report: &Report) -> String {
    let verdict = &report.verdict;
    let mut lines =
        vec![format!("{}: {}", word(verdict.state), verdict.sentence), verdict.advice.clone(), String::new()];
    lines.extend(
        report
            .answers
            .iter()
            .map(|answer| format!("{:<24}{}: {}", asked(answer), answer.answer, answer.reason)),
    );
    if let Some(version) = verdict.version.and_then(|at| report.versions.get(at)) {
        lines.push(String::new());
        lines.extend(score(version));
        lines.push(rows(version));
        lines.push(String::new());
        lines.extend(moved(version));
    }
    let firing = report.alerts.iter().filter(|alert| alert.state == AlertState::Firing);
    lines.extend(firing.take(NAMED).map(|alert| format!("fires: {}", alert.rule)));
    lines.extend(swaps(report));
    lines.iter().map(|line| cut(line) + "\n").collect()
}

/// What fits into a line.
fn cut(line: &str) -> String {
    if line.chars().count() <= WIDE {
        return line.to_owned();
    }
    line.chars().take(WIDE - 1).chain(['…']).collect()
}

fn asked(answer: &Answer) -> &'static str {
    match answer.question {
        Question::HowGood => "How good is it?",
        Question::Trust => "Can I trust that?",
        Question::Changed => "What changed?",
        Question::Better => "Which is better?",
    }
}

/// Mean absolute errors over time, as bars from 0 to the largest.
fn score(version: &VersionReport) -> Option<String> {
    let panes: Vec<f64> =
        version.timeline.iter().filter_map(|pane| pane.mae.filter(|mae| mae.is_finite())).collect();
    let shown = &panes[panes.len().saturating_sub(LONG)..];
    let largest = shown.iter().copied().reduce(f64::max).filter(|largest| *largest > 0.0)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 7")]
    let bar = |mae: &f64| BARS[((mae / largest * 8.0).ceil() as usize).clamp(1, BARS.len()) - 1];
    let bars: String = shown.iter().map(bar).collect();
    Some(format!("MAE, each {:<8}{bars}", duration(version.timeline_pane)))
}

fn rows(version: &VersionReport) -> String {
    let of = &version.rows;
    let share = percent(of.labelled as f64 / of.predicted.max(1) as f64);
    format!(
        "rows              {} predicted, {} labelled ({share}), {} wait, {} expired",
        count(of.predicted),
        count(of.labelled),
        count(of.waiting),
        count(of.expired)
    )
}

fn moved(version: &VersionReport) -> Vec<String> {
    let spreads = version.drift.features.iter().chain(&version.drift.prediction);
    let moved = spreads.filter(|spread| spread.drifts_since.is_some() || spread.stuck_since.is_some());
    moved
        .take(NAMED)
        .map(|spread| {
            format!("moved: {}, {}", spread.name, spread.words.as_deref().unwrap_or("not as before"))
        })
        .collect()
}

/// The versions, the latest first.
fn swaps(report: &Report) -> Vec<String> {
    let mut versions: Vec<&VersionReport> =
        report.versions.iter().filter(|version| version.first_predicted.is_some()).collect();
    versions.sort_by_key(|version| std::cmp::Reverse(version.first_predicted));
    let ago = |at: Option<Moment>| duration(at.map_or(0, |at| report.at.0.saturating_sub(at.0).max(0)));
    let line = |version: &&VersionReport| match version.serves {
        true => format!("→ {} serves, for {}", version.name(), ago(version.first_predicted)),
        false => format!("  {} served, last {} ago", version.name(), ago(version.last_predicted)),
    };
    versions.iter().take(NAMED).map(line).collect()
}
