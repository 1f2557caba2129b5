//! The bare loop: what the client library alone moves when its messages are the same three a row, or three for many rows, with
//! the same queues, properties, confirms, prefetch and acknowledgements of many at once as in the pipeline, and
//! nothing else is done: no number is parsed, nothing is computed, joined or written.
//!
//! It is the measure because it is what the broker and the client leave to be had. One process, five
//! connections, each with its own purpose as in the pipeline.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::Connection;
use lapin::message::Delivery;

use crate::flow::{WINDOW, ack, consume, properties, publish, take};
use crate::queues::{EXCHANGE, FEATURES, LABEL, PREDICTION, confirming, connect};

/// A row of the diabetes data.
const ROW: &[u8] = b"[0.038075906433423026,0.05068011873981862,0.061696206518683294,0.0218723855140367,\
    -0.04422349842444599,-0.03482076283769895,-0.04340084565202491,-0.002592261998183278,\
    0.019907486170462722,-0.01764612515980379]";
/// How many deliveries a consumer of rows holds at the most.
const ROWS_PREFETCH: u16 = 1536;
/// How many deliveries a consumer of labels or predictions holds at the most.
const HALVES_PREFETCH: u16 = 1024;
/// How many rows are at least acknowledged at once: fewer acknowledgements were measured to cost less.
const ROWS_BATCH: usize = 128;
/// The same of labels or predictions.
const HALVES_BATCH: usize = 256;

/// The messages of one row or of many.
struct Messages {
    rows: Vec<u8>,
    labels: Vec<u8>,
    predictions: Vec<u8>,
    /// What was predicted from, as the header of a prediction has it.
    features: Vec<u8>,
    together: bool,
}

impl Messages {
    fn of(rows_per_message: usize) -> Self {
        let features = vec![0x3f; 80 * rows_per_message];
        let (label, prediction) = (&b"151.0"[..], &b"206.11706978709228"[..]);
        if rows_per_message == 1 {
            let (rows, labels, predictions) = (ROW.to_vec(), label.to_vec(), prediction.to_vec());
            return Self { rows, labels, predictions, features, together: false };
        }
        let ids = vec!["\"0193a0b2-7c1d-7e2f-8000-000000000000\""; rows_per_message].join(", ");
        let body = |value: &[u8]| {
            let values = vec![value; rows_per_message].join(&b","[..]);
            [b"{\"ids\": [", ids.as_bytes(), b"], \"body\": [", &values, b"]}"].concat()
        };
        Self { rows: body(ROW), labels: body(label), predictions: body(prediction), features, together: true }
    }

    /// The property `message_id` of the message with this number.
    fn id(&self, number: u64) -> Option<String> {
        (!self.together).then(|| format!("{number:036}"))
    }
}

/// Moves `rows` rows, as many in a message as is said; returns how long it took from the first publish to the last acknowledgement.
pub(crate) async fn run(url: &str, rows: u64, rows_per_message: usize) -> anyhow::Result<Duration> {
    let (count, pace) = (rows.div_ceil(rows_per_message as u64), Pace::All);
    Ok(run_paced(url, Messages::of(rows_per_message), count, pace).await?.0)
}

/// How long each of so many rows takes from its publish to the moment at which its prediction has come, one in a message, so many
/// a second; in their order.
pub(crate) async fn latency(url: &str, rate: u32, rows: u64) -> anyhow::Result<Vec<Duration>> {
    let pace = Pace::Each(Duration::from_secs(1) / rate);
    Ok(run_paced(url, Messages::of(1), rows, pace).await?.1)
}

/// When messages are published.
#[derive(Debug, Clone, Copy)]
enum Pace {
    All,
    /// One row after the other, so far apart.
    Each(Duration),
}

impl Pace {
    /// When a row is due.
    fn due(self, start: Instant, number: u64) -> Instant {
        match self {
            Self::All => start,
            Self::Each(apart) => start + apart.mul_f64(number as f64),
        }
    }
}

/// Returns how long all of it took, and how long each prediction came after its row was published.
async fn run_paced(
    url: &str,
    messages: Messages,
    count: u64,
    pace: Pace,
) -> anyhow::Result<(Duration, Vec<Duration>)> {
    let messages = Arc::new(messages);
    let source = connect(url).await?;
    let (rows_in, answers) = (connect(url).await?, connect(url).await?);
    let (labels, predictions) = (connect(url).await?, connect(url).await?);
    // Subscribed before the clock starts.
    let model_in = consume(&rows_in, FEATURES, ROWS_PREFETCH).await?;
    let labels_in = consume(&labels, LABEL, HALVES_PREFETCH).await?;
    let predictions_in = consume(&predictions, PREDICTION, HALVES_PREFETCH).await?;
    let (source_channel, answers_channel) = (confirming(&source).await?, confirming(&answers).await?);

    let start = Instant::now();
    let publishing = tokio::spawn(features(source_channel, Arc::clone(&messages), count, move |number| {
        pace.due(start, number)
    }));
    let answering = tokio::spawn(model(model_in, answers_channel, messages, count));
    let (labelling, predicting) =
        (tokio::spawn(metric(labels_in, count)), tokio::spawn(metric(predictions_in, count)));
    let published = publishing.await??;
    answering.await??;
    labelling.await??;
    let came = predicting.await??;
    let time = start.elapsed();
    // One queue and one who takes keep their order.
    let times = came.into_iter().zip(published).map(|(came, published)| came - published).collect();
    for connection in [source, rows_in, answers, labels, predictions] {
        close(&connection).await;
    }
    Ok((time, times))
}

/// Publishes the rows and their labels, each when it is due. Returns when that was.
async fn features(
    channel: lapin::Channel,
    messages: Arc<Messages>,
    count: u64,
    due: impl Fn(u64) -> Instant,
) -> anyhow::Result<Vec<Instant>> {
    let mut flight = FuturesOrdered::new();
    let mut published = Vec::new();
    for number in 0..count {
        let due = due(number);
        while Instant::now() < due {
            tokio::select! {
                () = tokio::time::sleep_until(due.into()) => {}
                Some(confirmed) = flight.next() => {
                    let _: () = confirmed?;
                }
            }
        }
        published.push(Instant::now());
        let id = messages.id(number);
        for (queue, body) in [(FEATURES, &messages.rows), (LABEL, &messages.labels)] {
            if flight.len() == WINDOW
                && let Some(confirmed) = flight.next().await
            {
                let _: () = confirmed?;
            }
            flight.push_back(publish(
                &channel,
                (EXCHANGE, queue),
                body,
                properties(id.as_deref(), "features", None),
            ));
        }
    }
    while let Some(confirmed) = flight.next().await {
        confirmed?;
    }
    Ok(published)
}

/// Answers each row, and acknowledges it when the answer is confirmed.
async fn model(
    mut consumer: lapin::Consumer,
    channel: lapin::Channel,
    messages: Arc<Messages>,
    count: u64,
) -> anyhow::Result<()> {
    let answer = async |delivery: Delivery| {
        let id = delivery.properties.message_id().as_ref().map(|id| id.as_str());
        let properties = properties(id, "model", Some(&messages.features));
        publish(&channel, (EXCHANGE, PREDICTION), &messages.predictions, properties).await.map(|()| delivery)
    };
    let mut flight = FuturesOrdered::new();
    let mut held = Held::new(count, ROWS_BATCH);
    let mut taken = 0;
    while held.remain() {
        let room = WINDOW - flight.len();
        tokio::select! {
            Some(answered) = flight.next() => {
                held.add(answered?);
                while let Some(Some(answered)) = flight.next().now_or_never() {
                    held.add(answered?);
                }
                held.ack().await?;
            }
            batch = take(&mut consumer, room), if taken < count && room > 0 => {
                let batch = batch?;
                taken += batch.len() as u64;
                flight.extend(batch.into_iter().map(&answer));
            }
        }
    }
    Ok(())
}

/// Takes and acknowledges. Returns when each came.
async fn metric(mut consumer: lapin::Consumer, count: u64) -> anyhow::Result<Vec<Instant>> {
    let mut held = Held::new(count, HALVES_BATCH);
    let mut came = Vec::new();
    while held.remain() {
        let batch = take(&mut consumer, 2 * HALVES_BATCH).await?;
        came.resize(came.len() + batch.len(), Instant::now());
        batch.into_iter().for_each(|delivery| held.add(delivery));
        held.ack().await?;
    }
    Ok(came)
}

/// Deliveries that are done and not yet acknowledged.
struct Held {
    /// How many are still to come, and how many make a batch.
    missing: u64,
    batch: usize,
    count: usize,
    last: Option<Delivery>,
}

impl Held {
    fn new(all: u64, batch: usize) -> Self {
        Self { missing: all, batch, count: 0, last: None }
    }

    fn add(&mut self, delivery: Delivery) {
        self.missing = self.missing.saturating_sub(1);
        self.count += 1;
        self.last = Some(delivery);
    }

    /// Whether something is still to come or to be acknowledged.
    fn remain(&self) -> bool {
        self.missing > 0 || self.last.is_some()
    }

    /// Acknowledges when it is a batch, or the end.
    async fn ack(&mut self) -> anyhow::Result<()> {
        if self.count < self.batch && self.missing > 0 {
            return Ok(());
        }
        self.count = 0;
        match self.last.take() {
            Some(last) => ack(&last).await,
            None => Ok(()),
        }
    }
}

async fn close(connection: &Connection) {
    // Nothing hangs on it any more.
    _ = connection.close(200, "measured".into()).await;
}
