//! The texts of numbers that were just written. To make one costs more than the rest of its line, and a row has two that are
//! in the lines of its messages already. Pure.

use std::fmt::Write as _;

/// How many places there are at the most.
const MOST: usize = 16_384;

/// Numbers with their texts. Of those that would have the same place, the last one is known.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Their number is a power of two, or none.
    places: Vec<Place>,
    /// All texts, one after the other.
    texts: String,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    bits: u64,
    begin: usize,
    /// Empty: no number is known here.
    end: usize,
}

impl Written {
    /// None yet, with places for about as many.
    pub(super) fn with_places_for(count: usize) -> Self {
        // Four times as many, so that few of them have the same place.
        let places = count.min(MOST / 4).next_power_of_two() * 4;
        Self { places: vec![Place::default(); places], texts: String::with_capacity(20 * count.min(MOST)) }
    }

    /// Adds a number to a text, and knows it from then on.
    pub(super) fn write(&mut self, text: &mut String, number: f64) {
        let begin = text.len();
        push(text, number);
        if let Some(place) = place(number.to_bits(), self.places.len()) {
            let from = self.texts.len();
            self.texts.push_str(&text[begin..]);
            self.places[place] = Place { bits: number.to_bits(), begin: from, end: self.texts.len() };
        }
    }

    /// Adds a number to a text, by its text where that is known.
    pub(super) fn write_again(&self, text: &mut String, number: f64) {
        let bits = number.to_bits();
        let known = place(bits, self.places.len()).map(|place| self.places[place]);
        match known {
            Some(Place { bits: same, begin, end }) if same == bits && begin < end => {
                text.push_str(&self.texts[begin..end]);
            }
            _ => push(text, number),
        }
    }
}

/// Adds a number in the shortest form that reads back to the same bits.
pub(super) fn push(text: &mut String, number: f64) {
    // Writing to a String cannot fail.
    _ = write!(text, "{number}");
}

/// Where these bits belong among so many places, which is a power of two, or none.
fn place(bits: u64, places: usize) -> Option<usize> {
    let wanted = places.checked_ilog2().filter(|wanted| *wanted > 0)?;
    // The highest bits of a product depend on all bits of the number, of which a round one has only high ones
    // (Knuth, The Art of Computer Programming, 6.4).
    let spread = bits.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(spread >> (64 - wanted)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_number_has_the_same_text_again_wherever_it_is() {
        let mut numbers =
            vec![0.0, -0.0, 1.0, f64::NAN, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE, 5e-324, 0.1 + 0.2];
        // More than there are places, so that some take the place of others.
        numbers.extend((0..3 * MOST).map(|number| f64::from(u32::try_from(number).unwrap()) / 7.0));
        for places in [0, 1, 3, 64, numbers.len()] {
            let mut written = if places == 0 { Written::default() } else { Written::with_places_for(places) };
            assert!(written.places.len() <= MOST);
            for number in &numbers {
                let (mut first, mut again) = ("x".to_owned(), "y".to_owned());
                written.write_again(&mut again, *number);
                written.write(&mut first, *number);
                written.write_again(&mut again, *number);
                let want = number.to_string();
                assert_eq!((first, again), (format!("x{want}"), format!("y{want}{want}")));
            }
            for number in &numbers {
                let mut again = String::new();
                written.write_again(&mut again, *number);
                assert_eq!(again, number.to_string());
            }
        }
    }

    #[test]
    fn numbers_of_every_kind_have_places_of_their_own() {
        let kinds: [fn(u32) -> f64; 4] =
            [f64::from, |n| f64::from(n) / 4.0, |n| f64::from(n) / 7.0, |n| f64::from(n as f32 / 7.0)];
        for kind in kinds {
            let found: BTreeSet<_> = (1..=1024).map(|n| place(kind(n).to_bits(), 4096)).collect();
            // By chance it would be 906.
            assert!(found.len() > 800, "{}", found.len());
        }
    }

    #[test]
    fn a_known_number_is_not_made_again() {
        let mut written = Written::with_places_for(8);
        let mut text = String::new();
        [151.5, 206.25].into_iter().for_each(|number| written.write(&mut text, number));
        // What is given again is what was kept, whatever that is.
        written.texts = "abcdefghijkl".to_owned();
        let mut again = String::new();
        [206.25, 151.5, 7.0].into_iter().for_each(|number| written.write_again(&mut again, number));
        assert_eq!((text.as_str(), again.as_str()), ("151.5206.25", "fghijkabcde7"));
    }
}
