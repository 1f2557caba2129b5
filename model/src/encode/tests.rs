//! Raw rows, and what is weighed of them.

use super::*;

fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

fn encoding(fills: &[(&str, f64)], categories: &[(&str, &[&str])]) -> Result<Encoding, String> {
    let features = ["area", "heating", "rooms"].map(str::to_owned);
    let fills = fills.iter().map(|(name, fill)| ((*name).to_owned(), *fill)).collect();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let categories = categories.iter().map(|(name, of)| ((*name).to_owned(), names(of))).collect();
    Encoding::new(&features, &fills, &categories)
}

const HEATING: (&str, &[&str]) = ("heating", &["district", "gas", "oil"]);

#[test]
fn a_category_becomes_columns_and_a_missing_number_its_fill() {
    let houses = encoding(&[("rooms", 3.5)], &[HEATING]).unwrap();
    assert_eq!(houses.columns(), ["area", "heating=gas", "heating=oil", "rooms"]);
    for (cells, want) in [
        ([Cell::Number(50.0), text("oil"), Cell::Number(2.0)], [50.0, 0.0, 1.0, 2.0]),
        ([Cell::Number(50.0), text("gas"), Cell::Missing], [50.0, 1.0, 0.0, 3.5]),
        ([text("0.5"), text("district"), Cell::Missing], [0.5, 0.0, 0.0, 3.5]),
    ] {
        assert_eq!(houses.encode(&cells).unwrap(), want);
    }
}

#[test]
fn what_was_encoded_is_decoded_and_nothing_else_is() {
    let houses = encoding(&[("rooms", 3.5)], &[HEATING]).unwrap();
    for (vector, heating) in
        [([50.0, 0.0, 1.0, 2.0], "oil"), ([-0.0, 1.0, 0.0, 3.5], "gas"), ([0.5, 0.0, 0.0, 3.5], "district")]
    {
        let row = houses.decode(&vector).unwrap();
        assert_eq!(row, [Cell::Number(vector[0]), text(heating), Cell::Number(vector[3])]);
        assert_eq!(houses.encode(&row).unwrap(), vector);
    }
    for vector in [
        &[50.0, 1.0, 1.0, 2.0][..],
        &[50.0, 0.5, 0.0, 2.0],
        &[50.0, f64::NAN, 0.0, 2.0],
        &[50.0, 0.0, 1.0],
        &[50.0, 0.0, 1.0, 2.0, 3.0],
        &[],
    ] {
        assert_eq!(houses.decode(vector), None, "{vector:?}");
    }
}

#[test]
fn what_cannot_be_encoded_is_named_with_the_way_out() {
    let houses = encoding(&[], &[HEATING]).unwrap();
    let area = Cell::Number(50.0);
    for (cells, want) in [
        (
            [area.clone(), text("gas"), Cell::Missing],
            "missing_value: rooms is missing, and the model has no fill value for it; send a number, or train the model \
             with --missing mean or --missing median",
        ),
        (
            [area.clone(), Cell::Missing, Cell::Missing],
            "missing_value: heating is missing; expected one of the model's categories",
        ),
        (
            [area.clone(), text("wood\u{1b}[2J"), area.clone()],
            "unknown_category: heating is \"wood\\u{1b}[2J\", which is not a trained category; the categories are \
             \"district\", \"gas\", \"oil\"",
        ),
        (
            [area.clone(), Cell::Number(7.0), area.clone()],
            "unknown_category: heating is \"7\", which is not a trained category; the categories are \"district\", \
             \"gas\", \"oil\"",
        ),
        ([area.clone(), text("gas"), text("two")], "bad_shape: rooms is \"two\"; expected a number"),
    ] {
        assert_eq!(houses.encode(&cells).unwrap_err().to_string(), want);
    }
    let long = houses.encode([area.clone(), text(&"x".repeat(5000)), area]).unwrap_err();
    assert!(long.detail.starts_with(&format!("heating is \"{}...\", which", "x".repeat(57))), "{long}");
}

#[test]
fn a_number_names_a_category_by_its_shortest_form() {
    let houses = encoding(&[], &[("heating", &["-1.5", "0", "20"])]).unwrap();
    assert_eq!(houses.textual(), None);
    for (cell, want) in [
        (Cell::Number(20.0), [0.0, 1.0]),
        (Cell::Number(-0.0), [1.0, 0.0]),
        (Cell::Number(-1.5), [0.0, 0.0]),
        (text("20"), [0.0, 1.0]),
    ] {
        assert_eq!(houses.encode([&Cell::Number(1.0), &cell, &Cell::Number(1.0)]).unwrap()[1..3], want);
    }
    assert_eq!(encoding(&[], &[HEATING]).unwrap().textual(), Some("heating"));
    let spelt = encoding(&[], &[("heating", &["1.0", "007", "3", "3.0"])]).unwrap();
    let area = Cell::Number(1.0);
    for (number, want) in [(1.0, [0.0, 0.0, 0.0]), (7.0, [1.0, 0.0, 0.0]), (3.0, [0.0, 1.0, 0.0])] {
        assert_eq!(spelt.encode([&area, &Cell::Number(number), &area]).unwrap()[1..4], want);
    }
    let truth = encoding(&[], &[("heating", &["False", "True"])]).unwrap();
    assert_eq!(truth.encode([&area, &Cell::Number(1.0), &area]).unwrap(), [1.0, 1.0, 1.0]);
    let doubtful = encoding(&[], &[("heating", &["3.0", "3.00"])]).unwrap();
    assert!(doubtful.encode([&area, &Cell::Number(3.0), &area]).is_err());
}

#[test]
fn categories_have_an_order() {
    for (given, want) in [
        (["10", "9", "-1"], ["-1", "9", "10"]),
        (["gas", "10", "9"], ["10", "9", "gas"]),
        (["oil", "Gas", "gas"], ["Gas", "gas", "oil"]),
    ] {
        let mut categories = given.map(str::to_owned);
        sort(&mut categories);
        assert_eq!(categories, want);
    }
}

#[test]
fn an_encoding_that_contradicts_itself_is_refused() {
    let many: Vec<String> = (0..1001).map(|i| i.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (fills, categories, want) in [
        (
            &[("room", 1.0)][..],
            &[][..],
            "it has a fill or categories for \"room\", which is not one of its features",
        ),
        (
            &[],
            &[("heat", &["a"][..])],
            "it has a fill or categories for \"heat\", which is not one of its features",
        ),
        (
            &[("heating", 1.0)],
            &[HEATING],
            "it has both a fill and categories for \"heating\"; only one is allowed",
        ),
        (&[], &[("heating", &[])], "it has no category for the feature \"heating\""),
        (&[], &[("heating", &["a", "a"])], "it has the category \"a\" of \"heating\" twice"),
        (&[], &[("heating", &many)], "it has 1001 categories; expected at most 1000"),
    ] {
        assert_eq!(encoding(fills, categories).unwrap_err(), want);
    }
    let features = ["a", "a=2"].map(str::to_owned);
    let categories = [("a".to_owned(), ["1", "2"].map(str::to_owned).to_vec())].into();
    let twice = Encoding::new(&features, &BTreeMap::new(), &categories).unwrap_err();
    assert_eq!(twice, "it has two columns called \"a=2\"");
}
