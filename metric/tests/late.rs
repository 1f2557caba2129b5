//! Labels that come hours after their predictions, by a clock that is turned by hand, across restarts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metric::MetricOptions;
use metric::account::Account;
use metric::store::Reader;
use shared::clock::{Clock, Hand, Timestamp};
use shared::message::{Key, Label, Name, Outgoing, Prediction};
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
    let start = Instant::now();
    let mut account = None;
    while start.elapsed() < Duration::from_secs(30) {
        account = Reader::open(folder).and_then(|reader| reader.account()).ok();
        if account.as_ref().is_some_and(&wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited for {what}: {account:?}");
}

fn prediction(id: &Name) -> Outgoing {
    let prediction = Prediction {
        key: Key::Property(id.clone()),
        value: 1.5,
        model: Name::parse("m").ok(),
        model_version: None,
        published_at: None,
        features_published_at: None,
    };
    prediction.encode("test", Timestamp(0))
}

fn label(id: &Name) -> Outgoing {
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
    let ids: Vec<Name> = (0..ROWS).map(|_| Name::unique()).collect();

    let metric = Metric::start(&transport, folder, &hand);
    publisher.publish(ids.iter().map(prediction).collect()).await.unwrap();
    account_is(folder, "the predictions", |account| account.predictions().received == ROWS as u64).await;
    metric.stop().await;
    // Six hours in which metric works, across three restarts. Somebody sets the clock meanwhile.
    for (round, jump) in [-HOUR, HOUR, 0].into_iter().enumerate() {
        let metric = Metric::start(&transport, folder, &hand);
        // A repetition, which is one after a restart too, shows that it works.
        publisher.publish(vec![prediction(&ids[0])]).await.unwrap();
        let seen = |account: &Account| account.predictions().duplicates == round as u64 + 1;
        account_is(folder, "the repetition", seen).await;
        hand.advance(2 * HOUR);
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
    hand.advance(17 * HOUR + HOUR * 2 / 3);
    hand.set_wall(Timestamp(1_795_194_245_123 + 100 * HOUR));
    publisher.publish(vec![prediction(&Name::unique())]).await.unwrap();
    account_is(folder, "one more", |account| account.predictions().received == ROWS as u64 + 1).await;
    account_is(folder, "all to wait still", |account| account.predictions().pending() == missing + 1).await;
    hand.advance(HOUR / 3);
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
