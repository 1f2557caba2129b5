//! Messages that a test publishes itself: labels and predictions of numbered rows, and once more what is recorded
//! already.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use rand::seq::SliceRandom as _;
use rand::{Rng, RngExt as _};
use shared::clock::Timestamp;
use shared::message::{Key, Label, ModelRole, Name, Outgoing, Prediction, Role, RowId};
use shared::readiness::Readiness;
use shared::stop::Stop;
use shared::transport::{Endpoint, Publisher, QueueKind, Transport, administration};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use crate::processes::Services;

/// The seed of a test that throws dice; `SEED` throws the same ones again.
pub fn seed() -> u64 {
    crate::processes::asked("SEED").map_or_else(rand::random, |seed| seed as u64)
}

fn publisher(url: &str) -> Publisher {
    let endpoint = Endpoint::from_url(url, QueueKind::Quorum).unwrap();
    Transport::Amqp(endpoint).publisher("test", &Stop::default(), &Readiness::default())
}

fn label(id: RowId, value: f64) -> Outgoing {
    let now = Timestamp::now();
    Label { key: Key::Property(id), value, published_at: Some(now) }.encode("test", now)
}

fn prediction(id: RowId, value: f64, model: Option<(Name, Name)>) -> Outgoing {
    let now = Timestamp::now();
    let (model, model_version) = model.unzip();
    let key = Key::Property(id);
    Prediction {
        key,
        value,
        model,
        model_version,
        role: ModelRole::Serving,
        published_at: Some(now),
        features_published_at: None,
        vector: None,
    }
    .encode("test", now)
}

/// Labels and predictions of numbered rows. What was confirmed goes to the books' ledger.
pub struct Feed {
    url: String,
    publisher: Publisher,
    ledger: PathBuf,
    /// The queues must be there, also where a service ends before it makes its own.
    declared: OnceCell<()>,
}

impl Feed {
    pub fn of(services: &Services) -> Self {
        let (url, ledger) = (services.url.clone(), services.books.ledger());
        Self { publisher: publisher(&url), url, ledger, declared: OnceCell::new() }
    }

    /// Publishes a label for each row.
    pub async fn labels(&self, rows: Range<usize>) {
        self.publish(Role::Label, rows, |row| label(id(row), value(row))).await;
    }

    /// Publishes a label for each row, several batches at a time, and writes nothing down.
    pub async fn labels_unbooked(&self, rows: Range<usize>) {
        let rows: Vec<usize> = rows.collect();
        let parts = rows.chunks(250).map(|part| {
            self.publisher.publish(part.iter().map(|row| label(id(*row), value(*row))).collect())
        });
        let mut parts = futures_util::stream::iter(parts).buffer_unordered(4);
        while let Some(published) = parts.next().await {
            published.unwrap();
        }
    }

    /// Publishes a prediction for each row.
    pub async fn predictions(&self, rows: Range<usize>) {
        let model = Some((Name::parse("model").unwrap(), Name::parse("1").unwrap()));
        let predict = |row| prediction(id(row), value(row) + [-3.5, 0.1, 2.0][row % 3], model.clone());
        self.publish(Role::Features, rows, predict).await;
    }

    /// Publishes label and prediction of each row.
    pub async fn pairs(&self, rows: Range<usize>) {
        self.labels(rows.clone()).await;
        self.predictions(rows).await;
    }

    /// Publishes in any order, then writes it down as `features` does: a prediction is a row that was published.
    async fn publish(&self, queue: Role, rows: Range<usize>, message: impl Fn(usize) -> Outgoing) {
        let declare = async || {
            let endpoint = Endpoint::from_url(&self.url, QueueKind::Quorum).unwrap();
            administration::declare(&endpoint).await.unwrap();
        };
        self.declared.get_or_init(declare).await;
        let mut order: Vec<usize> = rows.collect();
        order.shuffle(&mut rand::rng());
        for part in order.chunks(250) {
            self.publisher.publish(part.iter().map(|row| message(*row)).collect()).await.unwrap();
        }
        let lines: String = order.iter().map(|row| format!("{},{}\n", queue.name(), id(*row))).collect();
        let mut ledger = OpenOptions::new().create(true).append(true).open(&self.ledger).unwrap();
        ledger.write_all(lines.as_bytes()).unwrap();
    }
}

fn id(row: usize) -> RowId {
    RowId::parse(&format!("row-{row}")).unwrap()
}

fn value(row: usize) -> f64 {
    25.0 + (row * 37 % 320) as f64
}

/// Publishes messages again that are recorded already, as long as it lives: most with their value, some with another.
pub struct Again {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Repeated>,
}

/// How many were confirmed.
#[derive(Debug, Default, Clone, Copy)]
pub struct Repeated {
    pub duplicates: u64,
    pub conflicts: u64,
}

impl Again {
    pub fn start(services: &Services) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, log) = (Arc::clone(&stop), services.books.logs().join("labels_log.txt"));
        let publisher = publisher(&services.url);
        let task = tokio::spawn(async move {
            let mut repeated = Repeated::default();
            while !stopped.load(Ordering::Relaxed) {
                let (batch, conflicts) = some_again(&log);
                let all = batch.len() as u64;
                publisher.publish(batch).await.unwrap();
                repeated.duplicates += all - conflicts;
                repeated.conflicts += conflicts;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            publisher.close().await;
            repeated
        });
        Self { stop, task }
    }

    pub async fn stop(self) -> Repeated {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

/// The messages of some lines anywhere in the log, shuffled, and how many of them contradict it.
fn some_again(log: &std::path::Path) -> (Vec<Outgoing>, u64) {
    let mut random = rand::rng();
    let Ok(mut file) = File::open(log) else { return (Vec::new(), 0) };
    let length = file.metadata().unwrap().len();
    let mut part = vec![0; 4096];
    file.seek(SeekFrom::Start(random.random_range(0..=length))).unwrap();
    let read = file.read(&mut part).unwrap();
    let part = String::from_utf8_lossy(&part[..read]);
    // Neither the first line nor the last one is whole.
    let lines: Vec<&str> = part.split('\n').collect();
    let whole = lines.get(1..lines.len() - 1).unwrap_or_default();
    let mut conflicts = 0;
    let mut batch: Vec<Outgoing> =
        whole.iter().map(|line| repeat(line, &mut random, &mut conflicts)).collect();
    batch.shuffle(&mut random);
    (batch, conflicts)
}

fn repeat(line: &str, random: &mut impl Rng, conflicts: &mut u64) -> Outgoing {
    let cells: Vec<&str> = line.split(' ').collect();
    let mut value: f64 = cells[3].parse().unwrap();
    if random.random_bool(0.1) {
        value += 1.0;
        *conflicts += 1;
    }
    let id = RowId::parse(cells[2]).unwrap();
    match cells.get(4) {
        None => label(id, value),
        Some(model) => {
            let (model, version) = model.split_once('@').unwrap();
            prediction(id, value, Some((Name::parse(model).unwrap(), Name::parse(version).unwrap())))
        }
    }
}
