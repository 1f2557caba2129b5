//! The latest rows, the newest first.

use evaluation::number::{count, duration};
use evaluation::report::Moment;
use maud::{Markup, html};

use super::stage::Stage;
use super::{Asked, IN_A_FILE, Kind, moment};
use crate::page::words::{number, signed};
use crate::store::{FoundRow, Listed};

pub(super) fn section(asked: &Asked, listed: &Listed, now: Moment) -> Markup {
    let query = asked.kind.query();
    let heading = match &asked.kind {
        Kind::Furthest => "Furthest off among the last labels".to_owned(),
        Kind::Slice(slice) => format!("{}, the newest first", slice.name()),
        _ => "Newest first".to_owned(),
    };
    // Of these it is not known at once where they are.
    let is_searched = matches!(asked.kind, Kind::Waiting | Kind::Slice(_));
    let from = asked.before.map(|before| format!("&before={before}")).unwrap_or_default();
    html! {
        section id="list" aria-labelledby="list-h" {
            div class="words" {
                h2 id="list-h" { "All rows" }
                p class="hint" { "The list stands still while you read." }
                p class="hint" { "All that are scored, as a file: " code { "metric export" } }
            }
            div {
                div class="head" {
                    h3 { (heading) }
                    nav class="switch" aria-label="Which rows" {
                        @for kind in Kind::CHOICES {
                            a href={ "./rows?" (kind.query()) "#list" } aria-current=[(kind == asked.kind).then_some("true")] { (kind.name()) }
                        }
                    }
                }
                @if listed.rows.is_empty() { p class="muted" { (none(asked, listed)) } } @else {
                    div class="scroll" {
                        table {
                            thead { tr { th scope="col" { "Last event" } th scope="col" { "Row" } th scope="col" class="number" { "Prediction" } th scope="col" class="number" { "Label" } th scope="col" class="number" { "Error" } th scope="col" { "State" } } }
                            tbody { @for row in &listed.rows { (one(row, asked, now)) } }
                        }
                    }
                    @if is_searched { p class="hint" { (count(listed.rows.len() as u64)) " of " (count(listed.looked_at as u64)) " rows that were looked at." } }
                }
                p class="ways" {
                    @if let Some(next) = listed.next { a href={ "./rows?" (query) "&before=" (next) "#list" } { "Older" } }
                    @if !listed.rows.is_empty() { a href={ "./rows.csv?" (query) (from) } download { "As CSV, with older ones up to " (count(IN_A_FILE as u64)) } }
                }
            }
        }
    }
}

/// What is said where there is no row to show.
fn none(asked: &Asked, listed: &Listed) -> String {
    let looked_at = count(listed.looked_at as u64);
    match &asked.kind {
        Kind::Waiting => format!("None of the last {looked_at} rows waits."),
        Kind::Slice(_) if listed.next.is_some() => {
            format!("None of these {looked_at} rows; older ones may be.")
        }
        Kind::Slice(_) => {
            format!("None of {looked_at} rows. What a row was predicted from must be on record.")
        }
        Kind::Expired => "No row was given up.".to_owned(),
        Kind::Furthest => "No label yet.".to_owned(),
        Kind::All => "No row yet.".to_owned(),
    }
}

fn one(row: &FoundRow, asked: &Asked, now: Moment) -> Markup {
    let first = row.predictions.first();
    let label = row.label.filter(|_| first.is_none_or(|(_, met)| *met));
    let at =
        [first.map(|(prediction, _)| prediction.at), label.map(|label| label.at)].into_iter().flatten().max();
    let error = first.zip(label).map(|((prediction, _), label)| prediction.value - label.value);
    html! {
        tr {
            td { @if let Some(at) = at { time datetime=(moment(at)) title=(moment(at)) { (asked.zone.seconds(moment(at))) } } }
            td { a class="mono" href={ "./rows?id=" (encoded(&row.id.to_string())) "#row" } { (row.id) } }
            td class="number" { (first.map_or_else(|| "–".to_owned(), |(prediction, _)| number(prediction.value))) }
            td class="number" { (label.map_or_else(|| "–".to_owned(), |label| number(label.value))) }
            td class="number" { strong { (error.map_or_else(|| "–".to_owned(), signed)) } }
            td class="muted" { (state(row, now)) }
        }
    }
}

fn state(row: &FoundRow, now: Moment) -> String {
    match Stage::of(row) {
        Stage::Labelled { lag } => format!("labelled after {}", duration(lag.max(0))),
        Stage::Late => "label came too late".to_owned(),
        Stage::Expired => "given up".to_owned(),
        Stage::Waiting { since } => match now.0.saturating_sub(since.0) {
            short if short < 1000 => "waits for its label".to_owned(),
            long => format!("waits, for {}", duration(long)),
        },
        Stage::LabelExpired => "label without a prediction, given up".to_owned(),
        Stage::LabelAlone => "label without a prediction yet".to_owned(),
    }
}

/// As it may stand in an address.
pub(crate) fn encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stands_in_an_address_as_what_it_is() {
        assert_eq!(encoded("order:17/a b&c=ä"), "order%3A17%2Fa%20b%26c%3D%C3%A4");
    }
}
