//! A port of this machine, kept from what the internet shows in a browser here.

use std::net::IpAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::map_request;

/// Answers only whoever asks for this machine, by number or as `localhost`: a page of the internet can have its own name lead here,
/// and would then read what it likes in the browser of whoever looks at it.
pub fn for_this_machine(routes: Router) -> Router {
    routes.layer(map_request(async |request: Request| {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if is_this_machine(host) {
            return Ok(request);
        }
        let headers = [
            (CONTENT_TYPE, "application/json"),
            (CACHE_CONTROL, "no-store"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        let why =
            "this is not where that name leads; ask http://localhost, or have it listen on another address";
        Err((StatusCode::MISDIRECTED_REQUEST, headers, serde_json::json!({ "error": why }).to_string()))
    }))
}

fn is_this_machine(host: &str) -> bool {
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    let number = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || number.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_a_number_or_localhost() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "[::1]", "10.0.0.1"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["", "evil.example", "evil.example:5000", "localhost.evil.example", "localhost:x"] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
