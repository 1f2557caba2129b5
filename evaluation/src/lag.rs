//! Labels that come late: how late they are, and what that does to a mean absolute error.
//!
//! A label may be late because of its error, so that the labels known so far are no fair sample. Times are in milliseconds. A
//! row's lag is its label's time minus its prediction's, its age is now minus its prediction's time.

mod bins;
mod cohorts;
mod curve;
mod weight;

pub use bins::{BINS, bin, bin_range};
pub use cohorts::{Cohort, Cohorts, Counts};
pub use curve::{Followed, LagCurve, Quantile};
pub use weight::{Judged, Weighted, bounds, tipping_point};

#[cfg(test)]
mod tests;
