//! How many lines of a kind the log gets in a second: beyond that it is no longer read. Pure.

/// What was said in the second that is now.
#[derive(Debug)]
pub struct Quota {
    most: u64,
    second: i64,
    said: u64,
    hidden: u64,
}

impl Quota {
    /// At most so many in a second.
    #[must_use]
    pub const fn new(most: u64) -> Self {
        Self { most, second: 0, said: 0, hidden: 0 }
    }

    /// Says which second it is. Returns how many were hidden in the one before, once, where any were.
    pub fn now(&mut self, second: i64) -> Option<u64> {
        if second == self.second {
            return None;
        }
        let hidden = self.hidden;
        *self = Self { second, ..Self::new(self.most) };
        (hidden > 0).then_some(hidden)
    }

    /// Asks for one more. It is said, or hidden and counted.
    pub fn ask(&mut self) -> Asked {
        if self.said < self.most {
            self.said += 1;
            return Asked::Say;
        }
        self.hidden += 1;
        if self.hidden == 1 { Asked::HideFirst } else { Asked::Hide }
    }
}

/// What becomes of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It is to be said.
    Say,
    /// It is hidden, the first one of this second: how many they were is to be said when the second is over.
    HideFirst,
    /// It is hidden.
    Hide,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_lines_and_the_next_one_says_how_many_more_there_were() {
        let mut quota = Quota::new(3);
        // The second, how many ask in it, and then: how many of the second before were hidden, and how many are said now.
        for (second, asking, before, said) in [
            (5, 2, None, 2),
            (5, 2, None, 1),
            (6, 3, Some(1), 3),
            (7, 9, None, 3),
            // A clock that was set back begins another second, too.
            (3, 1, Some(6), 1),
            (9, 0, None, 0),
        ] {
            assert_eq!(quota.now(second), before, "{second}");
            let asked: Vec<Asked> = (0..asking).map(|_| quota.ask()).collect();
            assert_eq!(asked.iter().filter(|asked| **asked == Asked::Say).count(), said, "{second}");
        }
    }

    #[test]
    fn only_the_first_that_is_hidden_in_a_second_asks_for_the_sum() {
        let mut quota = Quota::new(1);
        for second in [1, 2] {
            quota.now(second);
            let asked: Vec<Asked> = (0..4).map(|_| quota.ask()).collect();
            assert_eq!(asked, [Asked::Say, Asked::HideFirst, Asked::Hide, Asked::Hide]);
        }
    }
}
