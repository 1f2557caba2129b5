//! What is known of a dead letter: whose it is, why it is one, and which rows it speaks of.

use shared::clock::Timestamp;
use shared::message::Role;
use shared::message::header::PUBLISHED_AT;
pub(crate) use shared::message::header::{ATTEMPTS, DETAIL, LETTER_ID, REASON, REQUEUED, SERVICE};
use shared::transport::stored::{LetterValue, StoredLetter};

/// What RabbitMQ writes on what it dead-letters by itself.
pub(crate) const DEATHS: &str = "x-death";

/// The reason of a letter of RabbitMQ's own begins so.
const BROKERS: &str = "rabbitmq:";
/// The reason of what nobody has made a letter.
pub(crate) const FOREIGN: &str = "foreign";

/// Who has put it among the dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A service of ours.
    Ours,
    /// RabbitMQ itself: it expired, was rejected, or its queue was full.
    Brokers,
    /// Somebody else, who gave no reason.
    Foreign,
}

/// What is known of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) whose: Whose,
    /// `x-reason`, or `rabbitmq:` and its word for it, or [`FOREIGN`].
    pub(crate) reason: String,
    pub(crate) detail: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) attempts: Option<i64>,
    /// The rows that it speaks of; none where it is anonymous.
    pub(crate) ids: Vec<String>,
    /// When its message was published, or when RabbitMQ dead-lettered it; as far as it says so.
    pub(crate) at: Option<Timestamp>,
    /// How often it was requeued before.
    pub(crate) requeued: i64,
}

impl Facts {
    /// Reads a letter, of a queue in which messages of this role were.
    pub(crate) fn of(letter: &StoredLetter, role: Role) -> Self {
        let text = |name: &str| letter.headers.get(name).and_then(LetterValue::as_text).map(str::to_owned);
        let int = |name: &str| letter.headers.get(name).and_then(LetterValue::as_int);
        let death = death(letter);
        let of_death = |name: &str| death.and_then(|death| death.get(name));
        let (whose, reason) = match (text(REASON), of_death("reason")) {
            (Some(reason), _) => (Whose::Ours, reason),
            (None, Some(reason)) => {
                (Whose::Brokers, format!("{BROKERS}{}", reason.as_text().unwrap_or("unknown")))
            }
            (None, None) => (Whose::Foreign, FOREIGN.to_owned()),
        };
        let detail = text(DETAIL).or_else(|| {
            (whose == Whose::Brokers).then(|| {
                let queue = of_death("queue").and_then(LetterValue::as_text).unwrap_or("a queue");
                format!("RabbitMQ dead-lettered it out of {queue}")
            })
        });
        let died = match of_death("time") {
            Some(LetterValue::Timestamp(seconds)) if whose == Whose::Brokers => Some(*seconds),
            _ => None,
        };
        let at = died.or(letter.properties.timestamp).map(seconds);
        let at = at.or_else(|| int(PUBLISHED_AT).map(|ms| Timestamp(ms.clamp(0, Timestamp::LAST.0))));
        Self {
            whose,
            reason,
            detail,
            service: text(SERVICE),
            attempts: int(ATTEMPTS),
            ids: role.ids(letter),
            at,
            requeued: int(REQUEUED).unwrap_or(0).max(0),
        }
    }

    /// Its id, for a line about it.
    pub(crate) fn id(&self) -> Option<&str> {
        self.ids.first().map(String::as_str)
    }
}

/// RabbitMQ's latest entry about it.
pub(crate) fn death(letter: &StoredLetter) -> Option<&std::collections::BTreeMap<String, LetterValue>> {
    match letter.headers.get(DEATHS)? {
        LetterValue::List(deaths) => match deaths.first()? {
            LetterValue::Table(death) => Some(death),
            _ => None,
        },
        _ => None,
    }
}

fn seconds(seconds: u64) -> Timestamp {
    let ms = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
    Timestamp(ms.min(Timestamp::LAST.0))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    pub(crate) fn letter(body: &str, headers: &[(&str, LetterValue)]) -> StoredLetter {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        StoredLetter {
            routing_key: "Features".to_owned(),
            headers,
            body: body.into(),
            ..StoredLetter::default()
        }
    }

    pub(crate) fn died(reason: &str, queue: &str) -> LetterValue {
        let entries = [
            ("reason", LetterValue::text(reason)),
            ("queue", LetterValue::text(queue)),
            ("time", LetterValue::Timestamp(1_795_194_245)),
        ];
        let table = entries.map(|(name, value)| (name.to_owned(), value)).into();
        LetterValue::List(vec![LetterValue::Table(table)])
    }

    #[test]
    fn a_letter_is_ours_the_brokers_or_foreign() {
        let reason = || (REASON, LetterValue::text("wrong_length"));
        let death = || (DEATHS, died("expired", "Features"));
        for (headers, whose, said) in [
            (vec![reason()], Whose::Ours, "wrong_length"),
            // It died before it became ours.
            (vec![reason(), death()], Whose::Ours, "wrong_length"),
            (vec![death()], Whose::Brokers, "rabbitmq:expired"),
            (vec![], Whose::Foreign, "foreign"),
            // What a producer may write.
            (vec![(REASON, LetterValue::Int32(5))], Whose::Foreign, "foreign"),
            (vec![(DEATHS, LetterValue::List(vec![]))], Whose::Foreign, "foreign"),
            (vec![(DEATHS, LetterValue::text("x"))], Whose::Foreign, "foreign"),
            (
                vec![(
                    DEATHS,
                    LetterValue::List(vec![LetterValue::Table(BTreeMap::from([(
                        "reason".to_owned(),
                        LetterValue::Nothing,
                    )]))]),
                )],
                Whose::Brokers,
                "rabbitmq:unknown",
            ),
        ] {
            let facts = Facts::of(&letter("[1]", &headers), Role::Features);
            assert_eq!((facts.whose, &*facts.reason), (whose, said), "{headers:?}");
        }
    }

    #[test]
    fn what_it_says_of_itself_is_read() {
        let headers = [
            (REASON, LetterValue::text("wrong_length")),
            (DETAIL, LetterValue::text("3 features")),
            (SERVICE, LetterValue::text("model")),
            (ATTEMPTS, LetterValue::Int64(2)),
            (REQUEUED, LetterValue::Int64(1)),
            ("published_at_ms", LetterValue::Int64(1_795_194_245_123)),
        ];
        let mut ours = letter(r#"{"id": "order:17", "x": [1]}"#, &headers);
        let facts = Facts::of(&ours, Role::Features);
        assert_eq!(facts.id(), Some("order:17"));
        assert_eq!((facts.detail.as_deref(), facts.service.as_deref()), (Some("3 features"), Some("model")));
        assert_eq!((facts.attempts, facts.requeued), (Some(2), 1));
        assert_eq!(facts.at, Some(Timestamp(1_795_194_245_123)));
        ours.properties.timestamp = Some(5);
        assert_eq!(Facts::of(&ours, Role::Features).at, Some(Timestamp(5000)));
        // In milliseconds, as some producers have it.
        ours.properties.timestamp = Some(u64::MAX);
        assert_eq!(Facts::of(&ours, Role::Features).at, Some(Timestamp::LAST));
        let brokers = letter("[1]", &[(DEATHS, died("maxlen", "y_true"))]);
        let facts = Facts::of(&brokers, Role::Features);
        assert_eq!(facts.at, Some(Timestamp(1_795_194_245_000)));
        assert_eq!(facts.detail.as_deref(), Some("RabbitMQ dead-lettered it out of y_true"));
        assert_eq!(facts.id(), None);
    }
}
