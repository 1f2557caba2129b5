//! Many rows, labels or predictions in one body: `{"ids": [...], KEY: [...]}`, or an array, whose items have no id.
//!
//! What is right is read in one go. Where that fails, the items are looked at one by one, so that a bad one only fails by itself.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::object::{ID, IDS, Object, body_key};
use super::value::{Form, read};
use super::{Incoming, key_beside};
use crate::message::{Alone, Key, MOST_ROWS, Rejection, header};

/// A key and what stands with it, or why it cannot be used.
pub(super) type Item<T> = Result<(Key, T), Rejection>;

/// The items of a body that has the form of many; none where it has not. `V` is the form that most items have, which `quick`
/// takes; `slow` reads any.
///
/// # Errors
/// What is wrong with all of it.
pub(super) fn items<V: DeserializeOwned, T>(
    message: &impl Incoming,
    json: &[u8],
    wanted: Form,
    quick: impl Fn(V) -> Result<T, Rejection>,
    slow: impl Fn(&[u8], Place) -> Result<T, Rejection>,
) -> Result<Option<Vec<Item<T>>>, Rejection> {
    let at_once = match form(json, wanted) {
        None => return Ok(None),
        Some(ManyForm::Array) => serde_json::from_slice(json).ok().map(|values| Quick { ids: None, values }),
        Some(ManyForm::IdsFirst) => serde_json::from_slice::<Quick<'_, V>>(json).ok(),
        Some(ManyForm::Object) => None,
    };
    if let Some(Quick { ids, values }) = at_once {
        let keys = keys(message, wanted, ids.as_deref(), values.len())?;
        return Ok(Some(keys.zip(values).map(|(key, value)| Ok((key?, quick(value)?))).collect()));
    }
    match one_by_one(message, json, wanted, &slow) {
        Err(why) if why.reason == Rejection::NOT_FINITE => one_by_one(message, &spelt(json), wanted, &slow),
        read => read,
    }
}

fn one_by_one<T>(
    message: &impl Incoming,
    json: &[u8],
    wanted: Form,
    slow: impl Fn(&[u8], Place) -> Result<T, Rejection>,
) -> Result<Option<Vec<Item<T>>>, Rejection> {
    let Some(Raw { ids, values, .. }) = Raw::of(json, wanted)? else { return Ok(None) };
    let place = if ids.is_some() { Place::BesideIds } else { Place::InArray };
    let keys = keys(message, wanted, ids.as_deref(), values.len())?;
    let item =
        |(key, value): (Result<Key, Rejection>, &RawValue)| Ok((key?, slow(value.get().as_bytes(), place)?));
    Ok(Some(keys.zip(values).map(item).collect()))
}

/// These items of a body, each as a body of its own. Empty where the body has no several items.
pub(super) fn alone(message: &impl Incoming, json: &[u8], wanted: Form, indices: &[usize]) -> Vec<Alone> {
    let mended = spelt(json);
    let Ok(Some(Raw { ids, key, values })) = Raw::of(json, wanted).or_else(|_| Raw::of(&mended, wanted))
    else {
        return Vec::new();
    };
    let (of, vectors) = (values.len(), message.bytes_header(header::FEATURES).unwrap_or_default());
    if of < 2 {
        return Vec::new();
    }
    let width = if vectors.len() % of == 0 { vectors.len() / of } else { 0 };
    let one = |&index: &usize| {
        let value = values.get(index)?.get();
        let body = match &ids {
            Some(ids) => {
                let key = serde_json::Value::from(&*key).to_string();
                format!("{{\"id\": {}, {key}: {value}}}", ids.get(index)?.get())
            }
            None => value.to_owned(),
        };
        let vector = (width > 0).then(|| vectors[index * width..(index + 1) * width].to_vec());
        Some(Alone { index, of, body: body.into_bytes(), vector })
    };
    indices.iter().filter_map(one).collect()
}

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    BesideIds,
    InArray,
}

/// What a body may be by its beginning.
enum ManyForm {
    Array,
    IdsFirst,
    Object,
}

fn form(json: &[u8], wanted: Form) -> Option<ManyForm> {
    let rest = json.trim_ascii_start();
    let (first, rest) = rest.split_first()?;
    let rest = rest.trim_ascii_start();
    match (first, rest.first()?) {
        // An array of numbers is one row.
        (b'[', b'[' | b'{') => Some(ManyForm::Array),
        (b'[', b']') => None,
        (b'[', _) if matches!(wanted, Form::Number) => Some(ManyForm::Array),
        (b'{', _) if rest.starts_with(b"\"ids\"") => Some(ManyForm::IdsFirst),
        (b'{', _) if rest.windows(IDS.len() + 2).any(|part| part == b"\"ids\"") => Some(ManyForm::Object),
        _ => None,
    }
}

/// The keys of as many items.
fn keys<'a>(
    message: &impl Incoming,
    wanted: Form,
    ids: Option<&'a [&'a RawValue]>,
    count: usize,
) -> Result<impl Iterator<Item = Result<Key, Rejection>> + 'a, Rejection> {
    if count > MOST_ROWS {
        let detail = format!("{count} rows in one message, more than {MOST_ROWS}");
        return Err(Rejection::new(Rejection::TOO_LARGE, detail));
    }
    if let Some(ids) = ids.filter(|ids| ids.len() != count) {
        let detail = format!(r#"{} "ids" beside {count} values"#, ids.len());
        return Err(Rejection::new(Rejection::SHAPE, detail));
    }
    if count == 0 {
        return Err(Rejection::new(Rejection::SHAPE, r#"there are no rows beside "ids""#));
    }
    // The id of one row may stand beside it, that of many rows is nobody's.
    let beside = if ids.is_none() && count == 1 { key_beside(message, wanted) } else { Ok(Key::Anonymous) };
    Ok((0..count).map(move |index| match ids {
        Some(ids) => body_key(ids[index]),
        None => beside.clone(),
    }))
}

/// A body of many, its items as they came.
struct Raw<'a> {
    ids: Option<Vec<&'a RawValue>>,
    /// The key that the values stand under.
    key: Cow<'a, str>,
    values: Vec<&'a RawValue>,
}

impl<'a> Raw<'a> {
    fn of(json: &'a [u8], wanted: Form) -> Result<Option<Self>, Rejection> {
        match form(json, wanted) {
            None => Ok(None),
            Some(ManyForm::Array) => {
                Ok(Some(Self { ids: None, key: Cow::default(), values: read(json, wanted)? }))
            }
            Some(ManyForm::IdsFirst | ManyForm::Object) => match Object::of(json, wanted)? {
                Some(object) => Self::of_object(&object, wanted),
                None => Ok(None),
            },
        }
    }

    /// None where `ids` is missing, or no array: then it may be a feature.
    fn of_object(object: &Object<'a>, wanted: Form) -> Result<Option<Self>, Rejection> {
        let is_array = |raw: &&RawValue| raw.get().starts_with('[');
        let Some(ids) = object.get(IDS).filter(is_array) else { return Ok(None) };
        let shape = |detail: String| Rejection::new(Rejection::SHAPE, detail);
        let mut others = object.members().filter(|(key, _)| **key != IDS);
        let (key, values) = match (others.next(), others.next()) {
            (Some(value), None) => value,
            (None, _) => {
                return Err(shape(format!(
                    r#"there are only "ids"; expected an array of {wanted} each beside them"#
                )));
            }
            (Some((one, _)), Some((other, _))) => {
                return Err(shape(format!(
                    r#"beside "ids" there are {one:?} and {other:?}; expected one key with an array"#
                )));
            }
        };
        if key == ID || !is_array(&values) {
            return Err(shape(format!(
                r#"beside "ids" there is {key:?}; expected a key with an array of {wanted} each"#
            )));
        }
        let items = |raw: &'a RawValue| read(raw.get().as_bytes(), wanted);
        Ok(Some(Self { ids: Some(items(ids)?), key: key.clone(), values: items(values)? }))
    }
}

/// `NaN` and `Infinity`, which Python's `json` writes and JSON does not have, as texts, so that only their rows are bad.
fn spelt(json: &[u8]) -> Vec<u8> {
    let mut mended = Vec::with_capacity(json.len() + 16);
    let (mut in_string, mut at) = (false, 0);
    while at < json.len() {
        let rest = &json[at..];
        let token =
            [&b"NaN"[..], b"Infinity", b"-Infinity"].into_iter().find(|token| rest.starts_with(token));
        let taken = match (rest[0], token) {
            (_, Some(token)) if !in_string => {
                mended.push(b'"');
                mended.extend_from_slice(token);
                mended.push(b'"');
                at += token.len();
                continue;
            }
            (b'\\', _) if in_string => 2,
            (byte, _) => {
                in_string ^= byte == b'"';
                1
            }
        };
        mended.extend_from_slice(&rest[..taken.min(rest.len())]);
        at += taken;
    }
    mended
}

/// `{"ids": [...], KEY: [...]}`, in one go.
struct Quick<'a, V> {
    ids: Option<Vec<&'a RawValue>>,
    values: Vec<V>,
}

impl<'de: 'a, 'a, V: DeserializeOwned> Deserialize<'de> for Quick<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(QuickVisitor(PhantomData))
    }
}

struct QuickVisitor<V>(PhantomData<V>);

impl<'de, V: DeserializeOwned> Visitor<'de> for QuickVisitor<V> {
    type Value = Quick<'de, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ids and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let other = || A::Error::custom("another form");
        if map.next_key_seed(IsKey(IDS))? != Some(true) {
            return Err(other());
        }
        let ids = map.next_value()?;
        if map.next_key_seed(IsKey(ID))? != Some(false) {
            return Err(other());
        }
        let values = map.next_value()?;
        match map.next_key::<IgnoredAny>()? {
            None => Ok(Quick { ids: Some(ids), values }),
            Some(_) => Err(other()),
        }
    }
}

/// Whether a key is this one.
struct IsKey(&'static str);

impl<'de> DeserializeSeed<'de> for IsKey {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsKey {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}
