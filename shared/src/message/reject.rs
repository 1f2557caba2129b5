//! Why a message cannot be used.

use std::fmt;

use crate::printable::printable;

/// A reason that travels with the message into its dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// A short stable code, for machines: the header `x-reason`.
    pub reason: &'static str,
    /// What is wrong with this very message, for people: the header `x-detail`.
    pub detail: String,
}

impl Rejection {
    /// The body is longer than [`super::MAX_BODY`], has more than [`super::MOST_ROWS`] rows, or the properties are longer than 64 KiB.
    pub const TOO_LARGE: &'static str = "too_large";
    /// The message's properties are none that could be read: nested too deeply, not UTF-8 where they must be, or cut.
    pub const PROPERTIES: &'static str = "bad_properties";
    /// It was delivered ten times, the last five alone, and nobody was done with it: it seems to kill its process.
    pub const CRASHES: &'static str = "crashes";
    /// The content type says that the body is something else than JSON.
    pub const CONTENT_TYPE: &'static str = "bad_content_type";
    /// The body is compressed in a way that is not read, or cannot be expanded.
    pub const ENCODING: &'static str = "bad_encoding";
    /// The body is not JSON.
    pub const NOT_JSON: &'static str = "not_json";
    /// The body is JSON of another shape than this queue's.
    pub const SHAPE: &'static str = "bad_shape";
    /// A number is NaN, infinite, or too large for 64 bits.
    pub const NOT_FINITE: &'static str = "not_finite";
    /// The label or the prediction is beyond [`super::LARGEST_VALUE`].
    pub const EXTREME: &'static str = "too_extreme";
    /// The id is none that [`super::RowId`] takes.
    pub const ID: &'static str = "bad_id";
    /// The header that names the model or its version has none that [`super::Name`] takes.
    pub const MODEL: &'static str = "bad_model";
    /// The vector has another length than the model wants.
    pub const LENGTH: &'static str = "wrong_length";
    /// The header that names the features names other ones than the model's, or in another order; or features that came by name
    /// lack one.
    pub const NAMES: &'static str = "wrong_names";
    /// A feature is missing, and the model does not know what stands for it.
    pub const MISSING: &'static str = "missing_value";
    /// A category that the model was not trained on.
    pub const CATEGORY: &'static str = "unknown_category";
    /// A feature is beyond what the model was trained on, and the model is to refuse that.
    pub const RANGE: &'static str = "out_of_range";
    /// A feature has a fraction, and the model takes whole numbers.
    pub const NOT_WHOLE: &'static str = "not_whole";
    /// The model failed on this row.
    pub const FAILED: &'static str = "prediction_failed";

    /// All of them.
    pub const ALL: [&'static str; 18] = [
        Self::TOO_LARGE,
        Self::PROPERTIES,
        Self::CRASHES,
        Self::CONTENT_TYPE,
        Self::ENCODING,
        Self::NOT_JSON,
        Self::SHAPE,
        Self::NOT_FINITE,
        Self::EXTREME,
        Self::ID,
        Self::MODEL,
        Self::LENGTH,
        Self::NAMES,
        Self::MISSING,
        Self::CATEGORY,
        Self::RANGE,
        Self::NOT_WHOLE,
        Self::FAILED,
    ];

    /// A rejection with a detail of at most 200 characters, which can all be printed.
    #[must_use]
    pub fn new(reason: &'static str, detail: impl fmt::Display) -> Self {
        Self { reason, detail: printable(&detail.to_string()) }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The detail goes into a header, a line of the log and a terminal.
    #[test]
    fn a_detail_is_one_line_of_bounded_length() {
        let forged = "unknown field `x\n2026-11-25T10:00:00Z ERROR metric: all records lost\u{1b}[2J`";
        let rejection = Rejection::new(Rejection::SHAPE, forged);
        assert_eq!(
            rejection.to_string(),
            "bad_shape: unknown field `x\\n2026-11-25T10:00:00Z ERROR metric: all records lost\\u{1b}[2J`"
        );
        assert_eq!(Rejection::new(Rejection::SHAPE, "\n".repeat(1000)).detail.chars().count(), 199);
    }
}
