//! Model files that are swapped while `model` serves: good ones and every kind of bad one, faster than anybody would.
//!
//! `scripts/long swaps` runs the storm for half a minute; `SWAP_SECONDS` says how long.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use model::encode::Encoding;
use model::file::{ModelFile, sha256};
use model::linear::Linear;
use shared::message::{Cell, Role};
use shared::transport::QueueKind;

use crate::account::{Books, wait_for};
use crate::broker;
use crate::processes::{Process, Services, asked};

/// Renames a second.
const RENAMES: u32 = 100;
/// Rows a second.
const RATE: u32 = 2000;
/// After how many seconds of a storm a process holds all the memory that it will ever hold: buffers and threads grow for
/// some seconds.
const WARM: u32 = 15;
/// How much more it may hold at the end of the storm than when it was warm, in KiB.
const GROWTH: u64 = 1024;
/// The same where the storm is too short to become warm.
const GROWTH_COLD: u64 = 16 * 1024;

/// The model of a number: a line of its own.
fn line(number: u32) -> Linear {
    Linear::new(None, &[1.0 + f64::from(number % 7) / 3.0], f64::from(number) / 9.0).unwrap()
}

fn file_of(linear: &Linear, features: &[&str]) -> Vec<u8> {
    let training = serde_json::json!({"algorithm": "ols", "parameters": {}, "libraries": {}, "made_at": ""});
    let features = Encoding::plain(features.iter().map(|name| (*name).to_owned()).collect());
    let training = serde_json::from_value(training).unwrap();
    let row = vec![Cell::Number(7.0); features.features().len()];
    let file = ModelFile::linear(&features, "target".to_owned(), linear, training);
    file.with_golden(&[&row]).unwrap().to_json().unwrap()
}

/// A folder with a model file that is swapped, and the models that were ever in it, by version.
struct Models {
    folder: PathBuf,
    lines: BTreeMap<String, u32>,
}

impl Models {
    fn new(books: &Books) -> Self {
        let folder = books.path("models");
        fs::create_dir(&folder).unwrap();
        Self { folder, lines: BTreeMap::new() }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("model.json")
    }

    /// Writes a good model beside and renames it in.
    fn good(&mut self, number: u32) {
        let bytes = file_of(&line(number), &["a"]);
        self.lines.insert(sha256(&bytes)[..12].to_owned(), number);
        self.rename_in(|path| fs::write(path, &bytes).unwrap());
    }

    fn rename_in(&self, make: impl FnOnce(&Path)) {
        let new = self.folder.join("new");
        make(&new);
        fs::rename(&new, self.path()).unwrap();
    }

    /// Does one of the things that must not be served: each kind in turn.
    fn bad(&self, number: u32) {
        let good = file_of(&line(number), &["a"]);
        let text = String::from_utf8(good.clone()).unwrap();
        let write = |bytes: &[u8]| self.rename_in(|path| fs::write(path, bytes).unwrap());
        let link = |to: &str| self.rename_in(|path| symlink(to, path).unwrap());
        let intercept = format!(
            "\"intercept\": {}",
            text.split("\"intercept\": ").nth(1).unwrap().split(',').next().unwrap()
        );
        match number % 17 {
            0 => write(&good[..good.len() / 2]),
            1 => write(b""),
            2 => write(
                b"\x80\x04\x95\x1c\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
            ),
            3 => write(text.replace(&intercept, "\"intercept\": NaN").as_bytes()),
            4 => write(text.replace(&intercept, "\"intercept\": 1e999").as_bytes()),
            5 => write(text.replace(&intercept, "\"intercept\": 1e9").as_bytes()),
            6 => write(&file_of(&Linear::new(None, &[1.0, 2.0], 0.0).unwrap(), &["a", "b"])),
            7 => write(&file_of(&line(number), &["other"])),
            8 => self.rename_in(|path| File::create(path).unwrap().set_len(17 * 1024 * 1024).unwrap()),
            9 => self.rename_in(|path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
            10 => link("/dev/zero"),
            11 => link("model.json"),
            12 => link("."),
            // In place, and in two parts with a pause between: the first is no model, the two together are a bad one.
            13 => {
                self.rename_in(|path| fs::write(path, &good[..100]).unwrap());
                let mut file = File::options().append(true).open(self.path()).unwrap();
                std::thread::sleep(Duration::from_millis(2));
                file.write_all(b"more").unwrap();
            }
            14 => File::options().write(true).open(self.path()).unwrap().set_len(100).unwrap(),
            15 => fs::remove_file(self.path()).unwrap(),
            _ => write(text.replace("pipeline-model", "another").as_bytes()),
        }
    }

    /// Holds each row of `metric_log.csv` to the very model that it names: the label is the feature.
    fn agree_with(&self, books: &Books) -> BTreeMap<String, usize> {
        let csv = String::from_utf8(books.text("metric_log.csv")).unwrap();
        let mut versions = BTreeMap::new();
        for row in csv.lines().skip(1) {
            let cells: Vec<&str> = row.split(',').collect();
            let [feature, predicted] = [cells[1], cells[2]].map(|cell| cell.parse::<f64>().unwrap());
            let number =
                self.lines.get(cells[5]).unwrap_or_else(|| panic!("there was no model {}", cells[5]));
            let wanted = line(*number).predict(&[&[feature]])[0];
            assert_eq!(predicted.to_bits(), wanted.to_bits(), "{row}: model {number} says {wanted}");
            *versions.entry(cells[5].to_owned()).or_default() += 1;
        }
        versions
    }
}

/// A table whose label is its only feature.
fn table(books: &Books) -> String {
    let rows: String = (0..1000).map(|i| format!("{0},{0}\n", f64::from(i) / 7.0)).collect();
    let path = books.path("rows.csv");
    fs::write(&path, format!("a,target\n{rows}")).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_swaps_fails_no_prediction() {
    let seconds = u32::try_from(asked("SWAP_SECONDS").unwrap_or(6)).unwrap();
    let broker = broker::turn().await;
    // A model without a model file takes nothing, and makes no queue.
    broker.declare(QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let table = table(&services.books);
    let mut models = Models::new(&services.books);
    let mut metric = services.metric(&[]);
    let mut model = services.model(&["--shadow", "off", "--model", models.path().to_str().unwrap()]);
    let count = (seconds * RATE).to_string();
    let load = ["--data", &table, "--rate", &RATE.to_string(), "--count", &count, "--feature-names"];
    let mut features = services.features(&load);

    // Without a model it takes nothing, and with a bad one neither; with a good one it starts by itself.
    model.says("taking no rows until then").await;
    models.bad(0);
    model.says("malformed").await;
    model.not_ready().await;
    let published = || !services.books.confirmed().0.is_empty();
    wait_for("rows to be published", published, || features.log()).await;
    broker.has_any(Role::Features).await;
    assert_eq!(model.counter("pipeline_predictions_total", "").await, 0.0);
    models.good(0);
    model.ready().await;

    let storm = std::thread::spawn(move || {
        let start = Instant::now();
        for number in 1..=seconds * RENAMES {
            // At its time, or as fast as it goes.
            std::thread::sleep(
                (start + Duration::from_secs(1) * number / RENAMES).saturating_duration_since(Instant::now()),
            );
            if number.is_multiple_of(2) { models.good(number) } else { models.bad(number) }
        }
        (models, start.elapsed())
    });
    let (wait, growth) = if seconds >= 2 * WARM { (WARM, GROWTH) } else { (seconds / 2, GROWTH_COLD) };
    tokio::time::sleep(Duration::from_secs(wait.into())).await;
    let before = model.resident();
    let (mut models, took) = tokio::task::spawn_blocking(|| storm.join().unwrap()).await.unwrap();
    let after = model.resident();

    // After the storm the last one serves, whatever it was that came before.
    models.good(seconds * RENAMES + 1);
    let last = models.lines.iter().find(|(_, number)| **number == seconds * RENAMES + 1).unwrap().0.clone();
    model.says(&format!("model@{last} now serves")).await;
    assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    services.books.settle_exactly().await;
    let versions = models.agree_with(&services.books);
    let swaps = model.counter("pipeline_model_swaps_total", "").await;
    let refused = model.counter("pipeline_model_refused_total", "").await;
    assert_eq!(model.counter("pipeline_rejected_total", "").await, 0.0, "{}", model.log());
    assert!(broker.drain("Features.dead").await.is_empty());
    for reason in
        ["malformed", "empty", "golden_row", "other_features", "too_large", "not_a_file", "unreadable"]
    {
        let count = model.counter("pipeline_model_refused_total", &format!("reason=\"{reason}\"")).await;
        assert!(count > 0.0, "nothing was refused as {reason}: {}", model.log());
    }
    assert!(after <= before + growth, "from {before} to {after} KiB");
    model.stop().await;
    metric.stop().await;
    println!(
        "held: {} renames in {took:.1?}, {swaps} swaps, {refused} files refused, {count} rows predicted by {} versions, \
         {before} KiB resident before and {after} after",
        seconds * RENAMES,
        versions.len()
    );
}

/// What `cp` over the file and `mv` do, and what Kubernetes does, each while rows are predicted.
#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_swap_is_noticed() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let table = table(&services.books);
    let mut models = Models::new(&services.books);
    models.good(0);
    let metric = services.metric(&[]);
    let model = services.model(&["--shadow", "off", "--model", models.path().to_str().unwrap()]);
    let features = services.features(&["--data", &table, "--rate", "200"]);
    services.books.wait_for_rows(1).await;
    let shell = |script: &str| {
        assert!(
            Command::new("sh").args(["-ec", script]).current_dir(&models.folder).status().unwrap().success()
        );
    };
    for (number, script) in [
        (1, "cp ../next model.json"),
        (2, "cp ../next there && mv there model.json"),
        (
            3,
            "mkdir v1 && cp ../next v1/model.json && ln -s v1 ..data && ln -s ..data/model.json l && mv l model.json",
        ),
        (4, "mkdir v2 && cp ../next v2/model.json && ln -s v2 ..new && mv -T ..new ..data"),
    ] {
        let bytes = file_of(&line(number), &["a"]);
        fs::write(services.books.path("next"), &bytes).unwrap();
        shell(script);
        let version = &sha256(&bytes)[..12];
        model.says(&format!("model@{version} now serves")).await;
        let predicted = || String::from_utf8_lossy(&services.books.text("metric_log.csv")).contains(version);
        wait_for(&format!("predictions of {version}"), predicted, || metric.log()).await;
    }
    stop([features, model, metric]).await;
}

/// Rows that do not fit the model, by their names or their range.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_held_to_what_the_model_was_made_for() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let path = |name: &str| services.books.path(name).to_str().unwrap().to_owned();
    fs::write(path("train.csv"), "a,b,target\n0,0,1\n1,0,2\n0,1,3\n1,1,5\n0.5,0.2,2\n0.1,0.9,2\n").unwrap();
    let options = model::train::TrainOptions::plain(
        Path::new(&path("train.csv")),
        shared::table::Columns::target("target"),
        Path::new(&path("model.json")),
    );
    model::train::train(&model::train::TrainOptions { holdout: 0.0, ..options }).unwrap();
    // Two of four rows are beyond the range of what the model has seen.
    fs::write(path("rows.csv"), "a,b,target\n0.5,0.5,1\n2,0,2\n0.1,0.1,3\n0,-1,4\n").unwrap();
    fs::write(path("swapped.csv"), "b,a,target\n0.5,0.5,1\n0.1,0.1,2\n").unwrap();
    let rows = |name: &str| {
        ["--order", "once", "--interval", "0s", "--data", &path(name), "--feature-names"].map(str::to_owned)
    };

    let metric = services.metric(&[]);
    let model_file = path("model.json");
    let mut lenient = services.model(&["--model", &model_file]);
    publish(&services, &rows("rows.csv")).await;
    services.books.wait_for_rows(4).await;
    for (feature, count) in [("a", 1.0), ("b", 1.0)] {
        let label = format!("feature=\"{feature}\"");
        assert_eq!(lenient.counter("pipeline_out_of_range_total", &label).await, count);
    }
    lenient.stop().await;

    let strict = services.model(&["--model", &model_file, "--strict"]);
    publish(&services, &rows("rows.csv")).await;
    services.books.wait_for_rows(6).await;
    publish(&services, &rows("swapped.csv")).await;
    // As pika sends a list.
    let (connection, channel) = broker.channel().await;
    let names = ["b", "a"].map(|name| AMQPValue::LongString(name.into())).to_vec();
    let mut headers = FieldTable::default();
    headers.insert("x-feature-names".into(), AMQPValue::FieldArray(names.into()));
    let properties = BasicProperties::default().with_message_id("listed".into()).with_headers(headers);
    broker.publish(&channel, Role::Features, b"[0.5, 0.5]", properties).await;
    connection.close(200, "published".into()).await.unwrap();
    broker.has_ready_dead("Features.dead", 5).await;
    let mut reasons: Vec<String> = broker
        .drain("Features.dead")
        .await
        .iter()
        .map(|letter| letter.header("x-reason") + ": " + &letter.header("x-detail"))
        .collect();
    reasons.sort();
    assert_eq!(
        reasons,
        [
            "out_of_range: a is 2, outside the trained range 0 to 1",
            "out_of_range: b is -1, outside the trained range 0 to 1",
            "wrong_names: feature 1 is \"b\", the model expects \"a\"",
            "wrong_names: feature 1 is \"b\", the model expects \"a\"",
            "wrong_names: feature 1 is \"b\", the model expects \"a\"",
        ]
    );
    stop([strict, metric]).await;
}

/// A file that crashes ONNX Runtime crashes nothing else, and a row that a model fails on fails alone.
#[tokio::test(flavor = "multi_thread")]
async fn onnx_serves_and_fails_row_by_row() {
    let Some(foreign) = std::env::var_os("FOREIGN_MODELS").map(PathBuf::from) else {
        println!(
            "left out: peers: FOREIGN_MODELS does not name the folder that scripts/foreign-models.py has filled"
        );
        return;
    };
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let path = |name: &str| services.books.path(name).to_str().unwrap().to_owned();
    fs::copy(foreign.join("harmful-deep-tree.onnx"), path("model.onnx")).unwrap();
    let model = services.model(&["--shadow", "off", "--model", &path("model.onnx")]);
    model.says("ONNX Runtime dies from signal").await;
    fs::copy(foreign.join("fails-on-some-rows.onnx"), path("model.onnx")).unwrap();
    model.ready().await;
    let metric = services.metric(&[]);
    let rows: String =
        (0..700).map(|row| format!("{},0,{row}\n", if row % 100 == 7 { 99 } else { row % 5 })).collect();
    fs::write(path("rows.csv"), format!("place,other,target\n{rows}")).unwrap();
    publish(
        &services,
        &["--order", "once", "--interval", "0s", "--data", &path("rows.csv")].map(str::to_owned),
    )
    .await;
    services.books.wait_for_rows(693).await;
    let csv = String::from_utf8(services.books.text("metric_log.csv")).unwrap();
    for row in csv.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let [label, predicted] = [cells[1], cells[2]].map(|cell| cell.parse::<f64>().unwrap());
        assert_eq!(predicted, 10.0 + label % 5.0, "{row}");
    }
    broker.has_ready_dead("Features.dead", 7).await;
    for letter in broker.drain("Features.dead").await {
        assert_eq!(letter.header("x-reason"), "prediction_failed");
        assert!(letter.header("x-detail").contains("out of data bounds"), "{}", letter.header("x-detail"));
    }
    stop([model, metric]).await;
}

async fn publish(services: &Services, arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut features = services.features(&arguments);
    assert_eq!(features.exit(Duration::from_secs(30)).await, Some(0), "{}", features.log());
}

async fn stop<const N: usize>(processes: [Process; N]) {
    for mut process in processes {
        process.stop().await;
    }
}
