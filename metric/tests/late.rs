//! Labels that come hours after their predictions, by a clock that is turned by hand, across restarts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metric::MetricOptions;
use metric::account::{Account, Rejected};
use metric::store::Reader;
use shared::clock::{Clock, Hand, Timestamp};
use shared::message::{Key, Label, ModelRole, Name, Outgoing, Prediction, Role, RowId};
use shared::readiness::Readiness;
use shared::service::Context;
use shared::stop::Stop;
use shared::transport::Transport;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const HOUR: i64 = 3_600_000;

/// A running `metric`.
struct Metric {
    stop: Stop,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Metric {
    fn start(transport: &Transport, folder: &Path, hand: &Arc<Hand>) -> Self {
        let stop = Stop::default();
        let context =
            Context { transport: transport.clone(), stop: stop.clone(), readiness: Readiness::default() };
        let options = MetricOptions::in_folder(folder);
        let clock = Clock::Manual(Arc::clone(hand));
        let task = tokio::spawn(metric::run(context, options, clock, watch::Sender::new(0)));
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.request();
        self.task.await.unwrap().unwrap();
    }
}

/// Waits until the account, as somebody beside `metric` reads it, is as wanted.
async fn account_is(folder: &Path, what: &str, wanted: impl Fn(&Account) -> bool) {
    let account = || Reader::open(folder).and_then(|reader| reader.account()).ok();
    wait_for(what, || account().as_ref().is_some_and(&wanted), || format!("{:?}", account())).await;
}

/// Waits for what the database says: `metric` tells nobody else.
async fn wait_for(what: &str, holds: impl Fn() -> bool, instead: impl Fn() -> String) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited for {what}: {}", instead());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Lets time pass in steps that the horizon's clock counts whole, whatever waited in a queue when it looked last, and
/// waits until each is written down. Returns the age that it leads to.
async fn pass(folder: &Path, hand: &Hand, before: i64, ms: i64) -> i64 {
    let mut age = before;
    while age < before + ms {
        let step = (before + ms - age).min(7 * HOUR);
        hand.advance(step);
        age += step;
        wait_for(&format!("the age {age}"), || age_of(folder) == age, || age_of(folder).to_string()).await;
    }
    age
}

/// The age that the database has.
fn age_of(folder: &Path) -> i64 {
    let db = rusqlite::Connection::open(folder.join("metric.db")).unwrap();
    db.query_row("SELECT age FROM state", [], |row| row.get(0)).unwrap()
}

fn prediction(id: &RowId) -> Outgoing {
    let prediction = Prediction {
        key: Key::Property(id.clone()),
        value: 1.5,
        model: Name::parse("m").ok(),
        model_version: None,
        role: ModelRole::Serving,
        published_at: None,
        features_published_at: None,
        vector: None,
    };
    prediction.encode("test", Timestamp(0))
}

fn label(id: &RowId) -> Outgoing {
    Label { key: Key::Property(id.clone()), value: 2.0, published_at: None }.encode("test", Timestamp(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_hours_late_across_restarts_are_joined_and_missing_ones_are_counted() {
    const ROWS: usize = 2000;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let transport = Transport::in_memory();
    let hand = Hand::at(Timestamp(1_795_194_245_123));
    let publisher = transport.publisher("test", &Stop::default(), &Readiness::default());
    let ids: Vec<RowId> = (0..ROWS).map(|_| RowId::unique()).collect();

    let metric = Metric::start(&transport, folder, &hand);
    publisher.publish(ids.iter().map(prediction).collect()).await.unwrap();
    account_is(folder, "the predictions", |account| account.predictions().received == ROWS as u64).await;
    metric.stop().await;
    // Six hours in which metric works, across three restarts. Somebody sets the clock meanwhile.
    let mut age = 0;
    for (round, jump) in [-HOUR, HOUR, 0].into_iter().enumerate() {
        let metric = Metric::start(&transport, folder, &hand);
        // A repetition, which is one after a restart too, shows that it works.
        publisher.publish(vec![prediction(&ids[0])]).await.unwrap();
        let seen = |account: &Account| account.predictions().duplicates == round as u64 + 1;
        account_is(folder, "the repetition", seen).await;
        age = pass(folder, &hand, age, 2 * HOUR).await;
        hand.set_wall(Timestamp(1_795_194_245_123 + jump));
        metric.stop().await;
    }

    // Every twentieth label never comes.
    let metric = Metric::start(&transport, folder, &hand);
    let sent: Vec<Outgoing> =
        ids.iter().enumerate().filter(|(row, _)| row % 20 != 0).map(|(_, id)| label(id)).collect();
    let missing = ROWS as u64 / 20;
    publisher.publish(sent).await.unwrap();
    account_is(folder, "the labels", |account| account.labels.scored == ROWS as u64 - missing).await;
    let pending = |account: &Account| account.predictions().pending() == missing;
    account_is(folder, "the missing ones to wait", pending).await;

    // A clock that is set forward by an hour, twenty minutes before the horizon, expires nothing.
    age = pass(folder, &hand, age, 17 * HOUR + HOUR * 2 / 3).await;
    hand.set_wall(Timestamp(1_795_194_245_123 + 100 * HOUR));
    publisher.publish(vec![prediction(&RowId::unique())]).await.unwrap();
    account_is(folder, "one more", |account| account.predictions().received == ROWS as u64 + 1).await;
    account_is(folder, "all to wait still", |account| account.predictions().pending() == missing + 1).await;
    pass(folder, &hand, age, HOUR / 3).await;
    account_is(folder, "what waits in vain to expire", |account| {
        let predictions = account.predictions();
        predictions.expired == missing && predictions.pending() == 1
    })
    .await;

    // One that comes after all is late, and waits for another model's prediction.
    publisher.publish(vec![label(&ids[0])]).await.unwrap();
    account_is(folder, "the late label", |account| account.labels.late == 1).await;
    metric.stop().await;
    let account = Reader::open(folder).unwrap().account().unwrap();
    let labels = account.labels;
    assert_eq!(
        (labels.received, labels.scored, labels.pending()),
        (ROWS as u64 - missing + 1, ROWS as u64 - missing, 1)
    );
    let shown = std::fs::read_to_string(folder.join("metric_log.csv")).unwrap();
    assert_eq!(shown.lines().count() as u64, 1 + ROWS as u64 - missing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_waits_for_a_model_holds_the_clock_in_memory_too() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let transport = Transport::in_memory();
    let hand = Hand::at(Timestamp(1_795_194_245_123));
    let (stop, readiness) = (Stop::default(), Readiness::default());
    let publisher = transport.publisher("test", &stop, &readiness);
    let [first, second, other] = [(); 3].map(|()| RowId::unique());
    // Before metric starts, so that its first look finds it.
    publisher.publish(vec![Outgoing { role: Role::Features, ..label(&first) }]).await.unwrap();
    let metric = Metric::start(&transport, folder, &hand);
    publisher.publish(vec![label(&first), label(&second)]).await.unwrap();
    account_is(folder, "the labels", |account| account.labels.pending() == 2).await;
    // A third of the horizon counts at the most: what had passed before the first look.
    hand.advance(100 * HOUR);
    publisher.publish(vec![label(&other)]).await.unwrap();
    account_is(folder, "one more", |account| account.labels.pending() == 3).await;
    assert!(age_of(folder) <= 8 * HOUR);
    publisher.publish(vec![prediction(&first)]).await.unwrap();
    account_is(folder, "the prediction", |account| account.labels.scored == 1).await;

    // A model takes the row. From the look that finds the queue empty on, time counts.
    let features = transport.subscription(Role::Features);
    let mut model = transport.consumer("test", features, 1, &stop, &readiness);
    model.take(1).await.unwrap().ack().await;
    let goes_on = || {
        hand.advance(HOUR);
        age_of(folder) >= 24 * HOUR
    };
    wait_for("the clock to go on", goes_on, || age_of(folder).to_string()).await;
    account_is(folder, "the others to expire", |account| account.labels.expired == 2).await;
    metric.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_is_counted_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let transport = Transport::in_memory();
    let publisher = transport.publisher("test", &Stop::default(), &Readiness::default());
    let metric = Metric::start(&transport, folder, &Hand::at(Timestamp(0)));
    let spoilt = |message: Outgoing| Outgoing { body: b"no JSON".to_vec(), ..message };
    let id = RowId::unique();
    publisher.publish(vec![spoilt(label(&id))]).await.unwrap();
    account_is(folder, "the label", |account| account.rejected == Rejected { labels: 1, predictions: 0 })
        .await;
    publisher.publish(vec![spoilt(prediction(&id)), spoilt(prediction(&id))]).await.unwrap();
    account_is(folder, "the predictions", |account| {
        account.rejected == Rejected { labels: 1, predictions: 2 }
    })
    .await;
    metric.stop().await;
}
