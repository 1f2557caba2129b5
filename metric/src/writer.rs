//! Commits group after group, acknowledges what is committed, and brings the text files along.

mod looks;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use shared::clock::Clock;
use shared::message::Role;
use shared::readiness::Readiness;
use shared::service::Context;
use shared::stop::Stop;
use shared::transport::{Lookout, Seen, Waiting};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{error, info};

use crate::PREFETCH;
use crate::account::Rejected;
use crate::acknowledgements::Acknowledgements;
use crate::age::{Age, Reading};
use crate::cards::{self, Inbox, Waiting as WaitingCards};
use crate::evaluator::{self, Evaluated, Plan};
use crate::follow::Commits;
use crate::group::{Came, Group, Turn};
use crate::hints;
use crate::notices::{self, Notices};
use crate::options::TextFiles;
use crate::patience::{Patience, passes_by_itself};
use crate::prometheus;
use crate::records::Records;
use crate::score_log::{self, ScoreLog};
use crate::store::{Before, CommitTime, Limits, Recorded, Store, schema};
use crate::write_error::WriteError;

/// How often it is looked whether time alone has something to do.
const TICK: Duration = Duration::from_secs(1);
/// For how long the horizon's clock waits before that is said.
const LONG_HELD_MS: i64 = 20_000;
/// How many ticks the text files may be behind on disk.
const SYNC_TICKS: u32 = 10;

/// The one who writes.
pub(crate) struct Writer {
    /// None while a thread has them, and after a failure.
    records: Option<Records>,
    /// The check of a database that is too large to wait for.
    checking: Option<JoinHandle<Result<(), WriteError>>>,
    patience: Patience,
    stop: Stop,
    limits: Limits,
    clock: Clock,
    readiness: Readiness,
    age: Age,
    /// What has come since the start.
    came: Came,
    /// When cards were kept last.
    cards_kept: Option<Instant>,
    /// Whether it was said that the clock waits.
    held_told: bool,
    /// What is committed, for whoever follows.
    commits: Commits,
    /// The tasks that tell people of it.
    board: JoinSet<()>,
    notices: Notices,
    acknowledging: Acknowledgements,
    rows: watch::Sender<u64>,
}

impl Writer {
    /// Opens the folder. Waits while the disk is full; returns none where a stop was requested before there was space.
    pub(crate) async fn open(
        folder: &Path,
        before: Before,
        texts: TextFiles,
        limits: Limits,
        clock: Clock,
        rows: watch::Sender<u64>,
        context: &Context,
    ) -> anyhow::Result<Option<Self>> {
        let Context { stop, readiness, .. } = context;
        let writable = readiness.condition("records can be written");
        let mut patience = Patience::new(writable, stop.clone());
        let mut records = loop {
            let path = folder.to_owned();
            let opened = tokio::select! {
                opened = spawn_blocking(move || Records::open_with(&path, before, texts)) => opened?,
                // Comparing gigabytes can be left off at any time.
                () = stop.overdue() => return Ok(None),
            };
            match opened {
                Ok(records) => break records.with_clock(&clock),
                // Somebody who has just started it sees this best where it ends.
                Err(WriteError::Passing(why)) if !passes_by_itself(&why) => return Err(why),
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
        let account = records.account().map_err(WriteError::into_error)?;
        info!("recording to {}: {}", folder.display(), score_log::summary(account));
        prometheus::publish(account);
        let notices = Notices::new(&mut records, &context.transport).map_err(WriteError::into_error)?;
        let commits = records.commits();
        let mut board = JoinSet::new();
        board.spawn(ScoreLog::default().run(commits.clone(), clock.clone()));
        let ms = records.age().map_err(WriteError::into_error)?;
        Ok(Some(Self {
            records: Some(records),
            checking,
            patience,
            stop: stop.clone(),
            limits,
            age: Age::from(ms, &clock),
            came: Came::default(),
            cards_kept: None,
            held_told: false,
            clock,
            readiness: readiness.clone(),
            commits,
            board,
            notices,
            acknowledging: Acknowledgements::default(),
            rows,
        }))
    }

    /// Evaluates what is committed, beside.
    pub(crate) fn evaluate(&mut self, plan: Plan) -> Evaluated {
        let (evaluated, task) = evaluator::start(plan, self.commits.clone(), self.clock.clone());
        self.board.spawn(evaluator::ended(task));
        evaluated
    }

    /// Has somebody else show people what is committed, until there will be no more.
    pub(crate) fn beside(&mut self, showing: impl Future<Output = ()> + Send + 'static) {
        self.board.spawn(showing);
    }

    /// Writes until there are no more groups, or a stop is requested while nothing can be written. That records can be
    /// written holds from here on.
    pub(crate) async fn run(
        mut self,
        mut groups: mpsc::Receiver<Turn>,
        lookout: Lookout,
        mut cards: Inbox,
    ) -> anyhow::Result<()> {
        self.patience.over();
        let mut looks = looks::again_and_again(lookout);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unsynced = 0;
        loop {
            let goes_on = tokio::select! {
                group = groups.recv() => match group {
                    // What a model says of itself comes before what it predicts.
                    Some((group, _turn)) => self.keep_early(&mut cards).await? && self.write(group).await?,
                    None => break,
                },
                Ok(()) = looks.changed() => {
                    let seen = *looks.borrow_and_update();
                    self.look(seen)?;
                    true
                }
                told = self.acknowledging.told() => {
                    told?;
                    true
                }
                checked = finished(&mut self.checking) => {
                    checked?;
                    true
                }
                _ = ticks.tick() => {
                    unsynced = (unsynced + 1) % SYNC_TICKS;
                    self.hint()?;
                    self.tick(unsynced == 0, cards.waiting()).await?
                }
            };
            if !goes_on {
                break;
            }
        }
        self.close(cards.waiting()).await
    }

    /// The present moment.
    fn now(&mut self) -> CommitTime {
        let ready = self.readiness.unmet().is_empty();
        let age = self.age.pass(self.clock.steady_ms(), ready);
        CommitTime { wall: self.clock.wall(), age }
    }

    /// Takes in how the queues stand; none where nobody could look.
    fn look(&mut self, seen: Option<Seen>) -> anyhow::Result<()> {
        self.now();
        self.notices.see(seen.map(|seen| seen.rows));
        let (Some(records), Some(Seen { waiting, .. })) = (&mut self.records, seen) else {
            self.age.cannot_look();
            return Ok(());
        };
        let [_, predicted] = hints::arrived(records.account().map_err(WriteError::into_error)?);
        let Came { labels, predictions, most_rows } = self.came;
        let reading = Reading { waiting, labels, predictions, predicted, most_rows };
        self.age.look(reading, PREFETCH, self.limits.horizon_ms);
        match self.age.held() {
            Some((ms, owed)) if ms >= LONG_HELD_MS && !self.held_told => {
                info!("the clock of --label-horizon waits, and nothing expires: {}", self.owed(owed));
                self.held_told = true;
            }
            _ if self.age.is_clear() && std::mem::take(&mut self.held_told) => {
                info!("nothing waits in the queues any more; the clock of --label-horizon goes on");
            }
            _ => {}
        }
        Ok(())
    }

    /// Says what the clock waits for.
    fn owed(&self, Waiting { features, labels, predictions }: Waiting) -> String {
        let all = [
            (features, Role::Features, "rows wait to be predicted in"),
            (labels, Role::Label, "labels wait in"),
            (predictions, Role::Prediction, "predictions wait in"),
        ];
        let name = |role| self.notices.queue(role);
        let said = all.iter().filter(|(count, ..)| *count > 0);
        let said = said.map(|(count, role, what)| format!("{count} {what} {}", name(*role)));
        said.collect::<Vec<_>>().join(", ")
    }

    /// Does what time asks for. Returns whether to go on.
    async fn tick(&mut self, sync: bool, waiting: WaitingCards) -> anyhow::Result<bool> {
        if !self.keep_cards(waiting).await? {
            return Ok(false);
        }
        let (now, limits, notes) = (self.now(), self.limits, self.notices.notes());
        let due = move |records: &mut Records| {
            records.keep(&notes)?;
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

    /// The same before a group, where none were kept for a while: whoever sends many must not slow it down.
    async fn keep_early(&mut self, cards: &mut Inbox) -> anyhow::Result<bool> {
        if self.cards_kept.is_some_and(|at| at.elapsed() < TICK) {
            return Ok(true);
        }
        self.keep_cards(cards.waiting()).await
    }

    /// Keeps cards that have come. Returns whether to go on.
    async fn keep_cards(&mut self, waiting: WaitingCards) -> anyhow::Result<bool> {
        let WaitingCards { cards, deliveries } = waiting;
        if cards.is_empty() {
            return Ok(true);
        }
        self.cards_kept = Some(Instant::now());
        let (now, cards) = (self.now(), Arc::new(cards));
        let kept = Arc::clone(&cards);
        let done = self.attempt(move |records: &mut Records| records.keep_cards(&kept, now.wall)).await?;
        if done.is_some() {
            cards::written(&cards, deliveries).await;
        }
        Ok(done.is_some())
    }

    /// Says what a person should know.
    fn hint(&mut self) -> anyhow::Result<()> {
        let Some(records) = &mut self.records else { return Ok(()) };
        self.notices.look(records.account().map_err(WriteError::into_error)?, &self.clock);
        Ok(())
    }

    /// Commits a group, acknowledges it, writes its lines and tells of it. Returns whether to go on; where not, what was
    /// not committed is not acknowledged, and comes again.
    async fn write(&mut self, group: Group) -> anyhow::Result<bool> {
        let Group { arrivals, batches, asides, rejected, came, .. } = group;
        let (now, limits) = (self.now(), self.limits);
        let commit = move |records: &mut Records| records.commit(&arrivals, rejected, now, &limits);
        let Some(recorded) = self.attempt(commit).await? else { return Ok(false) };
        self.came.add(came);
        if let Some(records) = &mut self.records {
            prometheus::publish(records.account().map_err(WriteError::into_error)?);
        }
        self.acknowledging.begin(batches, asides);
        let Recorded { labels_log, metric_log, scored, contradictions, crowded } = recorded;
        let show = move |records: &mut Records| records.show(&labels_log, &metric_log);
        let shown = self.attempt(show).await?.is_some();
        notices::warn_of_ignored(&contradictions, &crowded);
        self.rows.send_modify(|rows| *rows += scored as u64);
        Ok(shown)
    }

    /// Lets a thread work on the records until it succeeds. Returns none where a stop was requested before it could.
    async fn attempt<T: Send + 'static>(
        &mut self,
        work: impl Fn(&mut Records) -> Result<T, WriteError> + Send + Sync + 'static,
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
                () = self.stop.overdue() => return Ok(None),
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
                    self.now();
                }
            }
        }
    }

    async fn close(mut self, waiting: WaitingCards) -> anyhow::Result<()> {
        let Some(mut records) = self.records.take() else { return Ok(()) };
        let (now, limits, patient) = (self.now(), self.limits, !self.patience.is_told());
        let WaitingCards { cards, deliveries } = waiting;
        let cards = Arc::new(cards);
        let kept = Arc::clone(&cards);
        let committed = spawn_blocking(move || {
            let committed = if patient {
                records
                    .keep_cards(&kept, now.wall)
                    .and_then(|()| records.commit(&[], Rejected::default(), now, &limits).map(|_| ()))
            } else {
                Ok(())
            };
            records.end_commits();
            (records, committed)
        });
        let (records, committed) = committed.await?;
        let all_told = async {
            while self.board.join_next().await.is_some() {}
            self.acknowledging.all_told().await
        };
        tokio::select! {
            told = all_told => told?,
            () = self.stop.overdue() => {}
        }
        let closed = spawn_blocking(move || committed.and_then(|()| records.close())).await?;
        info!("{}", score_log::summary(&self.commits.account()));
        match closed {
            // What was committed is safe; the next start writes the lines that are missing.
            Err(WriteError::Passing(why)) => {
                error!("{why:#}; the next start goes on from there");
                Ok(())
            }
            Ok(()) if patient => {
                tokio::select! {
                    () = cards::written(&cards, deliveries) => {}
                    () = self.stop.overdue() => {}
                }
                Ok(())
            }
            closed => closed.map_err(WriteError::into_error),
        }
    }
}

/// Resolves when the check of the database has found something, or nothing; never where there is none under way.
async fn finished(checking: &mut Option<JoinHandle<Result<(), WriteError>>>) -> anyhow::Result<()> {
    let Some(check) = checking else { return std::future::pending().await };
    let checked = check.await;
    *checking = None;
    checked?.map_err(WriteError::into_error)
}
