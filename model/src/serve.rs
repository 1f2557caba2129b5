//! Takes rows from their queue in micro-batches and publishes a prediction for each.

use std::path::PathBuf;

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use shared::clock::Timestamp;
use shared::message::{Name, Prediction, Queue, Rejection, Row};
use shared::service::Context;
use shared::transport::{Batch, Delivery, Error, Publication, Publisher};
use tracing::{debug, info};

use crate::predictor::Predictor;

/// The service's name in its messages' property `app_id`.
const APP: &str = "model";
/// How many rows a micro-batch has at the most.
const BATCH: usize = 256;
/// How many micro-batches are under way at once.
const DEPTH: usize = 3;
/// How many rows are held unacknowledged at the most: those under way and as many waiting.
const PREFETCH: u16 = 1536;

/// Which model is served, and under which name.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Model")]
pub struct ServeOptions {
    /// The model file.
    #[arg(long, env = "MODEL", value_name = "FILE", default_value = "data/model.json")]
    pub model: PathBuf,

    /// What predictions name as their model, besides its version.
    #[arg(long, env = "MODEL_NAME", value_name = "NAME", default_value = "model")]
    pub model_name: Name,
}

/// Serves until a stop is requested; then finishes the batches that are under way.
///
/// # Errors
/// A model file that is refused, or an incompatible broker.
pub async fn run(context: Context, options: ServeOptions) -> anyhow::Result<()> {
    let predictor = Predictor::load(&options.model)?;
    info!(
        model.version = %predictor.version(),
        "serving {}: {}@{}, {} features",
        options.model.display(),
        options.model_name,
        predictor.version(),
        predictor.features().len()
    );
    let Context { transport, stop, readiness } = context;
    let publisher = transport.publisher(APP, &stop, &readiness);
    let mut consumer = transport.consumer(APP, Queue::Features, PREFETCH, &stop, &readiness);
    let server = Server { predictor, name: options.model_name, publisher };

    let mut flight = FuturesOrdered::new();
    let result = loop {
        tokio::select! {
            Some(answered) = flight.next() => {
                let batch: Batch = match answered {
                    Ok(batch) => batch,
                    Err(why) => break Err(why),
                };
                batch.ack().await;
            }
            () = stop.requested(), if flight.is_empty() => break Ok(()),
            taken = consumer.take(BATCH), if flight.len() < DEPTH && !stop.is_requested() => match taken {
                Ok(batch) => flight.push_back(server.answer(batch)),
                Err(why) => break Err(why),
            },
        }
    };
    drop(flight);
    consumer.close().await;
    server.publisher.close().await;
    Ok(result?)
}

struct Server {
    predictor: Predictor,
    name: Name,
    publisher: Publisher,
}

impl Server {
    /// Publishes what the model says of each row, and hands the batch back to be acknowledged.
    async fn answer(&self, batch: Batch) -> Result<Batch, Error> {
        let answers = step(&self.predictor, &self.name, &batch.deliveries, Timestamp::now());
        self.publisher.publish(answers).await?;
        Ok(batch)
    }
}

/// One micro-batch: a prediction for every row that can be used, a dead letter for every other one.
#[must_use]
pub fn step(predictor: &Predictor, name: &Name, deliveries: &[Delivery], now: Timestamp) -> Vec<Publication> {
    let mut answers = Vec::with_capacity(deliveries.len());
    let mut rows = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let row = Row::decode(delivery).and_then(|row| predictor.check(&row.features).map(|()| row));
        match row {
            Ok(row) => rows.push((row, delivery)),
            Err(rejection) => answers.push(delivery.reject(rejection, APP)),
        }
    }
    let vectors: Vec<&[f64]> = rows.iter().map(|(row, _)| &*row.features).collect();
    let values = predictor.predict(&vectors);
    drop(vectors);
    let mut predicted = 0;
    for ((row, delivery), value) in rows.into_iter().zip(values) {
        if !value.is_finite() {
            let rejection = Rejection::new(Rejection::NOT_FINITE, format!("the model predicts {value}"));
            answers.push(delivery.reject(rejection, APP));
            continue;
        }
        predicted += 1;
        let prediction = Prediction {
            key: row.key,
            value,
            model: Some(name.clone()),
            model_version: Some(predictor.version().clone()),
            published_at: Some(now),
            features_published_at: row.published_at,
        };
        answers.push(prediction.encode(APP, now).into());
    }
    metrics::counter!("pipeline_predictions_total", "model" => name.to_string()).increment(predicted);
    debug!("predicted {predicted} of {} rows", deliveries.len());
    answers
}
