//! A body that is a JSON object: an id and a value, or features by name.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::number::written_out;
use super::value::{Form, read};
use crate::message::{BodyKey, Cell, Features, Key, Rejection, RowId};

/// The key of the id.
pub(super) const ID: &str = "id";
/// The key of the ids of many rows in one message.
pub(super) const IDS: &str = "ids";

/// The members of an object, as they came. No key stands twice.
#[derive(Debug)]
pub(super) struct Object<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Object<'a> {
    /// The object that a value is, if it is one.
    ///
    /// # Errors
    /// It begins as one and is none, or a key stands twice.
    pub(super) fn of(json: &'a [u8], wanted: Form) -> Result<Option<Self>, Rejection> {
        let is_object = json.trim_ascii_start().first() == Some(&b'{');
        is_object.then(|| read(json, wanted)).transpose()
    }

    /// The id in it, if there is one.
    pub(super) fn key(&self) -> Result<Option<Key>, Rejection> {
        self.0.get(ID).map(|raw| body_key(raw)).transpose()
    }

    /// The id and the value beside it, whatever its key is.
    ///
    /// # Errors
    /// It has no id, one that is none, or not one key beside it.
    pub(super) fn id_and_value(&self, wanted: Form) -> Result<(Key, &'a [u8]), Rejection> {
        let mut others = self.0.iter().filter(|(key, _)| *key != ID);
        let shape = |detail: String| Err(Rejection::new(Rejection::SHAPE, detail));
        match (self.key()?, others.next(), others.next()) {
            (Some(key), Some((_, value)), None) => Ok((key, value.get().as_bytes())),
            (Some(_), None, _) => shape(format!(r#"there is only an "id"; expected {wanted} beside it"#)),
            (Some(_), Some((one, _)), Some((other, _))) => shape(format!(
                r#"beside "id" there are {one:?} and {other:?}; expected one key with {wanted}"#
            )),
            (None, ..) => shape(format!(
                r#"an object without an "id"; expected {{"id": ID, KEY: VALUE}} with any KEY, or {wanted} alone"#
            )),
        }
    }

    /// The members, by their keys in order.
    pub(super) fn members(&self) -> impl Iterator<Item = (&Cow<'a, str>, &'a RawValue)> {
        self.0.iter().map(|(key, raw)| (key, *raw))
    }

    /// The value of this key, as it came.
    pub(super) fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0.get(key).copied()
    }

    /// Whether it has this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The values of these keys as cells, in this order.
    ///
    /// # Errors
    /// The first key that is missing, or whose value is no cell.
    pub(super) fn cells(&self, keys: &[String]) -> Result<Features, Rejection> {
        let cell = |key: &String| match self.0.get(&**key) {
            Some(raw) => cell(key, raw),
            None => Err(Rejection::new(Rejection::NAMES, format!("the feature {key:?} is missing"))),
        };
        Ok(Features::Named(keys.iter().map(cell).collect::<Result<_, _>>()?))
    }

    /// All values as cells.
    ///
    /// # Errors
    /// The first key whose value is no cell.
    pub(super) fn all_cells(&self) -> Result<Features, Rejection> {
        Ok(Features::Named(self.0.iter().map(|(key, raw)| cell(key, raw)).collect::<Result<_, _>>()?))
    }
}

fn cell(key: &str, raw: &RawValue) -> Result<(Box<str>, Cell), Rejection> {
    let refused = |why: Rejection| match why.reason {
        Rejection::SHAPE => {
            let detail = format!("{key:?} is an array or an object; expected a number, a text or null");
            Rejection::new(Rejection::SHAPE, detail)
        }
        reason => Rejection::new(reason, format!("{key:?}: {}", why.detail)),
    };
    Ok((key.into(), read(raw.get().as_bytes(), Form::Number).map_err(refused)?))
}

pub(super) fn body_key(raw: &RawValue) -> Result<Key, Rejection> {
    let id = RowId::of_json(raw).map_err(|why| Rejection::new(Rejection::ID, why))?;
    let raw = if plain(raw.get()).is_some() { None } else { Some(raw.get().into()) };
    Ok(Key::Body { id, raw, under: BodyKey::default() })
}

/// What stands in a text without escapes.
fn plain(json: &str) -> Option<&str> {
    let text = json.strip_prefix('"')?.strip_suffix('"')?;
    (!text.contains('\\')).then_some(text)
}

impl RowId {
    /// The id that a JSON value is: a text's content, or a number written out.
    ///
    /// # Errors
    /// As [`RowId::parse`], and a value of another kind.
    pub fn of_json(raw: &RawValue) -> Result<Self, String> {
        let json = raw.get();
        if let Some(text) = plain(json) {
            return Self::parse(text);
        }
        let id = match json.as_bytes().first() {
            Some(b'"') => serde_json::from_str(json).map_err(|why| why.to_string()),
            Some(b'-' | b'0'..=b'9') => written_out(json),
            _ => Err("it is neither a text nor a number".to_owned()),
        };
        Self::parse(&id?)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

/// A key, copied only where it has escapes.
#[derive(Deserialize)]
struct Member<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some(Member(key)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            if members.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} appears twice")));
            }
            members.insert(key, value);
        }
        Ok(Object(members))
    }
}
