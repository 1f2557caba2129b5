//! What a person should know while metric runs: said in the log, each once, and kept for `metric status`.

use shared::clock::{Clock, Timestamp};
use shared::message::{Role, RowId};
use shared::transport::{Look, Queues, Transport};
use tracing::{info, warn};

use crate::account::Account;
use crate::decide::Contradiction;
use crate::hints::{Hint, Hints};
use crate::records::Records;
use crate::store::{Finding, Kind, Note};
use crate::write_error::WriteError;

/// How long rows may wait without a consumer: services may be started in any order.
const PATIENCE_MS: i64 = 60_000;
/// How often it is kept how many wait now.
const KEEP_EVERY_MS: i64 = 60_000;

/// Keeps an eye on the account and on the queue of features.
#[derive(Debug)]
pub(crate) struct Notices {
    hints: Hints,
    /// What the queues are called; none where messages travel in memory, and nobody can send them elsewhere.
    queues: Option<Queues>,
    unread: Unread,
    /// How the queue of rows was seen last.
    seen: Look,
    notes: Vec<Note>,
}

impl Notices {
    /// Begins with what was known when metric ran last.
    pub(crate) fn new(records: &mut Records, transport: &Transport) -> Result<Self, WriteError> {
        let queues = match transport {
            Transport::Amqp(endpoint) => Some(endpoint.queues().clone()),
            Transport::Memory(_) => None,
        };
        let queue = queues.as_ref().map(|queues| queues.name(Role::Features).as_str());
        let unread = records.findings()?.into_iter().filter(|finding| finding.kind == Kind::Unread);
        // Nobody looks at a queue that is another's now.
        let (known, others): (Vec<_>, Vec<_>) = unread.partition(|finding| Some(&*finding.subject) == queue);
        let mut notes: Vec<Note> =
            others.into_iter().map(|other| Note::Over(other.kind, other.subject)).collect();
        notes.extend(queues.clone().map(Note::Called));
        let unread = Unread { kept: known.into_iter().next(), ..Unread::default() };
        Ok(Self { hints: Hints::new(records.account()?), queues, unread, seen: Look::Unknown, notes })
    }

    /// Takes in how the queue of rows stands; none where nobody could look.
    pub(crate) fn see(&mut self, rows: Option<Look>) {
        self.seen = rows.unwrap_or(Look::Unknown);
    }

    /// What the queue of a role is called.
    pub(crate) fn queue(&self, role: Role) -> &str {
        self.queues.as_ref().map_or(role.name(), |queues| queues.name(role).as_str())
    }

    /// Says what is to be said now.
    pub(crate) fn look(&mut self, account: &Account, clock: &Clock) {
        let Some(queues) = &self.queues else { return };
        for hint in self.hints.look(account, clock.steady_ms()) {
            warn!("{}", hint.sentence(Some(queues)));
        }
        let queue = queues.name(Role::Features).as_str();
        match self.unread.look(queue, self.seen, clock.steady_ms(), clock.wall()) {
            Some(Note::Found(finding)) => {
                if !std::mem::replace(&mut self.unread.told, true) {
                    warn!("{}", Hint::from(finding.clone()).sentence(Some(queues)));
                }
                self.notes.push(Note::Found(finding));
            }
            Some(over) => {
                if std::mem::take(&mut self.unread.told) {
                    info!("no rows wait in {queue} without a consumer any more");
                }
                self.notes.push(over);
            }
            None => {}
        }
    }

    /// What is to be kept now.
    pub(crate) fn notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }
}

/// Rows that wait while nobody consumes their queue. Pure.
#[derive(Debug, Default)]
struct Unread {
    /// Since when: by the clock that never runs back, and by the one on the wall.
    since: Option<(i64, Timestamp)>,
    /// What was kept of it.
    kept: Option<Finding>,
    /// When that was, in this run.
    kept_at: Option<i64>,
    /// Whether the log has it.
    told: bool,
}

impl Unread {
    /// What is to be kept, now that the queue was `seen` so.
    fn look(&mut self, queue: &str, seen: Look, now_ms: i64, wall: Timestamp) -> Option<Note> {
        let messages = match seen {
            Look::Unknown => return None,
            Look::There { messages, consumers: 0 } if messages > 0 => messages,
            Look::There { .. } | Look::Missing => {
                (self.since, self.kept_at) = (None, None);
                return self.kept.take().map(|kept| Note::Over(kept.kind, kept.subject));
            }
        };
        let (since_ms, since) = *self.since.get_or_insert((now_ms, wall));
        let waits = self.kept.is_none() && now_ms - since_ms < PATIENCE_MS;
        if waits || self.kept_at.is_some_and(|kept| now_ms - kept < KEEP_EVERY_MS) {
            return None;
        }
        let since = self.kept.as_ref().map_or(since, |kept| kept.since);
        let (subject, count) = (queue.to_owned(), i64::from(messages));
        let finding = Finding { kind: Kind::Unread, subject, count, since, seen: wall };
        self.kept_at = Some(now_ms);
        self.kept = Some(finding.clone());
        Some(Note::Found(finding))
    }
}

/// Says what was not recorded, as it cannot be true beside what was, or is one too many.
pub(crate) fn warn_of_ignored(contradictions: &[Contradiction], crowded: &[RowId]) {
    for Contradiction { id, label, first, again } in contradictions {
        let what = if *label { "label" } else { "prediction" };
        warn!(row.id = %id, "a second {what} {again} contradicts the first, {first}, which stays");
    }
    for id in crowded {
        warn!(row.id = %id, "one more model has predicted this row than are kept; its prediction is ignored");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITING: Look = Look::There { messages: 7, consumers: 0 };

    /// What is kept at these seconds: `7 since 0 seen 60`, or that it is over.
    fn kept(unread: &mut Unread, looks: &[(i64, Look)]) -> Vec<String> {
        let look = |&(second, look): &(i64, Look)| {
            let note = unread.look("rows", look, second * 1000, Timestamp(second * 1000))?;
            Some(match note {
                Note::Found(Finding { subject, count, since, seen, .. }) => {
                    format!("{count} in {subject} since {} seen {}", since.seconds(), seen.seconds())
                }
                other => format!("{other:?}"),
            })
        };
        looks.iter().filter_map(look).collect()
    }

    #[test]
    fn rows_that_nobody_consumes_for_a_minute_are_kept_until_somebody_does() {
        let over = "Over(Unread, \"rows\")";
        let consumed = |messages| Look::There { messages, consumers: 1 };
        let empty = Look::There { messages: 0, consumers: 0 };
        let more = Look::There { messages: 90, consumers: 0 };
        for (looks, want) in [
            (&[(0, WAITING), (59, WAITING)][..], &[][..]),
            (&[(0, WAITING), (60, WAITING)], &["7 in rows since 0 seen 60"]),
            // Nobody knows, while the broker is away.
            (&[(0, WAITING), (10, Look::Unknown), (60, WAITING)], &["7 in rows since 0 seen 60"]),
            (&[(0, WAITING), (30, consumed(7)), (60, WAITING), (119, WAITING)], &[]),
            (&[(0, WAITING), (30, empty), (61, WAITING)], &[]),
            (&[(0, WAITING), (30, Look::Missing), (61, WAITING)], &[]),
            (
                &[(0, WAITING), (60, WAITING), (90, more), (120, more), (130, consumed(90)), (140, empty)],
                &["7 in rows since 0 seen 60", "90 in rows since 0 seen 120", over],
            ),
            (&[(0, empty), (100, empty), (200, consumed(0))], &[]),
        ] {
            assert_eq!(kept(&mut Unread::default(), looks), want, "{looks:?}");
        }
    }

    #[test]
    fn what_was_kept_before_a_restart_goes_on_or_is_over_at_once() {
        let before = || Unread {
            kept: Some(Finding {
                kind: Kind::Unread,
                subject: "rows".into(),
                count: 3,
                since: Timestamp(-9000),
                seen: Timestamp(-1000),
            }),
            ..Unread::default()
        };
        assert_eq!(kept(&mut before(), &[(0, Look::Unknown), (1, WAITING)]), ["7 in rows since -9 seen 1"]);
        let consumed = Look::There { messages: 3, consumers: 2 };
        assert_eq!(kept(&mut before(), &[(0, consumed)]), ["Over(Unread, \"rows\")"]);
    }
}
