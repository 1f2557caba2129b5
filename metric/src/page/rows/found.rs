//! One row.

use evaluation::basis::Basis;
use evaluation::histogram::Histogram;
use evaluation::number::{duration, percent};
use evaluation::report::Moment;
use maud::{Markup, html};

use super::list::encoded;
use super::moment;
use crate::page::words::{Zone, number, signed};
use crate::plot::{dots, dots_axis};
use crate::store::{FoundPrediction, FoundRow};

pub(super) fn section(row: &FoundRow, basis: Option<&Basis>, now: Moment, zone: Zone) -> Markup {
    html! {
        section id="row" aria-labelledby="row-h" {
            div class="words" {
                h2 id="row-h" { "Row" }
                p { code { (row.id) } }
                (words(row, now))
                p class="hint" { a href={ "./rows.csv?id=" (encoded(&row.id.to_string())) } download { "As CSV" } }
            }
            div {
                (versions(row))
                div class="figure pair" {
                    (features(row, basis))
                    (history(row, zone))
                }
            }
        }
    }
}

fn words(row: &FoundRow, now: Moment) -> Markup {
    let first = row.predictions.first();
    let ago = |at: Moment| duration(now.0.saturating_sub(at.0).max(0));
    html! {
        @match (first, &row.label) {
            (Some((prediction, true)), Some(label)) => {
                @let error = prediction.value - label.value;
                p {
                    "Its label came " (duration(label.at.0.saturating_sub(prediction.at.0).max(0))) " after the prediction: "
                    strong { (number(label.value)) } ". The prediction was " strong { (number(prediction.value)) } ", "
                    @if error > 0.0 { "too high by " strong { (number(error)) } } @else if error < 0.0 { "too low by " strong { (number(-error)) } } @else { "exact" }
                    "."
                }
            }
            (Some((FoundPrediction { expired: Some(_), .. }, _)), None) => p { "No label came in time: it was given up." },
            (Some((prediction, false)), None) => p { "It waits for its label, for " (ago(moment(prediction.at))) " now." },
            (Some(_), Some(_)) => p { "Its label came after the prediction was given up, and is not counted." },
            (None, Some(_)) => p { "Its label has come, and no prediction." },
            (None, None) | (Some((_, true)), None) => {}
        }
    }
}

fn versions(row: &FoundRow) -> Markup {
    let values = row
        .predictions
        .iter()
        .map(|(prediction, _)| prediction.value)
        .chain(row.label.map(|label| label.value));
    let (low, high) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let room = ((high - low) * 0.1).max(high.abs() * 0.05);
    let axis = (low - room, high + room);
    html! {
        @if !row.predictions.is_empty() {
            div class="figure" {
                h3 { "What each version said" }
                p class="hint" { "dot: prediction" @if let Some(label) = row.label { "; bar: from there to the label, " (number(label.value)) } }
                div class="scroll" {
                    table {
                        thead { tr { th scope="col" { "Version" } th scope="col" class="number" { "Prediction" } th scope="col" class="number" { "Error" } td {} } }
                        tbody {
                            @for (prediction, met) in &row.predictions {
                                @let label = row.label.filter(|_| *met).map(|label| label.value);
                                tr {
                                    th scope="row" { code { (prediction.model.tag()) } }
                                    td class="number" { strong { (number(prediction.value)) } }
                                    td class="number" { (label.map_or_else(|| "–".to_owned(), |label| signed(prediction.value - label))) }
                                    td class="plot-cell" { (dots(prediction.value, label.map(|label| (label.min(prediction.value), label.max(prediction.value))), axis, "serving")) }
                                }
                            }
                        }
                        tfoot { tr { td colspan="3" {} td class="plot-cell" { (dots_axis(axis)) } } }
                    }
                }
            }
        }
    }
}

fn features(row: &FoundRow, basis: Option<&Basis>) -> Markup {
    let vector = row.predictions.iter().find_map(|(prediction, _)| prediction.vector.as_deref());
    let Some(vector) = vector else {
        return html! { div { h3 { "What it was" } p class="muted" { "What it was predicted from is not on record (see --no-features of model)." } } };
    };
    let of = |at: usize| basis.and_then(|basis| basis.features.get(at));
    html! {
        div {
            h3 { "What it was" }
            p class="hint" { "right: the share of the training rows that are lower" }
            div class="scroll" {
                table {
                    tbody {
                        @for (at, value) in vector.iter().enumerate() {
                            tr {
                                th scope="row" { (of(at).map_or_else(|| format!("feature_{}", at + 1), |feature| feature.name.clone())) }
                                td class="number" { (number(*value)) }
                                td class="number muted" {
                                    @if let Some(histogram) = of(at).and_then(|feature| feature.histogram.as_ref()) { (standing(histogram, *value)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Where a value stands among those of training.
fn standing(histogram: &Histogram, value: f64) -> String {
    let (Some(first), Some(last)) = (histogram.edges.first(), histogram.edges.last()) else {
        return String::new();
    };
    if value < *first {
        return "below all".to_owned();
    }
    if value > *last {
        return "above all".to_owned();
    }
    format!("above {}", percent(histogram.share_below(value)))
}

fn history(row: &FoundRow, zone: Zone) -> Markup {
    let mut events: Vec<(Moment, Markup)> = Vec::new();
    for (prediction, _) in &row.predictions {
        let tag = prediction.model.tag();
        events.push((moment(prediction.at), html! { strong { "predicted" } " by " code { (tag) } }));
        if let Some(at) = prediction.received {
            events.push((
                moment(at),
                html! { strong { "recorded" } ": prediction number " (prediction.number) },
            ));
        }
        if let Some(at) = prediction.expired {
            events.push((moment(at), html! { strong { "given up" } ": no label in time" }));
        }
    }
    if let Some(label) = row.label {
        events.push((moment(label.at), html! { strong { "label" } " " (number(label.value)) }));
        if let Some(at) = label.received {
            events.push((moment(at), html! { strong { "label recorded" } }));
        }
        if let Some(at) = label.expired {
            events.push((moment(at), html! { strong { "label given up" } ": no prediction in time" }));
        }
    }
    events.sort_by_key(|(at, _)| *at);
    html! {
        div {
            h3 { "What happened to it" }
            p class="hint" { "on the clocks of the services" }
            ul class="events plain" {
                @for (at, what) in &events { li { time datetime=(at) title=(at) { (zone.seconds(*at)) } span { (what) } } }
            }
        }
    }
}
