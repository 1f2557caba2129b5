//! The evaluation of records that grow, stop, are damaged and go on, against one of all that is recorded.

use evaluation::report::{Moment, ReferenceKind};
use shared::card::Card;
use shared::clock::{Hand, Timestamp};
use shared::message::{Name, RowId};
use tempfile::TempDir;

use super::*;
use crate::account::Rejected;
use crate::arrival::{Arrival, ArrivalKind, Origin};
use crate::follow::Next;
use crate::join::ModelId;
use crate::store::{CommitTime, History, Limits, ReceivedCard, Store};

const SECOND: i64 = 1000;

/// Records, and the time at which the next rows come.
struct Books {
    folder: TempDir,
    store: Store,
    hand: Arc<Hand>,
    rows: i64,
    /// Which version predicts.
    version: &'static str,
}

impl Books {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        Self { folder, store, hand: Hand::at(Timestamp(0)), rows: 0, version: "v1" }
    }

    fn now(&self) -> Timestamp {
        Timestamp((self.rows + 1) * SECOND)
    }

    /// Rows with their labels, a second and a commit each.
    fn add(&mut self, rows: i64, error: f64) {
        for _ in 0..rows {
            let now = self.now();
            self.rows += 1;
            let id = RowId::parse(&format!("row-{}", self.rows)).ok();
            let model = ModelId {
                name: Name::parse("m").ok(),
                version: Name::parse(self.version).ok(),
                ..ModelId::default()
            };
            let y_true = f64::from(i32::try_from(self.rows % 7).unwrap());
            let origin = Origin { vector: Some(vec![y_true, 2.0].into()), ..Origin::from(model) };
            let arrival = |kind, value| Arrival { id: id.clone(), kind, value, published_at: Some(now) };
            let both = [
                arrival(ArrivalKind::Prediction(origin), y_true + error),
                arrival(ArrivalKind::Label, y_true),
            ];
            let time = CommitTime { wall: now, age: now.0 };
            self.store.record(&both, Rejected::default(), time, &Limits::default()).unwrap();
        }
        self.hand.set_wall(self.now());
    }

    fn add_card(&mut self) {
        let json = r#"{"card":1,"kind":"model","model":"m","version":"v1","features":["a","b"],"reference":{"features":[
            {"edges":[0,2,4,6],"counts":[40,40,40]},{"edges":[0,1,4],"counts":[60,60]}]}}"#;
        let card = ReceivedCard { card: Card::read(json.as_bytes()).unwrap(), published_at: None };
        self.store.keep_cards(&[card], self.now()).unwrap();
    }

    fn plan(&self, rules: &[&str]) -> Plan {
        let settings = Settings { window: 50, period: 100 * SECOND, horizon: 1000 * SECOND, versions: 20 };
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        Plan { folder: self.folder.path().to_owned(), settings, rules, webhook: None }
    }

    fn start(&self, rules: &[&str]) -> (Evaluated, JoinHandle<()>) {
        start(self.plan(rules), self.store.commits(), Clock::Manual(Arc::clone(&self.hand)))
    }

    /// All that is recorded, evaluated at once.
    fn replay(&self, rules: &[&str], at: Moment) -> Report {
        let Plan { folder, settings, rules, .. } = self.plan(rules);
        let mut evaluation = Evaluation::new(settings, rules);
        let mut bases = Bases::open(&folder).unwrap();
        let mut history = History::open(&folder).unwrap();
        loop {
            let page = history.read(evaluation.commit() + 1, Interest::Everything).unwrap();
            if page.is_empty() {
                break;
            }
            page.iter().for_each(|next| evaluate::tell(&mut evaluation, next, &mut bases).unwrap());
        }
        evaluation.report(at.0, |_, _| true)
    }

    /// Ends the records: there will be no more commits.
    async fn end(self, task: JoinHandle<()>) -> TempDir {
        drop(self.store);
        task.await.unwrap();
        self.folder
    }
}

/// The first report that has everything up to this commit.
pub(crate) async fn report(evaluated: &Evaluated, commit: i64) -> Arc<Report> {
    let mut reports = evaluated.report.clone();
    let has = |report: &Option<Arc<Report>>| report.as_ref().is_some_and(|report| report.commit >= commit);
    reports.wait_for(has).await.unwrap().clone().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_evaluated_and_a_start_goes_on_from_what_was_saved() {
    let rules = ["mae{window=30} > 1.5 for 1"];
    let mut books = Books::new();
    books.add(200, 1.0);
    let (evaluated, task) = books.start(&rules);
    let live = report(&evaluated, 200).await;
    assert_eq!(*live, books.replay(&rules, live.at));
    assert_eq!(evaluated.behind(), 0);
    books.add(100, 2.0);
    let live = report(&evaluated, 300).await;
    assert_eq!(*live, books.replay(&rules, live.at));
    assert_eq!((live.alerts[0].state, live.notices.len()), (State::Firing, 1));
    let folder = books.end(task).await;
    let saved = saved::read(folder.path()).unwrap().unwrap();
    assert_eq!(saved.commit(), 300);

    // What was there before is not read again: it could not be, for it is damaged.
    let store = Store::open(folder.path()).unwrap();
    let mut books =
        Books { folder, store, hand: Hand::at(Timestamp(300 * SECOND)), rows: 300, version: "v1" };
    books.add(1, 2.0);
    let at = Moment(books.now().0);
    let whole = books.replay(&rules, at);
    damage_first_block(books.folder.path());
    let (evaluated, task) = books.start(&rules);
    let live = report(&evaluated, 301).await;
    assert_eq!((live.at, &*live), (at, &whole));
    books.end(task).await;
}

/// Makes the history unreadable from its beginning on.
fn damage_first_block(folder: &std::path::Path) {
    let db = rusqlite::Connection::open(crate::store::schema::path(folder)).unwrap();
    let changed = db
        .execute(
            "UPDATE journal SET data = zeroblob(length(data)) WHERE rowid = (SELECT min(rowid) FROM journal)",
            [],
        )
        .unwrap();
    assert_eq!(changed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_otherwise_is_evaluated_anew() {
    let mut books = Books::new();
    books.add(60, 1.0);
    let (evaluated, task) = books.start(&[]);
    report(&evaluated, 60).await;
    let folder = books.end(task).await;
    let store = Store::open(folder.path()).unwrap();
    let books = Books { folder, store, hand: Hand::at(Timestamp(61 * SECOND)), rows: 60, version: "v1" };
    let rules = ["mae{window=30} > 0.5 for 1"];
    let (evaluated, task) = books.start(&rules);
    let live = report(&evaluated, 60).await;
    assert_eq!(*live, books.replay(&rules, live.at));
    assert_eq!(live.alerts[0].state, State::Firing);
    books.end(task).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_comes_late_counts_from_then_on_live_and_later() {
    let mut books = Books::new();
    let (evaluated, task) = books.start(&[]);
    books.add(40, 1.0);
    let before = report(&evaluated, 40).await;
    let name = |report: &Report| {
        let feature = &report.versions[0].drift.features[0];
        (feature.name.clone(), feature.reference, feature.rows)
    };
    assert_eq!(name(&before), ("feature_1".into(), ReferenceKind::FirstRows, 40));
    books.add_card();
    books.add(10, 1.0);
    let after = report(&evaluated, 50).await;
    assert_eq!(name(&after), ("a".into(), ReferenceKind::ModelFile, 10));
    assert_eq!(after.versions[0].rows.labelled, 50);
    assert_eq!(*after, books.replay(&[], after.at));
    books.end(task).await;
}

/// Waits until it stands still, and returns why.
pub(crate) async fn trouble(evaluated: &Evaluated) -> String {
    let mut why = evaluated.stands_still.clone();
    why.wait_for(Option::is_some).await.unwrap().clone().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_state_cannot_be_read_it_says_why_and_does_not_hold_up_an_end() {
    let mut books = Books::new();
    books.add(5, 1.0);
    // The state's name is taken by a folder, which cannot be read.
    std::fs::create_dir(books.folder.path().join(saved::FILE)).unwrap();
    let (evaluated, task) = books.start(&[]);
    let why = trouble(&evaluated).await;
    assert!(why.contains("metric.evaluation: "), "{why}");
    assert!(evaluated.report().is_none());
    // It would try again in ten seconds.
    let begin = Instant::now();
    books.end(task).await;
    assert!(begin.elapsed() < AGAIN, "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_does_not_wait_for_what_is_far_behind_and_the_next_start_goes_on() {
    let mut books = Books::new();
    books.add(4 * NEAR, 1.0);
    let commits = books.store.commits();
    let plan = books.plan(&[]);
    drop(books.store);
    let (evaluated, task) = start(plan, commits, Clock::Manual(Arc::clone(&books.hand)));
    task.await.unwrap();
    let (has, all) = (evaluated.commit.load(Ordering::Relaxed), 4 * NEAR);
    assert!(has < all, "{has}");
    let store = Store::open(books.folder.path()).unwrap();
    let books = Books { store, ..books };
    let (evaluated, task) = books.start(&[]);
    let live = report(&evaluated, all).await;
    assert_eq!(*live, books.replay(&[], live.at));
    books.end(task).await;
}

#[test]
fn after_a_gap_nothing_waits_for_what_is_forgotten() {
    let mut books = Books::new();
    books.add(3, 1.0);
    let Plan { folder, settings, rules, .. } = books.plan(&["mae > 1"]);
    let mut bases = Bases::open(&folder).unwrap();
    let mut evaluation = Evaluation::new(settings, rules);
    evaluate::tell(&mut evaluation, &Next::Gap { first: 1, last: 2 }, &mut bases).unwrap();
    assert_eq!((evaluation.commit(), evaluation.is_all_forgotten()), (2, true));
    // A gap after something that was told of: it begins anew, with what was asked.
    let next = History::open(&folder).unwrap().read(3, Interest::Everything).unwrap().remove(0);
    evaluate::tell(&mut evaluation, &next, &mut bases).unwrap();
    assert_eq!(evaluation.report(9 * SECOND, |_, _| true).versions.len(), 1);
    evaluate::tell(&mut evaluation, &Next::Gap { first: 4, last: 9 }, &mut bases).unwrap();
    let report = evaluation.report(9 * SECOND, |_, _| true);
    assert_eq!((report.versions.len(), report.commit, report.alerts.len()), (0, 9, 1));
    let gap = report.gap.unwrap();
    assert_eq!((gap.first, gap.last), (1, 9));
}

/// What is told of alerts, in order: the rule, and whether it fires.
fn next_told(bodies: &std::sync::mpsc::Receiver<serde_json::Value>) -> (String, bool) {
    let body = tokio::task::block_in_place(|| bodies.recv_timeout(Duration::from_secs(60)));
    let body = body.expect("nothing is told");
    (body["groupLabels"]["rule"].as_str().unwrap().to_owned(), body["status"] == "firing")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_to_fire_is_told_to_have_ended_and_not_before() {
    let rule = "mae{window=30} > 0.5 for 1 keep 1";
    let (address, bodies) = crate::webhook::tests::receiver(vec![Some("200 OK"); 5]);
    let hook = || Some(Webhook::start(crate::webhook::tests::url(address)));
    let mut books = Books::new();
    books.add(60, 1.0);
    let begin = |books: &Books, rules: &[&str]| {
        let plan = Plan { webhook: hook(), ..books.plan(rules) };
        start(plan, books.store.commits(), Clock::Manual(Arc::clone(&books.hand)))
    };
    let (evaluated, task) = begin(&books, &[rule]);
    assert_eq!(next_told(&bodies), (rule.to_owned(), true));
    let folder = books.end(task).await;
    drop(evaluated);

    // While nobody looked, another version has come, of which too little is known: it is neither over nor told anew.
    let store = Store::open(folder.path()).unwrap();
    let mut books = Books { folder, store, hand: Hand::at(Timestamp(61 * SECOND)), rows: 60, version: "v2" };
    books.add(10, 0.0);
    let (evaluated, task) = begin(&books, &[rule]);
    assert_eq!(report(&evaluated, 70).await.alerts[0].state, State::Unknown);
    assert_eq!(next_told(&bodies), (rule.to_owned(), true));
    books.add(60, 0.0);
    assert_eq!(report(&evaluated, 130).await.alerts[0].state, State::Inactive);
    assert_eq!(next_told(&bodies), (rule.to_owned(), false));
    books.add(60, 2.0);
    assert_eq!(next_told(&bodies), (rule.to_owned(), true));
    let folder = books.end(task).await;
    drop(evaluated);

    // A rule that is not watched any more has ended too.
    let store = Store::open(folder.path()).unwrap();
    let books = Books { folder, store, hand: Hand::at(Timestamp(191 * SECOND)), rows: 190, version: "v2" };
    let (_evaluated, task) = begin(&books, &[]);
    assert_eq!(next_told(&bodies), (rule.to_owned(), false));
    books.end(task).await;
}
