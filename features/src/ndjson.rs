//! Rows and labels as JSON, an object a line: features by name, the id and the label under names of their own.
//!
//! [`entry()`] is pure: a line's text to what it says. [`Lines`] reads lines as they arrive.

use std::fmt;
use std::io::{BufRead, Read as _};

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use shared::message::{Cell, Features, MAX_BODY, RowId};
use shared::printable::quoted;

use crate::entry::{self, Entry, Fault, Numbered};

/// The longest line that is read, in bytes: no message is longer either.
const LONGEST: usize = MAX_BODY;

/// Which keys of an object are what. All others are features.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// The row's id.
    pub id: Option<String>,
    /// The label.
    pub target: String,
    /// Keys that are left out.
    pub drop: Vec<String>,
    /// Whether features are wanted.
    pub features: bool,
    /// Whether labels are wanted.
    pub labels: bool,
}

/// What a line says. Without a label where it has none.
///
/// # Errors
/// What is wrong with it.
pub fn entry(line: &[u8], keys: &Keys) -> Result<Entry, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    if !text.trim_start().starts_with('{') {
        return Err(format!(
            "{} is not a JSON object such as {{\"area\": 50, \"price\": 200}}",
            quoted(text)
        ));
    }
    let object = serde_json::Deserializer::from_str(text);
    let values = Object::read(object).map_err(|why| format!("it is not JSON: {}", place(&why)))?;
    let mut entry = Entry::default();
    let mut cells = Vec::new();
    for (at, (key, value)) in values.iter().enumerate() {
        if values[..at].iter().any(|(other, _)| other == key) {
            return Err(format!("it has {} twice", quoted(key)));
        }
        let named = |why: String| format!("{}: {why}", quoted(key));
        if keys.id.as_deref() == Some(key) {
            entry.id = Some(id(value).map_err(named)?);
        } else if **key == *keys.target {
            if keys.labels {
                entry.label = label(value).map_err(named)?;
            }
        } else if keys.features && !keys.drop.iter().any(|other| **other == **key) {
            cells.push((key.clone(), cell(value).map_err(named)?));
        }
    }
    if let Some(key) = &keys.id
        && entry.id.is_none()
    {
        return Err(format!("it has no {}, which --id names", quoted(key)));
    }
    if keys.features && cells.is_empty() {
        return Err(match (&keys.id, entry.label) {
            (Some(_), Some(_)) => {
                "it has an id and a label, but no features; to send labels alone, use `features labels`"
            }
            _ => "it has no features",
        }
        .to_owned());
    }
    if !keys.features && entry.label.is_none() {
        return Err(format!("it has no {}, which --target names", quoted(&keys.target)));
    }
    entry.features = keys.features.then_some(Features::Named(cells));
    Ok(entry)
}

/// Where JSON ends to be JSON. The line is known better here.
fn place(why: &serde_json::Error) -> String {
    let text = why.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    format!("{what}, column {}", why.column())
}

fn cell(value: &RawValue) -> Result<Cell, String> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'"') => string(text).map(|text| Cell::Text(text.into())),
        Some(b'n') => Ok(Cell::Missing),
        // As in tables.
        Some(b't') => Ok(Cell::Number(1.0)),
        Some(b'f') => Ok(Cell::Number(0.0)),
        Some(b'{' | b'[') => {
            Err("expected a number, true, false, a text or null, not a list or an object".into())
        }
        _ => number(text).map(Cell::Number),
    }
}

fn label(value: &RawValue) -> Result<Option<f64>, String> {
    match cell(value)? {
        Cell::Number(number) => entry::label(number).map(Some),
        Cell::Missing => Ok(None),
        Cell::Text(text) => Err(format!("the label {} is a text; expected a number", quoted(&text))),
    }
}

fn id(value: &RawValue) -> Result<RowId, String> {
    RowId::of_json(value).map_err(|why| {
        let text = string(value.get()).unwrap_or_else(|_| value.get().to_owned());
        entry::no_id(&text, &why)
    })
}

fn string(json: &str) -> Result<String, String> {
    serde_json::from_str(json).map_err(|why| format!("it is not JSON: {}", place(&why)))
}

fn number(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number.filter(|number| number.is_finite()).ok_or_else(|| format!("{} is too large", quoted(text)))
}

/// An object's keys and values, in its order and with what is there twice.
struct Object;

impl Object {
    fn read<'a, R: serde_json::de::Read<'a>>(
        mut json: serde_json::Deserializer<R>,
    ) -> serde_json::Result<Vec<(Box<str>, &'a RawValue)>> {
        let values = json.deserialize_map(Self)?;
        json.end()?;
        Ok(values)
    }
}

impl<'de> Visitor<'de> for Object {
    type Value = Vec<(Box<str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = map.next_entry()? {
            values.push(value);
        }
        Ok(values)
    }
}

/// Reads a line when it has arrived, and holds no more than one.
pub struct Lines<R> {
    input: R,
    name: String,
    keys: Keys,
    line: u64,
    text: Vec<u8>,
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    /// Lines of this input; `name` is what errors call it.
    pub fn new(input: R, name: &str, keys: Keys) -> Self {
        Self { input, name: name.to_owned(), keys, line: 0, text: Vec::new(), ended: false }
    }

    /// Reads the next line into `self.text`. Returns whether it has an end within the bound, or why it cannot be read.
    fn read(&mut self) -> std::io::Result<bool> {
        self.text.clear();
        let limit = LONGEST as u64 + 1;
        self.input.by_ref().take(limit).read_until(b'\n', &mut self.text)?;
        self.line += 1;
        if self.text.len() <= LONGEST || self.text.ends_with(b"\n") {
            return Ok(true);
        }
        self.input.skip_until(b'\n')?;
        Ok(false)
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Numbered, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let whole = match self.read() {
                Ok(whole) => whole,
                Err(why) => {
                    self.ended = true;
                    return Some(Err(Fault::Input(format!("cannot read {}: {why}", self.name))));
                }
            };
            if self.text.is_empty() {
                self.ended = true;
                break;
            }
            if !whole {
                let why = format!("it has more than {LONGEST} bytes");
                return Some(Err(Fault::Line { line: self.line, why }));
            }
            let text = self.text.trim_ascii();
            // A byte order mark is no part of the first line.
            let text = if self.line == 1 { text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) } else { text };
            if text.is_empty() {
                continue;
            }
            let line = self.line;
            return Some(match entry(text, &self.keys) {
                Ok(entry) => Ok(Numbered { line, entry }),
                Err(why) => Err(Fault::Line { line, why }),
            });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys {
            id: Some("order".into()),
            target: "price".into(),
            drop: vec!["note".into()],
            features: true,
            labels: true,
        }
    }

    fn read(text: &str) -> Vec<Result<Numbered, Fault>> {
        Lines::new(text.as_bytes(), "t", keys()).collect()
    }

    fn fault(text: &str) -> String {
        match &read(text)[..] {
            [Err(Fault::Line { line: 1, why })] => why.clone(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_line_is_a_row_with_its_id_and_its_label() {
        let text = r#"{"area": 50.5, "order": "order:17", "heating": "gas \"new\"", "lift": true,
            "rooms": null, "note": [1], "price": 200}"#
            .replace('\n', "");
        let entry = entry(text.as_bytes(), &keys()).unwrap();
        assert_eq!(entry.id.unwrap().to_string(), "order:17");
        assert_eq!(entry.label, Some(200.0));
        let cells = [
            ("area", Cell::Number(50.5)),
            ("heating", Cell::Text("gas \"new\"".into())),
            ("lift", Cell::Number(1.0)),
            ("rooms", Cell::Missing),
        ];
        let cells = cells.map(|(name, cell)| (name.into(), cell)).to_vec();
        assert_eq!(entry.features, Some(Features::Named(cells)));
    }

    #[test]
    fn a_label_may_be_absent_and_features_unwanted() {
        for text in [r#"{"a":1,"order":"x"}"#, r#"{"a":1,"order":"x","price":null}"#] {
            assert_eq!(entry(text.as_bytes(), &keys()).unwrap().label, None);
        }
        let labels = Keys { features: false, ..keys() };
        let one = entry(br#"{"a":[1],"order":"x","price":-2.5e1}"#, &labels).unwrap();
        assert_eq!((one.features, one.label), (None, Some(-25.0)));
        let why = entry(br#"{"a":1,"order":"x"}"#, &labels).unwrap_err();
        assert_eq!(why, "it has no \"price\", which --target names");
        let rows = Keys { labels: false, ..keys() };
        let one = entry(br#"{"a":1,"order":"x","price":2}"#, &rows).unwrap();
        let alone = Features::Named(vec![("a".into(), Cell::Number(1.0))]);
        assert_eq!((one.features, one.label), (Some(alone), None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, want) in [
            ("17", "\"17\" is not a JSON object such as {\"area\": 50, \"price\": 200}"),
            ("{\"a\":1,", "it is not JSON: EOF while parsing a value, column 7"),
            ("{\"a\":1,\"order\":\"x\"} {}", "it is not JSON: trailing characters, column 21"),
            (r#"{"a":1,"a":2,"order":"x"}"#, "it has \"a\" twice"),
            (
                r#"{"a":{"b":1},"order":"x"}"#,
                "\"a\": expected a number, true, false, a text or null, not a list",
            ),
            (r#"{"a":1e999,"order":"x"}"#, "\"a\": \"1e999\" is too large"),
            (r#"{"a":1}"#, "it has no \"order\", which --id names"),
            (r#"{"a":1,"order":"a b"}"#, "\"order\": \"a b\" is not a valid id: it has the character ' '"),
            (
                r#"{"a":1,"order":true}"#,
                "\"order\": \"true\" is not a valid id: it is neither a text nor a number",
            ),
            (r#"{"a":1,"order":"x","price":"much"}"#, "\"price\": the label \"much\" is a text"),
            (
                r#"{"order":"x","price":1}"#,
                "it has an id and a label, but no features; to send labels alone, use `features labels`",
            ),
            (r#"{"order":"x"}"#, "it has no features"),
            // JSON has numbers of its own: one in a text is no number, and no line is in doubt.
            (r#"{"a":1,"order":"x","price":"1.234"}"#, "\"price\": the label \"1.234\" is a text"),
        ] {
            let why = fault(text);
            assert!(why.starts_with(want), "{why}");
        }
        let long = format!("{{\"a\":1,\"order\":\"{}\"}}", "\u{1b}x".repeat(500).escape_default());
        assert!(fault(&long).len() < 400, "{}", fault(&long));
    }

    #[test]
    fn lines_are_counted_and_a_bad_one_does_not_end_them() {
        let text = "\u{feff}{\"a\":1,\"order\":1.0e3}\r\n\nnothing\n{\"a\":2,\"order\":\"2\"}";
        let lines: Vec<_> = read(text)
            .into_iter()
            .map(|read| match read {
                Ok(Numbered { line, entry, .. }) => format!("{line}: {}", entry.id.unwrap()),
                Err(Fault::Line { line, .. }) => format!("{line}: bad"),
                Err(Fault::Input(why)) => why,
            })
            .collect();
        assert_eq!(lines, ["1: 1000", "3: bad", "4: 2"]);
    }

    #[test]
    fn an_endless_line_costs_no_more_than_its_bound() {
        let long = format!("{{\"a\":\"{}\"}}\n{{\"a\":1,\"order\":1}}\n", "x".repeat(3 * LONGEST));
        let mut lines = Lines::new(long.as_bytes(), "t", keys());
        assert!(matches!(lines.next(), Some(Err(Fault::Line { line: 1, .. }))));
        assert!(matches!(lines.next(), Some(Ok(Numbered { line: 2, .. }))));
        assert!(lines.text.capacity() < 4 * LONGEST);
    }
}
