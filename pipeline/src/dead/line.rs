//! A letter as a line of NDJSON, out and in again: what `export` and `show --json` write, and `import` reads.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use shared::message::MAX_BODY;
use shared::printable::{piece, printable, quoted};
use shared::transport::stored::{LetterProperties, StoredLetter};

use super::again::{cut, put};
use super::facts::Facts;
use super::field;
use super::queue::DeadQueue;

/// The longest line that is read. A body of 1 MiB, all of it escaped, has 6 MiB.
pub(crate) const LONGEST: usize = 8 * 1024 * 1024;

/// A letter as one line, without its end.
pub(crate) fn written(letter: &StoredLetter, facts: &Facts, queue: &DeadQueue) -> String {
    let mut line = Map::new();
    let mut add = |name: &str, value: Value| {
        if !value.is_null() {
            line.insert(name.to_owned(), value);
        }
    };
    add("queue", json!(queue.name.as_str()));
    match facts.ids.as_slice() {
        [] => {}
        [id] => add("id", json!(id)),
        ids => add("ids", json!(ids)),
    }
    add("reason", json!(facts.reason));
    add("detail", json!(facts.detail));
    add("service", json!(facts.service));
    add("attempts", json!(facts.attempts));
    add("time", json!(facts.at.map(|at| at.to_string())));
    add("not_whole", json!(cut(letter).map(|why| printable(&why))));
    add("properties", json!(letter.properties));
    let mut headers = field::written(&letter.headers);
    headers.remove("x-delivery-count");
    add("headers", Value::Object(headers));
    match std::str::from_utf8(&letter.body) {
        Ok(text) => add("body", json!(text)),
        Err(_) => add("body_base64", json!(BASE64_STANDARD.encode(&letter.body))),
    }
    ascii(&Value::Object(line))
}

/// JSON in which nothing moves a cursor, whatever it is shown on.
pub(crate) fn ascii(json: &Value) -> String {
    let text = json.to_string();
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && !c.is_ascii_control() {
            shown.push(c);
        } else {
            // Outside of texts, JSON has neither.
            shown.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    shown
}

/// What a line must have, and what it may have for people.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    queue: Option<String>,
    #[serde(default)]
    properties: LetterProperties,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<String>,
    body_base64: Option<String>,
    not_whole: Option<String>,
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "ids")]
    _ids: Option<IgnoredAny>,
    #[serde(rename = "reason")]
    _reason: Option<IgnoredAny>,
    #[serde(rename = "detail")]
    _detail: Option<IgnoredAny>,
    #[serde(rename = "service")]
    _service: Option<IgnoredAny>,
    #[serde(rename = "attempts")]
    _attempts: Option<IgnoredAny>,
    #[serde(rename = "time")]
    _time: Option<IgnoredAny>,
}

/// A line as a letter that can be published, and the queue that it names.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read(line: &str) -> Result<(Option<String>, StoredLetter), String> {
    let line: Line = serde_json::from_str(line).map_err(|why| printable(&why.to_string()))?;
    if let Some(why) = line.not_whole {
        return Err(format!("it is not the whole letter: {}", printable(&why)));
    }
    let body = match (line.body, line.body_base64) {
        (Some(body), None) => body.into_bytes(),
        (None, Some(body)) => {
            BASE64_STANDARD.decode(body).map_err(|why| format!("body_base64 is no base64: {why}"))?
        }
        (None, None) => return Err("it has no body: expected body or body_base64".to_owned()),
        (Some(_), Some(_)) => return Err("it has both body and body_base64; expected one".to_owned()),
    };
    if body.len() > MAX_BODY {
        return Err(format!("its body has {} bytes, more than {MAX_BODY}", body.len()));
    }
    for text in texts(&line.properties).into_iter().flatten() {
        if text.len() > 255 {
            let (text, bytes) = (quoted(text), text.len());
            return Err(format!("the property {text} has {bytes} bytes, more than 255"));
        }
    }
    let letter = StoredLetter {
        properties: line.properties,
        headers: field::read(line.headers)?,
        body,
        ..StoredLetter::default()
    };
    Ok((line.queue, put(&letter)))
}

/// The queue of dead letters that a line is for.
///
/// # Errors
/// It names none, or what is none of dead letters: nothing is put among what is still to be read.
pub(crate) fn named(
    queue: Option<&str>,
    read: impl Fn(&str) -> Result<DeadQueue, String>,
) -> Result<DeadQueue, String> {
    let name = queue.ok_or("it names no queue; give one with --to QUEUE")?;
    let queue = read(name).map_err(|why| format!("its queue: {why}"))?;
    if queue.name.as_str() == name {
        Ok(queue)
    } else {
        Err(format!("its queue {} is none of dead letters; is it {}?", piece(name), queue.name))
    }
}

fn texts(properties: &LetterProperties) -> [Option<&String>; 10] {
    let LetterProperties {
        content_type,
        content_encoding,
        correlation_id,
        reply_to,
        expiration,
        message_id,
        kind,
        user_id,
        app_id,
        cluster_id,
        ..
    } = properties;
    [
        content_type,
        content_encoding,
        correlation_id,
        reply_to,
        expiration,
        message_id,
        kind,
        user_id,
        app_id,
        cluster_id,
    ]
    .map(Option::as_ref)
}

#[cfg(test)]
mod tests {
    use shared::message::Role;
    use shared::transport::Queues;
    use shared::transport::stored::LetterValue;

    use super::*;
    use crate::dead::facts::REASON;
    use crate::dead::facts::tests::letter;

    fn queue(name: &str) -> Result<DeadQueue, String> {
        DeadQueue::parse(name, &Queues::default())
    }

    fn line(letter: &StoredLetter) -> String {
        written(letter, &Facts::of(letter, Role::Features), &queue("Features").unwrap())
    }

    #[test]
    fn a_letter_comes_back_from_its_line() {
        let headers = [(REASON, LetterValue::text("not_json")), ("n", LetterValue::Int32(5))];
        for body in [&b"[0.1, 2"[..], b"\x1b[2J \xc3\xa9 \xc2\x9b \xf0\x9f\x98\x80", &[0xff, 0x00], b""] {
            let mut one = letter("", &headers);
            one.body = body.to_vec();
            one.properties.message_id = Some("order:17".to_owned());
            one.properties.priority = Some(3);
            one.properties.delivery_mode = Some(2);
            let written = line(&one);
            assert!(written.is_ascii() && !written.contains(|c: char| c.is_ascii_control()), "{written}");
            let (name, read) = read(&written).unwrap();
            assert_eq!(name.as_deref(), Some("Features.dead"));
            assert_eq!(read, StoredLetter { routing_key: String::new(), ..one });
        }
    }

    #[test]
    fn a_line_has_what_a_person_looks_for_first() {
        let mut one = letter("[1]", &[(REASON, LetterValue::text("not_json"))]);
        one.headers.insert("x-delivery-count".to_owned(), LetterValue::Int64(3));
        let want = json!({"queue": "Features.dead", "reason": "not_json", "properties": {},
            "headers": {"x-reason": "not_json"}, "body": "[1]"});
        assert_eq!(serde_json::from_str::<Value>(&line(&one)).unwrap(), want);
        one.headers.insert("x-shortened".to_owned(), LetterValue::text("the first 3 of 9 bytes"));
        let written = line(&one);
        assert!(written.contains(r#""not_whole":"it is shortened: the first 3 of 9 bytes""#), "{written}");
        assert!(read(&written).unwrap_err().starts_with("it is not the whole letter: "));
    }

    #[test]
    fn a_bad_line_is_told() {
        for (line, why) in [
            ("", "EOF while parsing"),
            ("{not json", "key must be a string"),
            (r#"{"body": "1", "bdy": "2"}"#, "unknown field `bdy`"),
            (r#"{"body": "1", "properties": {"messageid": "2"}}"#, "unknown field `messageid`"),
            (r#"{"queue": "Features.dead"}"#, "it has no body: expected body or body_base64"),
            (r#"{"body": "1", "body_base64": "MQ=="}"#, "it has both body and body_base64"),
            (r#"{"body_base64": "***"}"#, "body_base64 is no base64"),
            (r#"{"body": "1", "headers": {"a": {"$what": 1}}}"#, "the header \"a\": \"$what\" is no type"),
            (r#"{"body": 1}"#, "expected a string"),
            (&json!({"body": "x".repeat(MAX_BODY + 1)}).to_string(), "its body has 1048577 bytes"),
            (&json!({"body": "", "properties": {"app_id": "x".repeat(256)}}).to_string(), "has 256 bytes"),
        ] {
            let said = read(line).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn a_letter_goes_among_dead_letters_only() {
        assert_eq!(named(Some("y_true.dead"), queue).unwrap().name.as_str(), "y_true.dead");
        for (name, why) in [
            (None, "it names no queue; give one with --to QUEUE"),
            (Some("y_true"), "its queue y_true is none of dead letters; is it y_true.dead?"),
            (Some("a b.dead"), "its queue: \"a b\" has the character ' '"),
        ] {
            assert!(named(name, queue).unwrap_err().starts_with(why), "{name:?}");
        }
    }
}
