//! Why a file is refused, in words for a person and in a code for a program.

use super::way_out;

/// Why a pickle is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleError {
    /// It names a function or class that is not on the list.
    #[error(
        "it refers to {name}, which a model does not need; nothing was executed; if the file is yours, {}",
        way_out::of_refused(*within)
    )]
    RefusedGlobal {
        /// The dotted name, escaped and cut.
        name: String,
        /// The class that the pickle is about, if it is one that is read.
        within: Option<&'static str>,
    },
    /// It is a model, and not one of the linear ones.
    #[error("only linear models are read from a pickle, not {class}; {}", way_out::of_class(class, *within))]
    UnsupportedClass {
        /// The dotted name, escaped and cut.
        class: String,
        /// The class that it is inside, if it is one that is read.
        within: Option<&'static str>,
    },
    /// It is a linear model that cannot be used as it is.
    #[error("{why}")]
    UnsupportedModel {
        /// What is the matter and what to do.
        why: String,
    },
    /// It is not a whole pickle of a model.
    #[error("it is damaged at byte {at}: {why}; save the model and copy the file again")]
    Malformed {
        /// Where, in the decompressed file.
        at: usize,
        /// What stands there.
        why: String,
    },
    /// Reading it would cost too much.
    #[error("it has more than {limit} {what}; save only the fitted model, with joblib.dump(model, path)")]
    TooLarge {
        /// What is counted.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// It is no pickle, or a pickle in a form that is not read.
    #[error("it is {what}, which cannot be read; save it with joblib.dump(model, path) without compress")]
    UnsupportedFormat {
        /// What it is.
        what: &'static str,
    },
}

impl PickleError {
    /// A stable code.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::RefusedGlobal { .. } => "refused_global",
            Self::UnsupportedClass { .. } => "unsupported_class",
            Self::UnsupportedModel { .. } => "unsupported_model",
            Self::Malformed { .. } => "malformed",
            Self::TooLarge { .. } => "too_large",
            Self::UnsupportedFormat { .. } => "unsupported_format",
        }
    }

    pub(super) fn malformed(at: usize, why: impl Into<String>) -> Self {
        Self::Malformed { at, why: why.into() }
    }

    pub(super) fn model(why: impl Into<String>) -> Self {
        Self::UnsupportedModel { why: why.into() }
    }
}
