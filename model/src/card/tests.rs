//! Cards of our own files, of foreign ones, and of those that are too large.

use std::fs;
use std::path::PathBuf;

use shared::table::Columns;

use super::*;
use crate::inputs::Inputs;
use crate::linear::Linear;
use crate::load::Loader;
use crate::onnx;
use crate::predictor::Engine;
use crate::train::fit::Algorithm;
use crate::train::{TrainOptions, train};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn name() -> Name {
    Name::parse("house-prices").unwrap()
}

/// The card of a file, which `metric` can read.
fn card_of(path: &Path) -> Value {
    let loaded = Loader::default().load(path).unwrap();
    of(path, &loaded)
}

fn of(path: &Path, loaded: &Loaded) -> Value {
    let card = of_model(&name(), path, loaded);
    assert_eq!(Card::read(card.json.as_bytes()).unwrap(), card);
    serde_json::from_str(&card.json).unwrap()
}

#[test]
fn each_algorithm_of_ours_is_told_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m\n.json");
    let data = repository("data/diabetes.csv");
    for (algorithm, said) in [
        (Algorithm::Ols, "ols"),
        (Algorithm::Ridge, "ridge"),
        (Algorithm::Lasso, "lasso"),
        (Algorithm::ElasticNet, "elastic-net"),
    ] {
        let penalty = if algorithm == Algorithm::Ols { Vec::new() } else { vec![0.01] };
        let plain = TrainOptions::plain(&data, Columns::target("target"), &path);
        train(&TrainOptions { algorithm, penalty, scale: true, ..plain }).unwrap();
        let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let card = card_of(&path);
        for (member, want) in [
            ("card", json!(1)),
            ("kind", json!("model")),
            ("model", json!("house-prices")),
            ("file", json!("m\\n.json")),
            ("format", json!("json")),
            ("algorithm", json!(said)),
            ("feature_count", json!(10)),
            ("features", file["features"].clone()),
            ("target", json!("target")),
            ("rows", file["training"]["rows"].clone()),
            ("made_at", file["training"]["made_at"].clone()),
            ("training", file["training"].clone()),
            ("holdout", file["holdout"].clone()),
            ("fills", json!({})),
            ("categories", json!({})),
            ("reference", file["reference"].clone()),
            ("golden", file["golden"].clone()),
            ("left_out", json!([])),
        ] {
            assert_eq!(card[member], want, "{said}: {member}");
        }
        for member in ["intercept", "coefficients", "scaling"] {
            assert_eq!(card["weights"][member], file[member], "{said}: {member}");
        }
        let edges = file["reference"]["features"][0]["edges"].as_array().unwrap();
        assert_eq!(card["ranges"][0], json!([edges.first(), edges.last()]));
        assert_eq!(card.get("columns"), None, "numbers are their own columns");
        assert!(card["holdout"]["mae"].is_f64(), "{card}");
    }
}

#[test]
fn an_encoded_model_has_its_fills_its_categories_and_its_columns() {
    let path = repository("fuzz/seeds/model_json/encoded.json");
    let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let card = card_of(&path);
    assert_eq!((&card["fills"], &card["categories"]), (&file["fills"], &file["categories"]));
    assert_eq!(card["features"], file["features"]);
    let columns = card["columns"].as_array().unwrap();
    assert_eq!(columns.len(), card["weights"]["coefficients"].as_array().unwrap().len());
    assert!(columns.len() != card["features"].as_array().unwrap().len());
}

#[test]
fn of_foreign_files_there_is_what_is_known() {
    let card = card_of(&repository("model/tests/fixtures/pickles/ridge_frame_p4.pkl"));
    assert_eq!((&card["format"], &card["algorithm"]), (&json!("pickle"), &json!("Ridge")));
    assert_eq!(card["made_by"]["library"], "scikit-learn");
    assert!(card["made_by"]["parameters"]["alpha"].is_f64(), "{card}");
    assert!(card["weights"]["intercept"].is_f64() && card["features"].is_array(), "{card}");
    for unknown in ["holdout", "training", "rows", "reference", "golden", "ranges"] {
        assert_eq!(card.get(unknown), None, "{unknown}");
    }

    let engine = Engine::Linear(Linear::new(None, &[1.0, 2.0], 0.0).unwrap());
    let predictor = Predictor::new(engine, Inputs::unnamed(2), Name::parse("0a1b2c3d4e5f").unwrap());
    let about =
        onnx::About { producer: Some("skl2onnx".to_owned()), description: None, precision: "float32" };
    let card = of(Path::new("forest.onnx"), &Loaded { predictor, about: About::Onnx(about) });
    assert_eq!(
        card,
        json!({
            "card": 1, "kind": "model", "model": "house-prices", "version": "0a1b2c3d4e5f",
            "file": "forest.onnx", "format": "onnx", "feature_count": 2, "left_out": [],
            "made_by": { "producer": "skl2onnx", "description": null, "precision": "float32" },
        })
    );
}

#[test]
fn a_refused_file_is_told_without_its_folder() {
    let refusal = Refusal {
        path: "/secret/place/model.json".into(),
        reason: "malformed",
        why: format!("it is not a model file: \u{1b}[31m{}", "x".repeat(5000)),
    };
    let version = Name::parse("0a1b2c3d4e5f").unwrap();
    for (serving, want) in [(Some(&version), json!("0a1b2c3d4e5f")), (None, Value::Null)] {
        let card = of_refusal(&name(), &refusal, serving, Timestamp(1_795_194_245_123));
        assert_eq!(Card::read(card.json.as_bytes()).unwrap(), card);
        let value: Value = serde_json::from_str(&card.json).unwrap();
        assert_eq!((&value["file"], &value["reason"]), (&json!("model.json"), &json!("malformed")));
        assert_eq!((&value["at"], &value["serving"]), (&json!("2026-11-20T17:04:05.123Z"), &want));
        let why = value["why"].as_str().unwrap();
        assert!(why.starts_with("it is not a model file: ") && why.len() < 1100, "{why}");
        assert!(!card.json.contains("secret") && !why.contains('\u{1b}'), "{why}");
    }
}

#[test]
fn what_does_not_fit_is_left_out_in_the_order_that_is_said() {
    let head = json!({ "card": 1 });
    let sections = || {
        let mut sections = Sections::default();
        // As they are made: in another order than they go.
        for name in ["training", "weights", "fills", "reference", "golden", "target", "features"] {
            sections.add(name, &"x".repeat(100));
        }
        sections
    };
    let mut before = usize::MAX;
    for (most, left_out) in [
        (10_000, &[][..]),
        (740, &["golden"]),
        (640, &["golden", "reference"]),
        (535, &["golden", "reference", "weights"]),
        (430, &["golden", "reference", "weights", "fills"]),
        (130, &["golden", "reference", "weights", "fills", "training", "features", "target"]),
        (1, &["golden", "reference", "weights", "fills", "training", "features", "target"]),
    ] {
        let text = sections().beside(&head, most);
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"));
        assert_eq!(value["left_out"], json!(left_out), "{most}");
        assert_eq!(value.as_object().unwrap().len(), 2 + 7 - left_out.len(), "{text}");
        assert!(text.len() <= most || most == 1, "{most}: {}", text.len());
        assert!(text.len() <= before);
        before = text.len();
    }
}

#[test]
fn a_file_of_many_features_has_a_card_of_a_mebibyte_at_the_most() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.json");
    let names: Vec<String> = (0..26_000).map(|column| format!("feature-{column}")).collect();
    let linear = Linear::new(None, &vec![0.1 + 0.2; names.len()], 1.0).unwrap();
    let cells = vec![shared::message::Cell::Number(0.123_456_789_012_3); names.len()];
    let training =
        json!({"algorithm": "ols", "parameters": {}, "libraries": {}, "made_at": "2026-11-25T00:00:00Z"});
    let encoding = crate::encode::Encoding::plain(names);
    let file =
        ModelFile::linear(&encoding, "y".to_owned(), &linear, serde_json::from_value(training).unwrap());
    file.with_golden(&[&cells]).unwrap().write(&path).unwrap();
    assert!(fs::metadata(&path).unwrap().len() > MOST_BYTES as u64);
    let loaded = Loader::default().load(&path).unwrap();
    let card = of_model(&name(), &path, &loaded);
    assert!(card.json.len() <= MOST_BYTES);
    let value: Value = serde_json::from_str(&card.json).unwrap();
    assert_eq!(value["left_out"], json!(["golden"]));
    assert_eq!(value["features"].as_array().unwrap().len(), 26_000);
}
