//! What one message carries: one row, label or prediction, or many that travel together.

use super::Rejection;

/// The most rows that one message has.
pub const MOST_ROWS: usize = 4096;

/// What a message carries, in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle<T> {
    /// Whether it came in the form of many, though it may be one. An answer has the form of its question.
    pub together: bool,
    /// Each item, or why it cannot be used. At least one, at the most [`MOST_ROWS`].
    pub items: Vec<Result<T, Rejection>>,
}

impl<T> Bundle<T> {
    /// One that came in its own form.
    #[must_use]
    pub fn of_one(item: T) -> Self {
        Self { together: false, items: vec![Ok(item)] }
    }

    /// The same with each good item as something else.
    pub fn map<U>(self, mut with: impl FnMut(T) -> U) -> Bundle<U> {
        let items = self.items.into_iter().map(|item| item.map(&mut with)).collect();
        Bundle { together: self.together, items }
    }

    /// The item of a message that has one.
    ///
    /// # Errors
    /// Why it cannot be used; or there are many.
    pub fn only(self) -> Result<T, Rejection> {
        let count = self.items.len();
        match <[Result<T, Rejection>; 1]>::try_from(self.items) {
            Ok([item]) => item,
            Err(_) => Err(Rejection::new(Rejection::SHAPE, format!("{count} in one message; expected one"))),
        }
    }
}

/// One item of a message that has several, as a message of its own that can be sent again. The ids among the message's
/// properties are not its own: they are nobody's.
#[derive(Debug, Clone, PartialEq)]
pub struct Alone {
    /// Its place among the others, counted from 0.
    pub index: usize,
    /// How many there are.
    pub of: usize,
    /// Its body.
    pub body: Vec<u8>,
    /// The features that it was predicted from, as the header `features` has them, if the message had them.
    pub vector: Option<Vec<u8>>,
}
