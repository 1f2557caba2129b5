//! Ids and names whose characters are safe in a log line, a CSV cell, a header and a URL.

use std::fmt;

use uuid::Uuid;

/// A text of 1 to 64 characters out of `A-Z a-z 0-9 _ . -`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

/// A row's id. Ours are UUIDv7; others are taken as they are.
pub type RowId = Name;

impl Name {
    /// The longest name, in characters.
    pub const MAX_LEN: usize = 64;

    /// Checks a text.
    ///
    /// # Errors
    /// Says what is wrong with it, without repeating more of it than can do harm.
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        if text.len() > Self::MAX_LEN {
            return Err(format!("it has {} bytes, more than {}", text.len(), Self::MAX_LEN));
        }
        match text.chars().find(|c| !allowed(*c)) {
            Some(c) => Err(format!("it has the character {c:?}; allowed are A-Z a-z 0-9 _ . -")),
            None => Ok(Self(text.into())),
        }
    }

    /// A new id that no other call returns, on this machine or another, ordered by time.
    #[must_use]
    pub fn unique() -> Self {
        Self(Uuid::now_v7().to_string().into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 16 bytes of a name that is a UUID in its usual spelling: a quarter of the text.
    #[must_use]
    pub fn to_uuid(&self) -> Option<[u8; 16]> {
        let uuid = Uuid::try_parse(&self.0).ok()?;
        let mut text = Uuid::encode_buffer();
        (*uuid.hyphenated().encode_lower(&mut text) == *self.0).then(|| uuid.into_bytes())
    }

    /// The name that has these bytes as its UUID.
    #[must_use]
    pub fn from_uuid(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes).to_string().into())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_characters_pass() {
        for good in ["a", "0193a0b2-7c1d-7e2f", "1732190645.123456", &"x".repeat(64)] {
            assert_eq!(Name::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a,b", "a\nb", "a\0b", "é", "=1+1", &"x".repeat(65)] {
            assert!(Name::parse(bad).is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn only_the_usual_spelling_of_a_uuid_is_one() {
        let id = Name::unique();
        assert_eq!(Name::from_uuid(id.to_uuid().unwrap()), id);
        let text = id.as_str();
        for other in [&text.to_uppercase(), &text.replace('-', ""), "row-17", "17"] {
            // A version 7 of today has a letter in it only by chance; without one, upper case is the same.
            assert!(other == text || Name::parse(other).unwrap().to_uuid().is_none(), "{other}");
        }
    }

    #[test]
    fn unique_ids_differ_and_sort_by_time() {
        let ids: Vec<_> = (0..1000).map(|_| Name::unique()).collect();
        assert!(ids.is_sorted());
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(Name::parse(ids[0].as_str()).is_ok());
    }
}
