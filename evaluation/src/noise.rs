//! Normal numbers, for the tests of rates and for their long form in `examples/rates`, which has this file too.

use rand::RngExt as _;
use rand::rngs::StdRng;

/// A normal number, by Box and Muller.
pub(crate) fn normal(random: &mut StdRng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}
