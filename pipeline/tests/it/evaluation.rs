//! The evaluation beside the recording: what the page says is what the records say, whatever was killed meanwhile; alerts are told;
//! and whoever is told slowly or never holds up nothing.

use std::process::Command;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::account::Books;
use crate::broker;
use crate::processes::{Services, programs};

fn labelled(report: &Value) -> u64 {
    report["versions"].as_array().map_or(0, |versions| {
        versions.iter().map(|version| version["rows"]["labelled"].as_u64().unwrap()).sum()
    })
}

/// What `metric` says with these arguments: exit code, output and errors.
fn metric(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(programs().join("metric")).args(arguments).env_clear().output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_what_the_records_say_though_metric_was_killed_at_random() {
    const ROWS: u64 = 3 * 442;
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let flags = ["--window", "200", "--alert", "mae{window=100} > 1 for 1;since_label > 3600"];
    let (mut metric, model) = (services.metric(&flags), services.model(&[]));
    metric.ready().await;
    model.ready().await;
    let rows = ["--count", &ROWS.to_string(), "--interval", "3ms", "--label-delay", "exponential:300ms"];
    let mut features = services.features(&[&rows[..], &["--seed", "11"]].concat());
    let mut random = StdRng::seed_from_u64(15);
    for _ in 0..4 {
        // On a slow machine all rows may be there before the last start is.
        let wanted = services.books.rows() + random.random_range(50..200);
        services.books.wait_for_rows(wanted.min(usize::try_from(ROWS).unwrap())).await;
        if random.random() {
            metric.kill().await;
        } else {
            metric.stop().await;
        }
        metric = services.metric(&flags);
        metric.ready().await;
    }
    assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    services.books.wait_for_rows(usize::try_from(ROWS).unwrap()).await;
    broker.emptied().await;

    let report = metric.evaluated(|report| labelled(report) == ROWS).await;
    assert_eq!(report["alerts"][0]["state"], "firing", "{report:#}");
    assert_eq!(report["window"], 200);
    let at = report["at"].as_str().unwrap();
    let whole = |logs: &std::path::Path, flags: &[&str]| -> Value {
        let asked = ["report", "--json", "--at", at, "--logs", logs.to_str().unwrap()];
        let (code, said, why) = self::metric(&[&asked, flags].concat());
        assert_eq!(code, Some(0), "{why}");
        serde_json::from_str(&said).unwrap()
    };
    // Beside it, from what it has saved; and of a copy without that, from the first row on.
    assert_eq!(whole(&services.books.logs(), &flags), report);
    let copy = Books::new();
    let copied = copy.path("copied");
    std::fs::create_dir(&copied).unwrap();
    let to = copied.join("metric.db");
    let logs = services.books.logs();
    let backup = self::metric(&["backup", to.to_str().unwrap(), "--logs", logs.to_str().unwrap()]);
    assert_eq!(backup.0, Some(0), "{}", backup.2);
    assert_eq!(whole(&copied, &flags), report);
    // After a stop, what is not asked for is as metric had it, from what it had saved or not.
    metric.stop().await;
    assert!(logs.join("metric.evaluation").exists());
    assert_eq!(whole(&logs, &[]), report);
}

/// Takes posts, answers them with this or never, and hands on their bodies.
async fn hook(answer: Option<&'static str>) -> (String, mpsc::UnboundedReceiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, bodies) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut hung = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            _ = sender.send(body(&mut stream).await);
            match answer {
                Some(answer) => {
                    let said = format!("HTTP/1.1 {answer}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
                    stream.write_all(said.as_bytes()).await.unwrap();
                }
                None => hung.push(stream),
            }
        }
    });
    (url, bodies)
}

async fn body(stream: &mut TcpStream) -> Value {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
            if body.len() >= length.parse().unwrap() {
                let start = read.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
                return serde_json::from_slice(&read[start..]).unwrap();
            }
        }
        assert!(stream.read_buf(&mut read).await.unwrap() > 0, "{}", String::from_utf8_lossy(&read));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_told_when_it_begins_and_when_it_ends_and_again_at_a_start_while_it_fires() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (url, mut bodies) = hook(Some("200 OK")).await;
    let rule = "mae{window=50} > 1000 for 2 keep 2";
    let flags = ["--alert", rule, "--alert-webhook", &url];
    let (mut metric, model) = (services.metric(&flags), services.model(&[]));
    metric.ready().await;
    model.ready().await;
    let add = async |more: &[&str]| {
        let mut features = services.features(&[&["--count", "300", "--interval", "2ms"], more].concat());
        assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    };
    let mut told = async || {
        let told = tokio::time::timeout(Duration::from_secs(60), bodies.recv()).await;
        told.unwrap_or_else(|_| panic!("nothing was told")).unwrap()
    };
    add(&["--label-shift", "+5000@0"]).await;
    let begins = told().await;
    assert_eq!((&begins["status"], &begins["alerts"][0]["labels"]["rule"]), (&json!("firing"), &json!(rule)));
    let summary = begins["alerts"][0]["annotations"]["summary"].as_str().unwrap();
    assert!(summary.starts_with("mae{window=50} > 1000 fires: it is "), "{summary}");
    metric.says(&format!("alert {summary}")).await;
    metric.counts("pipeline_webhook_sent_total", |sent| sent == 1.0).await;
    // A receiver that was away meanwhile hears of it at the next start.
    metric.stop().await;
    metric = services.metric(&flags);
    let again = told().await;
    assert_eq!(again["alerts"][0]["startsAt"], begins["alerts"][0]["startsAt"]);
    assert_eq!(again["alerts"][0]["fingerprint"], begins["alerts"][0]["fingerprint"]);
    metric.ready().await;
    add(&[]).await;
    let ends = told().await;
    assert_eq!(
        (&ends["status"], &ends["alerts"][0]["startsAt"]),
        (&json!("resolved"), &begins["alerts"][0]["startsAt"])
    );
    let report = metric.evaluated(|report| report["alerts"][0]["state"] == "inactive").await;
    assert_eq!(report["notices"].as_array().unwrap().len(), 2, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_hangs_holds_up_neither_records_nor_a_stop() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (url, mut bodies) = hook(None).await;
    let (mut metric, model) = (
        services.metric(&["--alert", "mae{window=30} > 1 for 1", "--alert-webhook", &url]),
        services.model(&[]),
    );
    metric.ready().await;
    model.ready().await;
    let mut features = services.features(&["--count", "600", "--interval", "2ms"]);
    assert!(bodies.recv().await.is_some());
    assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    services.books.wait_for_rows(600).await;
    metric.evaluated(|report| labelled(report) == 600).await;
    let begin = Instant::now();
    metric.stop().await;
    // The attempt that is under way is given up.
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}\n{}", begin.elapsed(), metric.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_cannot_be_where_it_usually_is_says_where_it_is() {
    let broker = broker::turn().await;
    // Another test's may have it, for a moment.
    let start = Instant::now();
    let _taken = loop {
        match TcpListener::bind("127.0.0.1:5000").await {
            Ok(listener) => break listener,
            Err(why) => assert!(start.elapsed() < Duration::from_secs(300), "{why}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let services = Services::new(&broker.url);
    let mut metric = services.metric(&[]);
    metric.says("127.0.0.1:5000 cannot be had for the page").await;
    let (status, verdict) = metric.page("/api/v1/verdict").await;
    assert!(matches!(status, 200 | 503), "{verdict}");
    metric.stop().await;
    let mut metric = services.metric(&["--page-addr", "off"]);
    metric.ready().await;
    assert!(!metric.log().contains("for programs"), "{}", metric.log());
    metric.stop().await;
    let mut metric = services.metric(&["--no-evaluation"]);
    metric.ready().await;
    assert!(!metric.log().contains("for programs"), "{}", metric.log());
    metric.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_said_before_anything_is_opened() {
    let books = Books::new();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let logs = books.logs();
    let logs = logs.to_str().unwrap();
    let missing = books.path("no-rules");
    for (flags, code, said) in [
        (vec!["--alert", "mea > 60"], 2, "expected one of mae, "),
        (vec!["--alert", "mae > 60 for"], 2, "mae > 60 for"),
        (vec!["--window", "29"], 2, "29 is not in 30..=100000"),
        (vec!["--period", "0s"], 2, "expected one second or more"),
        (vec!["--alert-webhook", "ftp://x/"], 2, "expected a URL such as http://"),
        (vec!["--page-addr", "5000"], 2, "expected ADDRESS:PORT"),
        (vec!["--no-evaluation", "--alert", "mae > 60"], 2, "cannot be used with"),
        (vec!["--alert-file", missing.to_str().unwrap()], 1, "cannot read the alert rules in "),
        (vec!["--page-addr", &taken], 1, "choose another with --page-addr, or `off`"),
    ] {
        let fixed = ["--logs", logs, "--amqp-url", "amqp://127.0.0.1:9", "--admin-addr", "off"];
        let (found, log, why) = metric(&[&fixed[..], &flags].concat());
        assert_eq!(found, Some(code), "{flags:?}: {why}");
        assert!(why.contains(said) || log.contains(said), "{flags:?}: {why} {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_a_webhook_are_tried_before_they_are_needed() {
    let (url, mut bodies) = hook(Some("200 OK")).await;
    let asked = ["alerts", "test", "--alert", "drift > 0 for 1", "--alert-webhook"];
    let try_it = move |url: String| metric(&[&asked[..], &[&url]].concat());
    let taken = url.clone();
    let (code, said, why) = tokio::task::spawn_blocking(move || try_it(taken)).await.unwrap();
    assert_eq!(code, Some(0), "{why}");
    let shown = url.strip_suffix("/hook").unwrap();
    assert_eq!(
        said,
        format!(
            "rule drift > 0 for 1: fine\nwebhook {shown}: took an alert that begins, and one that ends\n"
        )
    );
    let statuses =
        [bodies.recv().await.unwrap(), bodies.recv().await.unwrap()].map(|body| body["status"].clone());
    assert_eq!(statuses, [json!("firing"), json!("resolved")]);
    let (url, _bodies) = hook(Some("503 Service Unavailable")).await;
    let (code, _, why) = tokio::task::spawn_blocking(move || try_it(url)).await.unwrap();
    assert_eq!(code, Some(1));
    assert!(why.contains("did not take the alert: it answered 503 Service Unavailable"), "{why}");
    let (code, _, why) = metric(&["alerts", "test"]);
    assert_eq!(code, Some(1));
    assert!(why.contains("nothing to try; give rules with --alert"), "{why}");
}
