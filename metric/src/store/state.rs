//! What the writer remembers between commits, and how it is kept in the database.

use std::sync::Arc;

use evaluation::scores::Scores;
use rusqlite::{Connection, Row, params};
use shared::message::{ModelRole, Name};

use super::journal;
use crate::account::{Account, Counts, ModelAccount, Rejected};
use crate::join::ModelId;

/// Everything that is not a message or a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    /// The number of the last event.
    pub(super) last_event: i64,
    /// The number of the last scored row.
    pub(super) last_scoring: i64,
    /// The oldest event that is kept.
    pub(super) first_event: i64,
    /// The oldest scored row that is kept.
    pub(super) first_scoring: i64,
    /// The horizon of all events up to this one is over.
    pub(super) horizon_over: i64,
    /// Events up to this one are in the table of known halves.
    pub(super) known: i64,
    /// Milliseconds that metric has worked on this database.
    pub(super) age: i64,
    /// The number of the last commit.
    pub(super) commits: i64,
    /// From this commit on, no block that says its number and no expiry was forgotten.
    pub(super) first_commit: i64,
    /// The number of the last row that was scored up to the last block that was forgotten; none where nobody knows.
    pub(super) forgotten_scoring: Option<i64>,
    /// What became of everything.
    pub(super) account: Account,
}

impl State {
    /// Reads it.
    pub(super) fn load(db: &Connection) -> rusqlite::Result<Self> {
        let mut state = db.query_row(
            "SELECT last_event, last_scoring, first_event, first_scoring, horizon_over, known, age, \
             rejected_labels, rejected_predictions, commits, first_commit, forgotten_scoring FROM state",
            [],
            |row| {
                let mut account = Account::default();
                account.rejected = Rejected { labels: row.get(7)?, predictions: row.get(8)? };
                Ok(Self {
                    last_event: row.get(0)?,
                    last_scoring: row.get(1)?,
                    first_event: row.get(2)?,
                    first_scoring: row.get(3)?,
                    horizon_over: row.get(4)?,
                    known: row.get(5)?,
                    age: row.get(6)?,
                    commits: row.get(9)?,
                    first_commit: row.get(10)?,
                    forgotten_scoring: row.get(11)?,
                    account,
                })
            },
        )?;
        let mut sources = db.prepare(
            "SELECT number, name, version, received, scored, expired, late, duplicates, conflicts, crowded, \
             anonymous, scores, role FROM source ORDER BY number",
        )?;
        let mut rows = sources.query([])?;
        while let Some(row) = rows.next()? {
            let counts = Counts {
                received: row.get(3)?,
                scored: row.get(4)?,
                expired: row.get(5)?,
                late: row.get(6)?,
                duplicates: row.get(7)?,
                conflicts: row.get(8)?,
                crowded: row.get(9)?,
                anonymous: row.get(10)?,
            };
            if row.get::<_, i64>(0)? == 0 {
                state.account.labels = counts;
                continue;
            }
            let model = model(row, 12)?;
            let scores =
                serde_json::from_str(row.get_ref(11)?.as_str()?).map_err(|why| unreadable(11, why))?;
            state.account.push(ModelAccount { model, counts, scores });
        }
        state.hear_again(db)?;
        Ok(state)
    }

    /// Has the models be heard of in the order in which they last were, as far back as is quickly found.
    fn hear_again(&mut self, db: &Connection) -> rusqlite::Result<()> {
        const MESSAGES: i64 = 4096;
        let after = (self.last_event - MESSAGES).max(self.first_event - 1);
        journal::events(db, after, self.last_event, |_, _, event| {
            let number = usize::try_from(event.source - 1).ok();
            // Where there is no such model, whoever reads the message says so.
            if let Some(number) = number.filter(|number| *number < self.account.models().len()) {
                self.account.hear_of(number);
            }
            Ok(true)
        })
    }

    /// Writes it, with the accounts of the labels and of these models.
    pub(super) fn save(
        &self,
        db: &Connection,
        models: impl IntoIterator<Item = usize>,
    ) -> rusqlite::Result<()> {
        let Self { last_event, last_scoring, first_event, first_scoring, horizon_over, known, age, .. } =
            self;
        let Self { commits, first_commit, forgotten_scoring, account, .. } = self;
        db.prepare_cached(
            "UPDATE state SET last_event = ?1, last_scoring = ?2, first_event = ?3, first_scoring = ?4, \
             horizon_over = ?5, known = ?6, age = ?7, rejected_labels = ?8, rejected_predictions = ?9, \
             commits = ?10, first_commit = ?11, forgotten_scoring = ?12",
        )?
        .execute(params![
            last_event,
            last_scoring,
            first_event,
            first_scoring,
            horizon_over,
            known,
            age,
            account.rejected.labels,
            account.rejected.predictions,
            commits,
            first_commit,
            forgotten_scoring
        ])?;
        save_source(db, 0, None, &account.labels, "{}")?;
        for number in models {
            if let Some(ModelAccount { model, counts, scores }) = account.models().get(number) {
                let scores = serde_json::to_string(scores)
                    .map_err(|why| rusqlite::Error::ToSqlConversionFailure(Box::new(why)))?;
                save_source(db, source(number), Some(model), counts, &scores)?;
            }
        }
        Ok(())
    }
}

/// The number in the tables of a model's number in the account; 0 is the labels.
pub(super) fn source(model: usize) -> i64 {
    i64::try_from(model).unwrap_or(i64::MAX - 1) + 1
}

/// The model of a number in the tables, and its number in the account; none for the labels.
pub(super) fn model_of(account: &Account, source: i64) -> rusqlite::Result<Option<(usize, Arc<ModelId>)>> {
    if source == 0 {
        return Ok(None);
    }
    let number = usize::try_from(source - 1).ok();
    let known = number.and_then(|number| Some((number, account.models().get(number)?)));
    let (number, known) = known.ok_or(rusqlite::Error::IntegralValueOutOfRange(0, source))?;
    Ok(Some((number, Arc::clone(&known.model))))
}

fn save_source(
    db: &Connection,
    number: i64,
    model: Option<&ModelId>,
    counts: &Counts,
    scores: &str,
) -> rusqlite::Result<()> {
    let name = model.and_then(|model| model.name.as_ref()).map(Name::as_str);
    let version = model.and_then(|model| model.version.as_ref()).map(Name::as_str);
    let role = model.map_or(ModelRole::Serving, |model| model.role).name();
    let Counts { received, scored, expired, late, duplicates, conflicts, crowded, anonymous } = counts;
    db.prepare_cached("REPLACE INTO source VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)")?
        .execute(params![
            number, name, version, received, scored, expired, late, duplicates, conflicts, crowded,
            anonymous, scores, role
        ])?;
    Ok(())
}

/// Adds the models that an account does not have yet, without what became of theirs.
pub(super) fn add_models(db: &Connection, account: &mut Account) -> rusqlite::Result<()> {
    let known = source(account.models().len()) - 1;
    let mut sources = db
        .prepare_cached("SELECT number, name, version, role FROM source WHERE number > ?1 ORDER BY number")?;
    let mut rows = sources.query([known])?;
    while let Some(row) = rows.next()? {
        let (counts, scores) = (Counts::default(), Scores::default());
        account.push(ModelAccount { model: model(row, 3)?, counts, scores });
    }
    Ok(())
}

/// `role` is the column of the role.
fn model(row: &Row<'_>, role: usize) -> rusqlite::Result<Arc<ModelId>> {
    let read = ModelRole::parse(row.get_ref(role)?.as_str()?);
    let read = read.map_err(|why| unreadable(role, std::io::Error::other(why.to_string())))?;
    Ok(Arc::new(ModelId { name: name(row, 1)?, version: name(row, 2)?, role: read }))
}

fn name(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Name>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| Name::recorded(&text).map_err(|why| unreadable(column, std::io::Error::other(why))))
        .transpose()
}

/// What is in a column is not what this program writes there.
pub(super) fn unreadable(
    column: usize,
    why: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, Box::new(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::LATEST;
    use crate::arrival::{Arrival, ArrivalKind};
    use crate::store::{CommitTime, Limits, Store};
    use shared::clock::Timestamp;

    #[test]
    fn the_models_that_were_heard_of_last_are_the_same_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let arrival = |number: usize| Arrival {
            id: None,
            kind: ArrivalKind::Prediction(
                ModelId { name: None, version: Name::parse(&number.to_string()).ok(), ..ModelId::default() }
                    .into(),
            ),
            value: 1.0,
            published_at: None,
        };
        let now = CommitTime { wall: Timestamp(0), age: 0 };
        let mut store = Store::open(folder.path()).unwrap();
        let latest = |store: &mut Store| {
            let account = store.account().unwrap();
            account.latest().iter().map(|of| of.model.version.clone().unwrap()).collect::<Vec<_>>()
        };
        // The first one last, as after going back to it.
        let arrivals: Vec<Arrival> = (0..3 * LATEST).chain([0]).map(arrival).collect();
        store.record(&arrivals, Rejected::default(), now, &Limits::default()).unwrap();
        let before = latest(&mut store);
        assert_eq!((before.len(), before[0].as_str()), (LATEST, "0"));
        drop(store);
        assert_eq!(latest(&mut Store::open(folder.path()).unwrap()), before);
    }
}
