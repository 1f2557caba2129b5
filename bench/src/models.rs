//! Time per row of each kind of model, alone and a thousand at once, beside the Python library that it came from.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use model::load::Loader;
use serde::Deserialize;

use crate::figures::{load, median};

/// One file of each kind, in a folder that `scripts/foreign-models.py` has filled.
const FILES: [&str; 15] = [
    "linear.pkl",
    "scaled-ridge.pkl",
    "onnx-linear-float64.onnx",
    "onnx-scaled-ridge-float64.onnx",
    "onnx-polynomial-float32.onnx",
    "onnx-decision-tree-float32.onnx",
    "onnx-random-forest-float32.onnx",
    "onnx-gradient-boosting-float32.onnx",
    "onnx-hist-gradient-boosting-float32.onnx",
    "onnx-xgboost-float32.onnx",
    "onnx-lightgbm-float32.onnx",
    "onnx-k-neighbors-float32.onnx",
    "onnx-scaled-mlp-float32.onnx",
    "onnx-svr-float32.onnx",
    "onnx-columns-scaled-ridge-float64.onnx",
];
/// For how long each is measured; as `time-models.py` does.
const BUDGET: Duration = Duration::from_millis(300);
/// How many calls are enough.
const MOST_CALLS: usize = 5000;

#[derive(Deserialize)]
struct Expected {
    rows: Vec<Vec<f64>>,
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    file: String,
    what: String,
}

/// A line of `time-models.py`: microseconds a row.
#[derive(Deserialize)]
struct Original {
    file: String,
    original_1: f64,
    original_1000: f64,
}

/// Measures and prints a table in Markdown.
pub(crate) fn run(folder: &Path, python: &Path) -> anyhow::Result<()> {
    let expected = std::fs::read_to_string(folder.join("expected.json"))
        .with_context(|| format!("{}: fill it with scripts/foreign-models.py", folder.display()))?;
    let Expected { rows, models } = serde_json::from_str(&expected)?;
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).cycle().take(1000).collect();
    let what: BTreeMap<&str, &str> = models.iter().map(|model| (&*model.file, &*model.what)).collect();
    println!(
        "load averages {}; microseconds a row, ours and the original's; batches of 1 and of 1000 rows",
        load()
    );
    println!("| model | ours, 1 | original, 1 | ratio | ours, 1000 | original, 1000 | ratio |");
    println!("|---|---|---|---|---|---|---|");
    for file in FILES {
        // The one right after the other, because a machine's speed drifts.
        let ours = ours(&folder.join(file), &rows)?;
        let Original { original_1, original_1000, .. } = original(folder, file, python)?;
        println!(
            "| {} | {:.3} | {original_1:.1} | {:.4} | {:.4} | {original_1000:.3} | {:.3} |",
            what.get(file).unwrap_or(&file),
            ours[0],
            ours[0] / original_1,
            ours[1],
            ours[1] / original_1000,
        );
    }
    println!("load averages {}", load());
    Ok(())
}

fn ours(path: &Path, rows: &[&[f64]]) -> anyhow::Result<[f64; 2]> {
    let predictor = Loader::default().load(path)?.predictor;
    let per_row = |rows: &[&[f64]]| -> anyhow::Result<f64> {
        let mut times = Vec::new();
        let start = Instant::now();
        while times.len() < 3 || (times.len() < MOST_CALLS && start.elapsed() < BUDGET) {
            let call = Instant::now();
            black_box(predictor.predict(black_box(rows))?);
            times.push(call.elapsed().as_secs_f64() * 1e6 / rows.len() as f64);
        }
        Ok(median(&times))
    };
    per_row(&rows[..1])?;
    Ok([per_row(&rows[..1])?, per_row(rows)?])
}

fn original(folder: &Path, file: &str, python: &Path) -> anyhow::Result<Original> {
    let script = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/time-models.py"));
    let output = Command::new(python)
        .arg(script)
        .arg(folder)
        .arg(file)
        // They slow the numpy of today where they were set for an older one.
        .env_remove("OPENBLAS_CORETYPE")
        .env_remove("OPENBLAS_L2_SIZE")
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", python.display()))?;
    ensure!(output.status.success(), "time-models.py failed");
    let text = String::from_utf8(output.stdout)?;
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Original>(line).ok());
    lines
        .into_iter()
        .find(|line| line.file == file)
        .with_context(|| format!("time-models.py says nothing of {file}"))
}
