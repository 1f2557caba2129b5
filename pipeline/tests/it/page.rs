//! The page over real queues: a row is found by its id, and the model that runs is tried from it without a trace.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::ask::predicted;
use crate::broker;
use crate::processes::Services;

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
