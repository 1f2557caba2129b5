//! Headers of a message as Lambda writes them in JSON, turned into what they were. Pure.

use std::collections::BTreeMap;

use serde_json::Value;
use shared::clock::Timestamp;
use shared::transport::stored::LetterValue;

/// All headers of a message.
pub(crate) fn headers(all: BTreeMap<String, Value>) -> BTreeMap<String, LetterValue> {
    all.into_iter().map(|(name, value)| (name, header(value))).collect()
}

/// Which of AMQP's kinds of whole numbers one was, nobody says any more.
fn header(value: Value) -> LetterValue {
    match value {
        Value::Null => LetterValue::Nothing,
        Value::Bool(value) => LetterValue::Bool(value),
        Value::Number(number) => match number.as_i64() {
            Some(int) => LetterValue::Int64(int),
            None => LetterValue::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => LetterValue::text(text),
        Value::Array(items) => LetterValue::List(items.into_iter().map(header).collect()),
        Value::Object(members) => match members.get("bytes").filter(|_| members.len() == 1).and_then(bytes) {
            Some(bytes) => LetterValue::Text(bytes),
            None => {
                LetterValue::Table(members.into_iter().map(|(name, value)| (name, header(value))).collect())
            }
        },
    }
}

/// A text is the list of its bytes. Those from 128 on may be negative, for in Java they are.
fn bytes(list: &Value) -> Option<Vec<u8>> {
    let byte = |item: &Value| {
        let number = item.as_i64()?;
        u8::try_from(number).ok().or_else(|| i8::try_from(number).ok().map(i8::cast_unsigned))
    };
    list.as_array()?.iter().map(byte).collect()
}

/// The property `timestamp` in seconds, from Java's form of it: `Nov 25, 2026, 5:10:12 PM`, in UTC.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || ",:".contains(c)).filter(|word| !word.is_empty()).collect();
    let [month, numbers @ .., half] = &words[..] else { return None };
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    let numbers: Vec<u32> = numbers.iter().map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let [day, year, hour @ 1..=12, minute, second] = numbers[..] else { return None };
    let hour = hour % 12
        + match *half {
            "AM" => 0,
            "PM" => 12,
            _ => return None,
        };
    let time = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    u64::try_from(Timestamp::parse(&time)?.seconds()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_are_what_they_were() {
        for (json, wanted) in [
            (json!(null), LetterValue::Nothing),
            (json!(true), LetterValue::Bool(true)),
            (json!(1764079812564_i64), LetterValue::Int64(1_764_079_812_564)),
            (json!(0.5), LetterValue::Double(0.5)),
            (json!("v"), LetterValue::text("v")),
            (json!({ "bytes": [118] }), LetterValue::text("v")),
            (json!({ "bytes": [-61, 164] }), LetterValue::text("ä")),
            (json!([{ "bytes": [118] }]), LetterValue::List(vec![LetterValue::text("v")])),
            (
                json!({ "bytes": [300] }),
                LetterValue::Table(
                    [("bytes".to_owned(), LetterValue::List(vec![LetterValue::Int64(300)]))].into(),
                ),
            ),
            (json!({ "a": 1 }), LetterValue::Table([("a".to_owned(), LetterValue::Int64(1))].into())),
        ] {
            assert_eq!(header(json.clone()), wanted, "{json}");
        }
    }

    #[test]
    fn a_time_in_java_s_form_is_in_seconds() {
        for (text, wanted) in [
            ("Jan 1, 1970, 12:33:41 AM", Some(2021)),
            ("Nov 25, 2026, 5:10:12 PM", Some(1_795_626_612)),
            ("Nov 25, 2026, 5:10:12\u{202f}PM", Some(1_795_626_612)),
            ("Nov 25, 2026, 12:00:00 PM", Some(1_795_608_000)),
            ("2026-11-25T17:10:12Z", None),
            ("Nov 31, 2026, 5:10:12 PM", None),
            ("Nov 25, 2026, 13:10:12 PM", None),
            ("", None),
        ] {
            assert_eq!(seconds(text), wanted, "{text}");
        }
    }
}
