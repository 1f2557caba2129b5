//! The transport on RabbitMQ. Only the files of this folder know the broker's client library.
//!
//! One [`link::Link`] per publisher and per consumer keeps one connection: it opens it, watches it, and opens
//! the next one on any failure, for ever. The client's own recovery stays off, because it can hang silently.
//! Publishing and consuming use separate connections, because a broker that is short of memory blocks the
//! publishing ones, acknowledgements included. Between each socket and the client stands a [`guard`].

mod address;
pub mod administration;
mod ask;
mod attempts;
mod book;
mod consumer;
mod content;
mod control;
mod dial;
mod endpoint;
pub(super) mod guard;
mod lane;
mod ledger;
mod letter;
mod link;
mod lookout;
mod publisher;
mod receipt;
mod refusal;
mod replies;
mod room;
mod side;
mod sole;
mod stand_in;
mod stored;
mod subscribe;
mod tls;
mod topology;
mod undertaker;
mod unread;

pub(super) use ask::AskChannel;
pub(super) use consumer::Consumer;
pub(super) use content::Content;
pub(super) use control::send_control;
pub use endpoint::{AmqpOptions, Endpoint};
pub(super) use lookout::Lookout;
pub(super) use publisher::Publisher;
pub(super) use receipt::Receipt;
pub(super) use replies::Replies;
pub use room::{LetterRoom, Posted, Reading, Tag, Taken};
pub(super) use side::{SideDelivery, SideReceiver, send_aside};
