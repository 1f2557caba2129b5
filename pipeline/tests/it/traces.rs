//! Traces as a receiver is told of them: a row is one tree through all services, and no row waits for a receiver.

mod receiver;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString};
use shared::message::Role;

use self::receiver::{Receiver, Told};
use crate::broker;
use crate::http;
use crate::processes::{Process, Services, repository};

const ROW: &[u8] = b"[0.038,0.05,0.061,0.021,-0.044,-0.034,-0.043,-0.0025,0.019,-0.017]";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PRODUCER: u64 = 4;
const CONSUMER: u64 = 5;
const SERVER: u64 = 2;
const CLIENT: u64 = 3;

/// The program with traces, under the name of a service, as the image has it.
fn start(services: &Services, name: &str, receiver: &str, more: &[&str]) -> Process {
    // So that the receiver can read it; and what is not told yet is told soon.
    let variables = [
        "OTEL_EXPORTER_OTLP_PROTOCOL=http/json",
        "OTEL_BSP_SCHEDULE_DELAY=100",
        "OTEL_RESOURCE_ATTRIBUTES=service.version=of-the-test,team=ml",
    ];
    start_with(
        services,
        name,
        &variables,
        &[&["--otlp-endpoint", receiver, "--trace-share", "1"], more].concat(),
    )
}

fn start_with(services: &Services, name: &str, variables: &[&str], arguments: &[&str]) -> Process {
    let link = services.books.path(name);
    if !link.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_pipeline"), &link).unwrap();
    }
    let mut command = tokio::process::Command::new("env");
    command.args(variables).arg(link).args(arguments);
    command.current_dir(repository("."));
    Process::spawn(&services.books, name, command)
}

/// The services but `features`.
async fn started(services: &Services, receiver: &str, more: &[&str]) -> (Process, Process) {
    let logs = services.books.logs();
    let model = start(services, "model", receiver, &[&["--amqp-url", &services.url], more].concat());
    let metric = ["--amqp-url", &services.url, "--logs", logs.to_str().unwrap()];
    let metric = start(services, "metric", receiver, &metric);
    model.ready().await;
    metric.ready().await;
    (model, metric)
}

fn features(services: &Services, receiver: &str, more: &[&str]) -> Process {
    let ledger = services.books.ledger();
    let ours = ["--amqp-url", &services.url, "--ledger", ledger.to_str().unwrap()];
    start(services, "features", receiver, &[&ours, more].concat())
}

/// The steps of each trace, but for acknowledgements and those of whole batches, and these.
fn by_trace(told: &[Told]) -> (BTreeMap<&str, Vec<&Told>>, Vec<&Told>) {
    let is_of_all = |step: &Told| {
        step.name.starts_with("ack ") || step.attributes.contains_key("messaging.batch.message_count")
    };
    let (of_all, each): (Vec<_>, Vec<_>) = told.iter().partition(|step| is_of_all(step));
    let mut traces = BTreeMap::<&str, Vec<&Told>>::new();
    each.into_iter().for_each(|step| traces.entry(&step.trace).or_default().push(step));
    (traces, of_all)
}

/// A trace as a tree, a step a line, each below what it belongs to.
fn tree(steps: &[&Told]) -> String {
    fn below(steps: &[&Told], parent: &str, depth: usize, out: &mut Vec<String>) {
        let mut here: Vec<&&Told> = steps.iter().filter(|step| step.parent == parent).collect();
        here.sort_by_key(|step| &step.name);
        for step in here {
            out.push(format!("{}{} {} {}", "  ".repeat(depth), step.service(), step.kind, step.name));
            below(steps, &step.id, depth + 1, out);
        }
    }
    let mut lines = Vec::new();
    let known = |id: &str| steps.iter().any(|step| step.id == id);
    let mut roots: Vec<&str> =
        steps.iter().map(|step| &*step.parent).filter(|parent| !known(parent)).collect();
    roots.sort_unstable();
    roots.dedup();
    for root in roots {
        below(steps, root, 0, &mut lines);
    }
    lines.join("\n")
}

fn properties(headers: &[(&str, &str)]) -> BasicProperties {
    let mut table = FieldTable::default();
    for (name, text) in headers {
        table.insert((*name).into(), AMQPValue::LongString(LongString::from(*text)));
    }
    BasicProperties::default().with_headers(table)
}

const OF_A_ROW: &str = "\
features 1 create row
  features 4 publish pipeline:Features
    model 5 process pipeline:Features
      model 4 publish pipeline:y_predict
        metric 5 process pipeline:y_predict
  features 4 publish pipeline:y_true
    metric 5 process pipeline:y_true";

#[tokio::test(flavor = "multi_thread")]
async fn traces_of_rows_are_one_tree_each_through_all_services() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let receiver = Receiver::start();
    let (mut model, mut metric) = started(&services, &receiver.url, &[]).await;
    let mut features =
        features(&services, &receiver.url, &["--interval", "0s", "--count", "20", "--label-delay", "300ms"]);
    assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    services.books.settle_exactly().await;
    metric.counts("pipeline_trace_steps_total", |count| count >= 40.0).await;
    metric.counts("pipeline_trace_steps_told_total", |count| count >= 40.0).await;
    model.stop().await;
    metric.stop().await;

    // What was not told before is told at the end of each.
    let told = receiver.told();
    let (traces, of_all) = by_trace(&told);
    let rows: Vec<_> = traces.values().collect();
    assert_eq!(rows.len(), 20, "{told:#?}");
    for steps in rows {
        assert_eq!(tree(steps), OF_A_ROW);
        let id =
            &steps.iter().find(|step| step.name == "create row").unwrap().attributes["messaging.message.id"];
        for step in steps {
            assert_eq!(&step.attributes["messaging.message.id"], id, "{step:?}");
            assert_eq!(step.scope, step.service());
            let of_process = ["service.version", "team"].map(|name| &*step.process[name]);
            assert_eq!(of_process, ["of-the-test", "ml"]);
            assert_eq!(step.process["service.instance.id"].len(), 36);
            if step.name == "create row" {
                continue;
            }
            assert_eq!(step.attributes["messaging.system"], "rabbitmq", "{step:?}");
            let destination = &step.attributes["messaging.destination.name"];
            assert!(step.name.ends_with(destination.as_str()), "{step:?}");
            let key = &step.attributes["messaging.rabbitmq.destination.routing_key"];
            assert_eq!(*destination, format!("pipeline:{key}"));
            let address = format!("{}:{}", step.attributes["server.address"], step.attributes["server.port"]);
            assert_eq!(address, broker.address());
        }
        let prediction = steps.iter().find(|step| step.name == "publish pipeline:y_predict").unwrap();
        assert_eq!(prediction.attributes["pipeline.model"], "model");
        assert_eq!(prediction.attributes["pipeline.model_version"].len(), 12);
    }
    // Each batch is linked to its rows, what is alone is none, and what acknowledges either belongs to it.
    for queue in ["Features", "y_true", "y_predict"] {
        let named = |name: String| of_all.iter().filter(move |step| step.name == name);
        let batches: Vec<_> = named(format!("process pipeline:{queue}")).collect();
        let mut linked: Vec<&str> =
            batches.iter().flat_map(|batch| batch.links.iter().map(|link| &**link)).collect();
        for batch in &batches {
            assert_eq!((batch.kind, &*batch.parent), (CONSUMER, ""), "{batch:?}");
            assert!(batch.links.len() > 1, "{batch:?}");
        }
        for ack in named(format!("ack pipeline:{queue}")) {
            assert_eq!(ack.kind, CLIENT);
            if !batches.iter().any(|batch| batch.id == ack.parent) {
                let alone = told.iter().find(|step| step.id == ack.parent).unwrap();
                assert_eq!(alone.name, format!("process pipeline:{queue}"));
                linked.push(&alone.trace);
            }
        }
        linked.sort_unstable();
        assert_eq!(linked, traces.keys().copied().collect::<Vec<_>>(), "{queue}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_of_rows_that_travel_together_are_one_with_links_from_labels() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let receiver = Receiver::start();
    let logs = services.books.logs();
    let ledger = services.books.ledger();
    let arguments = [
        "--transport",
        "memory",
        "--logs",
        logs.to_str().unwrap(),
        "--ledger",
        ledger.to_str().unwrap(),
        "--interval",
        "0s",
        "--count",
        "12",
        "--rows-per-message",
        "4",
        "--label-delay",
        "1ms",
    ];
    let mut pipeline = start(&services, "pipeline", &receiver.url, &arguments);
    assert_eq!(pipeline.exit(Duration::from_secs(60)).await, Some(0), "{}", pipeline.log());
    services.books.settle_exactly().await;
    let told = receiver.told();
    let (traces, _) = by_trace(&told);
    assert_eq!(traces.len(), 3, "{told:#?}");
    for steps in traces.values() {
        let count = |name: &str, scope: &str| {
            steps.iter().filter(|step| step.name == name && step.scope == scope).count()
        };
        assert_eq!(count("create row", "features"), 1);
        assert_eq!(count("process Features", "model"), 1);
        assert_eq!(count("process y_predict", "metric"), 1);
        assert!(steps.iter().all(|step| step.service() == "pipeline"), "{steps:#?}");
        let queues = steps.iter().filter(|step| step.name != "create row" && step.name != "create labels");
        assert!(queues.clone().all(|step| step.attributes["messaging.system"] == "memory"), "{steps:#?}");
    }
    // Every label is in a trace of its rows, or linked from one.
    let labels = told.iter().filter(|step| {
        step.name == "process y_true" && !step.attributes.contains_key("messaging.batch.message_count")
    });
    assert!(labels.clone().count() >= 3);
    assert!(labels.clone().all(|step| traces.contains_key(&*step.trace)));
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_that_others_began_go_on_and_what_they_do_not_collect_is_not_told() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let receiver = Receiver::start();
    let (mut model, mut metric) = started(&services, &receiver.url, &["--http-addr", "127.0.0.1:0"]).await;
    let (connection, channel) = broker.channel().await;
    let sampled = format!("00-{TRACE}-b7ad6b7169203331-01");
    let of_other = sampled.replace(TRACE, "1bf7651916cd43dd8448eb211c80319c");
    let unsampled = format!("00-2{}-b7ad6b7169203331-00", &TRACE[1..]);
    for (id, trace, body) in
        [("good", &sampled, ROW), ("unseen", &unsampled, ROW), ("short", &of_other, b"[1]")]
    {
        let properties = properties(&[("traceparent", trace), ("tracestate", "vendor=x")]);
        broker.publish(&channel, Role::Features, body, properties.with_message_id(id.into())).await;
    }
    let address = http::address(&model).await;
    let by_http = format!("00-3{}-b7ad6b7169203331-01", &TRACE[1..]);
    http::predict_within(&address, "by-http", &by_http).await;
    // One bad row of two is no failure of the other.
    let bundle = sampled.replace(TRACE, "4af7651916cd43dd8448eb211c80319c");
    let row = String::from_utf8_lossy(ROW);
    let two = format!(r#"{{"ids": ["two:1", "two:2"], "body": [[1], {row}]}}"#);
    broker.publish(&channel, Role::Features, two.as_bytes(), properties(&[("traceparent", &bundle)])).await;
    let none_of_two = sampled.replace(TRACE, "5af7651916cd43dd8448eb211c80319c");
    let none = br#"{"ids": ["none:1", "none:2"], "body": [[1], [2]]}"#;
    broker.publish(&channel, Role::Features, none, properties(&[("traceparent", &none_of_two)])).await;
    // Nothing of them can be used, so nothing is left of what was taken; that goes nowhere either.
    for (id, trace) in
        [("bad:1", "6af7651916cd43dd8448eb211c80319c"), ("bad:2", "7af7651916cd43dd8448eb211c80319c")]
    {
        let properties = properties(&[("traceparent", &sampled.replace(TRACE, trace))]);
        broker.publish(&channel, Role::Label, b"much", properties.with_message_id(id.into())).await;
    }
    // A label of somebody who traces nothing belongs to nothing.
    let label = BasicProperties::default().with_message_id("unseen".into());
    broker.publish(&channel, Role::Label, b"151.0", label).await;
    metric.counts("pipeline_received_total", |count| (count - 5.0).abs() < 0.5).await;
    broker.has_ready_dead("Features.dead", 4).await;
    broker.has_ready_dead("y_true.dead", 2).await;
    model.stop().await;
    metric.stop().await;

    let told = receiver.told();
    let (traces, _) = by_trace(&told);
    let of = |trace: &str| traces.get(trace).map(Vec::as_slice).unwrap_or_default();
    let good = of(TRACE);
    assert_eq!(
        tree(good),
        "model 5 process pipeline:Features\n  model 4 publish pipeline:y_predict\n    metric 5 process pipeline:y_predict"
    );
    assert_eq!(
        good.iter().find(|step| step.kind == CONSUMER && step.service() == "model").unwrap().parent,
        "b7ad6b7169203331"
    );
    assert!(of(&unsampled[3..35]).is_empty(), "{told:#?}");
    // Why a row is not predicted.
    let short = of(&of_other[3..35]);
    assert!(
        matches!(short, [step] if step.status == 2 && step.attributes["error.type"] == "wrong_length"),
        "{short:#?}"
    );
    let none = of(&none_of_two[3..35]);
    let of_rows = none.iter().find(|step| step.name == "process pipeline:Features").unwrap();
    assert_eq!((of_rows.status, &*of_rows.attributes["pipeline.refused_rows"]), (2, "2"));
    assert_eq!(of_rows.attributes["error.type"], "wrong_length");
    let two = of(&bundle[3..35]);
    let of_rows = two.iter().find(|step| step.name == "process pipeline:Features").unwrap();
    assert_eq!((of_rows.status, &*of_rows.attributes["pipeline.refused_rows"]), (0, "1"));
    assert!(two.iter().any(|step| step.name == "process pipeline:y_predict"), "{two:#?}");
    let of_labels: Vec<_> = told.iter().filter(|step| step.name == "process pipeline:y_true").collect();
    for bad in of_labels.iter().filter(|step| !step.attributes.contains_key("messaging.batch.message_count"))
    {
        assert_eq!((bad.status, &*bad.attributes["error.type"]), (2, "not_json"), "{told:#?}");
    }
    assert!(
        of_labels.iter().all(|step| step.attributes.get("error.type").is_none_or(|code| code == "not_json"))
    );
    let asked = of(&by_http[3..35]);
    assert_eq!(
        tree(asked),
        "model 2 POST /v2/models/{model}/infer\n  model 4 publish pipeline:y_predict\n    metric 5 process pipeline:y_predict"
    );
    let server = asked.iter().find(|step| step.kind == SERVER).unwrap();
    assert_eq!(server.attributes["http.response.status_code"], "200");
    assert!(asked.iter().any(|step| step.kind == PRODUCER));
    connection.close(200, "done".into()).await.unwrap();
}

/// What is wrong with the variables of a receiver is said, and rows go on.
#[tokio::test(flavor = "multi_thread")]
async fn traces_that_cannot_be_understood_stop_no_row() {
    let broker = broker::turn().await;
    let receiver = Receiver::start();
    let named = format!("OTEL_EXPORTER_OTLP_ENDPOINT={}", receiver.url);
    let cases: [(&[&str], &[&str], bool); 4] = [
        (
            &["OTEL_EXPORTER_OTLP_ENDPOINT=user:secret@collector:4318"],
            &["no traces are told to anybody", "--otlp-endpoint"],
            false,
        ),
        (
            &[&named, "OTEL_TRACES_SAMPLER_ARG=secret", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"],
            &["--trace-share says is no number", "grpc is not spoken here", "traces go to"],
            false,
        ),
        (&[&named, "OTEL_TRACES_SAMPLER_ARG=1", "OTEL_SDK_DISABLED=true"], &[], false),
        (
            &[
                &named,
                "OTEL_TRACES_SAMPLER_ARG=1",
                "OTEL_EXPORTER_OTLP_PROTOCOL=http/json",
                "OTEL_SERVICE_NAME=shop",
                "OTEL_RESOURCE_ATTRIBUTES=service.name=other",
                "OTEL_BSP_MAX_QUEUE_SIZE=18446744073709551615",
            ],
            &["traces go to"],
            true,
        ),
    ];
    for (variables, said, is_told) in cases {
        let services = Services::new(&broker.url);
        let (logs, ledger) = (services.books.logs(), services.books.ledger());
        let arguments = ["--transport", "memory", "--interval", "0s", "--count", "5", "--label-delay", "1ms"];
        let places = ["--logs", logs.to_str().unwrap(), "--ledger", ledger.to_str().unwrap()];
        let mut pipeline = start_with(&services, "pipeline", variables, &[&arguments[..], &places].concat());
        assert_eq!(pipeline.exit(Duration::from_secs(60)).await, Some(0), "{}", pipeline.log());
        services.books.settle_exactly().await;
        let log = pipeline.log();
        assert!(said.iter().all(|said| log.contains(said)) && !log.contains("secret"), "{log}");
        assert_eq!(log.contains("traces"), !said.is_empty(), "{log}");
        let told = receiver.told();
        assert_eq!(!told.is_empty(), is_told, "{variables:?}");
        assert!(told.iter().all(|step| step.service() == "shop"), "{told:#?}");
    }
}

/// A prediction that has no queue to go to, until the process must end.
#[tokio::test(flavor = "multi_thread")]
async fn traces_of_what_goes_back_to_its_queue_say_so() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let receiver = Receiver::start();
    // It makes the queue, so that `model` has seen one.
    let logs = services.books.logs();
    let of_metric = ["--amqp-url", &services.url, "--logs", logs.to_str().unwrap()];
    let mut metric = start(&services, "metric", &receiver.url, &of_metric);
    metric.ready().await;
    let mut model = start(&services, "model", &receiver.url, &["--amqp-url", &services.url]);
    model.ready().await;
    metric.stop().await;
    broker.delete("y_predict").await;
    let (connection, channel) = broker.channel().await;
    let trace = format!("00-{TRACE}-b7ad6b7169203331-01");
    let row = properties(&[("traceparent", &trace)]).with_message_id("kept".into());
    broker.publish(&channel, Role::Features, ROW, row).await;
    model.says("queue y_predict does not exist").await;
    model.stop().await;
    broker.has_ready(Role::Features, 1).await;
    let told = receiver.told();
    let (traces, _) = by_trace(&told);
    let faults: Vec<_> = traces[TRACE]
        .iter()
        .map(|step| (&*step.name, step.status, &*step.attributes["error.type"]))
        .collect();
    assert_eq!(faults.len(), 2, "{told:#?}");
    assert!(faults.contains(&("publish pipeline:y_predict", 2, "stopped")), "{faults:?}");
    assert!(faults.contains(&("process pipeline:Features", 2, "given_back")), "{faults:?}");
    connection.close(200, "done".into()).await.unwrap();
}

/// One that refuses, and one that takes connections and never answers.
#[tokio::test(flavor = "multi_thread")]
async fn traces_that_cannot_be_told_cost_no_row_and_no_time_at_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    // Nobody listens on a port below 1024 that has no service.
    let refusing = SocketAddr::from(([127, 0, 0, 1], 1));
    for address in [silent.local_addr().unwrap(), refusing] {
        let broker = broker::turn().await;
        let services = Services::new(&broker.url);
        let url = format!("http://{address}");
        let (mut model, mut metric) = started(&services, &url, &[]).await;
        let mut features = features(&services, &url, &["--interval", "1ms", "--count", "3000"]);
        assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
        services.books.settle_exactly().await;
        model.says(&format!("traces cannot be told to {url}")).await;
        model.stop().await;
        metric.stop().await;
        let lines = model.log().matches("traces cannot be told").count();
        assert_eq!(lines, 1, "{}", model.log());
    }
}
