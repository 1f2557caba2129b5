//! Why a file is refused, in words for a person and in a code for a program.

/// Why a pickle is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleError {
    /// It names a function or class that is not on the list.
    #[error(
        "it wants to use {name}, which a model does not need; nothing was executed; if it is yours, save only the \
         fitted model, with joblib.dump(model, path)"
    )]
    RefusedGlobal {
        /// The dotted name, escaped and cut.
        name: String,
    },
    /// It is a model, and not one of the linear ones.
    #[error(
        "{class} is not read from a pickle, only LinearRegression, Ridge, Lasso and ElasticNet, alone or behind a \
         StandardScaler; export it to ONNX (skl2onnx)"
    )]
    UnsupportedClass {
        /// The dotted name, escaped and cut.
        class: String,
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
    #[error("it is {what}, which is not read; save it with joblib.dump(model, path) without compress")]
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

/// Text of the file's for a message: printable, on one line and not long.
pub(super) fn printable(text: impl Iterator<Item = char>) -> String {
    const LONGEST: usize = 100;
    let mut shown: String = text.flat_map(char::escape_default).take(LONGEST + 1).collect();
    if shown.len() > LONGEST {
        shown.truncate(LONGEST - 3);
        shown.push_str("...");
    }
    shown
}
