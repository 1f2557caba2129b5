//! Deliveries that were taken together, and their acknowledgement.

use super::delivery::{Delivery, shown_id};
use super::traced::{Open, Place, Processing};
use super::{amqp, memory};
use crate::telemetry::SPANS;

/// Deliveries that are acknowledged together. Dropped without that, they go back to their queue: on RabbitMQ when
/// the consumer's next batch is taken or acknowledged.
#[derive(Debug)]
#[must_use = "deliveries that are not acknowledged go back to their queue"]
pub struct Batch {
    /// The deliveries in the queue's order; at least one.
    pub deliveries: Vec<Delivery>,
    pub(super) receipt: Receipt,
    processing: Processing,
}

#[derive(Debug)]
pub(super) enum Receipt {
    Amqp(amqp::Receipt),
    Memory(memory::Receipt),
}

impl Batch {
    /// What was taken together.
    pub(super) fn new(deliveries: Vec<Delivery>, receipt: Receipt) -> Self {
        Self { deliveries, receipt, processing: Processing::default() }
    }

    /// The same with its steps in the traces that its deliveries came with.
    pub(super) fn traced(mut self, place: impl Fn() -> Place) -> Self {
        self.processing = Processing::begin(&mut self.deliveries, place);
        self
    }

    /// What its log lines have in common, where somebody asked for level debug: queue, number, and the first and last id.
    #[must_use]
    pub fn span(&self) -> tracing::Span {
        let id =
            |delivery: Option<&Delivery>| delivery.map(|delivery| shown_id(delivery)).unwrap_or_default();
        let queue = self.deliveries.first().map(|delivery| &delivery.subscription.queue);
        tracing::debug_span!(
            target: SPANS, "batch",
            queue = queue.map(tracing::field::display),
            deliveries = self.deliveries.len(),
            first = %id(self.deliveries.first()),
            last = %id(self.deliveries.last()),
        )
    }

    /// Tells the queue that these deliveries' effects are safe, also where nobody waits for what this returns. That resolves when
    /// nothing is left that the broker may be told now: what lies behind an older delivery that is still open is told with that one.
    /// Where the connection they came by is gone, it cannot be told any more: they will come again.
    pub fn ack(self) -> impl Future<Output = ()> + Send + 'static {
        let Self { receipt, processing, .. } = self;
        let acknowledging = processing.acknowledging();
        let told = receipt.ack();
        async move {
            told.await;
            if let Some(span) = acknowledging {
                span.end();
            }
            processing.end();
        }
    }

    /// Splits off the deliveries at these indices, in ascending order, which take longer. The acknowledgements of
    /// others, also of later batches, do not wait for them. What they brought is not kept by this.
    pub fn set_aside(&mut self, indices: &[usize]) -> Vec<Aside> {
        let (_, rest) = partition(std::mem::take(&mut self.deliveries), indices);
        self.deliveries = rest;
        let receipts: Vec<Receipt> = match &mut self.receipt {
            Receipt::Amqp(receipt) => receipt.set_aside(indices).into_iter().map(Receipt::Amqp).collect(),
            Receipt::Memory(receipt) => receipt.set_aside(indices).into_iter().map(Receipt::Memory).collect(),
        };
        let spans = self.processing.set_aside(indices);
        receipts.into_iter().zip(spans).map(|(receipt, span)| Aside { receipt, span }).collect()
    }
}

impl Receipt {
    fn ack(self) -> impl Future<Output = ()> + Send + 'static {
        let told = match self {
            Self::Amqp(receipt) => Some(receipt.ack()),
            Self::Memory(receipt) => {
                receipt.ack();
                None
            }
        };
        async move {
            if let Some(told) = told {
                told.await;
            }
        }
    }
}

/// One delivery that was set aside. Dropped without an acknowledgement, it goes back to its queue.
#[derive(Debug)]
#[must_use = "a delivery that is not acknowledged goes back to its queue"]
pub struct Aside {
    receipt: Receipt,
    span: Open,
}

impl Aside {
    /// As [`Batch::ack`].
    pub fn ack(self) -> impl Future<Output = ()> + Send + 'static {
        let Self { receipt, span } = self;
        let told = receipt.ack();
        async move {
            told.await;
            span.end();
        }
    }
}

/// Splits items into those at these ascending indices and the others.
pub(super) fn partition<T>(items: Vec<T>, indices: &[usize]) -> (Vec<T>, Vec<T>) {
    let mut chosen = Vec::with_capacity(indices.len());
    let mut rest = Vec::with_capacity(items.len() - indices.len());
    for (index, item) in items.into_iter().enumerate() {
        if indices.binary_search(&index).is_ok() { chosen.push(item) } else { rest.push(item) }
    }
    (chosen, rest)
}
