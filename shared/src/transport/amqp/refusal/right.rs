//! A right that is missing: which one, on what, and how it is given.

use super::words::{quoted, thing, words};
use super::{Operation, Who};
use crate::printable::printable;

/// What the broker says about a right that is missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Denied<'a> {
    /// RabbitMQ 4 says it; 3.10 does not.
    right: Option<&'static str>,
    /// `queue` or `exchange`, and its name.
    on: Option<(&'static str, &'a str)>,
}

impl<'a> Denied<'a> {
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let words = words(text);
        let rights = ["configure", "write", "read"];
        let right = rights.into_iter().find(|right| words.starts_with(&format!("{right} access to ")));
        let words = right.map_or(words, |right| &words[right.len() + 1..]);
        Some(Self { right, on: Some(thing(words, "access to ")?) })
    }
}

/// Which right is missing, and how it is given. What the broker does not say comes from what was asked.
pub(super) fn no_right(operation: &Operation<'_>, denied: &Denied<'_>, who: &Who<'_>) -> String {
    let Who { user, vhost } = who;
    let on_exchange = denied.on.is_some_and(|(kind, _)| kind == "exchange");
    let (right, kind, name) = match *operation {
        Operation::Publish { exchange: "" } => ("write", "exchange", "amq.default"),
        Operation::Publish { exchange } => ("write", "exchange", exchange),
        Operation::DeclareExchange(name) => ("configure", "exchange", name),
        Operation::Consume(queue) | Operation::LookAtQueue(queue) => ("read", "queue", queue),
        // To make a queue with dead letters takes rights on two things, to bind one too.
        Operation::DeclareQueue(name) if on_exchange => ("write", "exchange", name),
        Operation::Bind { exchange, .. } if on_exchange => ("read", "exchange", exchange),
        Operation::Bind { queue, .. } => ("write", "queue", queue),
        Operation::DeclareQueue(name) | Operation::Lock(name) | Operation::Delete(name) => {
            ("configure", "queue", name)
        }
        Operation::Connect => ("read", "vhost", *vhost),
    };
    let right = denied.right.unwrap_or(right);
    let (kind, name) = denied.on.unwrap_or((kind, name));
    let name = printable(name);
    let wanted = right.to_uppercase();
    let more = match operation {
        Operation::DeclareQueue(_) if on_exchange => ", where its dead letters go,",
        // 3.10 does not say which of the two is missing.
        Operation::DeclareQueue(_) if denied.right.is_none() => {
            " (or no read right, which dead letters need)"
        }
        Operation::LookAtQueue(_) => " (any right on it will do)",
        _ => "",
    };
    let (vhost_word, user_word) = (quoted(vhost), quoted(user));
    format!(
        "the user {user:?} has no {right} right on the {kind} {name}{more} in the vhost {vhost:?}: have an administrator grant it with rabbitmqctl set_permissions -p {vhost_word} {user_word} CONFIGURE WRITE READ, where {wanted} matches {name} \
         too and the rest stays as rabbitmqctl list_permissions -p {vhost_word} shows it (pipeline topology --rights prints \
         the whole line)"
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;
    use super::super::{Kind, Refusal};
    use super::*;

    #[test]
    fn the_missing_right_is_named_whether_or_not_the_broker_says_it() {
        let queue = "access to queue 'q' in vhost 'test' refused for user 'metric'";
        let exchange = "access to exchange 'pipeline' in vhost 'test' refused for user 'metric'";
        let cases = [
            (Operation::Consume("q"), format!("ACCESS_REFUSED - {queue}"), "no read right on the queue q"),
            (
                Operation::Consume("q"),
                format!("ACCESS_REFUSED - read {queue}"),
                "no read right on the queue q",
            ),
            (
                Operation::DeclareQueue("q"),
                format!("ACCESS_REFUSED - {queue}"),
                "no configure right on the queue q",
            ),
            (
                Operation::DeclareQueue("q"),
                format!("ACCESS_REFUSED - write {}", exchange.replace("pipeline", "pipeline.dead")),
                "no write right on the exchange pipeline.dead, where its dead letters go",
            ),
            (
                Operation::DeclareQueue("q"),
                format!("ACCESS_REFUSED - read {queue}"),
                "no read right on the queue q",
            ),
            (
                Operation::Lock("q.metric"),
                format!("ACCESS_REFUSED - {}", queue.replace("'q'", "'q.metric'")),
                "no configure right on the queue q.metric",
            ),
            (
                Operation::Publish { exchange: "pipeline" },
                format!("ACCESS_REFUSED - {exchange}"),
                "no write right on the exchange pipeline",
            ),
            (
                Operation::Publish { exchange: "" },
                "ACCESS_REFUSED - access to exchange 'amq.default' in vhost 'test' refused".to_owned(),
                "no write right on the exchange amq.default",
            ),
            (
                Operation::Bind { queue: "q", exchange: "pipeline" },
                format!("ACCESS_REFUSED - {queue}"),
                "no write right on the queue q",
            ),
            (
                Operation::Bind { queue: "q", exchange: "pipeline" },
                format!("ACCESS_REFUSED - {exchange}"),
                "no read right on the exchange pipeline",
            ),
            (
                Operation::DeclareExchange("pipeline"),
                format!("ACCESS_REFUSED - configure {exchange}"),
                "no configure right on the exchange pipeline",
            ),
        ];
        for (operation, text, part) in cases {
            let Refusal { kind, sentence } = told(operation, 403, &text);
            assert_eq!(kind, Kind::NoRight);
            assert!(sentence.starts_with("the user \"metric\" has "), "{sentence}");
            assert!(sentence.contains(part), "{part:?} is missing: {sentence}");
            assert!(sentence.contains("list_permissions -p test"), "{sentence}");
            assert!(sentence.contains("set_permissions -p test metric CONFIGURE WRITE READ"), "{sentence}");
        }
    }
}
