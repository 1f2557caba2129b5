//! What a running metric knows beside the messages: what is wrong now, and what the queues are called.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use shared::clock::Timestamp;
use shared::message::Role;
use shared::transport::{QueueOptions, Queues};

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Messages wait in a queue, and nobody consumes it.
    Unread,
    /// Another program writes into a text file, to which metric writes nothing more.
    LeftAlone,
    /// No text files are written, because whoever started metric wants none.
    TextOff,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Unread, Self::LeftAlone, Self::TextOff];

    const fn name(self) -> &'static str {
        match self {
            Self::Unread => "unread",
            Self::LeftAlone => "left_alone",
            Self::TextOff => "text_off",
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub kind: Kind,
    /// The queue, or the file or files.
    pub subject: String,
    /// How many messages wait in the queue, or for how many seconds nobody must touch the file; else 0.
    pub count: i64,
    /// Since when.
    pub since: Timestamp,
    /// When it was so last.
    pub seen: Timestamp,
}

/// Something to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// It is so, and replaces what was known of the same.
    Found(Finding),
    /// It is over.
    Over(Kind, String),
    /// What the queues are called.
    Called(Queues),
}

/// Keeps it.
pub(super) fn save(db: &Connection, note: &Note) -> rusqlite::Result<()> {
    match note {
        Note::Found(Finding { kind, subject, count, since, seen }) => {
            db.prepare_cached("INSERT OR REPLACE INTO finding VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![kind.name(), subject, count, since.0, seen.0])?;
        }
        Note::Over(kind, subject) => {
            db.prepare_cached("DELETE FROM finding WHERE kind = ?1 AND subject = ?2")?
                .execute(params![kind.name(), subject])?;
        }
        Note::Called(queues) => {
            for role in Role::ALL {
                db.prepare_cached("INSERT OR REPLACE INTO queue VALUES (?1, ?2)")?
                    .execute(params![role.name(), queues.name(role).as_str()])?;
            }
        }
    }
    Ok(())
}

/// Whether it is not what is known.
pub(super) fn is_new(db: &Connection, note: &Note) -> rusqlite::Result<bool> {
    Ok(match note {
        Note::Found(finding) => !load(db)?.contains(finding),
        Note::Over(kind, subject) => {
            load(db)?.iter().any(|known| known.kind == *kind && known.subject == *subject)
        }
        Note::Called(queues) => {
            let names = |queues: &Queues| Role::ALL.map(|role| queues.name(role).clone());
            self::queues(db)?.as_ref().map(names) != Some(names(queues))
        }
    })
}

/// All that is wrong.
pub(super) fn load(db: &Connection) -> rusqlite::Result<Vec<Finding>> {
    let mut entries =
        db.prepare_cached("SELECT kind, subject, count, since, seen FROM finding ORDER BY kind, subject")?;
    let found: rusqlite::Result<Vec<Option<Finding>>> = entries.query_map([], read)?.collect();
    Ok(found?.into_iter().flatten().collect())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Option<Finding>> {
    let name: String = row.get(0)?;
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == name) else { return Ok(None) };
    Ok(Some(Finding {
        kind,
        subject: row.get(1)?,
        count: row.get(2)?,
        since: Timestamp(row.get(3)?),
        seen: Timestamp(row.get(4)?),
    }))
}

/// What the queues were called at the last start on a broker; none where there was none.
pub(super) fn queues(db: &Connection) -> rusqlite::Result<Option<Queues>> {
    let name = |role: Role| -> rusqlite::Result<Option<String>> {
        db.query_row("SELECT name FROM queue WHERE role = ?1", [role.name()], |row| row.get(0)).optional()
    };
    let options = QueueOptions {
        features_queue: name(Role::Features)?,
        labels_queue: name(Role::Label)?,
        predictions_queue: name(Role::Prediction)?,
        ..QueueOptions::default()
    };
    let known = options.features_queue.is_some();
    Ok(Queues::new(&options).ok().filter(|_| known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn a_finding_is_kept_until_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let reader = || crate::store::Reader::open(folder.path()).unwrap();
        assert_eq!(reader().findings().unwrap(), []);
        let file = Finding {
            kind: Kind::LeftAlone,
            subject: "metric_log.csv".into(),
            count: 60,
            since: Timestamp(1000),
            seen: Timestamp(1000),
        };
        let queue = |count, seen| Finding {
            kind: Kind::Unread,
            subject: "Features".into(),
            count,
            since: Timestamp(5),
            seen: Timestamp(seen),
        };
        for found in [&file, &queue(7, 10), &queue(9, 20)] {
            store.keep(&[Note::Found(found.clone())]).unwrap();
        }
        assert_eq!(reader().findings().unwrap(), [file.clone(), queue(9, 20)]);
        drop(store);
        let mut store = Store::open(folder.path()).unwrap();
        assert_eq!(store.findings().unwrap(), [file.clone(), queue(9, 20)]);
        store.keep(&[Note::Over(Kind::Unread, "Features".into())]).unwrap();
        assert_eq!(store.findings().unwrap(), [file]);
    }

    #[test]
    fn the_queues_names_are_those_of_the_last_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let reader = || crate::store::Reader::open(folder.path()).unwrap();
        assert_eq!(reader().queues().unwrap(), None);
        for truth in ["truth", "y_true"] {
            let options = QueueOptions { labels_queue: Some(truth.to_owned()), ..QueueOptions::default() };
            let queues = Queues::new(&options).unwrap();
            store.keep(&[Note::Called(queues.clone())]).unwrap();
            assert_eq!(reader().queues().unwrap(), Some(queues));
        }
    }
}
