//! What a model is: how it was made, what it weighs, what it was made of, and which others there were.

mod beside;
mod card;

use evaluation::number::{Decimals, count, signed_percent};
use evaluation::report::{Report, VersionReport};
use maud::{Markup, html};
use serde_json::Value;
use shared::printable::within;

use super::layout::{Place, page};
use super::words::{Zone, number, signed};
use crate::join::ModelId;
use crate::plot::spread;
pub(super) use card::{Card, Column};

/// The longest text of a card that is shown, in characters.
const LONGEST: usize = 80;

/// A version: what its card says, and how it does.
struct Version<'a> {
    id: ModelId,
    /// Whether anything is known of it.
    is_known: bool,
    card: Card,
    live: Option<&'a VersionReport>,
}

impl<'a> Version<'a> {
    fn find(id: ModelId, report: &'a Report, models: &[Value]) -> Self {
        let is_it = |model: &&Value| {
            model["model"] == text_of(id.name.as_ref()) && model["version"] == text_of(id.version.as_ref())
        };
        let known = models.iter().find(is_it);
        let live = report.versions.iter().find(|version| id_of(version).tag() == id.tag());
        let card = known.map(|model| Card::read(&model["card"])).unwrap_or_default();
        Self { is_known: known.is_some() || live.is_some(), id, card, live }
    }
}

/// The page of one version, from what `metric models --json` says of all: `wanted`, else the one that the verdict speaks of; and
/// beside it another one, where one is wanted.
pub(super) fn model(
    report: &Report,
    models: &Value,
    wanted: Option<ModelId>,
    beside: Option<ModelId>,
    zone: Zone,
) -> String {
    let told = report.verdict.version.and_then(|at| report.versions.get(at));
    let all = models["models"].as_array().map(Vec::as_slice).unwrap_or_default();
    let version = wanted.or_else(|| told.map(id_of)).map(|id| Version::find(id, report, all));
    let other = beside.map(|id| Version::find(id, report, all));
    let contents = html! {
        section class="verdict" {
            h1 class="plain" { "Model" }
            div {
                @match &version {
                    None => p { "No model has predicted anything yet." },
                    Some(version) if !version.is_known => (nothing_of(&version.id)),
                    Some(version) => {
                        p class="sentence" { code { (version.id.tag()) } }
                        p { (summary(&version.card)) }
                    }
                }
            }
        }
        @if let Some(version) = version.as_ref().filter(|version| version.is_known) {
            @match &other {
                Some(other) if other.is_known => (beside::section(version, other)),
                Some(other) => section { div class="words" { h2 { "Beside another" } } div { (nothing_of(&other.id)) } },
                None => {}
            }
            (facts(&version.card, version.live, zone))
            @if !version.card.columns.is_empty() { (columns(&version.card, version.live)) }
            @if !version.card.golden.is_empty() { (golden(&version.card)) }
        }
        (others(all, version.as_ref().map(|version| &version.id)))
    };
    page(Place::Model, &Place::Model.title(), Some(report), zone, &contents)
}

fn nothing_of(id: &ModelId) -> Markup {
    html! { p { "Nothing is known of " code { (id.tag()) } ". " a href="./model" { "The one that serves" } } }
}

pub(super) fn id_of(version: &VersionReport) -> ModelId {
    ModelId::recorded(version.model.as_deref(), version.version.as_deref())
}

fn text_of(name: Option<&shared::message::Name>) -> Value {
    name.map_or(Value::Null, |name| name.as_str().into())
}

fn summary(card: &Card) -> Markup {
    html! {
        @match (&card.algorithm, card.rows, &card.target) {
            (Some(algorithm), Some(rows), target) => {
                "Made by " (within(algorithm, LONGEST)) " of " (count(rows)) " rows"
                @if let Some(target) = target { ", to predict " strong { (within(target, LONGEST)) } }
                "."
            }
            _ => "It has not said how it was made: other programs' files bring no card, or only part of one.",
        }
    }
}

fn facts(card: &Card, live: Option<&VersionReport>, zone: Zone) -> Markup {
    let mae = live.and_then(|version| version.scores.since_first.mae);
    let difference = mae.zip(card.holdout.mae).map(|(now, then)| signed_percent(now.value / then - 1.0));
    let row = |name: &str, value: Option<String>| html! { @if let Some(value) = value { tr { th scope="row" { (name) } td { (value) } } } };
    html! {
        section {
            div class="words" {
                h2 { "How it was made" }
                @if let (Some(now), Some(then)) = (mae, card.holdout.mae) {
                    p { "In use it is " strong { (number(now.value)) } " off on average; on the rows held out in training it was " strong { (number(then)) } "." }
                    @if let Some(difference) = difference { p class="hint" { "That is " (difference) "." } }
                }
            }
            div class="figure scroll" {
                table { tbody {
                    (row("file", card.file.as_deref().map(|file| within(file, LONGEST))))
                    (row("made at", card.made_at.as_deref().map(|at| within(at, LONGEST))))
                    (row("algorithm", card.algorithm.as_deref().map(|algorithm| within(algorithm, LONGEST))))
                    (row("table", card.data.as_deref().map(|file| within(file, LONGEST))))
                    (row("rows it was fitted to", card.rows.map(count)))
                    (row("held out: rows", card.holdout.rows.map(count)))
                    (row("held out: MAE", card.holdout.mae.map(number)))
                    (row("held out: RMSE", card.holdout.rmse.map(number)))
                    (row("held out: R²", card.holdout.r2.map(|r2| Decimals::fixed(2).plain(r2))))
                    (row("intercept", card.intercept.map(number)))
                    @if let Some(version) = live {
                        (row("serves since", version.first_predicted.map(|at| zone.whole(at))))
                        (row("predictions", Some(count(version.rows.predicted + version.rows.anonymous))))
                        (row("with their label", Some(count(version.rows.labelled))))
                    }
                } }
            }
        }
    }
}

/// The features, those that move the prediction most first.
fn columns(card: &Card, live: Option<&VersionReport>) -> Markup {
    let mut columns: Vec<&Column> = card.columns.iter().collect();
    let effect = |column: &Column| column.effect.map_or(-1.0, f64::abs);
    columns.sort_by(|one, other| effect(other).total_cmp(&effect(one)));
    let bins = |column: &Column| {
        let features = live.map(|version| &version.drift.features[..]).unwrap_or_default();
        features.iter().find(|spread| spread.name == column.name)
    };
    let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), number);
    html! {
        section {
            div class="words" {
                h2 { "What it looks at" }
                p class="hint" { "low and high: nine of ten training rows are above, and below" }
                p class="hint" { "effect: how much the prediction changes from low to high, where all else stays" }
                p class="hint" { "bars: the last rows; outline: training" }
            }
            div class="figure scroll" tabindex="0" role="region" aria-label="Features" {
                table {
                    thead { tr {
                        th scope="col" { "Feature" } th scope="col" class="number" { "Low" } th scope="col" class="number" { "Middle" } th scope="col" class="number" { "High" }
                        th scope="col" class="number" { "Weight" } th scope="col" class="number" { "Effect" } th scope="col" { "Now" }
                    } }
                    tbody { @for column in columns {
                        tr {
                            th scope="row" { (column.name) }
                            td class="number" { (shown(column.low)) } td class="number" { (shown(column.middle)) } td class="number" { (shown(column.high)) }
                            td class="number" { (column.weight.map_or_else(|| "–".to_owned(), signed)) }
                            td class="number" { strong { (column.effect.map_or_else(|| "–".to_owned(), signed)) } }
                            td class="bars" { @if let Some(of) = bins(column).filter(|of| !of.bins.is_empty()) { (spread(&of.name, &of.bins, of.drifts_since.is_some())) } }
                        }
                    } }
                }
            }
        }
    }
}

fn golden(card: &Card) -> Markup {
    html! {
        section {
            div class="words" { h2 { "Golden rows" } p class="hint" { "Each file predicts them before it serves, and is refused where a prediction is another one." } }
            div class="figure scroll" tabindex="0" role="region" aria-label="Golden rows" {
                table {
                    thead { tr { @for column in &card.columns { th scope="col" class="number" { (column.name) } } th scope="col" class="number" { "Prediction" } } }
                    tbody { @for (features, prediction) in &card.golden {
                        tr { @for value in features { td class="number" { (number(*value)) } } td class="number" { strong { (number(*prediction)) } } }
                    } }
                }
            }
        }
    }
}

fn others(models: &[Value], shown: Option<&ModelId>) -> Markup {
    let of = |model: &Value| ModelId::recorded(model["model"].as_str(), model["version"].as_str());
    let mae = |model: &Value| {
        model.pointer("/card/holdout/mae").and_then(Value::as_f64).map_or_else(|| "–".to_owned(), number)
    };
    let counted =
        |model: &Value, what: &str| model["predictions"][what].as_u64().map_or_else(|| "–".to_owned(), count);
    html! {
        section {
            div class="words" { h2 { "All versions" } p class="hint" { "As a command: " code { "metric models" } } }
            div class="figure scroll" {
                @if models.is_empty() { p class="muted" { "No version has been heard of yet." } } @else {
                    table {
                        thead { tr { th scope="col" { "Version" } th scope="col" class="number" { "held out: MAE" } th scope="col" class="number" { "Predictions" } th scope="col" class="number" { "with their label" } td {} } }
                        tbody { @for model in models.iter().rev() {
                            @let id = of(model);
                            tr {
                                th scope="row" { a class="mono" href={ "./model?model=" (super::rows::encoded(&id.tag())) } aria-current=[shown.is_some_and(|shown| shown.tag() == id.tag()).then_some("true")] { (id.tag()) } }
                                td class="number" { (mae(model)) } td class="number" { (counted(model, "received")) } td class="number" { (counted(model, "scored")) }
                                td class="number" { @if let Some(shown) = shown.filter(|shown| shown.tag() != id.tag()) { a href={ "./model?model=" (super::rows::encoded(&shown.tag())) "&beside=" (super::rows::encoded(&id.tag())) } { "beside it" } } }
                            }
                        } }
                    }
                }
            }
        }
    }
}
