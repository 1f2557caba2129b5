//! Takes rows from their queue in micro-batches and publishes a prediction for each.

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use shared::clock::Timestamp;
use shared::message::{Asking, Outgoing, Prediction, Rejection, Reply, Role};
use shared::metrics::Counter;
use shared::service;
use shared::transport::{Batch, Burial, DeadLetter, Delivery, Error, Publisher, Replier, SideQueue};
use tokio::task::{self, JoinSet};
use tracing::{Instrument as _, Span, debug};

use crate::answer::{Refused, Told, answer};
use crate::doors::ask::Asks;
use crate::inputs::Outside;
use crate::load::Loader;
use crate::options::{AnswerOptions, ServeOptions};
use crate::predictor::Predictor;
use crate::swap::{ModelKeeper, Serving};

/// The service's name in its messages' property `app_id`.
const APP: &str = "model";
/// How many messages a micro-batch has at the most.
const BATCH: usize = 256;
/// How many micro-batches are under way at once.
const DEPTH: usize = 3;
/// How many messages are held unacknowledged at the most: those under way and as many waiting.
const PREFETCH: u16 = 1536;

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
/// An incompatible broker.
pub async fn run(context: service::Context, options: ServeOptions) -> anyhow::Result<()> {
    let service::Context { transport, stop, readiness } = context;
    let has_model = readiness.condition("a valid model");
    let (keeper, mut serving) =
        ModelKeeper::new(&options.model, &options.answers.model_name, Loader::of_this_program());
    let announcements = keeper.announcements();
    // Aborted when this function ends.
    let mut keeping = JoinSet::new();
    keeping.spawn(keeper.keep());
    tokio::select! {
        there = serving.wait_for(Option::is_some) => {
            there.context("the task that watches the model file has ended")?;
        }
        () = stop.requested() => return Ok(()),
    }
    // Not before there is a model: what a consumer holds, no other model can take.
    let publisher = transport.publisher(APP, &stop, &readiness);
    let has_place = readiness.condition("a queue for predictions");
    has_model.set(true);
    tokio::select! {
        there = publisher.has_place(Role::Prediction) => there?,
        () = stop.requested() => {
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
    let server = Server { serving, options: options.answers, publisher, replier };

    let mut flight = FuturesOrdered::new();
    // Dead letters wait for their confirms on the side: one that is not taken must not hold up what is good.
    let mut letters = FuturesUnordered::new();
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
                batch.ack().await;
            }
            Some(buried) = letters.next() => match buried {
                Ok((Burial::Confirmed, aside)) => aside.ack().await,
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
    server.replier.finish().await;
    server.publisher.close().await;
    Ok(result?)
}

struct Server {
    serving: Serving,
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
        let (Answers { predictions, rejected, replies }, batch) = if predictor.is_slow() {
            let options = self.options.clone();
            let span = Span::current();
            let stepped = task::spawn_blocking(move || {
                let _entered = span.enter();
                (step(&predictor, &options, &batch.deliveries, now), batch)
            });
            match stepped.await {
                Ok(stepped) => stepped,
                // What it took goes back to its queue, since the batch went with it.
                Err(why) => match why.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => return Err(Error::Stopped),
                },
            }
        } else {
            (step(&predictor, &self.options, &batch.deliveries, now), batch)
        };
        self.publisher.publish(predictions).await?;
        replies.into_iter().for_each(|reply| self.replier.send(reply));
        Ok(Answered { batch, rejected })
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
}

/// One micro-batch: a prediction for every row that can be used, a dead letter for every other one.
#[must_use]
pub fn step(
    predictor: &Predictor,
    options: &AnswerOptions,
    deliveries: &[Delivery],
    now: Timestamp,
) -> Answers {
    let count_outside = |outside: &Outside| {
        debug!("predicting outside the trained range: {outside}");
        let (model, version) = (options.model_name.as_str(), predictor.version().as_str());
        OUT_OF_RANGE.add([model, version, &outside.name], 1);
    };
    let told = answer(predictor, options, deliveries, now, survivable, count_outside);
    let mut answers = Answers { predictions: Vec::with_capacity(deliveries.len()), ..Answers::default() };
    let mut predicted = 0;
    for (message, (delivery, told)) in deliveries.iter().zip(told).enumerate() {
        if let Some(asking) = Asking::of(delivery) {
            answers.replies.extend(told.replies(&asking, delivery, APP, now));
        }
        let Told { together, predictions, refused } = told;
        predicted += predictions.len() as u64;
        if together && !predictions.is_empty() {
            answers.predictions.extend(Prediction::encode_together(&predictions, APP, now));
        } else {
            answers.predictions.extend(predictions.iter().map(|answer| answer.encode(APP, now)));
        }
        match refused {
            Refused::Rows(rows) if rows.is_empty() => {}
            Refused::Rows(rows) => {
                let rows = rows.into_iter().map(|row| (row.index, row.why)).collect();
                answers.rejected.push((message, delivery.reject_items(rows, APP)));
            }
            Refused::All(why) => answers.rejected.push((message, vec![delivery.reject(why, APP)])),
        }
    }
    PREDICTIONS.add([options.model_name.as_str(), predictor.version().as_str()], predicted);
    debug!("predicted {predicted} rows of {} messages", deliveries.len());
    answers
}

/// Refuses what was handed out again and again, lately with no other, and that nobody was done with.
fn survivable(delivery: &Delivery) -> Result<(), Rejection> {
    if delivery.is_deadly() {
        let detail = "delivered ten times and never finished, the last times alone";
        return Err(Rejection::new(Rejection::CRASHES, detail));
    }
    Ok(())
}
