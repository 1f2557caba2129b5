//! How a report looks. Nothing here computes a figure.

pub(crate) mod prometheus;
mod text;
mod watch;

pub(crate) use text::text;
pub(crate) use watch::watch;
