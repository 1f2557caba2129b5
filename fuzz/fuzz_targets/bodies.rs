//! Bodies of any kind: reading one never panics, costs no more than its size, and what is accepted can be answered and read
//! again under the same id.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::clock::Timestamp;
use shared::message::{Bundle, Incoming, LARGEST_VALUE, Label, MOST_ROWS, Rejection, Role, Row, RowId};

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
    fn reply_to(&self) -> Option<&str> {
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
    fn bytes_header(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

fn is_short(rejection: &Rejection) -> bool {
    rejection.detail.chars().count() <= 200 && !rejection.detail.chars().any(char::is_control)
}

fn held(id: Option<&RowId>) {
    if let Some(id) = id {
        assert_eq!(RowId::parse(&id.to_string()).as_ref(), Ok(id), "an id that is none");
    }
}

/// What can be used of a message, held to what every rejection must be.
fn good<T>(bundle: Result<Bundle<T>, Rejection>) -> (bool, Vec<T>) {
    match bundle {
        Ok(Bundle { together, items }) => {
            assert!((1..=MOST_ROWS).contains(&items.len()));
            items
                .iter()
                .filter_map(|item| item.as_ref().err())
                .for_each(|why| assert!(is_short(why), "{why}"));
            (together, items.into_iter().flatten().collect())
        }
        Err(why) => {
            assert!(is_short(&why), "{why}");
            (false, Vec::new())
        }
    }
}

/// Each item that travelled with others can be sent again by itself.
fn alone(role: Role, bytes: &[u8], count: usize) {
    let indices: Vec<usize> = (0..count).collect();
    let alone = role.alone(&Body(bytes), &indices);
    assert!(alone.is_empty() || alone.len() == count);
}

fuzz_target!(|bytes: &[u8]| {
    let now = Timestamp(0);
    let names = ["area", "rooms"].map(str::to_owned);
    for names in [None, Some(&names[..])] {
        let (together, rows) = good(Row::decode(&Body(bytes), names));
        for row in &rows {
            held(row.key.id());
            let again = Row::decode(&row.encode("fuzz", now), names).expect("what was read is read again");
            assert_eq!(again.items[0].as_ref().expect("it is good").key, row.key);
        }
        if together && !rows.is_empty() {
            let again =
                Row::decode(&Row::encode_together(&rows, "fuzz", now), names).expect("it is read again");
            assert_eq!(again.items.len(), rows.len());
        }
    }
    if let Ok(rows) = Row::decode(&Body(bytes), None) {
        alone(Role::Features, bytes, rows.items.len());
    }
    let (together, labels) = good(Label::decode(&Body(bytes)));
    for label in &labels {
        assert!(label.value.abs() <= LARGEST_VALUE);
        let again = Label::decode(&label.encode("fuzz", now)).expect("what was read is read again");
        let again = again.only().expect("it is one");
        assert_eq!((&again.key, again.value.to_bits()), (&label.key, label.value.to_bits()));
    }
    if together && !labels.is_empty() {
        let again = Label::decode(&Label::encode_together(&labels, "fuzz", now)).expect("it is read again");
        assert_eq!(again.items.len(), labels.len());
    }
});
