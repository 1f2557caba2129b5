//! Candidates that are better, worse and equal by construction; rows that are not compared; and what is said of each.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::report::LeftOut;
use super::*;
use crate::encode::Encoding;
use crate::file::{ModelFile, Origin, TableSource, Training};
use crate::linear::Linear;
use shared::message::Cell;

const START: i64 = 1_795_194_245_123;
const ROWS: u32 = 400;

/// The label of row i is 2a + b, with noise.
fn row(i: u32) -> (f64, f64, f64) {
    let (a, b) = (f64::from(i * 7 % 40), f64::from(i % 2));
    (a, b, 2.0 * a + b + (f64::from(i) * 0.7).sin())
}

struct Folder(tempfile::TempDir);

impl Folder {
    /// With the file of a model that served, which predicts 2a + 5.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.model("serving.json", [2.0, 0.0], 5.0, None);
        folder
    }

    fn model(&self, name: &str, weights: [f64; 2], intercept: f64, origin: Option<Origin>) {
        let encoding = Encoding::plain(["a", "b"].map(str::to_owned).to_vec());
        let golden = [1.0, 2.0].map(Cell::Number);
        let linear = Linear::new(None, &weights, intercept).unwrap();
        let model = ModelFile::linear(&encoding, "y".to_owned(), &linear, training(origin));
        model.with_golden(&[&golden]).unwrap().write(&self.0.path().join(name)).unwrap();
    }

    fn version(&self, name: &str) -> String {
        let content = crate::content::Content::read(&self.0.path().join(name)).unwrap();
        crate::file::sha256(&content.bytes)[..12].to_owned()
    }

    /// The rows as they were recorded, and further lines.
    fn table(&self, more: &str) {
        let mut text =
            "id,y_true,y_pred,absolute_error,model,model_version,predicted_at,labelled_at,label_lag_ms,\
             feature_1,feature_2\n"
                .to_owned();
        let version = self.version("serving.json");
        for i in 0..ROWS {
            let (a, b, label) = row(i);
            let (prediction, time) = (2.0 * a + 5.0, at(i));
            writeln!(text, "r{i},{label},{prediction},0,model,{version},{time},{time},0,{a},{b}").unwrap();
        }
        fs::write(self.0.path().join("rows.csv"), text + more).unwrap();
    }

    fn compare(&self, name: &str) -> anyhow::Result<Report> {
        let path = |name: &str| self.0.path().join(name);
        let (file, table, serving) = (path(name), path("rows.csv"), path("serving.json"));
        compare(&BacktestOptions { file, table, serving, json: false })
    }

    fn without_folder(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn training(origin: Option<Origin>) -> Training {
    let source = TableSource {
        file: "t.csv".to_owned(),
        sha256: crate::file::sha256(b""),
        rows: None,
        missing: None,
        notes: Vec::new(),
        origin,
    };
    Training {
        algorithm: "ols".to_owned(),
        parameters: [].into(),
        libraries: [].into(),
        data: Some(source),
        converted_from: None,
        rows: None,
        seed: None,
        cross_validation: None,
        made_at: "2026-11-22T00:00:00Z".to_owned(),
    }
}

fn at(i: u32) -> Timestamp {
    Timestamp(START + i64::from(i) * 1000)
}

#[test]
fn better_worse_and_equal_by_construction() {
    let folder = Folder::new();
    folder.table("");
    folder.model("better.json", [2.0, 1.0], 0.0, None);
    folder.model("worse.json", [2.0, 0.0], 9.0, None);
    // Another file of the same weights, and one that errs as often to one side as to the other.
    folder.model("same.json", [2.0, 0.0], 5.0, None);
    for (name, finding, exit, begins) in [
        ("better.json", Finding::Better, 0, "better: better.json (version "),
        ("worse.json", Finding::Worse, 4, "worse: worse.json (version "),
        ("same.json", Finding::NotWorse, 3, "undecided: same.json (version "),
    ] {
        let report = folder.compare(name).unwrap();
        assert_eq!((report.finding, code(report.finding)), (finding, exit), "{name}");
        let said = folder.without_folder(&report.text());
        assert!(said.starts_with(begins), "{said}");
        assert!(
            said.contains(&format!("on {ROWS} rows predicted from {} to {}", at(0), at(ROWS - 1))),
            "{said}"
        );
        assert_eq!(
            (report.version, report.sha256[..12].to_owned()),
            (folder.version(name), folder.version(name))
        );
        assert_eq!(report.served[0].rows, u64::from(ROWS));
    }
}

#[test]
fn the_numbers_are_those_of_the_rows() {
    let folder = Folder::new();
    folder.table("");
    folder.model("new.json", [2.0, 1.0], 0.0, None);
    let report = folder.compare("new.json").unwrap();
    let mean = |of: &dyn Fn(u32) -> f64| (0..ROWS).map(of).sum::<f64>() / f64::from(ROWS);
    let new = mean(&|i| (2.0 * row(i).0 + row(i).1 - row(i).2).abs());
    let served = mean(&|i| (2.0 * row(i).0 + 5.0 - row(i).2).abs());
    let near = |got: Option<f64>, want: f64| (got.unwrap() - want).abs() < 1e-9;
    let all = &report.all;
    assert!(near(all.mae_new, new) && near(all.mae_served, served), "{all:?}");
    assert!(near(all.difference, new - served), "{all:?}");
    assert!(near(all.percent, 100.0 * (new - served) / served), "{all:?}");
    assert!(all.interval.unwrap().contains(new - served));
    // Of b, which is 0 or 1, there are two slices, and all rows are in one of them.
    let of_b: Vec<_> = report.slices.iter().filter(|slice| slice.feature == "b").collect();
    assert_eq!(of_b.iter().map(|slice| slice.compared.rows).collect::<Vec<_>>(), [200, 200]);
    assert_eq!((of_b[0].to, of_b[1].from), (Some(0.5), Some(0.5)));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["finding"], &json["rows"]), (&"better".into(), &ROWS.into()));
    assert_eq!(serde_json::from_value::<Report>(json).unwrap().all, report.all);
}

#[test]
fn rows_that_the_candidate_was_trained_on_say_nothing_of_it() {
    let folder = Folder::new();
    folder.table("");
    let origin = |held_out: Option<u32>| Origin {
        predicted_from: at(10).to_string(),
        predicted_to: at(ROWS).to_string(),
        held_out_from: held_out.map(|i| at(i).to_string()),
        predicted_by: Vec::new(),
        encoded_as: "v".to_owned(),
        half_life_s: None,
    };
    folder.model("new.json", [2.0, 1.0], 0.0, Some(origin(Some(300))));
    let report = folder.compare("new.json").unwrap();
    assert_eq!((report.all.rows, report.left_out.trained_on), (110, 290));
    assert!(report.text().contains("left out: 290 rows that "), "{}", report.text());
    folder.model(
        "whole.json",
        [2.0, 1.0],
        0.0,
        Some(Origin { predicted_from: at(0).to_string(), ..origin(None) }),
    );
    let why = folder.without_folder(&format!("{:#}", folder.compare("whole.json").unwrap_err()));
    assert_eq!(
        why,
        "rows.csv: no rows are left to compare: left out: 400 rows that whole.json was trained on"
    );
}

#[test]
fn rows_that_cannot_be_compared_are_counted_and_the_first_is_named() {
    let folder = Folder::new();
    let line = |end: &str| format!("x,1,2,0,model,v,{0},{0},0,{end}\n", at(0));
    // Too few numbers, none known, and a prediction that could not be scored.
    folder.table(&[line("1,"), line(","), line("1e300,1")].concat());
    folder.model("new.json", [2.0, 1.0], 0.0, None);
    let report = folder.compare("new.json").unwrap();
    let LeftOut { unfit, without_features, refused, trained_on, .. } = report.left_out;
    assert_eq!((report.all.rows, unfit, without_features, refused, trained_on), (400, 1, 1, 1, 0));
    let said = folder.without_folder(&report.text());
    assert!(said.contains("left out: 1 row of other numbers than what served has; line 402: 1 numbers, and serving.json weighs 2\n"), "{said}");
    assert!(
        said.contains("new.json would refuse, as dead letters; line 404: the prediction is 2e300"),
        "{said}"
    );

    folder.table(&line("1,1").replace(",model,", ",other,"));
    let why = format!("{:#}", folder.compare("new.json").unwrap_err());
    assert!(why.contains("it has rows of 2 models, \"model\", \"other\""), "{why}");
    folder.table("");
    let missing = BacktestOptions {
        file: folder.0.path().join("new.json"),
        table: folder.0.path().join("rows.csv"),
        serving: Path::new("/none/model.json").to_owned(),
        json: false,
    };
    let why = format!("{:#}", compare(&missing).unwrap_err());
    assert!(
        why.starts_with("the model that served these rows is not at hand; name its file with --serving"),
        "{why}"
    );
}

/// What served fills and encodes; the candidate has fewer categories, and an order of its own.
#[test]
fn rows_are_decoded_as_what_served_and_encoded_as_the_candidate() {
    let encoding = |categories: &[&str]| {
        let names = ["area", "heating"].map(str::to_owned);
        let categories = categories.iter().map(|name| (*name).to_owned()).collect();
        Encoding::new(
            &names,
            &[("area".to_owned(), 3.0)].into(),
            &[("heating".to_owned(), categories)].into(),
        )
        .unwrap()
    };
    let folder = Folder::new();
    let model = |name: &str, encoding: &Encoding, weights: &[f64]| {
        let golden = [Cell::Number(1.0), Cell::Text("gas".into())];
        let linear = Linear::new(None, weights, 0.0).unwrap();
        let model = ModelFile::linear(encoding, "y".to_owned(), &linear, training(None));
        model.with_golden(&[&golden]).unwrap().write(&folder.0.path().join(name)).unwrap();
    };
    model("serving.json", &encoding(&["district", "gas", "oil"]), &[1.0, 10.0, 20.0]);
    model("new.json", &encoding(&["gas", "district"]), &[1.0, 5.0]);
    let version = folder.version("serving.json");
    let header = "id,y_true,y_pred,model,model_version,predicted_at,feature_1,feature_2,feature_3\n";
    let line =
        |version: &str, label: f64, vector: &str| format!("r,{label},0,m,{version},{},{vector}\n", at(0));
    let rows = [
        line(&version, 57.0, "50,1,0"),       // gas: 50
        line(&version, 57.0, "50,0,0"),       // district: 55
        line(&version, 57.0, "50,0,1"),       // oil, which the candidate does not know
        line(&version, 57.0, "50,1,1"),       // none of them
        line("0123456789ab", 57.0, "50,1,0"), // of a version whose columns are not known
    ];
    fs::write(folder.0.path().join("rows.csv"), header.to_owned() + &rows.concat()).unwrap();
    let report = folder.compare("new.json").unwrap();
    assert_eq!((report.all.rows, report.all.mae_new), (2, Some(4.5)));
    assert_eq!((report.left_out.unfit, report.left_out.refused), (2, 1));
    let said = report.text();
    assert!(said.contains("heating is \"oil\", which is not a trained category"), "{said}");
    assert!(
        said.contains("undecided: ") && said.contains("2 rows with a label, and 50 are needed"),
        "{said}"
    );
}
