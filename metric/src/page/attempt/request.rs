//! The same question for programs, ready to copy.

use maud::{Markup, html};

use super::Row;
use crate::page::rows::encoded;

/// As a command and as Python.
pub(super) fn figure(row: &Row) -> Markup {
    let pairs: Vec<String> =
        row.0.iter().enumerate().map(|(at, cell)| format!("x{at}={}", encoded(cell))).collect();
    let curl = format!("curl 'http://localhost:5000/try?{}'", pairs.join("&"));
    let body = String::from_utf8_lossy(&row.body()).into_owned();
    let one = |text: &str| html! { div class="command" { code { (text) } button type="button" data-copy { "Copy" } } };
    html! {
        div class="figure" {
            h3 { "The same for programs" }
            p class="hint" { "as a command" }
            (one(&curl))
            details {
                summary { "As Python, over RabbitMQ" }
                div class="command" { code class="block" { (python(&body)) } button type="button" data-copy { "Copy" } }
            }
        }
    }
}

/// A request and its reply on one channel (direct reply-to).
fn python(body: &str) -> String {
    // A text in JSON is one in Python.
    let text = serde_json::Value::from(body).to_string();
    format!(
        "import pika\n\
         channel = pika.BlockingConnection(pika.URLParameters('amqp://localhost')).channel()\n\
         channel.basic_consume('amq.rabbitmq.reply-to', lambda ch, m, p, body: (print(body.decode()), ch.stop_consuming()), auto_ack=True)\n\
         channel.basic_publish('', 'Features.ask', {text}, pika.BasicProperties(reply_to='amq.rabbitmq.reply-to', correlation_id='1'))\n\
         channel.start_consuming()\n"
    )
}
