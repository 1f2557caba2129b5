//! Which rows a message speaks of, for people who look for one: also where the message cannot be used.

use serde_json::value::RawValue;

use super::object::{ID, IDS, Object};
use super::value::Form;
use super::{Incoming, payload};
use crate::message::{Role, RowId};

impl Role {
    /// The ids in a message of this role, each as a valid one is recorded and another one is spelt; none where it has none, or
    /// where nobody can tell.
    pub fn ids(self, message: &impl Incoming) -> Vec<String> {
        let in_body = payload::read(message, |json| Ok(in_body(json))).ok().flatten();
        in_body.unwrap_or_else(|| beside(self, message).into_iter().collect())
    }
}

/// The ids in a body, if it is an object that has some.
fn in_body(json: &[u8]) -> Option<Vec<String>> {
    let object = Object::of(json, Form::ByName).ok()??;
    if let Some(id) = object.get(ID) {
        return Some(vec![spelt(id)]);
    }
    let ids: Vec<&RawValue> = serde_json::from_str(object.get(IDS)?.get()).ok()?;
    Some(ids.into_iter().map(spelt).collect())
}

/// The id among the properties. As in decoding, a row that asks for a reply counts its questions in `correlation_id`.
fn beside(role: Role, message: &impl Incoming) -> Option<String> {
    let asks = role == Role::Features && message.reply_to().is_some_and(|queue| !queue.is_empty());
    message.message_id().or(message.correlation_id().filter(|_| !asks)).map(str::to_owned)
}

fn spelt(id: &RawValue) -> String {
    match RowId::of_json(id) {
        Ok(id) => id.to_string(),
        Err(_) => serde_json::from_str(id.get()).unwrap_or_else(|_| id.get().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::stored::{LetterProperties, StoredLetter};

    #[test]
    fn a_row_is_found_by_each_id_that_a_message_has() {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        for (role, body, message_id, correlation_id, reply_to, ids) in [
            (Role::Label, "151", "order:17", "c", "", vec!["order:17"]),
            (Role::Label, "151", "", "c", "", vec!["c"]),
            (Role::Label, "151", "", "c", "me", vec!["c"]),
            (Role::Features, "[1]", "", "1", "me", vec![]),
            (Role::Features, "{not json", "order:17", "", "", vec!["order:17"]),
            (Role::Features, r#"{"id": 17, "x": "bad"}"#, "m", "", "", vec!["17"]),
            (Role::Features, r#"{"id": "a b", "x": 1}"#, "", "", "", vec!["a b"]),
            (Role::Features, r#"{"id": [1], "x": 1}"#, "", "", "", vec!["[1]"]),
            (Role::Features, r#"{"ids": ["a", 5.0], "x": [[1], "bad"]}"#, "m", "", "", vec!["a", "5"]),
            (Role::Features, r#"{"ids": 5}"#, "m", "", "", vec!["m"]),
            (Role::Features, r#"{"area": 50}"#, "m", "", "", vec!["m"]),
            (Role::Features, "", "", "", "", vec![]),
        ] {
            let properties = LetterProperties {
                message_id: text(message_id),
                correlation_id: text(correlation_id),
                reply_to: text(reply_to),
                ..LetterProperties::default()
            };
            let letter = StoredLetter { body: body.into(), properties, ..StoredLetter::default() };
            assert_eq!(role.ids(&letter), ids, "{body}");
        }
    }
}
