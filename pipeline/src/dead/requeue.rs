//! Sending letters back: published, confirmed, and only then removed.

use std::time::Duration;

use anyhow::bail;
use serde_json::json;
use shared::clock::Timestamp;
use shared::printable::piece;
use shared::transport::stored::StoredLetter;
use shared::transport::{LetterRoom, Posted, Reading, Tag, Taken};
use tokio::time::{Instant, sleep_until};

use super::again::requeued;
use super::copies::{Sameness, Seen};
use super::facts::Facts;
use super::look::nothing_if;
use super::options::Requeue;
use super::queue::DeadQueue;
use super::tally::counted;
use super::{End, endpoint, opened, print};

/// How many are published at a time at the most.
const AT_ONCE: u64 = 256;
/// How many that stay are named.
const MOST_NAMED: usize = 20;
/// How long one run takes at the most. RabbitMQ takes back what is held for half an hour, and closes the channel.
const LONGEST: Duration = Duration::from_secs(25 * 60);

/// What a run has come to.
#[derive(Debug, Default)]
struct Account {
    looked_at: u64,
    sent: u64,
    /// Equal letters, removed with the one that was sent.
    copies: u64,
    /// How many cannot go back, and the first of them with the reason.
    stay: u64,
    named: Vec<(String, String)>,
}

/// Letters that are to be published together.
#[derive(Debug, Default)]
struct Batch {
    messages: Vec<(Tag, Option<Sameness>, StoredLetter)>,
    copies: Vec<(Tag, Option<Sameness>)>,
}

pub(super) async fn run(requeue: Requeue) -> anyhow::Result<End> {
    let endpoint = endpoint(requeue.amqp.clone())?;
    let (room, queue, waiting) = opened(&endpoint, &requeue.queue).await?;
    if room.ready(&queue.origin).await?.is_none() {
        bail!(
            "there is no queue {} at {endpoint} to which its letters could go back; its consumer creates it",
            queue.origin
        );
    }
    let mut reading = room.read(&queue.name, waiting.min(requeue.selection.reach.first)).await?;
    let mut work = Work {
        room: &room,
        queue: &queue,
        requeue: &requeue,
        seen: Seen::default(),
        account: Account::default(),
    };
    let ended = work.all(&mut reading).await;
    let finished = reading.finish().await;
    let account = work.account;
    room.close().await;
    let text = account.told(&queue, waiting, requeue.dry_run);
    let nothing = account.looked_at == 0 || (account.sent + account.copies + account.stay) == 0;
    if !nothing || requeue.json {
        print(requeue.json, &text, &account.json(&queue, waiting));
    }
    ended?;
    finished?;
    Ok(match nothing_if(nothing, &queue) {
        End::Done if account.stay > 0 => End::SomeStay,
        end => end,
    })
}

struct Work<'a> {
    room: &'a LetterRoom,
    queue: &'a DeadQueue,
    requeue: &'a Requeue,
    seen: Seen,
    account: Account,
}

impl Work<'_> {
    async fn all(&mut self, reading: &mut Reading<'_>) -> anyhow::Result<()> {
        let wanted = self.requeue.selection.wanted(Timestamp::now());
        let limit = self.requeue.limit.unwrap_or(u64::MAX);
        let at_once = at_once(self.requeue.rate);
        let start = Instant::now();
        let mut batch = Batch::default();
        while self.account.sent + (batch.messages.len() as u64) < limit
            && let Some(Taken { tag, letter }) = reading.next().await?
        {
            self.account.looked_at += 1;
            let facts = Facts::of(&letter, self.queue.role);
            if !wanted.is(&facts) {
                continue;
            }
            let same = Sameness::of(&letter, &facts);
            match requeued(&letter, &facts, self.queue) {
                Err(why) => self.account.stays(&facts, why),
                Ok(_) if self.seen.has(same) || batch.has(same) => batch.copies.push((tag, same)),
                Ok(message) => batch.messages.push((tag, same, message)),
            }
            if batch.messages.len() as u64 >= at_once || batch.copies.len() as u64 >= AT_ONCE {
                self.send(&mut batch, reading, start).await?;
            }
            if start.elapsed() >= LONGEST {
                self.send(&mut batch, reading, start).await?;
                bail!(
                    "stopped after {} minutes, because RabbitMQ takes back what is held for 30; run it again for the rest",
                    LONGEST.as_secs() / 60
                );
            }
        }
        self.send(&mut batch, reading, start).await
    }

    /// Publishes what there is at its time, and removes what is confirmed.
    async fn send(
        &mut self,
        batch: &mut Batch,
        reading: &mut Reading<'_>,
        start: Instant,
    ) -> anyhow::Result<()> {
        let Batch { messages, copies } = std::mem::take(batch);
        if self.requeue.dry_run {
            messages.iter().for_each(|(_, same, _)| _ = self.seen.again(*same));
            self.account.sent += messages.len() as u64;
            self.account.copies += copies.len() as u64;
            return Ok(());
        }
        sleep_until(start + due(self.account.sent, self.requeue.rate)).await;
        let parcels: Vec<_> = messages.iter().map(|(_, _, message)| (&self.queue.origin, message)).collect();
        let posted = self.room.post(&parcels).await;
        let mut done = Vec::with_capacity(posted.len());
        let mut failed = None;
        for ((tag, same, _), posted) in messages.iter().zip(posted) {
            match posted {
                Posted::Confirmed => {
                    _ = self.seen.again(*same);
                    done.push(*tag);
                }
                Posted::Not(why) => _ = failed.get_or_insert(why),
            }
        }
        self.account.sent += done.len() as u64;
        let copies: Vec<Tag> =
            copies.into_iter().filter(|(_, same)| self.seen.has(*same)).map(|(tag, _)| tag).collect();
        self.account.copies += copies.len() as u64;
        done.extend(copies);
        reading.acknowledge(&done).await?;
        match failed {
            None => Ok(()),
            Some(why) => {
                bail!("one was not taken: {why}; the letters that are left stay in {}", self.queue.name)
            }
        }
    }
}

impl Batch {
    fn has(&self, same: Option<Sameness>) -> bool {
        same.is_some() && self.messages.iter().any(|(_, other, _)| *other == same)
    }
}

/// How many are published at a time at a rate: a tenth of a second's.
fn at_once(rate: u32) -> u64 {
    u64::from(rate / 10).clamp(1, AT_ONCE)
}

/// When it is time for more, after so many, from the beginning on.
fn due(sent: u64, rate: u32) -> Duration {
    let micros = u128::from(sent) * 1_000_000 / u128::from(rate.max(1));
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

impl Account {
    fn stays(&mut self, facts: &Facts, why: String) {
        self.stay += 1;
        if self.named.len() < MOST_NAMED {
            let id = facts.id().map_or_else(|| "one without an id".to_owned(), piece);
            self.named.push((format!("{id} ({})", piece(&facts.reason)), why));
        }
    }

    fn told(&self, queue: &DeadQueue, waiting: u32, dry_run: bool) -> String {
        let Self { looked_at, sent, copies, stay, named } = self;
        let would = if dry_run { "would requeue" } else { "requeued" };
        let mut text = format!("{would} {} from {} to {}", counted(*sent), queue.name, queue.origin);
        if *copies > 0 {
            text += &format!(", and {} {copies} copies of them", if dry_run { "remove" } else { "removed" });
        }
        text.push('\n');
        if *stay > 0 {
            text += &format!("{} cannot be requeued and stay:\n", counted(*stay));
            for (which, why) in named {
                text += &format!("  {which}: {why}\n");
            }
            if *stay > named.len() as u64 {
                text += &format!("  and {} more\n", stay - named.len() as u64);
            }
        }
        if u64::from(waiting) > *looked_at {
            text += &format!("{} of {waiting} were looked at\n", looked_at);
        }
        text
    }

    fn json(&self, queue: &DeadQueue, waiting: u32) -> serde_json::Value {
        let stay: Vec<_> =
            self.named.iter().map(|(which, why)| json!({"letter": which, "why": why})).collect();
        json!({"queue": queue.name.as_str(), "to": queue.origin.as_str(), "waiting": waiting,
            "looked_at": self.looked_at, "requeued": self.sent, "copies": self.copies,
            "stay": self.stay, "stay_because": stay})
    }
}

#[cfg(test)]
mod tests {
    use shared::message::Role;
    use shared::transport::Queues;

    use super::*;
    use crate::dead::facts::tests::letter;

    #[test]
    fn a_rate_is_kept_in_tenths_of_a_second() {
        for (rate, together) in [(1, 1), (9, 1), (100, 10), (5000, 256), (1_000_000, 256)] {
            assert_eq!(at_once(rate), together, "{rate}");
        }
        for (sent, rate, ms) in [(0, 1, 0), (10, 100, 100), (1, 3, 333), (10_000, 5000, 2000)] {
            assert_eq!(due(sent, rate).as_millis(), ms, "{sent} at {rate}");
        }
        assert_eq!(due(u64::MAX, 1), Duration::from_micros(u64::MAX));
    }

    #[test]
    fn what_was_done_is_said() {
        let queue = DeadQueue::parse("Features", &Queues::default()).unwrap();
        let mut account = Account { looked_at: 3, sent: 1, copies: 1, ..Account::default() };
        assert_eq!(
            account.told(&queue, 3, false),
            "requeued 1 letter from Features.dead to Features, and removed 1 copies of them\n"
        );
        for _ in 0..MOST_NAMED + 2 {
            account.stays(&Facts::of(&letter("[1]", &[]), Role::Features), "it is shortened: x".to_owned());
        }
        let told = account.told(&queue, 9, true);
        assert!(told.starts_with("would requeue 1 letter from"), "{told}");
        assert!(told.contains("\n22 letters cannot be requeued and stay:\n  one without an id (foreign): it is shortened: x\n"), "{told}");
        assert!(told.ends_with("  and 2 more\n3 of 9 were looked at\n"), "{told}");
        let json = account.json(&queue, 9);
        assert_eq!((&json["requeued"], &json["stay"]), (&json!(1), &json!(22)));
        assert_eq!(json["stay_because"].as_array().unwrap().len(), MOST_NAMED);
    }
}
