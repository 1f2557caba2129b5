//! The keeper and a real folder: renames, writes in place, swapped links, halves.

mod back;

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::time::Duration;

use shared::message::Cell;

use super::look::{Judged, State};
use super::*;
use crate::content::ModelStamp;
use crate::encode::Encoding;
use crate::file::{ModelFile, sha256};
use crate::linear::Linear;

/// A model file that predicts its intercept plus the first of its features.
fn model(intercept: f64, features: usize) -> Vec<u8> {
    model_of("y", intercept, features)
}

fn model_of(target: &str, intercept: f64, features: usize) -> Vec<u8> {
    let mut weights = vec![0.0; features];
    weights[0] = 1.0;
    let linear = Linear::new(None, &weights, intercept).unwrap();
    let names = Encoding::plain((0..features).map(|column| format!("f{column}")).collect());
    let training = serde_json::json!({
        "algorithm": "ols", "parameters": {}, "libraries": {}, "made_at": "2026-11-25T00:00:00Z"
    });
    let training = serde_json::from_value(training).unwrap();
    let file = ModelFile::linear(&names, target.to_owned(), &linear, training);
    file.with_golden(&[&vec![Cell::Number(2.0); features]]).unwrap().to_json().unwrap()
}

fn version(bytes: &[u8]) -> String {
    sha256(bytes)[..12].to_owned()
}

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn rename_in(&self, bytes: &[u8]) {
        self.write("new", bytes);
        fs::rename(self.path("new"), self.path("model.json")).unwrap();
    }

    fn keeper(&self) -> (ModelKeeper, Serving) {
        ModelKeeper::new(&self.path("model.json"), &Name::parse("model").unwrap(), Loader::default())
    }
}

/// Waits until this version serves.
async fn serves(serving: &mut Serving, bytes: &[u8]) {
    let wanted = version(bytes);
    let is = |model: &Option<Arc<Predictor>>| {
        model.as_ref().is_some_and(|model| model.version().as_str() == wanted)
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), serving.wait_for(is)).await;
    assert!(waited.is_ok(), "{wanted} does not serve");
}

#[tokio::test]
async fn a_model_is_swapped_however_it_arrives() {
    let folder = Folder::new();
    let (keeper, mut serving) = folder.keeper();
    let keeping = tokio::spawn(keeper.keep());
    // None is there at the start: one that appears serves.
    let models: Vec<Vec<u8>> = (0..6).map(|i| model(f64::from(i), 2)).collect();
    folder.rename_in(&models[0]);
    serves(&mut serving, &models[0]).await;
    folder.write("model.json", &models[1]);
    serves(&mut serving, &models[1]).await;
    folder.rename_in(&models[2]);
    serves(&mut serving, &models[2]).await;
    // As Kubernetes mounts a ConfigMap: a link to a file in a linked folder, and the folder's link is renamed over.
    for (name, bytes) in [("v1", &models[3]), ("v2", &models[4])] {
        fs::create_dir(folder.path(name)).unwrap();
        folder.write(&format!("{name}/model.json"), bytes);
    }
    symlink("v1", folder.path("..data")).unwrap();
    symlink("..data/model.json", folder.path("link")).unwrap();
    fs::rename(folder.path("link"), folder.path("model.json")).unwrap();
    serves(&mut serving, &models[3]).await;
    symlink("v2", folder.path("..data_new")).unwrap();
    fs::rename(folder.path("..data_new"), folder.path("..data")).unwrap();
    serves(&mut serving, &models[4]).await;
    // Gone, it keeps serving; back again, it is swapped.
    fs::remove_file(folder.path("model.json")).unwrap();
    folder.rename_in(&models[5]);
    serves(&mut serving, &models[5]).await;
    keeping.abort();
}

#[tokio::test]
async fn the_folder_may_come_later_and_be_replaced() {
    let folder = Folder::new();
    let (keeper, mut serving) = ModelKeeper::new(
        &folder.path("models/model.json"),
        &Name::parse("model").unwrap(),
        Loader::default(),
    );
    let keeping = tokio::spawn(keeper.keep());
    for (old, bytes) in [model(1.0, 2), model(2.0, 2)].iter().enumerate() {
        fs::create_dir(folder.path("next")).unwrap();
        folder.write("next/model.json", bytes);
        _ = fs::rename(folder.path("models"), folder.path(&format!("old{old}")));
        fs::rename(folder.path("next"), folder.path("models")).unwrap();
        serves(&mut serving, bytes).await;
    }
    keeping.abort();
}

fn judged(look: Found) -> Result<Loaded, Refusal> {
    match look {
        Found::Judged(judged, _) => *judged,
        other => panic!("not judged: {other:?}"),
    }
}

#[test]
fn a_file_that_is_being_written_is_judged_when_it_is_whole_or_stands_still() {
    let folder = Folder::new();
    let path = folder.path("model.json");
    let bytes = model(1.0, 2);
    let last_look = LastLook::default();
    let (last_look, look) = last_look.look(&path, &Loader::default(), Wake::Finished);
    assert!(matches!(look, Found::Gone), "{look:?}");
    let (last_look, look) = last_look.look(&path, &Loader::default(), Wake::Clock);
    assert!(matches!(look, Found::Nothing), "said once: {look:?}");

    let mut file = File::create(&path).unwrap();
    file.write_all(&bytes[..100]).unwrap();
    let (last_look, look) = last_look.look(&path, &Loader::default(), Wake::Clock);
    assert!(matches!(look, Found::Nothing), "it may be in the middle of it: {look:?}");
    // Whoever pauses for longer than from one look to the next is refused, once ...
    let (last_look, look) = last_look.look(&path, &Loader::default(), Wake::Clock);
    assert_eq!(judged(look).unwrap_err().reason, reason::MALFORMED);
    let (last_look, look) = last_look.look(&path, &Loader::default(), Wake::Clock);
    assert!(matches!(look, Found::Nothing), "said once: {look:?}");
    // ... and welcome when the rest comes.
    file.write_all(&bytes[100..]).unwrap();
    let (last_look, look) = last_look.look(&path, &Loader::default(), Wake::Clock);
    assert!(matches!(look, Found::Nothing), "{look:?}");
    let (last_look, look) = last_look.look(&path, &Loader::default(), Wake::Clock);
    assert_eq!(judged(look).unwrap().predictor.version().as_str(), version(&bytes));

    // When the kernel says that the writer has finished, there is nothing to wait for.
    folder.rename_in(&model(2.0, 2));
    let (last_look, look) = last_look.look(&path, &Loader::default(), Wake::Finished);
    assert!(judged(look).is_ok());
    let (_, look) = last_look.look(&path, &Loader::default(), Wake::Finished);
    assert!(matches!(look, Found::Nothing), "{look:?}");
}

#[test]
fn what_is_refused_changes_nothing_and_is_said_to_be() {
    let folder = Folder::new();
    let path = folder.path("model.json");
    let (mut keeper, serving) = folder.keeper();
    let serves = || serving.borrow().as_ref().map(|model| model.version().to_string());
    let see = |keeper: &mut ModelKeeper, bytes: &[u8]| {
        folder.rename_in(bytes);
        let loaded = Loader::default().load(&path)?;
        keeper.admit(loaded, None, None)
    };
    assert_eq!(see(&mut keeper, b"{").unwrap_err().reason, reason::MALFORMED);
    assert_eq!((serves(), &*keeper.meanwhile()), (None, "waiting for a model, taking no rows until then"));
    see(&mut keeper, &model(1.0, 2)).unwrap();
    let first = serves();
    assert_eq!(see(&mut keeper, &model(1.0, 3)).unwrap_err().reason, reason::FEATURES);
    assert_eq!(see(&mut keeper, &model_of("z", 1.0, 2)).unwrap_err().reason, reason::TARGET);
    assert_eq!(see(&mut keeper, &model(1.0, 2)[..300]).unwrap_err().reason, reason::MALFORMED);
    assert_eq!(serves(), first);
    assert!(keeper.meanwhile().ends_with("keeps serving"));
    see(&mut keeper, &model(1.0, 2)).unwrap();
    assert_eq!(serves(), first, "the same content is no swap");
    see(&mut keeper, &model(3.0, 2)).unwrap();
    assert_ne!(serves(), first);
}

/// Two writes of the same length within a tick of the file system's clock look alike.
#[test]
fn a_write_that_leaves_the_same_state_is_noticed() {
    let folder = Folder::new();
    let path = folder.path("model.json");
    let (one, other) = (model(1.0, 2), model(2.0, 2));
    assert_eq!(one.len(), other.len());
    folder.write("model.json", &one);
    let loader = Loader::default();
    let (last_look, look) = LastLook::default().look(&path, &loader, Wake::Finished);
    assert!(judged(look).is_ok());
    for wake in [Wake::Finished, Wake::Clock] {
        folder.write("model.json", &other);
        // As if the clock had stood still.
        let state = State::There(ModelStamp::of(&fs::metadata(&path).unwrap(), None));
        let still = LastLook {
            last: Some(state),
            judged: last_look.judged.map(|judged| Judged { state, ..judged }),
            weights: None,
        };
        let (_, look) = still.look(&path, &loader, wake);
        assert_eq!(judged(look).unwrap().predictor.version().as_str(), version(&other), "{wake:?}");
    }
    // Once it was still the same, it is not read again.
    folder.write("model.json", &one);
    let (last_look, look) = last_look.look(&path, &loader, Wake::Finished);
    assert!(matches!(look, Found::Nothing), "the same content: {look:?}");
    let (last_look, _) = last_look.look(&path, &loader, Wake::Clock);
    assert!(last_look.judged.unwrap().confirmed);
}

/// Weights in a second file count as the model does: one that comes later, and one that changes by itself.
#[test]
fn a_change_of_the_second_file_is_noticed() {
    let folder = Folder::new();
    let path = folder.path("model.onnx");
    let loader = Loader::default();
    folder.write("model.onnx", &crate::onnx::beside::tests::model("weights", "0", "4"));
    let (last_look, look) = LastLook::default().look(&path, &loader, Wake::Finished);
    assert!(judged(look).unwrap_err().why.contains("a second file, weights,"));
    let (last_look, look) = last_look.look(&path, &loader, Wake::Clock);
    assert!(matches!(look, Found::Nothing), "said already: {look:?}");
    folder.write("weights", b"1234");
    let (mut last_look, look) = last_look.look(&path, &loader, Wake::Clock);
    // It is no model all the same.
    assert!(!judged(look).unwrap_err().why.contains("a second file"));
    for _ in 0..4 {
        let (seen, look) = last_look.look(&path, &loader, Wake::Clock);
        assert!(matches!(look, Found::Nothing), "{look:?}");
        last_look = seen;
    }
    folder.write("weights", b"12345");
    folder.write("model.onnx", &crate::onnx::beside::tests::model("weights", "1", "4"));
    let (last_look, look) = last_look.look(&path, &loader, Wake::Finished);
    assert!(matches!(look, Found::Nothing), "the other file may still be written: {look:?}");
    let (_, look) = last_look.look(&path, &loader, Wake::Clock);
    assert!(judged(look).is_err());
}

#[tokio::test]
async fn what_serves_and_what_is_refused_each_has_a_card() {
    let folder = Folder::new();
    let good = [model(1.0, 2), model(2.0, 2)];
    folder.write("model.json", &good[0]);
    let (keeper, mut serving) = folder.keeper();
    let announcements = keeper.announcements();
    let keeping = tokio::spawn(keeper.keep());
    serves(&mut serving, &good[0]).await;
    folder.rename_in(b"{");
    announcements.comes_to(2).await;
    folder.rename_in(&good[1]);
    serves(&mut serving, &good[1]).await;
    // The same content is nothing new.
    folder.rename_in(&good[1]);
    folder.rename_in(&model(1.0, 3));
    announcements.comes_to(4).await;
    let cards: Vec<serde_json::Value> =
        announcements.pending().iter().map(|card| serde_json::from_str(&card.json).unwrap()).collect();
    let [first, second] = good.map(|bytes| version(&bytes));
    assert_eq!((&cards[0]["kind"], &cards[0]["version"]), (&"model".into(), &first.clone().into()));
    assert_eq!((&cards[1]["reason"], &cards[1]["serving"]), (&"malformed".into(), &first.into()));
    assert_eq!((&cards[2]["kind"], &cards[2]["version"]), (&"model".into(), &second.clone().into()));
    assert_eq!((&cards[3]["reason"], &cards[3]["serving"]), (&"other_features".into(), &second.into()));
    keeping.abort();
}
