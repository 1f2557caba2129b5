//! Whoever follows what is committed: each commit once, in order, from memory as long as they keep up, else from the database,
//! by a connection of their own. They never hold a commit.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::account::Account;
use crate::committed::{Committed, Interest, Place, Ring};
use crate::store::History;

/// What comes next to somebody who follows.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// A commit.
    Commit(Arc<Committed>),
    /// Commits of which something is forgotten (see `--retain`). What follows comes after them.
    Gap {
        /// The first of them.
        first: i64,
        /// The last of them.
        last: i64,
    },
}

/// What was committed, and those who follow it.
#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    latest: Mutex<Latest>,
    /// How often cards of models have come.
    cards: AtomicU64,
}

#[derive(Debug)]
struct Latest {
    ring: Ring,
    account: Account,
    /// How many follow with which interest.
    rows: usize,
    everything: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The side of the one who commits. When it is dropped, there will be no more.
#[derive(Debug)]
pub(crate) struct Publisher {
    shared: Arc<Shared>,
    /// None when there will be no more.
    last: Option<watch::Sender<i64>>,
}

impl Publisher {
    /// For the records of a folder, after the commit with this number, which has led to this account.
    pub(crate) fn new(folder: &Path, last: i64, account: &Account) -> Self {
        let latest = Latest { ring: Ring::after(last), account: account.clone(), rows: 0, everything: 0 };
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            latest: Mutex::new(latest),
            cards: AtomicU64::new(0),
        });
        Self { shared, last: Some(watch::Sender::new(last)) }
    }

    /// What is to be built of the next commit; none where nobody follows.
    pub(crate) fn interest(&self) -> Option<Interest> {
        let latest = self.shared.lock();
        match (latest.rows, latest.everything) {
            (0, 0) => None,
            (_, 0) => Some(Interest::Rows),
            _ => Some(Interest::Everything),
        }
    }

    /// Tells of an account, in which those of these models have changed.
    pub(crate) fn publish_account(&self, account: &Account, models: impl IntoIterator<Item = usize>) {
        self.shared.lock().account.follow(account, models);
    }

    /// Tells that cards of models are kept.
    pub(crate) fn publish_cards(&self) {
        self.shared.cards.fetch_add(1, Ordering::Release);
    }

    /// Tells of a commit, with what is built of it.
    pub(crate) fn publish(&self, number: i64, commit: Option<(Committed, Interest)>) {
        self.shared.lock().ring.push(number, commit);
        if let Some(last) = &self.last {
            last.send_replace(number);
        }
    }

    /// Tells of what is in the database, where it may be more than was told of.
    pub(crate) fn publish_anew(&self, number: i64, account: &Account) {
        self.publish_account(account, 0..account.models().len());
        if self.last.as_ref().is_some_and(|last| *last.borrow() != number) {
            self.publish(number, None);
        }
    }

    /// Tells that there will be no more.
    pub(crate) fn end(&mut self) {
        self.last = None;
    }

    /// How to follow.
    pub(crate) fn commits(&self) -> Commits {
        let last = match &self.last {
            Some(last) => last.subscribe(),
            None => watch::channel(0).1,
        };
        Commits { shared: Arc::clone(&self.shared), last }
    }
}

/// What is committed in this process, as long as it is: to be asked, and to be followed.
#[derive(Debug, Clone)]
pub struct Commits {
    shared: Arc<Shared>,
    last: watch::Receiver<i64>,
}

impl Commits {
    /// The number of the last commit; 0 before the first one.
    #[must_use]
    pub fn last(&self) -> i64 {
        *self.last.borrow()
    }

    /// How often cards of models have come: whoever reads them looks again when this has changed.
    #[must_use]
    pub fn cards(&self) -> u64 {
        self.shared.cards.load(Ordering::Acquire)
    }

    /// Whether there will be no more commits.
    #[must_use]
    pub fn have_ended(&self) -> bool {
        self.last.has_changed().is_err()
    }

    /// Waits until there will be no more commits.
    pub async fn ended(&self) {
        let mut last = self.last.clone();
        // It never is: only the end is waited for.
        _ = last.wait_for(|_| false).await;
    }

    /// The account as it is committed.
    #[must_use]
    pub fn account(&self) -> Account {
        self.shared.lock().account.clone()
    }

    /// Follows from the commit with this number on, which may be one of long ago or of later. Of what is not wanted, nothing is
    /// built.
    #[must_use]
    pub fn follow(&self, from: i64, interest: Interest) -> Subscription {
        let mut latest = self.shared.lock();
        *latest.following(interest) += 1;
        let seat = Seat { shared: Arc::clone(&self.shared), interest };
        let (last, next) = (self.last.clone(), from.max(1));
        Subscription { seat, last, next, behind: VecDeque::new(), history: None }
    }
}

impl Latest {
    /// How many follow with this interest.
    fn following(&mut self, interest: Interest) -> &mut usize {
        match interest {
            Interest::Rows => &mut self.rows,
            Interest::Everything => &mut self.everything,
        }
    }
}

/// One of those who follow.
#[derive(Debug)]
struct Seat {
    shared: Arc<Shared>,
    interest: Interest,
}

impl Drop for Seat {
    fn drop(&mut self) {
        *self.shared.lock().following(self.interest) -= 1;
    }
}

/// Follows what is committed.
#[derive(Debug)]
pub struct Subscription {
    seat: Seat,
    last: watch::Receiver<i64>,
    /// The number of the commit that comes next.
    next: i64,
    /// What was read from the database and comes next.
    behind: VecDeque<Next>,
    history: Option<History>,
}

impl Subscription {
    /// Waits for what comes next; none when there will be nothing more. May be dropped and called again.
    ///
    /// # Errors
    /// A database that cannot be read, or a commit that is damaged or missing in it. The same is tried again by the next call.
    pub async fn next(&mut self) -> anyhow::Result<Option<Next>> {
        loop {
            if let Some(next) = self.behind.pop_front() {
                self.next = match &next {
                    Next::Commit(commit) => commit.number + 1,
                    Next::Gap { last, .. } => last + 1,
                };
                return Ok(Some(next));
            }
            let place = self.seat.shared.lock().ring.find(self.next, self.seat.interest);
            match place {
                Place::Here(commit) => self.behind.push_back(Next::Commit(commit)),
                Place::Before => self.read().await?,
                Place::Later => {
                    let next = self.next;
                    if self.last.wait_for(|last| *last >= next).await.is_err() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Reads what is missing from the database, some of it.
    async fn read(&mut self) -> anyhow::Result<()> {
        let (folder, history) = (self.seat.shared.folder.clone(), self.history.take());
        let (next, interest) = (self.next, self.seat.interest);
        let read = move || {
            let mut history = match history {
                Some(history) => history,
                None => History::open(&folder)?,
            };
            let found = history.read(next, interest)?;
            anyhow::Ok((history, found))
        };
        let (history, found) = spawn_blocking(read).await.context("cannot follow what is committed")??;
        anyhow::ensure!(!found.is_empty(), "commit {next} was made, and is not in the database");
        self.history = Some(history);
        self.behind.extend(found);
        Ok(())
    }
}
