//! Takes rows from their queue in micro-batches and publishes a prediction for each.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use clap::builder::BoolishValueParser;
use futures_util::StreamExt as _;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use shared::clock::Timestamp;
use shared::message::{Name, Outgoing, Prediction, Rejection, Role, Row};
use shared::service;
use shared::transport::{Batch, Burial, DeadLetter, Delivery, Error, Publisher};
use tokio::task::{self, JoinSet};
use tracing::debug;

use crate::load::Loader;
use crate::predictor::Predictor;
use crate::swap::{Keeper, Serving};

/// The service's name in its messages' property `app_id`.
const APP: &str = "model";
/// How many rows a micro-batch has at the most.
const BATCH: usize = 256;
/// How many micro-batches are under way at once.
const DEPTH: usize = 3;
/// How many rows are held unacknowledged at the most: those under way and as many waiting.
const PREFETCH: u16 = 1536;

/// Which model is served, and how.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Model")]
pub struct ServeOptions {
    /// The model file: .json, or made elsewhere: .onnx, .pkl or .joblib. It may be replaced at any time.
    #[arg(long, env = "MODEL", value_name = "FILE", default_value = "data/model.json")]
    pub model: PathBuf,

    /// How rows are answered.
    #[command(flatten)]
    pub answers: AnswerOptions,
}

/// How rows are answered.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Model")]
pub struct AnswerOptions {
    /// What predictions name as their model, besides its version.
    #[arg(long, env = "MODEL_NAME", value_name = "NAME", default_value = "model")]
    pub model_name: Name,

    /// Refuses rows with a feature beyond what the model was trained on, which are otherwise predicted and counted. Only
    /// files that `model train` has written know that range.
    #[arg(long, env = "STRICT", value_parser = BoolishValueParser::new())]
    pub strict: bool,
}

/// Serves until a stop is requested; then finishes the batches that are under way. Without a valid model, takes nothing
/// and waits for one.
///
/// # Errors
/// An incompatible broker.
pub async fn run(context: service::Context, options: ServeOptions) -> anyhow::Result<()> {
    let service::Context { transport, stop, readiness } = context;
    let has_model = readiness.condition("a valid model");
    let (keeper, mut serving) =
        Keeper::new(&options.model, &options.answers.model_name, Loader::of_this_program());
    // Aborted when this function ends.
    let mut keeping = JoinSet::new();
    keeping.spawn(keeper.keep());
    tokio::select! {
        there = serving.wait_for(Option::is_some) => {
            there.context("whoever looks after the model file has ended")?;
        }
        () = stop.requested() => return Ok(()),
    }
    // Not before there is a model: what a consumer holds, no other model can take.
    let publisher = transport.publisher(APP, &stop, &readiness);
    let rows = transport.subscription(Role::Features);
    let mut consumer = transport.consumer(APP, rows, PREFETCH, &stop, &readiness);
    has_model.set(true);
    let server = Server { serving, options: options.answers, publisher };

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
                let (indices, dead): (Vec<usize>, Vec<DeadLetter>) = rejected.into_iter().unzip();
                for (aside, letter) in batch.set_aside(&indices).into_iter().zip(dead) {
                    let burial = server.publisher.bury(letter);
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
                Ok(batch) => flight.push_back(server.answer(batch)),
                Err(why) => break Err(why),
            },
        }
    };
    drop((flight, letters));
    consumer.close().await;
    server.publisher.close().await;
    Ok(result?)
}

struct Server {
    serving: Serving,
    options: AnswerOptions,
    publisher: Publisher,
}

/// A batch whose predictions are safe, and what of it cannot be used, by its place in the batch.
struct Answered {
    batch: Batch,
    rejected: Vec<(usize, DeadLetter)>,
}

impl Server {
    /// Publishes what the model says of each row, and hands the batch back to be acknowledged.
    async fn answer(&self, batch: Batch) -> Result<Answered, Error> {
        // Once a batch, so that a batch never mixes models.
        let Some(predictor) = self.serving.borrow().clone() else {
            unreachable!("nothing is taken before there is a model, and a model is only ever replaced")
        };
        let now = Timestamp::now();
        let (Answers { predictions, rejected }, batch) = if predictor.is_slow() {
            let options = self.options.clone();
            let stepped =
                task::spawn_blocking(move || (step(&predictor, &options, &batch.deliveries, now), batch));
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
        Ok(Answered { batch, rejected })
    }
}

/// What becomes of a micro-batch: each delivery is in one of both.
#[derive(Debug, Default)]
pub struct Answers {
    /// What the model says, ready to be published.
    pub predictions: Vec<Outgoing>,
    /// What cannot be used, by its index in the batch, in ascending order.
    pub rejected: Vec<(usize, DeadLetter)>,
}

/// One micro-batch: a prediction for every row that can be used, a dead letter for every other one.
#[must_use]
pub fn step(
    predictor: &Predictor,
    options: &AnswerOptions,
    deliveries: &[Delivery],
    now: Timestamp,
) -> Answers {
    let name = &options.model_name;
    let mut answers = Answers { predictions: Vec::with_capacity(deliveries.len()), rejected: Vec::new() };
    let mut rows = Vec::with_capacity(deliveries.len());
    for (index, delivery) in deliveries.iter().enumerate() {
        let row = Row::decode(delivery).and_then(|row| predictor.check(&row).map(|()| row));
        let row = row.and_then(|row| survivable(delivery).map(|()| row));
        match row.and_then(|row| within(predictor, options, &row.features).map(|()| row)) {
            Ok(row) => rows.push((row, index)),
            Err(rejection) => answers.rejected.push((index, delivery.reject(rejection, APP))),
        }
    }
    let vectors: Vec<&[f64]> = rows.iter().map(|(row, _)| &*row.features).collect();
    let values = predictor.predict_each(&vectors);
    drop(vectors);
    for ((row, index), value) in rows.into_iter().zip(values) {
        let value = match value {
            Ok(value) => value,
            Err(rejection) => {
                answers.rejected.push((index, deliveries[index].reject(rejection, APP)));
                continue;
            }
        };
        let prediction = Prediction {
            key: row.key,
            value,
            model: Some(name.clone()),
            model_version: Some(predictor.version().clone()),
            published_at: Some(now),
            features_published_at: row.published_at,
        };
        answers.predictions.push(prediction.encode(APP, now));
    }
    answers.rejected.sort_by_key(|(index, _)| *index);
    let predicted = answers.predictions.len() as u64;
    metrics::counter!("pipeline_predictions_total", "model" => name.to_string()).increment(predicted);
    debug!("predicted {predicted} of {} rows", deliveries.len());
    answers
}

/// Refuses a row that was handed out again and again, lately with no other, and that nobody was done with.
fn survivable(delivery: &Delivery) -> Result<(), Rejection> {
    if delivery.is_deadly() {
        let detail =
            "it was delivered ten times and nobody was done with it, though the last times it came alone";
        return Err(Rejection::new(Rejection::CRASHES, detail));
    }
    Ok(())
}

/// Counts the features that are beyond what the model was trained on, or refuses the row where that is wanted.
fn within(predictor: &Predictor, options: &AnswerOptions, features: &[f64]) -> Result<(), Rejection> {
    for outside in predictor.inputs().outside(features) {
        if options.strict {
            return Err(Rejection::new(Rejection::RANGE, outside));
        }
        debug!("predicting beyond the model's range: {outside}");
        let model = options.model_name.to_string();
        metrics::counter!("pipeline_out_of_range_total", "model" => model, "feature" => outside.name)
            .increment(1);
    }
    Ok(())
}
