//! `start`: how soon the first row is there, and what the services hold at rest.

use std::time::Duration;

use crate::figures::{load, median};
use crate::processes::{Process, scratch};
use crate::records::Records;

/// How often the records are looked at.
const STEP: Duration = Duration::from_millis(1);
/// How long a service is left alone before its memory is read.
const REST: Duration = Duration::from_secs(5);

/// Measures and prints.
pub(crate) fn run(rounds: usize, amqp_url: Option<&str>) -> anyhow::Result<()> {
    first_row(rounds)?;
    match amqp_url {
        Some(url) => memory_at_rest(url),
        None => {
            eprintln!("NOT MEASURED: memory at rest. It needs a RabbitMQ: --amqp-url URL");
            Ok(())
        }
    }
}

fn first_row(rounds: usize) -> anyhow::Result<()> {
    println!("from the start of `pipeline` to the first row, ms; the load averages were {}", load());
    let mut times = Vec::new();
    for round in 1..=rounds {
        let folder = scratch()?;
        let logs = folder.path().join("logs");
        let args = ["--interval", "0s", "--logs", &logs.to_string_lossy()];
        let pipeline = Process::start("pipeline", folder.path(), &args)?;
        let (first, _) = Records::new(&logs).wait(1, STEP)?;
        times.push((first - pipeline.started()).as_secs_f64() * 1e3);
        println!("{round:>5} | {:>8.1}", times[round - 1]);
    }
    println!("median| {:>8.1}", median(&times));
    Ok(())
}

fn memory_at_rest(url: &str) -> anyhow::Result<()> {
    let folder = scratch()?;
    let logs = folder.path().join("logs");
    let logs = logs.to_string_lossy();
    let mut services = Vec::new();
    for (name, args) in [
        ("metric", &["--amqp-url", url, "--logs", &logs][..]),
        ("model", &["--amqp-url", url]),
        // Its first row goes out at once, the next one long after this is over.
        ("features", &["--amqp-url", url, "--interval", "1h"]),
    ] {
        let mut service = Process::start_with_admin(name, folder.path(), args)?;
        service.ready()?;
        services.push((name, service));
    }
    std::thread::sleep(REST);
    println!("memory at rest, connected, after {REST:?}, MB (VmRSS)");
    for (name, service) in services.iter().rev() {
        println!("{name:>8} | {:>5.1}", service.resident_megabytes()?);
    }
    // The source first, so that nothing stays in the queues.
    while let Some(service) = services.pop() {
        drop(service);
    }
    Ok(())
}
