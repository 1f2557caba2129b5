//! What a refusal by the broker means, as a sentence with the way out: pure.

use std::fmt;

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
        "what answers there does not speak TLS: is it the plain port? That is amqp://, usually port 5672"
    } else {
        "what answers there speaks TLS: is it the encrypted port? That is amqps://, usually port 5671"
    }
}

/// Reads an answer.
pub(super) fn read(operation: &Operation<'_>, answer: &Answer<'_>, who: &Who<'_>) -> Refusal {
    let Who { user, vhost } = who;
    let text = answer.text;
    let refusal = |kind, sentence: String| Refusal { kind, sentence };
    match (answer.code, operation) {
        (403, _) if text.contains("Login was refused") => {
            let guest = if *user == "guest" {
                ". The user guest may only connect from the broker's own machine: make another user"
            } else {
                ". Check them with rabbitmqctl authenticate_user"
            };
            refusal(Kind::WrongPassword, format!("the user {user:?} or its password is wrong{guest}"))
        }
        (530, _) if text.contains("not found") => refusal(
            Kind::NoVhost,
            format!(
                "there is no vhost {vhost:?}: an administrator makes it with rabbitmqctl add_vhost {}, or name another \
                 one at the end of the address",
                quoted(vhost)
            ),
        ),
        (530, _) if text.contains("refused for user") => refusal(
            Kind::NoAccessToVhost,
            format!(
                "the user {user:?} has no rights in the vhost {vhost:?}: an administrator gives them with rabbitmqctl \
                 set_permissions -p {} {} CONFIGURE WRITE READ (pipeline topology --rights prints the whole line)",
                quoted(vhost),
                quoted(user)
            ),
        ),
        (403, _) if text.contains("exclusive use") => {
            refusal(Kind::InUse, format!("another consumer has {} for itself", subject(operation)))
        }
        (403, _) if text.contains("reserved prefix") => refusal(
            Kind::ReservedName,
            format!("RabbitMQ keeps names that begin with amq. to itself, such as {}: choose another", subject(operation)),
        ),
        (403, _) => refusal(Kind::NoRight, no_right(operation, text, who)),
        (404, _) => refusal(Kind::Missing, format!("there is no {} in the vhost {vhost:?}", subject(operation))),
        (405, _) => {
            refusal(Kind::Locked, format!("{} belongs to another connection alone", subject(operation)))
        }
        (406, _) if text.contains("larger than configured max size") => {
            let max = number_after(text, "configured max size ").unwrap_or(0);
            refusal(
                Kind::TooLarge { max },
                format!("it is larger than the broker's limit of {max} bytes (max_message_size)"),
            )
        }
        (406, _) => match Difference::read(text) {
            Some(difference) if difference.shows_a_stream() => refusal(
                Kind::Stream,
                format!("{} is a stream, which hands out its messages again and again; wanted is a queue", subject(operation)),
            ),
            Some(difference) => refusal(
                Kind::Differs { argument: difference.argument.to_owned() },
                format!("{} exists otherwise: {difference}", subject(operation)),
            ),
            None => refusal(Kind::Other, printable(text)),
        },
        (541, _) if text.contains("transient_nonexcl_queues") => refusal(
            Kind::TransientRefused,
            "this RabbitMQ makes no transient queues, as from 4.3 on. Start with --queue-kind quorum, or permit them there: \
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

/// Which right is missing. RabbitMQ 4 says it; 3.10 says only where, so that it comes from what was asked.
fn no_right(operation: &Operation<'_>, text: &str, who: &Who<'_>) -> String {
    let Who { user, vhost } = who;
    let said =
        ["configure", "write", "read"].into_iter().find(|right| text.contains(&format!("{right} access to")));
    let named = |what: &str| {
        text.contains(&format!("{what} '")).then(|| between(text, &format!("{what} '"), "'")).flatten()
    };
    let (right, on) = match operation {
        Operation::Connect => return printable(text),
        Operation::Publish { exchange } => {
            let exchange = if exchange.is_empty() { "amq.default" } else { exchange };
            ("write", format!("the exchange {exchange}"))
        }
        Operation::Consume(queue) | Operation::LookAtQueue(queue) => ("read", format!("the queue {queue}")),
        Operation::DeclareExchange(name) => ("configure", format!("the exchange {name}")),
        Operation::Lock(queue) => ("configure", format!("the queue {queue}")),
        Operation::Delete(name) => ("configure", name.to_string()),
        // These need rights on more than one thing.
        Operation::DeclareQueue(queue) => match named("exchange") {
            Some(exchange) => ("write", format!("the exchange {exchange}, where its dead letters go")),
            None => ("configure", format!("the queue {queue}")),
        },
        Operation::Bind { queue, exchange } => {
            if named("exchange").is_some() {
                ("read", format!("the exchange {exchange}"))
            } else {
                ("write", format!("the queue {queue}"))
            }
        }
    };
    let right = said.unwrap_or(right);
    format!(
        "the user {user:?} has no {right} right on {on} in the vhost {vhost:?}: an administrator widens what `rabbitmqctl \
         list_permissions -p {}` shows with rabbitmqctl set_permissions (pipeline topology --rights prints the whole line)",
        quoted(vhost)
    )
}

/// The broker's words about a queue or exchange that exists with other arguments.
struct Difference<'a> {
    argument: &'a str,
    wanted: String,
    found: String,
}

impl<'a> Difference<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let argument = between(text, "inequivalent arg '", "'")?;
        let (wanted, found) = text.split_once("received ")?.1.split_once(" but current is ")?;
        Some(Self { argument, wanted: value(wanted), found: value(found) })
    }

    fn shows_a_stream(&self) -> bool {
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
    between(text, "'", "'").unwrap_or_else(|| text.trim()).to_owned()
}

/// What it costs that a queue exists otherwise than we would have made it, from the broker's words.
pub(super) fn cost_of_difference(text: &str) -> Option<String> {
    let difference = Difference::read(text)?;
    let cost = match difference.argument {
        "x-dead-letter-exchange" | "x-dead-letter-routing-key" => {
            "what the broker itself drops there (a limit, an expiry) is gone instead of among the dead letters"
        }
        "x-dead-letter-strategy" => "a crash of the broker may lose what it moves to the dead letters",
        "durable" if difference.found == "false" => {
            "it is gone with all its messages when the broker restarts"
        }
        "durable" => "it outlives a restart of the broker, which was not asked for",
        "auto_delete" => "it is gone with all its messages when its last consumer leaves",
        "x-overflow" => "when it is full, the broker drops messages instead of making publishers wait",
        "x-queue-type" if difference.found == "quorum" => {
            "it is replicated and safe on disk, which was not asked for"
        }
        "x-queue-type" => "its messages outlive a restart of the broker at the most, not a power cut",
        "x-delivery-limit" => "the broker may drop good messages of a consumer that crashes again and again",
        "x-max-length" | "x-max-length-bytes" => "it is full at another length",
        "x-message-ttl" | "x-expires" => "the broker drops what waits there too long",
        _ => "it may behave otherwise",
    };
    Some(format!("{difference}; {cost}"))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(found, _)| found)
}

fn number_after(text: &str, start: &str) -> Option<u64> {
    let digits = text.split_once(start)?.1;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        return word.to_owned();
    }
    format!("'{}'", printable(word).replace('\'', r"'\''"))
}

/// Text of the broker's as it may stand in a line of the log.
fn printable(text: &str) -> String {
    text.chars()
        .take(200)
        .flat_map(char::escape_debug)
        .collect::<String>()
        .replace("\\'", "'")
        .replace("\\\"", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: Who<'_> = Who { user: "metric", vhost: "test" };

    fn told(operation: Operation<'_>, code: u16, text: &str) -> Refusal {
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
                "queue q.metric belongs to another connection alone",
            ),
            (
                Operation::Consume("q"),
                403,
                "ACCESS_REFUSED - queue 'q' in vhost 'test' in exclusive use",
                Kind::InUse,
                "another consumer has queue q for itself",
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
                format!("ACCESS_REFUSED - {queue}"),
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
        }
    }

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
                "its durable is false, not true; it is gone with all its messages when the broker restarts",
            ),
            (
                text("x-queue-type", "the value 'quorum' of type 'longstr'", "none"),
                "its x-queue-type is none, not quorum; its messages outlive a restart of the broker at the most",
            ),
            (
                text("x-dead-letter-exchange", "none", "the value 'x' of type 'longstr'"),
                "its x-dead-letter-exchange is x, not none; what the broker itself drops",
            ),
            (
                text("x-message-ttl", "none", "the value '5' of type 'signedint'"),
                "the broker drops what waits",
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
    fn a_word_for_a_shell_is_one_word() {
        for (word, wanted) in [("/", "/"), ("a b", "'a b'"), ("", "''"), ("it's", r"'it'\''s'")] {
            assert_eq!(quoted(word), wanted);
        }
    }
}
