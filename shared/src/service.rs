//! Starts a service, reports on it and stops it: the same for all of them.

use std::fmt;
use std::future::Future;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use crate::admin;
use crate::stop::Stop;
use crate::telemetry::{self, TelemetryOptions};
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
    #[arg(long, env = "ADMIN_ADDR", value_name = "ADDR", default_value_t, help_heading = "Service")]
    pub admin_addr: admin::Listen,

    #[command(flatten)]
    telemetry: TelemetryOptions,
}

/// How a process ends.
pub mod exit {
    /// Something failed; the last line of the log says what.
    pub const FAILURE: u8 = 1;
    /// The broker has our queues with other arguments (EX_CONFIG): a restart will not help, a person will.
    pub const INCOMPATIBLE: u8 = 78;
}

/// How long after [`Stop::GRACE`] a service may still take to let go, before the process ends without it.
const LETTING_GO: Duration = Duration::from_secs(2);

/// Runs a service until it is done, fails, or is told to stop by SIGINT or SIGTERM. A second signal makes it
/// let go at once.
pub fn main<F>(
    name: &'static str,
    options: ServiceOptions,
    transport: anyhow::Result<Transport>,
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
        let context =
            Context { transport: transport?, stop: Stop::default(), readiness: Readiness::default() };
        let version = env!("CARGO_PKG_VERSION");
        info!(version, "{name} {version} starts");
        supervise(name, &options, context, run).await
    });
    // Ends what is left: a blocked connection's thread must not hold up the exit.
    runtime.shutdown_background();
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
    run: impl FnOnce(Context) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    admin::serve(name, options.admin_addr, context.readiness.clone()).await?;
    let stop = context.stop.clone();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen to SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen to SIGINT")?;
    let orders = async {
        let mut next = async || {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        };
        next().await;
        info!("{name} stops: it finishes what it holds");
        stop.request();
        tokio::select! {
            () = tokio::time::sleep(Stop::GRACE) => warn!("{name} could not finish in {:?} and lets go", Stop::GRACE),
            () = next() => warn!("{name} was told again to stop and lets go"),
        }
        stop.give_up();
        tokio::time::sleep(LETTING_GO).await;
    };
    tokio::select! {
        result = run(context) => match result {
            // Whoever was stopped before it could finish has lost nothing: what it held went back.
            Err(why) if stop.is_requested() && is_stopped(&why) => Ok(()),
            result => result,
        },
        () = orders => anyhow::bail!("it did not let go in {LETTING_GO:?}"),
    }
}

fn is_stopped(why: &anyhow::Error) -> bool {
    why.downcast_ref::<transport::Error>().is_some_and(|why| matches!(why, transport::Error::Stopped))
}

/// Everything that must hold before a service does its job.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<Vec<Condition>>>);

/// One thing that must hold. Clones are the same thing.
#[derive(Debug, Clone)]
pub struct Condition {
    what: Arc<str>,
    holds: Arc<AtomicBool>,
}

impl Readiness {
    /// Adds a condition, which does not hold yet.
    #[must_use]
    pub fn condition(&self, what: impl Into<Arc<str>>) -> Condition {
        let condition = Condition { what: what.into(), holds: Arc::default() };
        self.lock().push(condition.clone());
        condition
    }

    /// What does not hold now.
    #[must_use]
    pub fn unmet(&self) -> Vec<Arc<str>> {
        let unmet = |condition: &&Condition| !condition.holds.load(Ordering::Relaxed);
        self.lock().iter().filter(unmet).map(|condition| Arc::clone(&condition.what)).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Condition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Condition {
    /// Says whether it holds from now on. Returns whether it did before.
    pub fn set(&self, holds: bool) -> bool {
        self.holds.swap(holds, Ordering::Relaxed)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_when_every_condition_holds() {
        let readiness = Readiness::default();
        assert!(readiness.unmet().is_empty());
        let model = readiness.condition("model loaded");
        let broker = readiness.condition("connected");
        model.set(true);
        assert_eq!(readiness.unmet(), ["connected".into()]);
        broker.set(true);
        assert!(readiness.unmet().is_empty());
        model.set(false);
        assert_eq!(readiness.unmet(), ["model loaded".into()]);
    }
}
