//! From whom an event is, told by its members. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::records::{self, FromQueue};
use crate::url::Request;

/// An event.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// Somebody has invoked the function: the event is a body of `/invocations`.
    Direct(&'a str),
    /// A request by Function URL or API Gateway.
    Http(Box<Request>),
    /// Messages of RabbitMQ, by queue.
    Messages(Vec<FromQueue>),
}

/// What metrics and the log call the ways in.
pub(crate) const DIRECT: &str = "direct";
pub(crate) const HTTP: &str = "http";
pub(crate) const QUEUE: &str = "queue";

impl Event<'_> {
    /// By which way it came.
    pub(crate) fn door(&self) -> &'static str {
        match self {
            Self::Direct(_) => DIRECT,
            Self::Http(_) => HTTP,
            Self::Messages(_) => QUEUE,
        }
    }
}

/// Reads an event. What is no event of those that are known is a direct invocation, whose error says what is expected.
pub(crate) fn read(payload: &str) -> Result<Event<'_>, Failure> {
    let unknown = |why: String| Failure::new(Failure::EVENT, why);
    if !payload.starts_with('{') {
        return Ok(Event::Direct(payload));
    }
    let members: BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(payload).map_err(|why| unknown(format!("the event cannot be read: {why}")))?;
    if let Some(queues) = members.get("rmqMessagesByQueue") {
        return records::read(queues).map(Event::Messages).map_err(unknown);
    }
    match members.get("requestContext") {
        Some(_) if members.contains_key("httpMethod") => Err(unknown(
            "this is a request of a REST API or of a load balancer, which cannot call this function; use an HTTP API with payload \
             format 2.0, or a Function URL"
                .to_owned(),
        )),
        Some(_) => match Request::read(payload) {
            Ok(request) => Ok(Event::Http(Box::new(request))),
            Err(why) => {
                Err(unknown(format!("this is no request of a Function URL or in payload format 2.0: {why}")))
            }
        },
        None => Ok(Event::Direct(payload)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_by_its_members() {
        let http = r#"{"requestContext": {"http": {"method": "POST", "path": "/"}}, "body": "[1]"}"#;
        for (payload, wanted) in [
            ("[[1, 2]]", Ok("direct")),
            (r#"{"instances": [[1]]}"#, Ok("direct")),
            ("{}", Ok("direct")),
            ("null", Ok("direct")),
            (http, Ok("http")),
            (r#"{"rmqMessagesByQueue": {"Features::/": []}}"#, Ok("queue")),
            (r#"{"rmqMessagesByQueue": [1]}"#, Err("the messages of RabbitMQ cannot be read")),
            (r#"{"requestContext": {}, "httpMethod": "POST"}"#, Err("of a REST API or of a load balancer")),
            (r#"{"requestContext": {"connectionId": "w"}}"#, Err("no request of a Function URL")),
            ("{\"a\": }", Err("the event cannot be read")),
        ] {
            match (read(payload), wanted) {
                (Ok(event), Ok(door)) => assert_eq!(event.door(), door, "{payload}"),
                (Err(why), Err(part)) => {
                    assert_eq!(why.kind, Failure::EVENT);
                    assert!(why.message.contains(part), "{payload}: {}", why.message);
                }
                (read, wanted) => panic!("{payload}: {read:?}, not {wanted:?}"),
            }
        }
    }
}
