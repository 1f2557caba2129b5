//! Tells people of the account and the scores: a task that follows what is committed.

use std::cell::LazyCell;
use std::pin::pin;
use std::time::Duration;

use shared::clock::{Clock, Timestamp};
use shared::quota::{Asked, Quota};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::account::{Account, ModelAccount};
use crate::committed::Interest;
use crate::follow::{Commits, Next, Subscription};
use crate::join::Scored;

/// How many rows are shown in a second. Beyond that a log is no longer read; the files have every row.
const ROWS_A_SECOND: u64 = 20;

/// What was shown in the second that is now.
#[derive(Debug)]
pub(crate) struct ScoreLog(Quota);

impl Default for ScoreLog {
    fn default() -> Self {
        Self(Quota::new(ROWS_A_SECOND))
    }
}

impl ScoreLog {
    /// Tells of what is committed from this call on, until there will be nothing more.
    pub(crate) fn run(self, commits: Commits, clock: Clock) -> impl Future<Output = ()> + Send {
        let rows = commits.follow(commits.last() + 1, Interest::Rows);
        self.tell(rows, commits, clock)
    }

    async fn tell(mut self, mut rows: Subscription, commits: Commits, clock: Clock) {
        // When a second is over, what was hidden in it is told of, whether more comes or not.
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = {
                let mut next = pin!(rows.next());
                loop {
                    tokio::select! {
                        next = &mut next => break next,
                        _ = seconds.tick() => self.report(&[], &commits, clock.wall()),
                    }
                }
            };
            match next {
                Ok(Some(Next::Commit(commit))) => self.report(&commit.scored, &commits, commit.received),
                Ok(Some(Next::Gap { first, last })) => {
                    warn!(
                        "the rows of commits {first} to {last} are not shown here: they were forgotten before"
                    );
                }
                Ok(None) => return,
                Err(why) => {
                    warn!("some rows are not shown here; `metric export` has them: {why:#}");
                    rows = commits.follow(commits.last() + 1, Interest::Rows);
                }
            }
        }
    }

    /// Tells of scored rows: each row as long as they come slowly, the scores once a second.
    fn report(&mut self, scored: &[Scored], commits: &Commits, now: Timestamp) {
        // A copy: made where something is said.
        let account = LazyCell::new(|| commits.account());
        if let Some(hidden) = self.0.now(now.seconds()) {
            info!("and {hidden} more rows in that second | {}", summary(&account));
        }
        for row in scored.iter().filter(|row| row.has_line()) {
            if self.0.ask() != Asked::Say {
                continue;
            }
            let scores = account.models().iter().find(|model| model.model == row.model);
            info!(
                row.id = %row.id,
                "y_true {} y_pred {:.4} error {:.4} | {}",
                row.y_true,
                row.y_pred,
                row.absolute_error(),
                scores.map(show).unwrap_or_default(),
            );
        }
    }
}

/// The scores of the latest models in a line.
pub(crate) fn summary(account: &Account) -> String {
    let latest = account.latest();
    let mut scored: Vec<String> =
        latest.iter().filter(|model| model.counts.scored > 0).map(|model| show(model)).collect();
    let more = account.models().len() - latest.len();
    if more > 0 {
        scored.push(format!("{more} more models: see `metric status`"));
    }
    if scored.is_empty() { "no rows yet".to_owned() } else { scored.join("; ") }
}

fn show(model: &ModelAccount) -> String {
    format!("{}: {}", model.model, model.scores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{LATEST, Rejected};
    use crate::arrival::{Arrival, ArrivalKind, Origin};
    use crate::join::ModelId;
    use crate::store::{CommitTime, Limits, Store};
    use shared::message::{Name, RowId};
    use std::fmt::Debug;
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    /// Sends each line of the log.
    struct Lines(UnboundedSender<String>);

    impl Subscriber for Lines {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target().ends_with("score_log")
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            event.record(&mut Message(&self.0));
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    struct Message<'a>(&'a UnboundedSender<String>);

    impl Visit for Message<'_> {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            if field.name() == "message" {
                self.0.send(format!("{value:?}")).unwrap();
            }
        }
    }

    async fn line(lines: &mut UnboundedReceiver<String>) -> String {
        tokio::time::timeout(Duration::from_secs(30), lines.recv())
            .await
            .expect("a line within 30 s")
            .unwrap()
    }

    #[tokio::test]
    async fn rows_are_told_of_as_they_are_committed_and_the_rest_when_the_second_is_over() {
        let (sender, mut lines) = unbounded_channel();
        let _guard = tracing::subscriber::set_default(Lines(sender));
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let board = tokio::spawn(ScoreLog::default().run(store.commits(), Clock::System));
        let pairs: Vec<Arrival> = (0..27)
            .flat_map(|row| {
                let id = RowId::parse(&format!("row-{row}")).ok();
                let arrival = move |kind, value| Arrival { id: id.clone(), kind, value, published_at: None };
                [arrival(ArrivalKind::Label, 3.0), arrival(ArrivalKind::Prediction(Origin::default()), 2.5)]
            })
            .collect();
        let now = CommitTime { wall: Clock::System.wall(), age: 0 };
        store.record(&pairs, Rejected::default(), now, &Limits::default()).unwrap();
        for _ in 0..ROWS_A_SECOND {
            let said = line(&mut lines).await;
            assert!(
                said.starts_with("y_true 3 y_pred 2.5000 error 0.5000 | unnamed model: rows 27, "),
                "{said}"
            );
        }
        let said = line(&mut lines).await;
        assert!(said.starts_with("and 7 more rows in that second | unnamed model: rows 27, "), "{said}");
        drop(store);
        board.await.unwrap();
        assert_eq!(lines.try_recv().ok(), None);
    }

    #[test]
    fn a_summary_has_the_latest_models_and_how_many_more_there_are() {
        let mut account = Account::default();
        assert_eq!(summary(&account), "no rows yet");
        for number in 0..LATEST + 2 {
            let version = Name::parse(&number.to_string()).ok();
            let number =
                account.number(&ModelId { name: Name::parse("m").ok(), version, ..ModelId::default() });
            account.score(number, 1.0, 1.0);
        }
        let line = summary(&account);
        assert_eq!(line.matches("rows 1,").count(), LATEST, "{line}");
        assert!(
            line.starts_with("m@2: rows 1, ") && line.ends_with("; 2 more models: see `metric status`"),
            "{line}"
        );
    }
}
