//! What is said to whoever is turned away: a status and one plain line. The connection ends with it.
//!
//! Where a head cannot be read at all, or is too long, hyper answers by itself: 400, 414 and 431 without a body.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse as _, Response};

const TEXT: &str = "text/plain; charset=utf-8";

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The head was not complete in time.
    SlowHead(Duration),
    /// The body was not complete in time.
    SlowBody(Duration),
    /// The body is longer than so many bytes.
    LongBody(usize),
    /// Whoever was to answer took too long.
    NoAnswer(Duration),
    /// All so many places are taken, and everybody in them is being served.
    Full(usize),
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::SlowHead(_) | Self::SlowBody(_) => StatusCode::REQUEST_TIMEOUT,
            Self::LongBody(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoAnswer(_) | Self::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn line(self) -> String {
        match self {
            Self::SlowHead(time) => format!("the head of the request was not complete within {time:?}\n"),
            Self::SlowBody(time) => format!("the body of the request was not complete within {time:?}\n"),
            Self::LongBody(bytes) => format!("the body of the request is longer than {bytes} bytes\n"),
            Self::NoAnswer(time) => format!("there was no answer within {time:?}; try again later\n"),
            Self::Full(places) => format!("all {places} connections are in use; try again in a second\n"),
        }
    }

    /// As an answer to a request that was read.
    pub(super) fn response(self) -> Response {
        let headers = [(CONTENT_TYPE, TEXT), (CONNECTION, "close")];
        let mut response = (self.status(), headers, self.line()).into_response();
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, 1.into());
        }
        response
    }

    /// As it goes over the wire where no request was read.
    pub(super) fn bytes(self) -> Vec<u8> {
        let (status, line) = (self.status(), self.line());
        let retry = if status == StatusCode::SERVICE_UNAVAILABLE { "retry-after: 1\r\n" } else { "" };
        let length = line.len();
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {TEXT}\r\ncontent-length: {length}\r\n{retry}connection: close\r\n\r\n{line}"
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_status_and_its_line() {
        let second = Duration::from_secs(1);
        for (refusal, status, line) in [
            (Refusal::SlowHead(5 * second), 408, "the head of the request was not complete within 5s\n"),
            (Refusal::SlowBody(10 * second), 408, "the body of the request was not complete within 10s\n"),
            (Refusal::LongBody(1024), 413, "the body of the request is longer than 1024 bytes\n"),
            (Refusal::NoAnswer(10 * second), 503, "there was no answer within 10s; try again later\n"),
            (Refusal::Full(256), 503, "all 256 connections are in use; try again in a second\n"),
        ] {
            let response = refusal.response();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()[CONNECTION], "close");
            assert_eq!(response.headers().contains_key(RETRY_AFTER), status == 503);
            assert_eq!(refusal.line(), line);
        }
    }

    #[test]
    fn the_bytes_are_an_answer() {
        let text = String::from_utf8(Refusal::Full(2).bytes()).unwrap();
        assert_eq!(
            text,
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 52\r\n\
             retry-after: 1\r\nconnection: close\r\n\r\nall 2 connections are in use; try again in a second\n"
        );
    }
}
