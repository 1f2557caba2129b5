//! The model file written, read back, and refused.

use std::fs;

use super::*;

pub(crate) fn training() -> Training {
    Training {
        algorithm: "ols".to_owned(),
        parameters: BTreeMap::new(),
        libraries: BTreeMap::from([("linfa-linear".to_owned(), "0.8".to_owned())]),
        data: Some(TableSource {
            file: "t.csv".to_owned(),
            sha256: sha256(b""),
            rows: Some(4),
            missing: Some("mean".to_owned()),
            notes: vec!["read with semicolons".to_owned()],
            origin: Some(Origin {
                predicted_from: "2026-11-20T17:04:05.123Z".to_owned(),
                predicted_to: "2026-11-21T17:04:05.123Z".to_owned(),
                held_out_from: None,
                predicted_by: vec![PredictedBy { model: Some("model".to_owned()), version: None, rows: 4 }],
                encoded_as: "54fbcddf67d0".to_owned(),
                half_life_s: Some(86_400.0),
            }),
        }),
        converted_from: None,
        rows: Some(3),
        seed: Some(42),
        cross_validation: None,
        made_at: "2026-11-22T00:00:00Z".to_owned(),
    }
}

fn numbers(row: &[f64]) -> Vec<Cell> {
    row.iter().copied().map(Cell::Number).collect()
}

fn encoding(names: &[&str]) -> Encoding {
    Encoding::plain(names.iter().map(|name| (*name).to_owned()).collect())
}

fn model() -> ModelFile {
    let scaling = Scaling { mean: vec![0.5, 1.0], scale: vec![2.0, 0.1 + 0.2] };
    let linear = Linear::new(Some(scaling), &[0.1 + 0.2, -1e-300], 152.133_484_162_896).unwrap();
    let rows: [&[f64]; 3] = [&[1.0, 2.0], &[0.0, 0.0], &[-1e3, 7.0]];
    let predictions = linear.predict(&rows);
    let cells = rows.map(numbers);
    let cells: Vec<&[Cell]> = cells.iter().map(Vec::as_slice).collect();
    let mut model = ModelFile::linear(&encoding(&["a", "b"]), "y".to_owned(), &linear, training())
        .with_golden(&cells)
        .unwrap();
    let residual = Residual::of(&[1.0, -2.0], 5);
    model.reference = Some(Reference::of(&rows, &[1.0, 2.0, 3.0], &predictions, Some(residual)));
    model
}

/// One that fills and encodes: 1 for the area, 10 for gas, 20 for oil, 100 for a room.
fn houses() -> ModelFile {
    let text = |text: &str| Cell::Text(text.into());
    let features = ["area", "heating", "rooms"].map(str::to_owned);
    let categories = ["district", "gas", "oil"].map(str::to_owned).to_vec();
    let fills = [("rooms".to_owned(), 2.5)].into();
    let encoding = Encoding::new(&features, &fills, &[("heating".to_owned(), categories)].into()).unwrap();
    let linear = Linear::new(None, &[1.0, 10.0, 20.0, 100.0], 0.0).unwrap();
    let rows: Vec<Vec<Cell>> = [("gas", 1.0), ("gas", 2.0), ("gas", 3.0), ("oil", 4.0), ("district", 5.0)]
        .into_iter()
        .map(|(heating, rooms)| vec![Cell::Number(50.0), text(heating), Cell::Number(rooms)])
        .collect();
    let rows: Vec<&[Cell]> = rows.iter().map(Vec::as_slice).collect();
    ModelFile::linear(&encoding, "price".to_owned(), &linear, training()).with_golden(&rows).unwrap()
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
            "its format version is 1, and this program reads 2 to 3; make it again",
        ),
        (&with("features", serde_json::json!([])), "it has no features"),
        (&with("features", serde_json::json!(["a", "a"])), "it has the feature \"a\" twice"),
        (&with("features", serde_json::json!(["a", ""])), "it has a feature called \"\""),
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
            "it has 2 features, but a golden row has 1",
        ),
        (&with("reference", reference(&[], no_histogram.clone())), "it has 0 histograms for 2 columns"),
        (
            &with("reference", reference(&[one_bin.clone(), one_bin.clone()], falling)),
            "the histogram of the target: its edges do not ascend",
        ),
        (
            &with("reference", reference(&[one_bin, no_histogram.clone()], no_histogram.clone())),
            "the histogram of column 2: it is empty",
        ),
        (&with("golden", serde_json::json!([])), "it has no golden rows, by which damage to its weights"),
        (
            &with("golden", serde_json::json!([{"features": [1.0, [2.0]], "prediction": 1.0}])),
            "invalid type: sequence, expected a number",
        ),
        (
            &with("fills", serde_json::json!({"c": 1.0})),
            "a fill or categories for \"c\", which is not one of its",
        ),
        (
            &with("categories", serde_json::json!({"a": ["x", "y", "z"]})),
            "it has 2 coefficients for 3 columns",
        ),
        (&with("surprise", 1.into()), "unknown field `surprise`"),
        (&with("kind", "forest".into()), "unknown variant `forest`"),
        (&with("intercept", 1e5.into()), "it predicts"),
        (&text("152.133484162896", "152.133484163896"), "its weights, fills or categories were changed"),
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
    let rows: Vec<Vec<Cell>> = (0..101).map(|i| numbers(&[f64::from(i * 37 % 101)])).collect();
    let of = |rows: &[Vec<Cell>]| {
        let rows: Vec<&[Cell]> = rows.iter().map(Vec::as_slice).collect();
        let model = ModelFile::linear(&encoding(&["a"]), "y".to_owned(), &linear, training());
        let golden = model.with_golden(&rows).unwrap().golden;
        golden.iter().map(|golden| golden.prediction).collect::<Vec<_>>()
    };
    assert_eq!(of(&rows), [0.0, 25.0, 50.0, 75.0, 100.0]);
    assert_eq!(of(&rows[..1]), [0.0]);
    assert_eq!(of(&[]), [0.0; 0]);
}

/// Columns that are zero in nearly every row: each has a golden row in which its weight counts.
#[test]
fn every_weight_counts_in_some_golden_row() {
    let columns = 30;
    let rows: Vec<Vec<Cell>> = (0..300)
        .map(|row| {
            (0..columns).map(|column| Cell::Number(if row % 60 == column { 1.0 } else { 0.0 })).collect()
        })
        .collect();
    let rows: Vec<&[Cell]> = rows.iter().map(Vec::as_slice).collect();
    let weights: Vec<f64> = (0..columns).map(|column| column as f64 + 1.0).collect();
    let linear = Linear::new(None, &weights, 0.5).unwrap();
    let names: Vec<String> = (0..columns).map(|column| format!("f{column}")).collect();
    let model = ModelFile::linear(&Encoding::plain(names), "y".to_owned(), &linear, training());
    let good = model.with_golden(&rows).unwrap();
    assert!(ModelFile::parse(&good.to_json().unwrap()).is_ok());
    for column in 0..columns {
        let mut changed = good.clone();
        changed.coefficients[column] *= 1.0 + 1e-9;
        let error = ModelFile::parse(&changed.to_json().unwrap()).unwrap_err();
        assert!(matches!(error, ModelFileError::Golden(_)), "{column}: {error}");
    }
}

#[test]
fn golden_rows_are_raw_and_notice_what_encoding_does() {
    let good = houses();
    let (read, ..) = ModelFile::parse(&good.to_json().unwrap()).unwrap();
    assert_eq!(read, good);
    let emptied = good.golden.last().unwrap();
    assert_eq!(emptied.features[2], Cell::Missing);
    assert_eq!(emptied.prediction, 50.0 + 10.0 + 250.0);
    let damaged = |damage: &dyn Fn(&mut ModelFile)| {
        let mut changed = good.clone();
        damage(&mut changed);
        ModelFile::parse(&changed.to_json().unwrap()).unwrap_err().to_string()
    };
    let of = |model: &mut ModelFile, place: usize, name: &str| {
        model.categories.get_mut("heating").unwrap()[place] = name.to_owned();
    };
    for (damage, want) in [
        (
            &(|model: &mut ModelFile| _ = model.fills.insert("rooms".to_owned(), 2.6))
                as &dyn Fn(&mut ModelFile),
            "it predicts 320",
        ),
        (&|model: &mut ModelFile| model.fills.clear(), "rooms is missing, and the model has no fill"),
        (
            &|model: &mut ModelFile| of(model, 0, "wood"),
            "heating is \"district\", which is not a trained category",
        ),
        (
            &|model: &mut ModelFile| of(model, 2, "wood"),
            "heating is \"oil\", which is not a trained category",
        ),
        (
            &|model: &mut ModelFile| model.categories.get_mut("heating").unwrap().swap(0, 2),
            "its weights, fills or categories were changed or damaged",
        ),
    ] {
        let said = damaged(damage);
        assert!(said.contains(want), "{said}");
    }
}

#[test]
fn a_file_of_format_2_is_read_and_what_it_lacks_is_said() {
    let mut old = serde_json::to_value(model()).unwrap();
    old["format_version"] = 2.into();
    for name in ["fills", "categories"] {
        old.as_object_mut().unwrap().remove(name);
    }
    for name in ["commonest", "label", "residual"] {
        old["reference"].as_object_mut().unwrap().remove(name);
    }
    for name in ["rows", "missing", "notes"] {
        old["training"]["data"].as_object_mut().unwrap().remove(name);
    }
    let read = |old: &serde_json::Value| ModelFile::parse(&serde_json::to_vec(old).unwrap()).unwrap().0;
    assert_eq!(
        read(&old).lacks().unwrap(),
        "format 2 has no out-of-fold errors, label mean and commonest shares, by which later rows are judged; `model train` \
         writes format 3, which does"
    );
    old["golden"] = serde_json::json!([]);
    assert!(read(&old).lacks().unwrap().starts_with("format 2 has no golden rows, by which damage"));
    assert_eq!(model().lacks(), None);
}

/// A file that would be refused for its size is not written; what was there stays.
#[test]
fn nothing_is_written_that_would_be_refused() {
    let names: Vec<String> = (0..60_000).map(|column| format!("{column:0>200}")).collect();
    let linear = Linear::new(None, &vec![1.0 / 3.0; names.len()], 0.5).unwrap();
    let row = vec![Cell::Number(1.0 / 3.0); names.len()];
    let unproven = ModelFile::linear(
        &encoding(&["a"]),
        "y".to_owned(),
        &Linear::new(None, &[1.0], 0.0).unwrap(),
        training(),
    );
    let wide = ModelFile::linear(&Encoding::plain(names), "y".to_owned(), &linear, training());
    let wide = wide.with_golden(&[&row, &row, &row, &row, &row, &row, &row, &row, &row, &row]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.json");
    fs::write(&path, "before").unwrap();
    let error = wide.write(&path).unwrap_err().to_string();
    assert!(error.starts_with("its 60000 columns would make a file of "), "{error}");
    assert!(error.ends_with("above the limit of 16 MiB; leave columns out with --drop"), "{error}");
    let error = unproven.write(&path).unwrap_err().to_string();
    assert!(error.starts_with("it has no golden rows"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"before");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
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
    model.training.converted_from = Some(SourceFile::of(Path::new("m.pkl"), b""));
    model.fills = [("a".to_owned(), 1.0)].into();
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

/// What is in a file goes to terminals and into the log.
#[test]
fn what_a_file_says_can_do_no_harm_where_it_is_shown() {
    use crate::command::inspect::{InspectOptions, inspect};
    use crate::load::Loader;

    const HOSTILE: &str =
        "x\n2026-11-25T10:00:00Z ERROR metric: all records lost\u{1b}[2J\u{1b}]0;title\u{7}\u{202e}";
    let harmless = |text: &str| {
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("2026")), "{text}");
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.json");
    let mut model = houses();
    let training = &mut model.training;
    training.algorithm = HOSTILE.to_owned();
    training.made_at = HOSTILE.to_owned();
    training.parameters = [(HOSTILE.to_owned(), 1.0)].into();
    training.libraries = [(HOSTILE.to_owned(), HOSTILE.to_owned())].into();
    if let Some(data) = &mut training.data {
        data.file = HOSTILE.to_owned();
        data.notes = vec![HOSTILE.to_owned()];
    }
    model.target = HOSTILE.to_owned();
    let text = String::from_utf8(model.to_json().unwrap()).unwrap();
    let escaped = serde_json::to_string(HOSTILE).unwrap();
    let text = ["\"area\"", "\"heating\"", "\"rooms\"", "\"oil\""].iter().fold(text, |text, name| {
        let hostile = format!("\"{}{}", name.trim_matches('"'), &escaped[1..]);
        text.replace(name, &hostile)
    });
    fs::write(&path, &text).unwrap();
    let options = |json| InspectOptions::of(&path, json);
    let said = inspect(&options(false)).unwrap();
    assert!(said.contains("areax\\n2026") && said.contains("ERROR metric"), "{said}");
    harmless(&said);
    harmless(&Loader::default().load(&path).unwrap().predictor.inputs().to_string());

    // A key that nobody knows, which serde repeats as it stands.
    fs::write(&path, text.replace("\"intercept\"", &escaped)).unwrap();
    let refused = Loader::default().load(&path).unwrap_err().to_string();
    assert!(refused.contains("unknown field `x\\n2026"), "{refused}");
    harmless(&refused);
    fs::write(&path, text.replace("\"intercept\"", &format!("\"{}\"", "y".repeat(100_000)))).unwrap();
    let refused = Loader::default().load(&path).unwrap_err().to_string();
    assert!(refused.len() < 2000, "{} bytes", refused.len());
}
