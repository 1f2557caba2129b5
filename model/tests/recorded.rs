//! Training on rows that production recorded: the table is as `metric export --features` writes it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::file::ModelFile;
use model::load::{self, About, Loader};
use model::train::fit::Algorithm;
use model::train::{RecordedOptions, TrainOptions, Trained, report, train};
use shared::clock::Timestamp;
use shared::table::{Columns, Missing};

const HEADER: &str =
    "id,y_true,y_pred,absolute_error,model,model_version,predicted_at,labelled_at,label_lag_ms";
/// When the first row was predicted; each further one comes a minute later.
const START: i64 = 1_795_194_245_123;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Trains a model, as people do before anything is recorded, and returns its version.
    fn serves(&self, options: TrainOptions) -> String {
        let options = TrainOptions { model: self.path("serving.json"), ..options };
        train(&options).unwrap();
        version(&options.model)
    }

    /// What trains on these records. All of them, by default.
    fn options(&self, records: &str) -> TrainOptions {
        fs::write(self.path("rows.csv"), records).unwrap();
        let plain = TrainOptions::plain(Path::new("none.csv"), Columns::default(), &self.path("new.json"));
        let recorded = RecordedOptions {
            records: Some(self.path("rows.csv")),
            serving: self.path("serving.json"),
            ..RecordedOptions::none()
        };
        TrainOptions { holdout: 0.0, recorded, ..plain }
    }

    fn refused(&self, records: &str) -> String {
        let why = train(&self.options(records)).unwrap_err();
        format!("{why:#}").replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn version(path: &Path) -> String {
    Loader::default().load(path).unwrap().predictor.version().to_string()
}

fn encoded(path: &Path) -> model::encode::Encoding {
    Loader::default().load(path).unwrap().predictor.inputs().encoding().unwrap().clone()
}

/// The table of these rows: each what a model weighed, and the label.
fn records(version: &str, rows: &[(Vec<f64>, f64)]) -> String {
    let width = rows.iter().map(|(features, _)| features.len()).max().unwrap_or_default();
    let mut text = HEADER.to_owned();
    (1..=width).for_each(|at| write!(text, ",feature_{at}").unwrap());
    text.push('\n');
    for (at, (features, label)) in (0_i64..).zip(rows) {
        let time = Timestamp(START + at * 60_000);
        write!(text, "row-{at},{label},1.5,2.5,model,{version},{time},{time},0").unwrap();
        for column in 0..width {
            let cell = features.get(column).map_or(String::new(), f64::to_string);
            write!(text, ",{cell}").unwrap();
        }
        text.push('\n');
    }
    text
}

fn diabetes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/diabetes.csv")
}

/// The sample data's rows, as a model of numbers weighs them.
fn sample() -> Vec<(Vec<f64>, f64)> {
    let text = fs::read_to_string(diabetes()).unwrap();
    let numbers = |line: &str| line.split(',').map(|cell| cell.parse().unwrap()).collect::<Vec<f64>>();
    text.lines()
        .skip(1)
        .map(|line| {
            let mut row = numbers(line);
            let label = row.pop().unwrap();
            (row, label)
        })
        .collect()
}

fn bits(model: &ModelFile) -> Vec<u64> {
    model.coefficients.iter().chain([&model.intercept]).map(|weight| weight.to_bits()).collect()
}

#[test]
fn recorded_rows_give_the_weights_of_the_table_that_they_came_from_to_the_bit() {
    let folder = Folder::new();
    let plain = TrainOptions::plain(&diabetes(), Columns::default(), &folder.path("new.json"));
    let version = folder.serves(plain.clone());
    for (algorithm, scale) in
        [(Algorithm::Ols, false), (Algorithm::Ridge, true), (Algorithm::ElasticNet, true)]
    {
        let of_table = train(&TrainOptions { holdout: 0.0, algorithm, scale, ..plain.clone() }).unwrap();
        let options = TrainOptions { algorithm, scale, ..folder.options(&records(&version, &sample())) };
        let of_records = train(&options).unwrap();
        assert_eq!(bits(&of_records.model), bits(&of_table.model), "{algorithm}");
        assert_eq!(
            (of_records.model.features, of_records.model.target),
            (of_table.model.features, of_table.model.target)
        );
        assert_eq!(of_records.model.reference, of_table.model.reference);
    }
}

#[test]
fn the_latest_are_held_out_and_the_file_says_which_rows_these_are() {
    let folder = Folder::new();
    let version = folder.serves(TrainOptions::plain(&diabetes(), Columns::default(), Path::new("")));
    let rows = sample();
    let table = records(&version, &rows);
    // In the order in which labels came.
    let mut lines: Vec<&str> = table.lines().collect();
    lines[1..].reverse();
    let time = |at: i64| Timestamp(START + at * 60_000);
    let plain = folder.options(&(lines.join("\n") + "\n"));
    let recorded =
        RecordedOptions { since: Some(time(42)), until: Some(time(442 - 100)), ..plain.recorded.clone() };
    let options = TrainOptions { holdout: 0.2, recorded, ..plain };
    let Trained { model, .. } = train(&options).unwrap();
    assert_eq!((model.training.rows, model.holdout.as_ref().unwrap().rows), (Some(240), 60));
    let data = model.training.data.as_ref().unwrap();
    let origin = data.origin.as_ref().unwrap();
    assert_eq!((data.rows, data.file.as_str()), (Some(300), "rows.csv"));
    assert_eq!(data.sha256, model::file::sha256(&fs::read(folder.path("rows.csv")).unwrap()));
    assert_eq!(
        (&origin.predicted_from, &origin.predicted_to, origin.held_out_from.as_ref()),
        (&time(42).to_string(), &time(341).to_string(), Some(&time(282).to_string()))
    );
    let [by] = &origin.predicted_by[..] else { panic!("{origin:?}") };
    assert_eq!((by.model.as_deref(), by.version.as_ref(), by.rows), (Some("model"), Some(&version), 300));
    // The rows in between are those that are fitted.
    let text = fs::read_to_string(diabetes()).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    let fitted = [&lines[..1], &lines[1 + 442 - 282..1 + 442 - 42]].concat().join("\n");
    fs::write(folder.path("fitted.csv"), fitted).unwrap();
    let plain =
        TrainOptions::plain(&folder.path("fitted.csv"), Columns::default(), &folder.path("other.json"));
    let of_table = train(&TrainOptions { holdout: 0.0, ..plain }).unwrap();
    assert_eq!(bits(&model), bits(&of_table.model));

    let said = report(&train(&options).unwrap(), &options.model);
    for want in [
        "rows.csv: left out: 142 rows predicted at other times\n",
        &format!("by model@{version} (300), encoded as {version} does; held out from {} on\n", time(282)),
        "trained on 240 rows of rows.csv\n",
    ] {
        assert!(said.contains(want), "{said}");
    }
}

/// Prices of area + 10 * rooms + 100 with gas, or 300 with oil; one row has no rooms.
fn houses(folder: &Folder) -> String {
    let mut text = "area,heating,rooms,price\n50,gas,,140\n".to_owned();
    for i in 0..60 {
        let (area, rooms) = (20 + i * 7 % 90, 1 + i * 5 % 6);
        let (heating, worth) = [("district", 0), ("gas", 100), ("oil", 300)][i % 3];
        writeln!(text, "{area},{heating},{rooms},{}", area + 10 * rooms + worth).unwrap();
    }
    fs::write(folder.path("houses.csv"), text).unwrap();
    let one_hot = vec!["heating".to_owned()];
    let columns = Columns { missing: Missing::Mean, one_hot, ..Columns::target("price") };
    folder.serves(TrainOptions::plain(&folder.path("houses.csv"), columns, Path::new("")))
}

/// The same prices twice as high: area, gas, oil, rooms.
fn dearer() -> Vec<(Vec<f64>, f64)> {
    let row = |i: u32| {
        let [area, rooms] = [20 + i * 7 % 90, 1 + i * 5 % 6].map(f64::from);
        let (gas, oil) = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)][i as usize % 3];
        (vec![area, gas, oil, rooms], 2.0 * (area + 10.0 * rooms + 100.0 * gas + 300.0 * oil))
    };
    (0..60).map(row).collect()
}

#[test]
fn the_new_model_takes_the_rows_that_the_old_one_took() {
    let folder = Folder::new();
    let version = houses(&folder);
    let Trained { model, .. } = train(&folder.options(&records(&version, &dearer()))).unwrap();
    for (weight, want) in model.coefficients.iter().zip([2.0, 200.0, 600.0, 20.0]) {
        assert!((weight - want).abs() < 1e-9, "{:?}", model.coefficients);
    }
    assert_eq!(model.target, "price");
    let (new, old) = (folder.path("new.json"), folder.path("serving.json"));
    assert_eq!(encoded(&new), encoded(&old), "features, categories and fills are those of before");
    let load = |path: &Path| Loader::default().load(path).unwrap();
    let (next, serving) = (load(&new), load(&old));
    load::fits(&new, next.predictor.inputs(), serving.predictor.inputs()).unwrap();
    assert_eq!(next.predictor.inputs().narrower(serving.predictor.inputs()), None);
    // Its golden rows are raw, with texts, as rows come.
    let About::File(file) = next.about else { panic!("no file of ours") };
    assert!(file.golden.iter().any(|golden| golden.features[1] == shared::message::Cell::Text("oil".into())));
}

#[test]
fn older_rows_weigh_less() {
    let folder = Folder::new();
    let version = houses(&folder);
    // The first half still has the old prices.
    let mut rows = dearer();
    rows[..30].iter_mut().for_each(|(_, label)| *label /= 2.0);
    let weights = |half_life: Option<Duration>| {
        let plain = folder.options(&records(&version, &rows));
        let recorded = RecordedOptions { weights: half_life, ..plain.recorded.clone() };
        let Trained { model, .. } = train(&TrainOptions { recorded, ..plain }).unwrap();
        let half_life = model.training.data.unwrap().origin.unwrap().half_life_s;
        (model.coefficients[0], half_life)
    };
    let (alike, none) = weights(None);
    assert!((alike - 2.0).abs() > 0.1, "{alike}");
    assert_eq!(none, None);
    let (weighed, half_life) = weights(Some(Duration::from_secs(60)));
    assert!((weighed - 2.0).abs() < 1e-3, "{weighed}");
    assert_eq!(half_life, Some(60.0));
}

#[test]
fn rows_that_cannot_be_used_are_counted_and_the_others_are_fitted() {
    let folder = Folder::new();
    let version = houses(&folder);
    let mut text = records(&version, &dearer());
    let head = format!("row,1,2,1,model,{version},2026-11-27T10:00:00Z,2026-11-27T10:00:00Z,0");
    for features in [",1,0,1,", ",1,1,1,1", ",,,,", ",1,2,0,1", ",1,NaN,0,1", ",1,inf,0,1"] {
        writeln!(text, "{}{features}", head).unwrap();
    }
    let other = head.replace(&version, "0123456789ab");
    writeln!(text, "{other},1,0,1,1").unwrap();
    let Trained { model, notes, .. } = train(&folder.options(&text)).unwrap();
    assert_eq!(model.training.rows, Some(60));
    let notes = notes.join("\n").replace(&format!("{}/", folder.0.path().display()), "");
    assert!(notes.contains("left out: 3 rows whose features are not known\n"), "{notes}");
    assert!(
        notes.contains("left out: 4 rows of other numbers than what served has; line 62: 3 numbers, and serving.json weighs 4\n"),
        "{notes}"
    );
}

#[test]
fn what_cannot_be_trained_on_says_what_to_do() {
    let folder = Folder::new();
    let version = houses(&folder);
    let table = |rows: &[(Vec<f64>, f64)]| records(&version, rows);
    let mut without_oil = dearer();
    without_oil.iter_mut().for_each(|(features, _)| features[2] = 0.0);
    let narrow = table(&[(vec![1.0, 2.0], 3.0)]);
    for (text, want) in [
        (narrow.clone(), "rows.csv: no row fits; line 2: 2 numbers, and serving.json weighs 4"),
        (
            narrow
                .replace(&version, "0123456789ab")
                .replace(",1,2\n", ",1,0,1,1\n")
                .replace("_2\n", "_2,feature_3,feature_4\n"),
            &format!(
                "rows.csv: no row fits; line 2: it was predicted by model@0123456789ab, and only that version's own file says which of its columns are which categories; name that one with --serving, or choose rows with `metric export --features --model NAME@{version}`"
            ),
        ),
        (
            table(&without_oil),
            "cannot fit rows.csv: the same in each of the 60 training rows, so that no weight can be found: \"heating=oil\"; train on more rows, with an earlier --since or a smaller --holdout",
        ),
        (
            table(&dearer()).replacen(",2.5,model,", ",2.5,other,", 1),
            "rows.csv: it has rows of 2 models, \"model\", \"other\", and may have a row once for each; choose one with `metric export --features --model NAME`",
        ),
        (
            format!("{HEADER}\na,1,1,0,model,v,2026-11-27T10:00:00Z,2026-11-27T10:00:00Z,0\n"),
            "rows.csv: it does not say what the rows were predicted from; expected what `metric export --features` writes",
        ),
        (
            "a,b\n1,2\n".to_owned(),
            "rows.csv: it has no column y_true, but a, b; expected what `metric export --features` writes",
        ),
        (
            narrow.replace(",1,2\n", ",1,x\n"),
            "rows.csv, line 2, column feature_2: \"x\" is not a number; expected what `metric export --features` writes",
        ),
        (
            narrow.replace("row-0,3,", "row-0,,"),
            "rows.csv, line 2, column y_true: the label is nothing; expected a number",
        ),
        (
            narrow.replace("2026-11-20T17:04:05.123Z,2026", "today,2026"),
            "rows.csv, line 2, column predicted_at: \"today\"; expected a time in UTC, such as 2026-11-22T10:00:00.000Z",
        ),
        (format!("{HEADER},feature_1\n"), "rows.csv: it has no rows"),
    ] {
        assert_eq!(folder.refused(&text), want);
    }
    let options = TrainOptions { model: folder.path("serving.json"), ..folder.options(&table(&dearer())) };
    let why = train(&options).unwrap_err().to_string();
    assert!(why.contains("which served these rows; write another one with --model FILE"), "{why}");
}
