//! What happened?

use evaluation::alert::State;
use evaluation::identity::ModelRole;
use evaluation::number::{Decimals, count};
use evaluation::pairs::Finding;
use evaluation::report::{Moment, Report, VersionReport};
use maud::{Markup, html};

use super::section as part_of_page;
use crate::page::symbol;
use crate::page::words::Zone;

/// So many are shown, the latest ones.
const SHOWN: usize = 20;

struct Event {
    at: Moment,
    symbol: Markup,
    text: Markup,
}

pub(super) fn section(report: &Report, zone: Zone) -> Markup {
    let mut events = swaps(report);
    events.extend(changes(report));
    events.extend(decisions(report));
    events.extend(report.notices.iter().map(|notice| Event {
        at: notice.at,
        symbol: if notice.state == State::Inactive { symbol::over() } else { symbol::look() },
        text: html! { (notice.text) },
    }));
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    events.truncate(SHOWN);
    let firing = report.alerts.iter().filter(|alert| alert.state == State::Firing).count();
    let words = html! {
        p {
            @match (report.alerts.len(), firing) {
                (0, _) => "No alert rule is watched.",
                (_, 0) => "No alert fires.",
                (_, 1) => "One alert fires.",
                (_, firing) => { (count(firing as u64)) " alerts fire." },
            }
        }
        @if report.alerts.is_empty() { p class="hint" { "Rules such as " code { "--alert 'mae{window=500} > 60 for 3'" } " are watched while it runs." } }
    };
    let mut day = String::new();
    let mut is_new_day = |at: Moment| {
        let of = zone.day(at);
        let is_new = of != day;
        day = of;
        is_new
    };
    let evidence = html! {
        @if !report.alerts.is_empty() { (rules(report, zone)) }
        @if events.is_empty() { p class="muted" { "Nothing yet." } } @else {
            ul class="events" {
                @for event in &events {
                    @if is_new_day(event.at) { li class="day" { (zone.day(event.at)) } }
                    li { (zone.time(event.at)) (event.symbol) span { (event.text) } }
                }
            }
        }
    };
    part_of_page("events", "What happened?", &words, &evidence)
}

/// The versions that serve or did.
fn serving(report: &Report) -> impl Iterator<Item = &VersionReport> {
    report.versions.iter().filter(|version| version.role == ModelRole::Serving)
}

/// What was decided of swaps.
fn decisions(report: &Report) -> impl Iterator<Item = Event> {
    report.comparisons.iter().filter_map(|of| {
        let decided = of.decided?;
        let (new, old, rows) = (of.new.name(), of.old.name(), count(decided.rows));
        let by = Decimals::of(decided.difference).plain(decided.difference.abs());
        let (symbol, text) = match of.finding {
            Finding::Worse => (
                symbol::back(),
                html! { code { (new) } " is worse than " code { (old) } ", by " (by) " on " (rows) " rows" },
            ),
            Finding::Better => (
                symbol::over(),
                html! { code { (new) } " is better than " code { (old) } ", by " (by) " on " (rows) " rows" },
            ),
            Finding::NotWorse => (
                symbol::over(),
                html! { code { (new) } " is not worse than " code { (old) } ", by " (rows) " rows" },
            ),
            Finding::Undecided => (
                symbol::wait(),
                html! { code { (new) } " and " code { (old) } " could not be told apart by " (rows) " rows" },
            ),
        };
        Some(Event { at: decided.at, symbol, text })
    })
}

fn swaps(report: &Report) -> Vec<Event> {
    let mut versions: Vec<_> = serving(report).filter_map(|of| Some((of.first_predicted?, of))).collect();
    versions.sort_by_key(|(at, _)| *at);
    let before = |at: usize| at.checked_sub(1).and_then(|before| versions.get(before));
    let event = |(at, (first, version)): (usize, &(Moment, &VersionReport))| Event {
        at: *first,
        symbol: symbol::swap(),
        text: html! { code { (version.name()) } " serves" @if let Some((_, before)) = before(at) { ", after " code { (before.name()) } } },
    };
    versions.iter().enumerate().map(event).collect()
}

/// What has changed of the versions, each since when it is so.
fn changes(report: &Report) -> Vec<Event> {
    let event = |at: Moment, text: Markup| Event { at, symbol: symbol::look(), text };
    let mut events = Vec::new();
    for version in serving(report) {
        let name = version.name();
        for spread in &version.drift.features {
            if let Some(since) = spread.drifts_since {
                let how = spread.words.as_deref().unwrap_or("moved");
                events.push(event(
                    since,
                    html! { strong { (spread.name) } " is " (how) ", at " code { (name) } },
                ));
            } else if let Some(since) = spread.stuck_since {
                events
                    .push(event(since, html! { strong { (spread.name) } " is stuck, at " code { (name) } }));
            }
        }
        let change = &version.change;
        for (evidence, how) in [
            (&change.worse, "errors are larger"),
            (&change.higher, "predictions are higher against the labels"),
            (&change.lower, "predictions are lower against the labels"),
        ] {
            if let Some(since) = evidence.since.filter(|_| evidence.holds) {
                events.push(event(since, html! { (how) ", at " code { (name) } ", since about then" }));
            }
        }
    }
    events
}

fn rules(report: &Report, zone: Zone) -> Markup {
    html! {
        div class="figure scroll" {
            table {
                thead { tr { th scope="col" { "Alert rule" } th scope="col" { "State" } } }
                tbody {
                    @for alert in &report.alerts {
                        tr {
                            th scope="row" { code { (alert.rule) } }
                            td class={ "state" (if alert.state == State::Firing { " look" } else { "" }) } {
                                (alert.state.word()) @if let Some(since) = alert.since { " since " (zone.time(since)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
