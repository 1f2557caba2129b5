//! The transport on RabbitMQ. Only the files of this folder know the broker's client library.
//!
//! One [`link::Link`] per publisher and per consumer keeps one connection: it opens it, watches it, and opens
//! the next one on any failure, for ever. The client's own recovery stays off, because it can hang silently.
//! Publishing and consuming use separate connections, because a broker that is short of memory blocks the
//! publishing ones, acknowledgements included.

mod consumer;
mod content;
mod endpoint;
mod link;
mod publisher;
mod topology;

pub(super) use consumer::{Consumer, Receipt};
pub(super) use content::Content;
pub use endpoint::{AmqpOptions, Endpoint, QueueKind};
pub(super) use publisher::Publisher;
