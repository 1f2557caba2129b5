//! Whether the errors have changed, decided anew with every label and with few false alarms however often it is asked.
//!
//! An error becomes its rank among the errors of a reference, which has the same distribution whatever the model and its unit.
//! An error is prediction minus label: above 0 where the prediction is too high.

mod detector;
mod ranks;
mod watch;

pub use detector::{Alarm, Detector};
pub use ranks::Ranks;
pub use watch::{Direction, Watch};

#[cfg(test)]
mod tests;
