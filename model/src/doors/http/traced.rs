//! A request as a step of the trace that it came with, by the names that OpenTelemetry has for HTTP. What is published of it is
//! within that.

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use shared::message::header::{TRACE_PARENT, TRACE_STATE};
use shared::printable;
use shared::trace::{Context, Kind, Span, Step, is_on, within};

use crate::serve::APP;

/// How much of a path is told, in characters.
const LONGEST_PATH: usize = 256;

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
    span.know("url.path", printable::within(request.uri().path(), LONGEST_PATH));
    if let Some(route) = route {
        span.know("http.route", route);
    }
    let response = within(span.context(), next.run(request)).await;
    let status = response.status();
    span.know("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.fail(status.as_str());
    }
    span.end();
    response
}

/// Several `tracestate` are one list; several `traceparent` are none (W3C Trace Context, 3.2 and 3.3).
fn of_headers(headers: &HeaderMap) -> Option<Context> {
    let texts = |name| headers.get_all(name).iter().map(|value| value.to_str().ok());
    let mut parents = texts(TRACE_PARENT);
    let (parent, other) = (parents.next()??, parents.next());
    let states: Option<Vec<&str>> = texts(TRACE_STATE).collect();
    let state = states.map(|states| states.join(","));
    if other.is_some() { None } else { Context::read(parent, state.as_deref()) }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn headers_that_stand_there_several_times_are_read_as_the_standard_has_it() {
        const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for (parents, states, state) in [
            (&[PARENT][..], &[][..], Some(None)),
            (&[PARENT], &["a=1"], Some(Some("a=1"))),
            (&[PARENT], &["a=1", "b=2,c=3"], Some(Some("a=1,b=2,c=3"))),
            (&[PARENT], &["a=1", "é"], Some(None)),
            (&[PARENT, PARENT], &["a=1"], None),
            (&["é"], &[], None),
            (&[], &["a=1"], None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, values) in [(TRACE_PARENT, parents), (TRACE_STATE, states)] {
                for value in values {
                    headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
                }
            }
            let context = of_headers(&headers);
            assert_eq!(context.as_ref().map(Context::state), state, "{parents:?} {states:?}");
        }
    }
}
