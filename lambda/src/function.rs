//! The function: an event in, an answer out, and a line for CloudWatch.

use std::io::{self, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use lambda_runtime::Context;
use model::predictor::Predictor;
use model::serve::{Answers, step};
use model::{AnswerOptions, Invocation, invoke};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use shared::clock::Timestamp;
use shared::message::Role;
use shared::printable::quoted;
use shared::transport::{Delivery, Endpoint};
use tracing::info;

use crate::event::{self, Event};
use crate::failure::Failure;
use crate::line::Line;
use crate::metrics::{self, Counts, Labels};
use crate::options::Options;
use crate::place;
use crate::records::FromQueue;
use crate::url::{Asked, Request, Response};

/// What is left of an invocation's time for its answer, after the broker was waited for.
const LAST: Duration = Duration::from_secs(1);
/// So many rows are predicted and confirmed before the next message is looked at: what waits is bounded, whatever comes.
const ROWS_AT_ONCE: usize = 1024;
/// How long the broker may be waited for where no deadline is known.
const WITHOUT_DEADLINE: Duration = Duration::from_secs(10);

/// What stays from one invocation to the next.
pub(crate) struct Function {
    predictor: Predictor,
    answers: AnswerOptions,
    namespace: String,
    /// None where no broker is named.
    line: Option<Line>,
    /// How long the start took, until it is told.
    cold: Mutex<Option<Duration>>,
}

impl Function {
    /// Loads the model, and checks the address of the broker without asking it.
    pub(crate) fn start(options: Options, began: Instant) -> Result<Self, Failure> {
        let Options { model, answers, metrics_namespace: namespace, amqp, log: _ } = options;
        let line = if amqp.name_a_broker() {
            let endpoint = Endpoint::new(amqp)
                .map_err(|why| Failure::new(Failure::INIT, format!("the address of RabbitMQ: {why:#}")))?;
            Some(Line::new(endpoint))
        } else {
            None
        };
        let (file, loaded) = place::load(model)?;
        let predictor = loaded.predictor;
        info!(
            "{} {} from {}, {}",
            answers.model_name,
            predictor.version(),
            file.display(),
            match &line {
                Some(line) => format!("for callers and for rows of RabbitMQ at {}", line.endpoint()),
                None => "for callers; rows of RabbitMQ need AMQP_URL".to_owned(),
            }
        );
        let cold = Mutex::new(Some(began.elapsed()));
        Ok(Self { predictor, answers, namespace, line, cold })
    }

    /// Answers an event, and tells CloudWatch.
    pub(crate) async fn call(&self, payload: &str, context: &Context) -> Result<Box<RawValue>, Failure> {
        let began = Instant::now();
        let mut counts = Counts::default();
        let told = match event::read(payload) {
            Ok(event) => {
                counts.door = Some(event.door());
                self.answer(event, context, &mut counts).await
            }
            Err(why) => Err(why),
        };
        if let Err(why) = &told {
            if why.is_of_a_row() {
                counts.rejected.insert(why.kind, 1);
            } else {
                counts.failed = true;
            }
        }
        let of = Labels {
            namespace: &self.namespace,
            model: self.answers.model_name.as_str(),
            version: self.predictor.version().as_str(),
            request: &context.request_id,
        };
        let cold = self.cold.lock().ok().and_then(|mut cold| cold.take());
        let line = metrics::line(of, &counts, began.elapsed(), cold, Timestamp::now());
        // Where nobody reads it, the answer still counts.
        _ = writeln!(io::stdout().lock(), "{line}");
        told
    }

    async fn answer(
        &self,
        event: Event<'_>,
        context: &Context,
        counts: &mut Counts,
    ) -> Result<Box<RawValue>, Failure> {
        match event {
            Event::Direct(payload) => self.direct(payload, counts),
            Event::Http(request) => raw(&self.http(&request, counts)),
            Event::Messages(queues) => {
                let end = Instant::now() + left(context.deadline, Timestamp::now());
                self.messages(queues, end, counts).await.inspect_err(|_| {
                    // They come again.
                    *counts = Counts { door: counts.door, ..Counts::default() };
                })
            }
        }
    }

    fn direct(&self, payload: &str, counts: &mut Counts) -> Result<Box<RawValue>, Failure> {
        let asked = Invocation { body: payload.as_bytes(), ..Invocation::default() };
        let told = invoke(&self.predictor, &self.answers, asked, Timestamp::now())?;
        counts.predicted = told.rows as u64;
        let json = String::from_utf8(told.body).map_err(|why| why.to_string());
        let json = json.and_then(|json| RawValue::from_string(json).map_err(|why| why.to_string()));
        json.map_err(|why| Failure::new(Failure::EVENT, format!("the answer is no JSON: {why}")))
    }

    fn http(&self, request: &Request, counts: &mut Counts) -> Response {
        let asked = request.asked();
        if asked != Asked::Invoke {
            return Response::plain(&asked);
        }
        let body = match request.body() {
            Ok(body) => body,
            Err(response) => return response,
        };
        match invoke(&self.predictor, &self.answers, request.invocation(&body), Timestamp::now()) {
            Ok(told) => {
                counts.predicted = told.rows as u64;
                Response::invoked(told)
            }
            Err(why) => {
                counts.rejected.extend(why.reason.map(|reason| (reason, 1)));
                Response::not_invoked(why)
            }
        }
    }

    /// Answers rows of RabbitMQ as `model` does: what can be used is predicted, and the rest are dead letters. Message by message, for
    /// each may have thousands of rows.
    async fn messages(
        &self,
        queues: Vec<FromQueue>,
        end: Instant,
        counts: &mut Counts,
    ) -> Result<Box<RawValue>, Failure> {
        let Some(line) = &self.line else {
            let why = "rows of RabbitMQ came, and this function has no broker to publish predictions to: set AMQP_URL";
            return Err(Failure::new(Failure::EVENT, why));
        };
        let mut messages = 0;
        let (mut waiting, mut rows) = (Vec::new(), 0);
        for delivery in deliveries(line.endpoint(), queues)? {
            let answers = step(&self.predictor, &self.answers, &[delivery], Timestamp::now());
            messages += answers.predictions.len();
            rows += told(&answers, counts);
            waiting.push(answers);
            if rows >= ROWS_AT_ONCE {
                line.send(std::mem::take(&mut waiting), end).await?;
                rows = 0;
            }
        }
        line.send(waiting, end).await?;
        raw(&json!({ "predictions": counts.predicted, "messages": messages, "rejected": counts.rejected }))
    }
}

/// The messages as deliveries of the queue of rows. A mapping of another queue is a mistake that only a person can mend, and its
/// messages are safe there until then.
fn deliveries(endpoint: &Endpoint, queues: Vec<FromQueue>) -> Result<Vec<Delivery>, Failure> {
    let vhost = endpoint.vhost().map_err(|why| Failure::new(Failure::UNCONFIRMED, format!("{why:#}")))?;
    let wanted = format!("{}::{vhost}", endpoint.queues().name(Role::Features));
    let mut rows = Vec::new();
    for FromQueue { key, messages } in queues {
        if key != wanted {
            let why = format!(
                "messages of {} came, and the rows of this function are {}: map that queue, or name the other one in \
                 PIPELINE_FEATURES_QUEUE and its vhost in AMQP_URL",
                quoted(&key),
                quoted(&wanted)
            );
            return Err(Failure::new(Failure::EVENT, why));
        }
        let delivery = |handed: crate::records::Handed| {
            endpoint.delivered(Role::Features, handed.message, handed.redelivered)
        };
        rows.extend(messages.into_iter().map(delivery));
    }
    Ok(rows)
}

/// Counts rows, and returns how many there are.
fn told(answers: &Answers, counts: &mut Counts) -> usize {
    counts.predicted += answers.predicted as u64;
    let mut rows = answers.predicted;
    for letter in answers.rejected.iter().flat_map(|(_, letters)| letters) {
        *counts.rejected.entry(letter.rejection().reason).or_default() += 1;
        rows += 1;
    }
    rows
}

/// How long the broker may be waited for. Lambda hands out nothing after its deadline; emulators name one that is long over.
fn left(deadline_ms: u64, now: Timestamp) -> Duration {
    let now = u64::try_from(now.0).unwrap_or(0);
    match deadline_ms.checked_sub(now) {
        Some(time) => Duration::from_millis(time).saturating_sub(LAST),
        None => WITHOUT_DEADLINE,
    }
}

fn raw(value: &impl serde::Serialize) -> Result<Box<RawValue>, Failure> {
    to_raw_value(value).map_err(|why| Failure::new(Failure::EVENT, format!("the answer is no JSON: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_has_what_an_invocation_leaves() {
        for (deadline, now, wanted) in [(31_000, 1_000, 29_000), (1_500, 1_000, 0), (600, 1_000, 10_000)] {
            assert_eq!(left(deadline, Timestamp(now)), Duration::from_millis(wanted));
        }
    }
}
