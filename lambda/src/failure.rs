//! What a caller reads where there is no answer: a code that programs can go by, and a sentence. Pure.

use std::fmt;

use lambda_runtime::Diagnostic;
use model::NotInvoked;
use shared::message::Rejection;
use shared::printable::lines;

/// Why an event has no answer.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// `errorType` of the function's error. Of what is wrong with a row, it is the reason that dead letters have.
    pub(crate) kind: &'static str,
    /// `errorMessage`.
    pub(crate) message: String,
}

impl Failure {
    /// The function cannot start.
    pub(crate) const INIT: &'static str = "cannot_start";
    /// An event that is none of those that are known, or rows of a queue that is not ours.
    pub(crate) const EVENT: &'static str = "unknown_event";
    /// The broker has not confirmed: the whole batch comes again.
    pub(crate) const UNCONFIRMED: &'static str = "not_confirmed";

    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Whether a row is what is wrong, and not the function.
    pub(crate) fn is_of_a_row(&self) -> bool {
        Rejection::ALL.contains(&self.kind)
    }
}

/// As `lambda_runtime` logs it, so that nobody else needs to.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, lines(&self.message))
    }
}

impl From<NotInvoked> for Failure {
    fn from(why: NotInvoked) -> Self {
        Self::new(why.reason.unwrap_or(Self::EVENT), why.error)
    }
}

impl From<Failure> for Diagnostic {
    fn from(why: Failure) -> Self {
        Self { error_type: why.kind.to_owned(), error_message: why.message }
    }
}
