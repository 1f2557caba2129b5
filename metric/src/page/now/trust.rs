//! Can I trust that number?

use evaluation::number::{count, duration};
use evaluation::report::{LagQuantile, Report, Rows, VersionReport};
use maud::{Markup, html};

use super::{chart, part, section as part_of_page};
use crate::page::words::{Zone, number};
use crate::plot::{Span, lag};

/// From so many labels on it is shown how late they are.
const ENOUGH: u64 = 30;

pub(super) fn section(report: &Report, version: &VersionReport, zone: Zone) -> Markup {
    let evidence = html! {
        (shares(version, zone))
        div class="figure" { (chart(lag(version, Span::Fluid))) }
    };
    part_of_page("trust", "Can I trust that number?", &words(report, version), &evidence)
}

fn words(report: &Report, version: &VersionReport) -> Markup {
    let (rows, labels) = (&version.rows, &version.labels);
    let age = version.first_predicted.map(|first| report.at.0.saturating_sub(first.0).max(0));
    html! {
        p {
            @match (rows.labelled, labels.provisional, labels.lag_p50) {
                (0, ..) => "Not yet: no label has come.",
                (_, true, _) => { "Not yet. Quick labels may differ from slow ones, and only quick ones can have come." },
                (labelled, ..) if labelled < ENOUGH => { "Not yet: one unlucky row can move the mean of " (count(labelled)) " by a lot." },
                (_, _, Some(half)) => { "Half of the labels come within " (lag_time(&half)) ", and " (count(rows.waiting)) " rows still wait." },
                _ => { (count(rows.waiting)) " rows still wait for their label." },
            }
        }
        @if labels.provisional { @if let Some(age) = age {
            p class="hint" { "It has predicted for " (duration(age)) "; how late labels come is known once some have been waited for." }
        } }
        @if rows.waiting > 0 && rows.labelled >= ENOUGH {
            @if let (Some(least), Some(most)) = (labels.mae_at_least, labels.mae_at_most) {
                p class="hint" {
                    "If the waiting rows have no error, MAE of all its rows is " (number(least)) "; if each is as bad as the worst hundredth so far, "
                    (number(most)) "."
                }
            }
            @if let Some(weighted) = labels.weighted_mae {
                p class="hint" { "With slow labels counted for those that wait, it is " (number(weighted)) "." }
            }
        }
        @if rows.anonymous > 0 {
            p class="hint" { (count(rows.anonymous)) " more predictions have no id: no label can meet them." }
        }
    }
}

fn lag_time(of: &LagQuantile) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a cast of a large float saturates")]
    let time = duration(of.ms.round() as i64);
    if of.more { format!("more than {time}") } else { time }
}

fn shares(version: &VersionReport, zone: Zone) -> Markup {
    let Rows { predicted, labelled, waiting, expired, .. } = version.rows;
    let wide = |of: u64| format!("{:.3}%", of as f64 / predicted.max(1) as f64 * 100.0);
    let square = |class: &str| html! { svg viewBox="0 0 10 10" aria-hidden="true" { rect class=(class) width="10" height="10" {} } };
    html! {
        div class="figure" {
            h3 { (count(predicted)) " predictions" @if let Some(first) = version.first_predicted { " since " (zone.time(first)) } }
            div class="share" {
                svg width="100%" height="16" aria-hidden="true" {
                    rect class="labelled-bar" x="0" width=(wide(labelled)) height="16" {}
                    rect class="waiting-bar" x=(wide(labelled)) width=(wide(waiting)) height="16" {}
                    rect class="expired-bar" x=(wide(labelled + waiting)) width=(wide(expired)) height="16" {}
                }
            }
            ul class="key" {
                li { (square("labelled-bar")) strong { (count(labelled)) } " labelled " span class="muted" { (part(labelled, predicted)) } }
                li { (square("waiting-bar")) strong { (count(waiting)) } " waiting " span class="muted" { (part(waiting, predicted)) } }
                li { (square("expired-bar")) strong { (count(expired)) } " expired " span class="muted" { (part(expired, predicted)) } }
            }
        }
    }
}
