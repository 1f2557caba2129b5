//! Ids of rows, as people have them, whose characters are safe in a log line and in a CSV cell.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::name::{begins_well, consists};

/// A row's id: 1 to 128 printable ASCII characters without space, quotes, comma and backslash. It begins with a letter, a
/// digit or `_`, or is a negative number: `-` alone can only mean that there is no id. Ours are UUIDv7; others are taken as they are.
///
/// An id that is a UUID in its usual spelling is kept as its 16 bytes: a quarter of the text, without an allocation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(Kept);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kept {
    Text(Box<str>),
    Uuid([u8; 16]),
}

/// An id in its shortest form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShortId<'a> {
    /// The 16 bytes of a UUID in its usual spelling.
    Uuid(&'a [u8; 16]),
    /// Any other text.
    Text(&'a str),
}

impl RowId {
    /// The longest id, in characters.
    pub const MAX_LEN: usize = 128;

    /// Checks a text.
    ///
    /// # Errors
    /// Says what is wrong with it, without repeating more of it than can do harm.
    pub fn parse(text: &str) -> Result<Self, String> {
        let id = Self::recorded(text)?;
        if !is_negative_number(text) {
            begins_well(text)?;
        }
        Ok(id)
    }

    /// Checks a text that may have been recorded by version 0.1.0, where an id could begin with `-` or `.`.
    ///
    /// # Errors
    /// As [`RowId::parse`].
    pub fn recorded(text: &str) -> Result<Self, String> {
        if let Some(uuid) = usual_uuid(text) {
            return Ok(Self(Kept::Uuid(uuid)));
        }
        let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '`' | ',' | '\\');
        let what = "printable ASCII characters but space, quotes, comma and backslash";
        consists(text, Self::MAX_LEN, allowed, what)?;
        Ok(Self(Kept::Text(text.into())))
    }

    /// A new id that no other call returns, on this machine or another, ordered by time.
    #[must_use]
    pub fn unique() -> Self {
        Self::from_uuid(Uuid::now_v7().into_bytes())
    }

    /// Its shortest form.
    #[must_use]
    pub fn short(&self) -> ShortId<'_> {
        match &self.0 {
            Kept::Uuid(bytes) => ShortId::Uuid(bytes),
            Kept::Text(text) => ShortId::Text(text),
        }
    }

    /// The id that has these bytes as its UUID.
    #[must_use]
    pub fn from_uuid(bytes: [u8; 16]) -> Self {
        Self(Kept::Uuid(bytes))
    }

    /// Its text, which is written into `room` where it is not there yet.
    pub fn text<'a>(&'a self, room: &'a mut [u8; 36]) -> &'a str {
        match &self.0 {
            Kept::Text(text) => text,
            Kept::Uuid(bytes) => Uuid::from_bytes(*bytes).hyphenated().encode_lower(room),
        }
    }
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; 36]))
    }
}

impl FromStr for RowId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

/// The bytes of a UUID that is written in lower case with four hyphens.
fn usual_uuid(text: &str) -> Option<[u8; 16]> {
    if text.len() != 36 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    // With this length, no other spelling is one.
    Uuid::try_parse(text).ok().map(Uuid::into_bytes)
}

/// Whether it is `-` and a decimal number: no formula to a spreadsheet, and never the mark for nothing.
fn is_negative_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(rest) = text.strip_prefix('-') else { return false };
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
    digits(whole) && digits(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_as_people_have_them() {
        for good in [
            "a",
            "_",
            "17",
            "order:17",
            "a/b",
            "x@y",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
            "2026-11-22T10:00:00+01:00",
            "https://shop.example/orders/17?line=2#a;b",
            "1732190645.123456",
            "-5",
            "-0.25",
            &"x".repeat(128),
        ] {
            assert_eq!(RowId::parse(good).unwrap().to_string(), good);
        }
    }

    #[test]
    fn what_would_break_a_line_or_a_cell_is_refused() {
        for bad in [
            "",
            "a b",
            "a,b",
            "a\nb",
            "a\tb",
            "a\0b",
            "a\u{7f}",
            "é",
            "a\"b",
            "a'b",
            "a`b",
            "a\\b",
            &"x".repeat(129),
        ] {
            assert!(RowId::parse(bad).is_err() && RowId::recorded(bad).is_err(), "{bad:?} must be refused");
        }
        // The mark for none, formulas, flags, and what is nearly a number.
        for bad in
            ["-", "--", "=1+1", "+1", "@a", "-a", "-2-3", "-5.", "-.5", "-1e3", ".a", "/a", "{a}", "#1"]
        {
            assert!(RowId::parse(bad).is_err(), "{bad:?} must be refused");
        }
        assert_eq!(RowId::parse("@a").unwrap_err(), "it begins with '@'; expected a letter, a digit or _");
        assert_eq!(RowId::recorded("-a").unwrap().to_string(), "-a");
    }

    #[test]
    fn only_the_usual_spelling_of_a_uuid_is_one() {
        let id = RowId::unique();
        let ShortId::Uuid(bytes) = id.short() else { panic!("{id} is kept as a text") };
        assert_eq!(RowId::from_uuid(*bytes), id);
        let text = &id.to_string();
        assert_eq!(RowId::parse(text).unwrap(), id);
        let urn = format!("urn:uuid:{text}");
        for other in [&text.to_uppercase(), &text.replace('-', ""), &urn, "row-17", "17"] {
            // A version 7 of today has a letter in it only by chance; without one, upper case is the same.
            assert!(
                other == text
                    || matches!(RowId::parse(other).unwrap().short(), ShortId::Text(text) if text == other)
            );
        }
    }

    #[test]
    fn unique_ids_differ_and_sort_by_time() {
        let ids: Vec<_> = (0..1000).map(|_| RowId::unique()).collect();
        assert!(ids.is_sorted());
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(RowId::parse(&ids[0].to_string()).is_ok());
    }
}
