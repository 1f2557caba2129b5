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
    if answer.code == 403
        && let Some(denied) = Denied::read(text)
    {
        return refusal(Kind::NoRight, no_right(operation, &denied, who));
    }
    match (answer.code, operation) {
        (403, _) if text.contains("Login was refused") => {
            let guest = if *user == "guest" {
                ". The user guest may only connect from the broker's own machine: make another user".to_owned()
            } else {
                format!(
                    ". An administrator checks them with rabbitmqctl authenticate_user {}",
                    quoted(user)
                )
            };
            refusal(Kind::WrongPassword, format!("the user {user:?} or its password is wrong{guest}"))
        }
        (530, _) if words(text).starts_with("vhost ") && text.ends_with(" not found") => refusal(
            Kind::NoVhost,
            format!(
                "there is no vhost {vhost:?}: an administrator makes it with rabbitmqctl add_vhost {}, or name another \
                 one at the end of the address",
                quoted(vhost)
            ),
        ),
        (530, _) if words(text).starts_with("access to vhost ") => refusal(
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
            refusal(Kind::Locked, format!("{} belongs to another connection alone", subject(operation)))
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
                format!("{} is a stream, which hands out its messages again and again; wanted is a queue", subject(operation)),
            ),
            Some(difference) => refusal(
                Kind::Differs { argument: printable(difference.argument) },
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

/// What the broker says about a right that is missing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Denied<'a> {
    /// RabbitMQ 4 says it; 3.10 does not.
    right: Option<&'static str>,
    /// `queue` or `exchange`, and its name.
    on: Option<(&'static str, &'a str)>,
}

impl<'a> Denied<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let words = words(text);
        let rights = ["configure", "write", "read"];
        let right = rights.into_iter().find(|right| words.starts_with(&format!("{right} access to ")));
        let words = right.map_or(words, |right| &words[right.len() + 1..]);
        Some(Self { right, on: Some(thing(words, "access to ")?) })
    }
}

/// What stands behind the code's name, as `ACCESS_REFUSED - `.
fn words(text: &str) -> &str {
    text.split_once(" - ").filter(|(code, _)| !code.contains(' ')).map_or(text, |(_, words)| words)
}

/// The queue or exchange in `... access to queue 'q' ...`: what follows `before`.
fn thing<'a>(text: &'a str, before: &str) -> Option<(&'static str, &'a str)> {
    let words = words(text).strip_prefix(before)?;
    let kind = ["queue", "exchange"].into_iter().find(|kind| words.starts_with(kind))?;
    let name = words[kind.len()..].strip_prefix(" '")?;
    Some((kind, name.split_once("' in vhost").or_else(|| name.split_once('\''))?.0))
}

/// Which right is missing, and how it is given. What the broker does not say comes from what was asked.
fn no_right(operation: &Operation<'_>, denied: &Denied<'_>, who: &Who<'_>) -> String {
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
        "the user {user:?} has no {right} right on the {kind} {name}{more} in the vhost {vhost:?}: an administrator gives it \
         with rabbitmqctl set_permissions -p {vhost_word} {user_word} CONFIGURE WRITE READ, where {wanted} matches {name} \
         too and the rest stays as rabbitmqctl list_permissions -p {vhost_word} shows it (pipeline topology --rights prints \
         the whole line)"
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
    let text = text.trim();
    let typed = text.strip_prefix("the value '").and_then(|rest| rest.rsplit_once("' of type '"));
    let plain = || text.strip_prefix('\'')?.strip_suffix('\'');
    typed.map(|(value, _)| value).or_else(plain).unwrap_or(text).to_owned()
}

/// What it costs that a queue exists otherwise than we would have made it, from the broker's words.
pub(super) fn cost_of_difference(text: &str) -> Option<String> {
    let difference = Difference::read(text)?;
    let cost = match (difference.argument, difference.found.as_str()) {
        ("x-dead-letter-exchange", "none") => {
            "what the broker itself drops there (a length limit, a delivery limit, an expiry) is gone instead of among the \
             dead letters"
        }
        ("x-dead-letter-exchange" | "x-dead-letter-routing-key", _) => {
            "what the broker itself drops there (a length limit, a delivery limit, an expiry) goes another way than to our \
             dead letters"
        }
        ("x-dead-letter-strategy", _) => "a crash of the broker may lose what it moves to the dead letters",
        ("durable", "false") => "it is gone with all its messages when the broker restarts",
        ("durable", _) => "it outlives a restart of the broker, which was not asked for",
        ("auto_delete", "true") => "it is gone with all its messages when its last consumer leaves",
        ("auto_delete", _) => "it stays when its last consumer leaves, which was not asked for",
        ("x-overflow", "reject-publish" | "reject-publish-dlx") => {
            "when it is full, the broker refuses what is published, which was not asked for"
        }
        ("x-overflow", _) => {
            "no back-pressure: when it is full, the broker drops the oldest messages instead of making publishers wait"
        }
        ("x-queue-type", "quorum") => "it is replicated and safe on disk, which was not asked for",
        ("x-queue-type", _) => "its messages outlive a restart of the broker at the most, not a power cut",
        ("x-delivery-limit", _) => {
            "the broker may drop good messages of a consumer that crashes again and again"
        }
        ("x-max-length" | "x-max-length-bytes", "none") => "it is never full and can fill the broker's disk",
        ("x-max-length" | "x-max-length-bytes", _) => "it is full at another length",
        ("x-message-ttl" | "x-expires", "none") => "what waits there waits for ever",
        ("x-message-ttl", _) => "the broker drops what waits there too long",
        ("x-expires", _) => "the broker deletes it with all its messages when nobody uses it for that long",
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

/// A word for a shell. A control character, which no shell takes from a line, becomes a `?`.
pub(super) fn quoted(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        return word.to_owned();
    }
    let word: String = word.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Text of the broker's as it may stand in a line of the log: 200 characters at most.
fn printable(text: &str) -> String {
    let mut shown = String::new();
    let mut room: usize = 200;
    for c in text.chars() {
        let escaped =
            if matches!(c, '\'' | '"' | '\\') { c.to_string() } else { c.escape_debug().to_string() };
        let Some(left) = room.checked_sub(escaped.chars().count()) else { break };
        room = left;
        shown.push_str(&escaped);
    }
    shown
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
                "its x-dead-letter-exchange is x, not none; what the broker itself drops there (a length limit, a delivery limit, an \
                 expiry) goes another way",
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
            ("x-dead-letter-exchange", "none", "is gone instead of among the dead letters"),
            ("x-dead-letter-exchange", "other", "goes another way"),
            ("durable", "false", "gone with all its messages when the broker restarts"),
            ("auto_delete", "true", "gone with all its messages when its last consumer leaves"),
            ("auto_delete", "false", "it stays"),
            ("x-overflow", "none", "no back-pressure"),
            ("x-overflow", "drop-head", "no back-pressure"),
            ("x-overflow", "reject-publish", "refuses what is published"),
            ("x-queue-type", "classic", "not a power cut"),
            ("x-delivery-limit", "20", "good messages"),
            ("x-max-length", "none", "never full"),
            ("x-max-length", "5", "another length"),
            ("x-message-ttl", "5", "drops what waits"),
            ("x-message-ttl", "none", "for ever"),
            ("x-expires", "5", "deletes it"),
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

    #[test]
    fn a_word_for_a_shell_is_one_word() {
        for (word, wanted) in [
            ("/", "/"),
            ("a b", "'a b'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
            (r"a\b", r"'a\b'"),
            ("a\nb", "'a?b'"),
        ] {
            assert_eq!(quoted(word), wanted);
        }
    }
}
