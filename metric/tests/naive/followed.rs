//! Those who follow what is committed: while it is, and afterwards from the database.

use std::path::Path;
use std::sync::Arc;

use metric::committed::{Committed, Interest};
use metric::follow::{Commits, Next, Subscription};
use metric::records::Records;
use metric::store::schema;
use rusqlite::Connection;
use tokio::runtime::{Builder, Runtime};

/// Somebody who is there from the beginning, whatever crashes.
pub(crate) struct Follower {
    runtime: Runtime,
    live: Option<Subscription>,
    pub(crate) seen: Vec<Arc<Committed>>,
}

impl Follower {
    pub(crate) fn new(records: &Records) -> Self {
        let runtime = Builder::new_current_thread().build().unwrap();
        let mut follower = Self { runtime, live: None, seen: Vec::new() };
        follower.begin_again(records);
        follower
    }

    /// After a start, with what comes next.
    pub(crate) fn begin_again(&mut self, records: &Records) {
        let commits = records.commits();
        let next = i64::try_from(self.seen.len()).unwrap() + 1;
        assert_eq!(commits.last() + 1, next, "numbers go on where they were");
        self.live = Some(commits.follow(next, Interest::Everything));
    }

    /// Takes what was committed since.
    pub(crate) fn take(&mut self, records: &Records) {
        let commits = records.commits();
        let live = self.live.as_mut().unwrap();
        while self.seen.last().map_or(0, |commit| commit.number) < commits.last() {
            match self.runtime.block_on(live.next()).unwrap() {
                Some(Next::Commit(commit)) => self.seen.push(commit),
                other => panic!("{other:?} after {:?}", self.seen.last()),
            }
        }
    }

    /// Holds what the database has to what was seen, for somebody who comes now and begins anywhere.
    pub(crate) fn hold(&self, records: &Records, folder: &Path) {
        let commits = records.commits();
        let last = commits.last();
        assert_eq!(last, i64::try_from(self.seen.len()).unwrap());
        for from in [1, last / 2 + 1].into_iter().filter(|from| (1..=last).contains(from)) {
            let mut found = self.read(&commits, from);
            let mut begin = from;
            if let Some(Next::Gap { first, last: gone }) = found.first().cloned() {
                assert_eq!(first, from);
                assert!(self.is_torn(folder, gone), "commit {gone} is said to be forgotten, and is whole");
                begin = gone + 1;
                found.remove(0);
            }
            let found: Vec<_> = found
                .into_iter()
                .map(|next| match next {
                    Next::Commit(commit) => commit,
                    gap @ Next::Gap { .. } => panic!("{gap:?}"),
                })
                .collect();
            let seen = &self.seen[usize::try_from(begin - 1).unwrap()..];
            // As text too: 0 and -0 are equal.
            assert_eq!((format!("{found:?}"), found.as_slice()), (format!("{seen:?}"), seen), "from {from}");
        }
    }

    fn read(&self, commits: &Commits, from: i64) -> Vec<Next> {
        let mut subscription = commits.follow(from, Interest::Everything);
        let mut found = Vec::new();
        let mut next = from;
        while next <= commits.last() {
            found.push(self.runtime.block_on(subscription.next()).unwrap().unwrap());
            next = match found.last().unwrap() {
                Next::Commit(commit) => commit.number,
                Next::Gap { last, .. } => *last,
            } + 1;
        }
        found
    }

    /// Whether something of a commit is missing in the tables.
    fn is_torn(&self, folder: &Path, number: i64) -> bool {
        let commit = &self.seen[usize::try_from(number - 1).unwrap()];
        let db = Connection::open(schema::path(folder)).unwrap();
        let count = |sql: &str, values: [i64; 2]| -> i64 {
            db.query_row(&format!("SELECT count(*) FROM {sql}"), values, |row| row.get(0)).unwrap()
        };
        let block = commit
            .accepted
            .first()
            .is_some_and(|first| count("journal WHERE first = ?1 AND ?2 = 0", [first.number, 0]) == 0);
        let rows = i64::try_from(commit.scored.len()).unwrap();
        let kept =
            count("scoring WHERE seq > ?1 AND seq <= ?2", [commit.last_scoring - rows, commit.last_scoring]);
        let expired = |half: &metric::committed::Expired| {
            count("expiry WHERE seq = ?1 AND number = ?2", [half.number, number]) == 1
        };
        block || kept < rows || !commit.expired.iter().all(expired)
    }
}
