//! `metric report`: what it says is what the records say, at a time whenever it is asked, and what was made worse is found.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::account::Books;
use crate::broker;
use crate::processes::{Process, Services, asked as asked_of, programs, repository};

fn parse(said: &str) -> Value {
    serde_json::from_str(said).unwrap_or_else(|why| panic!("{why}: {said}"))
}

/// Columns of metric_log.csv: label, prediction, and how much later the label came, in milliseconds.
fn scored(books: &Books) -> Vec<(f64, f64, f64)> {
    let text = String::from_utf8(books.text("metric_log.csv")).unwrap();
    let number = |cells: &[&str], column: usize| cells[column].parse::<f64>().unwrap();
    text.lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|cells| (number(&cells, 1), number(&cells, 2), number(&cells, 8)))
        .collect()
}

fn close(got: &Value, expected: f64) {
    let number = got.as_f64().unwrap_or_else(|| panic!("{got} is no number"));
    assert!((number - expected).abs() <= 1e-9 * expected.abs(), "{number} is not {expected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_says_what_the_records_say_also_after_a_kill_and_of_a_copy() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (mut metric, model) = (services.metric(&[]), services.model(&[]));
    metric.ready().await;
    model.ready().await;
    // A card counts from the first commit after it on: it comes by a way of its own, and may be later than the first rows.
    metric.counts("pipeline_cards_total", |cards| cards == 1.0).await;
    let rows = ["--order", "once", "--interval", "0s", "--label-delay", "exponential:500ms", "--seed", "7"];
    let mut features = services.features(&[&rows[..], &["--label-missing", "5%"]].concat());
    assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    let labels: usize = {
        let log = features.log();
        let rest = log.split("published 442 rows and ").nth(1).unwrap_or_else(|| panic!("{log}"));
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    assert!((400..442).contains(&labels), "{labels}");
    services.books.wait_for_rows(labels).await;
    broker.emptied().await;

    let report = parse(&services.report(&["--json"]));
    let version = &report["versions"][0];
    let counts = ["predicted", "labelled", "waiting", "expired", "anonymous"];
    let counts = counts.map(|name| version["rows"][name].as_u64().unwrap());
    assert_eq!(counts, [442, labels as u64, 442 - labels as u64, 0, 0], "{report}");
    let rows = scored(&services.books);
    let n = rows.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64, f64)) -> f64| rows.iter().map(of).sum::<f64>() / n;
    let label = mean(&|row| row.0);
    let squares = mean(&|row| (row.1 - row.0).powi(2));
    for set in ["since_first", "last_rows", "period"] {
        let scores = &version["scores"][set];
        assert_eq!(scores["rows"], labels, "{set}");
        close(&scores["mae"]["value"], mean(&|row| (row.1 - row.0).abs()));
        close(&scores["rmse"]["value"], squares.sqrt());
        close(&scores["bias"]["value"], mean(&|row| row.1 - row.0));
        close(&scores["r2"]["value"], 1.0 - squares / mean(&|row| (row.0 - label).powi(2)));
        let interval = &scores["mae"]["interval"];
        let [low, high] = ["low", "high"].map(|end| interval[end].as_f64().unwrap());
        assert!(low < scores["mae"]["value"].as_f64().unwrap() && high > low, "{scores}");
    }
    // The names are from the model's card, and what it says of them is the reference.
    let drift = version["drift"]["features"].as_array().unwrap();
    assert_eq!(drift.len(), 10);
    assert!(drift.iter().all(|feature| feature["reference"] == "model_file"), "{drift:?}");
    assert!(drift.iter().any(|feature| feature["name"] == "bmi"), "{drift:?}");
    assert_eq!(version["missing"], serde_json::json!([]));
    // Half of the labels come within the median of the lags; the first bin ends at 100 ms, the others are a quarter wide.
    let mut lags: Vec<f64> = rows.iter().map(|row| row.2.max(0.0)).collect();
    lags.sort_by(f64::total_cmp);
    // Those that wait count too, as later than all that came: half of all rows, not of the labelled ones.
    let (half, middle) = (version["labels"]["lag_p50"]["ms"].as_f64().unwrap(), lags[442 / 2 - 1]);
    assert!((half.max(100.0) / middle.max(100.0) - 1.0).abs() < 0.45, "{half} is not {middle}");

    // The same, to the byte, at that time: after a kill and more rows, and of a copied folder.
    let at = report["at"].as_str().unwrap();
    let before = services.report(&["--json", "--at", at]);
    assert_eq!(parse(&before)["versions"], report["versions"]);
    metric.kill().await;
    let metric = services.metric(&[]);
    metric.ready().await;
    let mut features = services.features(&["--order", "once", "--interval", "0s"]);
    assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    services.books.wait_for_rows(labels + 442).await;
    assert_eq!(services.report(&["--json", "--at", at]), before);
    let now = parse(&services.report(&["--json"]));
    assert_eq!(now["versions"][0]["rows"]["labelled"], labels + 442);
    let copy = Books::new();
    let backup = copy.path("copied");
    std::fs::create_dir(&backup).unwrap();
    let to = backup.join("metric.db");
    let output = Command::new(programs().join("metric"))
        .args(["backup", to.to_str().unwrap(), "--logs"])
        .arg(services.books.logs())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new(programs().join("metric"))
        .args(["report", "--json", "--at", at, "--logs"])
        .arg(&backup)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), before);
}

/// When each row was predicted, as metric_log.csv has it, and its absolute error.
fn predicted(books: &Books) -> Vec<(String, f64)> {
    let text = String::from_utf8(books.text("metric_log.csv")).unwrap();
    let cells = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    cells.map(|cells| (cells[6].to_owned(), cells[3].parse().unwrap())).collect()
}

/// Runs the pipeline in one process on the sample data, once, and returns its records.
async fn run(arguments: &[&str]) -> Services {
    let services = Services { url: String::new(), books: Books::new() };
    let (logs, data) = (services.books.logs(), repository("data/diabetes.csv"));
    let model = repository("data/model.json");
    let fixed = [
        ["--logs", logs.to_str().unwrap()],
        ["--data", data.to_str().unwrap()],
        ["--model", model.to_str().unwrap()],
        ["--admin-addr", "127.0.0.1:0"],
        // Slowly enough that a commit has few rows: rules are looked at from commit to commit.
        ["--interval", "1ms"],
    ];
    let arguments = [&fixed.concat()[..], arguments].concat();
    let mut pipeline = Process::start(&services.books, "pipeline", &arguments);
    assert_eq!(pipeline.exit(Duration::from_secs(120)).await, Some(0), "{}", pipeline.log());
    services
}

fn asked(services: &Services, flags: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(programs().join("metric"))
        .arg("report")
        .args(flags)
        .arg("--logs")
        .arg(services.books.logs())
        .env_clear()
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_worse_on_purpose_is_found_and_nothing_else() {
    let services =
        run(&["--count", "4000", "--seed", "7", "--drift", "bmi:+0.05@1500", "--label-shift", "*1.5@3000"])
            .await;
    let report = parse(&services.report(&["--json"]));
    let version = &report["versions"][0];
    let drifting: Vec<&str> = version["drift"]["features"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|feature| !feature["drifts_since"].is_null())
        .map(|feature| feature["name"].as_str().unwrap())
        .collect();
    assert_eq!(drifting, ["bmi"], "{report:#}");
    assert_eq!(version["change"]["worse"]["holds"], true, "{report:#}");
    assert_eq!(report["verdict"]["state"], "look");
    let (code, said) = asked(&services, &["--fail-on-alert"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.starts_with("Look: The errors of model@"), "{said}");
    let bmi =
        said.lines().find(|line| line.starts_with("  ") && line.trim_start().starts_with("bmi ")).unwrap();
    assert!(bmi.contains("DRIFTS, for ") && bmi.contains("up by 1.") && bmi.contains("model file"), "{said}");
    // A rule sees the same, and has seen it when it was so.
    let rules = ["--alert", "mae{window=500} > 55", "--alert", "drift{feature=s5} > 0 for 1"];
    let (code, said) = asked(&services, &[&rules[..], &["--fail-on-alert"]].concat());
    assert_eq!(code, Some(4), "{said}");
    // Its cells are as wide as those of the longer rule.
    assert!(said.contains("  firing    mae{window=500} > 55         since "), "{said}");
    assert!(said.contains("  inactive  drift{feature=s5} > 0 for 1\n"), "{said}");
    assert!(said.contains("mae{window=500} > 55 fires: it is "), "{said}");
    let rules = services.books.path("rules");
    std::fs::write(&rules, "# what wakes people\nmae{window=500} > 55 form 3\n").unwrap();
    let (code, said) = asked(&services, &["--alert-file", rules.to_str().unwrap()]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    // Without --fail-on-alert it only tells.
    assert_eq!(asked(&services, &[]).0, Some(0));
    // Of a model that is not there.
    let (code, said) = asked(&services, &["--model", "other"]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_disturbance_all_is_well_and_before_there_are_labels_nothing_is_said() {
    let services = run(&["--count", "4000", "--seed", "7"]).await;
    let (code, said) = asked(&services, &["--fail-on-alert"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("OK: The errors of model@"), "{said}");
    let (code, said) = asked(&services, &["--fail-on-alert", "--alert", "mae{window=500} > 1"]);
    assert_eq!(code, Some(4), "{said}");
    let (code, said) = asked(&services, &["--fail-on-alert", "--at", "2020-01-01"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.starts_with("Nothing yet: No row has been predicted yet."), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_the_rows_since_a_time_is_of_these_alone() {
    let services = run(&["--count", "2000", "--seed", "7", "--label-shift", "*1.5@1000"]).await;
    let mut rows = predicted(&services.books);
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    // The row in the middle, and those that were predicted in its millisecond or later.
    let since = rows[1000].0.clone();
    let errors: Vec<f64> = rows.iter().filter(|(at, _)| *at >= since).map(|(_, error)| *error).collect();
    let whole = parse(&services.report(&["--json"]));
    assert_eq!((&whole["since"], &whole["versions"][0]["rows"]["labelled"]), (&Value::Null, &2000.into()));
    let report = parse(&services.report(&["--json", "--since", &since]));
    let version = &report["versions"][0];
    assert_eq!(
        (&report["since"], &version["first_predicted"]),
        (&since.as_str().into(), &since.as_str().into())
    );
    assert_eq!(version["rows"]["predicted"], errors.len());
    assert_eq!(version["scores"]["since_first"]["rows"], errors.len());
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    close(&version["scores"]["since_first"]["mae"]["value"], mean);
    let (code, said) = asked(&services, &["--since", &since]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains(&format!(
            "\nThis is of the rows predicted since {since}; those before are left out.\n"
        )),
        "{said}"
    );
    let (code, said) = asked(&services, &["--since", "2100-01-01", "--fail-on-alert"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.starts_with("Nothing yet: No row has been predicted since 2100-01-01T00:00:00.000Z."),
        "{said}"
    );
    assert_eq!(asked(&services, &["--since", "2100-01-01", "--model", "model"]).0, Some(1));
    for flag in ["--at", "--since"] {
        let output =
            Command::new(programs().join("metric")).args(["report", flag, "yesterday"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(why.contains("expected a day or a time in UTC, such as 2026-11-22T10:00:00Z"), "{why}");
    }
}

/// What alarms in a report of one version, or has alarmed in its errors.
fn alarms(report: &Value) -> Vec<String> {
    let version = &report["versions"][0];
    let drift = &version["drift"];
    let spreads = drift["features"].as_array().unwrap().iter().chain([&drift["prediction"]]);
    let moved = spreads.flat_map(|spread| {
        let name = spread["name"].as_str().unwrap();
        let since = [("drifts", "drifts_since"), ("is stuck", "stuck_since")];
        since
            .into_iter()
            .filter(|(_, key)| !spread[key].is_null())
            .map(move |(what, _)| format!("{name} {what}"))
    });
    let changed = ["worse", "higher", "lower"].into_iter();
    let changed = changed.filter(|kind| version["change"][kind]["alarms"] != 0);
    moved.chain(changed.map(|kind| format!("errors are {kind}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "two minutes: scripts/long calm"]
async fn without_a_disturbance_hardly_any_run_alarms() {
    const TOGETHER: u64 = 4;
    let (runs, rows) = (asked_of("CALM_RUNS").unwrap_or(20) as u64, asked_of("CALM_ROWS").unwrap_or(20_000));
    let (mut at_the_end, mut ever) = (Vec::new(), Vec::new());
    for first in (1..=runs).step_by(usize::try_from(TOGETHER).unwrap()) {
        let seeds = first..=runs.min(first + TOGETHER - 1);
        let calm = seeds.map(async |seed| {
            let (rows, text) = (rows.to_string(), seed.to_string());
            let delay = ["--label-delay", "exponential:100ms"];
            let services = run(&[&["--count", &rows, "--seed", &text][..], &delay].concat()).await;
            // The rule has seen what came and went.
            (seed, parse(&services.report(&["--json", "--alert", "drift > 0 for 1 keep 1"])))
        });
        for (seed, report) in futures_util::future::join_all(calm).await {
            assert_eq!(report["versions"][0]["rows"]["labelled"], rows, "seed {seed}");
            let now = alarms(&report);
            if !now.is_empty() {
                at_the_end.push(format!("seed {seed}: {}", now.join(", ")));
            }
            let notices = report["notices"].as_array().unwrap();
            if !now.is_empty() || !notices.is_empty() {
                ever.push(seed);
            }
        }
    }
    println!(
        "held: {runs} runs of {rows} rows without drift or change, {} with an alarm at the end {at_the_end:?}, {} with one at any time {ever:?}",
        at_the_end.len(),
        ever.len()
    );
    // One of twenty may.
    assert!(at_the_end.len() as u64 * 20 <= runs, "{at_the_end:?}");
}
