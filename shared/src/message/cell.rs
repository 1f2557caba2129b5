//! What stands in a row: a number, a text or nothing.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

use super::Rejection;

/// One value of a row, as its producer has it: a cell of a table, or a value in a message's body.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A finite number.
    Number(f64),
    /// A text, such as a category's name.
    Text(Box<str>),
    /// Nothing: an empty cell, `null`.
    Missing,
}

impl Cell {
    /// The number, where it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) | Self::Missing => None,
        }
    }

    /// The number that it is, or that its text spells, such as `"151.0"`. `what` is it called in an error.
    ///
    /// # Errors
    /// It is nothing, a text that is no number, or one that is not finite.
    pub fn to_number(&self, what: impl fmt::Display) -> Result<f64, Rejection> {
        let number = match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Missing => None,
        };
        match number {
            Some(number) if number.is_finite() => Ok(number),
            Some(_) => Err(Rejection::new(Rejection::NOT_FINITE, format!("{what} is {self}"))),
            None => Err(Rejection::new(Rejection::SHAPE, format!("{what} is {self}; expected a number"))),
        }
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

/// Reads numbers, texts, `null`, and `true` and `false` as 1 and 0.
struct CellVisitor;

impl Visitor<'_> for CellVisitor {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }
    fn visit_f64<E: Error>(self, number: f64) -> Result<Cell, E> {
        Ok(Cell::Number(number))
    }
    #[expect(clippy::cast_precision_loss, reason = "as every JSON number is read")]
    fn visit_u64<E: Error>(self, number: u64) -> Result<Cell, E> {
        Ok(Cell::Number(number as f64))
    }
    #[expect(clippy::cast_precision_loss, reason = "as every JSON number is read")]
    fn visit_i64<E: Error>(self, number: i64) -> Result<Cell, E> {
        Ok(Cell::Number(number as f64))
    }
    fn visit_bool<E: Error>(self, truth: bool) -> Result<Cell, E> {
        Ok(Cell::Number(u8::from(truth).into()))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Cell, E> {
        Ok(Cell::Text(text.into()))
    }
    fn visit_unit<E: Error>(self) -> Result<Cell, E> {
        Ok(Cell::Missing)
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Missing => serializer.serialize_unit(),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Missing => f.write_str("nothing"),
        }
    }
}

/// A row's features as they travel: raw. Only `model` puts them in order, fills and encodes them.
#[derive(Debug, Clone, PartialEq)]
pub enum Features {
    /// Finite numbers in the model's order: `[0.1, 0.2]`.
    Vector(Vec<f64>),
    /// Cells by the features' names, in any order: `{"area": 50, "heating": "gas", "rooms": null}`.
    Named(Vec<(Box<str>, Cell)>),
}

impl Serialize for Features {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Vector(vector) => vector.serialize(serializer),
            Self::Named(cells) => serializer.collect_map(cells.iter().map(|(name, cell)| (name, cell))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_a_number_or_spells_one_or_says_why_not() {
        let text = |text: &str| Cell::Text(text.into());
        for (cell, number, spelt, shown) in [
            (Cell::Number(-2.5), Some(-2.5), Ok(-2.5), "-2.5"),
            (text(" 1e3 "), None, Ok(1000.0), "\" 1e3 \""),
            (text("gas"), None, Err(Rejection::SHAPE), "\"gas\""),
            (text("inf"), None, Err(Rejection::NOT_FINITE), "\"inf\""),
            (Cell::Missing, None, Err(Rejection::SHAPE), "nothing"),
        ] {
            assert_eq!(cell.as_number(), number, "{cell:?}");
            assert_eq!(cell.to_number("area").map_err(|why| why.reason), spelt, "{cell:?}");
            assert_eq!(cell.to_string(), shown);
        }
    }

    #[test]
    fn json_is_read_as_what_it_stands_for_and_written_as_it_was() {
        let json = r#"[0.5,7,-7,true,false,"gas",null]"#;
        let cells: Vec<Cell> = serde_json::from_str(json).unwrap();
        let numbers = [0.5, 7.0, -7.0, 1.0, 0.0].map(Cell::Number);
        assert_eq!(cells[..5], numbers);
        assert_eq!(cells[5..], [Cell::Text("gas".into()), Cell::Missing]);
        let named = Features::Named(vec![("a".into(), cells[0].clone()), ("b".into(), Cell::Missing)]);
        assert_eq!(serde_json::to_string(&named).unwrap(), r#"{"a":0.5,"b":null}"#);
        assert_eq!(serde_json::to_string(&Features::Vector(vec![1.0, 0.5])).unwrap(), "[1.0,0.5]");
        let why = serde_json::from_str::<Cell>("[1]").unwrap_err().to_string();
        assert!(why.contains("expected a number"), "{why}");
    }
}
