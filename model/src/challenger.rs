//! A challenger: predicts the rows that the serving model predicts, from a queue of its own, to be compared on the same labels.
//!
//! Whatever becomes of it, nothing else is touched: its queue drops its oldest, what it cannot read is counted and writes no dead
//! letter, and nobody asks it.

mod lag;

use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use shared::admin::Listen;
use shared::clock::Timestamp;
use shared::message::{Incoming as _, ModelRole, Name, Outgoing, Rejection};
use shared::metrics::Counter;
use shared::service;
use shared::transport::{Batch, Delivery, Error, Publisher};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use self::lag::{Lag, News};
use crate::answer::{Refused, answer};
use crate::load::Loader;
use crate::options::{AnswerOptions, ServeOptions};
use crate::predictor::Predictor;
use crate::serve::{APP, BATCH, DEPTH, PREFETCH, count_predicted, messages, stepped, survivable};
use crate::swap::{ModelKeeper, Serving};

static REFUSED: Counter<2> = Counter::new(
    "pipeline_challenger_refused_total",
    "Rows and messages that a challenger could not predict. They are no dead letters: those are the serving model's.",
    ["model", "reason"],
);

/// Predicts until a stop is requested; then finishes the batches that are under way.
///
/// # Errors
/// An incompatible broker, or a port for HTTP that is wanted.
pub(crate) async fn challenge(
    context: service::Context,
    options: ServeOptions,
    name: Name,
) -> anyhow::Result<()> {
    ensure!(
        options.http.http_addr == Listen::Off,
        "a challenger answers nobody: leave --http-addr out, or --challenger"
    );
    let service::Context { transport, stop, readiness } = context;
    let has_model = readiness.condition("a valid model");
    let options = (
        options.model,
        AnswerOptions {
            model_name: name.clone(),
            // The prediction of the one that serves has them.
            no_features: true,
            role: ModelRole::Challenger,
            ..options.answers
        },
    );
    let (file, options) = options;
    let (keeper, mut serving) = ModelKeeper::new(&file, &name, Loader::of_this_program());
    let announcements = keeper.announcements();
    // Aborted when this function ends.
    let mut keeping = JoinSet::new();
    keeping.spawn(keeper.keep());
    tokio::select! {
        there = serving.wait_for(Option::is_some) => {
            _ = there.context("the task that watches the model file has ended")?;
        }
        () = stop.requested() => return Ok(()),
    }
    let publisher = transport.publisher(APP, &stop, &readiness);
    has_model.set(true);
    keeping.spawn(announcements.publish(APP, publisher.clone()));
    let mut consumer = transport.consumer(APP, transport.challenger(&name), PREFETCH, &stop, &readiness);
    let challenger = Challenger { serving, options, publisher, lag: Mutex::default() };
    let (mut flight, mut acks) = (FuturesOrdered::new(), FuturesUnordered::new());
    let result = loop {
        let taking = flight.len() < DEPTH && !stop.is_requested();
        tokio::select! {
            Some(predicted) = flight.next() => match predicted {
                Ok(batch) => acks.push(Batch::ack(batch)),
                Err(why) => break Err(why),
            },
            Some(()) = acks.next() => {}
            () = stop.requested(), if flight.is_empty() => break Ok(()),
            taken = consumer.take(BATCH), if taking => match taken {
                Ok(batch) => flight.push_back(challenger.predict(batch)),
                Err(why) => break Err(why),
            },
        }
    };
    drop(flight);
    consumer.close().await;
    acks.collect::<()>().await;
    challenger.publisher.close().await;
    Ok(result?)
}

struct Challenger {
    serving: Serving,
    options: AnswerOptions,
    publisher: Publisher,
    lag: Mutex<Lag>,
}

impl Challenger {
    /// Publishes what it says of each row, and hands the batch back to be acknowledged.
    async fn predict(&self, batch: Batch) -> Result<Batch, Error> {
        let Some(predictor) = self.serving.borrow().clone() else {
            unreachable!("nothing is taken before there is a model, and a model is only ever replaced")
        };
        let now = Timestamp::now();
        let options = self.options.clone();
        let ((predictions, oldest), batch) = stepped(predictor, batch, move |predictor, batch| {
            step(predictor, &options, &batch.deliveries, now)
        })
        .await?;
        self.publisher.publish(predictions).await?;
        if let Some(oldest) = oldest {
            self.say_whether_behind(now, oldest);
        }
        Ok(batch)
    }

    fn say_whether_behind(&self, now: Timestamp, oldest: Timestamp) {
        let news = self.lag.lock().unwrap_or_else(PoisonError::into_inner).note(lag::age(now, oldest));
        let name = &self.options.model_name;
        match news {
            Some(News::Behind(age)) => warn!(
                "the challenger {name} is behind: it predicts rows that were published {} s ago. Its queue drops the \
                 oldest when it is full; what it drops is missing when versions are compared, and nowhere else",
                age.as_secs()
            ),
            Some(News::CaughtUp) => info!("the challenger {name} has caught up"),
            None => {}
        }
    }
}

/// Its predictions, ready to be published, and when the first of their rows was. What it cannot predict is counted.
fn step(
    predictor: &Predictor,
    options: &AnswerOptions,
    deliveries: &[Delivery],
    now: Timestamp,
) -> (Vec<Outgoing>, Option<Timestamp>) {
    let refused = |why: &Rejection| REFUSED.add([options.model_name.as_str(), why.reason], 1);
    let (mut all, mut predicted, mut oldest) = (Vec::with_capacity(deliveries.len()), 0, None);
    let all_told = answer(predictor, options, deliveries, now, survivable, |_| {});
    for (told, delivery) in all_told.into_iter().zip(deliveries) {
        predicted += told.predictions.len();
        let published = told.predictions.iter().filter_map(|of| of.features_published_at);
        oldest = oldest.into_iter().chain(published).min();
        all.extend(messages(told.together, &told.predictions, now, delivery.trace().as_ref()));
        match &told.refused {
            Refused::Rows(rows) => rows.iter().for_each(|row| refused(&row.why)),
            Refused::All(why) => refused(why),
        }
    }
    count_predicted(options, predictor, predicted as u64);
    debug!("predicted {predicted} rows of {} messages", deliveries.len());
    (all, oldest)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use shared::message::{Asking, Prediction, Role};
    use shared::readiness::Readiness;
    use shared::stop::Stop;
    use shared::trace;
    use shared::transport::Transport;

    use super::*;
    use crate::VersionOptions;

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn row(id: &str, body: &str) -> Outgoing {
        Outgoing {
            role: Role::Features,
            message_id: Some(id.into()),
            content_type: Some("application/json"),
            app: "test",
            timestamp: 0,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
            asking: Some(Asking { reply_to: "somebody".into(), correlation_id: None }),
            trace: trace::Context::read(TRACE, None),
        }
    }

    #[tokio::test]
    async fn it_predicts_the_same_rows_under_its_own_name_and_writes_no_letters() {
        let transport = Transport::in_memory();
        let Transport::Memory(broker) = &transport else { panic!("in memory") };
        let (stop, readiness) = (Stop::default(), Readiness::default());
        let name = Name::parse("rival").unwrap();
        let options = ServeOptions {
            model: Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/model.json"),
            answers: AnswerOptions {
                model_name: Name::parse("model").unwrap(),
                strict: false,
                no_features: false,
                predictions_key: "body".parse().unwrap(),
                role: ModelRole::Serving,
            },
            versions: VersionOptions::default(),
            challenger: Some(name.clone()),
            http: crate::HttpOptions::default(),
        };
        let publisher = transport.publisher("test", &stop, &readiness);
        // Its queue gets what is published once it is there.
        drop(transport.consumer("test", transport.challenger(&name), 1, &stop, &readiness));
        let good = format!("[{}]", ["0.05"; 10].join(","));
        publisher.publish(vec![row("a", &good), row("b", "no JSON"), row("c", &good)]).await.unwrap();
        let context = service::Context { transport: transport.clone(), stop: stop.clone(), readiness };
        let challenging = tokio::spawn(crate::run(context, options));
        let predictions = transport.subscription(Role::Prediction);
        let mut consumer = transport.consumer("test", predictions, 10, &stop, &Readiness::default());
        for id in ["a", "c"] {
            let batch = consumer.take(1).await.unwrap();
            let prediction = Prediction::decode(&batch.deliveries[0]).unwrap().only().unwrap();
            assert_eq!(prediction.key.id().unwrap().to_string(), id);
            assert_eq!((prediction.model, prediction.role), (Some(name.clone()), ModelRole::Challenger));
            assert!(prediction.vector.is_none());
            assert_eq!(batch.deliveries[0].trace().unwrap().parent(), TRACE);
            batch.ack().await;
        }
        stop.request();
        challenging.await.unwrap().unwrap();
        assert!(broker.dead_letters(Role::Features).is_empty());
        // The serving model has its rows.
        let rows = transport.subscription(Role::Features);
        let mut consumer = transport.consumer("test", rows, 10, &stop, &Readiness::default());
        assert_eq!(consumer.take(10).await.unwrap().deliveries.len(), 3);
    }
}
