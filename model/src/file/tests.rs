//! The model file written, read back, and refused.

use super::*;

pub(crate) fn training() -> Training {
    Training {
        algorithm: "ols".to_owned(),
        parameters: BTreeMap::new(),
        libraries: BTreeMap::from([("linfa-linear".to_owned(), "0.8".to_owned())]),
        data: Some(Source::of(Path::new("some/t.csv"), b"")),
        converted_from: None,
        rows: Some(3),
        seed: Some(42),
        cross_validation: None,
        made_at: "2026-11-22T00:00:00Z".to_owned(),
    }
}

fn model() -> ModelFile {
    let scaling = Scaling { mean: vec![0.5, 1.0], scale: vec![2.0, 0.1 + 0.2] };
    let linear = Linear::new(Some(scaling), &[0.1 + 0.2, -1e-300], 152.133_484_162_896).unwrap();
    let rows: [&[f64]; 3] = [&[1.0, 2.0], &[0.0, 0.0], &[-1e3, 7.0]];
    let predictions = linear.predict(&rows);
    let features = vec!["a".to_owned(), "b".to_owned()];
    let mut model =
        ModelFile::linear(features, "y".to_owned(), &linear, training()).with_golden(&rows, &predictions);
    model.reference = Some(Reference::of(&rows, &[1.0, 2.0, 3.0], &predictions));
    model
}

#[test]
fn a_file_reads_back_to_the_bit_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.json");
    model().write(&path).unwrap();
    assert_eq!(ModelFile::parse(&fs::read(&path).unwrap()).unwrap().0, model());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(model().golden.len(), 3);
    assert_eq!(model().training.data.unwrap().file, "t.csv");
}

#[test]
fn a_file_that_cannot_be_used_is_refused_with_its_reason() {
    let good = serde_json::to_value(model()).unwrap();
    let with = |key: &str, value: serde_json::Value| {
        let mut changed = good.clone();
        changed[key] = value;
        serde_json::to_vec(&changed).unwrap()
    };
    let text = |text: &str, other: &str| {
        let json = serde_json::to_string(&good).unwrap();
        assert!(json.contains(text), "{text}");
        json.replacen(text, other, 1).into_bytes()
    };
    let half = &serde_json::to_vec(&good).unwrap()[..100];
    let no_histogram = serde_json::json!({"edges": [], "counts": []});
    let reference = |features: &[serde_json::Value], target: serde_json::Value| serde_json::json!({"features": features, "target": target, "prediction": no_histogram.clone()});
    let one_bin = serde_json::json!({"edges": [0.0, 1.0], "counts": [1]});
    let falling = serde_json::json!({"edges": [2.0, 1.0], "counts": [1]});
    for (bytes, want) in [
        (&b" \n"[..], "EOF while parsing"),
        (half, "EOF while parsing"),
        (b"\x80\x04\x95", "expected value"),
        (&with("format", "other".into()), "its format is \"other\""),
        (
            &with("format_version", 1.into()),
            "its format version is 1, and this program reads 2; make it anew",
        ),
        (&with("features", serde_json::json!([])), "it has no features"),
        (&with("features", serde_json::json!(["a", "a"])), "it has the feature \"a\" twice"),
        (&with("features", serde_json::json!(["a", ""])), "it has a feature of the name \"\""),
        (&with("coefficients", serde_json::json!([1.0])), "it has 1 coefficients for 2 features"),
        (&with("coefficients", serde_json::json!([1.0, null])), "invalid type: null"),
        (
            &with("scaling", serde_json::json!({"mean": [0.0], "scale": [1.0, 1.0]})),
            "it has 1 means for 2 features",
        ),
        (
            &with("scaling", serde_json::json!({"mean": [0.0, 0.0], "scale": [1.0, 0.0]})),
            "it has the scale 0",
        ),
        (
            &with("golden", serde_json::json!([{"features": [1.0], "prediction": 1.0}])),
            "1 features in a golden row",
        ),
        (&with("reference", reference(&[], no_histogram.clone())), "it has 0 histograms for 2 features"),
        (
            &with("reference", reference(&[one_bin.clone(), one_bin.clone()], falling)),
            "the histogram of the target: its edges do not ascend",
        ),
        (
            &with("reference", reference(&[one_bin, no_histogram.clone()], no_histogram.clone())),
            "the histogram of feature 2: it is empty",
        ),
        (&with("surprise", 1.into()), "unknown field `surprise`"),
        (&with("kind", "forest".into()), "unknown variant `forest`"),
        (&with("intercept", 1e5.into()), "it predicts"),
        (&text("152.133484162896", "152.133484163896"), "its weights were changed or damaged"),
        (&text("152.133484162896", "1e999"), "number out of range"),
        (&text("152.133484162896", "NaN"), "expected value"),
        (&text("\"intercept\"", "\"target\":\"z\",\"intercept\""), "duplicate field `target`"),
    ] {
        let error = ModelFile::parse(bytes).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
}

#[test]
fn golden_rows_are_few_and_span_the_predictions() {
    let linear = Linear::new(None, &[1.0], 0.0).unwrap();
    let numbers: Vec<[f64; 1]> = (0..101).map(|i| [f64::from(i * 37 % 101)]).collect();
    let rows: Vec<&[f64]> = numbers.iter().map(|row| &row[..]).collect();
    let predictions = linear.predict(&rows);
    let of = |rows: &[&[f64]], predictions: &[f64]| {
        let model = ModelFile::linear(vec!["a".to_owned()], "y".to_owned(), &linear, training());
        model.with_golden(rows, predictions).golden.iter().map(|golden| golden.prediction).collect::<Vec<_>>()
    };
    assert_eq!(of(&rows, &predictions), [0.0, 25.0, 50.0, 75.0, 100.0]);
    assert_eq!(of(&rows[..1], &predictions[..1]), [0.0]);
    assert_eq!(of(&[], &[]), [0.0; 0]);
}

/// Columns that are zero in nearly every row, as of categories: each has a golden row in which its weight counts.
#[test]
fn every_weight_counts_in_some_golden_row() {
    let columns = 30;
    let rows: Vec<Vec<f64>> = (0..300)
        .map(|row| (0..columns).map(|column| if row % 60 == column { 1.0 } else { 0.0 }).collect())
        .collect();
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let weights: Vec<f64> = (0..columns).map(|column| column as f64 + 1.0).collect();
    let linear = Linear::new(None, &weights, 0.5).unwrap();
    let names = (0..columns).map(|column| format!("f{column}")).collect();
    let model = ModelFile::linear(names, "y".to_owned(), &linear, training());
    let good = model.with_golden(&rows, &linear.predict(&rows));
    assert!(ModelFile::parse(&good.to_json().unwrap()).is_ok());
    for column in 0..columns {
        let mut changed = good.clone();
        changed.coefficients[column] *= 1.0 + 1e-9;
        let error = ModelFile::parse(&changed.to_json().unwrap()).unwrap_err();
        assert!(matches!(error, ModelFileError::Golden(_)), "{column}: {error}");
    }
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taken");
    fs::create_dir(&path).unwrap();
    assert!(model().write(&path).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Every field of a file is in the schema, which allows no other ones.
#[test]
fn the_schema_knows_every_field() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../model-file.schema.json")).unwrap();
    let mut model = model();
    let scores = Holdout { rows: 1, mae: 1.0, rmse: 1.0, r2: None };
    let candidates = vec![Candidate { penalty: Some(1.0), scores: scores.clone() }];
    model.holdout = Some(scores);
    model.training.cross_validation = Some(CrossValidation { folds: 5, candidates });
    model.training.converted_from = model.training.data.clone();
    assert_known(&schema, &schema, &serde_json::to_value(&model).unwrap(), "");
}

fn assert_known(root: &serde_json::Value, schema: &serde_json::Value, value: &serde_json::Value, path: &str) {
    use serde_json::Value;
    let reference = schema["$ref"].as_str().or_else(|| schema["anyOf"][0]["$ref"].as_str());
    let schema = reference.map_or(schema, |reference| {
        root.pointer(reference.trim_start_matches('#'))
            .unwrap_or_else(|| panic!("the schema has no {reference}"))
    });
    match value {
        Value::Object(fields) if schema["properties"].is_object() => {
            let known = schema["properties"].as_object().unwrap();
            assert_eq!(schema["additionalProperties"], false, "{path} allows anything");
            assert!(known.keys().eq(fields.keys()), "{path}: {:?} and {:?}", known.keys(), fields.keys());
            for (name, value) in fields {
                assert!(known[name]["description"].is_string(), "{path}/{name} is not described");
                assert_known(root, &known[name], value, &format!("{path}/{name}"));
            }
        }
        Value::Object(_) => {
            assert!(schema["additionalProperties"].is_object(), "{path} is not in the schema")
        }
        Value::Array(items) => {
            for item in items {
                assert_known(root, &schema["items"], item, &format!("{path}[]"));
            }
        }
        _ => {}
    }
}
