//! Sums of many numbers that lose nothing to rounding.

use serde::{Deserialize, Serialize};

/// A sum that carries its rounding error along: Neumaier's variant of Kahan's (ZAMM 54, 1974).
///
/// Serialised as the bits of its two numbers, because JSON has no infinity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "[u64; 2]", from = "[u64; 2]")]
pub(crate) struct Sum {
    sum: f64,
    lost: f64,
}

impl From<Sum> for [u64; 2] {
    fn from(Sum { sum, lost }: Sum) -> Self {
        [sum, lost].map(f64::to_bits)
    }
}

impl From<[u64; 2]> for Sum {
    fn from(bits: [u64; 2]) -> Self {
        let [sum, lost] = bits.map(f64::from_bits);
        Self { sum, lost }
    }
}

impl Sum {
    /// Adds a term.
    pub(crate) fn add(&mut self, term: f64) {
        let sum = self.sum + term;
        if !sum.is_finite() {
            // Beyond what 64 bits hold: infinite from now on, and not "no number".
            *self = Self { sum: f64::INFINITY, lost: 0.0 };
            return;
        }
        self.lost +=
            if self.sum.abs() >= term.abs() { (self.sum - sum) + term } else { (term - sum) + self.sum };
        self.sum = sum;
    }

    /// Adds all terms of another sum.
    pub(crate) fn merge(&mut self, other: Self) {
        self.add(other.sum);
        self.add(other.lost);
    }

    /// Adds a multiple of another sum, with what rounding takes from the products.
    pub(crate) fn add_multiple(&mut self, factor: f64, other: Self) {
        let product = factor * other.sum;
        self.add(product);
        self.add(factor * other.lost);
        let rounded_away = factor.mul_add(other.sum, -product);
        if rounded_away.is_finite() {
            self.add(rounded_away);
        }
    }

    /// The sum of all terms.
    pub(crate) fn total(self) -> f64 {
        self.sum + self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_has_what_rounding_would_lose_in_whatever_order() {
        for terms in [[1.0, 1e16, -1e16], [1e16, 1.0, -1e16], [-1e16, 1e16, 1.0], [1e16, -1e16, 1.0]] {
            let mut sum = Sum::default();
            terms.into_iter().for_each(|term| sum.add(term));
            assert_eq!(sum.total(), 1.0, "{terms:?}");
        }
    }

    #[test]
    fn sums_of_sums_lose_nothing_either() {
        let of = |terms: &[f64]| {
            let mut sum = Sum::default();
            terms.iter().for_each(|term| sum.add(*term));
            sum
        };
        let mut sum = of(&[1e16, 1.0]);
        sum.merge(of(&[1.0, -1e16]));
        assert_eq!(sum.total(), 2.0);
        sum.add_multiple(-3.0, of(&[1e16, 1.0]));
        sum.add_multiple(3e16, of(&[1.0]));
        assert_eq!(sum.total(), -1.0);
        // (1 + 2^-52)^2 has a last part that a product of two numbers rounds away.
        let mut sum = of(&[-1.0]);
        sum.add_multiple(1.0 + f64::EPSILON, of(&[1.0 + f64::EPSILON]));
        assert_eq!(sum.total(), 2.0 * f64::EPSILON + f64::EPSILON * f64::EPSILON);
        sum.add_multiple(f64::MAX, of(&[f64::MAX]));
        assert_eq!(sum.total(), f64::INFINITY);
    }
}
