//! A row that came as a JSON object: features by name, or a value beside an id.

use super::object::{ID, Object};
use super::together::Place;
use super::value::{self, Form};
use super::{Incoming, key_beside};
use crate::message::{Features, Key, Rejection};

/// Reads it. It is by name where it has every one of `names`, with or without an id among them, and otherwise an id with a value
/// under whatever key: an array, or an object by name.
///
/// # Errors
/// It is neither, or what it is has something wrong with it.
pub(super) fn of_object(
    message: &impl Incoming,
    object: &Object<'_>,
    names: &[String],
    wanted: Form,
) -> Result<(Key, Features), Rejection> {
    if !names.is_empty() && names.iter().all(|name| object.has(name)) {
        let features = object.cells(names)?;
        let id = if names.iter().any(|name| name == ID) { None } else { object.key()? };
        return Ok((id.map_or_else(|| key_beside(message, wanted), Ok)?, features));
    }
    // Whoever has sent some of the features has forgotten the others.
    let or_forgotten = |why: Rejection| match names.iter().any(|name| object.has(name)) {
        true => object.cells(names).err().unwrap_or(why),
        false => why,
    };
    let (key, json) = object.id_and_value(wanted).map_err(or_forgotten)?;
    let features = match Object::of(json, wanted)? {
        Some(inner) if names.is_empty() => inner.all_cells()?,
        Some(inner) => inner.cells(names)?,
        None => Features::Vector(value::vector(json, wanted).map_err(or_forgotten)?),
    };
    Ok((key, features))
}

/// Reads one of many rows: an array, or an object by name.
///
/// # Errors
/// It is neither, or what it is has something wrong with it.
pub(super) fn one_of_many(
    json: &[u8],
    place: Place,
    names: &[String],
    wanted: Form,
) -> Result<Features, Rejection> {
    match Object::of(json, wanted)? {
        Some(inner) if place == Place::InArray && inner.has(ID) && !names.iter().any(|name| name == ID) => {
            let detail = r#"an "id" in an array of rows; expected {"ids": [...], KEY: [...]}"#;
            Err(Rejection::new(Rejection::SHAPE, detail))
        }
        // As alone: without an id and without names, nothing says that it is a row.
        Some(_) if place == Place::InArray && names.is_empty() => {
            Err(Rejection::new(Rejection::SHAPE, format!("expected {wanted}")))
        }
        Some(inner) if names.is_empty() => inner.all_cells(),
        Some(inner) => inner.cells(names),
        None => Ok(Features::Vector(value::vector(json, wanted)?)),
    }
}
