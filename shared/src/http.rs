//! HTTP for every port that a service opens: bounded in connections, bytes and time, whoever connects.
//!
//! A [`Listener`] serves the routes of an axum `Router` within [`Limits`], which are plain data of each listener.
//! - `limits`: what they are, and how many connections the process can afford.
//! - `listener`: accepts, makes room when all places are taken, stops.
//! - `connection`: one connection from its first byte to its last.
//! - `progress`: what a connection waits for and until when (pure); `watched` tells it what passes by.
//! - `pace`: how fast new connections are taken (pure). `refusal`: what is said to whoever is turned away.
//! - `token`: a layer around routes that only whoever shows a token gets through; `local`: one for ports of this machine alone.
//!
//! A base path and compression are each one layer around the routes, made where the routes are (`Router::layer`,
//! `Router::nest`): the listener looks into a request for nothing but its length.

mod connection;
mod limits;
mod listener;
mod local;
mod pace;
mod progress;
mod refusal;
#[cfg(test)]
mod tests;
mod token;
mod watched;

pub use limits::Limits;
pub use listener::{Listener, Server};
pub use local::for_this_machine;
pub use token::Tokens;
