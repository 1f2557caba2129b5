//! What happened to a row: what it was, what each version said, what its label was, and when; and the latest rows.

mod found;
mod kind;
mod list;
mod stage;
mod table;

use std::path::Path;
use std::sync::Arc;

use evaluation::basis::Basis;
use evaluation::report::{Moment, Report};
use maud::{Markup, html};
use shared::clock::Timestamp;
use shared::message::RowId;

use super::layout::{Place, page};
use super::model::id_of;
use super::words::Zone;
use crate::bases::Bases;
use crate::join::ModelId;
use crate::store::{Extent, FoundRow, Listed, Reader, Which};
use kind::{Places, is_wanted};

pub(super) use kind::{Kind, Query, Slice};
pub(super) use list::encoded;

/// So many rows are listed at once on the page.
const LISTED: usize = 25;
/// So many in a file.
pub(super) const IN_A_FILE: usize = 1000;
/// So many are looked at for a list of those that wait, or that are in a slice.
const LOOKED_AT: usize = 5000;
/// How many rows that are furthest off are listed: as many as the report tells of.
const FURTHEST: usize = 10;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    /// The id that somebody wants to find, as they wrote it.
    pub(super) id: Option<String>,
    pub(super) kind: Kind,
    /// The number of the message before which the list begins.
    pub(super) before: Option<i64>,
    pub(super) zone: Zone,
}

/// What of a report tells which rows are wanted.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The numbers of the predictions that are furthest off.
    furthest: Vec<i64>,
    models: Vec<ModelId>,
}

impl Known {
    pub(super) fn of(report: &Report) -> Self {
        Self { furthest: furthest(report), models: report.versions.iter().map(id_of).collect() }
    }
}

/// What the records say of it.
#[derive(Debug)]
pub(super) struct Read {
    /// The row that was asked for, with what is known of the rows that its first model was made of.
    row: Option<(FoundRow, Option<Arc<Basis>>)>,
    listed: Listed,
}

/// Reads the records of a folder.
pub(super) fn read(folder: &Path, asked: &Asked, known: &Known) -> anyhow::Result<Read> {
    let reader = Reader::open(folder)?;
    let row = match one(&reader, asked)? {
        Some(row) => {
            let model = row.predictions.first().map(|(of, _)| Arc::clone(&of.model));
            let mut bases = Bases::open(folder)?;
            let basis = model.map(|model| bases.of(&model, Timestamp(i64::MAX))).transpose()?.flatten();
            Some((row, basis))
        }
        None => None,
    };
    Ok(Read { row, listed: list(folder, &reader, asked, known, LISTED)? })
}

/// The same rows as CSV: the one that is asked for, or those of the list, more than the page shows at once.
pub(super) fn as_csv(folder: &Path, asked: &Asked, known: &Known) -> anyhow::Result<String> {
    let reader = Reader::open(folder)?;
    if asked.id.is_some() {
        return Ok(table::csv(one(&reader, asked)?.iter()));
    }
    Ok(table::csv(list(folder, &reader, asked, known, IN_A_FILE)?.rows.iter()))
}

/// What the row that came last was predicted from, if that is known.
pub(super) fn last_vector(reader: &Reader) -> anyhow::Result<Option<Arc<[f64]>>> {
    let last = reader.latest(Which::All, None, Extent { listed: 1, looked_at: 1 }, |_| true)?;
    let mut predictions = last.rows.iter().flat_map(|row| &row.predictions);
    Ok(predictions.find_map(|(prediction, _)| prediction.vector.clone()))
}

/// The row that is asked for, if there is one.
fn one(reader: &Reader, asked: &Asked) -> anyhow::Result<Option<FoundRow>> {
    let id = asked.id.as_deref().and_then(|id| RowId::parse(id.trim()).ok());
    Ok(id.map(|id| reader.row(&id)).transpose()?.flatten())
}

fn list(
    folder: &Path,
    reader: &Reader,
    asked: &Asked,
    known: &Known,
    listed: usize,
) -> anyhow::Result<Listed> {
    let (which, looked_at) = match &asked.kind {
        Kind::All => (Which::All, listed),
        Kind::Expired => (Which::Expired, listed),
        Kind::Waiting | Kind::Slice(_) => (Which::All, LOOKED_AT),
        Kind::Furthest => {
            let ids = reader.rows_of(&known.furthest)?;
            let rows: anyhow::Result<Vec<Option<FoundRow>>> =
                ids.iter().map(|(_, id)| reader.row(id)).collect();
            return Ok(Listed { rows: rows?.into_iter().flatten().collect(), ..Listed::default() });
        }
    };
    let places = match &asked.kind {
        Kind::Slice(slice) => Places::read(folder, &known.models, &slice.feature)?,
        _ => Places::default(),
    };
    reader
        .latest(which, asked.before, Extent { listed, looked_at }, |row| is_wanted(&asked.kind, &places, row))
}

/// The numbers of the predictions that are furthest off, of the version that the verdict speaks of.
fn furthest(report: &Report) -> Vec<i64> {
    let version = report.verdict.version.and_then(|at| report.versions.get(at));
    let rows = version.and_then(|version| version.charts.as_ref()).map(|charts| &charts.furthest[..]);
    rows.unwrap_or_default().iter().filter_map(|row| row.prediction).take(FURTHEST).collect()
}

/// The page.
pub(super) fn rows(report: &Report, asked: &Asked, read: &Read) -> String {
    let now = report.at;
    let contents = html! {
        section class="verdict" {
            h1 class="plain" { "Rows" }
            div {
                p { "What happened to a row: what it was, what each version said, what its label was, and when." }
                form action="./rows" method="get" class="find" {
                    label for="id" { "Row id" }
                    input id="id" name="id" type="search" value=(asked.id.as_deref().unwrap_or_default()) autocomplete="off" spellcheck="false" maxlength="200";
                    button type="submit" { "Find" }
                }
            }
        }
        @match (&read.row, asked.id.as_deref().map(str::trim).filter(|id| !id.is_empty())) {
            (Some((row, basis)), _) => (found::section(row, basis.as_deref(), now, asked.zone)),
            (None, Some(id)) => (not_found(id)),
            (None, None) => {}
        }
        (list::section(asked, &read.listed, now))
    };
    page(Place::Rows, &Place::Rows.title(), Some(report), asked.zone, &contents)
}

fn not_found(id: &str) -> Markup {
    let why = RowId::parse(id).err();
    html! {
        section {
            div class="words" { h2 { "Row" } }
            div {
                @match why {
                    Some(why) => p { "This is no id: " (why) "." },
                    None => p { "No row " code { (shared::printable::within(id, 128)) } " is on record. It may be older than what is kept (--retain), or came without an id." },
                }
            }
        }
    }
}

/// A time of the records.
fn moment(at: Timestamp) -> Moment {
    Moment(at.0)
}
