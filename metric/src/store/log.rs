//! The lines of the text files, as the database gives them.

use std::path::Path;

use rusqlite::{Connection, Row};
use shared::clock::Timestamp;
use shared::message::RowId;

use super::block::StoredEvent;
use super::journal;
use super::state::{State, model_of};
use super::stored_id::StoredId;
use crate::account::Account;
use crate::join::Scored;
use crate::lines::{Event, LineWriter, METRIC_HEADER};
use crate::write_error::WriteError;

/// A text file that shows a part of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// All labels and predictions.
    Labels,
    /// All scored rows.
    Metric,
}

impl Log {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Labels, Self::Metric];

    /// The file's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Labels => "labels_log.txt",
            Self::Metric => "metric_log.csv",
        }
    }

    /// Its first line, if it has one of its own.
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::Labels => "",
            Self::Metric => METRIC_HEADER,
        }
    }
}

/// A line of a text file.
#[derive(Debug, Clone, Copy)]
pub struct LogLine<'a> {
    /// The number of the entry that it shows.
    pub entry: i64,
    /// When the entry was committed.
    pub received: Timestamp,
    /// The line, with its end.
    pub text: &'a str,
}

/// Calls `with` for each entry after this number that is kept, in order, with its line, until it returns false.
pub(super) fn lines(
    db: &Connection,
    path: &Path,
    state: &State,
    log: Log,
    after: i64,
    mut with: impl FnMut(LogLine<'_>) -> Result<bool, WriteError>,
) -> Result<(), WriteError> {
    let mut failed = Ok(());
    let goes_on = |line: LogLine<'_>| {
        with(line).unwrap_or_else(|why| {
            failed = Err(why);
            false
        })
    };
    let read = match log {
        Log::Labels => event_lines(db, state, after, goes_on),
        Log::Metric => scored_lines(db, state, after, goes_on),
    };
    read.map_err(|why| WriteError::with_database(why, path)).and(failed)
}

fn event_lines(
    db: &Connection,
    state: &State,
    after: i64,
    mut goes_on: impl FnMut(LogLine<'_>) -> bool,
) -> rusqlite::Result<()> {
    let (mut text, mut writer) = (String::new(), LineWriter::default());
    journal::events(db, after.max(state.first_event - 1), state.last_event, |block, seq, event| {
        let StoredEvent { id, source, value, .. } = event;
        let model = model_of(&state.account, source)?;
        let model = model.as_ref().map(|(_, model)| &**model);
        text.clear();
        writer.event(&mut text, Event { received: block.received, id: id.as_ref(), model, value });
        Ok(goes_on(LogLine { entry: seq, received: block.received, text: &text }))
    })
}

fn scored_lines(
    db: &Connection,
    state: &State,
    after: i64,
    mut goes_on: impl FnMut(LogLine<'_>) -> bool,
) -> rusqlite::Result<()> {
    let mut entries = db.prepare_cached(
        "SELECT seq, source, id, y_true, y_pred, predicted_at, labelled_at, prediction FROM scoring \
         WHERE seq > ?1 ORDER BY seq",
    )?;
    let mut commits = db.prepare_cached(
        "SELECT last_scoring, received FROM journal WHERE last_scoring > ?1 ORDER BY last_scoring, first",
    )?;
    let (mut rows, mut commits) = (entries.query([after])?, commits.query([after])?);
    let (mut text, mut writer) = (String::new(), LineWriter::default());
    let mut commit: Option<(i64, Timestamp)> = None;
    while let Some(row) = rows.next()? {
        let (entry, scored) = (row.get(0)?, read_scored(row, &state.account)?);
        while commit.is_none_or(|(last, _)| last < entry) {
            let Some(next) = commits.next()? else { break };
            commit = Some((next.get(0)?, Timestamp(next.get(1)?)));
        }
        text.clear();
        // An entry all the same, so that the file is known to be past it.
        if scored.has_line() {
            writer.scored(&mut text, &scored);
        }
        // Of a row that was kept for its file alone, the commit may be forgotten: then a later one stands for it.
        let received = commit.map_or(scored.predicted_at.max(scored.labelled_at), |(_, received)| received);
        if !goes_on(LogLine { entry, received, text: &text }) {
            break;
        }
    }
    Ok(())
}

pub(super) fn read_scored(row: &Row<'_>, account: &Account) -> rusqlite::Result<Scored> {
    let source = row.get(1)?;
    let (number, model) =
        model_of(account, source)?.ok_or(rusqlite::Error::IntegralValueOutOfRange(1, source))?;
    Ok(Scored {
        id: row.get::<_, StoredId<RowId>>(2)?.0,
        y_true: row.get(3)?,
        y_pred: row.get(4)?,
        number,
        model,
        predicted_at: Timestamp(row.get(5)?),
        labelled_at: Timestamp(row.get(6)?),
        prediction: row.get(7)?,
    })
}
