//! `/invocations`, as MLflow and SageMaker have it: a request's bytes to rows, and predictions to an answer's bytes. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::message::{Cell, Rejection, Row, read_json};
use shared::printable::{lines, printable, quoted};

use super::frame::{Frame, counted};
use super::posted::Posted;
use super::problem::Problem;
use crate::answer::decode;
use crate::predictor::Predictor;

/// The members of which a request has one.
const FORMS: [&str; 4] = ["dataframe_split", "dataframe_records", "instances", "inputs"];

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `{"predictions": [...]}`.
    Wrapped,
    /// `[...]`.
    Bare,
    /// A number a line.
    Lines,
}

#[derive(Debug, Deserialize)]
struct Split<'a> {
    columns: Option<Vec<String>>,
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
}

/// What a body is.
enum Kind {
    Json,
    Csv,
}

/// Reads a request. `accepts` is what its client takes.
pub(super) fn read(
    predictor: &Predictor,
    content_type: Option<&str>,
    accepts: Option<&str>,
    body: &[u8],
) -> Result<(Vec<Row>, Form), Problem> {
    let lines = accepts.is_some_and(|accepts| accepts.trim().to_ascii_lowercase().starts_with("text/csv"));
    let (rows, form) = match kind(content_type)? {
        Kind::Csv => (csv(body)?.rows(predictor.inputs())?, Form::Wrapped),
        Kind::Json => of_json(predictor, body)?,
    };
    Ok((rows, if lines { Form::Lines } else { form }))
}

/// The answer in its form: what it is, and its bytes.
pub(super) fn written(form: Form, values: &[f64]) -> (&'static str, Vec<u8>) {
    // Finite numbers always serialise.
    let array = || serde_json::to_string(values).unwrap_or_default();
    match form {
        Form::Wrapped => ("application/json", format!("{{\"predictions\":{}}}", array()).into_bytes()),
        Form::Bare => ("application/json", array().into_bytes()),
        Form::Lines => (
            "text/csv; charset=utf-8",
            values.iter().flat_map(|value| format!("{value}\n").into_bytes()).collect(),
        ),
    }
}

/// Why there is no answer, as MLflow says that.
pub(super) fn refused(why: &Problem) -> Value {
    let code = match why.status {
        StatusCode::PAYLOAD_TOO_LARGE => "REQUEST_LIMIT_EXCEEDED",
        StatusCode::SERVICE_UNAVAILABLE => "TEMPORARILY_UNAVAILABLE",
        _ => "BAD_REQUEST",
    };
    json!({ "error_code": code, "message": lines(&why.error) })
}

fn kind(content_type: Option<&str>) -> Result<Kind, Problem> {
    let said = content_type.unwrap_or_default().to_ascii_lowercase();
    let mut parts = said.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let plain = parts.all(|part| part.is_empty() || part.starts_with("charset="));
    match kind {
        "" | "application/json" if plain => Ok(Kind::Json),
        "text/csv" if plain => Ok(Kind::Csv),
        _ => {
            let said = quoted(content_type.unwrap_or_default());
            let detail =
                format!("{said}; expected application/json or text/csv, with no parameter but charset");
            Err(Problem::bad(Rejection::CONTENT_TYPE, detail))
        }
    }
}

fn of_json(predictor: &Predictor, body: &[u8]) -> Result<(Vec<Row>, Form), Problem> {
    if body.trim_ascii_start().starts_with(b"[") {
        let items: Vec<&RawValue> = read_json(body, "an array of rows")?;
        // An array of numbers is one row.
        if items.first().is_some_and(|item| !item.get().starts_with(['[', '{'])) {
            return Ok((vec![row(predictor, body).map_err(Problem::from)?], Form::Bare));
        }
        return Ok((rows(predictor, &items)?, Form::Bare));
    }
    let members: BTreeMap<Cow<'_, str>, &RawValue> = read_json(body, "an object or an array of rows")?;
    let mut there = FORMS.into_iter().filter_map(|form| Some((form, *members.get(form)?)));
    let ((form, raw), None) = (there.next().ok_or_else(one_of_them)?, there.next()) else {
        return Err(one_of_them());
    };
    let raw_bytes = raw.get().as_bytes();
    let rows = match form {
        "dataframe_split" => split(predictor, read_json(raw_bytes, "columns and data")?)?,
        "inputs" if raw.get().starts_with('{') => {
            by_column(read_json(raw_bytes, "an array for each name")?)?.rows(predictor.inputs())?
        }
        _ => rows(predictor, &read_json::<Vec<&RawValue>>(raw_bytes, "an array of rows")?)?,
    };
    Ok((rows, Form::Wrapped))
}

fn one_of_them() -> Problem {
    let detail = format!("expected an object with one of {}", FORMS.map(quoted).join(", "));
    Problem::bad(Rejection::SHAPE, detail)
}

/// Rows that stand by themselves, each read as one is that comes by queue: an array, or an object by name, with or without an id.
fn rows(predictor: &Predictor, items: &[&RawValue]) -> Result<Vec<Row>, Problem> {
    let count = counted(items.len())?;
    let one = |(index, item): (usize, &&RawValue)| {
        row(predictor, item.get().as_bytes()).map_err(|why| Problem::of_row(index, count, &why))
    };
    items.iter().enumerate().map(one).collect()
}

fn row(predictor: &Predictor, json: &[u8]) -> Result<Row, Rejection> {
    decode(predictor, &Posted::json(json))?.only()
}

fn split(predictor: &Predictor, split: Split<'_>) -> Result<Vec<Row>, Problem> {
    let Split { columns, data } = split;
    let count = counted(data.len())?;
    let cells = |(index, raw): (usize, &RawValue)| {
        read_json(raw.get().as_bytes(), "an array of numbers, texts and null")
            .map_err(|why| Problem::of_row(index, count, &why))
    };
    let rows: Vec<Vec<Cell>> = data.into_iter().enumerate().map(cells).collect::<Result<_, _>>()?;
    Frame { names: columns, rows }.rows(predictor.inputs())
}

fn by_column(columns: BTreeMap<String, Vec<Cell>>) -> Result<Frame, Problem> {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut names = Vec::with_capacity(columns.len());
    for (name, cells) in columns {
        if names.is_empty() {
            rows.resize_with(cells.len(), Vec::new);
        }
        if rows.len() != cells.len() {
            let detail =
                format!("{} has {} values, and others have {}", quoted(&name), cells.len(), rows.len());
            return Err(Problem::bad(Rejection::SHAPE, detail));
        }
        rows.iter_mut().zip(cells).for_each(|(row, cell)| row.push(cell));
        names.push(name);
    }
    Ok(Frame { names: Some(names), rows })
}

/// A table as text. Its first line has names where a cell of it is no number.
fn csv(body: &[u8]) -> Result<Frame, Problem> {
    let unreadable =
        |why: String| Problem::bad(Rejection::SHAPE, format!("this is no CSV in UTF-8: {}", printable(&why)));
    let text = str::from_utf8(body).map_err(|why| unreadable(why.to_string()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader =
        ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let (mut names, mut rows) = (None, Vec::new());
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|why| unreadable(why.to_string()))?;
        let cells: Vec<Cell> = record.iter().map(cell).collect();
        if index == 0 && cells.iter().any(|cell| matches!(cell, Cell::Text(_))) {
            names = Some(record.iter().map(|name| name.trim().to_owned()).collect());
        } else {
            rows.push(cells);
        }
    }
    Ok(Frame { names, rows })
}

fn cell(text: &str) -> Cell {
    let text = text.trim();
    match text.parse::<f64>() {
        _ if text.is_empty() => Cell::Missing,
        Ok(number) if number.is_finite() => Cell::Number(number),
        _ => Cell::Text(text.into()),
    }
}
