//! What a letter is as a message again: for the queue that it came from, or for the dead letters after an export.

use shared::message::header;
use shared::transport::stored::{LetterValue, StoredLetter};

use super::facts::{DETAIL, FOREIGN, Facts, LETTER_ID, REASON, REQUEUED, SERVICE, Whose, death};
use super::queue::DeadQueue;

/// Headers that a letter has and its message had not. `x-attempts` stays: it says how often the row was tried.
const OF_A_LETTER: [&str; 6] = [REASON, DETAIL, SERVICE, LETTER_ID, header::PART, header::SHORTENED];
/// Headers that RabbitMQ writes on what it dead-letters or hands out again. Older ones act upon them.
const OF_THE_BROKER: [&str; 8] = [
    "x-death",
    "x-first-death-exchange",
    "x-first-death-queue",
    "x-first-death-reason",
    "x-last-death-exchange",
    "x-last-death-queue",
    "x-last-death-reason",
    "x-delivery-count",
];

/// Why what is here is not all that the message was, if it is not.
pub(crate) fn cut(letter: &StoredLetter) -> Option<String> {
    let text = |name: &str| letter.headers.get(name).and_then(LetterValue::as_text);
    if let Some(finding) = &letter.finding {
        return Some(format!("it is not here whole: {}", finding.detail));
    }
    if let Some(said) = text(header::SHORTENED) {
        return Some(format!("it is shortened: {said}"));
    }
    if letter.headers.contains_key(header::HEADERS_DROPPED) {
        return Some("some of its headers are left out".to_owned());
    }
    if letter.headers.contains_key(header::ORIGINAL_PROPERTIES_LENGTH) {
        return Some("its properties could not be read".to_owned());
    }
    None
}

/// The message for the queue that a letter came from.
///
/// # Errors
/// Why it cannot go there.
pub(crate) fn requeued(
    letter: &StoredLetter,
    facts: &Facts,
    queue: &DeadQueue,
) -> Result<StoredLetter, String> {
    if let Some(why) = cut(letter) {
        return Err(why);
    }
    came_from(letter, facts, queue)?;
    let mut again = put(letter);
    again.headers.retain(|name, _| {
        !OF_A_LETTER.contains(&name.as_str())
            && !OF_THE_BROKER.contains(&name.as_str())
            && !name.starts_with(header::ORIGINAL)
    });
    let times = facts.requeued.saturating_add(1);
    again.headers.insert(REQUEUED.to_owned(), LetterValue::Int64(times));
    Ok(again)
}

/// Holds a letter to having come from the queue that it is to go back to.
fn came_from(letter: &StoredLetter, facts: &Facts, queue: &DeadQueue) -> Result<(), String> {
    if facts.whose == Whose::Foreign {
        return Err(format!(
            "nobody says why it is here (`{FOREIGN}`): it was never a message of {}",
            queue.origin
        ));
    }
    let other = |queue: &str| Err(format!("it came from another queue, {}", shared::printable::piece(queue)));
    if facts.whose == Whose::Brokers
        && let Some(from) = death(letter).and_then(|death| death.get("queue")).and_then(LetterValue::as_text)
        && from != queue.origin.as_str()
    {
        return other(from);
    }
    // Its key is the name of the queue that it came from, or that of the dead letters where it was imported.
    let key = letter.routing_key.as_str();
    if key != queue.origin.as_str() && key != queue.name.as_str() {
        return other(key);
    }
    Ok(())
}

/// The same letter for its queue of dead letters: as it was, but for what RabbitMQ would act upon.
pub(crate) fn put(letter: &StoredLetter) -> StoredLetter {
    let mut put = letter.clone();
    let properties = &mut put.properties;
    properties.delivery_mode = Some(2);
    // A user that is not us is refused, an expiration deletes it, and further receivers would get it.
    for (name, text) in [
        (header::ORIGINAL_USER_ID, properties.user_id.take()),
        (header::ORIGINAL_EXPIRATION, properties.expiration.take()),
    ] {
        if let Some(text) = text {
            put.headers.insert(name.to_owned(), LetterValue::text(text));
        }
    }
    for (acts, told) in [("CC", header::ORIGINAL_CC), ("BCC", header::ORIGINAL_BCC)] {
        if let Some(receivers) = put.headers.remove(acts) {
            put.headers.insert(told.to_owned(), receivers);
        }
    }
    put.headers.remove("x-delivery-count");
    put
}

#[cfg(test)]
mod tests {
    use shared::message::{Rejection, Role};
    use shared::transport::Queues;
    use shared::transport::stored::LetterProperties;

    use super::*;
    use crate::dead::facts::tests::{died, letter};

    fn queue() -> DeadQueue {
        DeadQueue::parse("Features", &Queues::default()).unwrap()
    }

    fn tried(letter: &StoredLetter) -> Result<StoredLetter, String> {
        requeued(letter, &Facts::of(letter, Role::Features), &queue())
    }

    fn ours(others: &[(&str, LetterValue)]) -> StoredLetter {
        let reason = [(REASON, LetterValue::text("wrong_length"))];
        letter("[1]", &[&reason[..], others].concat())
    }

    #[test]
    fn a_requeued_letter_is_the_message_that_it_was() {
        let text = |text: &str| LetterValue::text(text);
        let mut one = ours(&[
            (DETAIL, text("3 features")),
            (SERVICE, text("model")),
            (LETTER_ID, text("ab")),
            ("x-attempts", LetterValue::Int64(3)),
            ("x-part", text("2 of 64")),
            ("x-original-message-id", text("many")),
            ("x-original-cc", text("y_true")),
            ("x-delivery-count", LetterValue::Int64(7)),
            ("x-death", died("expired", "elsewhere")),
            ("x-last-death-queue", text("elsewhere")),
            ("x-feature-names", text("[\"a\"]")),
            ("CC", LetterValue::List(vec![text("y_true")])),
            ("BCC", LetterValue::List(vec![text("y_predict")])),
        ]);
        one.properties = LetterProperties {
            message_id: Some("order:17".to_owned()),
            reply_to: Some("me".to_owned()),
            user_id: Some("somebody".to_owned()),
            expiration: Some("1".to_owned()),
            delivery_mode: Some(1),
            ..LetterProperties::default()
        };
        let again = tried(&one).unwrap();
        let headers: Vec<&str> = again.headers.keys().map(String::as_str).collect();
        assert_eq!(headers, ["x-attempts", "x-feature-names", "x-requeued"]);
        assert_eq!(again.headers["x-requeued"], LetterValue::Int64(1));
        let kept = LetterProperties {
            message_id: Some("order:17".to_owned()),
            reply_to: Some("me".to_owned()),
            delivery_mode: Some(2),
            ..LetterProperties::default()
        };
        assert_eq!((again.properties, again.body), (kept, b"[1]".to_vec()));
        let second = tried(&ours(&[("x-requeued", LetterValue::Int64(1))])).unwrap();
        assert_eq!(second.headers["x-requeued"], LetterValue::Int64(2));
        let hostile = tried(&ours(&[("x-requeued", LetterValue::Int64(i64::MAX))])).unwrap();
        assert_eq!(hostile.headers["x-requeued"], LetterValue::Int64(i64::MAX));
    }

    #[test]
    fn what_is_not_whole_or_not_from_here_stays() {
        let brokers = |queue| letter("[1]", &[("x-death", died("expired", queue))]);
        let keyed = |key: &str| StoredLetter { routing_key: key.to_owned(), ..ours(&[]) };
        let seen = Rejection::new(Rejection::TOO_LARGE, "9000000 bytes");
        let shortened = ("x-shortened", LetterValue::text("the first 10 of 20 bytes"));
        for (letter, why) in [
            (ours(&[]), ""),
            (brokers("Features"), ""),
            // It was imported.
            (keyed("Features.dead"), ""),
            (ours(&[shortened]), "it is shortened: the first 10 of 20 bytes"),
            (ours(&[("x-headers-dropped", LetterValue::Int64(3))]), "some of its headers are left out"),
            (
                ours(&[("x-original-properties-length", LetterValue::Int64(70_000))]),
                "its properties could not be read",
            ),
            (StoredLetter { finding: Some(seen), ..ours(&[]) }, "it is not here whole: 9000000 bytes"),
            (
                letter("[1]", &[]),
                "nobody says why it is here (`foreign`): it was never a message of Features",
            ),
            (brokers("y_true"), "it came from another queue, y_true"),
            (brokers("a\u{1b}[2J"), "it came from another queue, a\\u{1b}[2J"),
            (keyed("y_true"), "it came from another queue, y_true"),
        ] {
            assert_eq!(tried(&letter).err().unwrap_or_default(), why);
        }
    }

    #[test]
    fn a_letter_that_is_put_back_acts_upon_nothing() {
        let cc = LetterValue::List(vec![LetterValue::text("y_true")]);
        let mut one = ours(&[("CC", cc.clone()), ("x-letter-id", LetterValue::text("ab"))]);
        one.properties.user_id = Some("somebody".to_owned());
        one.properties.expiration = Some("1".to_owned());
        let put = put(&one);
        let headers: Vec<&str> = put.headers.keys().map(String::as_str).collect();
        let all = ["x-letter-id", "x-original-cc", "x-original-expiration", "x-original-user-id", "x-reason"];
        assert_eq!(headers, all);
        assert_eq!(put.headers["x-original-cc"], cc);
        assert_eq!((put.properties.user_id, put.properties.expiration), (None, None));
    }
}
