//! What is done with a dead letter after what became of it: pure.
//!
//! A letter is published whole. What the broker says is too large goes at once in the first form that fits. What was
//! under way when a channel or connection died goes again with the others, then alone, and when it has died twice alone,
//! in the next smaller form. What is refused twice for another reason is *parked*: it waits longer and longer, up to a
//! minute, counted, while others go on.

use std::time::Duration;

use super::letter::Form;

const SOON: Duration = Duration::from_secs(1);
/// The longest wait between two tries of a letter.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// What became of one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    /// It is safe.
    Confirmed,
    /// The broker takes no body of more than this many bytes. It closes the channel, so all that were under way with a
    /// smaller one are told the same.
    TooLarge(u64),
    /// Its queue is full or missing, or we may not publish there.
    Refused,
    /// The channel or the connection ended, or no answer came.
    Lost,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: it is safe.
    Done,
    /// Try it again after this time.
    Again(Duration),
}

/// What was tried with one letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempts {
    /// In which form to publish it.
    pub(super) form: Form,
    /// Whether it must be published with no other.
    pub(super) alone: bool,
    /// Whether it was refused so often that it only waits.
    pub(super) parked: bool,
    losses: u32,
    refusals: u32,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { form: Form::Whole, alone: false, parked: false, losses: 0, refusals: 0 }
    }
}

impl Attempts {
    /// Learns what became of a try. `body_len` says how many bytes of body a form has.
    pub(super) fn tried(&mut self, tried: Tried, body_len: impl Fn(Form) -> usize) -> Next {
        match tried {
            Tried::Confirmed => return Next::Done,
            Tried::TooLarge(max) => {
                let fits = |form: Form| body_len(form) as u64 <= max;
                while !fits(self.form) {
                    // The smallest form has no body, which fits any limit.
                    let Some(smaller) = self.form.smaller() else { break };
                    self.form = smaller;
                }
                return Next::Again(Duration::ZERO);
            }
            Tried::Lost => {
                self.losses += 1;
                if self.losses < 2 {
                    return Next::Again(Duration::ZERO);
                }
                self.alone = true;
                if self.losses < 4 {
                    return Next::Again(Duration::ZERO);
                }
                // Twice with others, twice alone.
                if let Some(smaller) = self.form.smaller() {
                    self.form = smaller;
                    self.losses = 2;
                    return Next::Again(Duration::ZERO);
                }
                self.parked = true;
            }
            Tried::Refused => {
                self.refusals += 1;
                self.parked |= self.refusals >= 2;
            }
        }
        let doublings = self.refusals.max(self.losses.saturating_sub(3)).saturating_sub(1).min(6);
        Next::Again((SOON * 2_u32.pow(doublings)).min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of 1 MiB.
    fn large(form: Form) -> usize {
        form.body_len(1 << 20)
    }

    #[test]
    fn what_is_too_large_goes_in_the_first_form_that_fits() {
        for (max, form) in
            [(1 << 20, Form::Whole), (512 << 10, Form::Stripped), (32 << 10, Form::Bare), (0, Form::Bare)]
        {
            let mut attempts = Attempts::default();
            assert_eq!(attempts.tried(Tried::TooLarge(max), large), Next::Again(Duration::ZERO));
            assert_eq!((attempts.form, attempts.parked), (form, false), "{max}");
            assert_eq!(attempts.tried(Tried::Confirmed, large), Next::Done);
        }
    }

    #[test]
    fn what_dies_with_its_session_goes_alone_then_smaller_then_waits() {
        let mut attempts = Attempts::default();
        let mut seen = Vec::new();
        while !attempts.parked {
            attempts.tried(Tried::Lost, large);
            seen.push((attempts.alone, attempts.form));
        }
        let (whole, stripped, bare) = (Form::Whole, Form::Stripped, Form::Bare);
        assert_eq!(
            seen,
            [
                (false, whole),
                (true, whole),
                (true, whole),
                (true, stripped),
                (true, stripped),
                (true, bare),
                (true, bare),
                (true, bare)
            ]
        );
    }

    #[test]
    fn what_is_refused_twice_waits_up_to_a_minute_in_the_form_it_has() {
        let mut attempts = Attempts::default();
        let mut waits = Vec::new();
        for _ in 0..9 {
            let Next::Again(after) = attempts.tried(Tried::Refused, large) else { panic!("it is not safe") };
            waits.push((after.as_secs(), attempts.parked));
        }
        let wanted = [1, 2, 4, 8, 16, 32, 60, 60, 60].map(|seconds| (seconds, seconds > 1));
        assert_eq!(waits, wanted);
        assert_eq!(attempts.form, Form::Whole);
        assert_eq!(attempts.tried(Tried::Confirmed, large), Next::Done);
    }
}
