//! Tells a program of yours of alerts: a POST in the form of Prometheus' Alertmanager, so that what can be told by that one can be
//! told by `metric`. It never holds up anything: what cannot be delivered is tried again for a while, in order, and then left out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evaluation::report::Moment;
use serde_json::{Value, json};
use shared::metrics::Counter;
use shared::printable::within;
use tokio::sync::Notify;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};
use ureq::Agent;
use ureq::http::Uri;

/// How many alerts wait to be told.
const WAITING: usize = 100;
/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an alert is tried again.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// The first and the longest pause between two attempts.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// How much of an answer is shown, in characters.
const SHOWN: usize = 200;

static SENT: Counter<0> =
    Counter::new("pipeline_webhook_sent_total", "Alerts that the webhook has taken.", []);
static FAILED: Counter<0> = Counter::new(
    "pipeline_webhook_failures_total",
    "Attempts to tell the webhook of an alert that have failed.",
    [],
);

/// Where alerts are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl(Uri);

impl std::str::FromStr for WebhookUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected a URL such as http://alerts.example:8080/hook";
        let url: Uri = text.parse().map_err(|why| format!("{why}; {expected}"))?;
        match url.scheme_str() {
            Some("http") if url.host().is_some() => Ok(Self(url)),
            Some("https") if url.host().is_some() && cfg!(feature = "tls") => Ok(Self(url)),
            Some("https") => {
                Err("https needs a program that was built with `--features tls`, as the image was".to_owned())
            }
            _ => Err(expected.to_owned()),
        }
    }
}

/// A password in the URL is not shown, nor is what follows the host: it may be a secret.
impl std::fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = self.0.host().unwrap_or_default();
        write!(f, "{}://{host}", self.0.scheme_str().unwrap_or_default())?;
        self.0.port_u16().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// An alert as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alert {
    rule: String,
    since: Moment,
    /// When it has ended, if it has.
    ended: Option<Moment>,
    text: Option<String>,
}

impl Alert {
    /// A rule that fires, since this time in milliseconds.
    pub(crate) fn firing(rule: &str, since: i64, text: Option<String>) -> Self {
        Self { rule: rule.to_owned(), since: Moment(since), ended: None, text }
    }

    /// One that has fired since this time, and ended at that one.
    pub(crate) fn resolved(rule: &str, since: i64, ended: i64, text: Option<String>) -> Self {
        Self { ended: Some(Moment(ended)), ..Self::firing(rule, since, text) }
    }

    /// In words: `mae > 60 fires`.
    fn state(&self) -> String {
        format!("{} {}", self.rule, if self.ended.is_some() { "has ended" } else { "fires" })
    }

    /// What is sent: version 4 of Alertmanager's format, with a group of one.
    pub(crate) fn to_json(&self) -> Value {
        let status = if self.ended.is_some() { "resolved" } else { "firing" };
        let summary = self.text.clone().unwrap_or_else(|| self.state());
        let labels = json!({ "alertname": "pipeline", "rule": self.rule });
        let annotations = json!({
            "summary": summary,
            "description": "`metric report` says how good the model is, whether that can be trusted, and what has changed.",
        });
        // By Alertmanager, an alert that has not ended ends in year 1.
        let ends = self.ended.map_or("0001-01-01T00:00:00Z".to_owned(), |at| at.to_string());
        let alert = json!({
            "status": status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": self.since.to_string(),
            "endsAt": ends,
            "generatorURL": "",
            "fingerprint": format!("{:016x}", crc32fast::hash(self.rule.as_bytes())),
        });
        json!({
            "version": "4",
            "groupKey": format!("{{}}:{{rule={:?}}}", self.rule),
            "truncatedAlerts": 0,
            "status": status,
            "receiver": "pipeline",
            "groupLabels": { "alertname": "pipeline", "rule": self.rule },
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "externalURL": "",
            "alerts": [alert],
        })
    }
}

/// What waits to be told: of each rule the latest, in order.
#[derive(Debug, Default)]
struct Queue {
    alerts: Mutex<VecDeque<(Alert, Instant)>>,
    more: Notify,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(Alert, Instant)>> {
        self.alerts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next(&self) -> (Alert, Instant) {
        loop {
            let more = self.more.notified();
            if let Some(alert) = self.lock().pop_front() {
                return alert;
            }
            more.await;
        }
    }
}

/// Tells alerts, in a task of its own, until it is dropped.
#[derive(Debug)]
pub(crate) struct Webhook {
    queue: Arc<Queue>,
    /// Ends with it.
    _task: JoinSet<()>,
}

impl Webhook {
    pub(crate) fn start(url: WebhookUrl) -> Self {
        [&SENT, &FAILED].iter().for_each(|counter| counter.add([], 0));
        let queue = Arc::new(Queue::default());
        let mut task = JoinSet::new();
        task.spawn(tell(url, Arc::clone(&queue)));
        Self { queue, _task: task }
    }

    /// Tells of this one as soon as those before it are told. What waits to be told of the same rule is out of date then.
    pub(crate) fn send(&self, alert: Alert) {
        let mut waiting = self.queue.lock();
        waiting.retain(|(other, _)| other.rule != alert.rule);
        waiting.push_back((alert, Instant::now()));
        if waiting.len() > WAITING
            && let Some((oldest, _)) = waiting.pop_front()
        {
            warn!("the webhook was not told that {}: {WAITING} alerts wait for it already", oldest.state());
        }
        drop(waiting);
        self.queue.more.notify_one();
    }
}

async fn tell(url: WebhookUrl, queue: Arc<Queue>) {
    loop {
        let (alert, since) = queue.next().await;
        let mut pause = PAUSES[0];
        let mut is_told = false;
        let body = alert.to_json();
        loop {
            let (to, body) = (url.clone(), body.clone());
            let posted = spawn_blocking(move || post(&to, &body)).await;
            let posted = posted.unwrap_or_else(|why| Err(NotTaken { text: why.to_string(), may_pass: true }));
            let Err(why) = posted else {
                SENT.add([], 1);
                if is_told {
                    info!("the webhook {url} takes alerts again");
                }
                break;
            };
            FAILED.add([], 1);
            if queue.lock().iter().any(|(newer, _)| newer.rule == alert.rule) {
                break;
            }
            if !why.may_pass || since.elapsed() >= LONGEST {
                warn!("the webhook {url} was not told that {}: {}", alert.state(), why.text);
                break;
            }
            if !is_told {
                warn!(
                    "the webhook {url} was not told yet that {}: {}; trying again",
                    alert.state(),
                    why.text
                );
                is_told = true;
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES[1]);
        }
    }
}

/// Why a webhook did not take what was posted.
#[derive(Debug)]
pub(crate) struct NotTaken {
    pub(crate) text: String,
    /// Whether trying again may help.
    pub(crate) may_pass: bool,
}

/// Posts once, and waits for the answer.
pub(crate) fn post(url: &WebhookUrl, body: &Value) -> Result<(), NotTaken> {
    let config = Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .max_redirects(0)
        .user_agent(concat!("pipeline/", env!("CARGO_PKG_VERSION")))
        .build();
    let request = Agent::new_with_config(config).post(&url.0).content_type("application/json");
    let mut answer = request.send(body.to_string()).map_err(|why| {
        let text = match why {
            ureq::Error::Timeout(_) => format!("it did not answer within {} s", PATIENCE.as_secs()),
            why => within(&why.to_string(), SHOWN),
        };
        NotTaken { text, may_pass: true }
    })?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let said = answer.body_mut().with_config().limit(4096).read_to_string().unwrap_or_default();
    let said = within(said.trim(), SHOWN);
    let text = if said.is_empty() {
        format!("it answered {status}")
    } else {
        format!("it answered {status}: {said}")
    };
    let may_pass = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
    Err(NotTaken { text, may_pass })
}

#[cfg(test)]
pub(crate) mod tests;
