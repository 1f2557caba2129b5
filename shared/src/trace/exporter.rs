//! The way to the receiver: OpenTelemetry's exporter on the HTTP client that is here anyway.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SpanData;
use tracing::{info, warn};
use ureq::Agent;

use super::OtlpEndpoint;
use crate::metrics::Counter;

static STEPS_TOLD: Counter<0> = Counter::new(
    "pipeline_trace_steps_told_total",
    "Steps of traces in requests that the receiver has answered with success.",
    [],
);

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes: what was not taken, and why.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Sends to one receiver, and says when it can no longer, and when it can again.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    endpoint: OtlpEndpoint,
    /// Whether the last attempt has failed.
    failing: Mutex<bool>,
}

impl Client {
    pub(super) fn new(endpoint: OtlpEndpoint) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("pipeline/", env!("CARGO_PKG_VERSION")));
        Self { agent: Agent::new_with_config(config.build()), endpoint, failing: Mutex::default() }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let (parts, body) = self.agent.run(request.map(|body| body.to_vec()))?.into_parts();
        let body = body.into_with_config().limit(LONGEST_ANSWER).read_to_vec()?;
        Ok(Response::from_parts(parts, body.into()))
    }

    /// Says what has changed.
    fn tell(&self, why: Option<String>) {
        let endpoint = &self.endpoint;
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match (why, std::mem::take(&mut *failing)) {
            (Some(why), was) => {
                *failing = true;
                if !was {
                    warn!(
                        "traces cannot be told to {endpoint}, {why}: they are left out until they can; rows go on"
                    );
                }
            }
            (None, true) => info!("traces can be told to {endpoint} again"),
            (None, false) => {}
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    /// Blocks: the exporter has a thread of its own.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answered = self.send(request);
        self.tell(match &answered {
            Ok(answer) if answer.status().is_success() => None,
            // What else it says may repeat what it was sent.
            Ok(answer) => Some(format!("which answers {}", answer.status())),
            Err(ureq::Error::Timeout(_)) => Some(format!("which did not answer within {PATIENCE:?}")),
            Err(why) => Some(why.to_string()),
        });
        Ok(answered?)
    }
}

/// Counts what the receiver has taken.
#[derive(Debug)]
pub(super) struct Counted(SpanExporter);

impl Counted {
    pub(super) fn new(exporter: SpanExporter) -> Self {
        Self(exporter)
    }

    /// Makes the counter.
    pub(super) fn from_zero() {
        STEPS_TOLD.add([], 0);
    }
}

impl opentelemetry_sdk::trace::SpanExporter for Counted {
    async fn export(&self, steps: Vec<SpanData>) -> OTelSdkResult {
        let count = steps.len() as u64;
        self.0.export(steps).await?;
        STEPS_TOLD.add([], count);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.0.shutdown()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}
