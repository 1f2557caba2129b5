//! Takes rows from their queue in micro-batches and publishes a prediction for each.

use std::sync::Arc;

use anyhow::Context as _;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use futures_util::{FutureExt as _, StreamExt as _};
use shared::clock::Timestamp;
use shared::message::{Asking, Incoming as _, Outgoing, Prediction, Rejection, Reply, Role};
use shared::metrics::Counter;
use shared::service;
use shared::trace;
use shared::transport::{Batch, Burial, DeadLetter, Delivery, Error, Publisher, Replier, SideQueue};
use tokio::sync::watch;
use tokio::task::{self, JoinSet};
use tracing::{Instrument as _, Span, debug};

use crate::answer::{Refused, Told, Unpredicted, answer};
use crate::challenger::challenge;
use crate::decided;
use crate::doors::ask::Asks;
use crate::doors::http::{Doors, Port};
use crate::inputs::Outside;
use crate::load::Loader;
use crate::options::{AnswerOptions, ServeOptions, ShadowWhen, VersionOptions};
use crate::predictor::Predictor;
use crate::shadow::{Group, Shadows};
use crate::swap::{ModelKeeper, Serving};
use crate::versions::{Folder, Versions};

/// The service's name in its messages' property `app_id`.
pub(crate) const APP: &str = "model";
/// How many messages a micro-batch has at the most.
pub(crate) const BATCH: usize = 256;
/// How many micro-batches are under way at once.
pub(crate) const DEPTH: usize = 3;
/// How many messages are held unacknowledged at the most: those under way and as many waiting.
pub(crate) const PREFETCH: u16 = 1536;

/// The models that are shown are as many as `metric` shows.
static PREDICTIONS: Counter<2> =
    Counter::new("pipeline_predictions_total", "Rows that this process has predicted.", ["model", "version"])
        .of_latest(20);
static OUT_OF_RANGE: Counter<3> = Counter::new(
    "pipeline_out_of_range_total",
    "Features beyond what the model was trained on, in rows that were predicted nevertheless.",
    ["model", "version", "feature"],
);

/// Serves until a stop is requested; then finishes the batches that are under way. Without a valid model, takes nothing
/// and waits for one.
///
/// # Errors
/// An incompatible broker, or no port for HTTP.
pub async fn run(context: service::Context, options: ServeOptions) -> anyhow::Result<()> {
    if let Some(name) = options.challenger.clone() {
        return challenge(context, options, name).await;
    }
    let doors = Doors { close: context.stop.clone(), ..Doors::default() };
    run_with(context, options, doors).await
}

/// The same where the doors beside the queues are closed before the stop, so that what came by them can still be taken.
///
/// # Errors
/// As [`run`].
pub async fn run_with(context: service::Context, options: ServeOptions, doors: Doors) -> anyhow::Result<()> {
    let ended = serve(context, options, &doors).await;
    doors.closed.request();
    ended
}

async fn serve(context: service::Context, options: ServeOptions, doors: &Doors) -> anyhow::Result<()> {
    let service::Context { transport, stop, readiness } = context;
    let has_model = readiness.condition("a valid model");
    let name = &options.answers.model_name;
    let (keeper, mut serving) = ModelKeeper::new(&options.model, name, Loader::of_this_program());
    let VersionOptions { versions, shadow } = &options.versions;
    let keeper = keeper.with_versions(Versions::new(versions.as_deref().map(Folder::at)));
    let (keeper, shadow) = match shadow {
        ShadowWhen::On => keeper.with_shadow(),
        ShadowWhen::Off => (keeper, watch::channel(None).1),
    };
    let shadows = Shadows::new(shadow, &options.answers);
    let (announcements, decisions) = (keeper.announcements(), keeper.decisions());
    let beside = (serving.clone(), shadows.clone());
    let port = Port::open(APP, &options.http, &options.answers, beside).await?;
    // Aborted when this function ends.
    let mut keeping = JoinSet::new();
    keeping.spawn(keeper.keep());
    let there = tokio::select! {
        there = serving.wait_for(Option::is_some) => Some(there.map(drop)),
        () = stop.requested() => None,
    };
    match there {
        Some(there) => there.context("the task that watches the model file has ended")?,
        None => {
            port.close().await;
            return Ok(());
        }
    }
    // Not before there is a model: what a consumer holds, no other model can take.
    let publisher = transport.publisher(APP, &stop, &readiness);
    let has_place = readiness.condition("a queue for predictions");
    has_model.set(true);
    port.records_with(&publisher);
    let closed = doors.clone();
    let closing = tokio::spawn(async move {
        closed.close.requested().await;
        port.close().await;
        closed.closed.request();
    });
    tokio::select! {
        there = publisher.has_place(Role::Prediction) => there?,
        () = stop.requested() => {
            doors.close.request();
            closing.await?;
            publisher.close().await;
            return Ok(());
        }
    }
    // On the side: no row waits for a card.
    keeping.spawn(announcements.publish(APP, publisher.clone()));
    let rows = transport.subscription(Role::Features);
    let mut consumer = transport.consumer(APP, rows, PREFETCH, &stop, &readiness);
    has_place.set(true);
    let replier = publisher.replier();
    // Beside the rows, so that no question waits behind them.
    let asks = Asks {
        app: APP,
        serving: serving.clone(),
        options: options.answers.clone(),
        replier: replier.clone(),
    };
    keeping.spawn(asks.answer(consumer.aside(SideQueue::Asks)));
    keeping.spawn(decided::hear(consumer.control(), options.answers.model_name.clone(), decisions));
    let server = Server { serving, shadows, options: options.answers, publisher, replier };

    let mut flight = FuturesOrdered::new();
    // Dead letters wait for their confirms on the side: one that is not taken must not hold up what is good.
    let mut letters = FuturesUnordered::new();
    // Nor does a row wait until the broker was told of others.
    let mut acks = FuturesUnordered::new();
    let result = loop {
        let taking = flight.len() < DEPTH && !stop.is_requested() && !server.publisher.is_overfull();
        tokio::select! {
            Some(answered) = flight.next() => {
                let Answered { mut batch, rejected } = match answered {
                    Ok(answered) => answered,
                    Err(why) => break Err(why),
                };
                let (indices, dead): (Vec<usize>, Vec<Vec<DeadLetter>>) = rejected.into_iter().unzip();
                for (aside, dead) in batch.set_aside(&indices).into_iter().zip(dead) {
                    let burial = server.publisher.bury_all(dead);
                    letters.push(async move { burial.await.map(|burial| (burial, aside)) });
                }
                acks.push(batch.ack().boxed());
            }
            Some(()) = acks.next() => {}
            Some(buried) = letters.next() => match buried {
                Ok((Burial::Confirmed, aside)) => acks.push(aside.ack().boxed()),
                Ok((Burial::GivenBack, aside)) => drop(aside),
                Err(why) => break Err(why),
            },
            () = stop.requested(), if flight.is_empty() && letters.is_empty() => break Ok(()),
            taken = consumer.take(BATCH), if taking => match taken {
                Ok(batch) => {
                    let span = batch.span();
                    flight.push_back(server.answer(batch).instrument(span));
                }
                Err(why) => break Err(why),
            },
        }
    };
    drop((flight, letters));
    consumer.close().await;
    acks.collect::<()>().await;
    if result.is_ok() {
        doors.close.request();
        closing.await?;
    }
    server.replier.finish().await;
    server.publisher.close().await;
    Ok(result?)
}

struct Server {
    serving: Serving,
    shadows: Shadows,
    options: AnswerOptions,
    publisher: Publisher,
    replier: Replier,
}

/// A batch whose predictions are safe, and what of it cannot be used, by its message's place in the batch.
struct Answered {
    batch: Batch,
    rejected: Vec<(usize, Vec<DeadLetter>)>,
}

impl Server {
    /// Publishes what the model says of each row, and hands the batch back to be acknowledged.
    async fn answer(&self, batch: Batch) -> Result<Answered, Error> {
        // Once a batch, so that a batch never mixes models.
        let Some(predictor) = self.serving.borrow().clone() else {
            unreachable!("nothing is taken before there is a model, and a model is only ever replaced")
        };
        let now = Timestamp::now();
        let beside = self.shadows.begin(&predictor, || {
            let deliveries = batch.deliveries.clone();
            move |before: &Predictor, options: &AnswerOptions| {
                answer(before, options, &deliveries, now, |delivery| harmless(delivery, before), |_| {})
            }
        });
        let options = self.options.clone();
        let (answers, batch) = stepped(predictor, batch, move |predictor, batch| {
            step(predictor, &options, &batch.deliveries, now)
        })
        .await?;
        let Answers { mut predictions, rejected, replies, predicted, unpredicted } = answers;
        // With the others, so that no crash leaves one without the other.
        if let Some(beside) = beside {
            let both = |told: Vec<Told>| {
                let both = told.into_iter().zip(&unpredicted);
                both.map(|(told, by_other)| Group {
                    together: told.together,
                    predictions: told.also(by_other),
                })
                .collect()
            };
            let groups = beside.predictions(predicted, both).await;
            for (Group { together, predictions: of_before }, delivery) in groups.iter().zip(&batch.deliveries)
            {
                predictions.extend(messages(*together, of_before, now, delivery.trace().as_ref()));
            }
        }
        self.publisher.publish(predictions).await?;
        replies.into_iter().for_each(|reply| self.replier.send(reply));
        Ok(Answered { batch, rejected })
    }
}

/// Has a model make its step of a batch, on a thread of its own where that may take long. The batch comes back with it.
pub(crate) async fn stepped<T: Send + 'static>(
    predictor: Arc<Predictor>,
    batch: Batch,
    step: impl FnOnce(&Predictor, &Batch) -> T + Send + 'static,
) -> Result<(T, Batch), Error> {
    if !predictor.is_slow() {
        return Ok((step(&predictor, &batch), batch));
    }
    let span = Span::current();
    let made = task::spawn_blocking(move || {
        let _entered = span.enter();
        (step(&predictor, &batch), batch)
    });
    match made.await {
        Ok(made) => Ok(made),
        // What it took goes back to its queue, since the batch went with it.
        Err(why) => match why.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Stopped),
        },
    }
}

/// What becomes of a micro-batch.
#[derive(Debug, Default)]
pub struct Answers {
    /// What the model says, ready to be published: for each message one of the same form, or several where what was predicted
    /// from does not fit into one.
    pub predictions: Vec<Outgoing>,
    /// The rows that cannot be used, each as a letter, by the index of their message in the batch, in ascending order.
    pub rejected: Vec<(usize, Vec<DeadLetter>)>,
    /// What goes to whoever asked, besides.
    pub replies: Vec<Reply>,
    /// How many rows are predicted.
    pub predicted: usize,
    /// Which rows of each message are not.
    unpredicted: Vec<Unpredicted>,
}

/// One micro-batch: a prediction for every row that can be used, a dead letter for every other one.
#[must_use]
pub fn step(
    predictor: &Predictor,
    options: &AnswerOptions,
    deliveries: &[Delivery],
    now: Timestamp,
) -> Answers {
    let told = answer(predictor, options, deliveries, now, survivable, |outside| {
        count_outside(options, predictor, outside);
    });
    let mut answers = Answers { predictions: Vec::with_capacity(deliveries.len()), ..Answers::default() };
    for (message, (delivery, told)) in deliveries.iter().zip(told).enumerate() {
        if let Some(asking) = Asking::of(delivery) {
            answers.replies.extend(told.replies(&asking, delivery, APP, now));
        }
        answers.unpredicted.push(told.unpredicted());
        let Told { together, predictions, refused } = told;
        answers.predicted += predictions.len();
        answers.predictions.extend(messages(together, &predictions, now, delivery.trace().as_ref()));
        match refused {
            Refused::Rows(rows) if rows.is_empty() => {}
            Refused::Rows(rows) => {
                let rows = rows.into_iter().map(|row| (row.index, row.why)).collect();
                answers.rejected.push((message, delivery.reject_items(rows, APP)));
            }
            Refused::All(why) => answers.rejected.push((message, vec![delivery.reject(why, APP)])),
        }
    }
    count_predicted(options, predictor, answers.predicted as u64);
    debug!("predicted {} rows of {} messages", answers.predicted, deliveries.len());
    answers
}

/// Predictions of a message's rows, in the form in which those came, and as part of the trace that they are in.
pub(crate) fn messages(
    together: bool,
    predictions: &[Prediction],
    now: Timestamp,
    trace: Option<&trace::Context>,
) -> Vec<Outgoing> {
    let messages = if together && !predictions.is_empty() {
        Prediction::encode_together(predictions, APP, now)
    } else {
        predictions.iter().map(|prediction| prediction.encode(APP, now)).collect()
    };
    if trace.is_none() {
        messages
    } else {
        messages.into_iter().map(|message| message.within(trace.cloned())).collect()
    }
}

/// Counts rows that were predicted, through whichever door they came.
pub(crate) fn count_predicted(options: &AnswerOptions, predictor: &Predictor, rows: u64) {
    PREDICTIONS.add([options.model_name.as_str(), predictor.version().as_str()], rows);
}

/// Counts a feature of them that is beyond what the model was trained on.
pub(crate) fn count_outside(options: &AnswerOptions, predictor: &Predictor, outside: &Outside) {
    debug!("predicting outside the trained range: {outside}");
    OUT_OF_RANGE.add([options.model_name.as_str(), predictor.version().as_str(), &outside.name], 1);
}

/// Refuses what a process may have died of that predicted in the shadow: it must not die of that again.
fn harmless(delivery: &Delivery, before: &Predictor) -> Result<(), Rejection> {
    if before.is_slow() && delivery.redelivered() {
        return Err(Rejection::new(Rejection::CRASHES, "delivered before"));
    }
    survivable(delivery)
}

/// Refuses what was handed out again and again, lately with no other, and that nobody was done with.
pub(crate) fn survivable(delivery: &Delivery) -> Result<(), Rejection> {
    if delivery.is_deadly() {
        let detail = "delivered ten times and never finished, the last times alone";
        return Err(Rejection::new(Rejection::CRASHES, detail));
    }
    Ok(())
}
