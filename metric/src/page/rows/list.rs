//! The latest rows, the newest first.

use evaluation::number::duration;
use evaluation::report::Moment;
use maud::{Markup, html};

use super::{Asked, Kind, moment};
use crate::page::words::{number, signed};
use crate::store::{FoundPrediction, FoundRow};

pub(super) fn section(asked: &Asked, rows: &[FoundRow], next: Option<i64>, now: Moment) -> Markup {
    let heading = match asked.kind {
        Kind::Furthest => "Furthest off among the last labels",
        _ => "Newest first",
    };
    html! {
        section id="list" aria-labelledby="list-h" {
            div class="words" {
                h2 id="list-h" { "All rows" }
                p class="hint" { "The list stands still while you read." }
                p class="hint" { "As a file: " code { "metric export" } }
            }
            div {
                div class="head" {
                    h3 { (heading) }
                    nav class="switch" aria-label="Which rows" {
                        @for kind in Kind::ALL {
                            a href={ "./rows?show=" (kind.key()) "#list" } aria-current=[(kind == asked.kind).then_some("true")] { (kind.name()) }
                        }
                    }
                }
                @if rows.is_empty() { p class="muted" { "No row yet." } } @else {
                    div class="scroll" {
                        table {
                            thead { tr { th scope="col" { "Time" } th scope="col" { "Row" } th scope="col" class="number" { "Prediction" } th scope="col" class="number" { "Label" } th scope="col" class="number" { "Error" } th scope="col" { "State" } } }
                            tbody { @for row in rows { (one(row, asked, now)) } }
                        }
                    }
                }
                @if let Some(next) = next {
                    p { a href={ "./rows?show=" (asked.kind.key()) "&before=" (next) "#list" } { "Older" } }
                }
            }
        }
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
    match (row.predictions.first(), row.label) {
        (Some((prediction, true)), Some(label)) => {
            format!("labelled after {}", duration(label.at.0.saturating_sub(prediction.at.0).max(0)))
        }
        (Some((FoundPrediction { expired: Some(_), .. }, _)), Some(_)) => "label came too late".to_owned(),
        (Some((FoundPrediction { expired: Some(_), .. }, _)), None) => "given up".to_owned(),
        (Some((prediction, _)), _) => match now.0.saturating_sub(prediction.at.0) {
            short if short < 1000 => "waits for its label".to_owned(),
            long => format!("waits, for {}", duration(long)),
        },
        (None, Some(label)) if label.expired.is_some() => "label without a prediction, given up".to_owned(),
        (None, _) => "label without a prediction yet".to_owned(),
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
