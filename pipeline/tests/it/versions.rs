//! Versions of a model beside each other: the one before in the shadow, the way back, challengers.

mod back;
mod challenger;
mod decided;
mod shadow;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::encode::Encoding;
use model::file::{ModelFile, sha256};
use model::linear::Linear;
use model::versions::Folder;
use shared::clock::Timestamp;
use shared::message::{
    Cell, Features, Incoming as _, Key, ModelRole, Outgoing, Prediction, Role, Row, RowId,
};
use shared::readiness::Readiness;
use shared::stop::Stop;
use shared::trace;
use shared::transport::{Consumer, Endpoint, Publisher, QueueKind, Transport};
use tokio::time::timeout;

use crate::account::{Books, wait_for};

/// Nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A model that predicts its intercept plus twice the only feature, and its version.
fn model(intercept: f64) -> (Vec<u8>, String) {
    let linear = Linear::new(None, &[2.0], intercept).unwrap();
    let training =
        serde_json::json!({"algorithm": "ols", "parameters": {}, "libraries": {}, "rows": 7, "made_at": ""});
    let training = serde_json::from_value(training).unwrap();
    let file =
        ModelFile::linear(&Encoding::plain(vec!["a".to_owned()]), "target".to_owned(), &linear, training);
    let bytes = file.with_golden(&[&[Cell::Number(7.0)]]).unwrap().to_json().unwrap();
    let version = sha256(&bytes)[..12].to_owned();
    (bytes, version)
}

/// A model file that is replaced while it serves.
pub struct File(PathBuf);

impl File {
    pub fn new(books: &Books, name: &str) -> Self {
        Self(books.path(name))
    }

    pub fn argument(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Puts this model there, and returns its version.
    pub fn put(&self, intercept: f64) -> String {
        let (bytes, version) = model(intercept);
        let new = self.0.with_extension("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(&new, &self.0).unwrap();
        version
    }
}

/// Waits until the folder remembers this version as the last that served.
async fn has_kept(folder: &str, version: &str) {
    let folder = Folder::at(Path::new(folder));
    let last = || folder.read().ok()?.served().next().map(|last| last.version.to_string());
    wait_for(
        &format!("{version} to be kept"),
        || last().as_deref() == Some(version),
        || format!("{:?}", last()),
    )
    .await;
}

/// What a test sends and takes by itself, in the place of `features` and `metric`.
struct Ends {
    publisher: Publisher,
    predictions: Consumer,
    next: usize,
}

impl Ends {
    fn new(url: &str) -> Self {
        let transport = Transport::Amqp(Endpoint::from_url(url, QueueKind::Quorum).unwrap());
        let (stop, readiness) = (Stop::default(), Readiness::default());
        let publisher = transport.publisher("test", &stop, &readiness);
        let predictions = transport.subscription(Role::Prediction);
        let predictions = transport.consumer("test", predictions, 1024, &stop, &readiness);
        Self { publisher, predictions, next: 0 }
    }

    /// Publishes so many rows, each with its number as id and feature. Returns their ids.
    async fn rows(&mut self, count: usize) -> BTreeSet<usize> {
        let ids: BTreeSet<usize> = (self.next..self.next + count).collect();
        self.next += count;
        let batch: Vec<Outgoing> = ids.iter().map(|id| row(*id)).collect();
        timeout(PATIENCE, self.publisher.publish(batch)).await.expect("publish hangs").unwrap();
        ids
    }

    /// Takes predictions into `all` until that is so.
    async fn take(&mut self, all: &mut Predicted, what: &str, is_so: impl Fn(&Predicted) -> bool) {
        let taking = async {
            while !is_so(all) {
                let batch = self.predictions.take(256).await.unwrap();
                for delivery in &batch.deliveries {
                    for prediction in Prediction::decode(delivery).unwrap().items {
                        let prediction = prediction.unwrap();
                        let row = prediction.key.id().unwrap().to_string().parse().unwrap();
                        assert_eq!(delivery.trace(), trace(row), "a prediction in the trace of another row");
                        all.add(prediction);
                    }
                }
                batch.ack().await;
            }
        };
        if timeout(PATIENCE, taking).await.is_err() {
            panic!("not in {PATIENCE:?}: {what}; {:?}", all.counts());
        }
    }
}

fn row(id: usize) -> Outgoing {
    let key = Key::Property(RowId::parse(&id.to_string()).unwrap());
    let features = Features::Vector(vec![id as f64]);
    let row = Row { key, features, names: None, published_at: None }.encode("test", Timestamp(0));
    row.within(trace(id))
}

/// Of each row another one.
fn trace(row: usize) -> Option<trace::Context> {
    trace::Context::read(&format!("00-{:032x}-b7ad6b7169203331-01", row + 1), None)
}

/// Who predicted what of which row: by role, name and version.
#[derive(Debug, Default)]
struct Predicted(BTreeMap<(ModelRole, String, String), BTreeMap<usize, f64>>);

impl Predicted {
    fn add(&mut self, prediction: Prediction) {
        let text = |name: Option<shared::message::Name>| name.unwrap().to_string();
        let by = (prediction.role, text(prediction.model), text(prediction.model_version));
        let row = prediction.key.id().unwrap().to_string().parse().unwrap();
        self.0.entry(by).or_default().insert(row, prediction.value);
    }

    fn by(&self, role: ModelRole, name: &str, version: &str) -> BTreeSet<usize> {
        let by = (role, name.to_owned(), version.to_owned());
        self.0.get(&by).map(|rows| rows.keys().copied().collect()).unwrap_or_default()
    }

    fn serving(&self) -> BTreeSet<usize> {
        let serving = self.0.iter().filter(|((role, ..), _)| *role == ModelRole::Serving);
        serving.flat_map(|(_, rows)| rows.keys().copied()).collect()
    }

    fn counts(&self) -> Vec<String> {
        self.0.iter().map(|(by, rows)| format!("{by:?}: {}", rows.len())).collect()
    }

    /// Holds each prediction to the model that it names.
    fn agree_with(&self, intercepts: &[(&str, f64)]) {
        for ((_, name, version), rows) in &self.0 {
            let (_, intercept) = intercepts.iter().find(|(known, _)| known == version).unwrap();
            for (row, value) in rows {
                assert_eq!(*value, intercept + 2.0 * *row as f64, "{name}@{version} of row {row}");
            }
        }
    }
}
