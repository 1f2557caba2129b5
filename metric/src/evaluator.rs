//! Evaluates what is committed while it is, on a thread of its own: it follows the commits, says what is to be said, and saves how
//! far it has come. It never holds a commit; where it cannot keep up, it reads the database.

pub(crate) mod saved;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use evaluation::alert::{Rule, State};
use evaluation::fold::{Evaluation, Settings};
use evaluation::report::{AlertReport, Moment, Report};
use shared::clock::Clock;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::{error, info, warn};

use crate::bases::Bases;
use crate::committed::Interest;
use crate::evaluate;
use crate::follow::Commits;
use crate::webhook::{Alert, Webhook};

/// How often a report is made while something new comes.
const FRESH: Duration = Duration::from_secs(1);
/// How often one is made where nothing does: time alone changes some of it.
const STALE: Duration = Duration::from_secs(10);
/// How often the state is saved.
const SAVED: Duration = Duration::from_secs(60);
/// After what time a database that could not be read is read again.
const AGAIN: Duration = Duration::from_secs(10);
/// Whoever is behind by no more commits has caught up.
const NEAR: i64 = 100;
/// Of so many attempts that fail, one is said.
const SAID_AGAIN: u32 = 60;

/// What the evaluation says, for whoever shows it.
#[derive(Debug, Clone)]
pub(crate) struct Evaluated {
    report: watch::Receiver<Option<Arc<Report>>>,
    commit: Arc<AtomicI64>,
    commits: Commits,
    /// Why it stands still, if it does.
    stands_still: watch::Receiver<Option<String>>,
}

impl Evaluated {
    /// Why the evaluation stands still, if it does: what it says is then of the time before.
    pub(crate) fn trouble(&self) -> Option<String> {
        let why = self.stands_still.borrow().clone();
        // Whoever tells of it is there for as long as there are commits.
        why.or_else(|| {
            let has_failed = self.stands_still.has_changed().is_err() && !self.commits.have_ended();
            has_failed.then(|| "it has failed, and goes on when metric is started again".to_owned())
        })
    }

    /// The last report; none before what was recorded earlier is evaluated.
    pub(crate) fn report(&self) -> Option<Arc<Report>> {
        self.report.borrow().clone()
    }

    /// To hear of each report from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<Option<Arc<Report>>> {
        self.report.clone()
    }

    /// How many commits are not evaluated yet.
    pub(crate) fn behind(&self) -> u64 {
        u64::try_from(self.commits.last() - self.commit.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

/// What is evaluated, and how.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) folder: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) rules: Vec<Rule>,
    pub(crate) webhook: Option<Webhook>,
}

/// Evaluates what is committed, until there will be no more.
pub(crate) fn start(plan: Plan, commits: Commits, clock: Clock) -> (Evaluated, JoinHandle<()>) {
    let (latest, report) = watch::channel(None);
    let commit = Arc::new(AtomicI64::new(0));
    let (trouble, stands_still) = watch::channel(None);
    let evaluated = Evaluated { report, commit: Arc::clone(&commit), commits: commits.clone(), stands_still };
    let runtime = Handle::current();
    let task = spawn_blocking(move || {
        let evaluator = Evaluator {
            plan,
            commits,
            clock,
            latest,
            commit,
            made: None,
            told: BTreeMap::new(),
            is_current: false,
            trouble,
        };
        runtime.block_on(evaluator.run());
    });
    (evaluated, task)
}

struct Evaluator {
    plan: Plan,
    commits: Commits,
    clock: Clock,
    latest: watch::Sender<Option<Arc<Report>>>,
    /// The commit up to which all is evaluated.
    commit: Arc<AtomicI64>,
    /// When the last report was made, and after which commit.
    made: Option<(Instant, i64)>,
    /// The rules of which it was said that they fire, with the time since when.
    told: BTreeMap<String, i64>,
    /// Whether what was recorded earlier is evaluated.
    is_current: bool,
    trouble: watch::Sender<Option<String>>,
}

/// How far it has come.
struct Course {
    evaluation: Evaluation,
    bases: Bases,
    /// How often cards had come when they were read.
    cards: u64,
    /// When the state was saved, and at which commit.
    saved: (Instant, i64),
    /// Whether it was said that it cannot be.
    is_saving_told: bool,
}

impl Evaluator {
    async fn run(mut self) {
        let mut course = None;
        let mut failures = 0_u32;
        loop {
            let has = self.commit.load(Ordering::Relaxed);
            let followed = match self.course(course.take()) {
                Ok(mut begun) => {
                    let followed = self.follow(&mut begun).await;
                    course = Some(begun);
                    followed
                }
                Err(why) => Err(why),
            };
            let Err(why) = followed else { break };
            // What stands still once more after it had gone on is said anew.
            if self.commit.load(Ordering::Relaxed) > has {
                failures = 0;
            }
            self.trouble.send_replace(Some(format!("{why:#}")));
            if failures.is_multiple_of(SAID_AGAIN) {
                warn!(
                    "the evaluation stands still, and recording goes on: {why:#}; trying again every {} s",
                    AGAIN.as_secs()
                );
            }
            failures += 1;
            tokio::select! {
                () = sleep(AGAIN) => {}
                () = self.commits.ended() => break,
            }
        }
        if let Some(course) = &mut course {
            self.save(course);
        }
    }

    /// Goes on, or begins: with what was saved, where it is of these records and what is asked is the same.
    fn course(&mut self, before: Option<Course>) -> anyhow::Result<Course> {
        if let Some(course) = before {
            return Ok(course);
        }
        let Plan { folder, settings, rules, .. } = &self.plan;
        let saved = saved::read(folder)?;
        // What was said to fire before may have to be said to have ended, also where it is not watched any more.
        self.told = saved.as_ref().map(|saved| firing(&saved.alerts())).unwrap_or_default();
        let evaluation = match saved {
            Some(saved) if saved.settings() == *settings && saved.rules().eq(rules) => saved,
            Some(_) => {
                info!("what is asked of the evaluation has changed: all that is recorded is evaluated anew");
                Evaluation::new(*settings, rules.clone())
            }
            None => Evaluation::new(*settings, rules.clone()),
        };
        let (bases, cards) = (Bases::open(folder)?, self.commits.cards());
        let saved = (Instant::now(), evaluation.commit());
        Ok(Course { evaluation, bases, cards, saved, is_saving_told: false })
    }

    /// Takes in commit after commit until there will be no more.
    async fn follow(&mut self, course: &mut Course) -> anyhow::Result<()> {
        self.commit.store(course.evaluation.commit(), Ordering::Relaxed);
        let mut following = self.commits.follow(course.evaluation.commit() + 1, Interest::Everything);
        let mut ticks = interval(FRESH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = tokio::select! {
                biased;
                _ = ticks.tick() => {
                    self.tick(course);
                    continue;
                }
                next = following.next() => next?,
            };
            // A stop does not wait for somebody who is far behind.
            let left_off = self.commits.have_ended() && self.behind(&course.evaluation) > NEAR;
            let Some(next) = next.filter(|_| !left_off) else {
                if !left_off {
                    self.tell(course);
                }
                return Ok(());
            };
            let cards = self.commits.cards();
            if cards != course.cards {
                course.cards = cards;
                course.bases.look_again();
            }
            evaluate::tell(&mut course.evaluation, &next, &mut course.bases)?;
            self.commit.store(course.evaluation.commit(), Ordering::Relaxed);
            if self.trouble.borrow().is_some() {
                info!("the evaluation goes on");
                self.trouble.send_replace(None);
            }
        }
    }

    /// What is done once a second.
    fn tick(&mut self, course: &mut Course) {
        let commit = course.evaluation.commit();
        self.is_current |= self.behind(&course.evaluation) <= NEAR;
        let is_due = self.made.is_none_or(|(at, made)| commit != made || at.elapsed() >= STALE);
        if self.is_current && is_due {
            self.tell(course);
        }
        if course.saved.0.elapsed() >= SAVED {
            self.save(course);
        }
    }

    /// How many commits are not evaluated yet.
    fn behind(&self, evaluation: &Evaluation) -> i64 {
        self.commits.last() - evaluation.commit()
    }

    /// Says which rules fire now and did not, and which did and do no more. One that has no value any more is still as it
    /// was. Returns whether anything was news.
    fn say(&mut self, report: &Report, is_first: bool) -> bool {
        let told = std::mem::take(&mut self.told);
        // Since when one fires is said once: a look of now would move it.
        let now: BTreeMap<String, i64> = firing(&report.alerts)
            .into_iter()
            .map(|(rule, since)| {
                let since = told.get(&rule).copied().unwrap_or(since);
                (rule, since)
            })
            .collect();
        let text = |rule: &str| {
            let notice = report.notices.iter().find(|notice| notice.rule == rule);
            notice.map(|notice| notice.text.clone())
        };
        // At a start all of them: whoever is told may have been away.
        for (rule, since) in now.iter().filter(|(rule, _)| is_first || !told.contains_key(*rule)) {
            let text = text(rule);
            match &text {
                Some(text) => warn!("alert {text}"),
                None => warn!("alert {rule} fires since {}", Moment(*since)),
            }
            self.send(Alert::firing(rule, *since, text));
        }
        for (rule, since) in told.iter().filter(|(rule, _)| !now.contains_key(*rule)) {
            let text = text(rule);
            match &text {
                Some(text) => info!("alert {text}"),
                None => info!("alert {rule} has ended, or is not watched any more"),
            }
            self.send(Alert::resolved(rule, *since, report.at.0, text));
        }
        let is_news = now != told;
        self.told = now;
        is_news
    }

    fn send(&self, alert: Alert) {
        if let Some(webhook) = &self.plan.webhook {
            webhook.send(alert);
        }
    }

    /// Makes a report for whoever asks, and says what has happened to the rules.
    fn tell(&mut self, course: &mut Course) {
        let evaluation = &course.evaluation;
        // A clock that was set back must not hide what came since.
        let now = evaluation.committed_at().map_or(self.clock.wall().0, |at| at.max(self.clock.wall().0));
        let report = evaluation.report(now, |_, _| true);
        let is_first = self.made.replace((Instant::now(), evaluation.commit())).is_none();
        let is_news = self.say(&report, is_first);
        self.latest.send_replace(Some(Arc::new(report)));
        // A start must know of what was said, to say when it has ended.
        if is_news {
            self.save(course);
        }
    }

    /// Saves the state, where it has changed.
    fn save(&self, course: &mut Course) {
        let commit = course.evaluation.commit();
        if commit == course.saved.1 {
            return;
        }
        course.saved.0 = Instant::now();
        match saved::write(&self.plan.folder, &course.evaluation) {
            Ok(()) => {
                course.saved.1 = commit;
                course.is_saving_told = false;
            }
            Err(why) if !course.is_saving_told => {
                warn!("{why:#}; the next start evaluates what was recorded since the last save once more");
                course.is_saving_told = true;
            }
            Err(_) => {}
        }
    }
}

/// The rules that fire, with the time since when; also those that did when they last had a value.
fn firing(alerts: &[AlertReport]) -> BTreeMap<String, i64> {
    let is_firing = |alert: &&AlertReport| matches!(alert.state, State::Firing | State::Unknown);
    let firing = alerts.iter().filter(is_firing);
    firing.filter_map(|alert| Some((alert.rule.clone(), alert.since?.0))).collect()
}

/// Waits for the evaluation to end, and says so where it has failed.
pub(crate) async fn ended(task: JoinHandle<()>) {
    if task.await.is_err() {
        error!("the evaluation has failed, and goes on at the next start; what is recorded is safe");
    }
}

#[cfg(test)]
pub(crate) mod tests;
