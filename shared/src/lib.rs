//! What every service needs, and nothing that only one of them needs.
//!
//! - [`message`]: what travels between the services, and its form on the wire.
//! - [`ask`]: asks a model for one prediction, without a trace.
//! - [`card`]: what a model says of itself, for whoever keeps it; [`control`]: what `metric` decides of its versions.
//! - [`transport`]: moves messages, on RabbitMQ or in memory, under one set of rules.
//! - [`cli`]: reads the flags of a program and their variables.
//! - [`service`]: starts a service, reports on it and stops it; [`owner`]: as whom, in a container.
//! - [`http`]: the ports that a service opens; [`admin`] is one.
//! - [`metrics`]: the numbers that Prometheus reads.
//! - [`trace`]: what a row passes through, for a receiver of OpenTelemetry.
//! - [`printable`]: text from outside, made fit to be read.
//! - [`table`]: reads tables, as people have them.

pub mod admin;
pub mod ask;
pub mod card;
pub mod cli;
pub mod clock;
pub mod control;
pub mod http;
pub mod message;
pub mod metrics;
pub mod owner;
pub mod printable;
pub mod quota;
pub mod readiness;
pub mod service;
mod signals;
pub mod stop;
pub mod table;
pub mod telemetry;
pub mod trace;
pub mod transport;

/// What a message takes is given back by another thread than took it, which costs a third of a row's processor time with the
/// system's allocator. It is that of every program that has this crate. A fuzzer can count only what the system's gives.
#[cfg(not(fuzzing))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
