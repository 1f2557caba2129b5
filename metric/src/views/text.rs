//! A report for people, at a terminal.

mod scores;
mod spread;

use evaluation::identity::ModelRole;
use evaluation::number::{Decimals, count, duration, percent};
use evaluation::report::{
    AlertReport, ChangeReport, Evidence, LabelReport, LagQuantile, Moment, ReferenceKind, Report,
    VersionReport,
};

use super::comparisons;
use crate::page::word;
use crate::status::{aligned, columns};
use scores::{dominated, estimate, scores};
use spread::{drift, slices};

/// So many versions that do not serve are shown, the latest ones.
const VERSIONS: usize = 10;

/// So many of the last notices are shown.
const NOTICES: usize = 5;
/// Shorter lags are not told apart, in milliseconds.
const FINEST_LAG: i64 = 100;

/// The verdict, then the version that it speaks of, then the others in a line each.
pub(crate) fn text(report: &Report) -> String {
    let verdict = &report.verdict;
    let word = word(verdict.state);
    let mut text = format!("{word}: {}\n{}\n", verdict.sentence, verdict.advice);
    if let Some(command) = &verdict.command {
        text += &format!("  {command}\n");
    }
    if let Some(since) = report.since {
        text += &format!("\nThis is of the rows predicted since {since}; those before are left out.\n");
    }
    if let Some(gap) = report.gap {
        text += &format!(
            "\nCommits {} to {} are forgotten (see --retain): this is of what came later.\n",
            gap.first, gap.last
        );
    }
    if !report.alerts.is_empty() {
        text += &format!("\nAlerts\n{}", alerts_of(report));
    }
    let told = verdict.version.and_then(|at| report.versions.get(at));
    if let Some(version) = told {
        text += &one(report, version);
    }
    if !report.comparisons.is_empty() {
        text += &format!("\nWhich version is better\n{}", indented(&comparisons(&report.comparisons)));
    }
    let others: Vec<&VersionReport> = report
        .versions
        .iter()
        .enumerate()
        .rev()
        .filter(|(at, version)| Some(*at) != verdict.version && version.role != ModelRole::Shadow)
        .map(|(_, version)| version)
        .collect();
    if !others.is_empty() {
        text += &format!("\nOther versions\n{}", other_versions(report, &others));
    }
    if report.older_versions > 0 {
        text += &format!(
            "\n{} older versions are not looked at any more; `metric report --model NAME@VERSION` shows one.\n",
            report.older_versions
        );
    }
    text
}

fn alerts_of(report: &Report) -> String {
    let row = |alert: &AlertReport| {
        let since = alert
            .since
            .map_or_else(String::new, |since| format!("since {since} ({})", ago(report.at, since)));
        vec![alert.state.word().to_owned(), alert.rule.clone(), since]
    };
    let rows: Vec<Vec<String>> = report.alerts.iter().map(row).collect();
    let mut text = indented(&columns(&rows, |_| false));
    for notice in report.notices.iter().take(NOTICES) {
        text += &format!("  {}: {}\n", notice.at, notice.text);
    }
    text
}

fn one(report: &Report, version: &VersionReport) -> String {
    let since = version
        .first_predicted
        .map_or_else(String::new, |first| format!(", predicts since {first} ({})", ago(report.at, first)));
    let mut text = format!("\n{}{since}\n", version.name());
    text += &format!("\nHow good is it\n{}", scores(report, version));
    for warning in dominated(version) {
        text += &format!("  {warning}\n");
    }
    text += &format!("\nCan I trust that\n{}", labels(version));
    text += &format!("\nHas it changed\n{}", change(report.at, &version.change));
    text += &drift(report.at, version);
    if !version.worst_slices.is_empty() {
        text +=
            &format!("\nWhere is it worse than elsewhere, beyond noise\n{}", slices(&version.worst_slices));
    }
    if !version.missing.is_empty() {
        text += "\nNot known\n";
        version.missing.iter().for_each(|what| text += &format!("  {what}\n"));
    }
    text
}

fn ago(now: Moment, at: Moment) -> String {
    format!("{} ago", duration(now.0.saturating_sub(at.0).max(0)))
}

/// Two spaces before each line.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn labels(version: &VersionReport) -> String {
    let (rows, labels) = (&version.rows, &version.labels);
    let share = |part: u64| percent(part as f64 / rows.predicted.max(1) as f64);
    let mut text = format!(
        "  Of {} rows, {} are labelled ({}), {} wait, {} expired.\n",
        count(rows.predicted),
        count(rows.labelled),
        share(rows.labelled),
        count(rows.waiting),
        count(rows.expired)
    );
    if rows.anonymous > 0 {
        text += &format!("  {} more rows have no id: no label can meet them.\n", count(rows.anonymous));
    }
    let LabelReport { lag_p50, lag_p90, coverage, weighted_mae, weighted_rows, .. } = labels;
    if let (Some(half), Some(most)) = (lag_p50, lag_p90) {
        text +=
            &format!("  Half of the labels come within {}, nine tenths within {}.\n", lag(half), lag(most));
    }
    if let Some(coverage) = coverage {
        text += &format!("  Of the rows that are older than that, {} are labelled.\n", percent(*coverage));
    }
    if rows.waiting > 0 {
        if let (Some(mae), Some(effective)) = (weighted_mae, weighted_rows) {
            text += &format!(
                "  With slow labels counted for those that wait, the mean absolute error is {} (as good as {} rows).\n",
                Decimals::of(*mae).plain(*mae),
                Decimals::of(*effective).plain(effective.round())
            );
        }
        if let (Some(least), Some(most)) = (labels.mae_at_least, labels.mae_at_most) {
            text += &format!(
                "  If the waiting rows have no error it is {}, if each is as bad as the worst 1 % so far {}.\n",
                Decimals::of(least).plain(least),
                Decimals::of(most).plain(most)
            );
        }
    }
    if labels.provisional {
        text += "  The version is young against its lags: only quick labels can be known yet.\n";
    }
    text
}

fn lag(of: &LagQuantile) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a cast of a large float saturates")]
    let time = duration((of.ms.round() as i64).max(FINEST_LAG));
    if of.more { format!("more than {time}") } else { time }
}

fn change(now: Moment, change: &ChangeReport) -> String {
    let reference = match change.reference {
        ReferenceKind::ModelFile => "errors on rows that the fit had not seen",
        ReferenceKind::FirstRows => "first errors",
    };
    if let Some(wanted) = change.labels_wanted {
        return format!(
            "  Errors will be compared with the {reference}: {} more labels are needed.\n",
            count(wanted)
        );
    }
    let line = |what: &str, of: &Evidence| {
        let evidence = format!("evidence 10^{:.1} of 10^{:.1}", of.log10, of.limit_log10);
        match (of.since, of.holds) {
            (Some(since), true) => {
                format!("  {what}: yes, since about {since} ({}); {}.\n", ago(now, since), alarms(of))
            }
            (Some(_), false) => format!("  {what}: not now ({evidence}); {}.\n", alarms(of)),
            (None, _) => format!("  {what}: no ({evidence}).\n"),
        }
    };
    format!(
        "{}{}{}  Compared with the {reference}.\n",
        line("Errors are larger", &change.worse),
        line("Predictions are higher against the labels", &change.higher),
        line("Predictions are lower against the labels", &change.lower),
    )
}

fn alarms(of: &Evidence) -> String {
    let last = of.last_alarm.map(|at| format!(", the last one at {at}")).unwrap_or_default();
    match of.alarms {
        1 => format!("1 alarm{last}"),
        alarms => format!("{} alarms{last}", count(alarms)),
    }
}

fn other_versions(report: &Report, others: &[&VersionReport]) -> String {
    let mut rows: Vec<Vec<String>> = vec![
        ["", "predicted", "labelled", "mean absolute error", "last predicted", ""].map(str::to_owned).into(),
    ];
    for version in others.iter().take(VERSIONS) {
        rows.push(vec![
            version.name(),
            count(version.rows.predicted),
            count(version.rows.labelled),
            version.scores.since_first.mae.map_or_else(|| "-".to_owned(), estimate),
            version.last_predicted.map_or_else(|| "-".to_owned(), |last| ago(report.at, last)),
            if version.serves { "the last of its model" } else { "" }.to_owned(),
        ]);
    }
    let mut text = indented(&aligned(&rows));
    if let more @ 1.. = others.len().saturating_sub(VERSIONS) {
        text += &format!("  and {more} more\n");
    }
    text
}
