//! The exercise's own Python services beside ours on the same broker, each of the three exchanged in turn; and what the page and
//! its API say, held to others' tools.

mod ask;
mod asyncapi;
mod backtest;
mod examples;
mod http;

use std::fs;
use std::time::Duration;

use crate::account::{Books, wait_for};
use crate::broker::{self, Broker};
use crate::processes::{Process, Services, programs, repository};

const PATIENCE: Duration = Duration::from_secs(60);
/// What makes our queues the exercise's.
const TRANSIENT: [&str; 2] = ["--queue-kind", "transient"];

/// The Python that has pika beside it.
fn interpreter() -> String {
    std::env::var("TEST_PYTHON").unwrap_or_else(|_| {
        panic!("TEST_PYTHON is not set: run scripts/test, which installs pika beside a python3")
    })
}

/// The exercise's `features`, `model` or `metric`.
async fn python(services: &Services, service: &str, form: &str, count: usize, more: &[&str]) -> Process {
    let mut command = tokio::process::Command::new(interpreter());
    command.arg(repository("pipeline/tests/python/exercise.py"));
    command.args([service, "--url", &services.url, "--form", form, "--count", &count.to_string()]).args(more);
    let process = Process::spawn(&services.books, &format!("{service}.py"), command);
    process.says("ready").await;
    process
}

async fn setup() -> (Broker, Services) {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    (broker, services)
}

fn with(more: &[&'static str]) -> Vec<&'static str> {
    [&TRANSIENT, more].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn their_features_with_our_model_and_metric() {
    for form in ["bare", "wrapped"] {
        let (_broker, services) = setup().await;
        let (model, metric) = (services.model(&TRANSIENT), services.metric(&TRANSIENT));
        model.ready().await;
        metric.ready().await;
        let data = repository("data/diabetes.csv");
        let mut theirs = python(&services, "features", form, 200, &["--data", data.to_str().unwrap()]).await;
        assert_eq!(theirs.exit(PATIENCE).await, Some(0), "{}", theirs.log());
        if form == "wrapped" {
            services.books.wait_for_rows(200).await;
            services.books.recorded().assert_each_once();
        } else {
            // Without an id nothing can be joined; everything is logged.
            let logged = |recorded: crate::account::Recorded| {
                recorded.labels.get("-") == Some(&200) && recorded.predictions.get("-") == Some(&200)
            };
            wait_for("400 lines", || logged(services.books.recorded()), || metric.log()).await;
            assert_eq!(services.books.rows(), 0);
            assert_eq!(metric.counter("pipeline_anonymous_total", "").await, 400.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn their_model_with_our_features_and_metric() {
    for form in ["bare", "wrapped"] {
        let (_broker, services) = setup().await;
        let metric = services.metric(&TRANSIENT);
        metric.ready().await;
        let weights = repository("model/tests/fixtures/reference.json");
        let mut theirs =
            python(&services, "model", form, 200, &["--coefficients", weights.to_str().unwrap()]).await;
        let body = if form == "bare" { "bare" } else { "wrapped" };
        let mut features = services.features(&with(&["--interval", "2ms", "--count", "200", "--body", body]));
        assert_eq!(theirs.exit(PATIENCE).await, Some(0), "{}", theirs.log());
        assert_eq!(features.exit(PATIENCE).await, Some(0), "{}", features.log());
        if form == "wrapped" {
            services.books.settle_exactly().await;
        } else {
            // Their first version answers without an id; the labels still have theirs.
            let logged = || services.books.recorded().predictions.get("-") == Some(&200);
            wait_for("200 predictions", logged, || metric.log()).await;
            let labels = || services.books.recorded().labels.len() == 200;
            wait_for("200 labels", labels, || metric.log()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn their_metric_with_our_features_and_model() {
    for form in ["bare", "wrapped"] {
        let (_broker, services) = setup().await;
        let model = services.model(&TRANSIENT);
        model.ready().await;
        let log = services.books.path("theirs.csv");
        let count = if form == "bare" { 400 } else { 200 };
        let mut theirs = python(&services, "metric", form, count, &["--log", log.to_str().unwrap()]).await;
        let body = if form == "bare" { "bare" } else { "wrapped" };
        let mut features = services.features(&with(&["--interval", "2ms", "--count", "200", "--body", body]));
        assert_eq!(features.exit(PATIENCE).await, Some(0), "{}", features.log());
        assert_eq!(theirs.exit(PATIENCE).await, Some(0), "{}", theirs.log());
        if form == "wrapped" {
            let (rows, _) = services.books.confirmed();
            let text = fs::read_to_string(log).unwrap();
            assert_eq!(text.lines().next(), Some("id,y_true,y_pred,absolute_error"));
            let joined = text.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned());
            assert_eq!(joined.collect::<std::collections::BTreeSet<_>>(), rows);
        } else {
            assert_eq!(theirs.log().matches("\"value\"").count(), 400);
        }
    }
}

/// Their features send rows and labels together, and their model answers each by itself; or ours answers together. One account.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_travel_together_are_answered_by_either_model() {
    const ROWS: usize = 1000;
    for ours in [false, true] {
        let (_broker, services) = setup().await;
        let metric = services.metric(&TRANSIENT);
        metric.ready().await;
        let mut model = if ours {
            let model = services.model(&TRANSIENT);
            model.ready().await;
            model
        } else {
            let weights = repository("model/tests/fixtures/reference.json");
            python(&services, "model", "wrapped", ROWS, &["--coefficients", weights.to_str().unwrap()]).await
        };
        let data = repository("data/diabetes.csv");
        let more = ["--data", data.to_str().unwrap(), "--together", "48"];
        let mut theirs = python(&services, "features", "wrapped", ROWS, &more).await;
        assert_eq!(theirs.exit(PATIENCE).await, Some(0), "{}", theirs.log());
        if !ours {
            assert_eq!(model.exit(PATIENCE).await, Some(0), "{}", model.log());
        }
        services.books.wait_for_rows(ROWS).await;
        let recorded = services.books.recorded();
        recorded.assert_each_once();
        assert_eq!(
            (recorded.rows.len(), recorded.labels.len(), recorded.predictions.len()),
            (ROWS, ROWS, ROWS)
        );
    }
}

/// The later forms of the exercise: queues of other names, transient or durable, made by whoever comes first.
#[tokio::test(flavor = "multi_thread")]
async fn their_later_forms_exchange_rows_with_each_of_our_services() {
    for (kind, theirs_first) in [("transient", true), ("durable", false), ("durable", true)] {
        let ours = ["--exercise", "v2", "--queue-kind", kind];
        let theirs: &[&str] =
            if kind == "durable" { &["--names", "v2", "--durable"] } else { &["--names", "v2"] };

        // Their features.
        let (broker, services) = later().await;
        let data = repository("data/diabetes.csv");
        let more = [&["--data", data.to_str().unwrap()][..], theirs].concat();
        let mut source = None;
        if theirs_first {
            source = Some(python(&services, "features", "wrapped", 100, &more).await);
        }
        let (model, metric) = (services.model(&ours), services.metric(&ours));
        model.ready().await;
        metric.ready().await;
        if source.is_none() {
            source = Some(python(&services, "features", "wrapped", 100, &more).await);
        }
        let mut source = source.unwrap();
        assert_eq!(source.exit(PATIENCE).await, Some(0), "{}", source.log());
        services.books.wait_for_rows(100).await;
        services.books.recorded().assert_each_once();
        drop((model, metric, broker));

        // Their model.
        let (broker, services) = later().await;
        let weights = repository("model/tests/fixtures/reference.json");
        let more = [&["--coefficients", weights.to_str().unwrap()][..], theirs].concat();
        let rows = [&ours[..], &["--interval", "2ms", "--count", "100", "--body", "wrapped"]].concat();
        let (mut model, metric, mut features);
        if theirs_first {
            model = python(&services, "model", "wrapped", 100, &more).await;
            metric = services.metric(&ours);
            features = services.features(&rows);
        } else {
            metric = services.metric(&ours);
            features = services.features(&rows);
            metric.ready().await;
            model = python(&services, "model", "wrapped", 100, &more).await;
        }
        assert_eq!(model.exit(PATIENCE).await, Some(0), "{}", model.log());
        // A row that was sent twice, because it was returned at first, may be confirmed when all are predicted.
        assert_eq!(features.exit(PATIENCE).await, Some(0), "{}", features.log());
        services.books.settle_exactly().await;
        drop((metric, broker));

        // Their metric.
        let (_broker, services) = later().await;
        let log = services.books.path("theirs.csv");
        let more = [&["--log", log.to_str().unwrap()][..], theirs].concat();
        let (model, mut metric);
        if theirs_first {
            metric = python(&services, "metric", "wrapped", 100, &more).await;
            model = services.model(&ours);
        } else {
            model = services.model(&ours);
            model.ready().await;
            metric = python(&services, "metric", "wrapped", 100, &more).await;
        }
        let mut features = services.features(&rows);
        assert_eq!(features.exit(PATIENCE).await, Some(0), "{}", features.log());
        assert_eq!(metric.exit(PATIENCE).await, Some(0), "{}", metric.log());
        let (rows, _) = services.books.confirmed();
        let text = fs::read_to_string(log).unwrap();
        let joined = text.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned());
        assert_eq!(joined.collect::<std::collections::BTreeSet<_>>(), rows);
        drop(model);
    }
}

/// A broker without queues of the later form.
async fn later() -> (Broker, Services) {
    let (broker, services) = setup().await;
    let (connection, channel) = broker.channel().await;
    for name in ["features", "y_true", "y_pred"] {
        for queue in [name.to_owned(), format!("{name}.dead")] {
            channel.queue_delete(queue.into(), Default::default()).await.unwrap();
        }
    }
    connection.close(200, "emptied".into()).await.unwrap();
    (broker, services)
}

/// The two later forms in full, on one broker each: all three services are theirs, and each in turn is replaced by ours. All rows
/// are joined, and what the exercise draws its picture with reads our records.
#[tokio::test(flavor = "multi_thread")]
async fn each_of_the_three_is_replaced_in_turn() {
    for (kind, key) in
        [("transient", "body"), ("transient", "y_pred"), ("durable", "body"), ("durable", "y_pred")]
    {
        let (broker, services) = later().await;
        let mut form = vec!["--names", "v2", "--prediction-key", key];
        if kind == "durable" {
            form.push("--durable");
        }
        for replaced in ["none", "features", "model", "metric"] {
            exchange(Services::new(&services.url), kind, key, &form, replaced).await;
            for queue in ["features", "y_true", "y_pred"] {
                assert_eq!(broker.ready(queue).await, 0, "{queue} is drained: {kind}, {key}, {replaced}");
            }
        }
    }
}

/// A hundred rows by way of the three services, of which one is ours.
async fn exchange(services: Services, kind: &str, key: &str, form: &[&str], replaced: &str) {
    const ROWS: usize = 100;
    let case = format!("{kind}, {key}, {replaced} replaced");
    let ours = ["--exercise", "v2", "--queue-kind", kind];
    let (data, weights) =
        (repository("data/diabetes.csv"), repository("model/tests/fixtures/reference.json"));
    let log = services.books.path("theirs.csv");
    let their = async |service, flag, path: &std::path::Path| {
        let more = [&[flag, path.to_str().unwrap()][..], form].concat();
        python(&services, service, "wrapped", ROWS, &more).await
    };
    let mut metric = match replaced {
        "metric" => services.metric(&ours),
        _ => their("metric", "--log", &log).await,
    };
    let mut model = match replaced {
        "model" => services.model(&[&ours[..], &["--predictions-key", key]].concat()),
        _ => their("model", "--coefficients", &weights).await,
    };
    match replaced {
        "metric" => metric.ready().await,
        "model" => model.ready().await,
        _ => {}
    }
    let mut features = match replaced {
        "features" => {
            let rows = ["--interval", "2ms", "--count", "100", "--body", "wrapped"];
            services.features(&[&ours[..], &rows].concat())
        }
        _ => their("features", "--data", &data).await,
    };
    assert_eq!(features.exit(PATIENCE).await, Some(0), "{case}: {}", features.log());
    if replaced == "metric" {
        services.books.wait_for_rows(ROWS).await;
        services.books.recorded().assert_each_once();
        metric.stop().await;
        let python = std::env::var("TEST_PYTHON").unwrap();
        let mut plot = tokio::process::Command::new(python);
        plot.arg(repository("pipeline/tests/python/exercise.py")).args(["plot", "--log"]);
        let drawn = plot.arg(services.books.logs().join("metric_log.csv")).output().await.unwrap();
        assert!(drawn.status.success(), "{case}: {}", String::from_utf8_lossy(&drawn.stderr));
        let drawn: serde_json::Value = serde_json::from_slice(&drawn.stdout).unwrap();
        assert_eq!(drawn["ids"], ROWS, "{case}");
        let bars = drawn["bars"].as_array().unwrap();
        assert_eq!(bars.iter().filter_map(serde_json::Value::as_u64).sum::<u64>(), ROWS as u64, "{case}");
    } else {
        assert_eq!(metric.exit(PATIENCE).await, Some(0), "{case}: {}", metric.log());
        let text = fs::read_to_string(&log).unwrap();
        let ids: std::collections::BTreeSet<_> =
            text.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!((ids.len(), text.lines().count()), (ROWS, ROWS + 1), "{case}");
    }
    if replaced == "model" {
        model.stop().await;
    } else {
        assert_eq!(model.exit(PATIENCE).await, Some(0), "{case}: {}", model.log());
    }
}

/// What `metric` says over HTTP, held to what others' tools say of it: see `api.py`.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_says_is_described_and_is_what_pandas_finds_in_the_records() {
    let (broker, services) = setup().await;
    let (model, metric) = (services.model(&[]), services.metric(&[]));
    model.ready().await;
    metric.ready().await;
    let delay = std::env::var("API_LABEL_DELAY").unwrap_or_else(|_| "exponential:2s".to_owned());
    let rows = ["--count", "1500", "--interval", "5ms", "--label-missing", "5%", "--seed", "15"];
    let mut features = services.features(&[&rows[..], &["--label-delay", &delay]].concat());
    let long = Duration::from_secs(600);
    assert_eq!(features.exit(long).await, Some(0), "{}", features.log());
    broker.emptied().await;
    let log = features.log();
    let said = log.split("published 1500 rows and ").nth(1).and_then(|rest| rest.split(' ').next());
    let labelled: usize = said.unwrap_or_else(|| panic!("{log}")).parse().unwrap();
    assert!((1350..1500).contains(&labelled), "{labelled}");
    services.books.wait_for_rows(labelled).await;
    metric.evaluated(|report| report["versions"][0]["rows"]["labelled"] == labelled).await;
    metric.says("for programs http://").await;
    let log = metric.log();
    let page = log.rsplit("for programs ").next().unwrap().split("/api").next().unwrap().to_owned();
    let python = std::env::var("TEST_PYTHON").unwrap();
    let mut command = tokio::process::Command::new(python);
    command.arg(repository("pipeline/tests/python/api.py")).arg(page).arg(services.books.logs());
    let mut script = Process::spawn(&services.books, "api.py", command);
    assert_eq!(script.exit(long).await, Some(0), "{}", script.log());
    println!("{}", script.log());
}

/// What the page of `pipeline` shows and how it behaves in a browser: see `page.py`.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_in_a_browser() {
    const LONG: Duration = Duration::from_secs(600);
    let there =
        ["/usr/bin/chromium", "/usr/bin/chromedriver"].map(std::path::Path::new).map(std::path::Path::exists);
    if there.contains(&false) {
        println!("left out: chromium and chromium-driver are missing");
        return;
    }
    let python = std::env::var("TEST_PYTHON").expect("run scripts/test --peers");
    let books = Books::new();
    let mut command = tokio::process::Command::new(python);
    command.arg(repository("pipeline/tests/python/page.py")).arg(programs());
    let mut script = Process::spawn(&books, "page.py", command);
    assert_eq!(script.exit(LONG).await, Some(0), "{}", script.log());
    println!("{}", script.log());
}
