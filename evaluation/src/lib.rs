//! What a record means: how good a model is, and whether that number can be trusted.
//!
//! Everything here is pure: no clock, no IO, no threads. Times and seeds are parameters, so what is computed from the same record
//! is the same to the last bit, whoever asks and whenever.

pub mod alert;
pub mod number;
pub mod scores;
mod sum;
