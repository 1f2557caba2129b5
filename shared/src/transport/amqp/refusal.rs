//! What a refusal by the broker means, as a sentence with the way out: pure.

mod difference;
mod right;
mod words;

use difference::Difference;
use right::{Denied, no_right};
use words::{number_after, thing, words};

use crate::printable::printable;

pub(super) use difference::cost_of_difference;
pub(super) use words::quoted;

/// What was asked of the broker.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operation<'a> {
    /// To let us in.
    Connect,
    /// To make an exchange.
    DeclareExchange(&'a str),
    /// To make a queue.
    DeclareQueue(&'a str),
    /// To say whether a queue exists.
    LookAtQueue(&'a str),
    /// To send what is published to an exchange into a queue.
    Bind { queue: &'a str, exchange: &'a str },
    /// To hand out a queue's messages.
    Consume(&'a str),
    /// To take messages for an exchange.
    Publish { exchange: &'a str },
    /// To make a queue that only one connection may use.
    Lock(&'a str),
    /// To delete a queue or an exchange.
    Delete(&'a str),
}

/// What the broker said: AMQP's code, and a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) code: u16,
    pub(super) text: &'a str,
}

/// Who asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who<'a> {
    pub(super) user: &'a str,
    pub(super) vhost: &'a str,
}

/// What kind of refusal it is, for code that goes on from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// The user may not do that.
    NoRight,
    /// The user is unknown, or its password another.
    WrongPassword,
    /// There is no such vhost.
    NoVhost,
    /// The user has no right at all in this vhost.
    NoAccessToVhost,
    /// The queue or exchange does not exist.
    Missing,
    /// The queue belongs to another connection.
    Locked,
    /// Another consumer has the queue for itself.
    InUse,
    /// It exists with other arguments: the first that differs.
    Differs { argument: String },
    /// The queue is a stream.
    Stream,
    /// The name is one that the broker keeps to itself.
    ReservedName,
    /// The broker makes no transient queues.
    TransientRefused,
    /// The message is larger than the broker takes, in bytes.
    TooLarge { max: u64 },
    /// Something else.
    Other,
}

/// A refusal that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) kind: Kind,
    /// Without a full stop at its end.
    pub(super) sentence: String,
}

/// What is said where an encrypted connection meets a plain port, or a plain one an encrypted port.
pub(super) fn wrong_port(encrypted_to_plain: bool) -> &'static str {
    if encrypted_to_plain {
        "the server there does not speak TLS: is this the plain port? Use amqp://, usually port 5672"
    } else {
        "the server there speaks TLS: is this the encrypted port? Use amqps://, usually port 5671"
    }
}

/// Reads an answer.
pub(super) fn read(operation: &Operation<'_>, answer: &Answer<'_>, who: &Who<'_>) -> Refusal {
    let Who { user, vhost } = who;
    let text = answer.text;
    let refusal = |kind, sentence: String| Refusal { kind, sentence };
    if answer.code == 403
        && let Some(denied) = Denied::read(text)
    {
        return refusal(Kind::NoRight, no_right(operation, &denied, who));
    }
    match (answer.code, operation) {
        (403, _) if text.contains("Login was refused") => {
            let guest = if *user == "guest" {
                ". The user guest may only connect from the broker's own machine: create another user".to_owned()
            } else {
                format!(
                    ". An administrator can check them: rabbitmqctl authenticate_user {}",
                    quoted(user)
                )
            };
            refusal(Kind::WrongPassword, format!("the user {user:?} or its password is wrong{guest}"))
        }
        (530, _) if words(text).starts_with("vhost ") && text.ends_with(" not found") => refusal(
            Kind::NoVhost,
            format!(
                "there is no vhost {vhost:?}: have an administrator create it with rabbitmqctl add_vhost {}, or name another one at the end of the address",
                quoted(vhost)
            ),
        ),
        (530, _) if words(text).starts_with("access to vhost ") => refusal(
            Kind::NoAccessToVhost,
            format!(
                "the user {user:?} has no rights in the vhost {vhost:?}: have an administrator grant them with rabbitmqctl set_permissions -p {} {} CONFIGURE WRITE READ (pipeline topology --rights prints the whole line)",
                quoted(vhost),
                quoted(user)
            ),
        ),
        (403, _) if text.contains("exclusive use") => {
            refusal(Kind::InUse, format!("another consumer uses {} exclusively", subject(operation)))
        }
        (403, _) if text.contains("reserved prefix") => refusal(
            Kind::ReservedName,
            format!("RabbitMQ reserves names that begin with amq., such as {}: choose another", subject(operation)),
        ),
        (403, Operation::Connect) => refusal(Kind::Other, printable(text)),
        (403, _) => refusal(Kind::NoRight, no_right(operation, &Denied::default(), who)),
        (404, _) => {
            let missing = thing(text, "no ").map_or_else(
                || subject(operation),
                |(kind, name)| format!("{kind} {}", printable(name)),
            );
            refusal(Kind::Missing, format!("there is no {missing} in the vhost {vhost:?}"))
        }
        (405, _) => {
            refusal(Kind::Locked, format!("{} is exclusive to another connection", subject(operation)))
        }
        (406, _) if text.contains("larger than configured max size") => {
            match number_after(text, "configured max size ") {
                Some(max) => refusal(
                    Kind::TooLarge { max },
                    format!("it is larger than the broker's limit of {max} bytes (max_message_size)"),
                ),
                None => refusal(Kind::Other, printable(text)),
            }
        }
        (406, _) => match Difference::read(text) {
            Some(difference) if difference.shows_a_stream() => refusal(
                Kind::Stream,
                format!("{} is a stream, which delivers its messages again and again; a queue is needed", subject(operation)),
            ),
            Some(difference) => refusal(
                Kind::Differs { argument: printable(difference.argument) },
                format!("{} exists with different arguments: {difference}", subject(operation)),
            ),
            None => refusal(Kind::Other, printable(text)),
        },
        (541, _) if text.contains("transient_nonexcl_queues") => refusal(
            Kind::TransientRefused,
            "this RabbitMQ (4.3 or newer) refuses transient queues. Start with --queue-kind quorum, or permit them on the broker: \
             deprecated_features.permit.transient_nonexcl_queues = true"
                .to_owned(),
        ),
        _ => refusal(Kind::Other, printable(text)),
    }
}

/// What the operation was about.
fn subject(operation: &Operation<'_>) -> String {
    match operation {
        Operation::Connect => "the broker".to_owned(),
        Operation::DeclareExchange(name) => format!("exchange {name}"),
        Operation::Publish { exchange: "" } => "default exchange".to_owned(),
        Operation::Publish { exchange } => format!("exchange {exchange}"),
        Operation::DeclareQueue(name)
        | Operation::LookAtQueue(name)
        | Operation::Bind { queue: name, .. }
        | Operation::Consume(name)
        | Operation::Lock(name)
        | Operation::Delete(name) => format!("queue {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: Who<'_> = Who { user: "metric", vhost: "test" };

    pub(super) fn told(operation: Operation<'_>, code: u16, text: &str) -> Refusal {
        read(&operation, &Answer { code, text }, &WHO)
    }

    #[test]
    fn each_refusal_is_a_sentence_of_its_own() {
        let login = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.";
        let cases = [
            (
                Operation::Connect,
                403,
                login,
                Kind::WrongPassword,
                "the user \"metric\" or its password is wrong",
            ),
            (
                Operation::Connect,
                530,
                "NOT_ALLOWED - vhost test not found",
                Kind::NoVhost,
                "rabbitmqctl add_vhost test",
            ),
            (
                Operation::Connect,
                530,
                "NOT_ALLOWED - access to vhost 'test' refused for user 'metric'",
                Kind::NoAccessToVhost,
                "has no rights in the vhost \"test\"",
            ),
            (
                Operation::LookAtQueue("q"),
                404,
                "NOT_FOUND - no queue 'q' in vhost 'test'",
                Kind::Missing,
                "there is no queue q in the vhost \"test\"",
            ),
            (
                Operation::Lock("q.metric"),
                405,
                "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q.metric' in vhost 'test'",
                Kind::Locked,
                "queue q.metric is exclusive to another connection",
            ),
            (
                Operation::Consume("q"),
                403,
                "ACCESS_REFUSED - queue 'q' in vhost 'test' in exclusive use",
                Kind::InUse,
                "another consumer uses queue q exclusively",
            ),
            (
                Operation::DeclareQueue("amq.q"),
                403,
                "ACCESS_REFUSED - queue name 'amq.q' contains reserved prefix 'amq.*'",
                Kind::ReservedName,
                "choose another",
            ),
            (
                Operation::Publish { exchange: "pipeline" },
                406,
                "PRECONDITION_FAILED - message size 17825792 is larger than configured max size 16777216",
                Kind::TooLarge { max: 16_777_216 },
                "limit of 16777216 bytes",
            ),
            (
                Operation::DeclareQueue("q"),
                541,
                "INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.",
                Kind::TransientRefused,
                "--queue-kind quorum",
            ),
            (
                Operation::DeclareQueue("q"),
                541,
                "INTERNAL_ERROR\n\x1b[2J",
                Kind::Other,
                "INTERNAL_ERROR\\n\\u{1b}[2J",
            ),
        ];
        for (operation, code, text, kind, part) in cases {
            let refusal = told(operation, code, text);
            assert_eq!(refusal.kind, kind, "{text}");
            assert!(refusal.sentence.contains(part), "{part:?} is missing: {}", refusal.sentence);
        }
        let guest =
            read(&Operation::Connect, &Answer { code: 403, text: login }, &Who { user: "guest", vhost: "/" });
        assert!(guest.sentence.contains("the broker's own machine"), "{}", guest.sentence);
    }

    #[test]
    fn what_is_missing_is_what_the_broker_names() {
        let bind = Operation::Bind { queue: "q", exchange: "pipeline" };
        for (text, said) in [
            ("NOT_FOUND - no exchange 'pipeline' in vhost 'test'", "there is no exchange pipeline in"),
            ("NOT_FOUND - no queue 'q' in vhost 'test'", "there is no queue q in"),
            ("NOT_FOUND", "there is no queue q in"),
        ] {
            assert!(told(bind, 404, text).sentence.contains(said), "{text}");
        }
        let text = "ACCESS_REFUSED - access to exchange 'e' in vhost 'test' refused for user 'metric'";
        assert!(
            told(Operation::Delete("e"), 403, text)
                .sentence
                .contains("no configure right on the exchange e ")
        );
        let text = "NOT_ALLOWED - access to vhost 'not found' refused for user 'is not found'";
        assert_eq!(told(Operation::Connect, 530, text).kind, Kind::NoAccessToVhost);
        assert_eq!(
            told(Operation::Connect, 530, "NOT_ALLOWED - vhost refused for user not found").kind,
            Kind::NoVhost
        );
        assert_eq!(told(Operation::Connect, 530, "NOT_ALLOWED - connection limit").kind, Kind::Other);
        assert_eq!(told(Operation::Connect, 530, "NOT_ALLOWED - node not found").kind, Kind::Other);
        let text = "ACCESS_REFUSED - access to queue 'q' in vhost 'test' refused for user 'in exclusive use'";
        assert_eq!(told(Operation::Consume("q"), 403, text).kind, Kind::NoRight);
        assert_eq!(told(Operation::Connect, 403, "ACCESS_REFUSED - something").kind, Kind::Other);
    }

    #[test]
    fn no_answer_is_passed_on_unprintable_or_whole() {
        let operations = [
            Operation::Connect,
            Operation::DeclareExchange("e"),
            Operation::DeclareQueue("q"),
            Operation::LookAtQueue("q"),
            Operation::Bind { queue: "q", exchange: "e" },
            Operation::Consume("q"),
            Operation::Publish { exchange: "" },
            Operation::Lock("q"),
            Operation::Delete("q"),
        ];
        let odd = format!("\x1b[2J\n\u{202e}\u{0}{}", "x".repeat(5000));
        for operation in operations {
            for code in [0, 403, 404, 405, 406, 501, 530, 541] {
                for text in [
                    odd.clone(),
                    format!("ACCESS_REFUSED - access to queue '{odd}' in vhost 'v' refused"),
                    format!("NOT_FOUND - no queue '{odd}' in vhost 'v'"),
                    format!(
                        "inequivalent arg '{odd}' for queue 'q': received '{odd}' but current is '{odd}'"
                    ),
                    "message size 1 is larger than configured max size 99999999999999999999999".to_owned(),
                ] {
                    let Refusal { kind, sentence } = told(operation, code, &text);
                    assert!(!sentence.is_empty() && sentence.chars().count() < 1500, "{sentence}");
                    assert!(!sentence.contains(['\x1b', '\n', '\u{202e}', '\0']), "{sentence:?}");
                    assert!(!sentence.contains(&"x".repeat(201)), "{sentence}");
                    assert!(!matches!(kind, Kind::TooLarge { .. }), "{text}");
                }
            }
        }
        assert_eq!(printable(&odd).chars().count(), 200);
        assert_eq!(printable("it's \"a\\b\""), "it's \"a\\b\"");
    }

    #[test]
    fn the_port_that_was_meant_is_named() {
        assert!(wrong_port(true).contains("amqp://") && wrong_port(true).contains("plain port"));
        assert!(wrong_port(false).contains("amqps://"));
    }
}
