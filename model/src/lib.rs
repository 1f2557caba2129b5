//! The regression: trained from a table or made elsewhere, kept in a file, served between two queues, and swapped while it
//! serves.
//!
//! - [`train`]: fits a model and says how good it is on rows that it has not seen.
//! - [`mod@file`]: the model file, written whole; [`pickle`] and [`onnx`]: files that others wrote.
//! - [`load`]: from a file's [`content`] to a [`predictor`], through every check, or to a [`refusal`]. What predicts is [`linear`] or [`onnx`], and
//!   [`inputs`] is what it wants of a row, and [`encode`] what becomes of a row first.
//! - `maker`: what other libraries save by themselves; `advice`: the lines that make files for us of what is not read.
//! - `recorded`: reads the rows that production recorded; `standard`: files that may be standard input or output; `replace`: how a
//!   file takes the place of another one.
//! - [`swap`]: looks after the file and replaces the model that serves.
//! - [`card`]: what is told of a model to whoever keeps records; [`announce`] publishes it.
//! - [`serve`]: takes rows from their queue in micro-batches and publishes predictions; `answer` is what it says of them, and
//!   `doors` are other ways to ask.
//! - [`cli`]: the command line; [`command`]: what its commands do.

mod advice;
pub mod announce;
mod answer;
pub mod card;
mod challenger;
pub mod cli;
pub mod command;
pub mod content;
mod decided;
mod doors;
pub mod encode;
pub mod file;
pub mod inputs;
pub mod linear;
pub mod load;
mod maker;
pub mod onnx;
mod options;
pub mod pickle;
pub mod predictor;
mod recorded;
pub mod refusal;
mod replace;
pub mod serve;
pub mod shadow;
mod standard;
pub mod swap;
pub mod train;
pub mod versions;
mod watch;

pub use doors::http::{Doors, Invocation, Invoked, NotInvoked, invoke};
pub use options::{AnswerOptions, HttpOptions, HttpRecord, ServeOptions, ShadowWhen, VersionOptions};
pub use serve::{run, run_with};
