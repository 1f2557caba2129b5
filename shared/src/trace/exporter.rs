//! The way to the receiver: OpenTelemetry's exporter on the HTTP client that is here anyway.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tracing::{info, warn};
use ureq::Agent;

use super::OtlpEndpoint;
use crate::printable::within;

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes: what was not taken, and why.
const LONGEST_ANSWER: u64 = 64 * 1024;
/// How much of an answer is shown, in characters.
const SHOWN: usize = 200;

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
            Ok(answer) => {
                let said = within(&String::from_utf8_lossy(answer.body()), SHOWN);
                Some(format!("which answers {} {said}", answer.status()).trim_end().to_owned())
            }
            Err(ureq::Error::Timeout(_)) => Some(format!("which did not answer within {PATIENCE:?}")),
            Err(why) => Some(why.to_string()),
        });
        Ok(answered?)
    }
}
