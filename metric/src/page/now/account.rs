//! Does every row add up?

use evaluation::number::{bytes, count, duration};
use evaluation::report::Report;
use maud::{Markup, html};

use super::section as part_of_page;
use crate::disk::Disk;

pub(super) fn section(report: &Report, disk: Option<&Disk>) -> Markup {
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
    let evidence = html! {
        (evidence)
        @if let Some(disk) = disk { p { (room(disk)) } }
    };
    part_of_page("account", "Does every row add up?", &words, &evidence)
}

/// How long the disk lasts.
fn room(disk: &Disk) -> String {
    let (taken, free) = (bytes(disk.records_bytes as f64), bytes(disk.free_bytes as f64));
    let lasts = match (disk.bytes_per_day, disk.full_in_ms) {
        (None, _) => "How long that lasts is said after a minute and 1,000 messages".to_owned(),
        #[expect(clippy::cast_possible_truncation, reason = "ten years at the most")]
        (Some(a_day), Some(ms)) => {
            format!(
                "At the rate of the last hour, {} a day, it is full in {}",
                bytes(a_day),
                duration(ms as i64)
            )
        }
        (Some(a_day), None) if a_day > 0.0 => {
            format!(
                "At the rate of the last hour, {} a day, that lasts for more than ten years",
                bytes(a_day)
            )
        }
        (Some(_), None) => "They do not grow now".to_owned(),
    };
    format!("The records take {taken}, and {free} of the disk are free. {lasts}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_the_disk_lasts_is_said_as_far_as_it_is_known() {
        let disk = |bytes_per_day, full_in_ms| {
            room(&Disk { free_bytes: 80_000_000_000, records_bytes: 1_234_567, bytes_per_day, full_in_ms })
        };
        let taken = "The records take 1.2 MB, and 80 GB of the disk are free.";
        for (said, lasts) in [
            (disk(None, None), "How long that lasts is said after a minute and 1,000 messages."),
            (disk(Some(0.0), None), "They do not grow now."),
            (
                disk(Some(5e6), None),
                "At the rate of the last hour, 5.0 MB a day, that lasts for more than ten years.",
            ),
            (
                disk(Some(4e10), Some(172_800_000.0)),
                "At the rate of the last hour, 40 GB a day, it is full in 2 d.",
            ),
        ] {
            assert_eq!(said, format!("{taken} {lasts}"));
        }
    }
}
