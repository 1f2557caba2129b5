//! `metric` in the tests' own process, by a clock that is turned by hand.

use std::sync::Arc;

use metric::{MetricOptions, TextFiles};
use shared::clock::{Clock, Hand, Timestamp};
use shared::readiness::Readiness;
use shared::service::Context;
use shared::stop::Stop;
use shared::transport::{Endpoint, QueueKind, Transport};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::feed::Feed;
use crate::processes::Services;

/// `metric` that records to the books of these services.
pub struct Metric {
    stop: Stop,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Metric {
    pub fn start(services: &Services, hand: &Arc<Hand>) -> Self {
        Self::start_with(MetricOptions::in_folder(&services.books.logs()), services, hand)
    }

    fn start_with(options: MetricOptions, services: &Services, hand: &Arc<Hand>) -> Self {
        let endpoint = Endpoint::from_url(&services.url, QueueKind::Quorum).unwrap();
        let stop = Stop::default();
        let context = Context {
            transport: Transport::Amqp(endpoint),
            stop: stop.clone(),
            readiness: Readiness::default(),
        };
        let clock = Clock::Manual(Arc::clone(hand));
        let task = tokio::spawn(metric::run(context, options, clock, watch::Sender::new(0)));
        Self { stop, task }
    }

    pub async fn stop(self) {
        self.stop.request();
        self.task.await.unwrap().unwrap();
    }
}

/// Has the labels of these rows and the predictions of the first half recorded on a day that is over, 2026-11-20. Returns
/// what is in the files of that day.
pub async fn on_another_day(services: &Services, feed: &Feed, rows: usize) -> [Vec<u8>; 2] {
    feed.labels(0..rows).await;
    feed.predictions(0..rows / 2).await;
    let logs = services.books.logs();
    let options = MetricOptions { text: TextFiles::Daily, ..MetricOptions::in_folder(&logs) };
    let metric = Metric::start_with(options, services, &Hand::at(Timestamp(1_795_194_245_123)));
    services.books.settle_exactly().await;
    metric.stop().await;
    services.books.texts()
}
