//! What Linux says of this process, under the names that every client library of Prometheus gives it. Where there is no
//! `/proc`, only the version is told.

use std::fmt;
use std::fs;

use super::{Family, MetricSource, Scrape};

const BUILD: Family<1> =
    Family::new("pipeline_build_info", "The version of this program; always 1.", ["version"]);
const CPU: Family<0> = Family::new(
    "process_cpu_seconds_total",
    "Processor time that this process has taken, user and system, in seconds.",
    [],
);
const RESIDENT: Family<0> =
    Family::new("process_resident_memory_bytes", "Memory that this process holds, in bytes.", []);
const OPEN: Family<0> = Family::new("process_open_fds", "File descriptors that are open.", []);
const LIMIT: Family<0> = Family::new("process_max_fds", "How many file descriptors may be open.", []);
const START: Family<0> =
    Family::new("process_start_time_seconds", "When this process started, in seconds since 1970.", []);

/// The kernel's unit of time in `/proc`, whatever its own clock: 100 a second on every platform that Rust's standard
/// library runs on.
const TICKS_A_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(super) struct Process;

impl MetricSource for Process {
    fn read(&self, scrape: &mut Scrape<'_>) -> fmt::Result {
        scrape.gauges(&BUILD, [([env!("CARGO_PKG_VERSION")], 1.0)])?;
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let stat = read("/proc/self/stat");
        scrape.counters_of(&CPU, cpu_seconds(&stat).map(|value| ([], value)))?;
        scrape.gauges(&RESIDENT, resident_bytes(&read("/proc/self/status")).map(|value| ([], value)))?;
        // The folder is open while it is read.
        let open = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count().saturating_sub(1) as f64);
        scrape.gauges(&OPEN, open.map(|value| ([], value)))?;
        scrape.gauges(&LIMIT, max_fds(&read("/proc/self/limits")).map(|value| ([], value)))?;
        scrape.gauges(&START, start_seconds(&stat, &read("/proc/stat")).map(|value| ([], value)))
    }
}

/// A field of `/proc/self/stat` by its number in proc(5), from 3 on. The second is the program's name, which may have
/// spaces and brackets.
fn field(stat: &str, number: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(number - 3)?.parse().ok()
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((field(stat, 14)? + field(stat, 15)?) / TICKS_A_SECOND)
}

fn start_seconds(stat: &str, system: &str) -> Option<f64> {
    let boot: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + field(stat, 22)? / TICKS_A_SECOND)
}

fn resident_bytes(status: &str) -> Option<f64> {
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?;
    Some(kib.trim().parse::<f64>().ok()? * 1024.0)
}

fn max_fds(limits: &str) -> Option<f64> {
    let soft =
        limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?;
    if soft == "unlimited" { Some(f64::INFINITY) } else { soft.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::text_of;

    #[test]
    fn what_proc_says_is_read() {
        let stat = "71 (a (b) c) S 1 71 71 0 -1 4194560 155 0 0 0 1234 66 0 0 20 0 4 0 5050 9 8 7 6";
        assert_eq!(cpu_seconds(stat), Some(13.0));
        assert_eq!(start_seconds(stat, "cpu 1 2\nbtime 1700000000\nprocesses 3\n"), Some(1_700_000_050.5));
        assert_eq!(resident_bytes("Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t    12 kB\n"), Some(12_288.0));
        let limits =
            |soft| format!("Limit  Soft Limit  Hard Limit  Units\nMax open files   {soft}   4096  files\n");
        assert_eq!(max_fds(&limits("1024")), Some(1024.0));
        assert_eq!(max_fds(&limits("unlimited")), Some(f64::INFINITY));
        for nothing in ["", "71 (a", "btime", "Max open files", "VmRSS: many"] {
            let said = (cpu_seconds(nothing), resident_bytes(nothing), max_fds(nothing));
            assert_eq!(said, (None, None, None), "{nothing:?}");
            assert_eq!(start_seconds(nothing, nothing), None, "{nothing:?}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_told() {
        let text = text_of(Process);
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).expect(name);
            line.rsplit(' ').next().unwrap().parse().unwrap()
        };
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        // A container's clock and its host's may differ by a moment.
        let age = now - value("process_start_time_seconds");
        assert!((-5.0..600.0).contains(&age), "{age} s old");
        assert!((1e6..1e10).contains(&value("process_resident_memory_bytes")));
        assert!((3.0..1000.0).contains(&value("process_open_fds")));
        assert!(value("process_max_fds") >= value("process_open_fds"));
        assert!((0.0..600.0).contains(&value("process_cpu_seconds_total")));
    }
}
