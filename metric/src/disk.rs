//! How long the disk will last: what the records take, how fast they grow, and what is free.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use shared::clock::Timestamp;
use shared::stop::Stop;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

use crate::store::{Log, Reader, Usage, schema};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(60);
/// With fewer messages, most of the database is what every database has, and with a shorter time, a rate is chance.
const ENOUGH_MESSAGES: i64 = 1000;
const ENOUGH_TIME: i64 = 60_000;
/// Further ahead it is not said: nobody knows what will be then.
const FURTHEST: f64 = 10.0 * 365.0 * DAY;
const DAY: f64 = 86_400_000.0;

/// The disk of the records.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Disk {
    /// What is free of it, in bytes.
    pub(crate) free_bytes: u64,
    /// What the database and the text files take that are written now, in bytes.
    pub(crate) records_bytes: u64,
    /// By how much they grow a day, at the rate of the last hour; absent while too little has come to tell.
    pub(crate) bytes_per_day: Option<f64>,
    /// When it is full at that rate, in milliseconds from now; absent where that is not known, or is more than 10 years.
    pub(crate) full_in_ms: Option<f64>,
}

/// What was measured of the disk.
#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    free: u64,
    database: u64,
    labels: u64,
    metric: u64,
}

/// Says how long the disk lasts, and again each minute, until a stop. `retain` is how long the database keeps what is in it.
pub(crate) fn watch(folder: PathBuf, retain: Option<Duration>, stop: Stop) -> watch::Receiver<Option<Disk>> {
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.requested() => return,
            }
            let folder = folder.clone();
            match spawn_blocking(move || look(&folder, retain, Timestamp::now())).await {
                Ok(Ok(disk)) => drop(sender.send_replace(Some(disk))),
                // What ails the records is said by whoever writes them.
                Ok(Err(why)) => debug!("nobody knows how long the disk lasts: {why:#}"),
                Err(why) => debug!("nobody knows how long the disk lasts: {why}"),
            }
        }
    });
    receiver
}

/// Looks at the disk of a folder.
fn look(folder: &Path, retain: Option<Duration>, now: Timestamp) -> anyhow::Result<Disk> {
    let usage = Reader::open(folder)?.usage(now)?;
    let size = |file: &str| fs::metadata(folder.join(file)).map_or(0, |found| found.len());
    let room = rustix::fs::statvfs(folder)?;
    let measured = Measured {
        free: room.f_bavail.saturating_mul(room.f_frsize),
        database: size(schema::FILE),
        labels: size(Log::Labels.name()),
        metric: size(Log::Metric.name()),
    };
    let retain = retain.map(|retain| i64::try_from(retain.as_millis()).unwrap_or(i64::MAX));
    Ok(forecast(measured, usage, retain))
}

/// Text files grow for ever, the database until it keeps as long as it is to.
fn forecast(measured: Measured, usage: Usage, retain: Option<i64>) -> Disk {
    let Measured { free, database, labels, metric } = measured;
    let mut disk = Disk {
        free_bytes: free,
        records_bytes: database + labels + metric,
        bytes_per_day: None,
        full_in_ms: None,
    };
    let (messages, time) = usage.recent;
    if usage.messages < ENOUGH_MESSAGES || time < ENOUGH_TIME {
        return disk;
    }
    let each = |bytes: u64, of: i64| if of > 0 { bytes as f64 / of as f64 } else { 0.0 };
    // A message brings so many bytes of each; only some of them complete a row.
    let rate = messages as f64 / time as f64;
    let scored = usage.scored as f64 / usage.messages as f64;
    let in_texts = rate * (each(labels, usage.lines.labels) + scored * each(metric, usage.lines.metric));
    let in_database = rate * each(database, usage.messages);
    let grows_for = retain.map_or(f64::INFINITY, |retain| (retain - usage.kept).max(0) as f64);
    let now = if grows_for > 0.0 { in_texts + in_database } else { in_texts };
    disk.bytes_per_day = Some(now * DAY);
    let free = free as f64;
    let until_then = (in_texts + in_database) * grows_for;
    let lasts = if grows_for.is_infinite() || until_then >= free {
        free / (in_texts + in_database)
    } else {
        grows_for + (free - until_then) / in_texts
    };
    disk.full_in_ms = (lasts <= FURTHEST).then_some(lasts);
    disk
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::TextLines;

    const GB: u64 = 1_000_000_000;

    fn usage(messages: i64, recent: (i64, i64), kept: i64) -> Usage {
        let lines = TextLines { labels: messages, metric: messages / 2 };
        Usage { messages, scored: messages / 2, kept, recent, lines }
    }

    #[test]
    fn the_disk_lasts_as_long_as_what_grows_leaves_room() {
        let hour = 3_600_000;
        let day = 24 * hour;
        // 100 bytes a message in the database, 60 and 40 in the texts; 1000 messages a second: 200 kB a second.
        let measured = |free| Measured { free, database: GB, labels: 600_000_000, metric: 400_000_000 };
        let busy = usage(10_000_000, (3_600_000, hour), 2 * hour);
        for (free, retain, per_day, days) in [
            // 17.28 GB a day.
            (1728 * GB / 10, None, 17.28e9, Some(10.0)),
            (17_280 * GB, None, 17.28e9, Some(1000.0)),
            (100_000 * GB, None, 17.28e9, None),
            // The database is as large as it will be: the texts alone grow.
            (864 * GB / 10, Some(hour), 8.64e9, Some(10.0)),
            // It grows for one day more: 17.28 GB, and 8.64 GB a day from then on.
            (1728 * GB / 100 + 864 * GB / 10, Some(2 * hour + day), 17.28e9, Some(11.0)),
            // Full before that.
            (864 * GB / 100, Some(2 * hour + day), 17.28e9, Some(0.5)),
        ] {
            let disk = forecast(measured(free), busy, retain);
            assert!((disk.bytes_per_day.unwrap() - per_day).abs() < 1.0, "{disk:?}");
            let found = disk.full_in_ms.map(|ms| ms / DAY);
            assert_eq!(found.map(|found| (found * 1e6).round() / 1e6), days, "{disk:?}");
            assert_eq!(disk.records_bytes, 2 * GB);
        }
    }

    #[test]
    fn it_is_not_said_before_it_can_be_known_and_what_does_not_grow_lasts() {
        let measured = Measured { free: GB, database: 100_000, labels: 0, metric: 0 };
        for usage in [usage(999, (999, 3_600_000), 3_600_000), usage(5000, (5000, 59_999), 59_999)] {
            let disk = forecast(measured, usage, None);
            assert_eq!((disk.bytes_per_day, disk.full_in_ms, disk.free_bytes), (None, None, GB));
        }
        let quiet = forecast(measured, usage(5000, (0, 3_600_000), 7_200_000), None);
        assert_eq!((quiet.bytes_per_day, quiet.full_in_ms), (Some(0.0), None));
        let whole = forecast(measured, usage(5000, (100, 3_600_000), 7_200_000), Some(3_600_000));
        assert_eq!((whole.bytes_per_day, whole.full_in_ms), (Some(0.0), None));
    }

    #[test]
    fn the_disk_of_a_folder_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        drop(crate::store::Store::open(folder.path()).unwrap());
        let disk = look(folder.path(), None, Timestamp(0)).unwrap();
        assert!(disk.free_bytes > 0 && disk.records_bytes > 0, "{disk:?}");
        assert!(look(&folder.path().join("nothing"), None, Timestamp(0)).is_err());
    }
}
