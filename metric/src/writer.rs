//! Commits group after group, acknowledges what is committed, and brings the text files along.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use shared::clock::Clock;
use shared::readiness::{Condition, Readiness};
use shared::service::Context;
use shared::stop::Stop;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use crate::account::Rejected;
use crate::board::{self, Board};
use crate::group::Group;
use crate::records::Records;
use crate::store::{Contradiction, Limits, Moment, Recorded, Store, schema};
use crate::trouble::Trouble;

/// How long to wait before something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it is looked whether time alone has something to do.
const TICK: Duration = Duration::from_secs(1);
/// How long this process may be busy between two looks at the clock.
const LONGEST_STEP_MS: i64 = 10_000;
/// How many ticks the text files may be behind on disk.
const SYNC_TICKS: u32 = 10;

/// The one who writes.
pub(crate) struct Writer {
    /// None while a thread has them, and after a failure.
    records: Option<Records>,
    /// The check of a database that is too large to wait for.
    checking: Option<JoinHandle<Result<(), Trouble>>>,
    patience: Patience,
    limits: Limits,
    age: Age,
    board: Board,
    rows: watch::Sender<u64>,
}

/// Counts the time in which both halves of a row could have been received.
struct Age {
    clock: Clock,
    readiness: Readiness,
    ms: i64,
    seen: i64,
}

impl Age {
    /// The present moment. What has passed since the last one counts if everything is ready, but no more than this
    /// process can have worked: one that was stopped or starved received nothing meanwhile.
    fn now(&mut self) -> Moment {
        let steady = self.clock.steady_ms();
        let passed = steady - self.seen;
        if self.readiness.unmet().is_empty() {
            self.ms += match self.clock {
                Clock::System => passed.min(LONGEST_STEP_MS),
                Clock::Manual(_) => passed,
            };
        }
        self.seen = steady;
        Moment { wall: self.clock.wall(), age: self.ms }
    }
}

impl Writer {
    /// Opens the folder. Waits while the disk is full; returns none where a stop was requested before there was space.
    pub(crate) async fn open(
        folder: &Path,
        limits: Limits,
        clock: Clock,
        rows: watch::Sender<u64>,
        context: &Context,
    ) -> anyhow::Result<Option<Self>> {
        let Context { stop, readiness, .. } = context;
        let writable = readiness.condition("records can be written");
        let mut patience = Patience { writable, stop: stop.clone(), told: false };
        let mut records = loop {
            let path = folder.to_owned();
            let opened = tokio::select! {
                opened = spawn_blocking(move || Records::open(&path)) => opened?,
                // Comparing gigabytes can be left off at any time.
                () = stop.overdue() => return Ok(None),
            };
            match opened {
                Ok(records) => break records,
                // Somebody who has just started it sees this best where it ends.
                Err(Trouble::Passing(why)) if !passes_by_itself(&why) => return Err(why),
                Err(why) => {
                    if !patience.wait(why).await? {
                        return Ok(None);
                    }
                }
            }
        };
        let path = folder.to_owned();
        let large = !schema::is_checked_when_opened(&schema::path(folder));
        let checking = large.then(|| spawn_blocking(move || Store::check(&path)));
        let account = records.account().map_err(Trouble::into_error)?;
        info!("recording to {}: {}", folder.display(), board::summary(account));
        board::export(account);
        let ms = records.age().map_err(Trouble::into_error)?;
        let age = Age { seen: clock.steady_ms(), clock, readiness: readiness.clone(), ms };
        Ok(Some(Self {
            records: Some(records),
            checking,
            patience,
            limits,
            age,
            board: Board::default(),
            rows,
        }))
    }

    /// Writes until there are no more groups, or a stop is requested while nothing can be written. That records can be
    /// written holds from here on.
    pub(crate) async fn run(mut self, mut groups: mpsc::Receiver<Group>) -> anyhow::Result<()> {
        self.patience.over();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unsynced = 0;
        loop {
            let goes_on = tokio::select! {
                group = groups.recv() => match group {
                    Some(group) => self.write(group).await?,
                    None => break,
                },
                checked = finished(&mut self.checking) => {
                    checked?;
                    true
                }
                _ = ticks.tick() => {
                    unsynced = (unsynced + 1) % SYNC_TICKS;
                    self.tick(unsynced == 0).await?
                }
            };
            if !goes_on {
                break;
            }
        }
        self.close().await
    }

    /// Does what time asks for. Returns whether to go on.
    async fn tick(&mut self, sync: bool) -> anyhow::Result<bool> {
        let (now, limits) = (self.age.now(), self.limits);
        let due = move |records: &mut Records| {
            if sync {
                records.sync()?;
            }
            records.is_due(now, &limits)
        };
        match self.attempt(due).await? {
            Some(true) => self.write(Group::default()).await,
            due => Ok(due.is_some()),
        }
    }

    /// Commits a group, acknowledges it, writes its lines and tells of it. Returns whether to go on; where not, what was
    /// not committed is not acknowledged, and comes again.
    async fn write(&mut self, group: Group) -> anyhow::Result<bool> {
        let Group { arrivals, batches, asides, rejected, .. } = group;
        let (now, limits) = (self.age.now(), self.limits);
        let commit = move |records: &mut Records| records.commit(&arrivals, rejected, now, &limits);
        let Some(recorded) = self.attempt(commit).await? else { return Ok(false) };
        if let Some(records) = &mut self.records {
            board::export(records.account().map_err(Trouble::into_error)?);
        }
        for batch in batches {
            batch.ack().await;
        }
        for aside in asides {
            aside.ack().await;
        }
        let Recorded { labels_log, metric_log, scored, contradictions, crowded } = recorded;
        let show = move |records: &mut Records| records.show(&labels_log, &metric_log);
        let shown = self.attempt(show).await?.is_some();
        contradictions.iter().for_each(warn_of);
        for id in crowded {
            warn!(row.id = %id, "one more model has predicted this row than are kept; its prediction is ignored");
        }
        if let Some(records) = &mut self.records {
            let account = records.account().map_err(Trouble::into_error)?;
            self.board.report(&scored, account, now.wall);
        }
        self.rows.send_modify(|rows| *rows += scored.len() as u64);
        Ok(shown)
    }

    /// Lets a thread work on the records until it succeeds. Returns none where a stop was requested before it could.
    async fn attempt<T: Send + 'static>(
        &mut self,
        work: impl Fn(&mut Records) -> Result<T, Trouble> + Send + Sync + 'static,
    ) -> anyhow::Result<Option<T>> {
        let work = Arc::new(work);
        loop {
            let mut records = self.records.take().context("a thread that wrote the records is gone")?;
            let attempt = Arc::clone(&work);
            let attempted = spawn_blocking(move || {
                let result = attempt(&mut records);
                (records, result)
            });
            let (records, result) = tokio::select! {
                attempted = attempted => attempted?,
                () = self.patience.stop.overdue() => return Ok(None),
            };
            self.records = Some(records);
            match result {
                Ok(done) => {
                    self.patience.over();
                    return Ok(Some(done));
                }
                Err(why) => {
                    if !self.patience.wait(why).await? {
                        return Ok(None);
                    }
                    // Not ready: what has passed does not count.
                    self.age.now();
                }
            }
        }
    }

    async fn close(mut self) -> anyhow::Result<()> {
        let Some(mut records) = self.records.take() else { return Ok(()) };
        let (now, limits, patient) = (self.age.now(), self.limits, !self.patience.told);
        let closed = spawn_blocking(move || {
            info!("{}", board::summary(records.account()?));
            if patient {
                records.commit(&[], Rejected::default(), now, &limits)?;
            }
            records.close()
        });
        match closed.await? {
            // What was committed is safe; the next start writes the lines that are missing.
            Err(Trouble::Passing(why)) => {
                error!("{why:#}; the next start goes on from there");
                Ok(())
            }
            closed => closed.map_err(Trouble::into_error),
        }
    }
}

/// Whether space or a lock is missing, and not a right or a folder.
fn passes_by_itself(why: &anyhow::Error) -> bool {
    let kind = why.downcast_ref::<io::Error>().map(io::Error::kind);
    kind.is_none_or(|kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}

/// Waits while nothing can be written.
struct Patience {
    writable: Condition,
    stop: Stop,
    /// Whether it was said what is wrong.
    told: bool,
}

impl Patience {
    /// Says once what is wrong and waits a while. Returns whether to try again.
    ///
    /// # Errors
    /// What does not pass.
    async fn wait(&mut self, why: Trouble) -> anyhow::Result<bool> {
        match why {
            Trouble::Fatal(why) => Err(why),
            Trouble::Passing(why) => {
                self.writable.set(false);
                if !std::mem::replace(&mut self.told, true) {
                    error!("{why:#}; nothing is taken from the queues until it can be written");
                }
                Ok(self.stop.sleep(AGAIN).await)
            }
        }
    }

    /// It can be written.
    fn over(&mut self) {
        self.writable.set(true);
        if std::mem::take(&mut self.told) {
            info!("records can be written again");
        }
    }
}

/// Resolves when the check of the database has found something, or nothing; never where there is none under way.
async fn finished(checking: &mut Option<JoinHandle<Result<(), Trouble>>>) -> anyhow::Result<()> {
    let Some(check) = checking else { return std::future::pending().await };
    let checked = check.await;
    *checking = None;
    checked?.map_err(Trouble::into_error)
}

fn warn_of(contradiction: &Contradiction) {
    let Contradiction { id, label, first, again } = contradiction;
    let what = if *label { "label" } else { "prediction" };
    warn!(row.id = %id, "a second {what} {again} contradicts the first, {first}, which stays");
}
