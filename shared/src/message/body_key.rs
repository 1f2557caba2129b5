//! What stands before the value in a body with an id: `body`, or what a peer calls it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The key of the value in `{"id": ..., KEY: ...}`: `body` by default. Ours write it; every key is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BodyKey(Option<Arc<str>>);

impl BodyKey {
    /// The usual one.
    const USUAL: &str = "body";
    /// The longest one, in bytes.
    const MAX_LEN: usize = 64;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or(Self::USUAL)
    }
}

impl FromStr for BodyKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("it is empty".to_owned()),
            "id" | "ids" => Err(format!("{text:?} is the key of ids")),
            _ if text.len() > Self::MAX_LEN => {
                Err(format!("it has {} bytes, more than {}", text.len(), Self::MAX_LEN))
            }
            _ if text.chars().any(char::is_control) => {
                Err("it has characters that cannot be printed".to_owned())
            }
            Self::USUAL => Ok(Self::default()),
            _ => Ok(Self(Some(text.into()))),
        }
    }
}

impl fmt::Display for BodyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_anything_but_that_of_an_id() {
        for good in ["body", "y_pred", "Y true", "\"", "значение", &"x".repeat(64)] {
            let key = good.parse::<BodyKey>().unwrap();
            assert_eq!((key.as_str(), key.to_string()), (good, good.to_owned()));
        }
        assert_eq!("body".parse(), Ok(BodyKey::default()));
        for bad in ["", "id", "ids", "a\nb", &"x".repeat(65)] {
            assert!(bad.parse::<BodyKey>().is_err(), "{bad:?}");
        }
    }
}
