//! Traces: what a row passes through, from the service that published it to the one that recorded it, as OpenTelemetry has them.
//!
//! Where a message is in a trace stands in its headers `traceparent` and `tracestate` (W3C Trace Context). A service hands them
//! on with whatever it makes of a message, also where nobody collects traces. Where `--otlp-endpoint` names a receiver, it tells
//! that one of each step of a trace that is collected, beside its work: what cannot be told is left out, and no row waits for it.
//!
//! The receiver is a matter of the process, like the log; [`crate::transport`] says which steps there are.

#[cfg(not(feature = "traces"))]
mod absent;
mod context;
#[cfg(feature = "traces")]
mod exporter;
mod options;
#[cfg(feature = "traces")]
mod settings;
#[cfg(feature = "traces")]
mod span;

use std::future::Future;

#[cfg(not(feature = "traces"))]
pub use absent::{Span, is_on};
#[cfg(not(feature = "traces"))]
pub(crate) use absent::{start, stop};
pub use context::Context;
pub use options::{OtlpEndpoint, TraceOptions};
#[cfg(feature = "traces")]
pub use span::{Span, is_on};
#[cfg(feature = "traces")]
pub(crate) use span::{start, stop};

/// What a step is to the others of its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It made a message, whose context is its own.
    Producer,
    /// It worked on a message.
    Consumer,
    /// It asked somebody else for something.
    Client,
    /// It answered somebody.
    Server,
    /// Nobody else was part of it.
    Internal,
}

/// A step that begins now.
#[derive(Debug)]
pub struct Step<'a> {
    /// The service that makes it.
    pub service: &'static str,
    /// What it is called: of what is done and to what, never of which row.
    pub name: &'a str,
    /// What it is to the others.
    pub kind: Kind,
    /// What it belongs to; without that it begins a trace.
    pub parent: Option<&'a Context>,
    /// Steps of other traces that it was made for. One that begins a trace is told where one of them is.
    pub links: &'a [Span],
}

/// What is known of a step, by the names that OpenTelemetry has for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Text.
    Text(String),
    /// A number.
    Int(i64),
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<usize> for Fact {
    fn from(count: usize) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

impl From<u16> for Fact {
    fn from(number: u16) -> Self {
        Self::Int(number.into())
    }
}

tokio::task_local! {
    static CURRENT: Option<Context>;
}

/// Runs a future to whose task this context belongs: see [`current`].
pub async fn within<F: Future>(context: Option<Context>, future: F) -> F::Output {
    CURRENT.scope(context, future).await
}

/// The context of the task that calls, as [`within`] has set it.
#[must_use]
pub fn current() -> Option<Context> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}
