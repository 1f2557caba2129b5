//! Which commit is where in the database, and which are whole: what is forgotten may be a part of one.
//!
//! Blocks of the journal and expiries are in the order of their commits, so one is found by halving, without an index.

use rusqlite::Connection;

use super::block::{Block, Damage};
use super::journal;

/// What is kept, at one moment.
pub(super) struct Kept {
    /// The number of the last commit.
    pub(super) commits: i64,
    pub(super) last_event: i64,
    first_event: i64,
    first_scoring: i64,
    horizon_over: i64,
    /// From this commit on, no block with a number and no expiry was forgotten.
    first_commit: i64,
    /// The number of the last row that was scored up to the last block that was forgotten; none where nobody knows.
    forgotten_scoring: Option<i64>,
    /// The blocks of this many commits do not say their numbers,
    unnumbered: i64,
    /// which are those with the messages up to this one.
    unnumbered_event: i64,
}

/// Between two commits.
#[derive(Debug)]
pub(super) struct Place {
    /// The number of the commit that comes next.
    pub(super) next: i64,
    /// The numbers of the last message, of the last row that was scored and of the last message that expired before it.
    pub(super) event: i64,
    pub(super) scoring: i64,
    pub(super) expiry: i64,
}

impl Kept {
    pub(super) fn load(db: &Connection) -> rusqlite::Result<Self> {
        db.query_row(
            "SELECT commits, last_event, first_event, first_scoring, horizon_over, first_commit, forgotten_scoring, \
             unnumbered, unnumbered_event FROM state",
            [],
            |row| {
                Ok(Self {
                    commits: row.get(0)?,
                    last_event: row.get(1)?,
                    first_event: row.get(2)?,
                    first_scoring: row.get(3)?,
                    horizon_over: row.get(4)?,
                    first_commit: row.get(5)?,
                    forgotten_scoring: row.get(6)?,
                    unnumbered: row.get(7)?,
                    unnumbered_event: row.get(8)?,
                })
            },
        )
    }

    /// Whether nothing after a place is forgotten.
    pub(super) fn has(&self, place: &Place) -> bool {
        self.first_event <= place.event + 1
            && self.first_scoring <= place.scoring + 1
            && self.first_commit <= place.next
    }

    /// The number of the first commit of which nothing is forgotten; one more than the last where there is none.
    pub(super) fn first_whole(&self, db: &Connection) -> rusqlite::Result<i64> {
        let unnumbered: i64 =
            db.query_row("SELECT count(*) FROM journal WHERE first <= ?1", [self.unnumbered_event], |row| {
                row.get(0)
            })?;
        let mut first = self.first_commit.max(self.unnumbered - unnumbered + 1);
        // A commit is forgotten with its first row.
        let gone = self.first_scoring - 1;
        if self.forgotten_scoring.is_none_or(|forgotten| gone > forgotten)
            && let Some(block) = journal::block_of_scoring(db, gone)?
        {
            first = first.max(self.number(db, &block)? + 1);
        }
        Ok(first)
    }

    /// The number of the commit of a block.
    fn number(&self, db: &Connection, block: &Block) -> rusqlite::Result<i64> {
        if let Some(number) = block.number {
            return Ok(number);
        }
        let later: i64 = db.query_row(
            "SELECT count(*) FROM journal WHERE first > ?1 AND first <= ?2",
            [block.first, self.unnumbered_event],
            |row| row.get(0),
        )?;
        Ok(self.unnumbered - later)
    }

    /// The place before a commit that is whole.
    pub(super) fn find(&self, db: &Connection, next: i64) -> rusqlite::Result<Place> {
        let event = if next <= self.unnumbered {
            let back = self.unnumbered - next;
            let first = journal::first_back(db, self.unnumbered_event, back)?;
            first.ok_or_else(|| Damage::of(&format!("commit {next} is missing")))? - 1
        } else {
            let numbered = self.first_event.max(self.unnumbered_event + 1);
            halve(numbered, self.last_event + 1, |seq| {
                let block = journal::block_of(db, seq)?.ok_or_else(|| Damage::new(seq, "is missing"))?;
                Ok(if block.number >= Some(next) {
                    Half::After(block.first)
                } else {
                    Half::Before(block.last())
                })
            })? - 1
        };
        let scoring = match journal::block_of(db, event)? {
            Some(block) => block.last_scoring,
            None => self.forgotten_scoring.unwrap_or(0),
        };
        let expiry = halve(0, self.horizon_over + 1, |seq| {
            Ok(match journal::expiry_from(db, seq)? {
                Some((seq, number)) if number < next => Half::Before(seq),
                _ => Half::After(seq),
            })
        })? - 1;
        Ok(Place { next, event, scoring, expiry })
    }
}

/// On which side of what is looked for something is.
enum Half {
    /// What is looked for begins here or before.
    After(i64),
    /// It begins after this.
    Before(i64),
}

/// The first number from `low` on and before `high` that is not before what is looked for; `high` where all are.
fn halve(
    mut low: i64,
    mut high: i64,
    mut look: impl FnMut(i64) -> rusqlite::Result<Half>,
) -> rusqlite::Result<i64> {
    while low < high {
        match look(low + (high - low) / 2)? {
            Half::After(first) => high = first.max(low),
            Half::Before(last) => low = last + 1,
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_finds_the_first_of_what_is_in_pieces() {
        // Pieces of numbers that are on one side as a whole.
        for pieces in [vec![1..=5, 6..=6, 7..=30], vec![1..=1, 2..=2, 3..=3, 4..=30]] {
            for want in 1..=31 {
                let mut looks = 0;
                let found = halve(1, 31, |seq| {
                    looks += 1;
                    let piece = pieces.iter().find(|piece| piece.contains(&seq)).unwrap();
                    Ok(if *piece.start() >= want {
                        Half::After(*piece.start())
                    } else {
                        Half::Before(*piece.end())
                    })
                });
                let first = pieces.iter().map(|piece| *piece.start()).find(|start| *start >= want);
                assert_eq!(found.unwrap(), first.unwrap_or(31), "{want}");
                assert!(looks <= 6, "{looks}");
            }
        }
    }
}
