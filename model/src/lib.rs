//! The regression: trained from a table, kept in a file, served between two queues.
//!
//! - [`train`]: fits a model and says how good it is on rows that it has not seen.
//! - [`mod@file`]: the model file, written whole and checked when read.
//! - [`predictor`]: rows of numbers in, predictions out.
//! - [`serve`]: takes rows from their queue in micro-batches and publishes predictions.

pub mod cli;
pub mod file;
pub mod predictor;
pub mod serve;
pub mod train;

pub use serve::{ServeOptions, run};
