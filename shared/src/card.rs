//! The card of a model: what its file says of it, or why a file was refused, as JSON that `model` sends and `metric` keeps.
//!
//! `model` knows what is in a card, and may say more from one version to the next. Here is what both rely on: its form, its bounds,
//! and by what it is told from others.

use serde::Deserialize;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::message::Name;
use crate::printable::{quoted, within};

/// The form of the cards that this program writes and reads: their member `card`.
pub const FORM: u64 = 1;
/// The most bytes of a card.
pub const MOST_BYTES: usize = 1 << 20;
/// The most bytes of the card of a refused file, which has no model in it.
pub const MOST_BYTES_OF_REFUSED: usize = 16 << 10;

/// What `kind` says in the card of a model.
pub const MODEL: &str = "model";
/// What `kind` says in the card of a file that was refused.
pub const REFUSED: &str = "refused";

/// A card, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The model's name, as its predictions have it.
    pub model: Name,
    /// Of what it is the card.
    pub about: About,
    /// Its JSON, as it came.
    pub json: Box<str>,
}

/// Of what a card is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A model that serves: its version, as predictions have it.
    Model(Name),
    /// A file that was refused, and when.
    Refused(Timestamp),
}

/// Its form, which says what else is there.
#[derive(Deserialize)]
struct Form {
    card: u64,
}

/// The members that are read.
#[derive(Deserialize)]
struct Head {
    kind: String,
    model: String,
    version: Option<String>,
    at: Option<String>,
}

impl Card {
    /// Reads a card.
    ///
    /// # Errors
    /// Why it is none, for people.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MOST_BYTES {
            return Err(format!("it has {} bytes; a card has at most {MOST_BYTES}", bytes.len()));
        }
        let json = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
        let said = |why: serde_json::Error| format!("it is no card: {}", within(&why.to_string(), 200));
        // Whole, since whoever shows it reads all of it.
        let value: Value = serde_json::from_str(json).map_err(said)?;
        let Form { card } = Form::deserialize(&value).map_err(said)?;
        if card != FORM {
            return Err(format!("it has form {card}; this program reads form {FORM}"));
        }
        let head = Head::deserialize(&value).map_err(said)?;
        let model = Name::parse(&head.model).map_err(|why| format!("its model's name: {why}"))?;
        let about = match head.kind.as_str() {
            MODEL => {
                let version = head.version.ok_or("it is the card of a model without a version")?;
                About::Model(Name::parse(&version).map_err(|why| format!("its version: {why}"))?)
            }
            REFUSED if bytes.len() > MOST_BYTES_OF_REFUSED => {
                return Err(format!(
                    "it has {} bytes; the card of a refused file has at most {MOST_BYTES_OF_REFUSED}",
                    bytes.len()
                ));
            }
            REFUSED => {
                let at = head.at.as_deref().and_then(Timestamp::parse);
                About::Refused(at.ok_or(
                    "it is the card of a refused file without the time, such as 2026-11-21T17:04:05.123Z",
                )?)
            }
            other => return Err(format!("its kind is {}; expected {MODEL} or {REFUSED}", quoted(other))),
        };
        Ok(Self { model, about, json: json.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_told_by_its_model_and_its_version_or_time() {
        let text =
            r#"{"card": 1, "kind": "model", "model": "m", "version": "0a1b", "features": {"count": 3}}"#;
        let card = Card::read(text.as_bytes()).unwrap();
        assert_eq!(card.about, About::Model(Name::parse("0a1b").unwrap()));
        assert_eq!((card.model.as_str(), &*card.json), ("m", text));
        let text =
            r#"{"card":1,"kind":"refused","model":"m","at":"2026-11-20T17:04:05.123Z","reason":"empty"}"#;
        let card = Card::read(text.as_bytes()).unwrap();
        assert_eq!(card.about, About::Refused(Timestamp(1_795_194_245_123)));
    }

    #[test]
    fn what_is_no_card_is_told_in_a_line() {
        let padded = |text: &str, length: usize| format!("{text}{}", " ".repeat(length - text.len()));
        let refused = r#"{"card":1,"kind":"refused","model":"m","at":"2026-11-20T17:04:05Z"}"#;
        let model = r#"{"card":1,"kind":"model","model":"m","version":"v"}"#;
        for (text, want) in [
            ("", "it is no card: EOF"),
            ("151.0", "it is no card: invalid type"),
            (&"[".repeat(500_000), "it is no card: recursion limit"),
            ("{}", "it is no card: missing field `card`"),
            (r#"{"card": 2, "more": "of it"}"#, "it has form 2; this program reads form 1"),
            (r#"{"card":1,"kind":"model","model":"m"}"#, "without a version"),
            (r#"{"card":1,"kind":"model","model":"a b","version":"v"}"#, "its model's name: "),
            (r#"{"card":1,"kind":"model","model":"m","version":""}"#, "its version: it is empty"),
            (r#"{"card":1,"kind":"refused","model":"m","at":"tomorrow"}"#, "without the time"),
            (
                r#"{"card":1,"kind":"other\n","model":"m"}"#,
                "its kind is \"other\\n\"; expected model or refused",
            ),
            (&padded(refused, MOST_BYTES_OF_REFUSED + 1), "of a refused file has at most 16384"),
            (&padded(model, MOST_BYTES + 1), "it has 1048577 bytes; a card has at most 1048576"),
        ] {
            let why = Card::read(text.as_bytes()).unwrap_err();
            assert!(why.contains(want), "{why}");
            assert!(!why.contains('\n'), "{why}");
        }
        assert!(Card::read(padded(model, MOST_BYTES).as_bytes()).is_ok());
        assert!(Card::read(b"\xff\xfe").unwrap_err().contains("not text"));
    }
}
