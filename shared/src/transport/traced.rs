//! The steps of messages as a receiver of traces is told of them, by the names that OpenTelemetry has for messaging (semantic
//! conventions 1.44): each message's own `publish` and `process`, in the trace of its row, and for what is done to many at once a
//! step of its own with links to those of them that are traced.

use std::sync::Arc;

use super::Error;
use super::batch::partition;
use super::delivery::{Delivery, shown_id};
use super::queues::{EXCHANGE, QueueName, Subscription, owner};
use crate::message::{HeaderValue, Incoming as _, Outgoing, Role, header};
use crate::trace::{Context, Kind, Span, Step, is_on};

/// Where messages are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// At a RabbitMQ: the first host and port of those that are named, if that can be read.
    RabbitMq(Option<(Arc<str>, u16)>),
    /// In this process.
    Memory,
}

impl Place {
    /// What messages go to, by OpenTelemetry's rule for RabbitMQ: exchange, key and queue, equal ones once.
    fn destination(&self, key: &QueueName, queue: Option<&QueueName>) -> String {
        let queue = queue.filter(|queue| *queue != key);
        match (self, queue) {
            (Self::Memory, queue) => queue.unwrap_or(key).to_string(),
            (Self::RabbitMq(_), None) => format!("{EXCHANGE}:{key}"),
            (Self::RabbitMq(_), Some(queue)) => format!("{EXCHANGE}:{key}:{queue}"),
        }
    }

    /// What is known of every step.
    fn tell(&self, span: &Span, what: [&'static str; 2], destination: String, key: &QueueName) {
        let [name, kind] = what;
        span.know("messaging.operation.name", name);
        span.know("messaging.operation.type", kind);
        span.know("messaging.destination.name", destination);
        match self {
            Self::RabbitMq(address) => {
                span.know("messaging.system", "rabbitmq");
                span.know("messaging.rabbitmq.destination.routing_key", key.as_str());
                if let Some((host, port)) = address {
                    span.know("server.address", &**host);
                    span.know("server.port", *port);
                }
            }
            Self::Memory => span.know("messaging.system", "memory"),
        }
    }
}

/// What is known of a message.
fn tell_id(span: &Span, id: &str) {
    if !id.is_empty() && id != "-" {
        span.know("messaging.message.id", id);
    }
}

/// A step whose end is still to come. Dropped before that, it has failed with this code.
#[derive(Debug, Default)]
pub(super) struct Open(Span, &'static str);

impl Open {
    pub(super) fn end(mut self) {
        std::mem::take(&mut self.0).end();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fail(self.1);
        self.0.end();
    }
}

/// What was not confirmed before its process had to end.
const STOPPED: &str = "stopped";
/// What goes back to its queue without an acknowledgement.
const GIVEN_BACK: &str = "given_back";

/// Begins a step for each message that goes out, as part of the trace that it is in, or of a new one. The messages are within
/// those steps from then on.
pub(super) fn publishing(
    messages: Vec<Outgoing>,
    place: impl Fn() -> Place,
    key: impl Fn(Role) -> QueueName,
) -> (Vec<Outgoing>, Vec<Open>) {
    if !is_on() {
        return (messages, Vec::new());
    }
    let place = place();
    let of_role = Role::ALL.map(|role| {
        let key = key(role);
        let destination = place.destination(&key, None);
        (role, format!("publish {destination}"), destination, key)
    });
    let one = |message: Outgoing| {
        let Some((_, name, destination, key)) = of_role.iter().find(|(role, ..)| *role == message.role)
        else {
            unreachable!("all roles are there")
        };
        let trace = message.trace();
        let step =
            Step { service: message.app, name, kind: Kind::Producer, parent: trace.as_ref(), links: &[] };
        let span = Span::begin(step);
        if span.is_told() {
            place.tell(&span, ["publish", "send"], destination.clone(), key);
            tell_id(&span, &shown_id(&message));
            for (name, value) in &message.headers {
                match (*name, value) {
                    (header::MODEL, HeaderValue::Text(model)) => span.know("pipeline.model", &**model),
                    (header::MODEL_VERSION, HeaderValue::Text(version)) => {
                        span.know("pipeline.model_version", &**version);
                    }
                    (header::MODEL_ROLE, HeaderValue::Text(role)) => {
                        span.know("pipeline.model_role", &**role)
                    }
                    _ => {}
                }
            }
        }
        let context = span.context();
        let message = if context == trace { message } else { message.within(context) };
        (message, Open(span, STOPPED))
    };
    messages.into_iter().map(one).unzip()
}

/// Ends steps whose messages are safe, or are not.
pub(super) fn published(steps: Vec<Open>, result: &Result<(), Error>) {
    for step in steps {
        match result {
            Ok(()) => step.end(),
            Err(Error::Incompatible(_)) => step.0.fail("incompatible"),
            Err(Error::Stopped) => {}
        }
    }
}

/// The steps of messages that were taken together.
#[derive(Debug, Default)]
pub(super) struct Processing {
    all: Option<Together>,
    /// Of each message in its order; none where nobody is told of any.
    each: Vec<Open>,
}

/// What is done to all of them at once.
#[derive(Debug)]
struct Together {
    /// Where that is in a trace: a step of its own, or that of the only one.
    context: Option<Context>,
    /// The step of its own.
    span: Option<Open>,
    place: Place,
    service: &'static str,
    key: QueueName,
    destination: String,
}

impl Processing {
    /// Begins a step for each delivery, as part of the trace that it came with, or of a new one. What is made of it is within that.
    pub(super) fn begin(deliveries: &mut [Delivery], place: impl Fn() -> Place) -> Self {
        let Some(first) = deliveries.first().filter(|_| is_on()) else { return Self::default() };
        let (place, subscription) = (place(), first.subscription.clone());
        let Subscription { role, queue, key, .. } = &*subscription;
        let (service, destination) = (owner(*role), place.destination(key, Some(queue)));
        let name = format!("process {destination}");
        let begin = |parent: Option<&Context>, links: &[Span]| {
            let span = Span::begin(Step { service, name: &name, kind: Kind::Consumer, parent, links });
            if span.is_told() {
                place.tell(&span, ["process", "process"], destination.clone(), key);
            }
            span
        };
        for delivery in &mut *deliveries {
            let mut parent = delivery.trace();
            if *role == Role::Label {
                // It belongs to the trace of its row or to none.
                parent = parent.or_else(|| Some(Context::untraced()));
            }
            let span = begin(parent.as_ref(), &[]);
            if span.is_told() {
                tell_id(&span, &shown_id(&*delivery));
            }
            delivery.span = span;
        }
        let each: Vec<Span> = deliveries.iter().map(|delivery| delivery.span.clone()).collect();
        let links: Vec<Span> = each.iter().filter(|span| span.is_told()).cloned().collect();
        let all = (!links.is_empty()).then(|| {
            let own = (each.len() > 1).then(|| {
                let span = begin(None, &links);
                span.know("messaging.batch.message_count", each.len());
                span
            });
            let context = own.as_ref().unwrap_or(&links[0]).context();
            let (key, destination) = (key.clone(), destination.clone());
            Together {
                context,
                span: own.map(|span| Open(span, GIVEN_BACK)),
                place: place.clone(),
                service,
                key,
                destination,
            }
        });
        Self { all, each: each.into_iter().map(|span| Open(span, GIVEN_BACK)).collect() }
    }

    /// Splits off those of the deliveries at these ascending indices.
    pub(super) fn set_aside(&mut self, indices: &[usize]) -> Vec<Open> {
        if self.each.is_empty() {
            return indices.iter().map(|_| Open::default()).collect();
        }
        let (aside, rest) = partition(std::mem::take(&mut self.each), indices);
        self.each = rest;
        // Nothing is left that it could be about.
        if self.each.is_empty()
            && let Some(span) = self.all.take().and_then(|all| all.span)
        {
            span.end();
        }
        aside
    }

    /// Begins the acknowledgement of all.
    pub(super) fn acknowledging(&self) -> Option<Span> {
        let Together { context, place, service, key, destination, .. } = self.all.as_ref()?;
        let ack = Span::begin(Step {
            service,
            name: &format!("ack {destination}"),
            kind: Kind::Client,
            parent: context.as_ref(),
            links: &[],
        });
        place.tell(&ack, ["ack", "settle"], destination.clone(), key);
        if self.each.len() > 1 {
            ack.know("messaging.batch.message_count", self.each.len());
        }
        Some(ack)
    }

    /// Ends what is acknowledged.
    pub(super) fn end(self) {
        self.each.into_iter().chain(self.all.and_then(|all| all.span)).for_each(Open::end);
    }
}
