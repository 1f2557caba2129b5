//! Try the model: a row by hand, what the model that runs says of it, and what pushed the prediction up or down.

mod request;

use std::time::Duration;

use axum::http::StatusCode;
use evaluation::histogram::Histogram;
use evaluation::report::{Report, VersionReport};
use maud::{Markup, html};
use serde_json::{Value, json};
use shared::ask::Unanswered;
use shared::message::{Answer, Name};
use shared::printable::{printable, within};

use super::layout::{Place, page};
use super::model::{Card, Column};
use super::rows::encoded;
use super::words::{Zone, capital, number, signed};
use crate::plot::{Marks, strip};

/// How long the model may take: whoever types waits no longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// The longest cell that is taken, in characters, and how many.
const LONGEST: usize = 200;
const MOST: usize = 100;
/// So many golden rows are offered to start from.
const GOLDEN: usize = 5;

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
    /// Rows to start from, by their names.
    starts: Vec<(String, Vec<Value>)>,
    card: Card,
}

impl Fields {
    /// Of a card, and the features of the row that came last, as the model weighs them.
    pub(super) fn of(card: &Value, last: Option<&[f64]>) -> Self {
        let names: Vec<String> = card["features"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(|name| within(name, 60))
            .collect();
        let names: Vec<String> = names.into_iter().take(MOST).collect();
        let read = Card::read(card);
        let middle: Vec<Value> = (0..names.len())
            .map(|at| read.columns.get(at).and_then(|column| column.middle).map_or(json!(0), Value::from))
            .collect();
        let golden = card["golden"].as_array().into_iter().flatten();
        let golden: Vec<Vec<Value>> = golden
            .filter_map(|row| row["features"].as_array().filter(|row| row.len() == names.len()).cloned())
            .take(GOLDEN)
            .collect();
        // What the model weighs is what it is given where each feature is a column.
        let alike = read.columns.len() == names.len();
        let last = last.filter(|last| alike && last.len() == names.len());
        let mut starts = Vec::new();
        if alike && read.columns.iter().all(|column| column.middle.is_some()) {
            starts.push(("the middle row".to_owned(), middle.clone()));
        }
        starts.extend(
            last.map(|last| {
                ("the last row".to_owned(), last.iter().map(|value| Value::from(*value)).collect())
            }),
        );
        starts.extend(
            golden.iter().enumerate().map(|(at, row)| (format!("golden row {}", at + 1), row.clone())),
        );
        // A row that is known to be fine, else the middle of each feature.
        let begin = golden.into_iter().next().unwrap_or(middle);
        Self { names, begin, starts, card: read }
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
            section class="bench" {
                div {
                    h2 { "The row" }
                    (starts(fields))
                    form class="try" action="./try" method="get" data-try {
                        @for (at, name) in fields.names.iter().enumerate() { (field(at, name, fields.columns().get(at), row)) }
                        p { button type="submit" { "Predict" } " " span class="hint follows" { "or change something: the answer follows" } }
                    }
                }
                div id="answer" data-live class="answered" {
                    h2 { "The prediction" }
                    (said(answer, told, fields.card.labels.as_ref()))
                    @if let Some(outside) = outside(fields, row) { p class="look" { (outside) } }
                    @if let Some(Ok(answer)) = answer { (pushed(fields, row, answer.prediction)) }
                }
            }
            section id="programs" data-live {
                div class="words" { h2 { "From a program" } p class="hint" { "The same row, asked as this page asks it." } }
                div { (request::figure(row)) }
            }
        }
    };
    page(Place::Try, &Place::Try.title(), Some(report), zone, &contents)
}

fn starts(fields: &Fields) -> Markup {
    let address = |row: &[Value]| {
        let cell = |(at, value): (usize, &Value)| format!("x{at}={}", encoded(&shown(value)));
        row.iter().enumerate().map(cell).collect::<Vec<_>>().join("&")
    };
    html! {
        @if !fields.starts.is_empty() {
            p class="hint ways" { "Start from"
                @for (name, row) in &fields.starts { " " a href={ "./try?" (address(row)) } { (name) } }
            }
        }
        @if fields.columns().iter().any(|column| column.histogram.is_some()) {
            p class="hint" { "grey: where the training rows lie; thick line: 8 of 10 of them" }
        }
    }
}

/// A feature: its name, where it lay in training with a slider under that, and its number.
fn field(at: usize, name: &str, column: Option<&Column>, row: &Row) -> Markup {
    let id = format!("x{at}");
    let cell = row.0.get(at).map_or("", String::as_str);
    let strip =
        column.and_then(|column| column.histogram.as_ref()).map(|of| strip(name, of, Marks::default()));
    let ends = column
        .and_then(|column| column.histogram.as_ref())
        .and_then(|of| of.edges.first().zip(of.edges.last()));
    html! {
        div class="field" {
            label for=(id) { (name) }
            div class="lies" {
                @if let Some(strip) = strip { (strip) }
                @if let Some((least, most)) = ends.filter(|(least, most)| least < most) {
                    input type="range" class="slider" min=(least) max=(most) step="any" value=(cell) data-of=(id) aria-label={ (name) ", slider" };
                }
            }
            input id=(id) name=(id) value=(cell) inputmode="decimal" autocomplete="off" spellcheck="false" maxlength=(LONGEST);
        }
    }
}

fn beyond(column: &Column, row: &Row, at: usize) -> bool {
    let value = row.0.get(at).and_then(|cell| cell.parse::<f64>().ok());
    let ends = column.least.zip(column.most);
    value.zip(ends).is_some_and(|(value, (least, most))| value < least || value > most)
}

/// Which features are beyond training.
fn outside(fields: &Fields, row: &Row) -> Option<String> {
    let names: Vec<&str> = fields
        .columns()
        .iter()
        .enumerate()
        .filter(|(at, column)| beyond(column, row, *at))
        .map(|(_, column)| column.name.as_str())
        .collect();
    let (last, others) = names.split_last()?;
    let (names, verb) = match others {
        [] => ((*last).to_owned(), "is"),
        others => (format!("{} and {last}", others.join(", ")), "are"),
    };
    Some(format!(
        "{names} {verb} beyond what the model was trained on: nobody knows how far off it is there."
    ))
}

/// The prediction, or why there is none.
fn said(
    answer: Option<&Result<Answer, Unanswered>>,
    told: Option<&VersionReport>,
    labels: Option<&Histogram>,
) -> Markup {
    let within_of = told.and_then(|version| version.scores.since_first.p90).map(|p90| p90.value);
    html! {
        @match answer {
            Some(Ok(answer)) => {
                @let ends = within_of.map(|within| (answer.prediction - within, answer.prediction + within));
                p class="prediction" { (number(answer.prediction)) }
                @if let (Some(within), Some((low, high))) = (within_of, ends) {
                    p { "For 9 of 10 rows so far the label was within ±" (number(within)) " of the prediction: here " (number(low)) " … " (number(high)) "." }
                }
                @if let Some(labels) = labels {
                    (strip("labels", labels, Marks { at: Some(answer.prediction), band: ends }))
                    p class="hint" { "grey: labels in training" @if ends.is_some() { "; band: 9 of 10" } }
                }
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
        let fields = Fields::of(&card, Some(&[1.5, -0.0]));
        assert_eq!(fields.begin(), [json!(5.0), json!(5.0)]);
        let starts: Vec<&str> = fields.starts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(starts, ["the middle row", "the last row"]);
        // Of another width it is a row of another model.
        assert_eq!(Fields::of(&card, Some(&[1.5])).starts.len(), 1);
        let row = Row(vec!["7".into(), "4".into()]);
        let html = pushed(&fields, &row, 1.0 + 21.0 - 8.0).into_string();
        for part in ["middle row</th><td class=\"number\">6.00", "+6.00", "+2.00", "14.0"] {
            assert!(html.contains(part), "{part}: {html}");
        }
        let text = Row(vec!["7".into(), "wood".into()]);
        assert!(pushed(&fields, &text, 1.0).into_string().contains("a weighted sum"));
    }

    #[test]
    fn what_is_beyond_training_is_named() {
        let card = json!({ "features": ["a", "b", "c"], "ranges": [[0, 1], [0, 1], [0, 1]] });
        let fields = Fields::of(&card, None);
        let said = |cells: [&str; 3]| outside(&fields, &Row(cells.map(str::to_owned).to_vec()));
        assert_eq!(said(["0", "1", "0.5"]), None);
        assert_eq!(said(["wood", "", "1"]), None);
        assert!(said(["-0.1", "1", "1"]).unwrap().starts_with("a is beyond"));
        assert!(said(["-0.1", "2", "1e9"]).unwrap().starts_with("a, b and c are beyond"));
    }
}
