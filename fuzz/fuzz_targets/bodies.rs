//! Bodies of any kind: reading one never panics, costs no more than its size, and what is accepted can be answered and read
//! again under the same id.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::clock::Timestamp;
use shared::message::{Incoming, LARGEST_VALUE, Label, Rejection, Row, RowId};

/// A message that is nothing but a body.
struct Body<'a>(&'a [u8]);

impl Incoming for Body<'_> {
    fn body(&self) -> &[u8] {
        self.0
    }
    fn message_id(&self) -> Option<&str> {
        None
    }
    fn correlation_id(&self) -> Option<&str> {
        None
    }
    fn content_type(&self) -> Option<&str> {
        None
    }
    fn content_encoding(&self) -> Option<&str> {
        None
    }
    fn int_header(&self, _: &str) -> Option<i64> {
        None
    }
    fn text_header(&self, _: &str) -> Option<&str> {
        None
    }
    fn list_header(&self, _: &str) -> Option<Vec<&str>> {
        None
    }
}

fn is_short(rejection: &Rejection) -> bool {
    rejection.detail.chars().count() <= 200 && !rejection.detail.chars().any(char::is_control)
}

fuzz_target!(|bytes: &[u8]| {
    let names = ["area", "rooms"].map(str::to_owned);
    for names in [None, Some(&names[..])] {
        match Row::decode(&Body(bytes), names) {
            Ok(row) => {
                if let Some(id) = row.key.id() {
                    assert_eq!(RowId::parse(&id.to_string()).as_ref(), Ok(id), "an id that is none");
                }
                let again = Row::decode(&row.encode("fuzz", Timestamp(0)), names)
                    .expect("what was read is read again");
                assert_eq!(again.key, row.key);
            }
            Err(rejection) => assert!(is_short(&rejection), "{rejection}"),
        }
    }
    match Label::decode(&Body(bytes)) {
        Ok(label) => {
            assert!(label.value.abs() <= LARGEST_VALUE);
            let again =
                Label::decode(&label.encode("fuzz", Timestamp(0))).expect("what was read is read again");
            assert_eq!((again.key, again.value.to_bits()), (label.key, label.value.to_bits()));
        }
        Err(rejection) => assert!(is_short(&rejection), "{rejection}"),
    }
});
