//! How a report looks. Nothing here computes a figure.

pub(crate) mod prometheus;
mod text;

pub(crate) use text::text;
