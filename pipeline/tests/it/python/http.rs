//! The clients of others at the HTTP port: see `http_clients.py`.

use std::time::Duration;

use crate::http::address;
use crate::processes::{Process, repository};

use super::{interpreter, setup};

#[tokio::test(flavor = "multi_thread")]
async fn their_http_clients_get_right_answers_and_the_right_errors() {
    let (broker, services) = setup().await;
    let (mut model, metric) = (services.model(&["--http-addr", "127.0.0.1:0"]), services.metric(&[]));
    metric.ready().await;
    model.ready().await;
    let mut command = tokio::process::Command::new(interpreter());
    command.arg(repository("pipeline/tests/python/http_clients.py")).arg(address(&model).await);
    let mut script = Process::spawn(&services.books, "http_clients.py", command);
    assert_eq!(script.exit(Duration::from_secs(120)).await, Some(0), "{}", script.log());
    broker.emptied().await;
    let recorded = services.books.recorded().predictions;
    for id in ["triton-FP64-True-gzip.0", "triton-FP32-False-None.1", "sage.0"] {
        assert_eq!(recorded.get(id), Some(&1), "{id} is recorded once");
    }
    model.stop().await;
}
