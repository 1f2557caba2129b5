//! Whether features and predictions are still spread as they were when the model was made, before any label has come.
//!
//! The reference is a sample like the window that is compared with it, so all of this allows for the noise of both. Drift is a
//! reason to look at the errors, and never says that a model is worse.

mod detector;
mod reference;
mod statistics;
mod thresholds;

pub use detector::{Detector, Since};
pub use reference::Reference;
pub use statistics::{Part, Statistics};
pub use thresholds::{Thresholds, tail};

#[cfg(test)]
mod tests;
