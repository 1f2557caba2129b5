//! What a commit has done, for whoever follows inside the process, and the latest of them in memory. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use shared::clock::Timestamp;
use shared::message::RowId;

use crate::join::{ModelId, Scored};

/// A commit that accepted messages or expired something. Those that did neither have no number.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    /// Its number; the next one follows without a gap.
    pub number: i64,
    /// When it was made, by the wall clock: when its messages were received and its halves expired.
    pub received: Timestamp,
    /// The milliseconds that metric had worked on this database, which never run back.
    pub age: i64,
    /// The number of the last row that was scored up to its end.
    pub last_scoring: i64,
    /// What expired in it, before its messages came, in the order in which it had come. Of commits that were made by a version
    /// before this was kept, nothing.
    pub expired: Vec<Expired>,
    /// The labels and predictions that it accepted, in order. Maybe none for [`Interest::Rows`].
    pub accepted: Vec<Accepted>,
    /// The rows that were complete with them, in the order of their numbers, which end with `last_scoring`.
    pub scored: Vec<Scored>,
}

/// A label or a prediction that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// Its number; the next one follows without a gap.
    pub number: i64,
    /// Its row; none where it is anonymous.
    pub id: Option<RowId>,
    /// Who predicted, and their number in the account; none where it is a label.
    pub model: Option<(usize, Arc<ModelId>)>,
    /// The label or the prediction.
    pub value: f64,
    /// When it was published, or else received.
    pub at: Timestamp,
    /// Whether it met its other half when it came.
    pub met: bool,
    /// When the row of a prediction was published, if that is known.
    pub features_published_at: Option<Timestamp>,
    /// What was predicted from, if that was said.
    pub vector: Option<Arc<[f64]>>,
}

/// A label or a prediction that has waited in vain.
#[derive(Debug, Clone, PartialEq)]
pub struct Expired {
    /// Its number: that which it was accepted with.
    pub number: i64,
    /// Its row.
    pub id: RowId,
    /// Who predicted, and their number in the account; none where it is a label.
    pub model: Option<(usize, Arc<ModelId>)>,
    /// The label or the prediction.
    pub value: f64,
    /// When it was received.
    pub received: Timestamp,
}

/// What somebody who follows wants to have. What nobody wants is not built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interest {
    /// What was scored and what expired.
    Rows,
    /// The accepted messages too.
    Everything,
}

impl Committed {
    /// About how many bytes of memory it takes.
    pub(crate) fn weight(&self) -> usize {
        // An id that is text has its own memory.
        let id = |id: &RowId| match id.short() {
            shared::message::ShortId::Uuid(_) => 0,
            shared::message::ShortId::Text(text) => text.len(),
        };
        let accepted = self.accepted.iter().map(|message| {
            let vector = message.vector.as_ref().map_or(0, |vector| size_of_val(&**vector));
            size_of::<Accepted>() + message.id.as_ref().map_or(0, id) + vector
        });
        let scored = self.scored.iter().map(|row| size_of::<Scored>() + id(&row.id));
        let expired = self.expired.iter().map(|half| size_of::<Expired>() + id(&half.id));
        size_of::<Self>() + accepted.chain(scored).chain(expired).sum::<usize>()
    }
}

/// How many commits are in memory at the most, and about how many bytes: what a reader that keeps up can be behind by. Whoever
/// is behind further reads from the database.
const MOST: usize = 1024;
const LARGEST: usize = 8 << 20;

/// The latest commits.
#[derive(Debug)]
pub(crate) struct Ring {
    /// With what is built of them and their weight. Their numbers follow each other up to the last.
    commits: VecDeque<(Arc<Committed>, Interest, usize)>,
    weight: usize,
    last: i64,
}

/// Where a commit is.
#[derive(Debug, PartialEq)]
pub(crate) enum Place {
    /// In memory.
    Here(Arc<Committed>),
    /// In the database, if it is still kept.
    Before,
    /// Not made yet.
    Later,
}

impl Ring {
    /// Empty, after the commit with this number.
    pub(crate) fn after(last: i64) -> Self {
        Self { commits: VecDeque::new(), weight: 0, last }
    }

    /// Adds a commit, with what is built of it; none where nobody wants it.
    pub(crate) fn push(&mut self, number: i64, commit: Option<(Committed, Interest)>) {
        // Where one was made and not told of, as before a failure, what is here does not lead to this one.
        if number != self.last + 1 {
            self.clear();
        }
        self.last = number;
        let Some((commit, interest)) = commit else { return self.clear() };
        let weight = commit.weight();
        self.weight += weight;
        self.commits.push_back((Arc::new(commit), interest, weight));
        while self.commits.len() > MOST || self.weight > LARGEST {
            let oldest = self.commits.pop_front();
            self.weight -= oldest.map_or(0, |(.., weight)| weight);
        }
    }

    fn clear(&mut self) {
        (self.commits, self.weight) = (VecDeque::new(), 0);
    }

    /// Where the commit with a number is, for somebody with this interest.
    pub(crate) fn find(&self, number: i64, interest: Interest) -> Place {
        if number > self.last {
            return Place::Later;
        }
        let place = usize::try_from(self.last - number).ok();
        let found = place.and_then(|place| self.commits.iter().rev().nth(place));
        match found {
            Some((commit, built, _)) if *built >= interest => Place::Here(Arc::clone(commit)),
            _ => Place::Before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(number: i64, width: usize) -> Committed {
        let vector = Some(Arc::from(vec![0.5; width]));
        let (id, model, at) = (RowId::parse("a").ok(), None, Timestamp(1));
        let message =
            Accepted { number, id, model, value: 1.0, at, met: false, features_published_at: None, vector };
        let (received, age) = (Timestamp(1), 1);
        let accepted = vec![message];
        Committed { number, received, age, last_scoring: 0, expired: vec![], accepted, scored: vec![] }
    }

    fn here(ring: &Ring, numbers: std::ops::RangeInclusive<i64>, interest: Interest) -> String {
        let place = |number| match ring.find(number, interest) {
            Place::Here(commit) => {
                assert_eq!(commit.number, number);
                'h'
            }
            Place::Before => 'b',
            Place::Later => 'l',
        };
        numbers.map(place).collect()
    }

    #[test]
    fn what_is_here_is_what_leads_to_the_last_one() {
        let mut ring = Ring::after(7);
        assert_eq!(here(&ring, 6..=8, Interest::Rows), "bbl");
        for number in 8..11 {
            ring.push(number, Some((commit(number, 1), Interest::Everything)));
        }
        assert_eq!(here(&ring, 6..=11, Interest::Everything), "bbhhhl");
        // Somebody wants more than is built of it.
        ring.push(11, Some((commit(11, 1), Interest::Rows)));
        assert_eq!(here(&ring, 7..=12, Interest::Everything), "bhhhbl");
        assert_eq!(here(&ring, 7..=12, Interest::Rows), "bhhhhl");
        // One was made and not told of.
        ring.push(13, Some((commit(13, 1), Interest::Rows)));
        assert_eq!(here(&ring, 8..=14, Interest::Rows), "bbbbbhl");
        // Nobody wants it.
        ring.push(14, None);
        assert_eq!(here(&ring, 12..=15, Interest::Rows), "bbbl");
    }

    #[test]
    fn it_is_bounded_in_commits_and_in_bytes() {
        let mut ring = Ring::after(0);
        let last = i64::try_from(MOST).unwrap() + 9;
        for number in 1..=last {
            ring.push(number, Some((commit(number, 1), Interest::Everything)));
        }
        assert_eq!(here(&ring, 9..=10, Interest::Rows), "bh");
        // Vectors of 4 MiB: one fits, two with what else they take do not.
        for number in last + 1..=last + 3 {
            ring.push(number, Some((commit(number, 1 << 19), Interest::Everything)));
            assert!(ring.weight <= LARGEST, "{}", ring.weight);
        }
        assert_eq!(here(&ring, last + 1..=last + 4, Interest::Rows), "bbhl");
        // One that is too large alone is in the database only.
        ring.push(last + 4, Some((commit(last + 4, 1 << 21), Interest::Everything)));
        assert_eq!((here(&ring, last + 3..=last + 5, Interest::Rows).as_str(), ring.weight), ("bbl", 0));
        ring.push(last + 5, Some((commit(last + 5, 1), Interest::Everything)));
        assert_eq!(here(&ring, last + 4..=last + 6, Interest::Rows), "bhl");
    }
}
