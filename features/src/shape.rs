//! In which shape rows and labels travel.

use clap::{Args, ValueEnum};
use shared::message::{BodyKey, Key, RowId};

/// Where the id travels, and what stands beside it.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Rows")]
pub struct Shape {
    /// Where the id goes: into the message's properties, or into the body as {"id", KEY}.
    #[arg(long, value_enum, default_value_t = Body::Bare)]
    pub body: Body,

    /// Key of the features in a wrapped body, as their consumer expects it. [default: body]
    #[arg(long, value_name = "KEY")]
    pub features_key: Option<BodyKey>,

    /// Key of the label in a wrapped body, such as `y_true`. [default: body]
    #[arg(long, value_name = "KEY")]
    pub labels_key: Option<BodyKey>,
}

/// Where the id travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Body {
    /// In the property `message_id`; the body is the bare array or number.
    Bare,
    /// In the body, `{"id": ..., KEY: ...}`, like later versions of the Python exercise.
    Wrapped,
}

impl Shape {
    /// Holds the flags to each other.
    ///
    /// # Errors
    /// A key for bodies that have none.
    pub fn check(&self) -> anyhow::Result<()> {
        for (flag, key) in [("--features-key", &self.features_key), ("--labels-key", &self.labels_key)] {
            if let (Some(key), Body::Bare) = (key, self.body) {
                anyhow::bail!("{flag} {key} needs an id in the body; add --body wrapped");
            }
        }
        Ok(())
    }

    /// What a row's features say of their id.
    #[must_use]
    pub fn features(&self, id: RowId) -> Key {
        self.key(id, self.features_key.as_ref())
    }

    /// What a label says of its row's id.
    #[must_use]
    pub fn label(&self, id: RowId) -> Key {
        self.key(id, self.labels_key.as_ref())
    }

    fn key(&self, id: RowId, under: Option<&BodyKey>) -> Key {
        match (self.body, under) {
            (Body::Bare, _) => Key::Property(id),
            (Body::Wrapped, None) => Key::wrapped(id),
            (Body::Wrapped, Some(under)) => Key::wrapped(id).under(under),
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::clock::Timestamp;
    use shared::message::Label;

    use super::*;

    #[test]
    fn a_label_leaves_as_its_consumer_expects_it() {
        let key = |text: &str| Some(text.parse().unwrap());
        for (body, labels_key, want) in [
            (Body::Bare, None, "2.5"),
            (Body::Wrapped, None, r#"{"id": "a/1", "body": 2.5}"#),
            (Body::Wrapped, key("y_true"), r#"{"id": "a/1", "y_true": 2.5}"#),
            (Body::Wrapped, key("\""), r#"{"id": "a/1", "\"": 2.5}"#),
        ] {
            let shape = Shape { body, features_key: None, labels_key };
            shape.check().unwrap();
            let key = shape.label(RowId::parse("a/1").unwrap());
            let label = Label { key, value: 2.5, published_at: None };
            assert_eq!(String::from_utf8(label.encode("features", Timestamp(0)).body).unwrap(), want);
        }
        let shape = Shape { body: Body::Bare, features_key: key("x"), labels_key: None };
        let why = "--features-key x needs an id in the body; add --body wrapped";
        assert_eq!(shape.check().unwrap_err().to_string(), why);
    }
}
