//! The rules and the board of deploy/monitoring on a real Prometheus that scrapes real services: every query gives data.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command as AsyncCommand;

use crate::broker;
use crate::processes::{Process, Services, is_root, repository};

/// What RabbitMQ's own exporter says of the queues, as far as it is looked at: the plugin is not on in the tests' brokers.
const QUEUES: &str = "# TYPE rabbitmq_detailed_queue_messages gauge
# HELP rabbitmq_detailed_queue_messages Sum of ready and unacknowledged messages - total queue depth
rabbitmq_detailed_queue_messages{vhost=\"/\",queue=\"Features\"} 3
rabbitmq_detailed_queue_messages{vhost=\"/\",queue=\"y_true\"} 0
rabbitmq_detailed_queue_messages{vhost=\"/\",queue=\"y_predict\"} 0
";

/// Serves what RabbitMQ would; returns where.
async fn exporter() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0)
            {
            }
            let length = QUEUES.len();
            let said = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{QUEUES}"
            );
            _ = stream.write_all(said.as_bytes()).await;
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_the_board_has_data_from_services_that_run() {
    if Command::new("prometheus").arg("--version").output().is_err() {
        assert!(!is_root(), "prometheus is missing: apt-get install --no-install-recommends prometheus");
        println!("left out: prometheus is missing");
        return;
    }
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (model, metric) = (services.model(&[]), services.metric(&["--alert", "mae{window=100} > 1 for 1"]));
    model.ready().await;
    metric.ready().await;
    // Another one on the same rows, so that there is something to compare.
    let challenger = services.model(&["--challenger", "rival"]);
    challenger.ready().await;
    let mut features = services.features(&["--rate", "200", "--label-delay", "uniform:0s..300ms"]);
    features.ready().await;

    let folder = services.books.path("prometheus");
    fs::create_dir(&folder).unwrap();
    let job = |name: &str, address: &str, more: &str| {
        format!("  - job_name: {name}\n{more}    static_configs: [{{ targets: [\"{address}\"] }}]\n")
    };
    let detailed = "    metrics_path: /metrics/detailed\n";
    let settings = format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{}]\nscrape_configs:\n{}{}{}{}",
        repository("deploy/monitoring/rules.yml").display(),
        job("features", &features.admin().await, ""),
        job("model", &model.admin().await, ""),
        job("metric", &metric.admin().await, ""),
        job("rabbitmq", &exporter().await, detailed),
    );
    fs::write(folder.join("prometheus.yml"), settings).unwrap();
    // Free a moment ago, and nobody else asks for this one.
    let listen = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let mut command = AsyncCommand::new("prometheus");
    command.arg(format!("--config.file={}", folder.join("prometheus.yml").display()));
    command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
    command.arg(format!("--web.listen-address={listen}"));
    let mut prometheus = Process::spawn(&services.books, "prometheus", command);

    let url = format!("http://{listen}");
    let start = Instant::now();
    loop {
        let mut check = AsyncCommand::new("python3");
        check.arg(repository("scripts/check-monitoring")).args(["--live", &url]);
        let output = check.output().await.unwrap();
        if output.status.success() {
            break;
        }
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(start.elapsed() < Duration::from_secs(120), "{said}\n{}", prometheus.log());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    prometheus.kill().await;
    features.kill().await;
}
