//! `pipeline asyncapi`: everything that travels through RabbitMQ as a document for programs, AsyncAPI 3. It is made of the code's
//! own names, bounds and arguments.

mod channels;
mod messages;
mod schemas;

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use shared::service::exit;
use shared::transport::{QueueOptions, Queues};

/// Prints what travels in which queue, for programs: an AsyncAPI 3 document, in JSON. Needs no broker.
#[derive(Args, Debug)]
pub struct AsyncApi {
    #[command(flatten)]
    queues: QueueOptions,
}

impl AsyncApi {
    /// Runs the command.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        match Queues::new(&self.queues) {
            Ok(queues) => {
                println!("{:#}", document(&queues));
                ExitCode::SUCCESS
            }
            Err(why) => {
                eprintln!("pipeline asyncapi failed: {why}");
                ExitCode::from(exit::FAILURE)
            }
        }
    }
}

/// The document for these queues.
#[must_use]
pub fn document(queues: &Queues) -> Value {
    json!({
        "asyncapi": "3.1.0",
        "info": {
            "title": "pipeline",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Rows, labels and predictions on RabbitMQ, and what belongs to them. \
                What cannot be used becomes a dead letter with its reason.",
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "defaultContentType": "application/json",
        "servers": { "broker": {
            "host": "{host}:5672",
            "protocol": "amqp",
            "protocolVersion": "0.9.1",
            "variables": { "host": { "default": "127.0.0.1" } },
            "security": [reference("securitySchemes", "password")],
        }},
        "channels": channels::all(queues),
        "operations": channels::operations(),
        "components": {
            "securitySchemes": { "password": { "type": "userPassword" } },
            "messages": messages::all(),
            "schemas": schemas::all(),
        },
    })
}

/// Where a part of the components is.
fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

#[cfg(test)]
mod tests;
