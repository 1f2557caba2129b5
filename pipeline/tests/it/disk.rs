//! Faults of the disk under `metric`: full, failing, and cut off from power. What was confirmed is recorded, each once.
//!
//! They need root for a file system of their own and strace for failing calls. `scripts/long` runs the long
//! form; `POWER_CUTS` says how many.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::account::{TEXTS, adds_up, wait_for};
use crate::broker::{self, Broker};
use crate::by_hand::on_another_day;
use crate::faults::finish;
use crate::feed::{Feed, seed};
use crate::processes::{Process, Services, asked, can_trace, is_root};

/// An ext4 file system in a file, mounted as the folder of the records. It is unmounted when the test ends.
struct Disk {
    image: PathBuf,
    mount: PathBuf,
}

impl Disk {
    /// None where nothing can be mounted, which is an error for whoever asked for the long form.
    fn under(services: &Services, mebibytes: u64, long: bool) -> Option<Self> {
        let (image, mount) = (services.books.path("disk"), services.books.logs());
        File::create(&image).unwrap().set_len(mebibytes << 20).unwrap();
        fs::create_dir(&mount).unwrap();
        let made = is_root() && run("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), "-m0".as_ref(), &image]);
        if made && mount_image(&image, &mount) {
            return Some(Self { image, mount });
        }
        assert!(!long, "cannot mount a file system: that needs root, mkfs.ext4 and loop devices");
        println!("left out: cannot mount a file system here");
        None
    }

    /// Cuts it off: what was not synced is gone, and everything fails from now on.
    fn cut(&self) {
        let cut = run("xfs_io", &["-x".as_ref(), "-c".as_ref(), "shutdown".as_ref(), &self.mount]);
        assert!(cut, "xfs_io cannot shut the file system down: apt-get install xfsprogs");
    }

    /// Power is back: what was synced is there.
    fn mount_again(&self) {
        assert!(self.unmount() && mount_image(&self.image, &self.mount));
    }

    /// Unmounts; a process that had files there may be about to end.
    fn unmount(&self) -> bool {
        for _ in 0..100 {
            if run("umount", &[&self.mount]) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Fills it to the last byte and returns the file to remove.
    fn fill(&self) -> PathBuf {
        let path = self.mount.join("ballast");
        let mut ballast = File::create(&path).unwrap();
        for block in [1 << 20, 1 << 12, 1] {
            let block = vec![0; block];
            let full = loop {
                if let Err(why) = ballast.write_all(&block) {
                    break why;
                }
            };
            assert_eq!(full.kind(), ErrorKind::StorageFull);
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if !self.unmount() {
            // It goes when the last process lets go of it.
            run("umount", &["-l".as_ref(), &self.mount]);
        }
    }
}

/// Waits until this one has recorded all that was confirmed, each once, and stops it.
async fn records_all(broker: &Broker, services: &Services, mut metric: Process) {
    services.books.settle().await;
    broker.emptied().await;
    metric.stop().await;
    services.books.settle_exactly().await;
    services.books.agree_with(&services.status());
}

fn mount_image(image: &Path, mount: &Path) -> bool {
    run("mount", &["-o".as_ref(), "loop".as_ref(), image, mount])
}

fn run(program: &str, arguments: &[&Path]) -> bool {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(program).args(arguments).env("PATH", path).output();
    output.is_ok_and(|output| output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_stops_the_intake_until_there_is_space() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let Some(disk) = Disk::under(&services, 16, false) else { return };
    let (model, mut metric) = (services.model(&[]), services.metric(&[]));
    model.ready().await;
    metric.ready().await;
    let mut features = services.features(&["--rate", "500", "--count", "4000"]);
    for outage in 1..=2 {
        let before = services.books.rows();
        services.books.wait_for_rows(before + 500).await;
        let ballast = disk.fill();
        metric.not_ready().await;
        if outage == 2 {
            // It is started on a full disk too, and waits there.
            // Several times, for what fails first depends on how far the log of the database was.
            for _ in 0..5 {
                metric.kill().await;
                metric = services.metric(&[]);
                metric.not_ready().await;
            }
            assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
        }
        assert_eq!(metric.get("/live").await.0, 200);
        metric.says("nothing is taken from the queues until").await;
        fs::remove_file(ballast).unwrap();
        metric.says("can be written again").await;
        metric.ready().await;
        for said in ["nothing is taken from the queues until", "can be written again"] {
            assert_eq!(metric.log().matches(said).count(), 1, "{}", metric.log());
        }
    }
    finish(&broker, &services, features, [model, metric]).await;
    services.books.agree_with(&services.status());
    services.rebuild_writes_the_same();
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_call_ends_it_with_nothing_acknowledged() {
    if !can_trace(false) {
        return;
    }
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let feed = Feed::of(&services);
    let calls = [
        ("fsync", "metric.db-wal", 2, "metric.db"),
        ("pwrite64", "metric.db-wal", 5, "metric.db"),
        ("write", "labels_log.txt", 1, "labels_log.txt"),
        ("write", "metric_log.csv", 1, "metric_log.csv"),
    ];
    for (batch, (call, file, when, named)) in calls.into_iter().enumerate() {
        let path = format!("-P{}", services.books.logs().join(file).display());
        let inject = format!("-einject={call}:error=EIO:when={when}");
        let mut metric = services.metric_traced(&["-e", &format!("trace={call}"), &path, &inject]);
        for part in 0..10 {
            let from = (batch * 10 + part) * 20;
            feed.pairs(from..from + 20).await;
        }
        let why = metric.fails().await;
        assert!(why.contains(named), "{call} {file}: {why}");

        let metric = services.metric(&[]);
        records_all(&broker, &services, metric).await;
        services.rebuild_writes_the_same();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_sync_of_the_database_ends_it_when_its_log_is_copied_back() {
    if !can_trace(false) {
        return;
    }
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let feed = Feed::of(&services);
    let path = format!("-P{}", services.books.logs().join("metric.db").display());
    let inject = "-einject=fsync,fdatasync:error=EIO";
    // The start syncs it too, so there must be a database already, and nothing in its log.
    let mut metric = services.metric(&[]);
    metric.ready().await;
    metric.stop().await;
    let mut metric = services.metric_traced(&["-etrace=fsync,fdatasync", &path, inject]);
    let mut rows = 0;
    let why = loop {
        // Until the log has been long.
        feed.pairs(rows..rows + 250).await;
        rows += 250;
        if let Some(code) = metric.has_ended() {
            assert_eq!(code, Some(1), "{}", metric.log());
            break metric.fails().await;
        }
        assert!(rows < 100_000, "a database of {rows} rows was never synced\n{}", metric.log());
    };
    assert!(why.contains("metric.db"), "{why}");

    let metric = services.metric(&[]);
    records_all(&broker, &services, metric).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_used_up_is_waited_out() {
    if !can_trace(false) {
        return;
    }
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let mut metric = services.metric(&[]);
    metric.ready().await;
    metric.stop().await;
    // The log takes no more for some writes of each thread, nor does the folder.
    let logs = services.books.logs();
    let paths = ["metric.db-wal", "metric.probe"].map(|name| format!("-P{}", logs.join(name).display()));
    let metric = services.metric_traced(&[
        "-etrace=pwrite64,write",
        &paths[0],
        &paths[1],
        "-einject=pwrite64:error=EDQUOT:when=3..6",
        "-einject=write:error=EDQUOT",
    ]);
    metric.ready().await;
    Feed::of(&services).pairs(0..200).await;
    metric.says("a quota is used up; nothing is taken from the queues until").await;
    metric.says("can be written again").await;
    records_all(&broker, &services, metric).await;
    assert!(!logs.join("metric.probe").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_disk_ends_it_with_nothing_acknowledged() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let Some(disk) = Disk::under(&services, 64, false) else { return };
    let mut metric = services.metric(&[]);
    let feed = Feed::of(&services);
    feed.pairs(0..100).await;
    services.books.settle().await;
    disk.cut();
    feed.pairs(100..120).await;
    let why = metric.fails().await;
    assert!(why.contains("/logs/"), "it names the file: {why}");
    disk.mount_again();
    let metric = services.metric(&[]);
    records_all(&broker, &services, metric).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn power_cut_leaves_rotated_files_whole() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let Some(disk) = Disk::under(&services, 64, false) else { return };
    let (logs, feed) = (services.books.logs(), Feed::of(&services));
    let mut metric = services.metric(&[]);
    feed.pairs(0..100).await;
    services.books.settle().await;
    let old = TEXTS.map(|name| {
        let old = logs.join(format!("{name}.1"));
        fs::rename(logs.join(name), &old).unwrap();
        old
    });
    let whole = old.each_ref().map(|old| fs::read(old).unwrap());
    feed.pairs(100..120).await;
    services.books.wait_for_rows(20).await;
    metric.signal("STOP");
    disk.cut();
    metric.kill().await;
    disk.mount_again();
    let metric = services.metric(&[]);
    metric.ready().await;
    services.books.wait_for_rows(20).await;
    // What the new files go on from is in the old ones.
    for (old, whole) in old.iter().zip(whole) {
        let there = fs::read(old).unwrap_or_default();
        assert!(there == whole, "{} has {} bytes of {}", old.display(), there.len(), whole.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn power_cut_leaves_the_files_of_a_day_whole() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let Some(disk) = Disk::under(&services, 64, false) else { return };
    let feed = Feed::of(&services);
    let first_day = on_another_day(&services, &feed, 100).await;
    let mut metric = services.metric(&["--text", "daily"]);
    feed.predictions(50..100).await;
    // As soon as the new file has a line, which no sync has made durable.
    let closed = || TEXTS.map(|name| services.books.text(&format!("{name}.2026-11-20")));
    wait_for("the day to be closed", || closed() == first_day, || metric.log()).await;
    services.books.wait_for_rows(1).await;
    metric.signal("STOP");
    disk.cut();
    metric.kill().await;
    disk.mount_again();
    assert!(closed() == first_day, "what was closed was not on disk");
    feed.pairs(100..120).await;
    let metric = services.metric(&["--text", "daily"]);
    records_all(&broker, &services, metric).await;
    assert!(closed() == first_day);
    services.books.has_nothing_aside();
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_disk_is_not_ready_before_its_database_is_read() {
    if !can_trace(false) {
        return;
    }
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let mut metric = services.metric(&[]);
    Feed::of(&services).pairs(0..100).await;
    services.books.settle().await;
    metric.stop().await;
    let path = format!("-P{}", services.books.logs().join("metric.db").display());
    let metric = services.metric_traced(&["-etrace=pread64", &path, "-einject=pread64:delay_enter=100000"]);
    metric.ready().await;
    // What it counts goes on from what was read.
    assert_eq!(metric.counter("pipeline_received_total", "").await, 200.0, "{}", metric.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn power_cut_loses_nothing_acknowledged() {
    let asked = asked("POWER_CUTS");
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    println!("SEED={seed}");
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let Some(disk) = Disk::under(&services, 512, asked.is_some()) else { return };
    let cuts = asked.unwrap_or(2);
    let (model, mut metric) = (services.model(&[]), services.metric(&[]));
    let mut features =
        services.features(&["--order", "loop", "--rate", "800", "--label-delay", "uniform:0s..1s"]);
    for _ in 0..cuts {
        metric.ready().await;
        let rows = services.books.rows() + random.random_range(1..400);
        wait_for(&format!("{rows} rows"), || services.books.rows() >= rows, || metric.log()).await;
        // Not when a batch has just been seen to end, but at any moment after it.
        tokio::time::sleep(random.random_range(Duration::ZERO..Duration::from_millis(50))).await;
        // Power ends the program at the same moment. One that went on could be told of a sync that did nothing: ext4
        // that is shut down in the middle of an fsync may answer that all is well.
        metric.signal("STOP");
        disk.cut();
        metric.kill().await;
        disk.mount_again();
        metric = services.metric(&[]);
        metric.ready().await;
        adds_up(&services.status());
    }
    features.stop().await;
    finish(&broker, &services, features, [model, metric]).await;
    services.books.agree_with(&services.status());
    services.rebuild_writes_the_same();
    services.books.has_nothing_aside();
    println!("held: {} rows, {cuts} power cuts, SEED={seed}", services.books.rows());
}
