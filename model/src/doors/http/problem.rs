//! Why a request gets no prediction: a status, a code that is the same behind every door, and a sentence.

use axum::http::StatusCode;
use shared::message::{MAX_BODY, Rejection};

use crate::answer::RefusedRow;

/// What is said in place of an answer. Each door has its own form of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// The code of what is wrong with a row, as dead letters have it.
    pub(super) reason: Option<&'static str>,
    pub(super) error: String,
}

impl Problem {
    /// Of a request that has something wrong with it.
    pub(super) fn bad(reason: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::from(Rejection::new(reason, detail))
    }

    /// Of one of several rows, counted from 0.
    pub(super) fn of_row(index: usize, rows: usize, why: &Rejection) -> Self {
        let of = Self::from(why.clone());
        if rows == 1 { of } else { Self { error: format!("row {}: {}", index + 1, of.error), ..of } }
    }

    /// Of a row that the model refuses.
    pub(super) fn of_refused(rows: usize, refused: &RefusedRow) -> Self {
        Self::of_row(refused.index, rows, &refused.why)
    }

    /// What is asked for is not here.
    pub(super) fn missing(error: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, reason: None, error }
    }

    /// Nothing is wrong with the request: it may come again in a second.
    pub(super) fn unavailable(error: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, reason: None, error: error.into() }
    }

    /// A body that is longer than any message.
    pub(super) fn long() -> Self {
        Self::bad(Rejection::TOO_LARGE, format!("the body is longer than {MAX_BODY} bytes"))
    }
}

impl From<Rejection> for Problem {
    fn from(why: Rejection) -> Self {
        let status = match why.reason {
            Rejection::TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
            Rejection::CONTENT_TYPE => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self { status, reason: Some(why.reason), error: why.detail }
    }
}
