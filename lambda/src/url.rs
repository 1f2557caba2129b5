//! A request by Function URL or by API Gateway (payload format 2.0), and its response. Pure.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use model::{Invocation, Invoked, NotInvoked};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What of a request matters here. What is not there may be `null` as well.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    raw_path: Option<String>,
    headers: Option<BTreeMap<String, Option<String>>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
    request_context: RequestContext,
}

#[derive(Debug, Clone, Deserialize)]
struct RequestContext {
    http: Http,
    stage: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Http {
    method: String,
    path: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Predictions.
    Invoke,
    /// Whether it runs.
    Ping,
    /// Which release it is.
    Version,
    /// Nothing that is there.
    Nothing,
    /// Something that is there, in a way in which it is not asked for.
    NotSo,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Response {
    pub(crate) status_code: u16,
    headers: BTreeMap<&'static str, String>,
    body: String,
    is_base64_encoded: bool,
}

impl Request {
    pub(crate) fn read(payload: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(payload)
    }

    /// What is asked for, by path and method. A stage of API Gateway with a name begins the path.
    pub(crate) fn asked(&self) -> Asked {
        let RequestContext { http, stage } = &self.request_context;
        let path = self.raw_path.as_deref().or(http.path.as_deref()).unwrap_or("/");
        let stage = stage.as_deref().filter(|stage| *stage != "$default");
        let path = stage
            .and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage))
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
            .unwrap_or(path);
        let (asked, method) = match path {
            "" | "/" | "/invocations" => (Asked::Invoke, "POST"),
            "/ping" | "/health" => (Asked::Ping, "GET"),
            "/version" => (Asked::Version, "GET"),
            _ => return Asked::Nothing,
        };
        if http.method.eq_ignore_ascii_case(method) { asked } else { Asked::NotSo }
    }

    /// The body's bytes.
    pub(crate) fn body(&self) -> Result<Vec<u8>, Response> {
        let body = self.body.as_deref().unwrap_or_default();
        if self.is_base64_encoded != Some(true) {
            return Ok(body.as_bytes().to_vec());
        }
        BASE64_STANDARD.decode(body).map_err(|why| {
            let error = format!("isBase64Encoded is true, and the body is no base64: {why}");
            Response::object(400, &json!({ "error": error }))
        })
    }

    /// The request for predictions, with this body.
    pub(crate) fn invocation<'a>(&'a self, body: &'a [u8]) -> Invocation<'a> {
        Invocation {
            content_type: self.header("content-type"),
            content_encoding: self.header("content-encoding"),
            accepts: self.header("accept"),
            body,
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let headers = self.headers.as_ref()?;
        headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_deref())
    }
}

impl Response {
    /// Predictions.
    pub(crate) fn invoked(told: Invoked) -> Self {
        Self::of(200, told.content_type, text(told.body))
    }

    /// What is wrong, with its code in `x-reason`.
    pub(crate) fn not_invoked(why: NotInvoked) -> Self {
        let mut response = Self::of(why.status, "application/json", text(why.body));
        if let Some(reason) = why.reason {
            response.headers.insert("x-reason", reason.to_owned());
        }
        response
    }

    /// What needs no model.
    pub(crate) fn plain(asked: &Asked) -> Self {
        match asked {
            Asked::Invoke | Asked::Ping => Self::of(200, "text/plain; charset=utf-8", "\n".to_owned()),
            Asked::Version => {
                Self::of(200, "text/plain; charset=utf-8", env!("CARGO_PKG_VERSION").to_owned())
            }
            Asked::Nothing => Self::object(
                404,
                &json!({ "error": "nothing is here; POST rows to /invocations, GET /ping or /version" }),
            ),
            Asked::NotSo => Self::object(
                405,
                &json!({ "error": "this address is not asked in this way: POST /invocations, GET /ping, GET /version" }),
            ),
        }
    }

    fn object(status: u16, value: &serde_json::Value) -> Self {
        Self::of(status, "application/json", value.to_string())
    }

    fn of(status_code: u16, content_type: &str, body: String) -> Self {
        let headers = [
            ("content-type", content_type.to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
        ];
        Self { status_code, headers: headers.into(), body, is_base64_encoded: false }
    }
}

/// What `model` answers is JSON or CSV, which is text.
fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str, stage: &str, rest: serde_json::Value) -> Request {
        let mut event = json!({
            "version": "2.0", "rawPath": path, "headers": null, "isBase64Encoded": null,
            "requestContext": { "http": { "method": method, "path": path }, "stage": stage },
        });
        let more = rest.as_object().unwrap().clone();
        event.as_object_mut().unwrap().extend(more);
        Request::read(&event.to_string()).unwrap()
    }

    #[test]
    fn path_and_method_say_what_is_asked_for() {
        for (method, path, stage, wanted) in [
            ("POST", "/invocations", "$default", Asked::Invoke),
            ("post", "/", "$default", Asked::Invoke),
            ("POST", "/prod/invocations", "prod", Asked::Invoke),
            ("POST", "/prod", "prod", Asked::Invoke),
            ("POST", "/production/invocations", "prod", Asked::Nothing),
            ("POST", "/prod/invocations", "$default", Asked::Nothing),
            ("GET", "/invocations", "$default", Asked::NotSo),
            ("GET", "/ping", "$default", Asked::Ping),
            ("GET", "/health", "$default", Asked::Ping),
            ("GET", "/version", "$default", Asked::Version),
            ("POST", "/ping", "$default", Asked::NotSo),
            ("POST", "/api/v1/rows", "$default", Asked::Nothing),
        ] {
            assert_eq!(request(method, path, stage, json!({})).asked(), wanted, "{method} {path} of {stage}");
        }
    }

    #[test]
    fn a_body_is_text_or_base64_and_headers_have_any_case() {
        let headers = json!({ "Content-Type": "text/csv", "accept": null });
        let of = |body: &str, packed: bool| {
            request(
                "POST",
                "/",
                "$default",
                json!({ "headers": headers, "body": body, "isBase64Encoded": packed }),
            )
        };
        let (plain, packed, broken) = (of("1,2", false), of("MSwy", true), of("1,2", true));
        for request in [&plain, &packed] {
            let body = request.body().unwrap();
            let Invocation { content_type, accepts, body, .. } = request.invocation(&body);
            assert_eq!((content_type, accepts, body), (Some("text/csv"), None, &b"1,2"[..]));
        }
        let why = broken.body().unwrap_err();
        assert!(why.status_code == 400 && why.body.contains("no base64"), "{why:?}");
        assert_eq!(request("POST", "/", "$default", json!({})).body().unwrap(), b"");
    }
}
