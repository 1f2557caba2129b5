//! The addresses of the port: each reads a request, has the door answer it, and says the answer in its own form.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{from_fn, map_request};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::http::Tokens;
use shared::message::{MAX_BODY, Rejection, RowId};
use shared::printable::lines;

use super::door::{Door, Way};
use super::intake::{self, Taken};
use super::oip::{BINARY, Infer, Served, Written};
use super::posted::Posted;
use super::problem::Problem;
use super::traced::traced;
use super::{description, invocations, packed};

/// How much of a body is JSON, where there is data behind it.
const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");
/// The id of the row, or what the ids of several begin with.
const ROW_ID: HeaderName = HeaderName::from_static("x-row-id");
/// The code of what is wrong with a row, as dead letters have it.
const REASON: HeaderName = HeaderName::from_static("x-reason");
/// What SageMaker hands on as the id of a request.
const SAGEMAKER_ID: HeaderName = HeaderName::from_static("x-amzn-sagemaker-inference-id");

/// What is served. Whether it runs is told to everybody, all else to whoever shows a token, where there are some.
pub(super) fn routes(door: Door, tokens: Option<Tokens>) -> Router {
    let health = Router::new()
        .route("/v2/health/live", get(async || object(StatusCode::OK, &json!({ "live": true }))))
        .route("/v2/health/ready", get(ready))
        .route("/ping", get(ping))
        .route("/health", get(ping))
        .with_state(door.clone());
    let all = Router::new()
        .route("/v2", get(server))
        .route("/v2/models/{model}", get(metadata))
        .route("/v2/models/{model}/ready", get(model_ready))
        .route("/v2/models/{model}/infer", post(infer))
        .route("/v2/models/{model}/versions/{version}", get(metadata))
        .route("/v2/models/{model}/versions/{version}/ready", get(model_ready))
        .route("/v2/models/{model}/versions/{version}/infer", post(infer))
        .route("/invocations", post(invoke))
        .route(
            "/version",
            get(async || answer(StatusCode::OK, "text/plain; charset=utf-8", env!("CARGO_PKG_VERSION"))),
        )
        .route("/api/v1/rows", post(rows))
        .route("/api/v1/labels", post(labels))
        .route("/openapi.json", get(async || object(StatusCode::OK, &description::openapi())))
        .route_layer(from_fn(traced))
        .with_state(door);
    let all = match tokens {
        Some(tokens) => tokens.guard(all),
        None => all.layer(map_request(async |request: Request| not_of_a_page(request))),
    };
    let elsewhere = async || {
        object(
            StatusCode::NOT_FOUND,
            &json!({ "error": "nothing is here; /openapi.json says what there is" }),
        )
    };
    let not_allowed = async || {
        let error = "this address is not asked in this way; /openapi.json says in which";
        object(StatusCode::METHOD_NOT_ALLOWED, &json!({ "error": error }))
    };
    all.merge(health).fallback(elsewhere).method_not_allowed_fallback(not_allowed)
}

/// Any page of the internet may post from the browser of whoever looks at it, and it says so. Nobody else does.
fn not_of_a_page(request: Request) -> Result<Request, OfAPage> {
    if request.headers().contains_key(ORIGIN) { Err(OfAPage) } else { Ok(request) }
}

/// A request that a page of the internet has made.
struct OfAPage;

impl IntoResponse for OfAPage {
    fn into_response(self) -> Response {
        let error = "requests of web pages are not answered without a token (--http-token-file)";
        object(StatusCode::FORBIDDEN, &json!({ "error": error }))
    }
}

#[derive(Debug, Deserialize)]
struct Named {
    model: String,
    version: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    id: Option<String>,
}

async fn ready(State(door): State<Door>) -> Response {
    let ready = door.is_ready();
    object(status_of(ready), &json!({ "ready": ready }))
}

async fn ping(State(door): State<Door>) -> Response {
    answer(status_of(door.is_ready()), "text/plain; charset=utf-8", "\n")
}

fn status_of(ready: bool) -> StatusCode {
    if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn server() -> Response {
    let server = json!({ "name": "pipeline", "version": env!("CARGO_PKG_VERSION"), "extensions": [BINARY] });
    object(StatusCode::OK, &server)
}

async fn metadata(State(door): State<Door>, Path(named): Path<Named>) -> Response {
    of_model(&door, &named, |served| served.metadata())
}

async fn model_ready(State(door): State<Door>, Path(named): Path<Named>) -> Response {
    let ready = door.is_ready();
    of_model(&door, &named, |served| json!({ "name": served.name.as_str(), "ready": ready }))
}

fn of_model(door: &Door, named: &Named, tell: impl Fn(&Served<'_>) -> Value) -> Response {
    let told = door.predictor().and_then(|predictor| {
        let served = Served { name: &door.options().model_name, predictor: &predictor };
        served.is(&named.model, named.version.as_deref())?;
        Ok(object(StatusCode::OK, &tell(&served)))
    });
    told.unwrap_or_else(|why| problem(Way::Oip, why))
}

async fn infer(State(door): State<Door>, Path(named): Path<Named>, request: Request) -> Response {
    let told = async {
        let predictor = door.predictor()?;
        let served = Served { name: &door.options().model_name, predictor: &predictor };
        served.is(&named.model, named.version.as_deref())?;
        let json = match text(request.headers(), &JSON_LENGTH) {
            None => None,
            Some(length) => Some(length.parse().map_err(|_| {
                Problem::bad(
                    Rejection::SHAPE,
                    format!("{JSON_LENGTH} is {length:?}; expected a number of bytes"),
                )
            })?),
        };
        let body = body(request).await?;
        let Infer { id, rows, is_binary } = served.read(&body, json)?;
        let (values, row) = door.predict(&predictor, rows, id.as_deref()).await?;
        let Written { body, json } = served.written(id.as_deref(), is_binary, &values);
        let kind = if json.is_some() { "application/octet-stream" } else { "application/json" };
        let mut response = answer(StatusCode::OK, kind, body);
        if let Some(json) = json {
            response.headers_mut().insert(JSON_LENGTH, json.into());
        }
        Ok(of_row(response, row.as_ref()))
    };
    said(Way::Oip, told.await)
}

async fn invoke(State(door): State<Door>, request: Request) -> Response {
    let told = async {
        let predictor = door.predictor()?;
        let headers = request.headers();
        let id = asked(&request)?.id.or_else(|| text(headers, &SAGEMAKER_ID).map(str::to_owned));
        let [kind, accepts] = [CONTENT_TYPE, ACCEPT].map(|name| text(headers, &name).map(str::to_owned));
        let body = body(request).await?;
        let (rows, form) = invocations::read(&predictor, kind.as_deref(), accepts.as_deref(), &body)?;
        let (values, row) = door.predict(&predictor, rows, id.as_deref()).await?;
        let (kind, body) = invocations::written(form, &values);
        Ok(of_row(answer(StatusCode::OK, kind, body), row.as_ref()))
    };
    said(Way::Invocations, told.await)
}

async fn rows(State(door): State<Door>, request: Request) -> Response {
    let told = async {
        let predictor = door.predictor()?;
        take(&door, request, |posted| {
            intake::rows(&predictor, door.options(), posted, door.app(), Clock::System.wall())
        })
        .await
    };
    said(Way::Rows, told.await)
}

async fn labels(State(door): State<Door>, request: Request) -> Response {
    let taken = take(&door, request, |posted| intake::labels(posted, door.app(), Clock::System.wall())).await;
    said(Way::Labels, taken)
}

/// Answers when all that can be used of a request is safe in its queue.
async fn take(
    door: &Door,
    request: Request,
    read: impl Fn(Posted<'_>) -> Result<Taken, Problem>,
) -> Result<Response, Problem> {
    let id = asked(&request)?.id;
    let kind = text(request.headers(), &CONTENT_TYPE).map(str::to_owned);
    let body = body(request).await?;
    let taken = read(Posted { body: &body, content_type: kind.as_deref(), id: id.as_deref() })?;
    let Taken { messages, ids, rejected } = taken;
    let accepted = ids.len();
    if accepted > 0 {
        door.publish(messages, accepted).await?;
    }
    let status = if accepted > 0 { StatusCode::ACCEPTED } else { StatusCode::BAD_REQUEST };
    Ok(object(status, &json!({ "accepted": accepted, "ids": ids, "rejected": rejected })))
}

fn asked(request: &Request) -> Result<Asked, Problem> {
    let asked = Query::<Asked>::try_from_uri(request.uri());
    asked.map(|Query(asked)| asked).map_err(|why| Problem::bad(Rejection::ID, why.body_text()))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The body, unpacked. What is longer than a message is not read to its end.
async fn body(request: Request) -> Result<Bytes, Problem> {
    let headers = request.headers();
    let announced = text(headers, &CONTENT_LENGTH).and_then(|length| length.parse().ok());
    if announced.is_some_and(|bytes: usize| bytes > MAX_BODY) {
        return Err(Problem::long());
    }
    let encoding = text(headers, &CONTENT_ENCODING).map(str::to_owned);
    // Whoever breaks off hears nothing of it.
    let body = to_bytes(request.into_body(), MAX_BODY).await.map_err(|_| Problem::long())?;
    packed::unpacked(encoding.as_deref(), body)
}

/// The answer to a request that is counted.
fn said(way: Way, told: Result<Response, Problem>) -> Response {
    let response = told.unwrap_or_else(|why| problem(way, why));
    way.count(response.status().as_u16());
    response
}

/// Why there is no answer, in the form that the clients of a way show.
fn problem(way: Way, why: Problem) -> Response {
    let body = match way {
        Way::Invocations => invocations::refused(&why),
        _ => json!({ "error": lines(&why.error) }),
    };
    let Problem { status, reason, .. } = why;
    let mut response = object(status, &body);
    let headers = response.headers_mut();
    if let Some(reason) = reason {
        headers.insert(REASON, HeaderValue::from_static(reason));
    }
    match status {
        StatusCode::SERVICE_UNAVAILABLE => _ = headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
        // The rest of the body is not wanted.
        StatusCode::PAYLOAD_TOO_LARGE => _ = headers.insert(CONNECTION, HeaderValue::from_static("close")),
        _ => {}
    }
    response
}

fn of_row(mut response: Response, row: Option<&RowId>) -> Response {
    if let Some(value) = row.and_then(|row| HeaderValue::from_str(&row.to_string()).ok()) {
        response.headers_mut().insert(ROW_ID, value);
    }
    response
}

fn object(status: StatusCode, value: &Value) -> Response {
    answer(status, "application/json", value.to_string())
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, body.into()).into_response()
}
