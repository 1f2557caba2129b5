//! What is in a queue of dead letters, counted by reason and service.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::clock::Timestamp;
use shared::printable::piece;
use shared::transport::stored::StoredLetter;

use super::copies::{Sameness, Seen};
use super::facts::{Facts, Whose};

/// How many groups are told apart. Reasons and services come from outside.
const MOST_GROUPS: usize = 1000;
/// What else is there is counted under this.
const OTHERS: &str = "others";
/// What has no service.
const NOBODY: &str = "-";
/// With RabbitMQ's own limit of deliveries, the 21st look loses a message. Ours have a far larger one.
const LOOKS: std::ops::RangeInclusive<u64> = 10..=20;

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    groups: BTreeMap<(String, String), Group>,
    /// How many were looked at, copies included.
    looked_at: u64,
    copies: u64,
    seen: Seen,
    most_looks: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Group {
    letters: u64,
    oldest: Option<Timestamp>,
    newest: Option<Timestamp>,
}

impl Tally {
    pub(crate) fn add(&mut self, letter: &StoredLetter, facts: &Facts) {
        self.looked_at += 1;
        self.most_looks = self.most_looks.max(letter.handed_out);
        if self.seen.again(Sameness::of(letter, facts)) {
            self.copies += 1;
            return;
        }
        let service = match (&facts.service, facts.whose) {
            (Some(service), _) => piece(service),
            (None, Whose::Brokers) => "RabbitMQ".to_owned(),
            (None, _) => NOBODY.to_owned(),
        };
        let mut key = (piece(&facts.reason), service);
        if self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&key) {
            key = (OTHERS.to_owned(), NOBODY.to_owned());
        }
        let group = self.groups.entry(key).or_default();
        group.letters += 1;
        if let Some(at) = facts.at {
            group.oldest = Some(group.oldest.map_or(at, |oldest| oldest.min(at)));
            group.newest = Some(group.newest.map_or(at, |newest| newest.max(at)));
        }
    }

    /// For people: a queue, in which so many letters wait.
    pub(crate) fn told(&self, queue: &str, waiting: u32) -> String {
        let letters = self.looked_at - self.copies;
        let mut text = format!("{queue}: {}", counted(letters));
        if self.copies > 0 {
            text += &format!(", and {} copies of them", self.copies);
        }
        if u64::from(waiting) > self.looked_at {
            text += &format!("; these are the first {} of {waiting}, --first looks at more", self.looked_at);
        }
        text.push('\n');
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.letters));
        let width = groups.iter().map(|((reason, _), _)| reason.chars().count()).max().unwrap_or(0);
        let by = groups.iter().map(|((_, service), _)| service.chars().count()).max().unwrap_or(0);
        for ((reason, service), Group { letters, oldest, newest }) in groups {
            text += &format!("  {letters:>8}  {reason:<width$}  {service:<by$}");
            match oldest.zip(*newest) {
                Some((oldest, newest)) if oldest == newest => text += &format!("  {oldest}"),
                Some((oldest, newest)) => text += &format!("  {oldest} to {newest}"),
                None => {}
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        if LOOKS.contains(&self.most_looks) {
            text += &format!(
                "  some were handed out {} times before: if {queue} was made with RabbitMQ's default x-delivery-limit of 20, it loses a \
                 letter at the 21st look (ours are made with 1000000)\n",
                self.most_looks
            );
        }
        text
    }

    /// The same for programs.
    pub(crate) fn json(&self, queue: &str, waiting: u32) -> Value {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let groups: Vec<Value> = self
            .groups
            .iter()
            .map(|((reason, service), group)| {
                json!({"reason": reason, "service": service, "letters": group.letters,
                    "oldest": time(group.oldest), "newest": time(group.newest)})
            })
            .collect();
        json!({"queue": queue, "waiting": waiting, "looked_at": self.looked_at, "copies": self.copies,
            "letters": self.looked_at - self.copies, "groups": groups})
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.looked_at == 0
    }
}

/// Such as `1 letter`.
pub(crate) fn counted(letters: u64) -> String {
    match letters {
        0 => "no letters".to_owned(),
        1 => "1 letter".to_owned(),
        more => format!("{more} letters"),
    }
}

#[cfg(test)]
mod tests {
    use shared::message::Role;
    use shared::transport::stored::LetterValue;

    use super::*;
    use crate::dead::facts::tests::{died, letter};
    use crate::dead::facts::{DEATHS, LETTER_ID, REASON, SERVICE};

    fn add(tally: &mut Tally, letter: &StoredLetter) {
        tally.add(letter, &Facts::of(letter, Role::Features));
    }

    fn ours(reason: &str, id: &str, seconds: u64) -> StoredLetter {
        let headers = [(REASON, reason), (SERVICE, "model"), (LETTER_ID, id)];
        let mut one = letter("[1]", &headers.map(|(name, text)| (name, LetterValue::text(text))));
        one.properties.message_id = Some(id.to_owned());
        one.properties.timestamp = Some(seconds);
        one
    }

    #[test]
    fn letters_are_counted_by_reason_and_service() {
        let mut tally = Tally::default();
        assert!(tally.is_empty());
        assert_eq!(tally.told("Features.dead", 0), "Features.dead: no letters\n");
        for one in [
            ours("wrong_length", "a", 60),
            ours("wrong_length", "b", 0),
            ours("wrong_length", "a", 60),
            ours("not_json\n\u{1b}[2J", "c", 5),
            letter("[1]", &[(DEATHS, died("expired", "Features"))]),
            letter("[1]", &[]),
        ] {
            add(&mut tally, &one);
        }
        let want = "Features.dead: 5 letters, and 1 copies of them; these are the first 6 of 7, --first looks at more\n  \
             2  wrong_length         model     1970-01-01T00:00:00.000Z to 1970-01-01T00:01:00.000Z\n  \
             1  foreign              -\n  \
             1  not_json\\n\\u{1b}[2J  model     1970-01-01T00:00:05.000Z\n  \
             1  rabbitmq:expired     RabbitMQ  2026-11-20T17:04:05.000Z\n";
        let told = tally.told("Features.dead", 7);
        let squeezed: String = told.lines().map(|line| line.replacen("       ", "", 1) + "\n").collect();
        assert_eq!(squeezed, want, "{told}");
        let json = tally.json("Features.dead", 7);
        assert_eq!(
            (&json["letters"], &json["copies"], &json["looked_at"]),
            (&json!(5), &json!(1), &json!(6))
        );
        assert_eq!(json["groups"][3]["oldest"], "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn groups_are_bounded_whatever_producers_write() {
        let mut tally = Tally::default();
        for number in 0..MOST_GROUPS + 50 {
            add(&mut tally, &ours(&format!("reason-{number}"), &number.to_string(), 0));
        }
        add(&mut tally, &ours("reason-0", "again", 0));
        assert_eq!(tally.groups.len(), MOST_GROUPS + 1);
        assert_eq!(tally.groups[&(OTHERS.to_owned(), NOBODY.to_owned())].letters, 50);
        assert_eq!(tally.groups[&("reason-0".to_owned(), "model".to_owned())].letters, 2);
    }

    #[test]
    fn a_queue_that_may_lose_what_is_looked_at_is_said_in_time() {
        for (handed_out, is_said) in [(0, false), (9, false), (10, true), (20, true), (21, false)] {
            let mut tally = Tally::default();
            add(&mut tally, &StoredLetter { handed_out, ..ours("not_json", "a", 0) });
            assert_eq!(tally.told("q.dead", 1).contains("21st look"), is_said, "{handed_out}");
        }
    }
}
