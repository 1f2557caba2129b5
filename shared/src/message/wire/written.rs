//! Ours as they leave: alone, or many in one message.

use std::fmt::Write as _;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::message::header::{
    FEATURE_NAMES, FEATURES, FEATURES_PUBLISHED_AT, MODEL, MODEL_ROLE, MODEL_VERSION, PUBLISHED_AT,
};
use crate::message::{Features, HeaderValue, Key, Label, ModelRole, Outgoing, Prediction, Role, Row};

/// The most bytes of features that a prediction carries. Receivers stop headers of 64 KiB.
pub const MOST_VECTORS: usize = 48 * 1024;

impl Row {
    /// Writes it for its queue.
    #[must_use]
    pub fn encode(&self, app: &'static str, now: Timestamp) -> Outgoing {
        self.with_names(envelope(Role::Features, alone(&self.key, &self.features), app, now))
    }

    /// Writes rows that travel together, of which there is at least one. All have the names of the first.
    #[must_use]
    pub fn encode_together(rows: &[Self], app: &'static str, now: Timestamp) -> Outgoing {
        let keys: Vec<&Key> = rows.iter().map(|row| &row.key).collect();
        let features: Vec<&Features> = rows.iter().map(|row| &row.features).collect();
        let outgoing = envelope(Role::Features, together(&keys, &features), app, now);
        match rows.first() {
            Some(row) => row.with_names(outgoing),
            None => outgoing,
        }
    }

    fn with_names(&self, mut outgoing: Outgoing) -> Outgoing {
        if let Some(names) = &self.names {
            outgoing.headers.push((FEATURE_NAMES, HeaderValue::Text((**names).into())));
        }
        outgoing
    }
}

impl Label {
    /// Writes it for its queue.
    #[must_use]
    pub fn encode(&self, app: &'static str, now: Timestamp) -> Outgoing {
        envelope(Role::Label, alone(&self.key, &self.value), app, now)
    }

    /// Writes labels that travel together, of which there is at least one.
    #[must_use]
    pub fn encode_together(labels: &[Self], app: &'static str, now: Timestamp) -> Outgoing {
        let keys: Vec<&Key> = labels.iter().map(|label| &label.key).collect();
        let values: Vec<f64> = labels.iter().map(|label| label.value).collect();
        envelope(Role::Label, together(&keys, &values), app, now)
    }
}

impl Prediction {
    /// Writes it for its queue. A vector of more than [`MOST_VECTORS`] bytes is left out.
    #[must_use]
    pub fn encode(&self, app: &'static str, now: Timestamp) -> Outgoing {
        let outgoing = envelope(Role::Prediction, alone(&self.key, &self.value), app, now);
        Self::with_headers(std::slice::from_ref(self), outgoing)
    }

    /// Writes predictions that travel together: of one model, for rows that came together. Where their vectors do not fit into
    /// one message they are several; a vector that fits into none is left out.
    #[must_use]
    pub fn encode_together(predictions: &[Self], app: &'static str, now: Timestamp) -> Vec<Outgoing> {
        let width = predictions.iter().map(Self::vector_size).max().unwrap_or_default();
        let most = if (1..=MOST_VECTORS).contains(&width) { MOST_VECTORS / width } else { usize::MAX };
        let one = |part: &[Self]| {
            let keys: Vec<&Key> = part.iter().map(|prediction| &prediction.key).collect();
            let values: Vec<f64> = part.iter().map(|prediction| prediction.value).collect();
            Self::with_headers(part, envelope(Role::Prediction, together(&keys, &values), app, now))
        };
        predictions.chunks(most).map(one).collect()
    }

    fn vector_size(&self) -> usize {
        self.vector.as_ref().map_or(0, |vector| size_of_val(&**vector))
    }

    fn with_headers(predictions: &[Self], mut outgoing: Outgoing) -> Outgoing {
        let Some(first) = predictions.first() else { return outgoing };
        let headers = &mut outgoing.headers;
        if let Some(model) = &first.model {
            headers.push((MODEL, HeaderValue::Text(model.as_str().into())));
        }
        if let Some(version) = &first.model_version {
            headers.push((MODEL_VERSION, HeaderValue::Text(version.as_str().into())));
        }
        if first.role != ModelRole::Serving {
            headers.push((MODEL_ROLE, HeaderValue::Text(first.role.name().into())));
        }
        if let Some(at) = first.features_published_at {
            headers.push((FEATURES_PUBLISHED_AT, HeaderValue::Int(at.0)));
        }
        let width = first.vector_size();
        let same = predictions.iter().all(|prediction| prediction.vector_size() == width);
        if width > 0 && same && width * predictions.len() <= MOST_VECTORS {
            let numbers = predictions.iter().filter_map(|prediction| prediction.vector.as_deref()).flatten();
            let bytes = numbers.flat_map(|number| number.to_le_bytes()).collect();
            headers.push((FEATURES, HeaderValue::Bytes(bytes)));
        }
        outgoing
    }
}

/// A body, and the property `message_id` that goes with it.
type Written = (Option<Box<str>>, Vec<u8>);

fn json(value: &impl Serialize) -> Vec<u8> {
    // Unwrap safety: numbers, texts, sequences and maps with text for keys always serialise, and a Vec takes every byte.
    #[expect(clippy::unwrap_used, reason = "see above")]
    serde_json::to_vec(value).unwrap()
}

/// One value, with its id in the body, beside it, or nowhere.
fn alone(key: &Key, value: &impl Serialize) -> Written {
    let json = json(value);
    match key {
        Key::Property(id) => (Some(id.to_string().into()), json),
        Key::Anonymous => (None, json),
        Key::Body { under, .. } => {
            let mut head = String::from("{\"id\": ");
            push_id(&mut head, key);
            let under = serde_json::Value::from(under.as_str()).to_string();
            (None, [head.as_bytes(), b", ", under.as_bytes(), b": ", &json, b"}"].concat())
        }
    }
}

/// Values with their ids before them; an array of values where they have none. The id of a single one may be the property.
fn together(keys: &[&Key], values: &(impl Serialize + ?Sized)) -> Written {
    let json = json(&values);
    let under = match keys {
        [Key::Property(id)] => return (Some(id.to_string().into()), json),
        [] | [Key::Anonymous, ..] => return (None, json),
        [Key::Property(_), ..] => "body",
        [Key::Body { under, .. }, ..] => under.as_str(),
    };
    let mut head = String::with_capacity(40 * keys.len() + 32);
    head.push_str("{\"ids\": [");
    for (at, key) in keys.iter().enumerate() {
        if at > 0 {
            head.push_str(", ");
        }
        push_id(&mut head, key);
    }
    let under = serde_json::Value::from(under).to_string();
    (None, [head.as_bytes(), b"], ", under.as_bytes(), b": ", &json, b"}"].concat())
}

/// Adds the JSON of a key's id, as it came.
fn push_id(text: &mut String, key: &Key) {
    match key {
        Key::Body { raw: Some(raw), .. } => text.push_str(raw),
        // No character of an id is escaped in JSON.
        Key::Body { id, .. } | Key::Property(id) => _ = write!(text, "\"{id}\""),
        Key::Anonymous => text.push_str("null"),
    }
}

fn envelope(role: Role, (message_id, body): Written, app: &'static str, now: Timestamp) -> Outgoing {
    let headers = vec![(PUBLISHED_AT, HeaderValue::Int(now.0))];
    let content_type = Some("application/json");
    Outgoing {
        role,
        message_id,
        content_type,
        app,
        timestamp: now.seconds(),
        headers,
        body,
        asking: None,
        trace: None,
    }
}
