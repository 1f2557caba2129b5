//! Where entries come from: a table's rows drawn in an order, or a stream's as they come.

use crate::entry::Entry;
use crate::pipe::Pipe;
use crate::table::Drawn;

/// A source of entries.
pub(crate) enum EntrySource {
    Table(Drawn),
    Pipe(Pipe),
}

impl EntrySource {
    /// Whether an entry can be taken now.
    pub(crate) fn is_ready(&mut self) -> bool {
        match self {
            Self::Table(drawn) => drawn.rows().any_left(),
            Self::Pipe(pipe) => pipe.is_ready(),
        }
    }

    /// Whether none can be taken now, but later perhaps: then [`EntrySource::wait`].
    pub(crate) fn is_silent(&self) -> bool {
        match self {
            Self::Table(_) => false,
            Self::Pipe(pipe) => pipe.is_silent(),
        }
    }

    /// Waits until an entry can be taken or the end is known. Cancel safe.
    pub(crate) async fn wait(&mut self) {
        match self {
            Self::Table(_) => {}
            Self::Pipe(pipe) => pipe.wait().await,
        }
    }

    /// Takes nothing more from where it reads. What it holds already can still be taken.
    pub(crate) fn close(&mut self) {
        match self {
            Self::Table(drawn) => drawn.close(),
            Self::Pipe(pipe) => pipe.close(),
        }
    }

    /// How many entries there are in all, if that is known.
    pub(crate) fn total(&self) -> Option<u64> {
        match self {
            Self::Table(drawn) => drawn.rows().total(),
            Self::Pipe(_) => None,
        }
    }
}

impl Iterator for EntrySource {
    type Item = Entry;

    /// The next entry that can be taken now.
    fn next(&mut self) -> Option<Entry> {
        match self {
            Self::Table(drawn) => drawn.next(),
            Self::Pipe(pipe) => pipe.next(),
        }
    }
}
