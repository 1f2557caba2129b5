//! The account and the scores as Prometheus reads them: what is in the database, so they go on after a restart.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use shared::message::{Name, Role};
use shared::metrics::{self, Family, MetricSource, OTHER, Scrape};

use crate::account::{Account, Counts, ModelAccount, Rejected};
use crate::join::ModelId;

/// Reads one count of an account.
type Count = fn(&Counts) -> u64;

const OF_QUEUE_AND_MODEL: [&str; 3] = ["queue", "model", "version"];
const COUNTS: [(Family<3>, Count); 8] = [
    (
        counted(
            "pipeline_received_total",
            "Messages that were taken into the join: they had an id and were new.",
        ),
        |counts| counts.received,
    ),
    (counted("pipeline_scored_total", "Messages that have met the other half of their row."), |counts| {
        counts.scored
    }),
    (
        counted(
            "pipeline_expired_total",
            "Messages that waited for the other half of their row until the horizon.",
        ),
        |counts| counts.expired,
    ),
    (
        counted("pipeline_late_total", "Messages that came when all that they could have met had expired."),
        |counts| counts.late,
    ),
    (
        counted("pipeline_duplicates_total", "Messages that repeated what was there, and were ignored."),
        |counts| counts.duplicates,
    ),
    (
        counted("pipeline_conflicts_total", "Messages that contradicted what was there, and were ignored."),
        |counts| counts.conflicts,
    ),
    (
        counted(
            "pipeline_crowded_total",
            "Predictions of one more model than are kept of a row, and ignored.",
        ),
        |counts| counts.crowded,
    ),
    (counted("pipeline_anonymous_total", "Messages without an id: logged, and never joined."), |counts| {
        counts.anonymous
    }),
];
const PENDING: Family<3> = counted("pipeline_pending", "Messages that wait for the other half of their row.");
const DEAD_LETTERS: Family<1> = Family::new(
    "pipeline_dead_letters_total",
    "Messages that could not be used and are safe in the dead letters.",
    ["queue"],
);

/// Reads one score of a model; none where it is not defined.
type Score = fn(&ModelAccount) -> Option<f64>;

const SCORES: [(Family<2>, Score); 3] = [
    (scored("pipeline_mae", "Mean absolute error of all scored rows, in the label's unit."), |model| {
        Some(model.scores.mae())
    }),
    (scored("pipeline_rmse", "Root mean squared error of all scored rows, in the label's unit."), |model| {
        Some(model.scores.rmse())
    }),
    (
        scored(
            "pipeline_r2",
            "Coefficient of determination of all scored rows: 1 is perfect, 0 as good as their mean.",
        ),
        |model| model.scores.r2(),
    ),
];

const fn counted(name: &'static str, help: &'static str) -> Family<3> {
    Family::new(name, help, OF_QUEUE_AND_MODEL)
}

const fn scored(name: &'static str, help: &'static str) -> Family<2> {
    Family::new(name, help, ["model", "version"])
}

/// The last account that was committed, as far as it is shown.
static BOOK: Mutex<Option<Arc<Book>>> = Mutex::new(None);

/// Shows this account from now on. It costs the same however many models there are. A process has one `metric`; where a
/// test runs several, the last to commit is shown.
pub(crate) fn publish(account: &Account) {
    static REGISTERED: Once = Once::new();
    let book = Arc::new(Book::of(account));
    *shown() = Some(book);
    REGISTERED.call_once(|| metrics::register(Shown));
}

fn shown() -> MutexGuard<'static, Option<Arc<Book>>> {
    BOOK.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Shown;

impl MetricSource for Shown {
    fn read(&self, scrape: &mut Scrape<'_>) -> fmt::Result {
        // Whoever commits does not wait for whoever reads.
        let book = shown().clone();
        book.map_or(Ok(()), |book| book.read(scrape))
    }
}

/// What is shown of an account: the latest models, and all others as one.
#[derive(Debug)]
struct Book {
    labels: Counts,
    rejected: Rejected,
    models: Vec<ModelAccount>,
    /// None where every model is shown.
    others: Option<Counts>,
}

impl Book {
    fn of(account: &Account) -> Self {
        // Somebody's model with the name of all others is one of them: no two series may have the same labels.
        let latest = account.latest().into_iter().filter(|model| !is_other(&model.model));
        let models: Vec<ModelAccount> = latest.cloned().collect();
        let mut of_models = Counts::default();
        models.iter().for_each(|model| of_models.add(&model.counts));
        let others = account.predictions().without(&of_models);
        let all = models.len() == account.models().len();
        let Account { labels, rejected, .. } = *account;
        Self { labels, rejected, models, others: (!all).then_some(others) }
    }
}

impl MetricSource for Book {
    fn read(&self, scrape: &mut Scrape<'_>) -> fmt::Result {
        const LABELS: &str = Role::Label.name();
        const PREDICTIONS: &str = Role::Prediction.name();
        let of_models = self.models.iter().map(|model| (tag(&model.model), &model.counts));
        let others = self.others.iter().map(|counts| ([OTHER, OTHER], counts));
        let counts: Vec<([&str; 3], &Counts)> = std::iter::once(([LABELS, "", ""], &self.labels))
            .chain(
                of_models
                    .chain(others)
                    .map(|([name, version], counts)| ([PREDICTIONS, name, version], counts)),
            )
            .collect();
        for (family, count) in &COUNTS {
            scrape.counters(family, counts.iter().map(|(labels, counts)| (*labels, count(counts))))?;
        }
        scrape.gauges(&PENDING, counts.iter().map(|(labels, counts)| (*labels, counts.pending() as f64)))?;
        let Rejected { labels, predictions } = self.rejected;
        scrape.counters(&DEAD_LETTERS, [([LABELS], labels), ([PREDICTIONS], predictions)])?;
        let with_scores = || self.models.iter().filter(|model| model.scores.count() > 0);
        for (family, score) in &SCORES {
            let scores = with_scores().filter_map(|model| Some((tag(&model.model), score(model)?)));
            scrape.gauges(family, scores)?;
        }
        Ok(())
    }
}

/// A model's labels: its name and its version, empty where it has none.
fn tag(model: &ModelId) -> [&str; 2] {
    [&model.name, &model.version].map(|part| part.as_ref().map_or("", Name::as_str))
}

fn is_other(model: &ModelId) -> bool {
    tag(model) == [OTHER, OTHER]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::account::LATEST;

    fn model(name: &str, version: &str) -> ModelId {
        ModelId { name: Name::parse(name).ok(), version: Name::parse(version).ok(), ..ModelId::default() }
    }

    /// The series of an account with their values.
    fn series(account: &Account) -> BTreeMap<String, f64> {
        let text = metrics::text_of(Book::of(account));
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let value = |line: &str| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        };
        let all: Vec<(String, f64)> = lines.map(value).collect();
        let series: BTreeMap<String, f64> = all.iter().cloned().collect();
        assert_eq!(series.len(), all.len(), "two series have the same labels: {text}");
        series
    }

    #[test]
    fn every_count_is_the_accounts() {
        let mut account = Account::default();
        let counts = |first: u64| Counts {
            received: first + 100,
            scored: first + 1,
            expired: first + 2,
            late: first + 3,
            duplicates: first + 4,
            conflicts: first + 5,
            crowded: first + 6,
            anonymous: first + 7,
        };
        account.labels = counts(10);
        account.rejected = Rejected { labels: 8, predictions: 9 };
        for (name, version, first) in [("a", "1", 20), ("a", "2", 30), ("b", "", 40), ("", "", 50)] {
            let number = account.number(&model(name, version));
            account.count(Some(number), |of| of.add(&counts(first)));
        }
        let series = series(&account);
        for (labels, first) in [
            (r#"queue="y_true",model="",version="""#, 10.0),
            (r#"queue="y_predict",model="a",version="1""#, 20.0),
            (r#"queue="y_predict",model="a",version="2""#, 30.0),
            (r#"queue="y_predict",model="b",version="""#, 40.0),
            (r#"queue="y_predict",model="",version="""#, 50.0),
        ] {
            for (name, more) in [
                ("received_total", 100.0),
                ("scored_total", 1.0),
                ("expired_total", 2.0),
                ("late_total", 3.0),
                ("duplicates_total", 4.0),
                ("conflicts_total", 5.0),
                ("crowded_total", 6.0),
                ("anonymous_total", 7.0),
            ] {
                assert_eq!(
                    series[&format!("pipeline_{name}{{{labels}}}")],
                    first + more,
                    "{name} of {labels}"
                );
            }
            assert_eq!(series[&format!("pipeline_pending{{{labels}}}")], 97.0 - first, "{labels}");
        }
        assert_eq!(series[r#"pipeline_dead_letters_total{queue="y_true"}"#], 8.0);
        assert_eq!(series[r#"pipeline_dead_letters_total{queue="y_predict"}"#], 9.0);
        assert_eq!(series.len(), 5 * 9 + 2, "{series:#?}");
    }

    #[test]
    fn every_score_is_the_accounts_to_the_last_bit() {
        let mut account = Account::default();
        let pairs = [(0.1, 1.0 / 3.0), (7.0, 5.5), (-2.0, 1e3)];
        for (version, rows) in [("three", 3), ("one", 1), ("none", 0)] {
            let number = account.number(&model("m", version));
            account.count(Some(number), |counts| counts.received += rows as u64);
            pairs[..rows].iter().for_each(|(y_true, y_pred)| account.score(number, *y_true, *y_pred));
        }
        let series = series(&account);
        let score = |name: &str, version: &str| {
            series.get(&format!("pipeline_{name}{{model=\"m\",version=\"{version}\"}}")).copied()
        };
        let [three, one] = [0, 1].map(|number| &account.models()[number].scores);
        assert!(three.mae() != three.rmse());
        assert_eq!(score("mae", "three"), Some(three.mae()));
        assert_eq!(score("rmse", "three"), Some(three.rmse()));
        assert_eq!(score("r2", "three"), three.r2());
        assert_eq!((score("mae", "one"), score("rmse", "one")), (Some(one.mae()), Some(one.rmse())));
        // What is not defined is not there: no comparison holds for it anyway.
        assert_eq!(score("r2", "one"), None);
        assert_eq!(["mae", "rmse", "r2"].map(|name| score(name, "none")), [None; 3]);
    }

    #[test]
    fn however_many_versions_there_are_the_scrape_stays_small_and_adds_up() {
        let mut account = Account::default();
        for number in 0..20_000 {
            let number = account.number(&model("model", &format!("{number:064}")));
            account.count(Some(number), |counts| counts.received += 2);
            account.score(number, 3.0, 1.0);
        }
        let series = series(&account);
        let sum = |name: &str| -> f64 {
            series.iter().filter(|(series, _)| series.starts_with(name)).map(|(_, value)| value).sum()
        };
        assert_eq!((sum("pipeline_received_total"), sum("pipeline_scored_total")), (40_000.0, 20_000.0));
        assert_eq!(sum("pipeline_pending"), 20_000.0);
        let others = format!("{{queue=\"y_predict\",model=\"{OTHER}\",version=\"{OTHER}\"}}");
        assert_eq!(series[&format!("pipeline_received_total{others}")], 40_000.0 - 2.0 * LATEST as f64);
        // The labels and the models and the others; no scores of the others, and no R2 of one row.
        assert_eq!(series.len(), (LATEST + 2) * 9 + 2 + LATEST * 2);
        let bytes = metrics::text_of(Book::of(&account)).len();
        assert!(bytes < 50_000, "{bytes} bytes");
    }

    #[test]
    fn a_model_with_the_name_of_the_others_is_one_of_them() {
        let mut account = Account::default();
        for (number, name) in [OTHER, "a"].into_iter().enumerate() {
            account.number(&model(name, OTHER));
            account.count(Some(number), |counts| counts.received += 5);
        }
        let received = |account: &Account| {
            let all =
                series(account).into_iter().filter(|(name, _)| name.starts_with("pipeline_received_total"));
            all.map(|(_, value)| value).collect::<Vec<_>>()
        };
        assert_eq!(received(&account), [5.0, 5.0, 0.0]);
        (0..LATEST).for_each(|number| _ = account.number(&model("b", &number.to_string())));
        assert_eq!(received(&account).iter().sum::<f64>(), 10.0);
    }
}
