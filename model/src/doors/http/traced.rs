//! A request as a step of the trace that it came with, by the names that OpenTelemetry has for HTTP. What is published of it is
//! within that.

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use shared::message::header::{TRACE_PARENT, TRACE_STATE};
use shared::trace::{Context, Kind, Span, Step, is_on, within};

use crate::serve::APP;

/// Answers a request within its trace.
pub(super) async fn traced(request: Request, next: Next) -> Response {
    let came_with = of_headers(request.headers());
    if !is_on() {
        return within(came_with, next.run(request)).await;
    }
    let method = request.method().to_string();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let span = Span::begin(Step {
        service: APP,
        name: &route.as_ref().map_or_else(|| method.clone(), |route| format!("{method} {route}")),
        kind: Kind::Server,
        parent: came_with.as_ref(),
        links: &[],
    });
    span.know("http.request.method", method);
    span.know("url.scheme", "http");
    span.know("url.path", request.uri().path());
    if let Some(route) = route {
        span.know("http.route", route);
    }
    let response = within(span.context(), next.run(request)).await;
    let status = response.status();
    span.know("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.fail(status.canonical_reason().unwrap_or("server error"));
    }
    span.end();
    response
}

fn of_headers(headers: &HeaderMap) -> Option<Context> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    Context::read(text(TRACE_PARENT)?, text(TRACE_STATE))
}
