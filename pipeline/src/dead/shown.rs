//! A letter as a person reads it.

use shared::printable::{piece, printable, within};
use shared::transport::stored::{LetterValue, StoredLetter};

use super::again::cut;
use super::facts::{DETAIL, Facts, REASON, SERVICE};
use super::field;
use super::line::ascii;

/// How much of a body that is text is shown, in characters.
const TEXT: usize = 2000;
/// How much of another body is shown, in bytes.
const BYTES: usize = 64;
/// How much of a header is shown, in characters.
const HEADER: usize = 400;

/// All lines about a letter.
pub(crate) fn shown(letter: &StoredLetter, facts: &Facts) -> String {
    let id = match facts.ids.as_slice() {
        [] => "without an id".to_owned(),
        [id] => piece(id),
        [id, rest @ ..] => format!("{} and {} other ids", piece(id), rest.len()),
    };
    let mut text = format!("{id}: {}", piece(&facts.reason));
    if let Some(detail) = &facts.detail {
        text += &format!(": {}", printable(detail));
    }
    text.push('\n');
    let mut about = Vec::new();
    about.extend(facts.service.as_ref().map(|service| format!("from {}", piece(service))));
    about.extend(facts.attempts.map(|attempts| format!("attempt {attempts}")));
    about.extend(facts.at.map(|at| at.to_string()));
    about.extend((facts.requeued > 0).then(|| format!("requeued {} times before", facts.requeued)));
    if !about.is_empty() {
        text += &format!("  {}\n", about.join(", "));
    }
    if let Some(why) = cut(letter) {
        text += &format!("  cannot be requeued: {}\n", printable(&why));
    }
    if let serde_json::Value::Object(properties) = serde_json::json!(letter.properties) {
        for (name, value) in properties {
            text += &format!("  {name}: {}\n", header(&value));
        }
    }
    let said = |name: &&String| ![REASON, DETAIL, SERVICE, "x-delivery-count"].contains(&name.as_str());
    for name in letter.headers.keys().filter(said) {
        let value = match &letter.headers[name] {
            LetterValue::Bytes(bytes) => hex(bytes),
            other => header(&field::value(other)),
        };
        text += &format!("  header {}: {value}\n", piece(name));
    }
    text + &body(&letter.body)
}

fn header(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => within(text, HEADER),
        other => within(&ascii(other), HEADER),
    }
}

fn body(body: &[u8]) -> String {
    let bytes = body.len();
    match std::str::from_utf8(body) {
        Ok("") => "  no body\n".to_owned(),
        Ok(text) => format!("  body, {bytes} bytes: {}\n", within(text, TEXT)),
        Err(_) => format!("  body, {bytes} bytes that are no text: {}\n", hex(body)),
    }
}

/// The first bytes.
fn hex(bytes: &[u8]) -> String {
    let mut shown: String = bytes.iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > BYTES {
        shown += "...";
    }
    shown
}

#[cfg(test)]
mod tests {
    use shared::message::Role;

    use super::*;
    use crate::dead::facts::tests::letter;

    #[test]
    fn a_letter_is_shown_with_all_that_is_in_it() {
        let mut one = letter(
            r#"{"id": "order:17", "x": [1]}"#,
            &[
                (REASON, LetterValue::text("wrong_length")),
                (DETAIL, LetterValue::text("1 features, the model expects 10")),
                (SERVICE, LetterValue::text("model")),
                ("x-attempts", LetterValue::Int64(2)),
                ("x-requeued", LetterValue::Int64(1)),
                ("x-delivery-count", LetterValue::Int64(9)),
                ("features", LetterValue::Bytes(vec![0xab; 65])),
                ("list\u{1b}", LetterValue::List(vec![LetterValue::text("\u{9b}"), LetterValue::Int32(5)])),
            ],
        );
        one.properties.message_id = Some("m\n".to_owned());
        one.properties.timestamp = Some(0);
        let want = format!(
            "order:17: wrong_length: 1 features, the model expects 10\n  from model, attempt 2, 1970-01-01T00:00:00.000Z, requeued 1 \
             times before\n  message_id: m\\n\n  timestamp: 0\n  header features: {}...\n  header list\\u{{1b}}: \
             [\"\\u009b\",{{\"$int32\":5}}]\n  header x-attempts: 2\n  header x-requeued: 1\n  body, 28 bytes: \
             {{\"id\": \"order:17\", \"x\": [1]}}\n",
            "ab".repeat(64)
        );
        assert_eq!(shown(&one, &Facts::of(&one, Role::Features)), want);
    }

    #[test]
    fn no_letter_harms_the_terminal_it_is_shown_on() {
        for body in ["\u{1b}[2J\u{9b}\u{202e}\r", "\u{1b}".repeat(100_000).as_str()] {
            let one = letter(body, &[(REASON, LetterValue::text(body)), (DETAIL, LetterValue::text(body))]);
            let text = shown(&one, &Facts::of(&one, Role::Features));
            assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\r']), "{text:?}");
            assert!(text.len() < 20_000, "{}", text.len());
        }
        let mut bytes = letter("", &[]);
        bytes.body = vec![0xff; 100];
        let text = shown(&bytes, &Facts::of(&bytes, Role::Features));
        let want =
            format!("without an id: foreign\n  body, 100 bytes that are no text: {}...\n", "ff".repeat(64));
        assert_eq!(text, want);
        assert!(shown(&letter("", &[]), &Facts::of(&letter("", &[]), Role::Label)).ends_with("  no body\n"));
    }
}
