//! Where a message is in a trace is handed on with all that is made of it, also where nobody collects traces.

use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use shared::message::Role;

use crate::broker::{self, Letter};
use crate::http;
use crate::processes::Services;

const ROW: &[u8] = b"[0.038,0.05,0.061,0.021,-0.044,-0.034,-0.043,-0.0025,0.019,-0.017]";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const STATE: &str = "vendor=x";

fn row(id: &str, parent: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, text) in [("traceparent", parent), ("tracestate", STATE)] {
        headers.insert(name.into(), AMQPValue::LongString(LongString::from(text)));
    }
    BasicProperties::default()
        .with_headers(headers)
        .with_message_id(id.into())
        .with_reply_to("replies".into())
        .with_correlation_id(id.into())
}

/// The two headers, where it has them.
fn trace(letter: &Letter) -> Option<[String; 2]> {
    letter.has("traceparent").then(|| ["traceparent", "tracestate"].map(|name| letter.header(name)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_on_with_predictions_replies_and_dead_letters() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    // It makes the queues, and takes nothing once it is gone.
    let mut metric = services.metric(&[]);
    metric.ready().await;
    metric.stop().await;
    let model = services.model(&["--http-addr", "127.0.0.1:0"]);
    model.ready().await;
    model.says("created the queue Features.ask").await;
    let (connection, channel) = broker.channel().await;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare("replies".into(), durable, FieldTable::default()).await.unwrap();
    let no_trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
    for (id, body, parent) in [("good", ROW, PARENT), ("bad", b"[1]", PARENT), ("none", ROW, no_trace)] {
        broker.publish(&channel, Role::Features, body, row(id, parent)).await;
    }
    http::predict_within(&http::address(&model).await, "by-http", PARENT).await;
    broker.has_ready(Role::Prediction, 3).await;
    broker.has_ready_dead("Features.dead", 1).await;
    // A question is in no queue of rows, and what it is part of comes back with its answer.
    for (id, body) in [("question", ROW), ("no question", b"[1]")] {
        let (options, properties) = (BasicPublishOptions::default(), row(id, PARENT));
        channel.basic_publish("".into(), "Features.ask".into(), options, body, properties).await.unwrap();
    }
    let whole = Some([PARENT.to_owned(), STATE.to_owned()]);
    let predictions = broker.drain("y_predict").await;
    for (id, wanted) in [("good", whole.clone()), ("none", None)] {
        let of_row = predictions.iter().find(|letter| letter.message_id() == Some(id)).unwrap();
        assert_eq!(trace(of_row), wanted, "{id}");
    }
    let by_http = predictions.iter().find(|letter| letter.message_id() == Some("by-http")).unwrap();
    assert_eq!(by_http.header("traceparent"), PARENT);
    let letters = broker.drain("Features.dead").await;
    assert!(matches!(&letters[..], [letter] if trace(letter) == whole));
    broker.comes_to("replies", "five", |count| count == 5).await;
    let replies = broker.drain("replies").await;
    for reply in &replies {
        let id = reply.properties.correlation_id().as_ref().unwrap().to_string();
        assert_eq!(trace(reply), if id == "none" { None } else { whole.clone() }, "{id}");
    }
    connection.close(200, "done".into()).await.unwrap();
}
