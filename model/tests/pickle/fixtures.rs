//! Files that scikit-learn, pickle and joblib have written, by `scripts/pickle-fixtures.py`: as they are, cut and damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::pickle::{self, PickleError, PickledLinear};
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pickles"))
}

fn expected() -> Value {
    serde_json::from_slice(&fs::read(folder().join("expected.json")).unwrap()).unwrap()
}

/// Every file with its bytes and what is expected of it.
fn files() -> Vec<(String, Vec<u8>, Value)> {
    let expected = expected();
    let files = expected["files"].as_object().unwrap();
    files
        .iter()
        .map(|(name, want)| (name.clone(), fs::read(folder().join(name)).unwrap(), want.clone()))
        .collect()
}

/// Numbers in Python's spelling.
fn numbers(array: &Value) -> Vec<f64> {
    array.as_array().unwrap().iter().map(number).collect()
}

fn number(text: &Value) -> f64 {
    text.as_str().unwrap().parse().unwrap()
}

fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

fn predict(model: &PickledLinear, row: &[f64]) -> f64 {
    let scaled = |(at, x): (usize, &f64)| match &model.scaling {
        Some(scaling) => (x - scaling.mean[at]) / scaling.scale[at],
        None => *x,
    };
    let products = row.iter().enumerate().map(scaled).zip(&model.coefficients).map(|(x, weight)| x * weight);
    products.sum::<f64>() + model.intercept
}

#[test]
fn models_are_read_to_the_bit() {
    let rows: Vec<Vec<f64>> = expected()["rows"].as_array().unwrap().iter().map(numbers).collect();
    let mut read = 0;
    for (name, bytes, want) in files() {
        let Some(want) = want.get("model") else { continue };
        let model = pickle::read(&bytes).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(model.class, want["class"], "{name}");
        assert_eq!(model.library_version.as_deref(), want["version"].as_str(), "{name}");
        assert_eq!(bits(&model.coefficients), bits(&numbers(&want["coefficients"])), "{name}");
        assert_eq!(model.intercept.to_bits(), number(&want["intercept"]).to_bits(), "{name}");
        let features = serde_json::to_value(&model.features).unwrap();
        assert_eq!(features, want["features"], "{name}");
        match (&model.scaling, &want["scaling"]) {
            (None, Value::Null) => {}
            (Some(scaling), want) => {
                assert_eq!(bits(&scaling.mean), bits(&numbers(&want["mean"])), "{name}");
                assert_eq!(bits(&scaling.scale), bits(&numbers(&want["scale"])), "{name}");
            }
            (None, want) => panic!("{name}: {want}"),
        }
        let parameters: Vec<_> =
            want["parameters"].as_object().unwrap().iter().map(|(k, v)| (k.clone(), number(v))).collect();
        assert_eq!(model.parameters.clone().into_iter().collect::<Vec<_>>(), parameters, "{name}");
        for (row, want) in rows.iter().zip(numbers(&want["predictions"])) {
            let got = predict(&model, &row[..model.coefficients.len()]);
            assert!((got - want).abs() < 1e-4, "{name}: {got} where scikit-learn says {want}");
        }
        read += 1;
    }
    assert!(read >= 30, "{read} models");
}

#[test]
fn other_files_are_refused_with_their_reason() {
    let mut refused = 0;
    for (name, bytes, want) in files() {
        let Some(reason) = want.get("reason") else { continue };
        let error = pickle::read(&bytes).expect_err(&name);
        let message = error.to_string();
        assert_eq!(error.reason(), reason, "{name}: {message}");
        assert!(message.contains(want["text"].as_str().unwrap()), "{name}: {message}");
        assert!(!message.contains('\n') && message.len() < 1000, "{name}: {message}");
        refused += 1;
    }
    assert!(refused >= 20, "{refused} files");
    assert!(!Path::new("PAYLOAD_RAN").exists());
}

#[test]
fn a_cut_file_is_refused() {
    for (name, bytes, want) in files() {
        for end in 0..bytes.len() {
            let error = pickle::read(&bytes[..end]).expect_err(&name);
            // What is wrong with a file that is to be refused may come before the cut.
            let known = matches!(error, PickleError::Malformed { .. }) || want.get("reason").is_some();
            assert!(known, "{name} cut at {end}: {error}");
        }
    }
}

#[test]
fn a_file_with_more_behind_it_is_refused() {
    for (name, bytes, want) in files() {
        if want.get("model").is_some() && !name.ends_with(".z") {
            let error = pickle::read(&[&bytes[..], b"."].concat()).expect_err(&name).to_string();
            assert!(error.contains("1 bytes follow the end of the model"), "{name}: {error}");
        }
    }
}

#[test]
fn a_damaged_byte_harms_nothing() {
    let files = files();
    // In halves, since a build without optimisation takes its time.
    std::thread::scope(|scope| {
        for half in 0..2 {
            let files = files.iter().skip(half).step_by(2);
            scope.spawn(move || files.for_each(|(name, bytes, _)| damage(name, bytes)));
        }
    });
}

/// Sets each byte to five others.
fn damage(name: &str, bytes: &[u8]) {
    let mut damaged = bytes.to_owned();
    for (at, &was) in bytes.iter().enumerate() {
        for byte in [0, 255, was ^ 1, was ^ 0x80, was.wrapping_add(1)] {
            damaged[at] = byte;
            let begun = Instant::now();
            if let Ok(model) = pickle::read(&damaged) {
                let width = model.coefficients.len();
                let numbers = model.coefficients.iter().chain([&model.intercept]);
                assert!(numbers.copied().all(f64::is_finite), "{name} with {byte:#x} at {at}");
                assert!(model.features.is_none_or(|features| features.len() == width), "{name}");
                assert!(model.scaling.is_none_or(|s| s.mean.len() == width && s.scale.len() == width));
            }
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(5), "{name} with {byte:#x} at {at} took {took:?}");
        }
        damaged[at] = was;
    }
}
