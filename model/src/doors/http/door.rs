//! What stands behind the port: the model that serves, and the way to the queues.

use std::sync::{Arc, OnceLock};

use shared::clock::Clock;
use shared::message::{Outgoing, Prediction, Row, RowId};
use shared::metrics::Counter;
use shared::trace;
use tokio::sync::Semaphore;
use tokio::task;

use super::identified::identified;
use super::problem::Problem;
use super::recorder::Recorder;
use crate::answer::answer_rows;
use crate::options::AnswerOptions;
use crate::predictor::Predictor;
use crate::serve::{count_outside, count_predicted, messages};
use crate::shadow::{Group, Shadows};
use crate::swap::Serving;

static REQUESTS: Counter<2> = Counter::new(
    "pipeline_http_requests_total",
    "Requests over HTTP by the door that they came to and the status of their answer.",
    ["door", "status"],
);

/// How many requests a model that is slow predicts at once: each takes a thread.
const SLOW_AT_ONCE: usize = 2;

/// A way in, as metrics call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Oip,
    Invocations,
    Rows,
    Labels,
}

impl Way {
    const ALL: [Self; 4] = [Self::Oip, Self::Invocations, Self::Rows, Self::Labels];

    fn name(self) -> &'static str {
        match self {
            Self::Oip => "oip",
            Self::Invocations => "invocations",
            Self::Rows => "rows",
            Self::Labels => "labels",
        }
    }

    /// The status of an answer that is what was asked for.
    fn good(self) -> &'static str {
        match self {
            Self::Oip | Self::Invocations => "200",
            Self::Rows | Self::Labels => "202",
        }
    }

    /// Counts an answer.
    pub(super) fn count(self, status: u16) {
        REQUESTS.add([self.name(), &status.to_string()], 1);
    }
}

/// Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Door(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    app: &'static str,
    /// Whether predictions are published.
    records: bool,
    options: AnswerOptions,
    serving: Serving,
    shadows: Shadows,
    recorder: OnceLock<Recorder>,
    slow: Semaphore,
}

impl Door {
    pub(super) fn new(
        app: &'static str,
        records: bool,
        options: AnswerOptions,
        (serving, shadows): (Serving, Shadows),
    ) -> Self {
        Way::ALL.iter().for_each(|way| REQUESTS.add([way.name(), way.good()], 0));
        let (recorder, slow) = (OnceLock::new(), Semaphore::new(SLOW_AT_ONCE));
        Self(Arc::new(Inner { app, records, options, serving, shadows, recorder, slow }))
    }

    /// Has what comes published by it.
    pub(super) fn record(&self, recorder: Recorder) {
        // There is one publisher.
        _ = self.0.recorder.set(recorder);
    }

    /// Waits until nothing is under way.
    pub(super) async fn finish(&self) {
        if let Some(recorder) = self.0.recorder.get() {
            recorder.finish().await;
        }
    }

    /// The service's name in its messages.
    pub(super) fn app(&self) -> &'static str {
        self.0.app
    }

    /// How rows are answered.
    pub(super) fn options(&self) -> &AnswerOptions {
        &self.0.options
    }

    /// The model that serves.
    pub(super) fn predictor(&self) -> Result<Arc<Predictor>, Problem> {
        let serving = self.0.serving.borrow().clone();
        serving.ok_or_else(|| Problem::unavailable("there is no model yet that could predict; try again"))
    }

    /// Whether a prediction would be answered now.
    pub(super) fn is_ready(&self) -> bool {
        let records = || !self.0.records || self.0.recorder.get().is_some_and(Recorder::is_taking);
        self.0.serving.borrow().is_some() && records()
    }

    /// Predicts the rows, or says what is wrong with the first that cannot be predicted. Where predictions are recorded, they are
    /// when this returns, and with them the id of a row that had none, or what the ids of several begin with.
    pub(super) async fn predict(
        &self,
        predictor: &Arc<Predictor>,
        rows: Vec<Row>,
        id: Option<&str>,
    ) -> Result<(Vec<f64>, Option<RowId>), Problem> {
        let Inner { records, options, shadows, slow, .. } = &*self.0;
        let (rows, id) = if *records { identified(rows, id)? } else { (rows, None) };
        let (count, now) = (rows.len(), Clock::System.wall());
        // Of what is not recorded, no label is ever known.
        let beside = records.then_some(shadows).and_then(|shadows| {
            shadows.begin(predictor, || {
                let rows = rows.clone();
                move |before: &Predictor, options: &AnswerOptions| {
                    let told = answer_rows(before, options, rows, now, |_| {});
                    told.into_iter().filter_map(Result::ok).collect::<Vec<_>>()
                }
            })
        });
        let answer = {
            let (predictor, options) = (Arc::clone(predictor), options.clone());
            move || {
                answer_rows(&predictor, &options, rows, now, |outside| {
                    count_outside(&options, &predictor, outside);
                })
            }
        };
        let answers = if predictor.is_slow() {
            // It is never closed.
            let _place = slow.acquire().await;
            let answers = task::spawn_blocking(answer).await;
            answers.map_err(|_| Problem::unavailable("the model failed on this request; see the log"))?
        } else {
            answer()
        };
        let predictions: Vec<Prediction> = answers
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|refused| Problem::of_refused(count, &refused))?;
        let values = predictions.iter().map(|prediction| prediction.value).collect();
        count_predicted(options, predictor, count as u64);
        if *records {
            let together = count != 1;
            let mut all = messages(together, &predictions, now, None);
            if let Some(beside) = beside {
                let group = |predictions| vec![Group { together, predictions }];
                for Group { together, predictions } in beside.predictions(count, group).await {
                    all.extend(messages(together, &predictions, now, None));
                }
            }
            self.publish(all, count).await?;
        }
        Ok((values, id))
    }

    /// Returns when the messages, with so many rows or labels in them, are safe in their queues, as part of the request's trace.
    pub(super) async fn publish(&self, messages: Vec<Outgoing>, rows: usize) -> Result<(), Problem> {
        let trace = trace::current();
        let messages = messages.into_iter().map(|message| message.within(trace.clone())).collect();
        match self.0.recorder.get() {
            Some(recorder) => recorder.publish(messages, rows).await,
            None => Err(Problem::unavailable("the service has only started; try again")),
        }
    }
}
