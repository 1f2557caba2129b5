//! The loop of a model's life, with the programs as they are: rows are recorded, a candidate is trained on them, compared with what
//! served, and put in its place.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::broker;
use crate::processes::{Services, programs, repository};

/// All rows of the sample data, each once.
pub const ROWS: usize = 442;

/// Has `model` serve a copy of the sample's model while all rows pass, with their labels moved by 150, and returns that copy and the
/// table that `metric export --features` makes of them, as if a row had been predicted each second: how many went together in a
/// moment depends on the machine, and what is held out on that.
pub async fn recorded(services: &Services) -> (PathBuf, String) {
    let serving = services.books.path("serving.json");
    fs::copy(repository("data/model.json"), &serving).unwrap();
    let model = services.model(&["--model", serving.to_str().unwrap()]);
    let metric = services.metric(&[]);
    model.ready().await;
    metric.ready().await;
    let count = ROWS.to_string();
    let rows = ["--order", "once", "--count", &count, "--interval", "1ms", "--label-shift", "+150@0"];
    let mut features = services.features(&rows);
    assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    services.books.wait_for_rows(ROWS).await;
    (serving, a_second_apart(&services.metric_command(&["export", "--features"])))
}

fn a_second_apart(table: &str) -> String {
    let mut lines = table.lines();
    let mut text = lines.next().unwrap().to_owned() + "\n";
    for (second, line) in lines.enumerate() {
        let mut cells: Vec<&str> = line.split(',').collect();
        let at = format!("2026-11-20T00:{:02}:{:02}.000Z", second / 60, second % 60);
        cells[6] = &at;
        writeln!(text, "{}", cells.join(",")).unwrap();
    }
    text
}

/// What `model` says with these arguments and this on its standard input: exit code and output.
pub fn model(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(programs().join("model"));
    command.args(arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || _ = stdin.write_all(input.as_bytes()));
        child.wait_with_output().unwrap()
    });
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The recorded rows as a table that people would have of them, in the same order.
fn as_people_have_it(table: &str) -> String {
    let header =
        fs::read_to_string(repository("data/diabetes.csv")).unwrap().lines().next().unwrap().to_owned();
    let mut text = header + "\n";
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        writeln!(text, "{},{}", cells[9..].join(","), cells[1]).unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_is_trained_on_what_was_recorded_compared_with_what_served_and_put_in_its_place() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (serving, table) = recorded(&services).await;
    let path = |name: &str| services.books.path(name).to_str().unwrap().to_owned();
    let serves = serving.to_str().unwrap();

    // To the bit the weights of these rows in a table, in their order.
    let (new, other) = (path("new.json"), path("other.json"));
    let flags = ["train", "--records", "-", "--serving", serves, "--holdout", "0", "--model", &new];
    let (code, _, why) = model(&flags, &table);
    assert_eq!(code, Some(0), "{why}");
    let flags = ["train", "--data", "-", "--holdout", "0", "--model", &other];
    let (code, _, why) = model(&flags, &as_people_have_it(&table));
    assert_eq!(code, Some(0), "{why}");
    let [ours, theirs] = [&new, &other].map(|file| json(Path::new(file)));
    assert_eq!((&ours["coefficients"], &ours["intercept"]), (&theirs["coefficients"], &theirs["intercept"]));
    assert_eq!(ours["features"], theirs["features"]);

    // A file through a pipe, as between containers; the latest fifth is held out.
    let (code, file, said) = model(&["train", "--records", "-", "--serving", serves, "--model", "-"], &table);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("held out from "), "{said}");
    fs::write(&new, file).unwrap();

    // Labels are 150 higher than when the serving model was made, so the new one is better; rows that it was trained on do not count.
    let backtest = |file: &str| model(&["backtest", file, "--serving", serves, "--json"], &table);
    let (code, evidence, why) = backtest(&new);
    assert_eq!(code, Some(0), "{evidence}{why}");
    let found: Value = serde_json::from_str(&evidence).unwrap();
    assert_eq!(found["finding"], "better");
    // A fifth.
    assert_eq!((&found["rows"], &found["left_out"]["trained_on"]), (&88.into(), &354.into()), "{found:#}");
    fs::write(path("evidence.json"), evidence).unwrap();
    // The same file is as good as itself, and one whose predictions are 50 lower is worse.
    let (code, said, _) = backtest(serves);
    assert_eq!(code, Some(3), "{said}");
    let mut low = json(&serving);
    low["intercept"] = (low["intercept"].as_f64().unwrap() - 50.0).into();
    for golden in low["golden"].as_array_mut().unwrap() {
        golden["prediction"] = (golden["prediction"].as_f64().unwrap() - 50.0).into();
    }
    fs::write(path("low.json"), low.to_string()).unwrap();
    let (code, said, _) = backtest(&path("low.json"));
    assert_eq!(code, Some(4), "{said}");

    // And `model` takes it up.
    let running = services.model(&["--model", serves]);
    running.ready().await;
    let (code, said, why) =
        model(&["promote", &new, "--model", serves, "--evidence", &path("evidence.json")], "");
    assert_eq!(code, Some(0), "{why}");
    assert!(said.contains("\nevidence: better: "), "{said}");
    let version = found["version"].as_str().unwrap();
    running.says(&format!("model@{version} now serves")).await;
}
