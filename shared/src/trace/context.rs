//! Where a message is in a trace, as its headers say it. Pure.
//!
//! The form is that of W3C Trace Context, level 1 (<https://www.w3.org/TR/trace-context-1/>): `VERSION-TRACE-PARENT-FLAGS`, in
//! lowercase hex.

use uuid::Uuid;

use crate::message::{Incoming, header};

/// The length of version 00, and the longest of a later one that is handed on, in bytes.
const LENGTH: usize = 55;
const LONGEST: usize = 256;
/// The longest `tracestate` that is handed on, in bytes: as much as everybody has to.
const LONGEST_STATE: usize = 512;

/// A place in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    parent: Box<str>,
    state: Option<Box<str>>,
}

impl Context {
    /// What a message says of it; none where that is missing or has no meaning, as the standard wants it.
    #[must_use]
    pub fn of(message: &(impl Incoming + ?Sized)) -> Option<Self> {
        let parent = message.text_header(header::TRACE_PARENT)?;
        Self::read(parent, message.text_header(header::TRACE_STATE))
    }

    /// Reads the two headers, of a message or of a request.
    #[must_use]
    pub fn read(parent: &str, state: Option<&str>) -> Option<Self> {
        let fits = |state: &&str| {
            (1..=LONGEST_STATE).contains(&state.len())
                && state.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
        };
        let state = state.filter(fits).map(Into::into);
        is_parent(parent).then(|| Self { parent: parent.into(), state })
    }

    /// One of a new trace that nobody collects, for what is not to begin one elsewhere.
    #[must_use]
    pub fn untraced() -> Self {
        let trace = Uuid::now_v7().simple().to_string();
        let parent = format!("00-{trace}-{}-00", &trace[16..]);
        Self { parent: parent.into(), state: None }
    }

    /// The header `traceparent`.
    #[must_use]
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// The header `tracestate`.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Whether its trace is collected.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        let flags = self.parent.get(53..55).and_then(|flags| u8::from_str_radix(flags, 16).ok());
        flags.is_some_and(|flags| flags & 1 == 1)
    }
}

fn is_parent(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some((known, rest)) = bytes.split_at_checked(LENGTH) else { return false };
    let hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let some = |part: &[u8]| hex(part) && part.iter().any(|byte| *byte != b'0');
    let (version, trace, parent, flags) = (&known[..2], &known[3..35], &known[36..52], &known[53..]);
    let dashes = [2, 35, 52].iter().all(|at| known[*at] == b'-');
    // A later version may have more behind it.
    let ends = rest.is_empty() || (version != b"00" && rest[0] == b'-' && bytes.len() <= LONGEST);
    let shown = rest.iter().all(|byte| byte.is_ascii_graphic());
    dashes && hex(version) && version != b"ff" && some(trace) && some(parent) && hex(flags) && ends && shown
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
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-will-come",
        ] {
            let context = Context::read(good, None).unwrap_or_else(|| panic!("{good}"));
            assert_eq!((context.parent(), context.state()), (good, None));
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
        assert_eq!(Context::read(untraced.parent(), None), Some(untraced.clone()));
        assert!(!untraced.is_sampled());
    }
}
