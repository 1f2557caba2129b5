//! Which row of the table comes next.

use std::fmt;

use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Order of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// Drawn at random with replacement, endlessly.
    Random,
    /// From first to last, then stop.
    Once,
    /// From first to last, over and over.
    Loop,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Random => "random",
            Self::Once => "once-through",
            Self::Loop => "looped",
        })
    }
}

/// Draws row indices.
#[derive(Debug)]
pub struct Rows {
    len: usize,
    order: Order,
    random: StdRng,
    drawn: u64,
    limit: Option<u64>,
}

impl Rows {
    /// Indices below `len`, which is not zero, in `order`; `count` ends them earlier.
    #[must_use]
    pub fn new(len: usize, order: Order, seed: u64, count: Option<u64>) -> Self {
        let through = (order == Order::Once).then_some(len as u64);
        let limit = through.into_iter().chain(count).min();
        Self { len, order, random: StdRng::seed_from_u64(seed), drawn: 0, limit }
    }

    /// How many there are in all, if there is an end.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.limit
    }

    /// How many were drawn.
    #[must_use]
    pub fn drawn(&self) -> u64 {
        self.drawn
    }

    /// There is no next one from here on.
    pub fn end(&mut self) {
        self.limit = Some(self.drawn);
    }

    /// Whether there is a next one.
    #[must_use]
    pub fn any_left(&self) -> bool {
        self.limit.is_none_or(|limit| self.drawn < limit)
    }
}

impl Iterator for Rows {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if !self.any_left() {
            return None;
        }
        let index = match self.order {
            Order::Random => self.random.random_range(0..self.len),
            Order::Once | Order::Loop => {
                // Unwrap safety: the remainder is below `len`, which is a usize.
                #[expect(clippy::unwrap_used, reason = "see above")]
                usize::try_from(self.drawn % self.len as u64).unwrap()
            }
        };
        self.drawn += 1;
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(order: Order, seed: u64, count: Option<u64>) -> Vec<usize> {
        Rows::new(3, order, seed, count).take(300).collect()
    }

    #[test]
    fn once_ends_and_loop_begins_again() {
        assert_eq!(indices(Order::Once, 1, None), [0, 1, 2]);
        assert_eq!(indices(Order::Once, 1, Some(2)), [0, 1]);
        assert_eq!(indices(Order::Once, 1, Some(9)), [0, 1, 2]);
        assert_eq!(indices(Order::Loop, 1, Some(5)), [0, 1, 2, 0, 1]);
    }

    #[test]
    fn random_draws_every_row_the_last_too_and_repeats_by_seed() {
        let drawn = indices(Order::Random, 7, None);
        for row in 0..3 {
            let times = drawn.iter().filter(|index| **index == row).count();
            assert!((60..=140).contains(&times), "row {row} was drawn {times} times of 300");
        }
        assert_eq!(drawn, indices(Order::Random, 7, None));
        assert_ne!(drawn, indices(Order::Random, 8, None));
    }
}
