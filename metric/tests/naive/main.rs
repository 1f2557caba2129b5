//! The join, alone and with its store, against a naive model that remembers everything in memory and never crashes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod decided;
mod followed;
mod model;
mod stored;
