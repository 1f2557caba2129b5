//! Candidates that take the place of the file that serves, and such as do not.

use std::fs;
use std::path::Path;

use serde_json::json;
use shared::table::Columns;

use super::*;
use crate::train::fit::Algorithm;
use crate::train::{TrainOptions, train};

struct Folder(tempfile::TempDir);

impl Folder {
    /// With a model that serves, and a candidate.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.model("model.json", "y", Algorithm::Ols);
        folder.model("new.json", "y", Algorithm::Ridge);
        folder
    }

    fn model(&self, name: &str, target: &str, algorithm: Algorithm) {
        let rows: String = (0..20).map(|i| format!("{i},{},{}\n", i * i % 7, 3 * i + i % 2)).collect();
        fs::write(self.path("t.csv"), format!("a,b,{target}\n{rows}")).unwrap();
        let plain = TrainOptions::plain(&self.path("t.csv"), Columns::target(target), &self.path(name));
        train(&TrainOptions { algorithm, ..plain }).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn hash(&self, name: &str) -> String {
        sha256(&fs::read(self.path(name)).unwrap())
    }

    fn version(&self, name: &str) -> String {
        self.hash(name)[..12].to_owned()
    }

    fn promote(&self, file: &str, model: &str, evidence: Option<&str>) -> Result<String, String> {
        let evidence = evidence.map(|name| self.path(name));
        let options = PromoteOptions { file: self.path(file), model: self.path(model), evidence };
        let without = |text: String| text.replace(&format!("{}/", self.0.path().display()), "");
        promote(&options).map(without).map_err(|why| without(format!("{why:#}")))
    }

    fn evidence(&self, sha256: &str) {
        let report = json!({
            "backtest": 1, "file": "new.json", "version": "0123456789ab", "sha256": sha256, "table": "rows.csv", "served": [],
            "predicted_from": "2026-11-20T17:04:05.123Z", "predicted_to": "2026-11-21T17:04:05.123Z\u{1b}[2J",
            "finding": "better", "rows": 400, "mae_new": 2.0, "mae_served": 4.0, "difference": -2.0, "percent": -50.0,
            "interval": {"low": -2.5, "high": -1.5}, "labels_to_go": null, "slices": [],
            "left_out": {"trained_on": 0, "without_features": 0, "unfit": 0, "first_unfit": null, "refused": 0, "first_refused": null},
        });
        fs::write(self.path("evidence.json"), report.to_string()).unwrap();
    }
}

#[test]
fn a_candidate_takes_the_place_of_the_file_that_serves() {
    let folder = Folder::new();
    let (old, new) = (folder.version("model.json"), folder.version("new.json"));
    let said = folder.promote("new.json", "model.json", None).unwrap();
    let want = format!(
        "model.json is now version {new}, from new.json, in place of version {old}\nevidence: none. "
    );
    assert!(said.starts_with(&want), "{said}");
    assert!(
        said.contains("metric export --features | model backtest new.json --json > evidence.json"),
        "{said}"
    );
    assert_eq!(folder.hash("model.json"), folder.hash("new.json"));
    let again = folder.promote("new.json", "model.json", None).unwrap();
    assert!(again.starts_with(&format!("model.json is version {new} already\n")), "{again}");
    let first = folder.promote("new.json", "first.json", None).unwrap();
    assert!(
        first.starts_with(&format!("first.json is now version {new}, from new.json, where no file was\n")),
        "{first}"
    );
}

#[test]
fn evidence_is_shown_and_is_of_the_candidate() {
    let folder = Folder::new();
    folder.evidence(&folder.hash("new.json"));
    let said = folder.promote("new.json", "model.json", Some("evidence.json")).unwrap();
    assert!(said.contains("\nevidence: better: new.json (version 0123456789ab): its mean absolute error is 2 (50.0 %) smaller"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");

    let folder = Folder::new();
    let before = folder.hash("model.json");
    folder.evidence(&before);
    let why = folder.promote("new.json", "model.json", Some("evidence.json")).unwrap_err();
    assert!(
        why.starts_with(
            "evidence.json is evidence of another file, version 0123456789ab; nothing was changed."
        ),
        "{why}"
    );
    let why = folder.promote("new.json", "model.json", Some("t.csv")).unwrap_err();
    assert!(why.starts_with("t.csv is not what `model backtest --json` writes: "), "{why}");
    assert_eq!(folder.hash("model.json"), before);
}

#[test]
fn what_a_swap_would_refuse_changes_nothing() {
    let folder = Folder::new();
    let before = folder.hash("model.json");
    folder.model("other.json", "z", Algorithm::Ols);
    let torn = fs::read(folder.path("new.json")).unwrap();
    fs::write(folder.path("torn.json"), &torn[..torn.len() / 2]).unwrap();
    for (file, model, want) in [
        ("other.json", "model.json", "(other_target)"),
        ("torn.json", "model.json", "(malformed)"),
        ("none.json", "model.json", "(unreadable)"),
        ("new.json", "model.onnx", "start the service with --model and the new file instead"),
        ("new.json", "torn.json", "move that one aside, and the new one takes its place"),
    ] {
        let why = folder.promote(file, model, None).unwrap_err();
        assert!(why.ends_with(want), "{why}");
    }
    assert_eq!(folder.hash("model.json"), before);
    assert!(!Path::exists(&folder.path("model.onnx")));
}
