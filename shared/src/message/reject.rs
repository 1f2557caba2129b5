//! Why a message cannot be used.

use std::fmt;

/// A reason that travels with the message into its dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// A short stable code, for machines: the header `x-reason`.
    pub reason: &'static str,
    /// What is wrong with this very message, for people: the header `x-detail`.
    pub detail: String,
}

impl Rejection {
    /// The body is longer than [`super::MAX_BODY`], or the properties are longer than 64 KiB.
    pub const TOO_LARGE: &'static str = "too_large";
    /// The message's properties are none that could be read: nested too deeply, not UTF-8 where they must be, or cut.
    pub const PROPERTIES: &'static str = "bad_properties";
    /// It was delivered ten times, the last five alone, and nobody was done with it: it seems to kill its process.
    pub const CRASHES: &'static str = "crashes";
    /// The content type is neither absent nor JSON.
    pub const CONTENT_TYPE: &'static str = "bad_content_type";
    /// The body is not JSON.
    pub const NOT_JSON: &'static str = "not_json";
    /// The body is JSON of another shape than this queue's.
    pub const SHAPE: &'static str = "bad_shape";
    /// A number is NaN, infinite, or too large for 64 bits.
    pub const NOT_FINITE: &'static str = "not_finite";
    /// The id is longer than 64 characters or has others than `A-Z a-z 0-9 _ . -`.
    pub const ID: &'static str = "bad_id";
    /// The header that names the model or its version breaks the same rule.
    pub const MODEL: &'static str = "bad_model";
    /// The vector has another length than the model wants.
    pub const LENGTH: &'static str = "wrong_length";
    /// The header that names the features names other ones than the model's, or in another order.
    pub const NAMES: &'static str = "wrong_names";
    /// A feature is beyond what the model was trained on, and the model is to refuse that.
    pub const RANGE: &'static str = "out_of_range";
    /// The model failed on this row.
    pub const FAILED: &'static str = "prediction_failed";

    /// A rejection with a detail of at most 200 characters.
    #[must_use]
    pub fn new(reason: &'static str, detail: impl fmt::Display) -> Self {
        let mut detail = detail.to_string();
        if let Some((cut, _)) = detail.char_indices().nth(200) {
            detail.truncate(cut);
        }
        Self { reason, detail }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}
