//! What is remembered of predictions until their labels come. Bounded: the oldest are forgotten first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fold::Label;

/// How many predictions are remembered at the most.
const MOST: usize = 65_536;
/// How many bytes their places in slices take at the most.
const MOST_BYTES: usize = 8 << 20;

/// What is remembered of a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// When it was made, in milliseconds.
    pub(crate) at: i64,
    /// The last label that was made before its row.
    pub(crate) label_before: Option<Label>,
    /// In which bin of each feature its row is; empty where that is not known.
    pub(crate) places: Box<[u8]>,
}

/// The predictions that wait, by their number.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Waiting {
    rows: BTreeMap<i64, Remembered>,
    bytes: usize,
}

impl Waiting {
    /// Remembers a prediction.
    pub(crate) fn add(&mut self, number: i64, row: Remembered) {
        self.bytes += row.places.len();
        if let Some(before) = self.rows.insert(number, row) {
            self.bytes -= before.places.len();
        }
        while self.rows.len() > MOST || self.bytes > MOST_BYTES {
            let Some((_, oldest)) = self.rows.pop_first() else { break };
            self.bytes -= oldest.places.len();
        }
    }

    /// Takes out what is remembered of a prediction, if anything is.
    pub(crate) fn take(&mut self, number: i64) -> Option<Remembered> {
        let row = self.rows.remove(&number)?;
        self.bytes -= row.places.len();
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(at: i64, places: usize) -> Remembered {
        Remembered { at, label_before: None, places: vec![0; places].into() }
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut waiting = Waiting::default();
        let most = i64::try_from(MOST).unwrap();
        (0..most + 2).for_each(|number| waiting.add(number, row(number, 0)));
        assert_eq!([0, 1, 2].map(|number| waiting.take(number).map(|row| row.at)), [None, None, Some(2)]);
        assert_eq!(waiting.take(2), None);
    }

    #[test]
    fn it_is_bounded_in_bytes() {
        let mut waiting = Waiting::default();
        let third = MOST_BYTES / 3;
        (0..4).for_each(|number| waiting.add(number, row(number, third)));
        // The same number again takes the place of what was there.
        waiting.add(3, row(7, third));
        assert_eq!(waiting.take(0), None);
        assert_eq!(waiting.take(3).map(|row| row.at), Some(7));
        assert_eq!(waiting.bytes, 2 * third);
    }
}
