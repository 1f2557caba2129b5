//! A program that was built without the feature `traces`: it hands contexts on, and tells nobody.

use tracing::warn;

use super::options::variable;
use super::{Context, Fact, Step, TraceOptions};

/// A step that nobody is told of.
#[derive(Debug, Clone, Default)]
pub struct Span(());

impl Span {
    /// Begins a step.
    #[must_use]
    pub fn begin(_: Step<'_>) -> Self {
        Self(())
    }

    /// Where what it makes is in its trace.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        None
    }

    /// Whether somebody is told of it.
    #[must_use]
    pub fn is_told(&self) -> bool {
        false
    }

    /// Adds something that is known of it.
    pub fn know(&self, _: &'static str, _: impl Into<Fact>) {}

    /// Says that it has failed, with a short stable code.
    pub fn fail(&self, _: &str) {}

    /// Ends it.
    pub fn end(&self) {}
}

/// Whether there is a receiver.
#[must_use]
pub const fn is_on() -> bool {
    false
}

/// Says that there will be no traces, where some are wanted.
pub(crate) fn start(_: &'static str, options: &TraceOptions) {
    match options.endpoint(variable) {
        Some(Ok(endpoint)) => warn!(
            "no traces go to {endpoint}: this program is built without them; build it with `--features traces`, as the image is"
        ),
        Some(Err(why)) => warn!("no traces are told to anybody: {why}"),
        None => {}
    }
}

/// Tells what is not told yet: nothing.
pub(crate) fn stop() {}
