//! Tests against a real RabbitMQ and real processes, and the contract that both transports keep.
//!
//! `scripts/test` runs them: it starts the broker and says where it is. They use one vhost and empty it, so
//! they take turns; [`broker::turn`] sees to that.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unreachable_pub, reason = "the modules of one test program")]

mod account;
mod broker;
mod contract;
mod crashes;
mod disk;
mod faults;
mod feed;
mod files;
mod hostile;
mod kills;
mod links;
mod one_process;
mod parked;
mod poison;
mod processes;
mod proxy;
mod python;
mod raw;
mod reconnect;
mod repository;
mod rights;
mod sole;
mod storm;
mod storm_messages;
mod swaps;
#[cfg(feature = "tls")]
mod tls;
