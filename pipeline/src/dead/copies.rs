//! Equal letters, which are one: a connection that dies between store and confirm makes a second copy of a letter.
//!
//! Only a row with an id can be known again. Two equal letters without one may be two rows, so each counts.

use std::collections::HashSet;

use sha2::{Digest as _, Sha256};
use shared::transport::stored::{LetterValue, StoredLetter};

use super::facts::{Facts, LETTER_ID};

/// What equal letters have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sameness([u8; 16]);

/// The letters that were seen: 16 bytes each, of as many as are looked at.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashSet<Sameness>);

impl Sameness {
    /// None where a letter stands for itself alone. A producer can write `x-letter-id` too, so id and body must agree.
    pub(crate) fn of(letter: &StoredLetter, facts: &Facts) -> Option<Self> {
        let letter_id = letter.headers.get(LETTER_ID).and_then(LetterValue::as_text)?;
        facts.id()?;
        let mut hash = Sha256::new();
        for part in [letter_id, letter.properties.message_id.as_deref().unwrap_or_default()] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        hash.update(&letter.body);
        let mut same = [0; 16];
        same.copy_from_slice(&hash.finalize()[..16]);
        Some(Self(same))
    }
}

impl Seen {
    /// Whether one like it was seen. Notes it.
    pub(crate) fn again(&mut self, same: Option<Sameness>) -> bool {
        same.is_some_and(|same| !self.0.insert(same))
    }

    /// Whether one like it was seen.
    pub(crate) fn has(&self, same: Option<Sameness>) -> bool {
        same.is_some_and(|same| self.0.contains(&same))
    }
}

#[cfg(test)]
mod tests {
    use shared::message::Role;

    use super::*;
    use crate::dead::facts::tests::letter;

    #[test]
    fn equal_letters_of_a_row_with_an_id_are_one() {
        let with = |letter_id: &str, message_id: &str, body: &str| {
            let mut letter = letter(body, &[(LETTER_ID, LetterValue::text(letter_id))]);
            letter.properties.message_id = (!message_id.is_empty()).then(|| message_id.to_owned());
            letter
        };
        let mut seen = Seen::default();
        for (letter, is_copy) in [
            (with("1", "a", "[1]"), false),
            (with("1", "a", "[1]"), true),
            (with("2", "a", "[1]"), false),
            // Forged: what it would be a copy of is another message.
            (with("1", "b", "[1]"), false),
            (with("1", "a", "[2]"), false),
            // The id is in the body.
            (with("3", "", r#"{"id": 5, "x": [1]}"#), false),
            (with("3", "", r#"{"id": 5, "x": [1]}"#), true),
            // Without an id, nobody can tell.
            (with("4", "", "[1]"), false),
            (with("4", "", "[1]"), false),
        ] {
            let same = Sameness::of(&letter, &Facts::of(&letter, Role::Features));
            assert_eq!(seen.has(same), is_copy, "{letter:?}");
            assert_eq!(seen.again(same), is_copy, "{letter:?}");
        }
        let mut without = with("", "a", "[1]");
        without.headers.clear();
        assert_eq!(Sameness::of(&without, &Facts::of(&without, Role::Features)), None);
    }
}
