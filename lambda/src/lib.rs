//! The model as a function on AWS Lambda: a door like the others. An event is turned into rows, `answer` of `model` says what is
//! right or wrong with each, and that becomes what the caller gets.
//!
//! - `event` tells from whom an event is; `url` is a request by Function URL or API Gateway, `records` are messages of RabbitMQ, in
//!   JSON as Lambda hands them on, and `headers` their headers. These are pure.
//! - `metrics` is the line from which CloudWatch takes its numbers, `failure` what a caller reads where there is no answer: pure.
//! - `options` are the flags, `place` says which model file is loaded, once at the start.
//! - `line` is the way to the broker, which may have gone while this process was frozen.
//! - `function` puts them together, `init_error` tells Lambda why it cannot start.

mod event;
mod failure;
mod function;
mod headers;
mod init_error;
mod line;
mod metrics;
mod options;
mod place;
mod records;
mod url;

use std::env;
use std::process::ExitCode;
use std::time::Instant;

use clap::CommandFactory as _;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;
use shared::{cli, telemetry};
use tracing::error;

use failure::Failure;
use function::Function;
use options::Options;

/// Where the events are, as Lambda tells each function.
const API: &str = "AWS_LAMBDA_RUNTIME_API";

/// Its flags.
#[must_use]
pub fn command() -> clap::Command {
    Options::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let began = Instant::now();
    let options = cli::parse::<Options>();
    telemetry::init(&options.log);
    let Ok(api) = env::var(API) else {
        eprintln!("bootstrap is started by AWS Lambda, which sets {API}; to try it here, see docs/lambda.md");
        return ExitCode::from(2);
    };
    // One event at a time: a thread beside would only have to be started.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(run(options, &api, began)),
        Err(why) => Err(Failure::new(Failure::INIT, format!("no runtime: {why}"))),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            error!("{why:?}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options, api: &str, began: Instant) -> Result<(), Failure> {
    let function = match Function::start(options, began) {
        Ok(function) => function,
        Err(why) => {
            // Where it cannot be told, the log has it, and Lambda sees the exit code.
            _ = init_error::tell(api, &why).await;
            return Err(why);
        }
    };
    let function = &function;
    let handler = service_fn(|event: LambdaEvent<Box<RawValue>>| async move {
        let LambdaEvent { payload, context } = event;
        function.call(payload.get(), &context).await
    });
    let ended = lambda_runtime::run(handler).await;
    ended.map_err(|why| Failure::new(Failure::INIT, format!("no more events can be taken: {why}")))
}
