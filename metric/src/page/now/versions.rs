//! Which version is better?

use evaluation::identity::ModelRole;
use evaluation::number::{count, duration};
use evaluation::report::{Report, VersionReport};
use maud::{Markup, html};

use super::{axis, compared, named, section as part_of_page};
use crate::plot::{dots, dots_axis};

/// So many are shown, the latest ones.
const SHOWN: usize = 10;

pub(super) fn section(report: &Report, told: usize) -> Markup {
    let mut versions: Vec<(usize, &VersionReport)> = report.versions.iter().enumerate().collect();
    versions.retain(|(_, version)| version.role != ModelRole::Shadow);
    versions.sort_by_key(|(_, version)| std::cmp::Reverse(version.last_predicted));
    let only = versions.len() == 1;
    let words = html! {
        @if let Some(comparison) = report.comparisons.first() { (compared::said(comparison)) } @else if only { p { "There is only one so far." } } @else {
            p { "Each has predicted its own rows, so their errors are a hint: another time may have had other rows." }
        }
    };
    let evidence = html! {
        @if !report.comparisons.is_empty() { (compared::comparisons(&report.comparisons)) }
        @if only && report.comparisons.is_empty() { p class="muted" { "Swap the model file, and the next version stands here beside this one." } } @else if !only {
            (table(report, &versions[..versions.len().min(SHOWN)], told))
            @if let more @ 1.. = versions.len().saturating_sub(SHOWN) + report.older_versions {
                p class="hint" { (count(more as u64)) " older ones are not shown; " code { "metric report --model NAME@VERSION" } " shows one." }
            }
        }
    };
    part_of_page("versions", "Which version is better?", &words, &evidence)
}

fn table(report: &Report, versions: &[(usize, &VersionReport)], told: usize) -> Markup {
    let mae = |version: &VersionReport| version.scores.since_first.mae;
    let axis = axis(versions.iter().filter_map(|(_, version)| mae(version)));
    html! {
        div class="figure" id="each-version" {
            h3 { "MAE of all labels of each version" }
            p class="hint" { "bar: 95 % interval that holds at every moment" }
            div class="scroll" tabindex="0" role="region" aria-label="MAE of all labels of each version" {
                table {
                    thead { tr { th scope="col" { "Version" } th scope="col" class="number" { "Labels" } th scope="col" class="number" { "MAE" } td {} th scope="col" { "Last predicted" } } }
                    tbody {
                        @for (at, version) in versions {
                            @let of = mae(version);
                            tr {
                                th scope="row" { (named(version)) }
                                td class="number" { (count(version.rows.labelled)) }
                                td class="figure-cell" { (of.map_or_else(|| "–".to_owned(), |of| of.written().0)) }
                                td class="plot-cell" { @if let Some(of) = of { (dots(of.value, of.closed_ends(), axis, if *at == told { "serving" } else { "former" })) } }
                                td class="state" {
                                    @if version.serves { "serves" }
                                    @else if let Some(last) = version.last_predicted { (duration(report.at.0.saturating_sub(last.0).max(0))) " ago" }
                                }
                            }
                        }
                    }
                    tfoot { tr { td colspan="3" {} td class="plot-cell" { (dots_axis(axis)) } td {} } }
                }
            }
        }
    }
}
