//! The walk over a message's properties on bytes of any kind: it never panics, the AMQP client reads what passes and what is
//! repaired, and nothing is refused that the client could read but for its depth and its flags.

#![no_main]

use lapin::protocol::basic::parse_properties;
use libfuzzer_sys::fuzz_target;
use shared::transport::fuzzing::{DEEPEST, check, repair};

fn is_read(block: &[u8]) -> bool {
    parse_properties(block).is_ok_and(|(rest, _)| rest.is_empty())
}

fuzz_target!(|block: &[u8]| {
    match check(block, DEEPEST) {
        Ok(_) => assert!(is_read(block), "the client cannot read what passes"),
        Err(detail) => {
            assert!(detail.len() <= 80 && !detail.chars().any(char::is_control));
            // The client reads by recursion: what is too deep would end this process.
            let stricter = detail.contains("nested") || detail.contains("flags");
            assert!(stricter || !is_read(block), "refused needlessly: {detail}");
            let repaired = repair(block);
            assert!(repaired.len() <= block.len().max(2));
            assert_eq!(check(&repaired, DEEPEST), Ok(0), "there are no headers in it");
            assert!(is_read(&repaired));
        }
    }
});
