//! Questions and their answers: what a row says of who asks for it, and the reply that goes there.

use serde::{Deserialize, Serialize};

use super::outgoing::{HeaderValue, Outgoing};
use super::wire::Incoming;
use super::{Name, Prediction, Rejection, Role, RowId, header};
use crate::clock::Timestamp;
use crate::printable::printable;

/// Who asks, as the properties of a message say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// The property `reply_to`: the queue that the reply goes to.
    pub reply_to: Box<str>,
    /// By what the asker knows the reply again.
    pub correlation_id: Option<Box<str>>,
}

impl Asking {
    /// Who asks by this message, if anybody does: known again by its `correlation_id`, else by its `message_id`.
    pub fn of(message: &impl Incoming) -> Option<Self> {
        let reply_to = message.reply_to().filter(|queue| !queue.is_empty())?;
        let correlation_id = message.correlation_id().or(message.message_id());
        Some(Self { reply_to: reply_to.into(), correlation_id: correlation_id.map(Into::into) })
    }
}

/// A reply, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Where it goes.
    pub asking: Asking,
    /// Whether it says why there is no prediction.
    pub is_error: bool,
    /// Everything else.
    pub message: Outgoing,
}

/// The body of a reply that is an error.
#[derive(Debug, Serialize, Deserialize)]
struct Refusal {
    error: String,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// How many rows of the message cannot be used, of which this is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<usize>,
}

impl Reply {
    /// What a model says of the rows of a message: as on the queue of predictions, without what it was predicted from. None of
    /// no predictions.
    #[must_use]
    pub fn predictions(
        asking: &Asking,
        predictions: &[Prediction],
        together: bool,
        app: &'static str,
        now: Timestamp,
    ) -> Option<Self> {
        let bare: Vec<Prediction> = predictions.iter().map(Prediction::without_vector).collect();
        let first = bare.first()?;
        let mut message = if together {
            Prediction::encode_together(&bare, app, now).pop()?
        } else {
            first.encode(app, now)
        };
        message.headers.retain(|(name, _)| *name != header::FEATURES);
        if !together {
            message.message_id = first.key.id().map(|id| id.to_string().into());
        }
        Some(Self { asking: asking.clone(), is_error: false, message })
    }

    /// Why rows of a message cannot be predicted: the first of them, and how many there are.
    #[must_use]
    pub fn error(
        asking: &Asking,
        id: Option<&RowId>,
        why: &Rejection,
        rows: usize,
        app: &'static str,
        now: Timestamp,
    ) -> Self {
        let refusal = Refusal {
            error: why.detail.clone(),
            reason: why.reason.to_owned(),
            id: id.map(ToString::to_string),
            rows: Some(rows).filter(|rows| *rows > 1),
        };
        let message = Outgoing {
            role: Role::Prediction,
            message_id: id.map(|id| id.to_string().into()),
            content_type: Some("application/json"),
            app,
            timestamp: now.seconds(),
            headers: vec![(header::REASON, HeaderValue::Text(why.reason.into()))],
            // Texts and a number: none of it can fail.
            body: serde_json::to_vec(&refusal).unwrap_or_default(),
            asking: None,
            trace: None,
        };
        Self { asking: asking.clone(), is_error: true, message }
    }
}

/// What a model answers to one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The prediction, in the label's unit.
    pub prediction: f64,
    /// The model's name.
    pub model: Option<Name>,
    /// The first 12 hex digits of the model file's SHA-256.
    pub model_version: Option<Name>,
}

/// Why a model does not predict a row, in its own words, made printable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// A short stable code, such as `wrong_length`.
    pub reason: String,
    /// What is wrong with the row.
    pub error: String,
}

impl From<Rejection> for Refused {
    fn from(Rejection { reason, detail }: Rejection) -> Self {
        Self { reason: reason.to_owned(), error: detail }
    }
}

impl Answer {
    /// Reads the reply to one row.
    ///
    /// # Errors
    /// What the model says of the row instead, or why the reply cannot be read.
    pub fn decode(reply: &impl Incoming) -> Result<Self, Refused> {
        if reply.text_header(header::REASON).is_some() {
            let Refusal { error, reason, .. } = serde_json::from_slice(reply.body()).map_err(|why| {
                Rejection::new(Rejection::SHAPE, format!("an error that cannot be read: {why}"))
            })?;
            return Err(Refused { reason: printable(&reason), error: printable(&error) });
        }
        let Prediction { value, model, model_version, .. } = Prediction::decode(reply)?.only()?;
        Ok(Self { prediction: value, model, model_version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Key, ModelRole};

    const NOW: Timestamp = Timestamp(1_795_194_245_000);

    fn asking() -> Asking {
        Asking { reply_to: "amq.gen-1".into(), correlation_id: Some("1".into()) }
    }

    fn prediction(key: Key) -> Prediction {
        Prediction {
            key,
            value: 206.117_069_787_092_28,
            model: Name::parse("m").ok(),
            model_version: Name::parse("3fa9c1d2e4b5").ok(),
            role: ModelRole::Serving,
            published_at: Some(NOW),
            features_published_at: None,
            vector: Some([0.1, 0.2].into()),
        }
    }

    fn id(text: &str) -> RowId {
        RowId::parse(text).unwrap()
    }

    #[test]
    fn a_reply_is_the_prediction_without_its_features_and_says_whose_it_is() {
        for (key, message_id, body) in [
            (Key::Property(id("a")), Some("a"), "206.11706978709228"),
            (Key::wrapped(id("a")), Some("a"), r#"{"id": "a", "body": 206.11706978709228}"#),
            (Key::Anonymous, None, "206.11706978709228"),
        ] {
            let reply = Reply::predictions(&asking(), &[prediction(key)], false, "model", NOW).unwrap();
            assert_eq!((reply.is_error, &reply.asking), (false, &asking()));
            assert_eq!(reply.message.message_id(), message_id);
            assert_eq!(String::from_utf8_lossy(reply.message.body()), body);
            assert_eq!(reply.message.bytes_header(header::FEATURES), None);
            let answer = Answer::decode(&reply.message).unwrap();
            assert_eq!(answer.prediction.to_bits(), 206.117_069_787_092_28_f64.to_bits());
            assert_eq!(answer.model_version.unwrap().as_str(), "3fa9c1d2e4b5");
        }
    }

    #[test]
    fn rows_that_came_together_get_one_reply() {
        let both: Vec<Prediction> = ["a", "b"].map(|text| prediction(Key::wrapped(id(text)))).into();
        let reply = Reply::predictions(&asking(), &both, true, "model", NOW).unwrap();
        assert_eq!(
            String::from_utf8_lossy(reply.message.body()),
            r#"{"ids": ["a", "b"], "body": [206.11706978709228,206.11706978709228]}"#
        );
        assert_eq!(Answer::decode(&reply.message).unwrap_err().reason, Rejection::SHAPE);
        assert_eq!(Reply::predictions(&asking(), &[], true, "model", NOW), None);
    }

    #[test]
    fn an_error_says_why_of_which_row_and_of_how_many() {
        let why = Rejection::new(Rejection::LENGTH, "3 numbers; expected 10");
        for (of, rows, body) in [
            (Some(id("a")), 1, r#"{"error":"3 numbers; expected 10","reason":"wrong_length","id":"a"}"#),
            (None, 1, r#"{"error":"3 numbers; expected 10","reason":"wrong_length"}"#),
            (None, 7, r#"{"error":"3 numbers; expected 10","reason":"wrong_length","rows":7}"#),
        ] {
            let reply = Reply::error(&asking(), of.as_ref(), &why, rows, "model", NOW);
            assert!(reply.is_error);
            assert_eq!(String::from_utf8_lossy(reply.message.body()), body);
            let refused = Answer::decode(&reply.message).unwrap_err();
            assert_eq!(refused, Refused::from(why.clone()));
        }
    }

    #[test]
    fn an_error_of_another_model_is_made_printable_and_one_without_a_form_is_told() {
        let mut message = Reply::error(&asking(), None, &Rejection::new("x", "y"), 1, "model", NOW).message;
        message.body = br#"{"error":"a\nb","reason":"no"}"#.to_vec();
        assert_eq!(Answer::decode(&message).unwrap_err().error, r"a\nb");
        message.body = b"no".to_vec();
        assert!(Answer::decode(&message).unwrap_err().error.starts_with("an error that cannot be read"));
    }

    #[test]
    fn an_asker_is_known_again_by_its_correlation_id_or_else_by_the_row() {
        let mut message = prediction(Key::Property(id("row-1"))).encode("test", NOW);
        assert_eq!(Asking::of(&message), None);
        message.asking = Some(asking());
        assert_eq!(Asking::of(&message), Some(asking()));
        message.asking = Some(Asking { correlation_id: None, ..asking() });
        assert_eq!(Asking::of(&message).unwrap().correlation_id.as_deref(), Some("row-1"));
        message.asking = Some(Asking { reply_to: "".into(), ..asking() });
        assert_eq!(Asking::of(&message), None);
    }
}
