//! What is served to a browser: the page, the files it is shown with, and the stream that says when there is something new.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Deserialize;

use super::assets::{ICON, SCRIPT, STYLE};
use super::attempt::{Fields, Row};
use super::layout::{Place, not_yet, page, problem};
use super::now::Wanted;
use super::words::Zone;
use super::{attempt, model, packed, rows};
use crate::api::Source;
use crate::export::parse_model;
use crate::models;
use crate::page_options::BasePath;
use crate::plot::Score;
use crate::store::Reader;

/// Nothing from elsewhere, and nothing that is not in a file of ours.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// How often a stream on which nothing happens says that it is still there.
const ALIVE: Duration = Duration::from_secs(15);

#[derive(Debug, Deserialize)]
struct Asked {
    score: Option<String>,
}

pub(crate) fn routes(base: &BasePath) -> Router<Source> {
    Router::new()
        .route(&base.with("/events"), get(events))
        .route(&base.with("/frame"), get(frame))
        .route(&base.with("/rows"), get(rows_page))
        .route(&base.with("/rows.csv"), get(rows_csv))
        .route(&base.with("/model"), get(model_page))
        .route(&base.with("/try"), get(try_page))
        .route(&base.with("/assets/page.css"), get(async || STYLE.answer()))
        .route(&base.with("/assets/page.js"), get(async || SCRIPT.answer()))
        .route(&base.with("/assets/icon.svg"), get(async || ICON.answer()))
}

/// The forms in which the report is had at `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Page,
    Text,
    Watch,
}

/// Which one is asked for: by name, or else as a browser does or as everybody else.
pub(crate) fn form(request: &Request) -> Form {
    let asks =
        |what: &str| request.uri().query().is_some_and(|query| query.split('&').any(|part| part == what));
    let accepts = request.headers().get(axum::http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
    match () {
        () if asks("as=watch") => Form::Watch,
        () if !asks("as=text") && accepts.is_some_and(|accept| accept.contains("text/html")) => Form::Page,
        () => Form::Text,
    }
}

/// How the model is now.
pub(crate) async fn now_page(State(source): State<Source>, request: Request) -> Response {
    let asked = Query::<Asked>::try_from_uri(request.uri()).ok().and_then(|Query(asked)| asked.score);
    let score =
        Score::ALL.into_iter().find(|score| asked.as_deref() == Some(score.key())).unwrap_or_default();
    let wanted = Wanted { score, zone: zone(request.headers()) };
    let evaluated = &source.evaluated;
    match evaluated.report() {
        Some(report) => {
            let page = source.rendered.page(&report, *source.disk.borrow(), wanted);
            answer(request.headers(), StatusCode::OK, page.text, |_| page.packed)
        }
        None => html(
            request.headers(),
            StatusCode::SERVICE_UNAVAILABLE,
            not_yet(evaluated.behind(), evaluated.trouble().as_deref()),
        ),
    }
}

#[derive(Debug, Default, Deserialize)]
struct AskedFrame {
    of: String,
}

/// What all pages have, of one whose contents stand still: a page that is open would else ask the database, or the model, again and
/// again.
async fn frame(State(source): State<Source>, request: Request) -> Response {
    let Some(report) = source.evaluated.report() else { return not_yet_page(request.headers(), &source) };
    let asked =
        Query::<AskedFrame>::try_from_uri(request.uri()).map(|Query(asked)| asked).unwrap_or_default();
    let place = Place::read(&asked.of).unwrap_or(Place::Rows);
    let frame = page(place, &place.title(), Some(&report), zone(request.headers()), &maud::html! {});
    html(request.headers(), StatusCode::OK, frame)
}

fn asked_rows(request: &Request) -> rows::Asked {
    let query =
        Query::<rows::Query>::try_from_uri(request.uri()).map(|Query(query)| query).unwrap_or_default();
    let (kind, before) = (query.kind(), query.before());
    rows::Asked { id: query.id, kind, before, zone: zone(request.headers()) }
}

/// The rows.
async fn rows_page(State(source): State<Source>, request: Request) -> Response {
    let Some(report) = source.evaluated.report() else { return not_yet_page(request.headers(), &source) };
    let (asked, known) = (asked_rows(&request), rows::Known::of(&report));
    let wanted = asked.clone();
    match source.look(move |folder| rows::read(folder, &wanted, &known)).await {
        Ok(read) => html(request.headers(), StatusCode::OK, rows::rows(&report, &asked, &read)),
        Err((status, why)) => html(request.headers(), status, problem(&why)),
    }
}

/// The same rows as a file.
async fn rows_csv(State(source): State<Source>, request: Request) -> Response {
    let Some(report) = source.evaluated.report() else { return not_yet_page(request.headers(), &source) };
    let (asked, known) = (asked_rows(&request), rows::Known::of(&report));
    match source.look(move |folder| rows::as_csv(folder, &asked, &known)).await {
        Ok(text) => {
            let headers = [
                (CACHE_CONTROL, "no-store"),
                (X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (CONTENT_TYPE, "text/csv; charset=utf-8"),
                (CONTENT_DISPOSITION, "attachment; filename=\"rows.csv\""),
            ];
            (headers, text).into_response()
        }
        Err((status, why)) => html(request.headers(), status, problem(&why)),
    }
}

#[derive(Debug, Default, Deserialize)]
struct AskedModel {
    model: Option<String>,
    beside: Option<String>,
}

/// A model.
async fn model_page(State(source): State<Source>, request: Request) -> Response {
    let Some(report) = source.evaluated.report() else { return not_yet_page(request.headers(), &source) };
    let asked =
        Query::<AskedModel>::try_from_uri(request.uri()).map(|Query(asked)| asked).unwrap_or_default();
    // What is no name is that of no model.
    let [wanted, beside] = [asked.model, asked.beside].map(|text| parse_model(&text?).ok());
    let zone = zone(request.headers());
    match source.look(|folder| models::json(folder, None)).await {
        Ok(models) => {
            html(request.headers(), StatusCode::OK, model::model(&report, &models, wanted, beside, zone))
        }
        Err((status, why)) => html(request.headers(), status, problem(&why)),
    }
}

/// Asks the model that runs: as a page, or as JSON for programs.
async fn try_page(State(source): State<Source>, request: Request) -> Response {
    let Some(report) = source.evaluated.report() else { return not_yet_page(request.headers(), &source) };
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(request.uri())
        .map(|Query(pairs)| pairs)
        .unwrap_or_default();
    let (is_page, zone, asker) =
        (form(&request) == Form::Page, zone(request.headers()), source.asker.clone());
    let told = report.verdict.version.and_then(|at| report.versions.get(at));
    let id = told.map(model::id_of);
    let read = source.look(move |folder| {
        let reader = Reader::open(folder)?;
        let card = id.map(|id| reader.card(&id)).transpose()?.flatten().map(|card| card.json);
        Ok((card, rows::last_vector(&reader)?))
    });
    let (card, last) = match read.await {
        Ok(read) => read,
        Err((status, why)) => return html(request.headers(), status, problem(&why)),
    };
    let card = card.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
    let fields = Fields::of(&card, last.as_deref());
    let row = Row::of(&pairs, fields.begin());
    let answer = match &asker {
        Some(asker) if !fields.begin().is_empty() => Some(asker.ask(row.body(), attempt::PATIENCE).await),
        _ => None,
    };
    if is_page {
        return html(
            request.headers(),
            StatusCode::OK,
            attempt::attempt(&report, &fields, &row, answer.as_ref(), zone),
        );
    }
    let (status, text) = attempt::as_json(answer);
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_TYPE, "application/json"),
    ];
    (status, headers, text).into_response()
}

fn not_yet_page(request: &HeaderMap, source: &Source) -> Response {
    let evaluated = &source.evaluated;
    html(
        request,
        StatusCode::SERVICE_UNAVAILABLE,
        not_yet(evaluated.behind(), evaluated.trouble().as_deref()),
    )
}

fn zone(headers: &HeaderMap) -> Zone {
    let cookies = headers.get(COOKIE).and_then(|cookies| cookies.to_str().ok());
    Zone::of_cookies(cookies.unwrap_or_default())
}

fn html(request: &HeaderMap, status: StatusCode, text: String) -> Response {
    answer(request, status, Bytes::from(text), |text| packed::pack(text).map(Bytes::from))
}

/// A page, packed by `pack` for whoever takes that.
fn answer(
    request: &HeaderMap,
    status: StatusCode,
    text: Bytes,
    pack: impl FnOnce(&[u8]) -> Option<Bytes>,
) -> Response {
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (VARY, "accept, accept-encoding, cookie"),
    ];
    match packed::is_taken(request).then(|| pack(&text)).flatten() {
        Some(packed) => (status, headers, [(CONTENT_ENCODING, "gzip")], packed).into_response(),
        None => (status, headers, text).into_response(),
    }
}

/// Says the number of the last commit whenever there is a new report. Whoever reads slowly hears of the latest only.
async fn events(State(source): State<Source>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut changes = source.evaluated.changes();
    changes.mark_changed();
    let stream = unfold(changes, async |mut changes| {
        loop {
            // Nobody makes reports any more: metric stops.
            changes.changed().await.ok()?;
            let commit = changes.borrow_and_update().as_ref().map(|report| report.commit);
            if let Some(commit) = commit {
                return Some((Ok(Event::default().data(commit.to_string())), changes));
            }
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE))
}
