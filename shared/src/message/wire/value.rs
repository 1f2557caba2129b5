//! The values in a body: a number or an array of numbers.

use std::fmt;

use serde::Deserialize;

use crate::message::{Cell, Rejection};

/// What is wanted in a place, as an error calls it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Number,
    Array,
    /// For a model with categories that are texts, which no array of numbers has.
    ByName,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "a number",
            Self::Array => "an array of numbers",
            Self::ByName => "an object with the features by name",
        })
    }
}

/// A number, which may be a text or `true` or `false`. `what` is it called in an error.
pub(super) fn number(json: &[u8], what: &str) -> Result<f64, Rejection> {
    match serde_json::from_slice(json) {
        Ok(number) => Ok(number),
        Err(why) if why.is_data() => read::<Cell>(json, Form::Number)?.to_number(what),
        Err(why) => Err(unreadable(json, Form::Number, &why)),
    }
}

/// An array of such numbers, where `wanted` is nothing else.
pub(super) fn vector(json: &[u8], wanted: Form) -> Result<Vec<f64>, Rejection> {
    match serde_json::from_slice(json) {
        Ok(numbers) => Ok(numbers),
        Err(why) if why.is_data() && matches!(wanted, Form::ByName) => {
            Err(Rejection::new(Rejection::SHAPE, format!("expected {wanted}")))
        }
        Err(why) if why.is_data() => {
            let cells: Vec<Cell> = read(json, wanted)?;
            let number =
                |(index, cell): (usize, &Cell)| cell.to_number(format_args!("feature {}", index + 1));
            cells.iter().enumerate().map(number).collect()
        }
        Err(why) => Err(unreadable(json, wanted, &why)),
    }
}

/// Any value. `wanted` is what an error says that it should be.
///
/// # Errors
/// It is no JSON, another value, or has a number that is not finite.
pub fn read<'a, T: Deserialize<'a>>(json: &'a [u8], wanted: impl fmt::Display) -> Result<T, Rejection> {
    serde_json::from_slice(json).map_err(|why| unreadable(json, wanted, &why))
}

/// Tells apart what is wrong with JSON that did not parse.
fn unreadable(json: &[u8], wanted: impl fmt::Display, why: &serde_json::Error) -> Rejection {
    let text = why.to_string();
    if text.starts_with("number out of range") || has_non_finite_token(json) {
        return Rejection::new(Rejection::NOT_FINITE, text);
    }
    if why.is_data() {
        return Rejection::new(Rejection::SHAPE, format!("expected {wanted}: {text}"));
    }
    Rejection::new(Rejection::NOT_JSON, text)
}

/// Whether `NaN` or `Infinity`, which Python's `json` writes and JSON does not have, stands outside a string.
fn has_non_finite_token(bytes: &[u8]) -> bool {
    let mut in_string = false;
    let mut escaped = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'N' | b'I' if !in_string => {
                let rest = &bytes[at..];
                return rest.starts_with(b"NaN") || rest.starts_with(b"Infinity");
            }
            _ => {}
        }
    }
    false
}
