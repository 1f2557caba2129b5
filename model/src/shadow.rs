//! The version before predicts the rows that the one that serves has predicted, beside it. Nothing that is wrong with it, and nothing
//! that it takes, harms the main path: a row that it cannot predict is left out, and where it is slow, whole batches are.

mod pace;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::clock::Clock;
use shared::message::{Key, ModelRole, Name, Prediction};
use shared::metrics::Counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{self, JoinHandle};
use tokio::time::timeout;
use tracing::info;

use crate::options::AnswerOptions;
use crate::predictor::Predictor;
use pace::{MOST_WAIT, Pace};

static ROWS: Counter<3> = Counter::new(
    "pipeline_shadow_rows_total",
    "Rows that the version before was to predict beside the one that serves: predicted, refused because it cannot, or left out so that nothing waits for it.",
    ["model", "version", "result"],
)
.of_latest(60);

/// How many batches it predicts at once at the most, where each takes a thread.
const AT_ONCE: usize = 3;

/// The version before.
#[derive(Debug)]
pub struct Shadow {
    /// Predicts.
    pub predictor: Arc<Predictor>,
    /// The version that serves, beside which it predicts.
    pub beside: Name,
}

/// The version before, as soon as and as long as there is one. Clones share what it may take.
#[derive(Debug, Clone)]
pub(crate) struct Shadows {
    now: watch::Receiver<Option<Arc<Shadow>>>,
    /// None where it has no name to predict under.
    options: Option<AnswerOptions>,
    pace: Arc<Mutex<Pace>>,
    room: Arc<Semaphore>,
}

/// What the version before says of rows, as soon as it is known.
pub(crate) struct Beside<T> {
    shadow: Arc<Shadow>,
    of: Shadows,
    model: Name,
    work: Work<T>,
}

enum Work<T> {
    /// It takes no time that is worth a thread.
    Here(Box<dyn FnOnce() -> T + Send>),
    There(JoinHandle<T>),
    /// It takes a rest.
    Not,
}

/// Predictions that go together, or each by itself.
pub(crate) struct Group {
    pub(crate) together: bool,
    pub(crate) predictions: Vec<Prediction>,
}

impl Shadows {
    pub(crate) fn new(now: watch::Receiver<Option<Arc<Shadow>>>, options: &AnswerOptions) -> Self {
        let options = ModelRole::shadow_of(&options.model_name).map(|model_name| AnswerOptions {
            model_name,
            strict: false,
            // The prediction of the one that serves has them.
            no_features: true,
            role: ModelRole::Shadow,
            ..options.clone()
        });
        Self { now, options, pace: Arc::default(), room: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Begins the work of the version before beside this one, where this one serves now and there is one before.
    pub(crate) fn begin<T, W>(&self, serving: &Predictor, work: impl FnOnce() -> W) -> Option<Beside<T>>
    where
        T: Send + 'static,
        W: FnOnce(&Predictor, &AnswerOptions) -> T + Send + 'static,
    {
        let shadow = self.now.borrow().clone().filter(|shadow| shadow.beside == *serving.version())?;
        let options = self.options.clone()?;
        let model = options.model_name.clone();
        let work = {
            let (work, predictor) = (work(), Arc::clone(&shadow.predictor));
            move || work(&predictor, &options)
        };
        let work = match shadow.predictor.is_slow().then(|| self.place()) {
            None => Work::Here(Box::new(work)),
            Some(None) => Work::Not,
            Some(Some(place)) => Work::There(task::spawn_blocking(move || {
                let _place = place;
                work()
            })),
        };
        Some(Beside { shadow, of: self.clone(), model, work })
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        if !self.pace().may(Clock::System.steady_ms()) {
            return None;
        }
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Beside<T> {
    /// Its predictions of rows that have an id, of as many rows as the one that serves has predicted: none where that takes too
    /// long. `read` leaves out those that the other one has not predicted.
    pub(crate) async fn predictions(self, rows: usize, read: impl FnOnce(T) -> Vec<Group>) -> Vec<Group> {
        let (model, version) = (self.model.clone(), self.shadow.predictor.version().clone());
        let count = |result, rows| {
            ROWS.add([model.as_str(), version.as_str(), result], rows as u64);
        };
        let Some(told) = self.told().await else {
            count("left_out", rows);
            return Vec::new();
        };
        let mut groups = read(told);
        let all = |groups: &[Group]| groups.iter().map(|group| group.predictions.len()).sum::<usize>();
        let predicted = all(&groups);
        // Of a row without an id, no label is ever known.
        groups.iter_mut().for_each(|group| group.predictions.retain(|row| row.key != Key::Anonymous));
        count("predicted", all(&groups));
        count("refused", rows.saturating_sub(predicted));
        groups
    }

    async fn told(self) -> Option<T> {
        let thread = match self.work {
            Work::Here(work) => return Some(work()),
            Work::Not => return None,
            Work::There(thread) => thread,
        };
        let began = Clock::System.steady_ms();
        let told = timeout(MOST_WAIT, thread).await;
        let now = Clock::System.steady_ms();
        if self.of.pace().waited(now, now - began) {
            info!(
                "{}@{} is slow: it leaves rows out, so that nothing waits for it for more than a tenth of the time",
                self.model,
                self.shadow.predictor.version()
            );
        }
        // Where it panicked, the log has it.
        told.ok().and_then(Result::ok)
    }
}
