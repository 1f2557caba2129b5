//! Starts a service, reports on it and stops it: the same for all of them.

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::admin;
use crate::readiness::Readiness;
use crate::signals::Signals;
use crate::stop::{Order, Orders, Stop};
use crate::telemetry::{self, TelemetryOptions};
use crate::trace::{self, TraceOptions};
use crate::transport::{self, Transport};

/// What every service is given: where messages go, when to stop, whom to tell that it is ready.
#[derive(Debug, Clone)]
pub struct Context {
    /// Moves messages.
    pub transport: Transport,
    /// When to stop.
    pub stop: Stop,
    /// Whether the service does its job.
    pub readiness: Readiness,
}

/// Flags that every service has.
#[derive(Args, Debug, Clone)]
pub struct ServiceOptions {
    /// Where /live, /ready and /metrics are served: an address with a port, or `off`.
    #[arg(long, value_name = "ADDR", default_value_t, help_heading = "Service")]
    pub admin_addr: admin::Listen,

    #[command(flatten)]
    telemetry: TelemetryOptions,

    #[command(flatten)]
    traces: TraceOptions,
}

/// How a process ends.
pub mod exit {
    /// Something failed; the last line of the log says what.
    pub const FAILURE: u8 = 1;
    /// There was nothing to do: no dead letter matches.
    pub const NOTHING_MATCHED: u8 = 3;
    /// The broker has our queues with other arguments (EX_CONFIG): a restart will not help, a person will.
    pub const INCOMPATIBLE: u8 = 78;
}

/// How long after [`Stop::GRACE`] a service may still take to let go, before the process ends without it.
const LETTING_GO: Duration = Duration::from_millis(2500);

/// How long answers of the admin endpoint that have begun may take at the end.
const LAST_ANSWERS: Duration = Duration::from_millis(300);

/// Runs a service until it is done, fails, or is told to stop by SIGTERM, SIGINT or SIGHUP. A second signal makes it
/// let go at once, unless it is the same order: see [`Orders`]. `settings` is what matters of its flags, without secrets, for
/// the first line of the log.
pub fn main<F>(
    name: &'static str,
    options: ServiceOptions,
    transport: anyhow::Result<Transport>,
    settings: &str,
    run: impl FnOnce(Context) -> F,
) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    telemetry::init(&options.telemetry);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(why) => {
            error!("{name} cannot start its threads: {why}");
            return ExitCode::from(exit::FAILURE);
        }
    };
    let result = runtime.block_on(async {
        // Before the first line is said: whoever reads it may stop this at once.
        let signals = Signals::new()?;
        let context =
            Context { transport: transport?, stop: Stop::default(), readiness: Readiness::default() };
        let (version, admin) = (env!("CARGO_PKG_VERSION"), options.admin_addr);
        info!(version, "{name} {version} starts: {settings}; {}; admin {admin}", context.transport);
        trace::start(name, &options.traces);
        supervise(name, &options, context, signals, run).await
    });
    // Ends what is left: a blocked connection's thread must not hold up the exit.
    runtime.shutdown_background();
    trace::stop();
    match result {
        Ok(()) => {
            info!("{name} stopped");
            ExitCode::SUCCESS
        }
        Err(why) => {
            error!("{name} failed: {why:#}");
            let incompatible = why
                .downcast_ref::<transport::Error>()
                .is_some_and(|why| matches!(why, transport::Error::Incompatible(_)));
            ExitCode::from(if incompatible { exit::INCOMPATIBLE } else { exit::FAILURE })
        }
    }
}

async fn supervise<F>(
    name: &'static str,
    options: &ServiceOptions,
    context: Context,
    mut signals: Signals,
    run: impl FnOnce(Context) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let admin = admin::serve(name, options.admin_addr, context.readiness.clone()).await?;
    let stop = context.stop.clone();
    let fate = match context.transport {
        Transport::Amqp(_) => "unacknowledged messages go back to their queues",
        Transport::Memory(_) => "what is not recorded ends with this process",
    };
    let orders = async {
        let (mut orders, start) = (Orders::default(), Instant::now());
        let mut next = async |wanted: Order| {
            loop {
                signals.next().await;
                if orders.heard(start.elapsed()) == wanted {
                    return;
                }
            }
        };
        next(Order::Stop).await;
        info!("{name} stops: it finishes what it holds");
        stop.request();
        tokio::select! {
            () = tokio::time::sleep(Stop::GRACE) => {
                warn!("not finished in {:?}: abandoning work in flight; {fate}", Stop::GRACE);
            }
            () = next(Order::GiveUp) => warn!("second stop signal: abandoning work in flight; {fate}"),
        }
        stop.give_up();
        tokio::time::sleep(LETTING_GO).await;
    };
    let result = tokio::select! {
        result = run(context) => match result {
            // Whoever was stopped before it could finish has lost nothing: what it held went back.
            Err(why) if stop.is_requested() && is_stopped(&why) => Ok(()),
            result => result,
        },
        () = orders => Err(anyhow::anyhow!("it did not let go in {LETTING_GO:?}")),
    };
    // It answers until there is nothing more to tell.
    if let Some(admin) = admin {
        admin.stop(LAST_ANSWERS).await;
    }
    result
}

fn is_stopped(why: &anyhow::Error) -> bool {
    why.downcast_ref::<transport::Error>().is_some_and(transport::Error::is_stopped)
}
