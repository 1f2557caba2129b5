//! Rows as somebody looks them up: one by its id, or the latest ones.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};
use shared::clock::Timestamp;
use shared::message::RowId;

use super::block::Block;
use super::known::Half;
use super::reader::Reader;
use super::state::{State, model_of};
use super::stored_id::StoredId;
use super::vectors::Vectors;
use super::{journal, known};
use crate::join::ModelId;

/// A prediction of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoundPrediction {
    /// Its number among all messages.
    pub(crate) number: i64,
    pub(crate) model: Arc<ModelId>,
    pub(crate) value: f64,
    /// When it was published, or else received.
    pub(crate) at: Timestamp,
    /// When it was received.
    pub(crate) received: Option<Timestamp>,
    /// When it was given up, if it was.
    pub(crate) expired: Option<Timestamp>,
    /// What it was made from, if that is kept.
    pub(crate) vector: Option<Arc<[f64]>>,
}

/// The label of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FoundLabel {
    pub(crate) value: f64,
    pub(crate) at: Timestamp,
    pub(crate) received: Option<Timestamp>,
    pub(crate) expired: Option<Timestamp>,
}

/// All that is on record of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoundRow {
    pub(crate) id: RowId,
    /// In the order in which they came, each with whether the label met it.
    pub(crate) predictions: Vec<(FoundPrediction, bool)>,
    pub(crate) label: Option<FoundLabel>,
}

/// Which rows are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those of which anything came.
    #[default]
    All,
    /// Those that were given up.
    Expired,
}

impl Reader {
    /// What is on record of a row; none where that is nothing.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub(crate) fn row(&self, id: &RowId) -> anyhow::Result<Option<FoundRow>> {
        self.moment(|db, state| {
            let tail = known::halves_of(db, state, &HashSet::from([id.clone()]))?;
            found(db, state, id, &tail)
        })
    }

    /// The rows of these predictions, each by its number; those that are not kept are left out.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub(crate) fn rows_of(&self, predictions: &[i64]) -> anyhow::Result<Vec<(i64, RowId)>> {
        self.moment(|db, _| {
            let mut rows = Vec::new();
            for number in predictions {
                let block = journal::block_of(db, *number)?;
                let event = block
                    .iter()
                    .flat_map(Block::events)
                    .filter_map(Result::ok)
                    .find(|(seq, _)| seq == number);
                rows.extend(event.and_then(|(seq, event)| Some((seq, event.id?))));
            }
            Ok(rows)
        })
    }

    /// So many rows of which something came last before the message with the number `before`, the newest first, and the number
    /// to go on from; none at the end.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub(crate) fn latest(
        &self,
        which: Which,
        before: Option<i64>,
        limit: usize,
    ) -> anyhow::Result<(Vec<FoundRow>, Option<i64>)> {
        self.moment(|db, state| {
            let before = before.unwrap_or(i64::MAX).min(state.last_event.saturating_add(1));
            let (ids, next) = match which {
                Which::All => latest_ids(db, state, before, limit)?,
                Which::Expired => expired_ids(db, before, limit)?,
            };
            let tail = known::halves_of(db, state, &ids.iter().cloned().collect())?;
            let rows: rusqlite::Result<Vec<Option<FoundRow>>> =
                ids.iter().map(|id| found(db, state, id, &tail)).collect();
            Ok((rows?.into_iter().flatten().collect(), next))
        })
    }
}

/// The ids of the messages before one, the newest first, each once.
fn latest_ids(
    db: &Connection,
    state: &State,
    before: i64,
    limit: usize,
) -> rusqlite::Result<(Vec<RowId>, Option<i64>)> {
    let (mut ids, mut seen) = (Vec::new(), HashSet::new());
    let mut last = before.saturating_sub(1);
    while last >= state.first_event {
        let Some(block) = journal::block_of(db, last)?.filter(|block| block.last() >= last) else { break };
        let events: Result<Vec<_>, _> = block.events().collect();
        for (seq, event) in events?.into_iter().rev().filter(|(seq, _)| *seq <= last) {
            if let Some(id) = event.id.filter(|id| seen.insert(id.clone())) {
                ids.push(id);
                if ids.len() == limit {
                    return Ok((ids, (seq > state.first_event).then_some(seq)));
                }
            }
        }
        last = block.first - 1;
    }
    Ok((ids, None))
}

fn expired_ids(db: &Connection, before: i64, limit: usize) -> rusqlite::Result<(Vec<RowId>, Option<i64>)> {
    let mut find =
        db.prepare_cached("SELECT seq, id FROM expiry WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2")?;
    let found =
        find.query_map(params![before, limit], |row| Ok((row.get(0)?, row.get::<_, StoredId<RowId>>(1)?.0)))?;
    let found: Vec<(i64, RowId)> = found.collect::<rusqlite::Result<_>>()?;
    let next = found.last().filter(|_| found.len() == limit).map(|(seq, _)| *seq);
    let mut seen = HashSet::new();
    let ids = found.into_iter().map(|(_, id)| id).filter(|id| seen.insert(id.clone())).collect();
    Ok((ids, next))
}

/// Puts together what is known of a row, `tail` being what has not come into the table yet.
fn found(
    db: &Connection,
    state: &State,
    id: &RowId,
    tail: &[(RowId, Half)],
) -> rusqlite::Result<Option<FoundRow>> {
    let mut halves = known::halves_in_table(db, id)?;
    halves.extend(tail.iter().filter(|(of, _)| of == id).map(|(_, half)| *half));
    if halves.is_empty() {
        return Ok(None);
    }
    let mut expired = db.prepare_cached("SELECT expired_at FROM expiry WHERE seq = ?1")?;
    let mut vectors = Vectors::default();
    let mut row = FoundRow { id: id.clone(), predictions: Vec::new(), label: None };
    // The label, whether it met predictions that came before it, and its number.
    let mut label: Option<(i64, bool)> = None;
    for half in halves {
        let received = journal::received_event(db, half.seq)?;
        let expired = expired.query_row([half.seq], |row| row.get(0).map(Timestamp)).optional()?;
        match model_of(&state.account, half.source)? {
            None => {
                label = Some((half.seq, half.met));
                row.label = Some(FoundLabel { value: half.value, at: half.at, received, expired });
            }
            Some((_, model)) => {
                let vector = vectors.of(db, half.seq)?;
                let prediction = FoundPrediction {
                    number: half.seq,
                    model,
                    value: half.value,
                    at: half.at,
                    received,
                    expired,
                    vector,
                };
                row.predictions.push((prediction, half.met));
            }
        }
    }
    for (prediction, met) in &mut row.predictions {
        *met |=
            prediction.expired.is_none() && label.is_some_and(|(seq, met)| met && seq > prediction.number);
    }
    Ok(Some(row))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use shared::message::Name;

    use super::*;
    use crate::account::Rejected;
    use crate::arrival::{Arrival, ArrivalKind, Origin};
    use crate::store::{CommitTime, Limits, Store};

    fn id(text: &str) -> RowId {
        RowId::parse(text).unwrap()
    }

    fn half(row: &str, model: Option<&str>, value: f64, at: i64) -> Arrival {
        let kind = match model {
            None => ArrivalKind::Label,
            Some(name) => {
                let model = ModelId { name: Name::parse(name).ok(), version: Name::parse("v").ok() };
                ArrivalKind::Prediction(Origin {
                    vector: Some(vec![value, at as f64].into()),
                    ..Origin::from(model)
                })
            }
        };
        Arrival { id: Some(id(row)), kind, value, published_at: Some(Timestamp(at)) }
    }

    /// Commits, each at its age, with a horizon of 1000 ms.
    fn record(folder: &Path, behind: i64) {
        let mut store = Store::open(folder).unwrap();
        let limits = Limits { horizon_ms: 1000, behind, ..Limits::default() };
        for (age, halves) in [
            (
                0,
                vec![half("never", Some("m"), 9.0, 0), half("a", Some("m"), 1.0, 1), half("b", None, 2.0, 2)],
            ),
            (
                500,
                vec![
                    half("a", Some("n"), 1.5, 500),
                    half("a", None, 1.2, 501),
                    half("b", Some("m"), 2.5, 502),
                ],
            ),
            (900, vec![half("late", Some("m"), 3.0, 900), half("order:7/x", Some("m"), 4.0, 901)]),
            (2000, vec![half("late", None, 3.1, 2000), half("new", Some("n"), 5.0, 2001)]),
        ] {
            let time = CommitTime { wall: Timestamp(10_000 + age), age };
            store.record(&halves, Rejected::default(), time, &limits).unwrap();
        }
    }

    #[test]
    fn a_row_is_found_with_all_that_became_of_it_wherever_it_is_kept() {
        for behind in [0, 3, 65_536] {
            let folder = tempfile::tempdir().unwrap();
            record(folder.path(), behind);
            let reader = Reader::open(folder.path()).unwrap();
            let find = |text: &str| reader.row(&id(text)).unwrap();
            assert_eq!(find("nobody"), None);

            let a = find("a").unwrap();
            let said: Vec<_> =
                a.predictions.iter().map(|(of, met)| (of.model.tag(), of.value, of.at.0, *met)).collect();
            assert_eq!(said, [("m@v".into(), 1.0, 1, true), ("n@v".into(), 1.5, 500, true)], "{behind}");
            let label = a.label.unwrap();
            assert_eq!((label.value, label.at.0, label.received), (1.2, 501, Some(Timestamp(10_500))));
            assert_eq!(a.predictions[1].0.vector.as_deref(), Some(&[1.5, 500.0][..]));
            assert_eq!(a.predictions[0].0.received, Some(Timestamp(10_000)));

            // A label that came first.
            let b = find("b").unwrap();
            assert!(b.predictions[0].1 && b.label.is_some(), "{b:?}");
            // What was given up, and what came after that.
            let never = find("never").unwrap();
            assert!(
                !never.predictions[0].1 && never.predictions[0].0.expired.is_some() && never.label.is_none()
            );
            let late = find("late").unwrap();
            assert!(late.predictions[0].0.expired.is_some() && !late.predictions[0].1, "{late:?}");
            let new = find("new").unwrap();
            assert!(new.predictions[0].0.expired.is_none() && !new.predictions[0].1);

            let number = a.predictions[0].0.number;
            assert_eq!(reader.rows_of(&[number, 9999]).unwrap(), [(number, id("a"))]);
        }
    }

    #[test]
    fn the_latest_rows_come_page_by_page_each_once_a_page() {
        for behind in [0, 65_536] {
            let folder = tempfile::tempdir().unwrap();
            record(folder.path(), behind);
            let reader = Reader::open(folder.path()).unwrap();
            let ids =
                |rows: Vec<FoundRow>| rows.into_iter().map(|row| row.id.to_string()).collect::<Vec<_>>();
            let (rows, next) = reader.latest(Which::All, None, 3).unwrap();
            assert_eq!(ids(rows), ["new", "late", "order:7/x"], "{behind}");
            let (rows, next) = reader.latest(Which::All, next, 4).unwrap();
            assert_eq!(ids(rows), ["late", "b", "a", "never"]);
            assert_eq!(next, None);
            let (rows, next) = reader.latest(Which::Expired, None, 2).unwrap();
            assert_eq!(ids(rows), ["order:7/x", "late"]);
            let (rows, next) = reader.latest(Which::Expired, next, 2).unwrap();
            assert_eq!((ids(rows), next), (vec!["never".to_owned()], None));
        }
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        assert_eq!(
            Reader::open(folder.path()).unwrap().latest(Which::All, None, 3).unwrap(),
            (Vec::new(), None)
        );
    }
}
