//! What every service needs, and nothing that only one of them needs.
//!
//! - [`message`]: what travels between the services, and its form on the wire.
//! - [`transport`]: moves messages, on RabbitMQ or in memory, under one set of rules.
//! - [`service`]: starts a service, reports on it and stops it; [`owner`]: as whom, in a container.
//! - [`dataset`]: a table of numbers read from CSV; [`scores`]: how far predictions are off.

pub mod admin;
pub mod clock;
pub mod dataset;
pub mod message;
pub mod owner;
pub mod readiness;
pub mod scores;
pub mod service;
pub mod stop;
pub mod telemetry;
pub mod transport;
