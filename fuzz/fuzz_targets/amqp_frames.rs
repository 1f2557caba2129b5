//! The guard's frame machine on bytes of any kind: it never panics, allocates within its limits, hands on whole frames only,
//! and does the same with the bytes in pieces of any size.

#![no_main]

use std::cell::RefCell;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use shared::transport::fuzzing::{Broken, Desk, Finding, Limits, Machine, Step};

type Noted = (u16, u64, Option<u64>, Option<Box<Finding>>);

#[derive(Default)]
struct Book(RefCell<Vec<Noted>>);

impl Desk for Book {
    fn room(&self) -> bool {
        true
    }
    fn note(&self, channel: u16, tag: u64, charge: Option<u64>, finding: Option<Box<Finding>>) {
        self.0.borrow_mut().push((channel, tag, charge, finding));
    }
    fn opened(&self, _: u16) {}
}

/// Small, so that short inputs come to all of them.
fn limits() -> Limits {
    Limits {
        frame_max: 4096,
        slack: 1024,
        properties: 256,
        body: 128,
        kept: 64,
        raw: 16,
        uncharged: 32,
        contents: 4,
        ..Limits::default()
    }
}

type Result = (Vec<u8>, std::result::Result<Step, Broken>, Vec<Noted>);

/// Everything that is handed on and noted, with what there is to do in the end. Pieces are `sizes` over and over.
fn feed(bytes: &[u8], sizes: &[u8]) -> Result {
    let Limits { frame_max, slack, kept, raw, contents, .. } = limits();
    let book = Book::default();
    let mut machine = Machine::new(limits());
    let mut sizes = sizes.iter().cycle();
    let mut out = Vec::new();
    let (mut seen, mut done) = (0, 0);
    let end = loop {
        match machine.next(&bytes[done..seen], Duration::ZERO, &book) {
            Ok(Step::Hand { pass, skip, add }) => {
                assert!(pass + skip > 0, "it would go on for ever");
                out.extend_from_slice(&bytes[done..seen][..pass]);
                out.extend(add);
                done += pass + skip;
            }
            Ok(Step::More) if seen < bytes.len() => {
                let piece = sizes.next().map_or(bytes.len(), |size| 1 + usize::from(*size));
                seen = bytes.len().min(seen + piece);
            }
            end => break end,
        }
        assert!(machine.allocated() <= contents * (2 * kept + raw + frame_max + slack));
    };
    assert_eq!(end == Ok(Step::More), end.is_ok(), "nothing is held while there is room");
    (out, end, book.0.into_inner())
}

fn assert_whole_frames(mut bytes: &[u8]) {
    while let [_, _, _, length @ ..] = bytes {
        let (length, rest) = length.split_first_chunk::<4>().expect("a frame's start");
        let length = u32::from_be_bytes(*length) as usize;
        assert_eq!(rest[length], 0xce);
        bytes = &rest[length + 1..];
    }
    assert!(bytes.is_empty());
}

/// Frames around pieces of the input, which chance alone would hardly make: a kind, a channel and a length before each.
fn dressed(mut input: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let [kind, channel, length, rest @ ..] = input {
        let (piece, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        input = rest;
        let (frame, start) = match kind % 8 {
            0 => (1, &b"\0\x3c\0\x3c\x01c\0\0\0\0\0\0\0\x01\0"[..]),
            1 => (1, &b"\0\x3c\0\x32\0\0"[..]),
            2 => (1, &b""[..]),
            3 => (2, &b"\0\x3c\0\0\0\0\0\0\0\0\0"[..]),
            4 | 5 => (3, &b""[..]),
            6 => (8, &b""[..]),
            _ => {
                bytes.extend_from_slice(piece);
                continue;
            }
        };
        bytes.extend([frame, 0, channel % 8]);
        bytes.extend(u32::try_from(start.len() + piece.len()).expect("a short piece").to_be_bytes());
        bytes.extend_from_slice(start);
        bytes.extend_from_slice(piece);
        bytes.push(0xce);
    }
    bytes
}

fuzz_target!(|input: &[u8]| {
    let [mode, size, another, rest @ ..] = input else { return };
    let bytes = if mode % 2 == 0 { rest.to_vec() } else { dressed(rest) };
    let whole = feed(&bytes, &[]);
    assert_whole_frames(&whole.0);
    for sizes in [&[0][..], &[*size, *another]] {
        assert_eq!(feed(&bytes, sizes), whole, "the pieces make a difference");
    }
    // What is handed on is good, so it passes as it is.
    if whole.1.is_ok() {
        assert_eq!(feed(&whole.0, &[]).0, whole.0);
    }
});
