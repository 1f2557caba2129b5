//! Models of libraries that are too large to install for a test: what was done by hand is what is printed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use model::load::Loader;
use serde::Deserialize;

#[derive(Deserialize)]
struct Tried {
    rows: Vec<Vec<f64>>,
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    file: String,
    line: String,
    predictions: Vec<f64>,
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tried").join(name)
}

fn tried() -> Tried {
    serde_json::from_slice(&fs::read(path("tried.json")).unwrap()).unwrap()
}

/// Whatever a file is called: by its own name, none of ours, and by those of ours.
#[test]
fn what_is_printed_is_what_was_tried() {
    let folder = tempfile::tempdir().unwrap();
    for Model { file, line, .. } in tried().models {
        for name in [&*file, "model.pkl", "model.onnx", "model.json"] {
            let renamed = folder.path().join(name);
            fs::copy(path(&file), &renamed).unwrap();
            let refusal = Loader::default().load(&renamed).unwrap_err();
            assert_eq!(refusal.reason, "other_library", "{refusal}");
            let said = refusal.why.replace("FEATURES),)", "3),)");
            assert!(said.contains(&line), "{file}: {said}");
        }
    }
}

#[test]
fn what_no_line_can_read_is_told_apart() {
    let own = "has weights, or a module whose class only its own program has";
    for (file, want) in [
        ("weights.pt", own),
        ("checkpoint.pt", own),
        ("own.pt", own),
        ("whole.pt", "it is a PyTorch model, "),
        ("old.pt", "it is a PyTorch model, "),
        ("script.pt", "it is TorchScript, "),
        ("exported.pt2", "it is a program of torch.export, "),
        ("network.keras", "it is a Keras model, "),
        ("network.weights.h5", "where it has weights alone, "),
    ] {
        let said = Loader::default().load(&path(file)).unwrap_err().to_string();
        assert!(said.contains(want) && !said.contains('\n') && said.len() < 1000, "{file}: {said}");
    }
}

#[test]
fn what_was_made_is_served_and_predicts_as_the_original() {
    if std::env::var_os("FOREIGN_MODELS").is_none() {
        println!(
            "left out: peers: FOREIGN_MODELS is not set, by which it is known that there is an ONNX Runtime"
        );
        return;
    }
    let loader = Loader::with_trial_by(Path::new(env!("CARGO_BIN_EXE_model")));
    let Tried { rows, models } = tried();
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    for Model { file, predictions, .. } in &models {
        let loaded = loader.load(&path(&format!("{file}.onnx"))).unwrap_or_else(|why| panic!("{why}"));
        let got = loaded.predictor.predict(&rows).unwrap();
        assert_eq!(got.len(), predictions.len());
        for (got, want) in got.iter().zip(predictions) {
            assert!((got - want).abs() <= 1e-5 * want.abs().max(1.0), "{file}: {got}, not {want}");
        }
    }
    assert_eq!(models.len(), 7);
}
