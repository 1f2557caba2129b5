//! `metric` in the tests' own process, by a clock that is turned by hand.

use std::sync::Arc;

use metric::MetricOptions;
use shared::clock::{Clock, Hand};
use shared::readiness::Readiness;
use shared::service::Context;
use shared::stop::Stop;
use shared::transport::{Endpoint, QueueKind, Transport};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::processes::Services;

/// `metric` that records to the books of these services.
pub struct Metric {
    stop: Stop,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Metric {
    pub fn start(services: &Services, hand: &Arc<Hand>) -> Self {
        let endpoint = Endpoint::from_url(&services.url, QueueKind::Quorum).unwrap();
        let stop = Stop::default();
        let context = Context {
            transport: Transport::Amqp(endpoint),
            stop: stop.clone(),
            readiness: Readiness::default(),
        };
        let options = MetricOptions::in_folder(&services.books.logs());
        let clock = Clock::Manual(Arc::clone(hand));
        let task = tokio::spawn(metric::run(context, options, clock, watch::Sender::new(0)));
        Self { stop, task }
    }

    pub async fn stop(self) {
        self.stop.request();
        self.task.await.unwrap().unwrap();
    }
}
