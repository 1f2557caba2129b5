//! What changed?

use evaluation::number::{Decimals, count, duration};
use evaluation::report::{ChangeReport, Evidence, Moment, Report, SpreadReport, VersionReport};
use maud::{Markup, html};

use super::{chart, section as part_of_page};
use crate::page::symbol;
use crate::page::words::{Zone, capital};
use crate::plot::{DRIFT, Span, drift_hint, evidence, has_moved, not_yet, spread};

/// So many features are shown, those that moved most; the others are folded.
const SHOWN: usize = 5;
/// So many more are folded.
const FOLDED: usize = 25;

pub(super) fn section(report: &Report, version: &VersionReport, zone: Zone) -> Markup {
    let right = html! {
        div class="figure" { (chart(evidence(version, zone, Span::Fluid))) }
        (features(version))
    };
    part_of_page("changed", "What changed?", &words(report, version), &right)
}

fn since(spread: &SpreadReport) -> Option<Moment> {
    spread.drifts_since.or(spread.stuck_since)
}

fn words(report: &Report, version: &VersionReport) -> Markup {
    let spreads = || version.drift.features.iter().chain(&version.drift.prediction);
    let ago = |at: Moment| duration(report.at.0.saturating_sub(at.0).max(0));
    let moved: Vec<&SpreadReport> = spreads().filter(|spread| has_moved(spread)).collect();
    let ChangeReport { worse, higher, lower, .. } = &version.change;
    let changes: Vec<(&str, &Evidence)> = [
        ("Errors have grown", worse),
        ("Predictions are higher against the labels", higher),
        ("Predictions are lower against the labels", lower),
    ]
    .into_iter()
    .filter(|(_, evidence)| evidence.holds)
    .collect();
    let known =
        spreads().all(|spread| spread.rows_wanted.is_none()) && version.change.labels_wanted.is_none();
    html! {
        @if moved.is_empty() && changes.is_empty() {
            p { @if known { "Nothing. Neither the errors nor any feature moved more than chance explains." } @else { "Too early to say." } }
        }
        @for spread in moved.iter().take(3) {
            p { strong { (spread.name) } " moved, " @if let Some(at) = since(spread) { "for " (ago(at)) } @if let Some(words) = &spread.words { ": " (words) } "." }
        }
        @for (what, evidence) in &changes {
            p { (what) @if let Some(at) = evidence.since { ", since about " (ago(at)) " ago" } "." }
        }
        @if !moved.is_empty() && changes.is_empty() && known {
            p class="hint" { "Drift alone is no harm: the errors are as before." }
        }
        @for missing in &version.missing { p class="hint" { (capital(missing)) "." } }
    }
}

fn features(version: &VersionReport) -> Markup {
    let drift = &version.drift;
    let all: Vec<&SpreadReport> = drift.features.iter().collect();
    if let Some(why) = not_yet(version) {
        return html! { div class="figure" { p class="muted" { (why) } } };
    }
    let (first, rest) = all.split_at(all.len().min(SHOWN));
    let moved = rest.iter().filter(|spread| has_moved(spread)).count();
    let (folded, last) = rest.split_at(rest.len().min(FOLDED));
    html! {
        div class="figure" {
            h3 { (DRIFT) }
            p class="hint" { (drift_hint(version)) }
            (table(&[first, &drift.prediction.iter().collect::<Vec<_>>()].concat(), true))
            @if !rest.is_empty() {
                details {
                    summary { (count(rest.len() as u64)) " more, " @if moved == 0 { "none moved" } @else { (moved) " moved" } }
                    (table(folded, false))
                    @if !last.is_empty() { p class="hint" { (count(last.len() as u64)) " more, which moved less: see " a href="./model" { "Model" } "." } }
                }
            }
        }
    }
}

fn table(spreads: &[&SpreadReport], with_head: bool) -> Markup {
    let number =
        |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| Decimals::fixed(2).plain(value));
    html! {
        div class="scroll" {
            table {
                thead class=[(!with_head).then_some("hidden")] { tr {
                    th scope="col" { "Feature" } th scope="col" { "Last rows" }
                    th scope="col" class="number" { abbr title="population stability index: how far the bars are from the outline" { "PSI" } }
                    th scope="col" class="number" { "by chance" } th scope="col" { "State" }
                } }
                tbody {
                    @for of in spreads {
                        @let drifts = has_moved(of);
                        tr class=[drifts.then_some("drifts")] {
                            th scope="row" { (of.name) }
                            td class="bars" { (spread(&of.name, &of.bins, drifts)) }
                            td class="number" { (number(of.psi)) }
                            td class="number muted" { (number(of.psi_noise)) }
                            td class={ "state" (if drifts { " look" } else { "" }) } {
                                @if drifts { (symbol::look()) " " (of.words.as_deref().unwrap_or("moved")) } @else { "steady" }
                            }
                        }
                    }
                }
            }
        }
    }
}
