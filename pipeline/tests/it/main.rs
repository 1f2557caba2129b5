//! Tests against a real RabbitMQ and real processes, and the contract that both transports keep.
//!
//! `scripts/test` runs them: it starts the broker and says where it is. They run beside each other, each in a vhost of its
//! own ([`broker::turn`]); those that harm a broker have a second one, and take turns there ([`broker::private`]).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unreachable_pub, reason = "the modules of one test program")]

mod account;
mod alone;
mod ask;
mod backtest;
mod bodies;
mod broker;
mod by_hand;
mod cards;
mod contract;
mod crashes;
mod days;
mod dead;
mod disk;
mod doors;
mod erlang;
mod evaluation;
mod faults;
mod feed;
mod files;
mod horizon;
mod hostile;
mod http;
mod kills;
mod lambda;
mod links;
mod metrics;
mod monitoring;
mod one_process;
mod page;
mod parked;
mod plot;
mod poison;
mod processes;
mod proxy;
mod python;
mod raw;
mod reconnect;
mod refused;
mod report;
mod repository;
mod rights;
mod signals;
mod sole;
mod starts;
mod storm;
mod storm_messages;
mod streams;
mod swaps;
#[cfg(feature = "tls")]
mod tls;
mod together;
mod trace_headers;
#[cfg(feature = "traces")]
mod traces;
mod versions;
