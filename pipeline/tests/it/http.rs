//! The HTTP port of `model` and `pipeline`: what is answered is safe, on both transports and through kills, and the lines of the
//! document do what it says.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::{Clock, Hand, Timestamp};
use shared::message::Role;
use shared::readiness::Readiness;
use shared::service::Context;
use shared::stop::Stop;
use shared::transport::Transport;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::account::{Books, count, wait_for};
use crate::broker;
use crate::processes::{Process, Services, repository};
use crate::proxy::Proxy;

const ON: [&str; 2] = ["--http-addr", "127.0.0.1:0"];
const ROW: &str = "[0.038,0.05,0.061,0.021,-0.044,-0.034,-0.043,-0.0025,0.019,-0.017]";
const NDJSON: &str = "application/x-ndjson";

/// Where a process answers over HTTP.
pub async fn address(process: &Process) -> String {
    process.says("predictions are asked for at http://").await;
    let log = process.log();
    let rest = log.rsplit("predictions are asked for at http://").next().unwrap();
    rest.split('/').next().unwrap().to_owned()
}

/// The status, the head and the body of an answer.
type Said = (u16, String, String);

async fn post(address: &str, path: &str, kind: &str, body: &str) -> std::io::Result<Said> {
    post_with(address, path, &format!("content-type: {kind}"), body).await
}

async fn post_with(address: &str, path: &str, header: &str, body: &str) -> std::io::Result<Said> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{header}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let broken = || std::io::Error::other(format!("no answer: {answer:?}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    Ok((status, head.to_owned(), body.to_owned()))
}

/// Posts until it is answered with this status: a model is ready a moment after its port is.
async fn posts(address: &str, path: &str, kind: &str, body: &str, status: u16) -> Said {
    let start = std::time::Instant::now();
    loop {
        let said = post(address, path, kind, body).await.unwrap();
        if said.0 == status {
            return said;
        }
        let may_pass = said.0 == 503 && start.elapsed() < Duration::from_secs(30);
        assert!(may_pass, "{path} is answered with {said:?}, not {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn infer(id: &str) -> String {
    let data: Value = serde_json::from_str(ROW).unwrap();
    json!({ "id": id, "inputs": [{ "name": "x", "shape": [1, 10], "datatype": "FP64", "data": data }] })
        .to_string()
}

/// Sends a row and its label, which are one scored row.
pub async fn send_a_row_and_its_label(address: &str) {
    posts(address, "/api/v1/rows?id=by-http", "", ROW, 202).await;
    posts(address, "/api/v1/labels?id=by-http", "", "151", 202).await;
}

/// Has a row predicted within a trace.
pub async fn predict_within(address: &str, id: &str, trace: &str) {
    let path = "/v2/models/model/infer";
    let said = post_with(address, path, &format!("traceparent: {trace}"), &infer(id)).await.unwrap();
    assert_eq!(said.0, 200, "{said:?}");
}

/// What came by HTTP and met over HTTP is a scored row, however it came.
async fn rows_meet_their_labels(address: &str, books: &Books) {
    posts(address, "/v2/models/model/infer", "", &infer("by-oip"), 200).await;
    posts(address, "/invocations?id=by-mlflow", "application/json", &format!("[{ROW}]"), 200).await;
    posts(address, "/api/v1/rows", "", &format!(r#"{{"id":"by-row","features":{ROW}}}"#), 202).await;
    let again = format!("{{\"id\":\"by-row\",\"x\":{ROW}}}\n[1]\n");
    let (_, _, body) = posts(address, "/api/v1/rows", NDJSON, &again, 202).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["ids"], &body["rejected"][0]["reason"]), (&json!(["by-row"]), &json!("wrong_length")));
    let label = |id: &str| format!("{{\"id\":\"{id}\",\"y_true\":151}}\n");
    let labels = ["by-oip", "by-mlflow", "by-row"].map(label).concat();
    posts(address, "/api/v1/labels", NDJSON, &labels, 202).await;
    posts(address, "/api/v1/labels", NDJSON, &labels, 202).await;
    books.wait_for_rows(3).await;
    books.recorded().assert_each_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_by_http_meets_its_label_on_rabbitmq() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (mut model, metric) = (services.model(&ON), services.metric(&[]));
    metric.ready().await;
    model.ready().await;
    rows_meet_their_labels(&address(&model).await, &services.books).await;
    assert_eq!(model.counter("pipeline_http_requests_total", "oip").await, 1.0);
    assert_eq!(broker.ready("Features.dead").await, 0, "what HTTP refuses is no dead letter");
    model.stop().await;
    assert!(!model.log().contains("WARN"), "{}", model.log());
}

/// At a stop, what was accepted is recorded before the process ends.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_by_http_meets_its_label_in_one_process() {
    let books = Books::new();
    let logs = books.logs();
    let arguments = ["--logs", logs.to_str().unwrap(), "--interval", "1h", "--page-addr", "off"];
    let mut process = Process::start(&books, "pipeline", &[&ON[..], &arguments].concat());
    let address = address(&process).await;
    rows_meet_their_labels(&address, &books).await;
    let many: String = (0..2000).map(|row| format!("{{\"id\":\"m{row}\",\"x\":{ROW}}}\n")).collect();
    let labels: String = (0..2000).map(|row| format!("{{\"id\":\"m{row}\",\"y\":1}}\n")).collect();
    posts(&address, "/api/v1/rows", NDJSON, &many, 202).await;
    posts(&address, "/api/v1/labels", NDJSON, &labels, 202).await;
    process.stop().await;
    assert_eq!(books.rows(), 2003 + 1, "one of the table, whose label came at once: {}", process.log());
}

/// By hand, so that the clock can be turned: an hour between the prediction and its label is an hour of metric's clock.
#[tokio::test(flavor = "multi_thread")]
async fn a_label_an_hour_later_meets_the_prediction() {
    let books = Books::new();
    let stop = Stop::default();
    let context =
        Context { transport: Transport::in_memory(), stop: stop.clone(), readiness: Readiness::default() };
    let hand = Hand::at(Timestamp::now());
    let metric = metric::MetricOptions::in_folder(&books.logs());
    let metric =
        metric::run(context.clone(), metric, Clock::Manual(Arc::clone(&hand)), watch::Sender::new(0));
    let metric = tokio::spawn(metric);
    let answers = model::AnswerOptions {
        model_name: "model".parse().unwrap(),
        strict: false,
        no_features: false,
        predictions_key: "body".parse().unwrap(),
        role: Default::default(),
    };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let http = model::HttpOptions { http_addr: shared::admin::Listen::On(port), ..Default::default() };
    let options = model::ServeOptions {
        model: repository("data/model.json"),
        answers,
        versions: Default::default(),
        challenger: None,
        http,
    };
    let model = tokio::spawn(model::run(context, options));
    let address = port.to_string();
    wait_for("the port", || std::net::TcpStream::connect(port).is_ok(), String::new).await;
    posts(&address, "/v2/models/model/infer", "", &infer("late"), 200).await;
    let predicted = || books.recorded().predictions.contains_key("late");
    wait_for("the prediction", predicted, String::new).await;
    hand.advance(3_600_000);
    posts(&address, "/api/v1/labels?id=late", "", "151", 202).await;
    books.wait_for_rows(1).await;
    let text = String::from_utf8(books.text("metric_log.csv")).unwrap();
    assert!(text.lines().nth(1).unwrap().starts_with("late,151,"), "{text}");
    let lag: i64 = text.lines().nth(1).unwrap().rsplit(',').next().unwrap().parse().unwrap();
    println!("label_lag_ms {lag}");
    stop.request();
    model.await.unwrap().unwrap();
    metric.await.unwrap().unwrap();
}

/// The broker has the prediction, and its confirm is still on the way when the model is killed: whoever asked asks again.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_request_and_answer_and_the_retry_are_one_row() {
    let broker = broker::turn().await;
    let proxy = Proxy::before(broker.address()).await;
    let services = Services::new(&broker.url);
    let by_proxy = broker.url_via(&proxy.address.to_string());
    let start = || Process::start(&services.books, "model", &[&["--amqp-url", &by_proxy], &ON[..]].concat());
    let (mut model, metric) = (start(), services.metric(&[]));
    metric.ready().await;
    model.ready().await;
    let port = address(&model).await;
    proxy.delay(Duration::from_secs(4));
    let asked =
        tokio::spawn(async move { post(&port, "/v2/models/model/infer", "", &infer("killed")).await });
    let arrived = || services.books.recorded().predictions.contains_key("killed");
    wait_for("the prediction to arrive", arrived, || model.log()).await;
    assert!(!asked.is_finished(), "an answer before its confirm");
    model.kill().await;
    assert!(asked.await.unwrap().is_err(), "the answer of a process that was killed");
    proxy.pass();
    proxy.cut();
    let model = start();
    model.ready().await;
    let port = address(&model).await;
    posts(&port, "/v2/models/model/infer", "", &infer("killed"), 200).await;
    posts(&port, "/api/v1/labels?id=killed", "", "151", 202).await;
    services.books.wait_for_rows(1).await;
    broker.emptied().await;
    services.books.recorded().assert_each_once();
    let duplicates = || count(&services.status()["predictions"], "duplicates") == 1;
    wait_for("the repetition to be counted", duplicates, || services.status().to_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_away_it_is_told_to_come_again() {
    let broker = broker::turn().await;
    let proxy = Proxy::before(broker.address()).await;
    let services = Services::new(&broker.url);
    let by_proxy = broker.url_via(&proxy.address.to_string());
    let model = Process::start(&services.books, "model", &[&["--amqp-url", &by_proxy], &ON[..]].concat());
    let metric = services.metric(&[]);
    metric.ready().await;
    model.ready().await;
    let port = address(&model).await;
    posts(&port, "/api/v1/labels?id=a", "", "151", 202).await;
    proxy.refuse();
    model.not_ready().await;
    for (path, body) in [
        ("/v2/models/model/infer", infer("a")),
        ("/api/v1/rows?id=a", ROW.to_owned()),
        ("/api/v1/labels?id=a", "1".to_owned()),
    ] {
        let start = std::time::Instant::now();
        let (status, head, body) = post(&port, path, "", &body).await.unwrap();
        assert_eq!(status, 503, "{path}: {body}");
        assert!(head.to_ascii_lowercase().contains("retry-after: 1"), "{head}");
        assert!(start.elapsed() < Duration::from_secs(2), "told after {:?}", start.elapsed());
    }
    proxy.cut();
    model.ready().await;
    posts(&port, "/v2/models/model/infer", "", &infer("a"), 200).await;
    services.books.wait_for_rows(1).await;
    broker.has_ready(Role::Features, 0).await;
}

/// Every line of the document that begins with a dollar is run as it stands, but for where the port is and how the program is
/// started; what stands under it is what it prints.
#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_the_document_do_what_it_says() {
    let text = fs::read_to_string(repository("docs/http.md")).unwrap();
    let books = Books::new();
    let logs = books.logs();
    let (mut process, mut port, mut run) = (None::<Process>, String::new(), 0);
    for block in text.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        for step in block.split("$ ").filter(|step| !step.trim().is_empty()) {
            let (line, printed) = step.split_once('\n').unwrap();
            if let Some(arguments) = line.strip_prefix("cargo run --release -- ") {
                if let Some(mut before) = process.take() {
                    before.stop().await;
                }
                let tokens = books.path("tokens");
                let arguments =
                    arguments.replace(":8080", ":0").replace(" tokens", &format!(" {}", tokens.display()));
                let more = ["--logs", logs.to_str().unwrap(), "--interval", "1h", "--page-addr", "off"];
                let arguments: Vec<&str> = arguments.split(' ').chain(more).collect();
                let started = Process::start(&books, "pipeline", &arguments);
                port = address(&started).await.rsplit(':').next().unwrap().to_owned();
                started.ready().await;
                process = Some(started);
                continue;
            }
            let command = line.replace("localhost:8080", &format!("localhost:{port}"));
            let folder = books.path("");
            let output = tokio::task::spawn_blocking(move || {
                Command::new("bash").args(["-c", &command]).current_dir(folder).output().unwrap()
            });
            let output = output.await.unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(
                said.trim_end(),
                printed.trim_end(),
                "{line}\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
            run += 1;
        }
    }
    assert_eq!(run, 7, "lines that were run");
}
