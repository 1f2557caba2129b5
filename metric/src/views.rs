//! How a report looks. Nothing here computes a figure.

mod comparisons;
pub(crate) mod prometheus;
mod text;
mod watch;

pub(crate) use comparisons::{comparisons, difference, finding};
pub(crate) use text::text;
pub(crate) use watch::watch;
