//! What happened to a row: what it was, what each version said, what its label was, and when; and the latest rows.

mod found;
mod list;

use std::path::Path;
use std::sync::Arc;

use evaluation::basis::Basis;
use evaluation::report::{Moment, Report};
use maud::{Markup, html};
use shared::clock::Timestamp;
use shared::message::RowId;

use super::layout::{Place, page};
use super::words::Zone;
use crate::bases::Bases;
use crate::store::{FoundRow, Reader, Which};

pub(super) use list::encoded;

/// So many rows are listed at once.
const LISTED: usize = 25;
/// How many rows that are furthest off are listed: as many as the report tells of.
const FURTHEST: usize = 10;

/// Which rows are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    All,
    Expired,
    Furthest,
}

impl Kind {
    const ALL: [Self; 3] = [Self::All, Self::Expired, Self::Furthest];

    /// As it stands in an address, and as people name it.
    fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Expired => "expired",
            Self::Furthest => "furthest off",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Furthest => "furthest",
            other => other.name(),
        }
    }

    pub(super) fn read(text: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.key() == text).unwrap_or_default()
    }
}

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

/// What the records say of it.
#[derive(Debug)]
pub(super) struct Read {
    /// The row that was asked for, with what is known of the rows that its first model was made of.
    row: Option<(FoundRow, Option<Arc<Basis>>)>,
    listed: Vec<FoundRow>,
    /// Where the list goes on.
    next: Option<i64>,
}

/// Reads the records of a folder. `furthest` are the numbers of the predictions that are furthest off.
pub(super) fn read(folder: &Path, asked: &Asked, furthest: &[i64]) -> anyhow::Result<Read> {
    let reader = Reader::open(folder)?;
    let id = asked.id.as_deref().and_then(|id| RowId::parse(id.trim()).ok());
    let row = id.map(|id| reader.row(&id)).transpose()?.flatten();
    let row = match row {
        Some(row) => {
            let model = row.predictions.first().map(|(of, _)| Arc::clone(&of.model));
            let mut bases = Bases::open(folder)?;
            let basis = model.map(|model| bases.of(&model, Timestamp(i64::MAX))).transpose()?.flatten();
            Some((row, basis))
        }
        None => None,
    };
    let (listed, next) = match asked.kind {
        Kind::All => reader.latest(Which::All, asked.before, LISTED)?,
        Kind::Expired => reader.latest(Which::Expired, asked.before, LISTED)?,
        Kind::Furthest => {
            let ids = reader.rows_of(furthest)?;
            let rows: anyhow::Result<Vec<Option<FoundRow>>> =
                ids.iter().map(|(_, id)| reader.row(id)).collect();
            (rows?.into_iter().flatten().collect(), None)
        }
    };
    Ok(Read { row, listed, next })
}

/// The numbers of the predictions that are furthest off, of the version that the verdict speaks of.
pub(super) fn furthest(report: &Report) -> Vec<i64> {
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
        (list::section(asked, &read.listed, read.next, now))
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
