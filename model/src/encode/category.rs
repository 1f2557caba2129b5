//! The categories of a feature: which one a cell names, however it spells it, and the order they have.

use std::borrow::Cow;
use std::collections::HashMap;

use shared::message::Cell;
use shared::printable::quoted;

use super::listed;

/// The categories of a feature, and the place of each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Categories {
    pub(super) names: Vec<String>,
    pub(super) places: HashMap<String, usize>,
}

impl Categories {
    pub(super) fn new(feature: &str, names: Vec<String>) -> Result<Self, String> {
        if names.is_empty() {
            return Err(format!("it has no category for the feature {}", quoted(feature)));
        }
        let mut places = HashMap::new();
        for (place, name) in names.iter().enumerate() {
            if places.insert(name.clone(), place).is_some() {
                return Err(format!("it has the category {} of {} twice", quoted(name), quoted(feature)));
            }
        }
        Ok(Self { names, places })
    }

    pub(super) fn place(&self, cell: &Cell) -> Option<usize> {
        if let Some(place) = self.places.get(&*category(cell)) {
            return Some(*place);
        }
        // A table may spell a number otherwise, such as 2.0, 007 or True: the one category that is the same number.
        let number = cell.as_number()?;
        let mut places = (0..self.names.len()).filter(|place| spelt(&self.names[*place]) == Some(number));
        places.next().filter(|_| places.next().is_none())
    }

    pub(super) fn listed(&self) -> String {
        listed(self.names.iter().map(|name| quoted(name)))
    }
}

/// The category that a cell names: a text as it is, a number in its shortest form. A missing cell names none.
#[must_use]
pub fn category(cell: &Cell) -> Cow<'_, str> {
    match cell {
        // Minus zero is the same number.
        Cell::Number(number) => (number + 0.0).to_string().into(),
        Cell::Text(text) => (&**text).into(),
        Cell::Missing => "".into(),
    }
}

/// The number that a category's name spells, as it comes in a message.
fn spelt(category: &str) -> Option<f64> {
    match category {
        "true" | "True" | "TRUE" => Some(1.0),
        "false" | "False" | "FALSE" => Some(0.0),
        _ => category.parse().ok(),
    }
}

pub(super) fn is_number(category: &str) -> bool {
    category.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Categories in their order: numbers by size where all of them are, texts by their letters otherwise.
pub(crate) fn sort(categories: &mut [String]) {
    if categories.iter().all(|category| is_number(category)) {
        let number = |category: &String| category.parse().unwrap_or(f64::INFINITY);
        categories.sort_by(|a, b| number(a).total_cmp(&number(b)));
    } else {
        categories.sort();
    }
}
