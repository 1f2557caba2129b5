//! What flows but can never be useful, said once, with the way out. Pure.

use shared::clock::Timestamp;
use shared::message::Role;
use shared::transport::Queues;

use crate::account::{Account, Counts, Rejected};
use crate::store::{Finding, Kind};

/// How many messages without an id of either kind are a habit and no accident.
const ANONYMOUS: u64 = 10;
/// For how long one queue may be silent while the other is not.
const SILENCE_MS: i64 = 60_000;

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hint {
    /// So many labels and predictions have no id, and nothing was ever joined.
    Anonymous { labels: u64, predictions: u64 },
    /// This role's messages come, and none of the other one.
    OneSided { comes: Role, count: u64 },
    /// So many rows wait in this queue, and nobody consumes them.
    Unread { queue: String, rows: i64, since: Timestamp, seen: Timestamp },
    /// Another program writes into this text file, which metric leaves alone until nobody has touched it for so long.
    LeftAlone { file: String, quiet_s: i64, since: Timestamp },
    /// These text files are not written, as it was wished.
    TextOff { files: String, since: Timestamp },
}

/// The file is named without its folder.
impl From<Finding> for Hint {
    fn from(Finding { kind, subject, count, since, seen }: Finding) -> Self {
        match kind {
            Kind::Unread => Self::Unread { queue: subject, rows: count, since, seen },
            Kind::LeftAlone => Self::LeftAlone { file: subject, quiet_s: count, since },
            Kind::TextOff => Self::TextOff { files: subject, since },
        }
    }
}

impl Hint {
    /// The name under which programs find it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Anonymous { .. } => "no_ids",
            Self::OneSided { comes: Role::Label, .. } => "only_labels",
            Self::OneSided { .. } => "only_predictions",
            Self::Unread { .. } => "unread_rows",
            Self::LeftAlone { .. } => "file_left_alone",
            Self::TextOff { .. } => "text_off",
        }
    }

    /// Since when it is so, where that is known.
    pub(crate) const fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Anonymous { .. } | Self::OneSided { .. } => None,
            Self::Unread { since, .. } | Self::LeftAlone { since, .. } | Self::TextOff { since, .. } => {
                Some(*since)
            }
        }
    }

    /// What is so and what to do, in a sentence or two. `queues` says what the queues are called, where that is known.
    pub(crate) fn sentence(&self, queues: Option<&Queues>) -> String {
        let queue = |role| queues.map_or("their queue".to_owned(), |queues| queues.name(role).to_string());
        match self {
            Self::Anonymous { labels, predictions } => format!(
                "{labels} labels and {predictions} predictions came without an id, so none could be joined. Their publishers must send the row's id, the same for both: in the property message_id, or in the body as {{\"id\": ..., \"body\": ...}}"
            ),
            Self::OneSided { comes, count } => {
                let (what, other, missing, flag, who) = match comes {
                    Role::Label => (
                        "labels",
                        "predictions",
                        Role::Prediction,
                        "--predictions-queue",
                        "Is a model running, and does it publish there?",
                    ),
                    Role::Features | Role::Prediction => (
                        "predictions",
                        "labels",
                        Role::Label,
                        "--labels-queue",
                        "That is fine if labels come later.",
                    ),
                };
                format!(
                    "{count} {what} came from {}, but no {other} from {}. {who} If the other programs use another queue name, give it with {flag} NAME, or --exercise v2 for features, y_true and y_pred",
                    queue(*comes),
                    queue(missing),
                )
            }
            Self::Unread { queue, rows, since, seen } => {
                let wait = if *rows == 1 { "1 row waits" } else { &format!("{rows} rows wait") };
                format!(
                    "{wait} in {queue} and nobody has consumed them since {since} (last looked: {seen}). Start model; if it runs, it reads another queue: give it --features-queue {queue}"
                )
            }
            Self::LeftAlone { file, quiet_s, since } => format!(
                "another program also writes {file}, probably an old metric.py in this folder; metric has left the file alone since {since}. Stop that program, or give this metric another folder with --logs. Nothing is lost: the rows are in metric.db. When nobody has touched the file for {quiet_s} s, or at the next start of metric, it is moved aside once more and written anew"
            ),
            Self::TextOff { files, since } => format!(
                "{files} are not written since {since}, because metric runs with --text off. Everything is in metric.db: metric export has the scored rows, and a start with --text on writes what the files lack"
            ),
        }
    }
}

/// What holds for all that was ever recorded.
pub(crate) fn of(account: &Account) -> Vec<Hint> {
    let one_sided = one_sided(arrived(account), [0, 0]);
    anonymous(account).into_iter().chain(one_sided).collect()
}

/// Decides what is said in the log, each once. Time is in milliseconds of a clock that never runs back.
#[derive(Debug)]
pub(crate) struct Hints {
    /// How many labels and predictions there were at the start.
    start: [u64; 2],
    /// Since when only one of the two has come.
    one_sided: Option<i64>,
    said: Vec<&'static str>,
}

impl Hints {
    /// Begins with an account as it was left.
    pub(crate) fn new(account: &Account) -> Self {
        Self { start: arrived(account), one_sided: None, said: Vec::new() }
    }

    /// What is to be said now.
    pub(crate) fn look(&mut self, account: &Account, now_ms: i64) -> Vec<Hint> {
        let one_sided = one_sided(arrived(account), self.start);
        let since = one_sided.as_ref().map(|_| self.one_sided.unwrap_or(now_ms));
        self.one_sided = since;
        let lasting = one_sided.filter(|_| since.is_some_and(|since| now_ms - since >= SILENCE_MS));
        let mut hints: Vec<Hint> = anonymous(account).into_iter().chain(lasting).collect();
        hints.retain(|hint| !self.said.contains(&hint.name()));
        self.said.extend(hints.iter().map(Hint::name));
        hints
    }
}

/// How many labels and predictions were delivered, whatever became of them.
pub(crate) fn arrived(account: &Account) -> [u64; 2] {
    let all = |counts: Counts| {
        counts.received + counts.duplicates + counts.conflicts + counts.crowded + counts.anonymous
    };
    let Rejected { labels, predictions } = account.rejected;
    [all(account.labels) + labels, all(account.predictions()) + predictions]
}

fn anonymous(account: &Account) -> Option<Hint> {
    let (labels, predictions) = (account.labels.anonymous, account.predictions().anonymous);
    let is_habit = labels.max(predictions) >= ANONYMOUS && account.labels.scored == 0;
    is_habit.then_some(Hint::Anonymous { labels, predictions })
}

/// Which of labels and predictions came alone since there were `start` of them. Predictions alone are as it should be
/// where labels ever came: those may be days late.
fn one_sided([labels, predictions]: [u64; 2], start: [u64; 2]) -> Option<Hint> {
    match [labels - start[0], predictions - start[1]] {
        [0, 0] => None,
        [count, 0] => Some(Hint::OneSided { comes: Role::Label, count }),
        [_, count] if labels == 0 => Some(Hint::OneSided { comes: Role::Prediction, count }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::ModelId;
    use shared::transport::QueueOptions;

    /// An account with so many labels and predictions with an id, and so many without.
    fn account(with: [u64; 2], without: [u64; 2], scored: u64) -> Account {
        let mut account = Account::default();
        account.labels = Counts { received: with[0], anonymous: without[0], scored, ..Counts::default() };
        let model = account.number(&ModelId::default());
        let counts = Counts { received: with[1], anonymous: without[1], scored, ..Counts::default() };
        account.count(Some(model), |predictions| predictions.add(&counts));
        account
    }

    fn names(hints: &[Hint]) -> Vec<&'static str> {
        hints.iter().map(Hint::name).collect()
    }

    #[test]
    fn what_holds_for_an_account() {
        for (with, without, scored, hints) in [
            ([0, 0], [0, 0], 0, &[][..]),
            ([5, 5], [0, 0], 5, &[]),
            ([0, 0], [9, 9], 0, &[]),
            ([0, 0], [10, 10], 0, &["no_ids"]),
            ([3, 3], [0, 10], 0, &["no_ids"]),
            ([3, 3], [10, 10], 1, &[]),
            ([3, 0], [0, 0], 0, &["only_labels"]),
            ([0, 3], [0, 0], 0, &["only_predictions"]),
            ([0, 0], [12, 0], 0, &["no_ids", "only_labels"]),
        ] {
            assert_eq!(names(&of(&account(with, without, scored))), hints, "{with:?} {without:?} {scored}");
        }
    }

    #[test]
    fn the_log_has_each_once_and_silence_must_last() {
        let mut hints = Hints::new(&account([0, 0], [0, 0], 0));
        let mut look =
            |with, without, second: i64| names(&hints.look(&account(with, without, 0), second * 1000));
        assert_eq!(look([0, 0], [0, 0], 0), [""; 0]);
        assert_eq!(look([1, 0], [0, 0], 100), [""; 0]);
        assert_eq!(look([50, 0], [0, 0], 159), [""; 0]);
        assert_eq!(look([51, 0], [0, 0], 160), ["only_labels"]);
        assert_eq!(look([52, 0], [9, 0], 400), [""; 0]);
        assert_eq!(look([52, 1], [10, 0], 401), ["no_ids"]);
        assert_eq!(look([90, 1], [90, 0], 900), [""; 0]);
    }

    #[test]
    fn late_labels_and_a_restart_are_no_reason() {
        // Labels came before this start, so they may come again tomorrow.
        let mut hints = Hints::new(&account([50, 50], [0, 0], 50));
        for second in 0..200 {
            assert_eq!(hints.look(&account([50, 51 + second], [0, 0], 50), second as i64 * 1000), []);
        }
        // Predictions do not wait for a day: a model has stopped, or writes elsewhere.
        let mut hints = Hints::new(&account([50, 50], [0, 0], 50));
        assert_eq!(hints.look(&account([51, 50], [0, 0], 50), 0), []);
        assert_eq!(names(&hints.look(&account([52, 50], [0, 0], 50), 60_000)), ["only_labels"]);
    }

    #[test]
    fn a_hint_names_the_queues_and_the_way_out() {
        let options = QueueOptions { labels_queue: Some("truth".to_owned()), ..QueueOptions::default() };
        let queues = Queues::new(&options).unwrap();
        let hint = Hint::OneSided { comes: Role::Label, count: 13 };
        let said = hint.sentence(Some(&queues));
        for part in [
            "13 labels came from truth",
            "no predictions from y_predict",
            "--predictions-queue",
            "--exercise v2",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let said = Hint::OneSided { comes: Role::Prediction, count: 13 }.sentence(None);
        for part in
            ["13 predictions came from their queue", "no labels", "labels come later", "--labels-queue"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
        let said = Hint::Anonymous { labels: 20, predictions: 19 }.sentence(None);
        for part in ["20 labels and 19 predictions", "message_id", "{\"id\": ..., \"body\": ...}"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn what_was_found_is_named_with_its_time_and_the_way_out() {
        let found = |kind, subject: &str, count| {
            let (since, seen) = (Timestamp(1_795_194_245_123), Timestamp(1_795_194_305_123));
            Hint::from(Finding { kind, subject: subject.to_owned(), count, since, seen })
        };
        let unread = found(Kind::Unread, "rows", 1200);
        assert_eq!((unread.name(), unread.since()), ("unread_rows", Some(Timestamp(1_795_194_245_123))));
        assert_eq!(
            unread.sentence(None),
            "1200 rows wait in rows and nobody has consumed them since 2026-11-20T17:04:05.123Z (last looked: \
             2026-11-20T17:05:05.123Z). Start model; if it runs, it reads another queue: give it --features-queue rows"
        );
        assert!(found(Kind::Unread, "rows", 1).sentence(None).starts_with("1 row waits in rows"));
        let file = found(Kind::LeftAlone, "metric_log.csv", 60);
        assert_eq!((file.name(), file.since()), ("file_left_alone", Some(Timestamp(1_795_194_245_123))));
        let said = file.sentence(None);
        for part in [
            "another program also writes metric_log.csv",
            "since 2026-11-20T17:04:05.123Z",
            "Stop that program",
            "--logs",
            "for 60 s",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}
