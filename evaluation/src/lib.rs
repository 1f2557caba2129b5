//! What a record means: how good a model is, and whether that number can be trusted.
//!
//! Everything here is pure: no clock, no IO, no threads. Times and seeds are parameters, so what is computed from the same record
//! is the same to the last bit, whoever asks and whenever.

pub mod alert;
mod answers;
pub mod basis;
pub mod batches;
pub mod before_after;
mod bits;
pub mod change;
mod comparisons;
pub mod confidence;
pub mod distribution;
pub mod drift;
mod first_rows;
pub mod fold;
pub mod histogram;
pub mod identity;
pub mod lag;
pub mod lifetime;
pub mod moments;
#[cfg(test)]
mod noise;
pub mod number;
pub mod pairs;
pub mod panes;
pub mod quantile;
pub mod report;
mod rules;
mod running;
#[cfg(test)]
mod sample;
pub mod saved;
pub mod scores;
pub mod sketch;
pub mod slices;
mod spread;
mod sum;
pub mod table;
mod timeline;
mod trace;
mod verdict;
mod version;
mod versions;
mod waiting;
pub mod window;

pub use first_rows::FirstRows;
