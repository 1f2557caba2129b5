//! Names of models and versions, whose characters are safe in a log line, a CSV cell, a header and a URL.

/// A text of 1 to 64 characters out of `A-Z a-z 0-9 _ . -`, the first of them a letter, a digit or `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

impl Name {
    /// The longest name, in characters.
    pub const MAX_LEN: usize = 64;

    /// Checks a text.
    ///
    /// # Errors
    /// Says what is wrong with it, without repeating more of it than can do harm.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = Self::recorded(text)?;
        begins_well(text)?;
        Ok(name)
    }

    /// Checks a text that may have been recorded by version 0.1.0, where a name could begin with any of its characters.
    ///
    /// # Errors
    /// As [`Name::parse`].
    pub fn recorded(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        consists(text, Self::MAX_LEN, allowed, "A-Z a-z 0-9 _ . -")?;
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

/// Holds a text to a length and to characters. `what` says which those are.
pub(super) fn consists(
    text: &str,
    longest: usize,
    allowed: impl Fn(char) -> bool,
    what: &str,
) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.len() > longest {
        return Err(format!("it has {} bytes, more than {longest}", text.len()));
    }
    match text.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(format!("it has the character {c:?}; allowed are {what}")),
        None => Ok(()),
    }
}

/// Holds a text to a beginning that is neither a mark for nothing, nor a formula, nor a flag.
pub(super) fn begins_well(text: &str) -> Result<(), String> {
    match text.chars().next() {
        Some(c) if !(c.is_ascii_alphanumeric() || c == '_') => {
            Err(format!("it begins with {c:?}; expected a letter, a digit or _"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_characters_pass() {
        for good in ["a", "_a", "0193a0b2-7c1d-7e2f", "model.v2", &"x".repeat(64)] {
            let name = Name::parse(good).unwrap();
            assert_eq!((name.as_str(), &*name.to_string()), (good, good));
        }
        for bad in ["", "a b", "a,b", "a\nb", "a\0b", "é", "=1+1", "a:b", "a@b", &"x".repeat(65)] {
            assert!(Name::parse(bad).is_err() && Name::recorded(bad).is_err(), "{bad:?} must be refused");
        }
        for once in ["-", "-5", "-@", ".a", "--help"] {
            assert!(Name::parse(once).is_err(), "{once:?} must be refused");
        }
        assert_eq!(Name::parse("-v").unwrap_err(), "it begins with '-'; expected a letter, a digit or _");
        assert_eq!(Name::recorded("-v").unwrap().as_str(), "-v");
    }
}
