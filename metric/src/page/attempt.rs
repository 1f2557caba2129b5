//! Try the model: a row by hand, what the model that runs says of it, and what pushed the prediction up or down.

mod request;

use std::time::Duration;

use axum::http::StatusCode;
use evaluation::report::{Report, VersionReport};
use maud::{Markup, html};
use serde_json::{Value, json};
use shared::ask::Unanswered;
use shared::message::{Answer, Name};
use shared::printable::{printable, within};

use super::layout::{Place, page};
use super::model::{Card, Column};
use super::words::{Zone, capital, number, signed};

/// How long the model may take: whoever types waits no longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// The longest cell that is taken, in characters, and how many.
const LONGEST: usize = 200;
const MOST: usize = 100;

/// A row by hand: its cells, as somebody wrote them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row(pub(super) Vec<String>);

impl Row {
    /// From the pairs of an address, `x0=0.3` and so on, over the row to begin with.
    pub(super) fn of(pairs: &[(String, String)], begin: &[Value]) -> Self {
        let mut cells: Vec<String> = begin.iter().map(shown).collect();
        for (name, value) in pairs {
            let place = name.strip_prefix('x').and_then(|place| place.parse::<usize>().ok());
            if let Some(cell) = place.and_then(|place| cells.get_mut(place)) {
                *cell = value.trim().chars().take(LONGEST).collect();
            }
        }
        Self(cells)
    }

    /// As the model is asked: numbers as such, all else as text.
    pub(super) fn body(&self) -> Vec<u8> {
        Value::from(self.cells()).to_string().into_bytes()
    }

    fn cells(&self) -> Vec<Value> {
        let number = |cell: &String| cell.parse::<f64>().ok().filter(|number| number.is_finite());
        self.0.iter().map(|cell| number(cell).map_or_else(|| cell.clone().into(), Value::from)).collect()
    }

    fn numbers(&self) -> Option<Vec<f64>> {
        self.cells().iter().map(Value::as_f64).collect()
    }
}

/// A cell as it stands in a field.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What there is to fill in, of a model by its card.
#[derive(Debug, Default)]
pub(super) struct Fields {
    names: Vec<String>,
    begin: Vec<Value>,
    card: Card,
}

impl Fields {
    pub(super) fn of(card: &Value) -> Self {
        let names: Vec<String> = card["features"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(|name| within(name, 60))
            .collect();
        let names: Vec<String> = names.into_iter().take(MOST).collect();
        let read = Card::read(card);
        // A row that is known to be fine, else the middle of each feature.
        let golden = card
            .pointer("/golden/0/features")
            .and_then(Value::as_array)
            .filter(|row| row.len() == names.len());
        let middle = || {
            names.iter().enumerate().map(|(at, _)| {
                read.columns.get(at).and_then(|column| column.middle).map_or(json!(0), Value::from)
            })
        };
        let begin = golden.cloned().unwrap_or_else(|| middle().collect());
        Self { names, begin, card: read }
    }

    pub(super) fn begin(&self) -> &[Value] {
        &self.begin
    }

    /// The columns, where each is a field.
    fn columns(&self) -> &[Column] {
        let alike = self.card.columns.len() == self.names.len();
        if alike { &self.card.columns } else { &[] }
    }
}

/// The page.
pub(super) fn attempt(
    report: &Report,
    fields: &Fields,
    row: &Row,
    answer: Option<&Result<Answer, Unanswered>>,
    zone: Zone,
) -> String {
    let told = report.verdict.version.and_then(|at| report.versions.get(at));
    let contents = html! {
        section class="verdict" {
            h1 class="plain" { "Try" }
            div {
                p { "A row by hand, and what the model that runs says of it. It is not recorded, and counts as nothing." }
            }
        }
        @if fields.names.is_empty() {
            section { div class="words" { h2 { "The row" } } div { p class="muted" { "What the model wants of a row is not known: no model has sent its card yet, or its file does not say." } } }
        } @else {
            section {
                div class="words" {
                    h2 { "The row" }
                    p class="hint" { "right: low, middle and high of training" }
                }
                form class="figure try" action="./try" method="get" data-try {
                    @for (at, name) in fields.names.iter().enumerate() {
                        @let column = fields.columns().get(at);
                        label for={ "x" (at) } { (name) }
                        input id={ "x" (at) } name={ "x" (at) } value=(row.0.get(at).map_or("", String::as_str)) inputmode="decimal" autocomplete="off" spellcheck="false" maxlength=(LONGEST);
                        span class="hint" { @if let Some(column) = column { (range(column)) @if beyond(column, row, at) { " " span class="look" { "beyond training" } } } }
                    }
                    button type="submit" { "Predict" }
                }
            }
            section id="answer" data-live {
                div class="words" { h2 { "The prediction" } (said(answer, told)) }
                div {
                    @if let Some(Ok(answer)) = answer { (pushed(fields, row, answer.prediction)) }
                    (request::figure(row))
                }
            }
        }
    };
    page(Place::Try, &Place::Try.title(), Some(report), zone, &contents)
}

fn range(column: &Column) -> String {
    match (column.low, column.middle, column.high) {
        (Some(low), Some(middle), Some(high)) => {
            format!("{} · {} · {}", number(low), number(middle), number(high))
        }
        _ => String::new(),
    }
}

fn beyond(column: &Column, row: &Row, at: usize) -> bool {
    let value = row.0.get(at).and_then(|cell| cell.parse::<f64>().ok());
    let ends = column.least.zip(column.most);
    value.zip(ends).is_some_and(|(value, (least, most))| value < least || value > most)
}

/// The prediction, or why there is none.
fn said(answer: Option<&Result<Answer, Unanswered>>, told: Option<&VersionReport>) -> Markup {
    let within_of = told.and_then(|version| version.scores.since_first.p90).map(|p90| number(p90.value));
    html! {
        @match answer {
            Some(Ok(answer)) => {
                p class="prediction" { (number(answer.prediction)) }
                @if let Some(within) = within_of { p { "For 9 of 10 rows so far the label was within ±" (within) "." } }
                p class="hint" {
                    "Said by " code { (answer.model.as_ref().map_or("an unnamed model", |name| name.as_str())) "@" (answer.model_version.as_ref().map_or("-", |name| name.as_str())) }
                }
            }
            Some(Err(Unanswered::Refused { error, reason })) => {
                p { "The model refuses this row: " (within(error, 300)) "." }
                p class="hint" { "Its reason is " code { (within(reason, 60)) } "." }
            }
            Some(Err(why)) => { p { (capital(&within(&why.to_string(), 300))) "." } p class="hint" { "Is model running, and on the same queues?" } }
            None => p class="muted" { "Nobody can be asked: metric has no way to the queues." },
        }
    }
}

/// What pushed the prediction up or down, from the middle of training: of models that are a weighted sum.
fn pushed(fields: &Fields, row: &Row, prediction: f64) -> Markup {
    let columns = fields.columns();
    let numbers = row.numbers().filter(|numbers| !numbers.is_empty() && numbers.len() == columns.len());
    let parts: Option<Vec<(&str, f64)>> = numbers.and_then(|numbers| {
        let parts = columns.iter().zip(numbers);
        parts
            .map(|(column, value)| Some((column.name.as_str(), column.weight? * (value - column.middle?))))
            .collect()
    });
    let Some(mut parts) = parts else {
        return html! { p class="muted" { "What pushed it up or down is known of models that are a weighted sum." } };
    };
    let sum: f64 = parts.iter().map(|(_, part)| part).sum();
    parts.sort_by(|one, other| other.1.abs().total_cmp(&one.1.abs()));
    let largest = parts.first().map_or(1.0, |(_, part)| part.abs()).max(f64::MIN_POSITIVE);
    let bar = |part: f64| {
        let width = part.abs() / largest * 50.0;
        let from = if part < 0.0 { 50.0 - width } else { 50.0 };
        html! {
            svg width="100%" height="20" aria-hidden="true" {
                line class="axis" x1="50%" x2="50%" y1="0" y2="20" {}
                rect class=(if part < 0.0 { "bar look" } else { "bar" }) x=(format!("{from:.2}%")) width=(format!("{width:.2}%")) y="3" height="14" {}
            }
        }
    };
    html! {
        div class="figure" {
            h3 { "What pushed it up or down" }
            p class="hint" { "from a row that is in the middle of training everywhere" }
            div class="scroll" {
                table {
                    tbody {
                        tr { th scope="row" { "middle row" } td class="number" { (number(prediction - sum)) } td {} }
                        @for (name, part) in &parts {
                            tr { th scope="row" { (name) } td class="number" { (signed(*part)) } td class="plot-cell" { (bar(*part)) } }
                        }
                        tr { th scope="row" { strong { "prediction" } } td class="number" { strong { (number(prediction)) } } td {} }
                    }
                }
            }
        }
    }
}

/// The answer for programs: its status and its JSON.
pub(super) fn as_json(answer: Option<Result<Answer, Unanswered>>) -> (StatusCode, String) {
    let name = |name: Option<Name>| name.map(|name| name.as_str().to_owned());
    let (status, value) = match answer {
        Some(Ok(Answer { prediction, model, model_version })) => (
            StatusCode::OK,
            json!({ "prediction": prediction, "model": name(model), "version": name(model_version) }),
        ),
        Some(Err(Unanswered::Refused { reason, error })) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            json!({ "error": printable(&error), "reason": printable(&reason) }),
        ),
        Some(Err(why)) => (StatusCode::SERVICE_UNAVAILABLE, json!({ "error": printable(&why.to_string()) })),
        None => {
            let why = "nobody can be asked: what the model wants of a row is not known, or metric has no way to the queues";
            (StatusCode::SERVICE_UNAVAILABLE, json!({ "error": why }))
        }
    };
    (status, value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_what_was_written_over_what_it_begins_with() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let begin = [json!(0.5), json!("wood"), json!(-1e-7)];
        for (given, cells) in [
            (&[][..], json!([0.5, "wood", -1e-7])),
            (&[("x0", " 7 "), ("x1", "stone")], json!([7.0, "stone", -1e-7])),
            (
                &[("x0", ""), ("x2", "1e999"), ("x9", "1"), ("y0", "1"), ("x", "1"), ("x-1", "1")],
                json!(["", "wood", "1e999"]),
            ),
            (&[("x0", "NaN")], json!(["NaN", "wood", -1e-7])),
        ] {
            let row = Row::of(&pairs(given), &begin);
            let body: Value = serde_json::from_slice(&row.body()).unwrap();
            assert_eq!(body, cells, "{given:?}");
        }
        assert_eq!(Row::of(&pairs(&[("x0", &"9".repeat(9999))]), &begin).0[0].len(), LONGEST);
    }

    #[test]
    fn what_pushed_it_adds_up_to_the_prediction() {
        let card = json!({
            "features": ["a", "b"],
            "weights": { "coefficients": [3.0, -2.0], "intercept": 1.0, "scaling": null },
            "reference": { "features": [
                { "edges": (0..=10).collect::<Vec<_>>(), "counts": vec![1; 10] },
                { "edges": (0..=10).collect::<Vec<_>>(), "counts": vec![1; 10] },
            ] },
        });
        let fields = Fields::of(&card);
        assert_eq!(fields.begin(), [json!(5.0), json!(5.0)]);
        let row = Row(vec!["7".into(), "4".into()]);
        let html = pushed(&fields, &row, 1.0 + 21.0 - 8.0).into_string();
        for part in ["middle row</th><td class=\"number\">6.00", "+6.00", "+2.00", "14.0"] {
            assert!(html.contains(part), "{part}: {html}");
        }
        let text = Row(vec!["7".into(), "wood".into()]);
        assert!(pushed(&fields, &text, 1.0).into_string().contains("a weighted sum"));
    }
}
