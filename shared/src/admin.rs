//! The endpoint for those who run a service, on a port of its own.
//!
//! - `GET /live`: 200 while the process runs.
//! - `GET /ready`: 200 when it does its job, else 503 with what is missing, a line each.
//! - `GET /metrics`: the counters, in Prometheus' text format.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use clap::Args;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing::info;

use crate::readiness::Readiness;

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
            .map_err(|_| "wanted is ADDRESS:PORT, such as 127.0.0.1:9100, or off".to_owned())
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

/// Starts to serve in the background.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(name: &'static str, listen: Listen, readiness: Readiness) -> anyhow::Result<()> {
    let Listen::On(address) = listen else { return Ok(()) };
    let metrics = recorder()?;
    let listener = tokio::net::TcpListener::bind(address).await.with_context(|| {
        format!("the admin endpoint cannot listen on {address}; choose another with --admin-addr, or `off`")
    })?;
    let address = listener.local_addr().context("the admin endpoint has no address")?;
    info!("{name} serves /live, /ready and /metrics on http://{address}");
    let ready = async move || {
        let unmet = readiness.unmet();
        if unmet.is_empty() {
            return (StatusCode::OK, "ready\n".to_owned());
        }
        let lines = unmet.iter().map(|what| format!("not yet: {what}\n")).collect();
        (StatusCode::SERVICE_UNAVAILABLE, lines)
    };
    let scrape = async move || {
        metrics.run_upkeep();
        ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render())
    };
    let routes = Router::new()
        .route("/live", get(async || "live\n"))
        .route("/ready", get(ready))
        .route("/metrics", get(scrape));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(())
}

/// The process's counters. They are one set, also where several services share a process.
fn recorder() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
    let handle =
        HANDLE.get_or_init(|| PrometheusBuilder::new().install_recorder().map_err(|why| why.to_string()));
    handle.clone().map_err(|why| anyhow::anyhow!("cannot set up the metrics: {why}"))
}

/// Asks the running service whether it is ready: exit code 0 or 1. For images that have no shell and no curl.
#[derive(Args, Debug)]
pub struct Healthcheck {
    /// The service's admin endpoint.
    #[arg(long, env = "ADMIN_ADDR")]
    admin_addr: Listen,
}

impl Healthcheck {
    /// Asks, and says on standard error what is missing.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        match ask(self.admin_addr, "/ready") {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("{why:#}");
                ExitCode::FAILURE
            }
        }
    }
}

fn ask(listen: Listen, path: &str) -> anyhow::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let Listen::On(mut address) = listen else { anyhow::bail!("the admin endpoint is off") };
    ensure!(address.port() != 0, "give the service's own address with --admin-addr or ADMIN_ADDR");
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)
        .with_context(|| format!("nothing answers on {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("no answer from {address}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or("none");
    ensure!(status == "200", "{}", body.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_off() {
        assert_eq!("off".parse(), Ok(Listen::Off));
        assert_eq!("0.0.0.0:9100".parse::<Listen>().unwrap().to_string(), "0.0.0.0:9100");
        assert!("9100".parse::<Listen>().unwrap_err().contains("ADDRESS:PORT"));
    }

    #[test]
    fn a_healthcheck_needs_to_know_where() {
        assert!(ask(Listen::Off, "/ready").is_err());
        assert!(ask(Listen::default(), "/ready").unwrap_err().to_string().contains("ADMIN_ADDR"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn ready_says_what_is_missing() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listen = Listen::On(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        let readiness = Readiness::default();
        let model = readiness.condition("model loaded");
        serve("test", listen, readiness).await.unwrap();
        let ask = move |path| tokio::task::spawn_blocking(move || ask(listen, path));
        assert!(ask("/live").await.unwrap().is_ok());
        let why = ask("/ready").await.unwrap().unwrap_err().to_string();
        assert_eq!(why, "not yet: model loaded");
        model.set(true);
        assert!(ask("/ready").await.unwrap().is_ok());
        assert!(ask("/metrics").await.unwrap().is_ok());
    }
}
