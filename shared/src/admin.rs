//! The endpoint for those who run a service, on a port of its own.
//!
//! - `GET /live`: 200 while the process runs.
//! - `GET /ready`: 200 when it does its job, else 503 with what is missing, a line each.
//! - `GET /metrics`: the numbers, in Prometheus' text format.

mod healthcheck;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tracing::info;

pub use self::healthcheck::Healthcheck;
use crate::http::{Limits, Listener, Server};
use crate::metrics;
use crate::readiness::Readiness;

/// What the endpoint takes: short questions of a few people and programs.
pub(crate) const LIMITS: Limits = Limits {
    connections: 256,
    new_per_second: 2000,
    header_bytes: 16 << 10,
    header: Duration::from_secs(5),
    body_bytes: 1 << 10,
    request: Duration::from_secs(10),
    answer: Duration::from_secs(10),
    idle: Duration::from_secs(60),
};

/// Where the endpoint listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// On this address; port 0 takes a free one.
    On(SocketAddr),
    /// Nowhere.
    Off,
}

/// Only this machine, on a free port, so that services started side by side never collide.
impl Default for Listen {
    fn default() -> Self {
        Self::On(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse()
            .map(Self::On)
            .map_err(|_| "expected ADDRESS:PORT, such as 127.0.0.1:9100, or off".to_owned())
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(address) => address.fmt(f),
            Self::Off => f.write_str("off"),
        }
    }
}

/// Starts to serve in the background; nothing is returned where it is off.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(
    name: &'static str,
    listen: Listen,
    readiness: Readiness,
) -> anyhow::Result<Option<Server>> {
    let Listen::On(address) = listen else { return Ok(None) };
    let listener = Listener::bind("the admin endpoint", address, LIMITS).await.with_context(|| {
        format!("the admin endpoint cannot listen on {address}; choose another with --admin-addr, or `off`")
    })?;
    let address = listener.address().context("the admin endpoint has no address")?;
    info!("{name} serves /live, /ready and /metrics on http://{address}");
    let ready = async move || {
        let unmet = readiness.unmet();
        if unmet.is_empty() {
            return (StatusCode::OK, "ready\n".to_owned());
        }
        let lines = unmet.iter().map(|what| format!("not yet: {what}\n")).collect();
        (StatusCode::SERVICE_UNAVAILABLE, lines)
    };
    let scrape = async || ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::encode());
    let routes = Router::new()
        .route("/live", get(async || "live\n"))
        .route("/ready", get(ready))
        .route("/metrics", get(scrape))
        .fallback(async || (StatusCode::NOT_FOUND, "here are /live, /ready and /metrics\n"));
    Ok(Some(listener.serve(routes).context("the admin endpoint cannot start")?))
}

#[cfg(test)]
mod tests {
    use super::healthcheck::ask;
    use super::*;

    #[test]
    fn an_address_or_off() {
        assert_eq!("off".parse(), Ok(Listen::Off));
        assert_eq!("0.0.0.0:9100".parse::<Listen>().unwrap().to_string(), "0.0.0.0:9100");
        assert!("9100".parse::<Listen>().unwrap_err().contains("ADDRESS:PORT"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn ready_says_what_is_missing() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listen = Listen::On(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        let readiness = Readiness::default();
        let model = readiness.condition("model loaded");
        let server = serve("test", listen, readiness).await.unwrap().unwrap();
        let ask = move |path| tokio::task::spawn_blocking(move || ask(listen, path));
        assert!(ask("/live").await.unwrap().is_ok());
        let why = ask("/ready").await.unwrap().unwrap_err().to_string();
        assert_eq!(why, "not yet: model loaded");
        model.set(true);
        assert!(ask("/ready").await.unwrap().is_ok());
        assert!(ask("/metrics").await.unwrap().is_ok());
        let why = ask("/").await.unwrap().unwrap_err().to_string();
        assert_eq!(why, "here are /live, /ready and /metrics");
        server.stop(Duration::from_secs(1)).await;
        assert!(ask("/live").await.unwrap().unwrap_err().to_string().contains("nothing answers"));
    }
}
