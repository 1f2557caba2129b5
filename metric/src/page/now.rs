//! How the model is now: a verdict, four answers, and the evidence for each.

mod account;
mod changed;
mod compared;
mod events;
mod good;
mod trust;
mod verdict;
mod versions;
mod wrong;

use evaluation::number::percent;
use evaluation::report::{Report, VersionReport};
use evaluation::table::Estimate;
use maud::{Markup, html};

use super::layout::{Place, page, word};
use super::words::Zone;
use crate::disk::Disk;
use crate::plot::{Figure, Score};

/// What is wanted of the page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) score: Score,
    pub(super) zone: Zone,
}

/// The page.
pub(super) fn now(report: &Report, disk: Option<&Disk>, wanted: Wanted) -> String {
    let told = report.verdict.version.and_then(|at| Some((at, report.versions.get(at)?)));
    let contents = html! {
        (verdict::section(report, wanted.zone))
        @if !report.answers.is_empty() { (verdict::answers(report)) }
        @if let Some((at, version)) = told {
            (good::section(report, at, version, wanted))
            (trust::section(report, version, wanted.zone))
            (changed::section(report, version, wanted.zone))
            (versions::section(report, at))
            (wrong::section(version, wanted.zone))
        }
        (events::section(report, wanted.zone))
        (account::section(report, disk))
    };
    page(Place::Now, &title(report), Some(report), wanted.zone, &contents)
}

/// `Look · MAE 57.9 · pipeline`.
fn title(report: &Report) -> String {
    let version = report.verdict.version.and_then(|at| report.versions.get(at));
    let mae = version.and_then(|version| version.scores.last_rows.mae);
    let mae = mae.map(|mae| format!(" · MAE {}", mae.written().0)).unwrap_or_default();
    format!("{}{mae} · pipeline", word(report.verdict.state))
}

/// A question, what there is to say in words on the left, and the evidence on the right.
fn section(id: &str, question: &str, words: &Markup, evidence: &Markup) -> Markup {
    html! {
        section id=(id) data-live aria-labelledby={ (id) "-h" } {
            div class="words" {
                h2 id={ (id) "-h" } { (question) }
                (words)
            }
            div { (evidence) }
        }
    }
}

/// A chart under its title and what its marks are, or why there is none.
fn chart(figure: Result<Figure, String>) -> Markup {
    match figure {
        Ok(figure) => html! { h3 { (figure.title) } p class="hint" { (figure.hint) } (figure) },
        Err(why) => html! { p class="muted" { (why) } },
    }
}

/// The common axis of values: from 0 to a little above the largest of them and of the ends of their intervals.
fn axis(values: impl Iterator<Item = Estimate>) -> (f64, f64) {
    let ends = values.map(|of| of.closed_ends().map_or(of.value, |(_, high)| high.max(of.value)));
    (0.0, ends.fold(0.0, f64::max) * 1.15)
}

/// What a part is of all, in percent.
fn part(of: u64, all: u64) -> String {
    percent(of as f64 / all.max(1) as f64)
}

/// The name of a version, as code.
fn named(version: &VersionReport) -> Markup {
    html! { code { (version.name()) } }
}
