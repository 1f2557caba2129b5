//! Files made by scikit-learn, XGBoost and LightGBM, held to what their authors predict.
//!
//! `scripts/foreign-models.py` makes them; `scripts/test` runs it and says where they are.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use model::content::Format;
use model::load::Loader;
use serde::Deserialize;

/// What the originals say.
#[derive(Deserialize)]
struct Expected {
    rows: Vec<Vec<f64>>,
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    file: String,
    what: String,
    /// False where the exporter failed: then there is no file.
    #[serde(default = "yes")]
    exported: bool,
    supported: Option<bool>,
    precision: Option<String>,
    predictions: Option<Vec<f64>>,
    features: Option<Vec<String>>,
    /// Whether some rows have a prediction that is not finite.
    #[serde(default)]
    partly_finite: bool,
    /// What the refusal must name, one of these.
    why: Option<String>,
    #[serde(default)]
    also: Vec<String>,
    /// What the file predicts that the way out makes.
    advised: Option<Vec<f64>>,
}

fn yes() -> bool {
    true
}

/// The folder of the files; none where nobody made them.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("FOREIGN_MODELS").map(PathBuf::from);
    if folder.is_none() {
        println!(
            "left out: peers: FOREIGN_MODELS does not name the folder that scripts/foreign-models.py has filled"
        );
    }
    folder
}

fn expected(folder: &Path) -> Expected {
    serde_json::from_str(&fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap()
}

/// Tries each ONNX file in a process of its own first, as the service does.
fn loader() -> Loader {
    Loader::with_trial_by(Path::new(env!("CARGO_BIN_EXE_model")))
}

/// How far a prediction may be from the original's, as a share of it.
fn tolerance(model: &Model) -> f64 {
    match model.precision.as_deref() {
        Some("float64") => 1e-9,
        Some("float32") => 1e-5,
        other => panic!("{}: precision {other:?}", model.file),
    }
}

#[test]
fn every_supported_model_predicts_as_the_original() {
    let Some(folder) = folder() else { return };
    let Expected { rows, models } = expected(&folder);
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let mut held = 0;
    for model in models.iter().filter(|model| model.supported == Some(true)) {
        let path = folder.join(&model.file);
        let loaded = loader().load(&path).unwrap_or_else(|why| panic!("{}: {why}", model.what));
        let names = loaded.predictor.inputs().names();
        assert_eq!(names, model.features.as_deref(), "{}", model.what);
        let wanted = model.predictions.as_ref().unwrap();
        let together = loaded.predictor.predict(&rows).unwrap();
        assert_eq!(together.len(), wanted.len());
        for (row, (got, want)) in together.iter().zip(wanted).enumerate() {
            let near = (got - want).abs() <= tolerance(model) * want.abs();
            assert!(near, "{}, row {row}: {got}, where the original says {want}", model.what);
            let alone = loaded.predictor.predict(&rows[row..=row]).unwrap()[0];
            let near = (alone - want).abs() <= tolerance(model) * want.abs();
            assert!(near, "{}, row {row} alone: {alone}, where the original says {want}", model.what);
        }
        held += 1;
    }
    println!("held: {held} files predict as their originals");
    assert!(held > 80, "{held}");
}

#[test]
fn every_unsupported_model_is_refused_by_name() {
    let Some(folder) = folder() else { return };
    let mut refused = 0;
    for model in
        expected(&folder).models.iter().filter(|model| model.exported && model.supported == Some(false))
    {
        let said = match loader().load(&folder.join(&model.file)) {
            Ok(_) => panic!("{} is not refused", model.what),
            Err(refusal) => refusal.to_string(),
        };
        println!("{}: {said}", model.file);
        let mut names = model.why.iter().chain(&model.also);
        assert!(
            names.any(|name| said.to_lowercase().contains(&name.to_lowercase())),
            "{}: {said}",
            model.what
        );
        assert!(!said.contains('\n') && said.len() < 1500, "{said}");
        refused += 1;
    }
    assert!(refused > 25, "{refused}");
}

/// The line that a refusal shows: a program of Python's, and the names of the files that it reads and writes.
fn way_out(said: &str) -> Option<(String, String)> {
    let (_, line) = said.split_once("; python3 -c '")?;
    let (program, files) = line.split_once("' ")?;
    Some((program.to_owned(), files.split_whitespace().nth(1)?.to_owned()))
}

/// What is shown as a way out is carried out as it stands, and what it makes predicts as the original.
#[test]
fn each_way_out_works() {
    let Some(folder) = folder() else { return };
    let Expected { rows, models } = expected(&folder);
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let out = tempfile::tempdir().unwrap();
    // A joblib file is shown the same line as a pickle.
    let advised: Vec<&Model> =
        models.iter().filter(|model| model.advised.is_some() && !model.file.ends_with(".joblib")).collect();
    let mut lines = Vec::new();
    for model in &advised {
        let from = folder.join(&model.file);
        let said = loader().load(&from).unwrap_err().to_string();
        let (program, to) = way_out(&said).unwrap_or_else(|| panic!("{}: {said}", model.what));
        lines.push((program, from, out.path().join(format!("{}-{to}", model.file))));
    }
    let two = folder.join("two-files.onnx");
    let alone = out.path().join("alone.onnx");
    fs::copy(&two, &alone).unwrap();
    let said = loader().load(&alone).unwrap_err().to_string();
    assert!(said.contains("two-files.onnx.data"), "{said}");
    let one = out.path().join("one.onnx");
    lines.push((way_out(&said).unwrap().0, two.clone(), one.clone()));
    // In one process, for the libraries take seconds to load.
    let run = "import json, sys
for program, *files in json.load(open(sys.argv[1])):
    sys.argv = [\"-c\", *files]
    exec(program, {})";
    let list = out.path().join("lines.json");
    fs::write(&list, serde_json::to_vec(&lines).unwrap()).unwrap();
    let output =
        Command::new(std::env::var("TEST_PYTHON").unwrap()).args(["-c", run]).arg(&list).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (model, (.., made)) in advised.iter().zip(&lines) {
        let loaded = loader().load(made).unwrap_or_else(|why| panic!("{}: {why}", model.what));
        let got = loaded.predictor.predict(&rows).unwrap();
        for (got, want) in got.iter().zip(model.advised.as_ref().unwrap()) {
            let near = (got - want).abs() <= tolerance(model) * want.abs();
            assert!(near, "{}: {got}, where the original says {want}", model.file);
        }
    }
    let predict = |path| loader().load(path).unwrap().predictor.predict(&rows).unwrap();
    assert_eq!(predict(&one), predict(&two));
    println!("held: {} ways out", lines.len());
    assert!(lines.len() > 25, "{}", lines.len());
}

/// A second file is taken from beside the model alone, and counts as the model does.
#[test]
fn weights_in_a_second_file_are_part_of_the_model() {
    let Some(folder) = folder() else { return };
    let out = tempfile::tempdir().unwrap();
    let path = |name: &str| out.path().join(name);
    let copy = |to: &str| {
        fs::create_dir_all(path(to)).unwrap();
        for name in ["two-files.onnx", "two-files.onnx.data"] {
            fs::copy(folder.join(name), path(to).join(name)).unwrap();
        }
        path(to)
    };
    let (one, other) = (copy("one"), copy("other"));
    let version = |path: &Path| loader().load(path).map(|loaded| loaded.predictor.version().to_string());
    let refused = |path: &Path| version(path).unwrap_err().to_string();
    let model = |folder: &Path| folder.join("two-files.onnx");
    let before = version(&model(&one)).unwrap();
    assert_eq!(version(&model(&other)).unwrap(), before);
    // By a link to the model, beside what it leads to; and the weights tell versions apart.
    std::os::unix::fs::symlink(model(&other), path("current.onnx")).unwrap();
    assert_eq!(version(&path("current.onnx")).unwrap(), before);
    let data = other.join("two-files.onnx.data");
    let mut weights = fs::read(&data).unwrap();
    weights[6] ^= 1;
    fs::write(&data, &weights).unwrap();
    assert_ne!(version(&path("current.onnx")).unwrap(), before);
    // Not whole, not there, or a link to anywhere.
    fs::write(&data, &weights[..8]).unwrap();
    assert!(refused(&model(&other)).contains("beyond the 8 bytes of two-files.onnx.data"));
    fs::remove_file(&data).unwrap();
    assert!(
        refused(&model(&other))
            .contains("a second file, two-files.onnx.data, which cannot be read next to it: No such file")
    );
    std::os::unix::fs::symlink(one.join("two-files.onnx.data"), &data).unwrap();
    assert!(refused(&model(&other)).contains("symbolic links"), "{}", refused(&model(&other)));
    fs::remove_file(&data).unwrap();
    fs::create_dir(&data).unwrap();
    assert!(refused(&model(&other)).contains("not a regular file"));
}

/// A model of whole numbers takes them exactly, and nothing else.
#[test]
fn whole_numbers_are_taken_as_they_are() {
    let Some(folder) = folder() else { return };
    for (file, beyond) in
        [("whole-int64.onnx", 9_223_372_036_854_775_808.0), ("whole-int32.onnx", 2_147_483_648.0)]
    {
        let model = loader().load(&folder.join(file)).unwrap().predictor;
        assert_eq!(model.predict(&[&[3.0, 4.0], &[-2.0, 0.0]]).unwrap(), [-3.25, -2.75]);
        assert!(model.check_numbers(&[-beyond, -0.0]).is_ok());
        let refused = |row: &[f64]| model.check_numbers(row).unwrap_err();
        let fraction = refused(&[3.0, 2.5]);
        assert_eq!(fraction.reason, "not_whole");
        assert_eq!(fraction.detail, "feature 2 (x1) is 2.5, but the model takes whole numbers there");
        assert_eq!(refused(&[beyond, 0.0]).reason, "not_finite");
    }
    let mixed = loader().load(&folder.join("whole-mixed.onnx")).unwrap().predictor;
    assert_eq!(mixed.inputs().names().unwrap(), ["rooms", "area"]);
    let fraction = mixed.check_numbers(&[2.5, 20.5]).unwrap_err();
    assert_eq!(fraction.detail, "feature 1 (rooms) is 2.5, but the model takes whole numbers there");
    assert!(mixed.check_numbers(&[2.0, 20.5]).is_ok());
    let got = mixed.predict(&[&[3.0, 40.0]]).unwrap()[0];
    assert!((got - 80.0).abs() < 1e-3, "{got}");
}

/// A model that fails on some rows only is not refused: each row fails by itself.
#[test]
fn some_rows_may_have_no_prediction() {
    let Some(folder) = folder() else { return };
    let Expected { rows, models } = expected(&folder);
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let mut some = 0;
    for model in models.iter().filter(|model| model.partly_finite) {
        let loaded =
            loader().load(&folder.join(&model.file)).unwrap_or_else(|why| panic!("{}: {why}", model.what));
        let predictions = loaded.predictor.predict(&rows).unwrap();
        let finite = predictions.iter().filter(|prediction| prediction.is_finite()).count();
        assert!(finite > 0 && finite < rows.len(), "{}: {finite} of {}", model.what, rows.len());
        some += 1;
    }
    assert!(some > 0);
}

/// Whatever a file that was damaged turns into, it is refused or predicts: nothing ends the process.
#[test]
fn damaged_onnx_files_do_no_harm() {
    let Some(folder) = folder() else { return };
    for name in ["onnx-ridge-float64.onnx", "onnx-gradient-boosting-float32.onnx"] {
        let bytes = fs::read(folder.join(name)).unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 40 + 1) {
            _ = loader().parse(&bytes[..at], Format::Onnx);
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            if let Ok(loaded) = loader().parse(&damaged, Format::Onnx) {
                let row = vec![0.5; loaded.predictor.inputs().count()];
                _ = loaded.predictor.predict(&[&row]);
            }
        }
    }
}

/// `model convert` of what `model` serves as a pickle predicts the same, and passes its own check.
#[test]
fn converted_models_predict_the_same() {
    let Some(folder) = folder() else { return };
    let out = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_model");
    let Expected { rows, models } = expected(&folder);
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    for model in models.iter().filter(|model| model.supported == Some(true) && !model.file.ends_with(".onnx"))
    {
        let from = folder.join(&model.file);
        let to = out.path().join("converted.json");
        let converted = Command::new(program).arg("convert").args([&from, &to]).output().unwrap();
        let said = String::from_utf8_lossy(&converted.stderr);
        assert!(converted.status.success(), "{}: {said}", model.what);
        let (original, converted) =
            (loader().load(&from).unwrap().predictor, loader().load(&to).unwrap().predictor);
        assert!(converted.inputs().fits(original.inputs()), "{}", model.what);
        let (original, converted) = (original.predict(&rows).unwrap(), converted.predict(&rows).unwrap());
        assert!(original.iter().zip(&converted).all(|(a, b)| a.to_bits() == b.to_bits()), "{}", model.what);
    }
    let onnx = folder.join("onnx-ridge-float64.onnx");
    let refused =
        Command::new(program).arg("convert").args([&onnx, &out.path().join("no.json")]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("which is served as it is"), "{said}");
}

/// What `model train` and `model convert` write, and the file that comes with the repository, are what the schema says.
#[test]
fn written_files_are_valid_by_the_schema() {
    let Some(folder) = folder() else { return };
    let out = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = |name: &str| out.path().join(name).to_str().unwrap().to_owned();
    let model = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_model")).args(arguments).current_dir(root.join("..")).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let all = ["--algorithm", "elastic-net", "--scale", "--cross-validate", "3"];
    model(&[&["train", "--model", &path("trained.json")][..], &all[..]].concat());
    model(&["train", "--holdout", "0", "--model", &path("plain.json")]);
    model(&["convert", folder.join("scaled-ridge.pkl").to_str().unwrap(), &path("converted.json")]);
    let validate = "import json, sys, jsonschema
schema, *files = [json.load(open(name)) for name in sys.argv[1:]]
validator = jsonschema.Draft202012Validator(schema)
validator.check_schema(schema)
for file in files: validator.validate(file)
broken = dict(files[0], surprise=1)
assert not validator.is_valid(broken)";
    let python = std::env::var("TEST_PYTHON").unwrap();
    let files = ["trained.json", "plain.json", "converted.json"].map(path);
    let mut command = Command::new(python);
    command
        .args(["-c", validate])
        .arg(root.join("model-file.schema.json"))
        .args(files)
        .arg(root.join("../data/model.json"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
