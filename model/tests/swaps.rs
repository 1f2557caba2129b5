//! Three thousand swaps, one after the other, each awaited, while others predict without a pause.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use model::encode::Encoding;
use model::file::{ModelFile, sha256};
use model::linear::Linear;
use model::load::Loader;
use model::swap::ModelKeeper;
use shared::message::{Cell, Name};

const SWAPS: u32 = 3000;

/// Predicts its number whatever the features are, in two parts that only together are the number.
fn file(number: u32) -> Vec<u8> {
    let linear = Linear::new(None, &[f64::from(number) / 2.0, 0.0], f64::from(number) / 2.0).unwrap();
    let training = serde_json::json!({"algorithm": "ols", "parameters": {}, "libraries": {}, "made_at": ""});
    let names = Encoding::plain(vec!["a".to_owned(), "b".to_owned()]);
    let file = ModelFile::linear(&names, "y".to_owned(), &linear, serde_json::from_value(training).unwrap());
    file.with_golden(&[&[1.0, 1.0].map(Cell::Number)]).unwrap().to_json().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_thousand_swaps_fail_no_prediction() {
    let folder = tempfile::tempdir().unwrap();
    let (path, new) = (folder.path().join("model.json"), folder.path().join("new"));
    let (keeper, mut serving) = ModelKeeper::new(&path, &Name::parse("model").unwrap(), Loader::default());
    let keeping = tokio::spawn(keeper.keep());
    let files: Vec<Vec<u8>> = (0..=SWAPS).map(file).collect();
    let versions: Vec<String> = files.iter().map(|bytes| sha256(bytes)[..12].to_owned()).collect();
    let numbers: BTreeMap<String, u32> = versions.iter().cloned().zip(0..).collect();
    assert_eq!(numbers.len(), files.len());

    let (stop, batches) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let predicting: Vec<_> = (0..2)
        .map(|_| {
            let (serving, numbers) = (serving.clone(), numbers.clone());
            let (stop, batches) = (Arc::clone(&stop), Arc::clone(&batches));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let Some(model) = serving.borrow().clone() else { continue };
                    let number = f64::from(numbers[model.version().as_str()]);
                    let rows: Vec<[f64; 2]> = (0..50).map(|row| [1.0, f64::from(row)]).collect();
                    let rows: Vec<&[f64]> = rows.iter().map(|row| &row[..]).collect();
                    let predictions = model.predict(&rows).unwrap();
                    assert!(
                        predictions.iter().all(|prediction| *prediction == number),
                        "{number}: {predictions:?}"
                    );
                    batches.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for (number, (bytes, version)) in files.iter().zip(&versions).enumerate() {
        // Every other time, a half comes first, and every third one is written over the old one.
        if number % 2 == 0 {
            fs::write(&new, &bytes[..bytes.len() / 2]).unwrap();
            fs::rename(&new, &path).unwrap();
        }
        if number % 3 == 0 {
            fs::write(&path, bytes).unwrap();
        } else {
            fs::write(&new, bytes).unwrap();
            fs::rename(&new, &path).unwrap();
        }
        let is = |model: &Option<Arc<model::predictor::Predictor>>| {
            model.as_ref().is_some_and(|model| model.version().as_str() == version)
        };
        let swapped = tokio::time::timeout(Duration::from_secs(30), serving.wait_for(is)).await;
        assert!(swapped.is_ok(), "model {number} does not serve");
    }
    stop.store(true, Ordering::Relaxed);
    for thread in predicting {
        thread.join().unwrap();
    }
    keeping.abort();
    println!("held: {SWAPS} swaps, {} batches", batches.load(Ordering::Relaxed));
}
