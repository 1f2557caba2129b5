//! The reader on files of scikit-learn's, whole and damaged, and on files that want to run a command.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attacks;
mod fixtures;
mod versions;
