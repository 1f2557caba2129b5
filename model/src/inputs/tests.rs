//! Rows that a model takes, and models that take one another's rows.

use super::*;

fn named() -> Inputs {
    Inputs::named(vec!["age".to_owned(), "bmi, kg".to_owned()])
}

#[test]
fn a_row_is_held_to_count_and_names() {
    let two = [1.0, 2.0];
    let fits = |inputs: &Inputs, names| inputs.check(&two, names).is_ok();
    assert!(fits(&named(), None));
    assert!(fits(&named(), Some(r#"["age","bmi, kg"]"#)));
    assert!(fits(&named(), Some(r#" [ "age", "bmi, kg" ]"#)));
    assert!(fits(&Inputs::unnamed(2), Some("anything,goes")));
    for (names, want) in [
        ("age", "wrong_names: feature 2 is nothing, the model expects \"bmi, kg\""),
        (r#"["bmi, kg","age"]"#, "wrong_names: feature 1 is \"bmi, kg\", the model expects \"age\""),
        (r#"["age","bmi, kg","sex"]"#, "wrong_names: feature 3 is \"sex\", the model expects nothing"),
        ("age,bmi", "wrong_names: feature 2 is \"bmi\", the model expects \"bmi, kg\""),
    ] {
        assert_eq!(named().check(&two, Some(names)).unwrap_err().to_string(), want);
    }
    let error = named().check(&[1.0], None).unwrap_err().to_string();
    assert_eq!(error, "wrong_length: 1 features, the model expects 2");
}

#[test]
fn what_training_has_not_seen_is_named() {
    let inputs = named().within(Some(vec![(0.0, 1.0), (-2.0, 2.0)]));
    let outside = |row: &[f64]| inputs.outside(row).map(|outside| outside.to_string()).collect::<Vec<_>>();
    assert!(outside(&[0.0, 2.0]).is_empty());
    let wanted =
        ["age is 2, outside the trained range 0 to 1", "bmi, kg is -2.5, outside the trained range -2 to 2"];
    assert_eq!(outside(&[2.0, -2.5]), wanted);
    assert_eq!(named().outside(&[1e300, 0.0]).count(), 0);
}

#[test]
fn models_that_swap_have_the_same_features() {
    let other = Inputs::named(vec!["bmi, kg".to_owned(), "age".to_owned()]);
    assert!(named().fits(&named()) && named().fits(&Inputs::unnamed(2)));
    assert!(!named().fits(&other) && !named().fits(&Inputs::unnamed(3)));
    // By way of a model without names, they have no others.
    let between = Inputs::unnamed(2).named_as(&named());
    assert!(between.names() == named().names() && !other.fits(&between));
}

/// The label as well: a pickle does not say it, and has the one that it takes over.
#[test]
fn models_that_swap_predict_the_same_label() {
    let price = named().of_target("price");
    assert!(price.fits(&price) && price.fits(&named()) && named().fits(&price));
    assert!(!named().of_target("rent").fits(&price));
    let between = Inputs::unnamed(2).named_as(&price);
    assert_eq!(named().of_target("rent").other_target(&between), Some(("rent", "price")));
}

fn houses(fill: Option<f64>, heating: &[&str]) -> Inputs {
    let features = ["heating", "rooms"].map(str::to_owned);
    let fills = fill.map(|fill| ("rooms".to_owned(), fill)).into_iter().collect();
    let categories = heating.iter().map(|name| (*name).to_owned()).collect();
    let encoding = Encoding::new(&features, &fills, &[("heating".to_owned(), categories)].into());
    Inputs::encoded(encoding.unwrap())
}

#[test]
fn a_row_by_name_is_put_in_order_and_encoded() {
    let inputs = houses(Some(3.5), &["gas", "oil"]);
    let cell = |name: &str, cell: Cell| (Box::from(name), cell);
    let text = |text: &str| Cell::Text(text.into());
    for (cells, want) in [
        (vec![cell("rooms", Cell::Number(2.0)), cell("heating", text("oil"))], Ok(vec![1.0, 2.0])),
        (vec![cell("heating", text("gas")), cell("rooms", Cell::Missing)], Ok(vec![0.0, 3.5])),
        (
            vec![cell("note", text("x")), cell("rooms", Cell::Missing), cell("heating", text("gas"))],
            Ok(vec![0.0, 3.5]),
        ),
        (vec![cell("heating", text("gas"))], Err("wrong_names: the feature \"rooms\" is missing")),
    ] {
        let got = inputs.vector(Features::Named(cells), None);
        assert_eq!(got.map_err(|why| why.to_string()), want.map_err(str::to_owned));
    }
}

#[test]
fn a_row_of_numbers_can_have_no_text() {
    let row = || Features::Vector(vec![20.0, 3.0]);
    assert_eq!(houses(None, &["10", "20"]).vector(row(), None).unwrap(), [1.0, 3.0]);
    let refused = houses(None, &["gas", "oil"]).vector(row(), None).unwrap_err().to_string();
    let want = "bad_shape: the model's feature \"heating\" is a category; send the features by name";
    assert_eq!(refused, want);
}

#[test]
fn a_model_that_swaps_takes_the_same_kinds_of_cells() {
    let serving = houses(Some(3.5), &["gas", "oil"]);
    let plain = Inputs::named(["heating", "rooms"].map(str::to_owned).to_vec());
    let number = Some(("its feature \"heating\" is a number".to_owned(), "a category".to_owned()));
    assert_eq!(plain.difference(&serving), number);
    assert_eq!(Inputs::unnamed(2).difference(&serving), number);
    assert!(serving.difference(&plain).is_some());
    assert!(houses(None, &["gas"]).fits(&serving));
    for (next, want) in [
        (houses(Some(4.0), &["district", "gas", "oil"]), None),
        (houses(None, &["gas", "oil"]), Some("rows without \"rooms\", which are no longer filled")),
        (
            houses(Some(3.5), &["gas"]),
            Some("rows whose \"heating\" is \"oil\", which is no longer a category"),
        ),
    ] {
        assert_eq!(next.narrower(&serving).as_deref(), want);
    }
}
