//! How a report looks. Nothing here computes a figure.

mod text;

pub(crate) use text::text;
