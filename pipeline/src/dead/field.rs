//! Headers as JSON and back, so that each goes back with the type that it had.
//!
//! What JSON has by itself stands for itself: `null`, `true`, a text, an array, an object; a whole number is AMQP's of 64 bits, and
//! one with a point its double. Anything else is an object with one key that begins with `$` and says what it is, such as
//! `{"$int32": 5}`; so is a table that would look like that.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use shared::printable::quoted;
use shared::transport::stored::LetterValue;

/// How deep headers may be nested, which is what AMQP's guard lets through.
const DEEPEST: usize = 31;
/// How many bytes headers may have, which is what AMQP's guard lets through.
pub(crate) const MOST_BYTES: usize = 64 * 1024;

/// All headers as a JSON object.
pub(crate) fn written(headers: &BTreeMap<String, LetterValue>) -> Map<String, Value> {
    headers.iter().map(|(name, field)| (name.clone(), value(field))).collect()
}

/// One header.
pub(crate) fn value(field: &LetterValue) -> Value {
    match field {
        LetterValue::Nothing => Value::Null,
        LetterValue::Bool(value) => json!(value),
        LetterValue::Int8(int) => json!({ "$int8": int }),
        LetterValue::UInt8(int) => json!({ "$uint8": int }),
        LetterValue::Int16(int) => json!({ "$int16": int }),
        LetterValue::UInt16(int) => json!({ "$uint16": int }),
        LetterValue::Int32(int) => json!({ "$int32": int }),
        LetterValue::UInt32(int) => json!({ "$uint32": int }),
        LetterValue::Int64(int) => json!(int),
        LetterValue::Float(number) if number.is_finite() => json!({ "$float": f64::from(*number) }),
        LetterValue::Float(number) => json!({ "$float_bits": number.to_bits() }),
        LetterValue::Double(number) if number.is_finite() => json!(number),
        LetterValue::Double(number) => json!({ "$double_bits": number.to_bits() }),
        LetterValue::Decimal { scale, value } => json!({ "$decimal": [scale, value] }),
        LetterValue::Timestamp(seconds) => json!({ "$timestamp": seconds }),
        LetterValue::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => json!(text),
            Err(_) => json!({ "$text": BASE64_STANDARD.encode(bytes) }),
        },
        LetterValue::Bytes(bytes) => json!({ "$bytes": BASE64_STANDARD.encode(bytes) }),
        LetterValue::List(items) => items.iter().map(value).collect(),
        LetterValue::Table(fields) => {
            let table = written(fields);
            if kind(&table).is_some() { json!({ "$table": table }) } else { Value::Object(table) }
        }
    }
}

/// The one key of an object that says what a value is.
fn kind(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (key, value) = object.iter().next()?;
    (object.len() == 1 && key.starts_with('$')).then_some((key.as_str(), value))
}

/// Headers that were written.
///
/// # Errors
/// Which header is none, or that together they are more than a message can have.
pub(crate) fn read(headers: Map<String, Value>) -> Result<BTreeMap<String, LetterValue>, String> {
    let read = table(headers, DEEPEST)?;
    let bytes = size_of_all(&read);
    if bytes > MOST_BYTES {
        return Err(format!("the headers have {bytes} bytes, more than {MOST_BYTES}"));
    }
    Ok(read)
}

fn table(fields: Map<String, Value>, deeper: usize) -> Result<BTreeMap<String, LetterValue>, String> {
    let entry = |(name, value): (String, Value)| {
        if name.len() > 255 {
            return Err(format!(
                "the header {} has a name of {} bytes, more than 255",
                quoted(&name),
                name.len()
            ));
        }
        let read = field(value, deeper).map_err(|why| format!("the header {}: {why}", quoted(&name)))?;
        Ok((name, read))
    };
    fields.into_iter().map(entry).collect()
}

fn field(json: Value, deeper: usize) -> Result<LetterValue, String> {
    let inside = || deeper.checked_sub(1).ok_or_else(|| format!("nested deeper than {DEEPEST} levels"));
    Ok(match json {
        Value::Null => LetterValue::Nothing,
        Value::Bool(value) => LetterValue::Bool(value),
        Value::String(text) => LetterValue::text(text),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => LetterValue::Int64(int),
            (None, Some(double)) if number.is_f64() => LetterValue::Double(double),
            _ => return Err(format!("{number} does not fit into 64 bits")),
        },
        Value::Array(items) => {
            let inside = inside()?;
            LetterValue::List(items.into_iter().map(|item| field(item, inside)).collect::<Result<_, _>>()?)
        }
        Value::Object(object) => match kind(&object) {
            Some((kind, value)) if kind != "$table" => typed(kind, value)?,
            Some((_, Value::Object(object))) => LetterValue::Table(table(object.clone(), inside()?)?),
            Some(_) => return Err("$table must be an object".to_owned()),
            None => LetterValue::Table(table(object, inside()?)?),
        },
    })
}

fn typed(kind: &str, value: &Value) -> Result<LetterValue, String> {
    fn int<T: TryFrom<i64>>(value: &Value) -> Option<T> {
        value.as_i64().and_then(|int| T::try_from(int).ok())
    }
    let bytes = || BASE64_STANDARD.decode(value.as_str()?).ok();
    let read = match kind {
        "$int8" => int(value).map(LetterValue::Int8),
        "$uint8" => int(value).map(LetterValue::UInt8),
        "$int16" => int(value).map(LetterValue::Int16),
        "$uint16" => int(value).map(LetterValue::UInt16),
        "$int32" => int(value).map(LetterValue::Int32),
        "$uint32" => int(value).map(LetterValue::UInt32),
        "$float" => value.as_f64().map(narrow),
        "$float_bits" => int(value).map(f32::from_bits).map(LetterValue::Float),
        "$double_bits" => value.as_u64().map(f64::from_bits).map(LetterValue::Double),
        "$decimal" => match value.as_array().map(Vec::as_slice) {
            Some([scale, value]) => {
                int(scale).zip(int(value)).map(|(scale, value)| LetterValue::Decimal { scale, value })
            }
            _ => None,
        },
        "$timestamp" => value.as_u64().map(LetterValue::Timestamp),
        "$text" => bytes().map(LetterValue::Text),
        "$bytes" => bytes().map(LetterValue::Bytes),
        other => return Err(format!("{} is no type of a header", quoted(other))),
    };
    read.ok_or_else(|| format!("{} is no value of the type {kind}", quoted(&value.to_string())))
}

#[expect(clippy::cast_possible_truncation, reason = "what was written was an f32")]
fn narrow(number: f64) -> LetterValue {
    LetterValue::Float(number as f32)
}

/// How many bytes headers take on the wire.
fn size_of_all(fields: &BTreeMap<String, LetterValue>) -> usize {
    fields.iter().map(|(name, field)| 1 + name.len() + size(field)).sum()
}

fn size(field: &LetterValue) -> usize {
    1 + match field {
        LetterValue::Nothing => 0,
        LetterValue::Bool(_) | LetterValue::Int8(_) | LetterValue::UInt8(_) => 1,
        LetterValue::Int16(_) | LetterValue::UInt16(_) => 2,
        LetterValue::Int32(_) | LetterValue::UInt32(_) | LetterValue::Float(_) => 4,
        LetterValue::Decimal { .. } => 5,
        LetterValue::Int64(_) | LetterValue::Double(_) | LetterValue::Timestamp(_) => 8,
        LetterValue::Text(bytes) | LetterValue::Bytes(bytes) => 4 + bytes.len(),
        LetterValue::List(items) => 4 + items.iter().map(size).sum::<usize>(),
        LetterValue::Table(fields) => 4 + size_of_all(fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_ways(field: &LetterValue) -> LetterValue {
        let headers = written(&[("h".to_owned(), field.clone())].into());
        let text = Value::Object(headers).to_string();
        read(serde_json::from_str(&text).unwrap()).unwrap().remove("h").unwrap()
    }

    #[test]
    fn each_type_of_header_comes_back() {
        let table = |key: &str| LetterValue::Table([(key.to_owned(), LetterValue::text("x"))].into());
        for field in [
            LetterValue::Nothing,
            LetterValue::Bool(false),
            LetterValue::Int8(i8::MIN),
            LetterValue::UInt8(u8::MAX),
            LetterValue::Int16(i16::MIN),
            LetterValue::UInt16(u16::MAX),
            LetterValue::Int32(i32::MIN),
            LetterValue::UInt32(u32::MAX),
            LetterValue::Int64(i64::MIN),
            LetterValue::Int64(i64::MAX),
            LetterValue::Float(0.1),
            LetterValue::Float(f32::INFINITY),
            LetterValue::Double(1.0),
            LetterValue::Double(0.1 + 0.2),
            LetterValue::Double(f64::NEG_INFINITY),
            LetterValue::Decimal { scale: 255, value: u32::MAX },
            LetterValue::Timestamp(u64::MAX),
            LetterValue::text(""),
            LetterValue::text("Größe\u{1b}"),
            LetterValue::Text(vec![0xff]),
            LetterValue::Bytes(vec![0, 255]),
            LetterValue::List(vec![LetterValue::Nothing, table("a")]),
            table("a"),
            table("$int8"),
            table("$table"),
        ] {
            assert_eq!(both_ways(&field), field);
        }
        // Where two NaN are not equal, their bits are.
        let LetterValue::Double(nan) = both_ways(&LetterValue::Double(f64::NAN)) else { panic!() };
        assert_eq!(nan.to_bits(), f64::NAN.to_bits());
        // A table of two keys is no type.
        let two = json!({"h": {"$int8": 1, "$b": 2}});
        assert!(matches!(&read(two.as_object().unwrap().clone()).unwrap()["h"], LetterValue::Table(_)));
    }

    #[test]
    fn what_is_no_header_is_named() {
        let mut deep = json!([]);
        for _ in 0..DEEPEST {
            deep = json!([deep]);
        }
        for (json, why) in [
            (json!({"$int8": 128}), "\"128\" is no value of the type $int8"),
            (json!({"$int8": "1"}), "is no value of the type $int8"),
            (json!({"$bytes": "***"}), "is no value of the type $bytes"),
            (json!({"$decimal": [1]}), "\"[1]\" is no value of the type $decimal"),
            (json!({"$what": 1}), "\"$what\" is no type of a header"),
            (json!({"$table": 1}), "$table must be an object"),
            (json!(u64::MAX), "18446744073709551615 does not fit into 64 bits"),
            (deep, "nested deeper than 31 levels"),
            (json!("x".repeat(MOST_BYTES)), "the headers have 65543 bytes, more than 65536"),
        ] {
            let read = read(json!({"h": json}).as_object().unwrap().clone());
            let said = read.unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        let named = json!({"x".repeat(256): 1});
        assert!(read(named.as_object().unwrap().clone()).unwrap_err().contains("256 bytes, more than 255"));
    }
}
