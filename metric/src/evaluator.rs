//! Evaluates what is committed while it is, on a thread of its own: it follows the commits, says what is to be said, and saves how
//! far it has come. It never holds a commit; where it cannot keep up, it reads the database.

pub(crate) mod saved;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use evaluation::alert::{Notice, Rule, State};
use evaluation::fold::{Evaluation, Settings};
use evaluation::report::{AlertReport, Report};
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
use crate::webhook::Webhook;

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
}

impl Evaluated {
    /// The last report; none before what was recorded earlier is evaluated.
    pub(crate) fn report(&self) -> Option<Arc<Report>> {
        self.report.borrow().clone()
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
    let evaluated = Evaluated { report, commit: Arc::clone(&commit), commits: commits.clone() };
    let runtime = Handle::current();
    let task = spawn_blocking(move || {
        let evaluator = Evaluator { plan, commits, clock, latest, commit, made: None, firing: None };
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
    /// The rules of which it was said that they fire; none until what was recorded earlier is evaluated.
    firing: Option<BTreeMap<String, i64>>,
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
            let followed = match self.course(course.take()) {
                Ok(mut begun) => {
                    let followed = self.follow(&mut begun).await;
                    course = Some(begun);
                    followed
                }
                Err(why) => Err(why),
            };
            let Err(why) = followed else { break };
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
        let evaluation = match saved::read(folder)? {
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
        let mut begun = firing(&course.evaluation.alerts());
        loop {
            let next = tokio::select! {
                biased;
                _ = ticks.tick() => {
                    self.tick(course, &mut begun);
                    continue;
                }
                next = following.next() => next?,
            };
            // A stop does not wait for somebody who is far behind.
            let left_off = self.commits.have_ended() && self.behind(&course.evaluation) > NEAR;
            let Some(next) = next.filter(|_| !left_off) else {
                self.tell(&course.evaluation);
                return Ok(());
            };
            let cards = self.commits.cards();
            if cards != course.cards {
                course.cards = cards;
                course.bases.look_again();
            }
            let notices = evaluate::tell(&mut course.evaluation, &next, &mut course.bases)?;
            self.commit.store(course.evaluation.commit(), Ordering::Relaxed);
            self.say(&notices);
        }
    }

    /// What is done once a second.
    fn tick(&mut self, course: &mut Course, begun: &mut BTreeMap<String, i64>) {
        let commit = course.evaluation.commit();
        if self.firing.is_none() {
            if self.behind(&course.evaluation) > NEAR {
                self.save_if_due(course);
                return;
            }
            self.caught_up(&course.evaluation, std::mem::take(begun));
        }
        let is_due = self.made.is_none_or(|(at, made)| commit != made || at.elapsed() >= STALE);
        if is_due {
            self.tell(&course.evaluation);
        }
        self.save_if_due(course);
    }

    /// How many commits are not evaluated yet.
    fn behind(&self, evaluation: &Evaluation) -> i64 {
        self.commits.last() - evaluation.commit()
    }

    /// Says how the rules stand after what was recorded earlier: those that fire, and those that did when the state was saved and
    /// do no more.
    fn caught_up(&mut self, evaluation: &Evaluation, before: BTreeMap<String, i64>) {
        let alerts = evaluation.alerts();
        let now = firing(&alerts);
        for (rule, since) in &now {
            warn!("alert {rule} fires since {}", evaluation::report::Moment(*since));
            self.send(crate::webhook::Alert::firing(rule, *since, None));
        }
        for (rule, since) in before.iter().filter(|(rule, _)| !now.contains_key(*rule)) {
            info!("alert {rule} has ended while metric did not run");
            let at = evaluation.committed_at().unwrap_or(*since);
            self.send(crate::webhook::Alert::resolved(rule, *since, at, None));
        }
        self.firing = Some(now);
    }

    /// Says what has happened to the rules just now.
    fn say(&mut self, notices: &[Notice]) {
        let Some(mut firing) = self.firing.take() else { return };
        for notice in notices {
            let (rule, text) = (notice.rule.to_string(), notice.text());
            let alert = match notice.what {
                evaluation::alert::What::Fires { .. } => {
                    warn!("alert {text}");
                    firing.insert(rule.clone(), notice.at_ms);
                    crate::webhook::Alert::firing(&rule, notice.at_ms, Some(text))
                }
                evaluation::alert::What::Unknown => {
                    warn!("alert {text}");
                    crate::webhook::Alert::firing(&rule, notice.since_ms, Some(text))
                }
                evaluation::alert::What::Ends { .. } => {
                    info!("alert {text}");
                    let since = firing.remove(&rule).unwrap_or(notice.since_ms);
                    crate::webhook::Alert::resolved(&rule, since, notice.at_ms, Some(text))
                }
            };
            self.send(alert);
        }
        self.firing = Some(firing);
    }

    fn send(&self, alert: crate::webhook::Alert) {
        if let Some(webhook) = &self.plan.webhook {
            webhook.send(alert);
        }
    }

    /// Makes a report for whoever asks.
    fn tell(&mut self, evaluation: &Evaluation) {
        // A clock that was set back must not hide what came since.
        let now = evaluation.committed_at().map_or(self.clock.wall().0, |at| at.max(self.clock.wall().0));
        self.latest.send_replace(Some(Arc::new(evaluation.report(now, |_, _| true))));
        self.made = Some((Instant::now(), evaluation.commit()));
    }

    fn save_if_due(&self, course: &mut Course) {
        if course.saved.0.elapsed() >= SAVED {
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

/// The rules that fire, with the time since when.
fn firing(alerts: &[AlertReport]) -> BTreeMap<String, i64> {
    let firing = alerts.iter().filter(|alert| alert.state == State::Firing);
    firing.map(|alert| (alert.rule.clone(), alert.since.map_or(0, |at| at.0))).collect()
}

/// Waits for the evaluation to end, and says so where it has failed.
pub(crate) async fn ended(task: JoinHandle<()>) {
    if task.await.is_err() {
        error!("the evaluation has failed, and goes on at the next start; what is recorded is safe");
    }
}

#[cfg(test)]
mod tests;
