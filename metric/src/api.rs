//! The numbers over HTTP, as JSON: what `metric report`, `metric status` and `metric models` say, of the metric that runs.

mod description;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use evaluation::report::{AlertReport, Moment, NoticeReport, Report, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::ask::Asker;
use shared::printable::lines;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;

use crate::disk::Disk;
use crate::evaluator::Evaluated;
use crate::export::parse_model;
use crate::join::ModelId;
use crate::page_options::BasePath;
use crate::{compare, models, page, status, views};

/// What the answers are made of.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) folder: PathBuf,
    pub(crate) evaluated: Evaluated,
    /// The page as it was made last.
    pub(crate) rendered: page::Rendered,
    /// How long the disk lasts, as far as that is known.
    pub(crate) disk: watch::Receiver<Option<Disk>>,
    /// Who asks the model that runs, where there is a way to it.
    pub(crate) asker: Option<Asker>,
    /// How many may read the database at once: each takes files and memory of the process that records.
    pub(crate) readers: Arc<Semaphore>,
}

/// One reads, one waits; others are told to come again.
pub(crate) const READERS: usize = 2;

/// Why there is no answer.
#[derive(Debug, Serialize, JsonSchema)]
struct Problem {
    /// What has happened, in a sentence.
    error: String,
}

/// How the model is that serves, in a sentence.
#[derive(Debug, Serialize, JsonSchema)]
struct Judgement {
    /// The moment.
    at: Moment,
    /// The number of the last commit that is evaluated.
    commit: i64,
    /// How many commits are not evaluated yet.
    behind: u64,
    /// Why the evaluation stands still, if it does.
    trouble: Option<String>,
    /// The verdict.
    verdict: Verdict,
}

/// The alert rules.
#[derive(Debug, Serialize, JsonSchema)]
struct Alerts {
    /// How each stands, in the order in which they were given.
    alerts: Vec<AlertReport>,
    /// What was said of them last, the newest first.
    notices: Vec<NoticeReport>,
}

/// Of which model something is asked.
#[derive(Debug, Deserialize)]
struct Wanted {
    model: Option<String>,
}

impl Wanted {
    fn read(query: Result<Query<Self>, QueryRejection>) -> Result<Option<ModelId>, Answer> {
        let Query(Self { model }) = query.map_err(|why| Answer::bad(why.body_text()))?;
        let read = |text: String| parse_model(&text).map_err(|why| Answer::bad(format!("model: {why}")));
        model.map(read).transpose()
    }
}

/// What is answered.
enum Answer {
    Json(String),
    Text(String),
    Problem(StatusCode, String),
}

impl Answer {
    fn json(value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => Self::Json(text),
            Err(why) => Self::Problem(StatusCode::INTERNAL_SERVER_ERROR, why.to_string()),
        }
    }

    fn bad(why: String) -> Self {
        Self::Problem(StatusCode::BAD_REQUEST, why)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        const JSON: &str = "application/json";
        let (status, kind, text) = match self {
            Self::Json(text) => (StatusCode::OK, JSON, text),
            Self::Text(text) => (StatusCode::OK, "text/plain; charset=utf-8", text),
            Self::Problem(status, error) => {
                // A problem is text, and that can always be said.
                let text = serde_json::to_string(&Problem { error: lines(&error) }).unwrap_or_default();
                (status, JSON, text)
            }
        };
        let headers =
            [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
        let mut response = (status, headers, text).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// What is served under `/api/v1`, and at `/` the page, or the report as text; all of it under the base path.
pub(crate) fn routes(source: Source, base: &BasePath) -> Router {
    let description = base.with("/api/v1/openapi.json");
    let here = format!("nothing is here; {description} says what there is");
    let elsewhere = async move || Answer::Problem(StatusCode::NOT_FOUND, here);
    let not_allowed = async || {
        let only = "only GET and HEAD are answered: nothing can be changed here";
        Answer::Problem(StatusCode::METHOD_NOT_ALLOWED, only.to_owned())
    };
    let openapi = Arc::new(description::openapi(&base.with("/")));
    let whole = base.with("/");
    let mut routes = Router::new()
        .route(&whole, get(index))
        .merge(page::routes(base))
        .route(&base.with("/api/v1/verdict"), get(verdict))
        .route(&base.with("/api/v1/report"), get(report))
        .route(&base.with("/api/v1/alerts"), get(alerts))
        .route(&base.with("/api/v1/comparisons"), get(comparisons))
        .route(&base.with("/api/v1/account"), get(account))
        .route(&base.with("/api/v1/disk"), get(disk))
        .route(&base.with("/api/v1/models"), get(model_list))
        .route(&description, get(async move || Answer::json(&*openapi)));
    if !base.as_str().is_empty() {
        // Its links are relative to the slash.
        routes = routes.route(base.as_str(), get(async move || Redirect::permanent(&whole)));
    }
    routes.fallback(elsewhere).method_not_allowed_fallback(not_allowed).with_state(source)
}

impl Source {
    fn report(&self) -> Result<Arc<Report>, Answer> {
        self.evaluated.report().ok_or_else(|| {
            if let Some(why) = self.evaluated.trouble() {
                return Answer::Problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    format!("the evaluation stands still, and recording goes on: {why}"),
                );
            }
            let behind = self.evaluated.behind();
            let text = format!(
                "what was recorded earlier is still being evaluated (commits to go: {behind}); try again in a second"
            );
            Answer::Problem(StatusCode::SERVICE_UNAVAILABLE, text)
        })
    }

    /// Reads the database, which may take a moment.
    async fn read(
        self,
        read: impl FnOnce(&PathBuf) -> anyhow::Result<Value> + Send + 'static,
    ) -> Result<Answer, Answer> {
        let read = self.look(move |folder| read(folder).map(|value| Answer::json(&value))).await;
        read.map_err(|(status, why)| Answer::Problem(status, why))
    }

    /// The same, for whatever is made of it; else the status and why there is nothing.
    pub(crate) async fn look<T: Send + 'static>(
        self,
        read: impl FnOnce(&PathBuf) -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, (StatusCode, String)> {
        let problem = |why: String| (StatusCode::INTERNAL_SERVER_ERROR, why);
        let Ok(place) = Arc::clone(&self.readers).try_acquire_owned() else {
            let busy = "others are reading the records; try again in a second";
            return Err((StatusCode::SERVICE_UNAVAILABLE, busy.to_owned()));
        };
        // Whoever asked may go away: the place is taken until the records are read.
        let read = move || {
            let answer = read(&self.folder);
            drop(place);
            answer
        };
        match spawn_blocking(read).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(problem(format!("{why:#}"))),
            Err(why) => Err(problem(why.to_string())),
        }
    }
}

/// The page for a browser, text for everybody else.
async fn index(state: State<Source>, request: Request) -> Response {
    let view: fn(&Report) -> String = match page::form(&request) {
        page::Form::Page => return page::now_page(state, request).await,
        page::Form::Text => views::text,
        page::Form::Watch => views::watch,
    };
    state.report().map(|report| Answer::Text(view(&report))).into_response()
}

/// Whether the model is well that serves, in a sentence, and what to do.
async fn verdict(State(source): State<Source>) -> Result<Answer, Answer> {
    let report = source.report()?;
    let Report { at, commit, verdict, .. } = &*report;
    let behind = source.evaluated.behind();
    Ok(Answer::json(&Judgement {
        at: *at,
        commit: *commit,
        behind,
        trouble: source.evaluated.trouble(),
        verdict: verdict.clone(),
    }))
}

/// How good the versions are, how late their labels, and what has changed: the value that all views show.
async fn report(
    State(source): State<Source>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Answer, Answer> {
    let wanted = Wanted::read(query)?;
    let report = source.report()?;
    let Some(model) = wanted else { return Ok(Answer::json(&*report)) };
    let is_wanted =
        |name: Option<&str>, version: Option<&str>| model.includes(&ModelId::recorded(name, version));
    let report = report.of(is_wanted);
    if report.versions.is_empty() {
        let why = format!("model {model} has predicted nothing that is kept");
        return Err(Answer::Problem(StatusCode::NOT_FOUND, why));
    }
    Ok(Answer::json(&report))
}

/// How the alert rules stand, and what was said of them last.
async fn alerts(State(source): State<Source>) -> Result<Answer, Answer> {
    let report = source.report()?;
    Ok(Answer::json(&Alerts { alerts: report.alerts.clone(), notices: report.notices.clone() }))
}

/// Which of the versions that predicted the same rows errs less; as `metric compare --json`.
async fn comparisons(
    State(source): State<Source>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Answer, Answer> {
    let wanted = Wanted::read(query)?;
    let report = source.report()?;
    let wanted: Vec<&ModelId> = wanted.iter().collect();
    let comparisons: Vec<_> =
        report.comparisons.iter().filter(|of| compare::is_wanted(of, &wanted)).collect();
    Ok(Answer::json(&comparisons))
}

/// What became of everything that was received; as `metric status --json`.
async fn account(State(source): State<Source>) -> Result<Answer, Answer> {
    source.read(|folder| status::json(folder)).await
}

/// How long the disk of the records lasts.
async fn disk(State(source): State<Source>) -> Answer {
    match *source.disk.borrow() {
        Some(disk) => Answer::json(&disk),
        None => {
            let why = "the disk was not looked at yet, or the records cannot be read; try again in a second";
            Answer::Problem(StatusCode::SERVICE_UNAVAILABLE, why.to_owned())
        }
    }
}

/// What the models say of themselves, with their whole cards; as `metric models --json`.
async fn model_list(
    State(source): State<Source>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Answer, Answer> {
    let wanted = Wanted::read(query)?;
    source.read(move |folder| models::json(folder, wanted.as_ref())).await
}

#[cfg(test)]
mod tests;
