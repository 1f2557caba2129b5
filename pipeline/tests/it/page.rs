//! The page over real queues: a row is found by its id, and the model that runs is tried from it without a trace. Many who look at it
//! slow nothing down.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::account::{Books, TEXTS, wait_for};
use crate::ask::predicted;
use crate::broker;
use crate::processes::{Process, Services, asked, repository};

/// Longer than whoever types is told to wait.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn the_model_that_runs_is_tried_from_the_page_without_a_trace() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (metric, mut model) = (services.metric(&[]), services.model(&[]));
    metric.ready().await;
    model.ready().await;
    let mut features = services.features(&["--interval", "0s", "--count", "100"]);
    assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    services.books.settle_exactly().await;
    // The card says what there is to fill in.
    let start = Instant::now();
    while metric.page("/try").await.0 != 200 {
        assert!(start.elapsed() < PATIENCE, "{}", metric.log());
    }
    let (status, texts) = (services.status(), services.books.texts());
    for (row, wanted) in predicted().iter().take(20) {
        let cells: Vec<f64> = serde_json::from_slice(row).unwrap();
        let pairs: Vec<String> = cells.iter().enumerate().map(|(at, cell)| format!("x{at}={cell}")).collect();
        let (code, said) = metric.page(&format!("/try?{}", pairs.join("&"))).await;
        assert_eq!((code, &said["model"]), (200, &Value::from("model")), "{said}");
        assert_eq!(said["prediction"].as_f64().unwrap().to_bits(), wanted.to_bits(), "{said}");
    }
    let (code, said) = metric.page("/try?x3=wood").await;
    assert_eq!((code, &said["reason"]), (422, &Value::from("bad_shape")), "{said}");
    let now = services.status();
    for part in ["labels", "predictions", "models"] {
        assert_eq!(now[part], status[part], "{part}");
    }
    assert_eq!(services.books.texts(), texts);

    // A row that is on record, by its id.
    let rows = String::from_utf8(texts[1].clone()).unwrap();
    let id = rows.lines().nth(1).and_then(|line| line.split(',').next()).unwrap();
    let (code, page) = metric.page_text(&format!("/rows?id={id}")).await;
    assert!(code == 200 && page.contains("Its label came") && page.contains("label recorded"), "{page}");

    // Without a model it says so, and soon.
    model.stop().await;
    let (code, said) = metric.page("/try").await;
    let why = said["error"].as_str().unwrap();
    assert!(code == 503 && why.starts_with("no model answers"), "{said}");
}

/// Clients that do what an open page does: they hear of what is new, and get the page, at most every two seconds. One more never
/// reads what it asked for. They end with it.
struct Lookers {
    _clients: JoinSet<()>,
    pages: Arc<AtomicUsize>,
}

impl Lookers {
    fn new(address: &str, count: usize) -> Self {
        let pages = Arc::<AtomicUsize>::default();
        let mut clients = JoinSet::new();
        for _ in 0..count {
            let (address, pages) = (address.to_owned(), Arc::clone(&pages));
            clients.spawn(async move {
                let mut events = TcpStream::connect(&address).await.unwrap();
                let head = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\n");
                events.write_all(format!("{}\r\n", head("/events")).as_bytes()).await.unwrap();
                let mut heard = [0; 4096];
                while matches!(events.read(&mut heard).await, Ok(1..)) {
                    let mut page = TcpStream::connect(&address).await.unwrap();
                    page.write_all(format!("{}Connection: close\r\n\r\n", head("/")).as_bytes()).await.unwrap();
                    let mut text = Vec::new();
                    page.read_to_end(&mut text).await.unwrap();
                    assert!(text.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&text));
                    pages.fetch_add(1, Ordering::Relaxed);
                    // As the page's script waits.
                    sleep(Duration::from_secs(2)).await;
                }
            });
        }
        let address = address.to_owned();
        clients.spawn(async move {
            let mut deaf = TcpStream::connect(&address).await.unwrap();
            let ask = format!("GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n");
            deaf.write_all(ask.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        });
        Self { _clients: clients, pages }
    }
}

/// The rate of a pipeline while so many look at it, beside that of the same pipeline while they look at another one, so that what the
/// lookers cost themselves is in both: the median of the ratios of `ROUNDS`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes, and a machine with nothing else to do: scripts/long"]
async fn sixty_four_open_pages_slow_nothing_down() {
    let rounds = asked("ROUNDS").unwrap_or(5);
    let (other, books) = (Books::new(), Books::new());
    let elsewhere = pipeline(&other, &["--rate", "1000"]);
    let process = pipeline(&books, &["--interval", "0s"]);
    let addresses = [elsewhere.page_address().await, process.page_address().await];
    books.wait_for_rows(10_000).await;
    let mut ratios = Vec::new();
    for round in 0..rounds {
        let mut both = [(&addresses[0], 0.0), (&addresses[1], 0.0)];
        both.rotate_left(round % 2);
        for (address, rate) in &mut both {
            let lookers = Lookers::new(address, 64);
            let are_on = || lookers.pages.load(Ordering::Relaxed) >= 64;
            wait_for("a page for each", are_on, || process.log()).await;
            *rate = measure(&books).await;
        }
        both.rotate_right(round % 2);
        let [beside, here] = both.map(|(_, rate)| rate);
        println!(
            "round {round}: {:.0} kB/s with the lookers elsewhere, {:.0} with them here",
            beside / 1e3,
            here / 1e3
        );
        ratios.push(here / beside);
    }
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    println!("held: 64 open pages and one that never reads: {ratio:.3} of the rate with them elsewhere");
    assert!(ratio >= 0.95, "{ratio}");
}

fn pipeline(books: &Books, arguments: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeline"));
    command.current_dir(repository(".")).arg("--logs").arg(books.logs()).arg("--ledger").arg(books.ledger());
    command.args(["--page-addr", "127.0.0.1:0"]).args(arguments);
    Process::spawn(books, "pipeline", command)
}

/// The rate in bytes of `metric_log.csv` a second.
async fn measure(books: &Books) -> f64 {
    let size = || std::fs::metadata(books.logs().join(TEXTS[1])).unwrap().len() as f64;
    let (start, before) = (Instant::now(), size());
    sleep(Duration::from_secs(10)).await;
    (size() - before) / start.elapsed().as_secs_f64()
}
