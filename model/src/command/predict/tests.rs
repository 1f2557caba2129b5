//! Tables, and the predictions for them.

use std::cell::RefCell;

use shared::message::Name;

use super::*;
use crate::encode::Encoding;
use crate::inputs::Inputs;
use crate::linear::Linear;
use crate::predictor::Engine;

fn predicted(inputs: Inputs, id: Option<&str>, strict: bool, table: &str) -> (String, String) {
    let options = PredictOptions { id: id.map(str::to_owned), strict, ..plain() };
    let (output, failure, _) = predicted_with(&options, inputs, table);
    (output, failure)
}

fn plain() -> PredictOptions {
    PredictOptions {
        file: PathBuf::new(),
        id: None,
        dialect: Dialect::default(),
        missing: Unfilled::Fail,
        strict: false,
    }
}

fn predicted_with(options: &PredictOptions, inputs: Inputs, table: &str) -> (String, String, Vec<String>) {
    let engine = Engine::Linear(Linear::new(None, &[1.0, 10.0], 0.5).unwrap());
    let predictor = Predictor::new(engine, inputs, Name::parse("v").unwrap());
    let mut output = Vec::new();
    let said = RefCell::new(Vec::new());
    let say = |note| said.borrow_mut().push(note);
    let result = stream(&predictor, options, table.as_bytes(), &mut output, &say);
    let failure = result.err().map_or(String::new(), |why| format!("{why:#}"));
    (String::from_utf8(output).unwrap(), failure, said.into_inner())
}

fn named() -> Inputs {
    Inputs::named(vec!["a".to_owned(), "b".to_owned()]).within(Some(vec![(0.0, 9.0), (0.0, 9.0)]))
}

#[test]
fn features_are_found_by_name() {
    let (output, failure) = predicted(named(), Some("id"), false, "b,note,id,a\n2,x,row-1,1\n-4,,row-2,3\n");
    assert_eq!((&*output, &*failure), ("id,prediction\nrow-1,21.5\nrow-2,-36.5\n", ""));
}

#[test]
fn without_names_the_columns_are_the_features() {
    let (output, failure) = predicted(Inputs::unnamed(2), Some("id"), true, "id,p,q\n7,1,2\n");
    assert_eq!((&*output, &*failure), ("id,prediction\n7,21.5\n", ""));
}

#[test]
fn what_comes_before_a_fault_is_predicted() {
    for (inputs, id, strict, table, want_output, want_failure) in [
        (
            named(),
            None,
            false,
            "a,b\n1,2\n3,x\n5,6\n",
            "prediction\n21.5\n",
            "standard input, line 3, column b: \"x\" is not a finite number",
        ),
        (
            named(),
            None,
            false,
            "a,b\n1,2\n3\n",
            "prediction\n21.5\n",
            "standard input, line 3: 1 cell, but the header has 2",
        ),
        (
            named(),
            None,
            true,
            "a,b\n1,2\n3,9.5\n",
            "prediction\n21.5\n",
            "standard input, line 3: b is 9.5, outside the trained range 0 to 9",
        ),
        (named(), None, false, "a,c\n1,2\n", "", "the table lacks the features b; its header has a, c"),
        (
            named(),
            Some("k"),
            false,
            "a,b\n1,2\n",
            "",
            "the table has no column \"k\" for --id; its header has a, b",
        ),
        (named(), None, false, "a,b,a\n1,2,3\n", "", "the table has the column \"a\" twice; rename one"),
        (
            named(),
            None,
            false,
            "a,b\n1,2\n\n\n3,\n",
            "prediction\n21.5\n",
            "standard input, line 5: b is missing, and the model has no fill value for it; send a number, or train the model \
             with --missing mean or --missing median; or leave such rows out with --missing drop",
        ),
        (
            Inputs::unnamed(2),
            None,
            false,
            "a,b,c\n1,2,3\n",
            "",
            "the model expects 2 features (names unknown), the table has 3",
        ),
    ] {
        let (output, failure) = predicted(inputs, id, strict, table);
        assert_eq!(output, want_output);
        assert!(failure.starts_with(want_failure), "{failure}");
    }
}

#[test]
fn rows_are_filled_encoded_or_left_out() {
    let features = ["b", "a"].map(str::to_owned);
    let categories = [("a".to_owned(), ["gas", "oil"].map(str::to_owned).to_vec())].into();
    let houses = |fills: &[(&str, f64)]| {
        let fills = fills.iter().map(|(name, fill)| ((*name).to_owned(), *fill)).collect();
        Inputs::encoded(Encoding::new(&features, &fills, &categories).unwrap())
    };
    let table = "a,id,b\noil,1,2\ngas,2,\n,3,7\noil,4,?\n";
    let drop = PredictOptions { id: Some("id".to_owned()), missing: Unfilled::Drop, ..plain() };
    let (output, failure, said) = predicted_with(&drop, houses(&[]), table);
    assert_eq!((&*output, &*failure), ("id,prediction\n1,12.5\n", ""));
    assert_eq!(said, ["standard input: rows with missing cells that were left out: 3"]);
    let (output, failure, said) = predicted_with(&drop, houses(&[("b", 3.0)]), table);
    assert_eq!((&*output, &*failure), ("id,prediction\n1,12.5\n2,3.5\n4,13.5\n", ""));
    assert_eq!(said, ["standard input: rows with missing cells that were left out: 1"]);
    let (_, failure, _) = predicted_with(&plain(), houses(&[]), "a,b\nwood,1\n");
    let want = "standard input, line 2: a is \"wood\", which is not a trained category; the categories are \"gas\", \"oil\"";
    assert_eq!(failure, want);
}
