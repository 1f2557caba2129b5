//! A queue or exchange that exists otherwise than we would have made it: what differs, and what that costs.

use std::fmt;

use super::words::between;
use crate::printable::printable;

/// The broker's words about a queue or exchange that exists with other arguments.
pub(super) struct Difference<'a> {
    pub(super) argument: &'a str,
    wanted: String,
    found: String,
}

impl<'a> Difference<'a> {
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let argument = between(text, "inequivalent arg '", "'")?;
        let (wanted, found) = text.split_once("received ")?.1.split_once(" but current is ")?;
        Some(Self { argument, wanted: value(wanted), found: value(found) })
    }

    pub(super) fn shows_a_stream(&self) -> bool {
        self.argument == "x-queue-type" && self.found == "stream"
    }
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { argument, wanted, found } = self;
        write!(f, "its {} is {}, not {}", printable(argument), printable(found), printable(wanted))
    }
}

/// The value in `the value 'x' of type 'longstr'`, `'x'` or `none`.
fn value(text: &str) -> String {
    let text = text.trim();
    let typed = text.strip_prefix("the value '").and_then(|rest| rest.rsplit_once("' of type '"));
    let plain = || text.strip_prefix('\'')?.strip_suffix('\'');
    typed.map(|(value, _)| value).or_else(plain).unwrap_or(text).to_owned()
}

/// What it costs that a queue exists otherwise than we would have made it, from the broker's words.
pub(in super::super) fn cost_of_difference(text: &str) -> Option<String> {
    let difference = Difference::read(text)?;
    let cost = match (difference.argument, difference.found.as_str()) {
        ("x-dead-letter-exchange", "none") => {
            "what the broker itself drops there (a length limit, a delivery limit, an expiry) is lost instead of dead-lettered"
        }
        ("x-dead-letter-exchange" | "x-dead-letter-routing-key", _) => {
            "what the broker itself drops there (a length limit, a delivery limit, an expiry) is dead-lettered elsewhere"
        }
        ("x-dead-letter-strategy", _) => "a crash of the broker may lose messages that it is dead-lettering",
        ("durable", "false") => "the queue and all its messages are lost when the broker restarts",
        ("durable", _) => "it survives a restart of the broker, which was not requested",
        ("auto_delete", "true") => "the queue and all its messages are deleted when its last consumer leaves",
        ("auto_delete", _) => "it stays when its last consumer leaves, which was not requested",
        ("x-overflow", "reject-publish" | "reject-publish-dlx") => {
            "when it is full, the broker refuses new messages, which was not requested"
        }
        ("x-overflow", _) => {
            "no back-pressure: when it is full, the broker drops the oldest messages instead of making publishers wait"
        }
        ("x-queue-type", "quorum") => "it is replicated and safe on disk, which was not requested",
        ("x-queue-type", _) => "its messages survive a restart of the broker, but not a power cut",
        ("x-delivery-limit", _) => "the broker may drop good messages when a consumer keeps crashing",
        ("x-max-length" | "x-max-length-bytes", "none") => {
            "it has no length limit and can fill the broker's disk"
        }
        ("x-max-length" | "x-max-length-bytes", _) => "its length limit is different",
        ("x-message-ttl" | "x-expires", "none") => "its messages never expire",
        ("x-message-ttl", _) => "messages that wait there too long expire",
        ("x-expires", _) => {
            "the broker deletes the queue and all its messages when nobody uses it for that long"
        }
        _ => "it may behave differently",
    };
    Some(format!("{difference}; {cost}"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;
    use super::super::{Kind, Operation};
    use super::*;

    #[test]
    fn a_difference_is_told_with_what_it_costs() {
        let text = |argument: &str, received: &str, current: &str| {
            format!(
                "PRECONDITION_FAILED - inequivalent arg '{argument}' for queue 'q' in vhost 'v': received {received} but \
                 current is {current}"
            )
        };
        for (text, said) in [
            (
                text("durable", "'true'", "'false'"),
                "its durable is false, not true; the queue and all its messages are lost when the broker restarts",
            ),
            (
                text("x-queue-type", "the value 'quorum' of type 'longstr'", "none"),
                "its x-queue-type is none, not quorum; its messages survive a restart of the broker",
            ),
            (
                text("x-dead-letter-exchange", "none", "the value 'x' of type 'longstr'"),
                "its x-dead-letter-exchange is x, not none; what the broker itself drops there (a length limit, a delivery limit, an \
                 expiry) is dead-lettered elsewhere",
            ),
            (
                text("x-message-ttl", "none", "the value '5' of type 'signedint'"),
                "messages that wait there too long",
            ),
            (
                text("x-odd", "none", "the value '5' of type 'signedint'"),
                "its x-odd is 5, not none; it may behave",
            ),
        ] {
            let cost = cost_of_difference(&text).unwrap();
            assert!(cost.contains(said), "{said:?} is missing: {cost}");
            let argument = text.split('\'').nth(1).unwrap().to_owned();
            assert_eq!(told(Operation::DeclareQueue("q"), 406, &text).kind, Kind::Differs { argument });
        }
        let stream = text(
            "x-queue-type",
            "the value 'quorum' of type 'longstr'",
            "the value 'stream' of type 'longstr'",
        );
        assert_eq!(told(Operation::DeclareQueue("q"), 406, &stream).kind, Kind::Stream);
        let odd = told(Operation::DeclareQueue("q"), 406, "PRECONDITION_FAILED - something else");
        assert_eq!(odd.kind, Kind::Other);
        assert_eq!(cost_of_difference("PRECONDITION_FAILED - something else"), None);
    }

    #[test]
    fn every_shape_of_a_difference_is_read() {
        let cases = [
            ("received 'true' but current is 'false'", "true", "false"),
            ("received 'quorum' but current is 'classic'", "quorum", "classic"),
            ("received none but current is the value 'x' of type 'longstr'", "none", "x"),
            (
                "received the value 'pipeline.dead' of type 'longstr' but current is none",
                "pipeline.dead",
                "none",
            ),
            (
                "received the value '10' of type 'signedint' but current is the value '20' of type 'long'",
                "10",
                "20",
            ),
            ("received none but current is the value 'it's' of type 'longstr'", "none", "it's"),
            ("received '' but current is ''", "", ""),
        ];
        for (shape, wanted, found) in cases {
            let text =
                format!("PRECONDITION_FAILED - inequivalent arg 'a' for queue 'q' in vhost 'v': {shape}");
            let read = Difference::read(&text).unwrap();
            assert_eq!((read.argument, &*read.wanted, &*read.found), ("a", wanted, found), "{text}");
        }
        for broken in
            ["", "inequivalent arg 'a", "inequivalent arg 'a': received 'x'", "received x but current is y"]
        {
            assert!(Difference::read(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn each_difference_has_its_cost() {
        let costs = [
            ("x-dead-letter-exchange", "none", "is lost instead of dead-lettered"),
            ("x-dead-letter-exchange", "other", "dead-lettered elsewhere"),
            ("durable", "false", "lost when the broker restarts"),
            ("auto_delete", "true", "deleted when its last consumer leaves"),
            ("auto_delete", "false", "it stays"),
            ("x-overflow", "none", "no back-pressure"),
            ("x-overflow", "drop-head", "no back-pressure"),
            ("x-overflow", "reject-publish", "refuses new messages"),
            ("x-queue-type", "classic", "not a power cut"),
            ("x-delivery-limit", "20", "good messages"),
            ("x-max-length", "none", "no length limit"),
            ("x-max-length", "5", "length limit is different"),
            ("x-message-ttl", "5", "wait there too long"),
            ("x-message-ttl", "none", "never expire"),
            ("x-expires", "5", "deletes the queue"),
            ("x-odd", "5", "its x-odd is 5"),
        ];
        for (argument, found, said) in costs {
            let text = format!(
                "PRECONDITION_FAILED - inequivalent arg '{argument}' for queue 'q' in vhost 'v': received 'w' but current \
                 is '{found}'"
            );
            let cost = cost_of_difference(&text).unwrap();
            assert!(cost.contains(said), "{said:?} is missing: {cost}");
        }
    }
}
