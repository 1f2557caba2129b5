//! `latency`: how long a row takes from its publish to the line in `metric_log.csv`, which is written after the commit.
//!
//! An id says in which millisecond its row was published, and in whole milliseconds is the result. Beside it stands what the broker
//! and the client alone take, from the row to its prediction, without a commit: [`bare::latency`].

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use shared::clock::Timestamp;

use crate::figures::load;
use crate::processes::{Process, consumers, scratch};
use crate::{bare, queues};

/// How often the file is looked at.
const STEP: Duration = Duration::from_micros(250);
/// How long a run may take longer than its rows.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// What is published in the first second finds processes and queues that have just begun; at least so many rows are left out.
const WARM: u32 = 20;

/// Measures and prints.
pub(crate) fn run(url: &str, rates: &[u32], seconds: u32) -> anyhow::Result<()> {
    println!("rows/s | who       |   rows | p50 ms | p90 ms | p99 ms | max ms | load");
    for rate in rates {
        let rows = u64::from(*rate) * u64::from(seconds) + u64::from(WARM.max(*rate));
        let bare = queues::with_bare(url, bare::latency(url, *rate, rows))?;
        print(*rate, "bare loop", bare.iter().map(|time| time.as_secs_f64() * 1e3).collect());
        print(*rate, "three", measure(url, *rate, rows)?.into_iter().map(|ms| ms as f64).collect());
    }
    Ok(())
}

/// Prints what so many milliseconds of each row come to.
fn print(rate: u32, who: &str, mut times: Vec<f64>) {
    times.drain(..(WARM.max(rate) as usize).min(times.len()));
    times.sort_unstable_by(f64::total_cmp);
    let at = |thousandths: usize| {
        let index = (times.len() * thousandths).div_ceil(1000);
        times.get(index.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    };
    let [p50, p90, p99, max] = [500, 900, 990, 1000].map(at);
    let (count, load) = (times.len(), load());
    println!(
        "{rate:>6} | {who:<9} | {count:>6} | {p50:>6.1} | {p90:>6.1} | {p99:>6.1} | {max:>6.1} | {load}"
    );
}

/// How long each row took, in milliseconds, in the order of their lines.
fn measure(url: &str, rate: u32, rows: u64) -> anyhow::Result<Vec<i64>> {
    let folder = scratch()?;
    let logs = folder.path().join("logs");
    let _consumers = consumers(url, folder.path(), &logs)?;
    let (count, rate_text) = (rows.to_string(), rate.to_string());
    let source = ["--amqp-url", url, "--order", "loop", "--rate", &rate_text, "--count", &count];
    let mut features = Process::start("features", folder.path(), &source)?;
    let end = Instant::now() + Duration::from_secs(rows / u64::from(rate)) + PATIENCE;
    let times = follow(&logs.join("metric_log.csv"), rows, end)?;
    features.end()?;
    Ok(times)
}

/// How long each of so many rows took, in milliseconds, in the order of their lines in the file.
pub(crate) fn follow(path: &Path, rows: u64, end: Instant) -> anyhow::Result<Vec<i64>> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (mut times, mut text, mut header) = (Vec::new(), Vec::new(), true);
    let mut part = vec![0; 1 << 16];
    while (times.len() as u64) < rows {
        ensure!(Instant::now() < end, "{} of {rows} rows came in time", times.len());
        let count = match file.read(&mut part) {
            Err(why) if why.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        if count == 0 {
            std::thread::sleep(STEP);
            continue;
        }
        let now = Timestamp::now().0;
        text.extend_from_slice(&part[..count]);
        while let Some(length) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=length).collect();
            if std::mem::take(&mut header) {
                continue;
            }
            let published = published_ms(&line).context("a line does not begin with an id of ours")?;
            times.push(now - published);
        }
    }
    Ok(times)
}

/// The millisecond in which a line's row got its id: the first 48 bits of a UUIDv7.
fn published_ms(line: &[u8]) -> Option<i64> {
    let id = str::from_utf8(line.get(..13)?).ok()?;
    i64::from_str_radix(&id.replace('-', ""), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_when_its_row_was_published() {
        let line = b"01a213af-b754-77f0-ac7d-e22b86c22900,151.0,206.1";
        assert_eq!(published_ms(line), Some(1_795_626_612_564));
        assert_eq!(published_ms(b"order:17,151.0,206.1"), None);
    }
}
