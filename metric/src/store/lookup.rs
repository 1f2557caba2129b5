//! Rows as somebody looks them up: one by its id, or the latest ones.

use std::collections::{HashMap, HashSet};
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

/// How far a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// So many rows are listed at the most.
    pub(crate) listed: usize,
    /// So many are looked at for them at the most, each of which costs about as much as one that is listed.
    pub(crate) looked_at: usize,
}

/// Rows of a list.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Listed {
    pub(crate) rows: Vec<FoundRow>,
    /// How many were looked at for them.
    pub(crate) looked_at: usize,
    /// The number of the message before which the list goes on; none at its end.
    pub(crate) next: Option<i64>,
}

/// Ids of rows, each with the number of the latest message of it.
type Ids = Vec<(i64, RowId)>;

/// The halves of rows that have not come into the table yet.
type Tail = HashMap<RowId, Vec<Half>>;

impl Reader {
    /// What is on record of a row; none where that is nothing.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub(crate) fn row(&self, id: &RowId) -> anyhow::Result<Option<FoundRow>> {
        self.moment(|db, state| {
            let tail = tail(db, state, HashSet::from([id.clone()]))?;
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

    /// Rows of which something came last before the message with the number `before`, the newest first: those that are wanted.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub(crate) fn latest(
        &self,
        which: Which,
        before: Option<i64>,
        extent: Extent,
        is_wanted: impl Fn(&FoundRow) -> bool,
    ) -> anyhow::Result<Listed> {
        self.moment(|db, state| {
            let before = before.unwrap_or(i64::MAX).min(state.last_event.saturating_add(1));
            let (ids, next) = match which {
                Which::All => latest_ids(db, state, before, extent.looked_at)?,
                Which::Expired => expired_ids(db, before, extent.looked_at)?,
            };
            let mut listed = Listed { next, ..Listed::default() };
            let tail = tail(db, state, ids.iter().map(|(_, id)| id.clone()).collect())?;
            let all = ids.len();
            for (seq, id) in ids {
                listed.looked_at += 1;
                listed.rows.extend(found(db, state, &id, &tail)?.filter(&is_wanted));
                if listed.rows.len() == extent.listed && listed.looked_at < all {
                    listed.next = Some(seq);
                    break;
                }
            }
            Ok(listed)
        })
    }
}

/// The ids of the messages before one, the newest first, each once with its latest number.
fn latest_ids(
    db: &Connection,
    state: &State,
    before: i64,
    limit: usize,
) -> rusqlite::Result<(Ids, Option<i64>)> {
    let (mut ids, mut seen) = (Vec::new(), HashSet::new());
    let mut last = before.saturating_sub(1);
    while last >= state.first_event {
        let Some(block) = journal::block_of(db, last)?.filter(|block| block.last() >= last) else { break };
        let events: Result<Vec<_>, _> = block.events().collect();
        for (seq, event) in events?.into_iter().rev().filter(|(seq, _)| *seq <= last) {
            if let Some(id) = event.id.filter(|id| seen.insert(id.clone())) {
                ids.push((seq, id));
                if ids.len() == limit {
                    return Ok((ids, (seq > state.first_event).then_some(seq)));
                }
            }
        }
        last = block.first - 1;
    }
    Ok((ids, None))
}

fn expired_ids(db: &Connection, before: i64, limit: usize) -> rusqlite::Result<(Ids, Option<i64>)> {
    let mut find =
        db.prepare_cached("SELECT seq, id FROM expiry WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2")?;
    let found =
        find.query_map(params![before, limit], |row| Ok((row.get(0)?, row.get::<_, StoredId<RowId>>(1)?.0)))?;
    let found: Vec<(i64, RowId)> = found.collect::<rusqlite::Result<_>>()?;
    let next = found.last().filter(|_| found.len() == limit).map(|(seq, _)| *seq);
    let mut seen = HashSet::new();
    Ok((found.into_iter().filter(|(_, id)| seen.insert(id.clone())).collect(), next))
}

/// What is known of these rows and has not come into the table yet.
fn tail(db: &Connection, state: &State, ids: HashSet<RowId>) -> rusqlite::Result<Tail> {
    let mut tail = Tail::new();
    for (id, half) in known::halves_of(db, state, &ids)? {
        tail.entry(id).or_default().push(half);
    }
    Ok(tail)
}

/// Puts together what is known of a row, `tail` being what has not come into the table yet.
fn found(db: &Connection, state: &State, id: &RowId, tail: &Tail) -> rusqlite::Result<Option<FoundRow>> {
    let mut halves = known::halves_in_table(db, id)?;
    halves.extend(tail.get(id).into_iter().flatten());
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
                let model = ModelId {
                    name: Name::parse(name).ok(),
                    version: Name::parse("v").ok(),
                    ..ModelId::default()
                };
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

    fn list(reader: &Reader, which: Which, before: Option<i64>, listed: usize) -> (Vec<String>, Option<i64>) {
        let extent = Extent { listed, looked_at: listed };
        let Listed { rows, next, .. } = reader.latest(which, before, extent, |_| true).unwrap();
        (rows.into_iter().map(|row| row.id.to_string()).collect(), next)
    }

    #[test]
    fn the_latest_rows_come_page_by_page_each_once_a_page() {
        for behind in [0, 65_536] {
            let folder = tempfile::tempdir().unwrap();
            record(folder.path(), behind);
            let reader = Reader::open(folder.path()).unwrap();
            let (ids, next) = list(&reader, Which::All, None, 3);
            assert_eq!(ids, ["new", "late", "order:7/x"], "{behind}");
            let (ids, next) = list(&reader, Which::All, next, 4);
            assert_eq!(ids, ["late", "b", "a", "never"]);
            assert_eq!(next, None);
            let (ids, next) = list(&reader, Which::Expired, None, 2);
            assert_eq!(ids, ["order:7/x", "late"]);
            let (ids, next) = list(&reader, Which::Expired, next, 2);
            assert_eq!((ids, next), (vec!["never".to_owned()], None));
        }
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        assert_eq!(list(&Reader::open(folder.path()).unwrap(), Which::All, None, 3), (Vec::new(), None));
    }

    #[test]
    fn rows_that_are_not_wanted_are_looked_at_within_a_bound_and_the_list_goes_on_behind_them() {
        for behind in [0, 65_536] {
            let folder = tempfile::tempdir().unwrap();
            record(folder.path(), behind);
            let reader = Reader::open(folder.path()).unwrap();
            let mut before = None;
            let mut seen = Vec::new();
            for (rows, looked_at) in [(1, 3), (0, 3), (1, 3)] {
                let extent = Extent { listed: 1, looked_at: 3 };
                let wanted = |row: &FoundRow| ["order:7/x", "never"].contains(&row.id.to_string().as_str());
                let listed = reader.latest(Which::All, before, extent, wanted).unwrap();
                assert_eq!((listed.rows.len(), listed.looked_at), (rows, looked_at), "{behind} {seen:?}");
                seen.extend(listed.rows.into_iter().map(|row| row.id.to_string()));
                before = listed.next;
            }
            assert_eq!((seen, before), (vec!["order:7/x".to_owned(), "never".to_owned()], None));
            // It stops at the first page that is full, and goes on right behind it.
            let extent = Extent { listed: 2, looked_at: 100 };
            let first = reader.latest(Which::All, None, extent, |_| true).unwrap();
            assert_eq!((first.rows.len(), first.looked_at), (2, 2));
            assert_eq!(list(&reader, Which::All, first.next, 1).0, ["order:7/x"]);
        }
    }
}
