//! Where a message is in a trace, as its headers say it. Pure.
//!
//! The form is that of W3C Trace Context, level 1 (<https://www.w3.org/TR/trace-context-1/>): `VERSION-TRACE-PARENT-FLAGS`, in
//! lowercase hex.

use std::sync::Arc;

use rand::RngExt as _;

use crate::message::{Incoming, header};

/// The length of version 00, and the longest of a later one that is read, in bytes.
const LENGTH: usize = 55;
const LONGEST: usize = 256;
/// The longest `tracestate` that is handed on, in bytes: as much as everybody has to.
const LONGEST_STATE: usize = 512;
/// The flag of a trace that is collected.
const SAMPLED: u8 = 1;

/// A place in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Which trace. Not 0.
    pub(super) trace: u128,
    /// Which step of it. Not 0.
    pub(super) step: u64,
    pub(super) flags: u8,
    state: Option<Arc<str>>,
}

impl Context {
    pub(super) fn new(trace: u128, step: u64, flags: u8, state: Option<&str>) -> Self {
        let fits = |state: &&str| {
            (1..=LONGEST_STATE).contains(&state.len())
                && state.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
        };
        Self { trace, step, flags, state: state.filter(fits).map(Into::into) }
    }

    /// What a message's headers say of it; none where that is missing or has no meaning, as the standard wants it.
    #[must_use]
    pub fn of(message: &(impl Incoming + ?Sized)) -> Option<Self> {
        let parent = message.text_header(header::TRACE_PARENT)?;
        Self::read(parent, message.text_header(header::TRACE_STATE))
    }

    /// Reads the two headers, of a message or of a request. Of a later version, what this one knows is read.
    #[must_use]
    pub fn read(parent: &str, state: Option<&str>) -> Option<Self> {
        let (known, rest) = parent.as_bytes().split_at_checked(LENGTH)?;
        let dashes = [2, 35, 52].iter().all(|at| known[*at] == b'-');
        let version = hex(&known[..2])?;
        let ends = rest.is_empty() || (version != 0 && rest[0] == b'-' && parent.len() <= LONGEST);
        if !dashes || version == 0xff || !ends || !rest.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let trace = hex(&known[3..35]).filter(|trace| *trace != 0)?;
        let step = hex(&known[36..52]).and_then(|step| u64::try_from(step).ok()).filter(|step| *step != 0)?;
        let flags = hex(&known[53..]).and_then(|flags| u8::try_from(flags).ok())?;
        Some(Self::new(trace, step, flags, state))
    }

    /// One of a new trace that nobody collects, for what is not to begin one elsewhere.
    #[must_use]
    pub fn untraced() -> Self {
        let mut random = rand::rng();
        // None of them is zero.
        Self::new(random.random::<u128>() | 1, random.random::<u64>() | 1, 0, None)
    }

    /// The header `traceparent`.
    #[must_use]
    pub fn parent(&self) -> String {
        let Self { trace, step, flags, .. } = self;
        format!("00-{trace:032x}-{step:016x}-{flags:02x}")
    }

    /// The header `tracestate`.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Whether its trace is collected.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED == SAMPLED
    }
}

/// The number that lowercase digits are.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// The cases of the standard's own examples, and one for each part that can be wrong.
    #[test]
    fn only_what_has_a_meaning_is_handed_on() {
        for good in [
            PARENT,
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00",
            "00-0000000000000000000000000000000a-000000000000000b-ff",
        ] {
            let context = Context::read(good, None).unwrap_or_else(|| panic!("{good}"));
            assert_eq!((&*context.parent(), context.state()), (good, None));
        }
        for later in ["", "-what-will-come"] {
            let context = Context::read(&format!("cc{}{later}", &PARENT[2..]), None).unwrap();
            assert_eq!(context.parent(), PARENT, "it is handed on in the version that is known here");
        }
        for bad in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-a\nb",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-é",
            &format!("cc{}-{}", &PARENT[2..], "x".repeat(LONGEST)),
        ] {
            assert_eq!(Context::read(bad, None), None, "{bad}");
        }
    }

    #[test]
    fn a_state_that_is_too_long_or_no_text_is_left_out_alone() {
        let longest = "x".repeat(LONGEST_STATE);
        for (state, kept) in [
            ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", true),
            (&*longest, true),
            (&*format!("{longest}x"), false),
            ("a=\n", false),
            ("", false),
        ] {
            let context = Context::read(PARENT, Some(state)).unwrap();
            assert_eq!(context.state(), kept.then_some(state));
        }
    }

    #[test]
    fn the_last_bit_of_the_flags_says_whether_it_is_collected() {
        for (flags, is_sampled) in [("00", false), ("01", true), ("02", false), ("03", true), ("fe", false)] {
            let context = Context::read(&format!("{}{flags}", &PARENT[..53]), None).unwrap();
            assert_eq!(context.is_sampled(), is_sampled, "{flags}");
        }
        let untraced = Context::untraced();
        assert_eq!(Context::read(&untraced.parent(), None), Some(untraced.clone()));
        assert!(!untraced.is_sampled());
    }
}
