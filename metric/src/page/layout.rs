//! What all pages have: head, links to the others, what was seen last, and where the numbers come from.

use evaluation::number::duration;
use evaluation::report::{Report, State};
use maud::{DOCTYPE, Markup, html};

use super::words::{Zone, ago};
use super::{assets, symbol};

/// The pages, in the order of their links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Now,
    Rows,
    Model,
    Try,
}

impl Place {
    const ALL: [(Self, &str, &str); 4] = [
        (Self::Now, "./", "Now"),
        (Self::Rows, "./rows", "Rows"),
        (Self::Try, "./try", "Try"),
        (Self::Model, "./model", "Model"),
    ];

    /// What it is called.
    fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(of, ..)| *of == self).map_or("", |(.., name)| name)
    }

    /// By its name.
    pub(super) fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(.., of)| *of == name).map(|(of, ..)| of)
    }

    /// The title of its window, where nothing of it is news.
    pub(super) fn title(self) -> String {
        format!("{} · pipeline", self.name())
    }

    /// Where that is had of it which changes, if that is not all of it.
    fn news(self) -> Option<String> {
        (self != Self::Now).then(|| format!("./frame?of={}", self.name()))
    }
}

/// A page with this title, these contents, and the report that it is of, if there is one.
pub(super) fn page(
    place: Place,
    title: &str,
    report: Option<&Report>,
    zone: Zone,
    contents: &Markup,
) -> String {
    let html = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if report.is_none() { meta http-equiv="refresh" content="2"; }
                title { (title) }
                link rel="icon" href=(assets::ICON.path()) type="image/svg+xml";
                link rel="stylesheet" href=(assets::STYLE.path());
                script src=(assets::SCRIPT.path()) defer {}
            }
            body {
                a class="skip" href="#main" { "To the answers" }
                header class="top" {
                    strong { "pipeline" }
                    nav aria-label="Pages" {
                        @for (of, path, name) in Place::ALL {
                            a href=(path) aria-current=[(of == place).then_some("page")] { (name) }
                        }
                    }
                    p id="seen" class="seen" data-live {
                        @if let Some(report) = report {
                            @if place != Place::Now { a href="./" { (symbol::state(report.verdict.state)) " " (word(report.verdict.state)) } }
                            (seen(report))
                        }
                    }
                }
                main id="main" data-news=[place.news()] { (contents) }
                footer {
                    @if let Some(report) = report { (sources(report, zone)) }
                }
                p class="hidden" id="said" role="status" {}
            }
        }
    };
    unbroken(&html.into_string())
}

/// Where nothing has come for so long, in milliseconds, the dot is hollow.
const IDLE: i64 = 60_000;

/// Numbers and their units stay on one line, but in what is copied: a command is not to have another kind of space.
fn unbroken(html: &str) -> String {
    const UNITS: [&str; 9] = ["%", "ms", "s", "min", "h", "d", "kB", "MB", "GB"];
    let ends = |rest: &str| !rest.starts_with(|letter: char| letter.is_alphanumeric());
    let is_unit = |rest: &str| UNITS.iter().any(|unit| rest.strip_prefix(unit).is_some_and(ends));
    let mut text = String::with_capacity(html.len() + html.len() / 64);
    let (mut in_tag, mut in_code) = (false, false);
    let mut before = ' ';
    for (at, letter) in html.char_indices() {
        match letter {
            '<' => {
                in_tag = true;
                in_code = (in_code || html[at..].starts_with("<code")) && !html[at..].starts_with("</code>");
            }
            '>' => in_tag = false,
            _ => {}
        }
        let joins =
            letter == ' ' && before.is_ascii_digit() && !in_tag && !in_code && is_unit(&html[at + 1..]);
        text.push(if joins { '\u{a0}' } else { letter });
        before = letter;
    }
    text
}

/// When the last prediction and the last label came.
fn seen(report: &Report) -> Markup {
    let versions = || report.versions.iter();
    let label = versions().filter_map(|version| version.last_labelled).max();
    let prediction = versions().filter_map(|version| version.last_predicted).max();
    let is_idle = label.max(prediction).is_none_or(|last| report.at.0.saturating_sub(last.0) > IDLE);
    html! {
        span class={ "beat" (if is_idle { " idle" } else { "" }) } aria-hidden="true" {}
        span class="state" {
            @match (prediction, label) {
                (Some(prediction), Some(label)) => { "last prediction " (ago(report.at, prediction)) ", label " (ago(report.at, label)) }
                (Some(prediction), None) => { "last prediction " (ago(report.at, prediction)) ", no label yet" }
                (None, Some(label)) => { "last label " (ago(report.at, label)) }
                (None, None) => { "nothing yet" }
            }
        }
    }
}

fn sources(report: &Report, zone: Zone) -> Markup {
    html! {
        p id="sources" data-live {
            span { "pipeline " (env!("CARGO_PKG_VERSION")) }
            span { "state of " (zone.whole(report.at)) ", " (zone.name()) }
            a href="./api/v1/report" { "The numbers as JSON" }
            a href="./api/v1/openapi.json" { "API" }
            a href="./?as=text" { "As text" }
        }
    }
}

/// The word of a state, as the verdict has it.
pub(crate) fn word(state: State) -> &'static str {
    match state {
        State::Nothing => "Nothing yet",
        State::Ok => "OK",
        State::Provisional => "Provisional",
        State::RolledBack => "Rolled back",
        State::Look => "Look",
    }
}

/// What is shown where the records cannot be read now.
pub(super) fn problem(why: &str) -> String {
    let contents = html! {
        section class="verdict" {
            h1 { (symbol::wait()) " Not now" }
            div { p class="sentence" { (why) } }
        }
    };
    page(Place::Rows, "Not now · pipeline", None, Zone::default(), &contents)
}

/// What is shown while what was recorded earlier is evaluated, or where that stands still.
pub(super) fn not_yet(behind: u64, trouble: Option<&str>) -> String {
    let contents = html! {
        section class="verdict" {
            h1 { (super::symbol::wait()) " Catching up" }
            div {
                @match trouble {
                    Some(why) => p class="sentence" { "The evaluation stands still, and recording goes on: " (why) },
                    None => p class="sentence" { "What was recorded earlier is still being evaluated: " (evaluation::number::count(behind)) " commits to go." },
                }
                p { "This page looks again every " (duration(2000)) "." }
            }
        }
    };
    page(Place::Now, "Catching up · pipeline", None, Zone::default(), &contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_unit_and_all_else_is_as_it_was() {
        for (html, want) in [
            ("<p>98 % in 12 s</p>", "<p>98\u{a0}% in 12\u{a0}s</p>"),
            ("<p>3 days, 5 seconds, 7 states, x s</p>", "<p>3 days, 5 seconds, 7 states, x s</p>"),
            ("<p>5 MB, 1.2 h.</p>", "<p>5\u{a0}MB, 1.2\u{a0}h.</p>"),
            ("<i title=\"5 s\">5 ms</i>", "<i title=\"5 s\">5\u{a0}ms</i>"),
            ("<code class=\"a\">for 5 s</code> 5 s", "<code class=\"a\">for 5 s</code> 5\u{a0}s"),
            ("ä5 %", "ä5\u{a0}%"),
        ] {
            assert_eq!(unbroken(html), want);
        }
    }
}
