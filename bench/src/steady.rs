//! `steady`: a rate that is held for long: whether memory and descriptors stay as they are.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use crate::figures::{load, median};
use crate::processes::{Process, consumers, scratch};
use crate::queues;
use crate::records::Records;

/// How often each process is looked at.
const STEP: Duration = Duration::from_secs(5);
const SERVICES: [&str; 3] = ["features", "model", "metric"];

/// What a service held when it was looked at.
struct Held {
    megabytes: f64,
    descriptors: f64,
}

/// Measures and prints.
pub(crate) fn run(url: &str, rate: u64, seconds: u64, per_message: u16) -> anyhow::Result<()> {
    queues::begin_empty(url)?;
    let folder = scratch()?;
    let logs = folder.path().join("logs");
    let [metric, model] = consumers(url, folder.path(), &logs)?;
    let rows = rate * seconds;
    let (count, rate_text, per_message) = (rows.to_string(), rate.to_string(), per_message.to_string());
    let source = ["--amqp-url", url, "--order", "loop", "--rate", &rate_text, "--count", &count];
    let source = [&source[..], &["--rows-per-message", &per_message]].concat();
    let mut features = Process::start("features", folder.path(), &source)?;
    let started = features.started();
    println!("{rate} rows/s for {seconds} s, {per_message} in a message; MB and open files");
    println!("seconds | features     | model        | metric       | load");
    let mut held: [Vec<Held>; 3] = Default::default();
    let mut shown = Instant::now();
    while !features.has_ended()? {
        for (process, held) in [&features, &model, &metric].into_iter().zip(&mut held) {
            // One that is ending has none.
            let (Ok(megabytes), Ok(count)) = (process.resident_megabytes(), process.descriptors()) else {
                continue;
            };
            held.push(Held { megabytes, descriptors: count as f64 });
        }
        if shown.elapsed() >= Duration::from_secs(60) || held[0].len() == 1 {
            shown = Instant::now();
            let each = held.each_ref().map(|held| {
                held.last()
                    .map(|held| format!("{:>6.1} {:>4} ", held.megabytes, held.descriptors))
                    .unwrap_or_default()
            });
            println!("{:>7} | {} | {}", started.elapsed().as_secs(), each.join(" | "), load());
        }
        ensure!(
            started.elapsed() < Duration::from_secs(2 * seconds + 60),
            "{rate} rows/s are too many here: features is not done after {:?}",
            started.elapsed()
        );
        std::thread::sleep(STEP);
    }
    features.end()?;
    let (last, recorded) = Records::new(&logs).wait(rows, STEP)?;
    if recorded != rows {
        bail!("{recorded} rows are recorded, of {rows}");
    }
    let took = (last - features.started()).as_secs_f64();
    println!(
        "{recorded} rows in {took:.0} s: {:.0} rows/s; medians of the second and of the last quarter:",
        rows as f64 / took
    );
    for (name, held) in SERVICES.iter().zip(&held) {
        let quarter = held.len() / 4;
        let of = |held: &[Held]| {
            let all = |what: fn(&Held) -> f64| median(&held.iter().map(what).collect::<Vec<_>>());
            (all(|held| held.megabytes), all(|held| held.descriptors))
        };
        let (second, last) = (of(&held[quarter..2 * quarter]), of(&held[3 * quarter..]));
        let most = held.iter().map(|held| held.megabytes).fold(0.0, f64::max);
        println!(
            "{name:<8} {:.1} and {:.1} MB ({:.2}), {most:.1} at the most; {} and {} open files",
            second.0,
            last.0,
            last.0 / second.0,
            second.1,
            last.1
        );
    }
    Ok(())
}
