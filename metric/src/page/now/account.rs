//! Does every row add up?

use evaluation::number::count;
use evaluation::report::Report;
use maud::{Markup, html};

use super::section as part_of_page;

pub(super) fn section(report: &Report) -> Markup {
    let sum = |of: fn(&evaluation::report::Rows) -> u64| {
        report.versions.iter().map(|version| of(&version.rows)).sum::<u64>()
    };
    let (predicted, labelled) = (sum(|rows| rows.predicted), sum(|rows| rows.labelled));
    let (waiting, expired, anonymous) =
        (sum(|rows| rows.waiting), sum(|rows| rows.expired), sum(|rows| rows.anonymous));
    let is_whole = predicted == labelled + waiting + expired;
    let words = html! {
        p { @if is_whole { "Yes. Every prediction with an id is in one of three places." } @else { "Not all is known: labels came for predictions that are forgotten." } }
        @if anonymous > 0 { p class="hint" { (count(anonymous)) " predictions without an id are recorded, and no label can meet them." } }
    };
    let figure = |number: u64, name: &str| html! { div { dt { (name) } dd { (count(number)) } } };
    let evidence = html! {
        dl class="sum" {
            (figure(predicted, "predictions")) span class="muted" aria-hidden="true" { (if is_whole { "=" } else { "≠" }) }
            (figure(labelled, "with their label")) span class="muted" aria-hidden="true" { "+" }
            (figure(waiting, "waiting")) span class="muted" aria-hidden="true" { "+" }
            (figure(expired, "expired"))
        }
        p class="hint" { "What was not joined, and why: " code { "metric status" } " or " a href="./api/v1/account" { "the account as JSON" } "." }
    };
    part_of_page("account", "Does every row add up?", &words, &evidence)
}
