//! The API by HTTP: what is answered, and what is said where nothing can be.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use serde_json::json;
use shared::clock::{Clock, Hand, Timestamp};
use shared::http::{Limits, Listener, Server, for_this_machine};
use shared::message::{Name, RowId};
use tokio::task::JoinHandle;

use super::*;
use crate::account::Rejected;
use crate::arrival::{Arrival, ArrivalKind, Origin};
use crate::evaluation_options::EvaluationOptions;
use crate::evaluator::{self, Plan};
use crate::store::{CommitTime, Limits as Bounds, Store};

struct Served {
    address: SocketAddr,
    evaluated: Evaluated,
    readers: Arc<Semaphore>,
    disk: watch::Receiver<Option<Disk>>,
    _server: Server,
    _task: JoinHandle<()>,
}

/// Serves the records of a folder.
async fn serve(folder: &Path, store: &Store) -> Served {
    serve_under("/", folder, store).await
}

/// The same under a path.
async fn serve_under(base: &str, folder: &Path, store: &Store) -> Served {
    let settings = EvaluationOptions::default().settings(std::time::Duration::from_secs(3600), None);
    let rules = vec!["mae{window=30} > 0.5 for 1".parse().unwrap()];
    let plan = Plan { folder: folder.to_owned(), settings, rules, webhook: None };
    let clock = Clock::Manual(Hand::at(Timestamp(1_000_000)));
    let (evaluated, task) = evaluator::start(plan, store.commits(), clock);
    let limits = Limits { connections: 8, ..crate::page::LIMITS };
    let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let listener = Listener::bind("the page", local, limits).await.unwrap();
    let address = listener.address().unwrap();
    let readers = Arc::new(Semaphore::new(READERS));
    let disk = crate::disk::watch(folder.to_owned(), None, shared::stop::Stop::default());
    let source = Source {
        folder: folder.to_owned(),
        evaluated: evaluated.clone(),
        rendered: page::Rendered::default(),
        disk: disk.clone(),
        asker: None,
        readers: Arc::clone(&readers),
    };
    let server = listener.serve(for_this_machine(routes(source, &base.parse().unwrap()))).unwrap();
    Served { address, evaluated, readers, disk, _server: server, _task: task }
}

/// The status, the headers that matter, and the body.
async fn ask(address: SocketAddr, method: &'static str, path: &str) -> (u16, String, String) {
    let url = format!("http://{address}{path}");
    let asked = move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = ureq::http::Request::builder().method(method).uri(url).body(()).unwrap();
        let mut answer = agent.run(request).unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        (answer.status().as_u16(), kind, answer.body_mut().read_to_string().unwrap())
    };
    spawn_blocking(asked).await.unwrap()
}

async fn get_json(address: SocketAddr, path: &str, status: u16) -> Value {
    let (found, kind, body) = ask(address, "GET", path).await;
    assert_eq!((found, kind.as_str()), (status, "application/json"), "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

fn rows(version: &str, count: i64) -> Vec<Arrival> {
    let row = |number: i64| {
        let id = RowId::parse(&format!("{version}-{number}")).ok();
        let model =
            ModelId { name: Name::parse("m").ok(), version: Name::parse(version).ok(), ..ModelId::default() };
        let published_at = Some(Timestamp(number * 1000));
        let arrival = |kind, value| Arrival { id: id.clone(), kind, value, published_at };
        let label = f64::from(i32::try_from(number % 5).unwrap());
        [
            arrival(ArrivalKind::Prediction(Origin::from(model)), label + 1.0),
            arrival(ArrivalKind::Label, label),
        ]
    };
    (1..=count).flat_map(row).collect()
}

/// The same rows, also predicted by a challenger that is off by half.
fn challenged(version: &str, count: i64) -> Vec<Arrival> {
    let challenger = ModelId {
        name: Name::parse("c").ok(),
        version: Name::parse("v9").ok(),
        role: shared::message::ModelRole::Challenger,
    };
    let with = |pair: &[Arrival]| {
        let [prediction, label] = pair else { unreachable!("rows are pairs") };
        let kind = ArrivalKind::Prediction(Origin::from(challenger.clone()));
        let rival = Arrival { kind, value: label.value + 0.5, ..prediction.clone() };
        [prediction.clone(), rival, label.clone()]
    };
    rows(version, count).chunks(2).flat_map(with).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_predicted_the_same_rows_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut store = Store::open(folder).unwrap();
    record(&mut store, &challenged("v1", 60));
    let served = serve(folder, &store).await;
    evaluator::tests::report(&served.evaluated, 1).await;
    let all = get_json(served.address, "/api/v1/comparisons", 200).await;
    let [of] = &all.as_array().unwrap()[..] else { panic!("{all}") };
    assert_eq!((&of["new"]["model"], &of["new"]["role"]), (&json!("c"), &json!("challenger")));
    assert_eq!(
        (&of["old"]["version"], &of["rows"], &of["predicted"]),
        (&json!("v1"), &json!(60), &json!(59))
    );
    assert_eq!((&of["difference"], &of["finding"]), (&json!(-0.5), &json!("better")));
    for (model, found) in [("c", 1), ("m@v1", 1), ("m@v2", 0)] {
        let of_it = get_json(served.address, &format!("/api/v1/comparisons?model={model}"), 200).await;
        assert_eq!(of_it.as_array().unwrap().len(), found, "{model}");
    }
    // A challenger's rows are no lines of the log, and it does not serve.
    let report = get_json(served.address, "/api/v1/report", 200).await;
    let serves: Vec<_> = report["versions"].as_array().unwrap().iter().map(|of| &of["serves"]).collect();
    assert_eq!(serves, [&json!(true), &json!(false)]);
    let (_, _, text) = ask(served.address, "GET", "/").await;
    assert!(text.contains("Which version is better") && text.contains("c@v9"), "{text}");
}

fn record(store: &mut Store, arrivals: &[Arrival]) {
    let time = CommitTime { wall: Timestamp(900_000), age: 0 };
    store.record(arrivals, Rejected::default(), time, &Bounds::default()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_answers_what_the_commands_say() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut store = Store::open(folder).unwrap();
    record(&mut store, &rows("v1", 40));
    record(&mut store, &rows("v2", 50));
    let mut served = serve(folder, &store).await;
    let address = served.address;
    served.disk.wait_for(Option::is_some).await.unwrap();
    evaluator::tests::report(&served.evaluated, 2).await;
    let whole = get_json(address, "/api/v1/report", 200).await;
    assert_eq!(whole, serde_json::to_value(&*served.evaluated.report().unwrap()).unwrap());
    let versions = |report: &Value| {
        let versions = report["versions"].as_array().unwrap().iter();
        versions.map(|version| version["version"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(versions(&whole), ["v1", "v2"]);
    assert_eq!(whole["verdict"]["version"], 1);
    for (asked, has, spoken_of) in
        [("m", vec!["v1", "v2"], json!(1)), ("m@v1", vec!["v1"], json!(null)), ("m@v2", vec!["v2"], json!(0))]
    {
        let report = get_json(address, &format!("/api/v1/report?model={asked}"), 200).await;
        assert_eq!(
            (versions(&report), &report["verdict"]["version"]),
            (has.iter().map(ToString::to_string).collect(), &spoken_of)
        );
    }
    let verdict = get_json(address, "/api/v1/verdict", 200).await;
    assert_eq!(
        (&verdict["verdict"], &verdict["commit"], &verdict["behind"]),
        (&whole["verdict"], &json!(2), &json!(0))
    );
    let alerts = get_json(address, "/api/v1/alerts", 200).await;
    assert_eq!((&alerts["alerts"], &alerts["alerts"][0]["state"]), (&whole["alerts"], &json!("firing")));
    let account = get_json(address, "/api/v1/account", 200).await;
    assert_eq!(account, status::json(folder).unwrap());
    let models = get_json(address, "/api/v1/models", 200).await;
    assert_eq!(models["models"].as_array().unwrap().len(), 2);
    let one = get_json(address, "/api/v1/models?model=m@v2", 200).await;
    assert_eq!(one["models"].as_array().unwrap().len(), 1);
    let (status, kind, text) = ask(address, "GET", "/").await;
    assert_eq!((status, kind.as_str()), (200, "text/plain; charset=utf-8"));
    assert!(text.contains("m@v2, predicts since"), "{text}");
    // All that is described is there, and all that is there is described.
    let description = get_json(address, "/api/v1/openapi.json", 200).await;
    let paths = description["paths"].as_object().unwrap();
    assert_eq!((paths.len(), &description["servers"][0]["url"]), (8, &json!("/")));
    for path in paths.keys() {
        assert_eq!(ask(address, "GET", path).await.0, 200, "{path}");
        assert_eq!(ask(address, "HEAD", path).await.0, 200, "{path}");
    }
}

/// The page as a browser asks for it, with the headers that matter.
async fn browse(address: SocketAddr, path: &str) -> (u16, String, String) {
    let url = format!("http://{address}{path}");
    let asked = move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(url).header("accept", "text/html,*/*;q=0.8").call().unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let headers = [header("content-type"), header("content-security-policy"), header("cache-control")];
        let headers = headers.into_iter().flatten().collect::<Vec<_>>().join(" | ");
        (answer.status().as_u16(), headers, answer.body_mut().read_to_string().unwrap())
    };
    spawn_blocking(asked).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_gets_a_page_and_hears_of_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut store = Store::open(folder).unwrap();
    record(&mut store, &rows("v1", 40));
    let served = serve(folder, &store).await;
    let address = served.address;
    evaluator::tests::report(&served.evaluated, 1).await;
    let (status, headers, page) = browse(address, "/?score=rmse").await;
    assert_eq!(status, 200);
    assert!(
        headers.starts_with("text/html; charset=utf-8 | default-src 'none'; ")
            && headers.ends_with("no-store")
    );
    assert!(page.contains("RMSE by time of prediction") && page.contains("m@v1"), "{page}");
    // Those that stand still have their news in a frame.
    assert!(!page.contains("data-news"));
    let (status, _, frame) = browse(address, "/frame?of=Model").await;
    assert!(
        status == 200 && frame.contains("data-news=\"./frame?of=Model\"") && frame.contains("id=\"seen\"")
    );
    // Whatever is asked for, and by whatever name: the page, and its files for ever.
    for path in ["/?score=nothing", "/?score=%1b", "/?"] {
        assert!(browse(address, path).await.2.contains("MAE by time of prediction"), "{path}");
    }
    assert_eq!(browse(address, "/?as=text").await.1.split(" | ").next(), Some("text/plain; charset=utf-8"));
    for (at, kind) in ["./assets/page.css", "./assets/page.js", "./assets/icon.svg"].into_iter().zip([
        "text/css",
        "text/javascript",
        "image/svg+xml",
    ]) {
        let begins = page.find(at).unwrap();
        let path = page[begins + 1..].split('"').next().unwrap();
        let (status, headers, file) = browse(address, path).await;
        assert!(
            status == 200 && headers.starts_with(kind) && headers.ends_with("immutable"),
            "{path}: {headers}"
        );
        assert!(file.len() > 100);
    }
    let (told, hears) = std::sync::mpsc::channel();
    let listener = spawn_blocking(move || {
        use std::io::{BufRead as _, BufReader};
        let answer = ureq::get(format!("http://{address}/events")).call().unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            let Ok(line) = line else { break };
            if let Some(commit) = line.strip_prefix("data: ") {
                told.send(commit.to_owned()).unwrap();
            }
        }
    });
    let hears = std::sync::Arc::new(std::sync::Mutex::new(hears));
    let next = async || {
        let hears = Arc::clone(&hears);
        let within = std::time::Duration::from_secs(20);
        spawn_blocking(move || hears.lock().unwrap().recv_timeout(within)).await.unwrap().unwrap()
    };
    // What is there at once, and what comes.
    assert_eq!(next().await, "1");
    record(&mut store, &rows("v2", 50));
    evaluator::tests::report(&served.evaluated, 2).await;
    while next().await != "2" {}
    assert!(browse(address, "/").await.2.contains("m@v2"));
    // It ends with the records.
    drop(store);
    listener.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_is_had_under_a_path_and_nothing_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut store = Store::open(folder).unwrap();
    record(&mut store, &rows("v1", 40));
    let served = serve_under("/models/pipeline/", folder, &store).await;
    let address = served.address;
    evaluator::tests::report(&served.evaluated, 1).await;
    let description = get_json(address, "/models/pipeline/api/v1/openapi.json", 200).await;
    assert_eq!(description["servers"][0]["url"], "/models/pipeline/");
    get_json(address, "/models/pipeline/api/v1/verdict", 200).await;
    // Whoever leaves the slash out is led to where links are relative to.
    for path in ["/models/pipeline/", "/models/pipeline"] {
        let (status, _, page) = browse(address, path).await;
        assert!(status == 200 && page.contains("href=\"./rows\""), "{path}");
    }
    assert_eq!(browse(address, "/models/pipeline/rows").await.0, 200);
    for path in ["/", "/api/v1/verdict", "/models", "/models/pipelines/", "/models/pipeline/nothing"] {
        let why = get_json(address, path, 404).await;
        let said = "nothing is here; /models/pipeline/api/v1/openapi.json says what there is";
        assert_eq!(why["error"], said, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut store = Store::open(folder).unwrap();
    record(&mut store, &rows("v1", 3));
    // Where its state cannot be read, the evaluation does not begin.
    std::fs::create_dir(folder.join(evaluator::saved::FILE)).unwrap();
    let served = serve(folder, &store).await;
    evaluator::tests::trouble(&served.evaluated).await;
    for path in ["/", "/api/v1/report", "/api/v1/report?model=m", "/api/v1/verdict", "/api/v1/alerts"] {
        let why = get_json(served.address, path, 503).await;
        let why = why["error"].as_str().unwrap();
        let said = "the evaluation stands still, and recording goes on: cannot read ";
        assert!(why.starts_with(said) && why.contains("metric.evaluation: "), "{path}: {why}");
    }
    let (status, _, page) = browse(served.address, "/").await;
    assert!(status == 503 && page.contains("stands still, and recording goes on"), "{status}: {page}");
    for (method, path, status, said) in [
        ("GET", "/api/v1/report?model=", 400, "model: "),
        ("GET", "/api/v1/report?model=%1b%5b2J", 400, "model: "),
        ("GET", "/api/v1/report?model=a&model=b", 400, "duplicate field"),
        ("GET", "/api/v2", 404, "nothing is here; /api/v1/openapi.json says what there is"),
        ("POST", "/api/v1/report", 405, "only GET and HEAD are answered"),
        ("DELETE", "/api/v1/models", 405, "only GET and HEAD are answered"),
    ] {
        let (found, kind, body) = ask(served.address, method, path).await;
        let why: Value = serde_json::from_str(&body).unwrap();
        let why = why["error"].as_str().unwrap();
        assert_eq!((found, kind.as_str()), (status, "application/json"), "{path}: {why}");
        assert!(why.contains(said) && !why.contains('\u{1b}'), "{path}: {why}");
    }
    assert_eq!(get_json(served.address, "/api/v1/account", 200).await["labels"]["received"], 3);
    assert_eq!(get_json(served.address, "/api/v1/models?model=nobody", 200).await["models"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_finds_all_readers_busy_is_told_and_the_next_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let store = Store::open(folder).unwrap();
    let served = serve(folder, &store).await;
    let busy = served.readers.clone().try_acquire_many_owned(u32::try_from(READERS).unwrap()).unwrap();
    for path in ["/api/v1/account", "/api/v1/models"] {
        let why = get_json(served.address, path, 503).await;
        assert_eq!(why, json!({ "error": "others are reading the records; try again in a second" }));
    }
    drop(busy);
    for path in ["/api/v1/account", "/api/v1/models"] {
        get_json(served.address, path, 200).await;
    }
    // Each gives its place back.
    assert_eq!(served.readers.available_permits(), READERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_name_that_leads_here_is_not_answered() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let store = Store::open(folder).unwrap();
    let served = serve(folder, &store).await;
    let address = served.address;
    let asked = move |host: &'static str| {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let url = format!("http://{address}/api/v1/openapi.json");
        agent.get(url).header("host", host).call().unwrap().status().as_u16()
    };
    for (host, status) in [
        ("localhost:5000", 200),
        ("localhost", 200),
        ("127.0.0.1:5000", 200),
        ("[::1]:5000", 200),
        ("192.168.0.7", 200),
        ("evil.example:5000", 421),
        ("localhost.evil.example", 421),
    ] {
        assert_eq!(spawn_blocking(move || asked(host)).await.unwrap(), status, "{host}");
    }
}
