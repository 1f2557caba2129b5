//! How much is kept, and how fast more of it comes: what the room that the records take depends on.

use rusqlite::Connection;
use shared::clock::Timestamp;

use super::file;
use super::journal;
use super::log::Log;
use super::reader::Reader;
use super::state::State;

/// What comes is counted over this time, in milliseconds, or since the oldest message that is kept.
const RECENT: i64 = 60 * 60 * 1000;

/// How much is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// How many messages are kept.
    pub(crate) messages: i64,
    /// How many scored rows.
    pub(crate) scored: i64,
    /// How long the oldest message has been kept, in milliseconds.
    pub(crate) kept: i64,
    /// How many messages came lately, and in how many milliseconds.
    pub(crate) recent: (i64, i64),
    /// How many lines the two text files have.
    pub(crate) lines: TextLines,
}

/// How many lines the text files have that are written now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct TextLines {
    /// Of `labels_log.txt`: one for each message.
    pub(crate) labels: i64,
    /// Of `metric_log.csv`: one for each scored row.
    pub(crate) metric: i64,
}

impl Reader {
    /// How much is kept now.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub(crate) fn usage(&self, now: Timestamp) -> anyhow::Result<Usage> {
        self.moment(|db, state| {
            let Some(oldest) = journal::received_event(db, state.first_event)? else {
                return Ok(Usage::default());
            };
            let kept = now.0.saturating_sub(oldest.0).max(0);
            let span = kept.min(RECENT);
            let first = first_since(db, state, Timestamp(now.0.saturating_sub(span)))?;
            let first_of = |log| file::load(db, log).map(|file| file.map(|file| file.first));
            let lines = |first: Option<i64>, last: i64| first.map_or(0, |first| (last + 1 - first).max(0));
            Ok(Usage {
                messages: (state.last_event + 1 - state.first_event).max(0),
                scored: (state.last_scoring + 1 - state.first_scoring).max(0),
                kept,
                recent: ((state.last_event + 1 - first).max(0), span),
                lines: TextLines {
                    labels: lines(first_of(Log::Labels)?, state.last_event),
                    metric: lines(first_of(Log::Metric)?, state.last_scoring),
                },
            })
        })
    }
}

/// The first message that was received at this time or later; the one after the last where there is none. A clock that was set
/// back makes it one of several.
fn first_since(db: &Connection, state: &State, time: Timestamp) -> rusqlite::Result<i64> {
    let (mut first, mut end) = (state.first_event, state.last_event + 1);
    while first < end {
        let middle = first + (end - first) / 2;
        match journal::received_event(db, middle)? {
            Some(received) if received < time => first = middle + 1,
            _ => end = middle,
        }
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use shared::message::RowId;

    use super::*;
    use crate::account::Rejected;
    use crate::arrival::{Arrival, ArrivalKind};
    use crate::store::{CommitTime, Limits, Store};

    #[test]
    fn what_came_lately_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let reader = Reader::open(folder.path()).unwrap();
        assert_eq!(reader.usage(Timestamp(5)).unwrap(), Usage::default());
        for minute in 0..100 {
            let labels: Vec<Arrival> = (0..=minute % 3)
                .map(|number| Arrival {
                    id: RowId::parse(&format!("row-{minute}-{number}")).ok(),
                    kind: ArrivalKind::Label,
                    value: 1.0,
                    published_at: None,
                })
                .collect();
            let time = CommitTime { wall: Timestamp(minute * 60_000), age: minute * 60_000 };
            store.record(&labels, Rejected::default(), time, &Limits::default()).unwrap();
        }
        // Of minutes 40 to 99, 2 messages a minute on average.
        let usage = reader.usage(Timestamp(100 * 60_000)).unwrap();
        assert_eq!((usage.messages, usage.scored, usage.kept), (199, 0, 100 * 60_000));
        assert_eq!(usage.recent, (120, RECENT));
        // The oldest is not an hour old yet.
        let usage = reader.usage(Timestamp(30 * 60_000)).unwrap();
        assert_eq!(usage.recent, (199, 30 * 60_000));
        // Nothing came for long.
        assert_eq!(reader.usage(Timestamp(1_000 * 60_000)).unwrap().recent, (0, RECENT));
    }
}
