//! A message as a queue delivered it, and the letter that it becomes where it cannot be used.

use std::sync::Arc;

use super::queues::Subscription;
use super::{amqp, said};
use crate::message::{Alone, Incoming, Outgoing, Rejection, RowId};
use crate::metrics::Counter;
use crate::printable::within;
use crate::trace::{Context, Span};

static REJECTED: Counter<2> = Counter::new(
    "pipeline_rejected_total",
    "Messages that this process could not use and sent to the dead letters. One that is delivered again counts again.",
    ["queue", "reason"],
);

/// One message as a queue delivered it. A clone shares its content.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub(super) subscription: Arc<Subscription>,
    pub(super) redelivered: bool,
    pub(super) deadly: bool,
    pub(super) content: Content,
    /// What is told of its way.
    pub(super) span: Span,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    Amqp(Arc<amqp::Content>),
    Memory(Arc<Outgoing>),
}

impl Delivery {
    /// Whether the queue has delivered it before. Publishers' duplicates are not marked.
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.redelivered
    }

    /// Whether it was delivered again and again, lately alone, without an end: see [`Rejection::CRASHES`].
    #[must_use]
    pub fn is_deadly(&self) -> bool {
        self.deadly
    }

    /// Turns it into a letter for the dead-letter queue. The delivery itself is to be acknowledged after the letter's
    /// publish is confirmed.
    #[must_use]
    pub fn reject(&self, rejection: Rejection, service: &'static str) -> DeadLetter {
        self.span.fail(rejection.reason);
        self.letter(self.content.clone(), rejection, service)
    }

    /// Turns items of it into letters of their own, each with its index in ascending order: the others can be used. Where it
    /// has only one, that is all of it.
    #[must_use]
    pub fn reject_items(
        &self,
        rejections: Vec<(usize, Rejection)>,
        service: &'static str,
    ) -> Vec<DeadLetter> {
        let indices: Vec<usize> = rejections.iter().map(|(index, _)| *index).collect();
        let alone = self.subscription.role.alone(self, &indices);
        if let (Some(Alone { of, .. }), Some((_, first))) = (alone.first(), rejections.first()) {
            self.span.know("pipeline.refused_rows", rejections.len());
            if *of == rejections.len() {
                self.span.fail(first.reason);
            }
        }
        let mut alone = alone.into_iter();
        let letter = |(_, rejection)| match alone.next() {
            Some(alone) => self.letter(self.content.part(alone), rejection, service),
            None => self.reject(rejection, service),
        };
        rejections.into_iter().map(letter).collect()
    }

    fn letter(&self, content: Content, rejection: Rejection, service: &'static str) -> DeadLetter {
        REJECTED.add([self.subscription.role.name(), rejection.reason], 1);
        said::dead_lettered(&self.subscription, content.incoming(), &rejection);
        DeadLetter { subscription: Arc::clone(&self.subscription), content, rejection, service }
    }

    fn content(&self) -> &dyn Incoming {
        self.content.incoming()
    }
}

impl Content {
    pub(super) fn incoming(&self) -> &dyn Incoming {
        match self {
            Self::Amqp(content) => &**content,
            Self::Memory(message) => &**message,
        }
    }

    /// One item of it.
    fn part(&self, alone: Alone) -> Self {
        match self {
            Self::Amqp(content) => Self::Amqp(Arc::new(content.part(alone))),
            Self::Memory(message) => Self::Memory(Arc::new(message.part(alone))),
        }
    }
}

impl Incoming for Delivery {
    fn body(&self) -> &[u8] {
        self.content().body()
    }
    fn message_id(&self) -> Option<&str> {
        self.content().message_id()
    }
    fn correlation_id(&self) -> Option<&str> {
        self.content().correlation_id()
    }
    fn reply_to(&self) -> Option<&str> {
        self.content().reply_to()
    }
    fn content_type(&self) -> Option<&str> {
        self.content().content_type()
    }
    fn content_encoding(&self) -> Option<&str> {
        self.content().content_encoding()
    }
    fn int_header(&self, name: &str) -> Option<i64> {
        self.content().int_header(name)
    }
    fn text_header(&self, name: &str) -> Option<&str> {
        self.content().text_header(name)
    }
    fn list_header(&self, name: &str) -> Option<Vec<&str>> {
        self.content().list_header(name)
    }
    fn bytes_header(&self, name: &str) -> Option<&[u8]> {
        self.content().bytes_header(name)
    }
    fn finding(&self) -> Option<Rejection> {
        self.content().finding()
    }
    fn trace(&self) -> Option<Context> {
        self.span.context().or_else(|| self.content().trace())
    }
}

/// A delivery that cannot be used, with the reason.
#[derive(Debug)]
pub struct DeadLetter {
    pub(super) subscription: Arc<Subscription>,
    pub(super) content: Content,
    pub(super) rejection: Rejection,
    pub(super) service: &'static str,
}

impl DeadLetter {
    /// Why it is one.
    #[must_use]
    pub fn rejection(&self) -> &Rejection {
        &self.rejection
    }
}

/// Makes the counters of what a queue's consumer may reject.
pub(super) fn reject_from_zero(subscription: &Subscription) {
    for reason in Rejection::ALL {
        REJECTED.add([subscription.role.name(), reason], 0);
    }
}

/// A message's id as the log has it, whatever its producer has put there.
pub(super) fn shown_id(message: &dyn Incoming) -> String {
    within(message.message_id().unwrap_or("-"), RowId::MAX_LEN)
}
