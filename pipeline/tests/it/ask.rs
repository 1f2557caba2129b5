//! Asking by queue: a question is answered and leaves no trace, and a row that wants a reply gets one besides.

pub mod contract;
mod replies;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lapin::BasicProperties;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use shared::ask::{Asker, MOST_AT_ONCE};
use shared::clock::Timestamp;
use shared::message::{Answer, Features, Key, Prediction, Role, Row, RowId};
use shared::readiness::Readiness;
use shared::service::Context;
use shared::stop::Stop;
use shared::transport::administration::{Rights, rights, rights_with_side_queues};
use shared::transport::{Endpoint, QueueKind, Queues, Transport};

use crate::account::{count, wait_for};
use crate::broker::{self, Broker};
use crate::contract::{publish, take};
use crate::erlang::{with_rights, with_user, without_user};
use crate::processes::{Process, Services, programs, repository};

const ASK: &str = "Features.ask";
const PATIENCE: Duration = Duration::from_secs(20);
/// A row that the model of the repository predicts.
const ROW: &[u8] = b"[0.038,0.05,0.061,0.021,-0.044,-0.034,-0.043,-0.0025,0.019,-0.017]";

async fn started(more: &[&str]) -> (Broker, Services, Process, Process) {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (metric, model) = (services.metric(&[]), services.model(more));
    metric.ready().await;
    model.ready().await;
    // Ready is who takes rows.
    model.says("created the queue Features.ask").await;
    (broker, services, metric, model)
}

fn transport(url: &str) -> Transport {
    Transport::Amqp(Endpoint::from_url(url, QueueKind::Quorum).unwrap())
}

/// Asks until there is an answer: a model takes questions a moment after it is ready.
async fn answer(asker: &Asker, row: &[u8]) -> Answer {
    let start = Instant::now();
    loop {
        match asker.ask(row.to_vec(), Duration::from_secs(2)).await {
            Ok(answer) => return answer,
            Err(why) => assert!(start.elapsed() < PATIENCE, "no answer: {why}"),
        }
    }
}

/// Rows of the table of the repository, and what `model predict` says of them.
pub fn predicted() -> Vec<(Vec<u8>, f64)> {
    let table = std::fs::read_to_string(repository("data/diabetes.csv")).unwrap();
    let mut predict = Command::new(programs().join("model"));
    predict.args(["predict", "data/model.json"]).current_dir(repository(".")).env_clear();
    let mut child =
        predict.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let copy = table.clone();
    let writing = std::thread::spawn(move || input.write_all(copy.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let predictions = text.lines().skip(1).map(|line| line.parse().unwrap());
    let rows = table.lines().filter(|line| !line.starts_with('#')).skip(1).map(|line| {
        let cells: Vec<&str> = line.split(',').take(10).collect();
        format!("[{}]", cells.join(",")).into_bytes()
    });
    let both: Vec<(Vec<u8>, f64)> = rows.zip(predictions).collect();
    assert_eq!(both.len(), 442);
    both
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_questions_are_answered_as_by_the_command_and_leave_no_trace() {
    let (broker, services, metric, model) = started(&[]).await;
    let mut features = services.features(&["--interval", "0s", "--count", "200"]);
    assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    services.books.settle_exactly().await;
    let (status, texts) = (services.status(), services.books.texts());
    let rows_predicted = model.counter("pipeline_predictions_total", "").await;
    let asker = Asker::new(&transport(&broker.url), "test", &Stop::default());
    let predicted = Arc::new(predicted());
    answer(&asker, ROW).await;

    let mut under_way = FuturesUnordered::new();
    let mut answered = 0;
    for number in 0..1000 {
        let (asker, predicted) = (asker.clone(), Arc::clone(&predicted));
        under_way.push(async move {
            let (row, wanted) = &predicted[number % predicted.len()];
            let answer = asker.ask(row.clone(), PATIENCE).await.unwrap();
            assert_eq!(answer.prediction.to_bits(), wanted.to_bits(), "row {number}");
            assert_eq!(answer.model.unwrap().as_str(), "model");
        });
        while under_way.len() >= MOST_AT_ONCE || number == 999 {
            if under_way.next().await.is_none() {
                break;
            }
            answered += 1;
        }
    }
    assert_eq!(answered, 1000);
    asker.close().await;
    let now = services.status();
    for part in ["labels", "predictions", "models"] {
        assert_eq!(now[part], status[part], "{part}");
    }
    assert_eq!(services.books.texts(), texts);
    assert_eq!(model.counter("pipeline_predictions_total", "").await, rows_predicted);
    assert_eq!(model.counter("pipeline_asks_total", "answered").await, 1001.0);
    assert_eq!(broker.ready("Features.dead").await, 0);
    for process in [&metric, &model] {
        assert!(!process.log().contains("WARN"), "{}", process.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_does_not_wait_behind_rows() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    // Predictions have no room, so rows stay where they are.
    broker.delete("y_predict").await;
    let (connection, channel) = broker.channel().await;
    let mut full = FieldTable::default();
    full.insert("x-max-length".into(), AMQPValue::LongLongInt(1));
    full.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare("y_predict".into(), durable, full).await.unwrap();
    for number in 0..5000 {
        let id = BasicProperties::default().with_message_id(format!("row-{number}").into());
        broker.publish(&channel, Role::Features, ROW, id).await;
    }
    let services = Services::new(&broker.url);
    let model = services.model(&[]);
    model.says("queue y_predict is full or unavailable").await;
    let asker = Asker::new(&transport(&broker.url), "test", &Stop::default());
    answer(&asker, ROW).await;
    for _ in 0..50 {
        asker.ask(ROW.to_vec(), Duration::from_secs(2)).await.unwrap();
    }
    assert!(broker.ready("Features").await > 1000, "there is no backlog");
    // Everything that was asked to be recorded is, and nothing else.
    let metric = services.metric(&[]);
    let labels_log = || services.books.recorded().predictions.len();
    wait_for("5000 predictions", || labels_log() >= 5000, || metric.log()).await;
    assert_eq!(count(&services.status()["predictions"], "received"), 5000);
    assert!(!services.books.recorded().predictions.contains_key("-"), "a question was recorded");
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_model_runs_that_is_said_and_a_model_that_comes_answers() {
    let broker = broker::turn().await;
    let asker = Asker::new(&transport(&broker.url), "test", &Stop::default());
    let said = asker.ask(ROW.to_vec(), Duration::from_secs(2)).await.unwrap_err().to_string();
    assert!(said.starts_with("no model answers: "), "{said}");
    let services = Services::new(&broker.url);
    let (metric, mut model) = (services.metric(&[]), services.model(&[]));
    metric.ready().await;
    model.ready().await;
    answer(&asker, ROW).await;
    model.stop().await;
    let start = Instant::now();
    let said = asker.ask(ROW.to_vec(), Duration::from_secs(2)).await.unwrap_err().to_string();
    assert_eq!(said, "no model answers: no reply in time");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let nobody = Asker::new(&transport("amqp://test:test@127.0.0.1:1/test"), "test", &Stop::default());
    let said = nobody.ask(ROW.to_vec(), Duration::from_millis(300)).await.unwrap_err().to_string();
    assert_eq!(said, "no model answers: there is no connection to RabbitMQ at amqp://127.0.0.1:1/test");
    let _model = services.model(&[]);
    answer(&asker, ROW).await;
}

/// Without the right to answer, and without any to be asked, rows go on; and metric's are enough to ask.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_answer_does_everything_else() {
    let broker = broker::private().await;
    broker.declare(QueueKind::Quorum).await;
    let (without, with) = (rights(&Queues::default()), rights_with_side_queues(&Queues::default()));
    let of = |all: &[Rights], user: &str| all.iter().find(|rights| rights.user == user).unwrap().clone();
    let mut mute = of(&with, "model");
    mute.write = mute.write.replace(r"|amq\.default", "");
    broker.eval(
        &["model", "metric"]
            .into_iter()
            .flat_map(|user| [without_user(user), with_user(user)])
            .chain([with_rights(&of(&without, "model")), with_rights(&of(&with, "metric"))])
            .collect::<Vec<_>>(),
    );
    let services = Services::new(&broker.url);
    let as_user = |user: &str| broker.url.replace("test:test@", &format!("{user}:secret@"));
    let (metric, url) = (services.metric(&[]), as_user("model"));
    let model = Process::start(&services.books, "model", &["--amqp-url", &url]);
    model.says("not consuming Features.ask: ").await;
    let rows = ["--interval", "0s", "--count", "50"];
    assert_eq!(services.features(&rows).exit(Duration::from_secs(60)).await, Some(0));
    broker.eval(&[with_rights(&mute)]);
    model.says("consuming Features.ask after all").await;
    let asker = Asker::new(&transport(&as_user("metric")), "metric", &Stop::default());
    let said = asker.ask(ROW.to_vec(), Duration::from_secs(2)).await.unwrap_err().to_string();
    assert_eq!(said, "no model answers: no reply in time");
    model.says("cannot send replies: ").await;
    let log = model.log().replace('\\', "");
    assert!(log.contains("no write right on the exchange amq.default"), "{log}");
    assert_eq!(services.features(&rows).exit(Duration::from_secs(60)).await, Some(0));
    broker.eval(&[with_rights(&of(&with, "model"))]);
    answer(&asker, ROW).await;
    model.says("replies are sent again").await;
    services.books.settle_exactly().await;
    assert_eq!(model.log().matches("cannot send replies: ").count(), 1, "{}", model.log());
    for process in [&metric, &model] {
        assert!(!process.log().contains("lost RabbitMQ"), "{}", process.log());
    }
    asker.close().await;
    drop(model);
    broker.eval(&["model", "metric"].map(without_user));
}

/// Rows from the program of one process, which takes questions too, need no more than memory.
#[tokio::test(flavor = "multi_thread")]
async fn in_memory_a_model_answers_too() {
    let transport = Transport::in_memory();
    let (stop, readiness) = (Stop::default(), Readiness::default());
    let context = Context { transport: transport.clone(), stop: stop.clone(), readiness };
    let answers = model::AnswerOptions {
        model_name: "m".parse().unwrap(),
        strict: false,
        no_features: false,
        predictions_key: "body".parse().unwrap(),
        role: Default::default(),
    };
    let http = model::HttpOptions::default();
    let options = model::ServeOptions {
        model: repository("data/model.json"),
        answers,
        versions: Default::default(),
        challenger: None,
        http,
    };
    let serving = tokio::spawn(model::run(context, options));
    let asker = Asker::new(&transport, "test", &stop);
    let answer = answer(&asker, ROW).await;
    let row = Row {
        key: Key::Property(RowId::parse("a").unwrap()),
        features: Features::Vector(serde_json::from_slice(ROW).unwrap()),
        names: None,
        published_at: None,
    };
    let publisher = transport.publisher("test", &stop, &Readiness::default());
    publish(&publisher, vec![row.encode("test", Timestamp(0))]).await;
    let predictions = transport.subscription(Role::Prediction);
    let mut consumer = transport.consumer("test", predictions, 10, &stop, &Readiness::default());
    let batch = take(&mut consumer, 10).await;
    assert_eq!(batch.deliveries.len(), 1, "a question is no prediction");
    let prediction = Prediction::decode(&batch.deliveries[0]).unwrap().only().unwrap();
    assert_eq!(prediction.value.to_bits(), answer.prediction.to_bits());
    assert_eq!((prediction.model_version, answer.model), (answer.model_version, "m".parse().ok()));
    stop.request();
    serving.await.unwrap().unwrap();
}
