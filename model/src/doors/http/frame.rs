//! Rows that came as a table, in the form in which the model takes them. Pure.

use std::collections::HashMap;

use shared::message::{Cell, Features, Key, MOST_ROWS, Rejection, Row};
use shared::printable::quoted;

use super::problem::Problem;
use crate::inputs::Inputs;

/// Rows of cells, under names, or in the model's order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Frame {
    pub(super) names: Option<Vec<String>>,
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Frame {
    /// The rows, without ids. Names are matched where the model knows them, and other columns are left out; a model that knows
    /// none takes the columns as they stand.
    pub(super) fn rows(self, inputs: &Inputs) -> Result<Vec<Row>, Problem> {
        let Self { names, rows } = self;
        let count = counted(rows.len())?;
        let columns = names.as_ref().map(Vec::len);
        let order = match (&names, inputs.names()) {
            (Some(sent), Some(wanted)) => Some(order(sent, wanted)?),
            _ => None,
        };
        let row = |(index, mut cells): (usize, Vec<Cell>)| {
            if let Some(columns) = columns.filter(|columns| *columns != cells.len()) {
                let detail = format!("{} values under {columns} names", cells.len());
                return Err(Problem::of_row(index, count, &Rejection::new(Rejection::SHAPE, detail)));
            }
            if let Some(order) = &order {
                cells = order.iter().map(|at| std::mem::replace(&mut cells[*at], Cell::Missing)).collect();
            }
            let features = features(inputs, cells).map_err(|why| Problem::of_row(index, count, &why))?;
            Ok(without_id(features))
        };
        rows.into_iter().enumerate().map(row).collect()
    }
}

/// A row that nobody has given an id.
pub(super) fn without_id(features: Features) -> Row {
    Row { key: Key::Anonymous, features, names: None, published_at: None }
}

/// Holds the number of rows to its bounds.
pub(super) fn counted(rows: usize) -> Result<usize, Problem> {
    match rows {
        0 => Err(Problem::bad(Rejection::SHAPE, "there are no rows")),
        rows if rows > MOST_ROWS => {
            let detail = format!("{rows} rows in one request, more than {MOST_ROWS}");
            Err(Problem::bad(Rejection::TOO_LARGE, detail))
        }
        rows => Ok(rows),
    }
}

/// Where each wanted name stands.
fn order(sent: &[String], wanted: &[String]) -> Result<Vec<usize>, Problem> {
    let mut places = HashMap::with_capacity(sent.len());
    for (at, name) in sent.iter().enumerate() {
        if places.insert(&**name, at).is_some() {
            return Err(Problem::bad(Rejection::SHAPE, format!("two columns are called {}", quoted(name))));
        }
    }
    let place = |name: &String| {
        let lacks = || Problem::bad(Rejection::NAMES, format!("the feature {} is missing", quoted(name)));
        places.get(&**name).copied().ok_or_else(lacks)
    };
    wanted.iter().map(place).collect()
}

/// Cells in the model's order, as its features: numbers where all of them are, else by name, for what is missing may be filled
/// and a text may be a category.
fn features(inputs: &Inputs, cells: Vec<Cell>) -> Result<Features, Rejection> {
    if cells.len() != inputs.count() {
        let detail = format!("{} features, the model expects {}", cells.len(), inputs.count());
        return Err(Rejection::new(Rejection::LENGTH, detail));
    }
    let called = |at: usize| match inputs.names() {
        Some(names) => quoted(&names[at]),
        None => format!("feature {}", at + 1),
    };
    if let Some(at) = cells.iter().position(|cell| cell.as_number().is_some_and(|number| !number.is_finite()))
    {
        return Err(Rejection::new(Rejection::NOT_FINITE, format!("{} is {}", called(at), cells[at])));
    }
    let is_textual = inputs.encoding().is_some_and(|encoding| encoding.textual().is_some());
    let numbers: Option<Vec<f64>> = cells.iter().map(Cell::as_number).collect();
    match (numbers.filter(|_| !is_textual), inputs.names()) {
        (Some(numbers), _) => Ok(Features::Vector(numbers)),
        (None, Some(names)) => {
            Ok(Features::Named(names.iter().map(|name| (**name).into()).zip(cells).collect()))
        }
        (None, None) => {
            let number = |(at, cell): (usize, &Cell)| cell.to_number(called(at));
            Ok(Features::Vector(cells.iter().enumerate().map(number).collect::<Result<_, _>>()?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.into())
    }

    #[test]
    fn cells_come_to_the_model_s_order_or_the_first_that_is_wrong_is_named() {
        let known = Inputs::named(names(&["age", "bmi"]));
        let vector = |numbers: &[f64]| Ok(Features::Vector(numbers.to_vec()));
        let one = Cell::Number(1.0);
        let two = Cell::Number(2.0);
        for (inputs, sent, cells, wanted) in [
            (&known, None, vec![one.clone(), two.clone()], vector(&[1.0, 2.0])),
            (
                &known,
                Some(&["bmi", "more", "age"][..]),
                vec![two.clone(), text("x"), one.clone()],
                vector(&[1.0, 2.0]),
            ),
            (
                &Inputs::unnamed(2),
                Some(&["any", "other"]),
                vec![one.clone(), two.clone()],
                vector(&[1.0, 2.0]),
            ),
            (&Inputs::unnamed(2), None, vec![one.clone(), text(" 2 ")], vector(&[1.0, 2.0])),
            (
                &known,
                None,
                vec![one.clone(), Cell::Missing],
                Ok(Features::Named(vec![("age".into(), one.clone()), ("bmi".into(), Cell::Missing)])),
            ),
            (&known, Some(&["age"]), vec![one.clone()], Err("wrong_names: the feature \"bmi\" is missing")),
            (
                &known,
                Some(&["age", "age"]),
                vec![one.clone(), one.clone()],
                Err("bad_shape: two columns are called \"age\""),
            ),
            (&known, Some(&["age", "bmi"]), vec![one.clone()], Err("bad_shape: 1 values under 2 names")),
            (&known, None, vec![one.clone()], Err("wrong_length: 1 features, the model expects 2")),
            (&known, None, vec![one.clone(), Cell::Number(f64::NAN)], Err("not_finite: \"bmi\" is NaN")),
            (
                &Inputs::unnamed(2),
                None,
                vec![one.clone(), text("x")],
                Err("bad_shape: feature 2 is \"x\"; expected a number"),
            ),
        ] {
            let frame = Frame { names: sent.map(names), rows: vec![cells] };
            let told = frame.clone().rows(inputs).map(|mut rows| rows.remove(0).features);
            let told = told.map_err(|why| format!("{}: {}", why.reason.unwrap_or_default(), why.error));
            assert_eq!(told, wanted.map_err(str::to_owned), "{frame:?}");
        }
    }

    #[test]
    fn of_several_rows_the_bad_one_is_counted_and_their_number_is_bounded() {
        let inputs = Inputs::unnamed(1);
        let row = |number: f64| vec![Cell::Number(number)];
        let of = |rows| Frame { names: None, rows }.rows(&inputs);
        assert_eq!(
            of(vec![row(1.0), vec![], row(2.0)]).unwrap_err().error,
            "row 2: 0 features, the model expects 1"
        );
        assert_eq!(of(vec![]).unwrap_err().error, "there are no rows");
        assert_eq!(of(vec![row(1.0); MOST_ROWS]).unwrap().len(), MOST_ROWS);
        let why = of(vec![row(1.0); MOST_ROWS + 1]).unwrap_err();
        assert_eq!((why.status.as_u16(), why.reason), (413, Some("too_large")));
    }
}
