//! `metric` ended by SIGKILL, at random moments under load and before each system call that writes: whatever it was
//! doing, every message is recorded once, and the account adds up.
//!
//! `scripts/long` runs the long forms; the environment says how long: `ROWS`, `KILLS`, `BROKER_KILLS`, and
//! `SWEEP` for every call instead of a sample.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::account::{TEXTS, adds_up, count, wait_for};
use crate::broker::{self, Broker};
use crate::by_hand::on_another_day;
use crate::faults::{finish, private, ready};
use crate::feed::{Again, Feed, seed};
use crate::processes::{Process, Services, asked, can_trace};

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kill {
    Metric,
    /// And once more before it is ready again.
    MetricTwice,
    Broker,
    /// `metric` while the broker is away.
    Both,
}

/// Kills spread over the rows, each at a random one of its part; the last rows are for the recovery.
fn plan(random: &mut StdRng, rows: usize, kills: usize, broker_kills: usize) -> Vec<(usize, Kill)> {
    let mut plan = Vec::new();
    let rows = rows * 95 / 100;
    for (count, kinds) in
        [(kills, [Kill::Metric, Kill::MetricTwice]), (broker_kills, [Kill::Broker, Kill::Both])]
    {
        for part in 0..count {
            let at = random.random_range(part * rows / count..(part + 1) * rows / count);
            plan.push((at, kinds[usize::from(part % 3 == 1)]));
        }
    }
    plan.sort_by_key(|(at, _)| *at);
    plan
}

#[tokio::test(flavor = "multi_thread")]
async fn metric_and_broker_killed_at_random() {
    killed_at_random(asked("ROWS").unwrap_or(15_000), asked("KILLS").unwrap_or(8), "1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metric_and_broker_killed_at_random_while_rows_travel_together() {
    killed_at_random(asked("ROWS").unwrap_or(15_000), asked("KILLS").unwrap_or(4), "16").await;
}

async fn killed_at_random(rows: usize, kills: usize, rows_per_message: &str) {
    let broker_kills = asked("BROKER_KILLS").unwrap_or(2);
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    println!("SEED={seed}");
    let (broker, services) = private().await;
    let (model, mut metric) = ready(&services).await;
    let number = rows.to_string();
    let load = ["--order", "loop", "--rate", "1500", "--label-delay", "uniform:0s..2s", "--count", &number];
    let load = [&load[..], &["--rows-per-message", rows_per_message]].concat();
    let features = services.features(&load);
    let again = Again::start(&services);
    let mut killed = 0;
    for (at, kill) in plan(&mut random, rows, kills, broker_kills) {
        let there = || services.books.rows() >= at;
        wait_for(&format!("{at} rows"), there, || metric.log()).await;
        // Not when a batch has just been seen to end, but at any moment after it.
        tokio::time::sleep(random.random_range(Duration::ZERO..Duration::from_millis(50))).await;
        if matches!(kill, Kill::Broker | Kill::Both) {
            broker.script("kill");
        }
        if kill != Kill::Broker {
            metric.kill().await;
            adds_up(&services.status());
            metric = services.metric(&[]);
            killed += 1;
        }
        if kill == Kill::MetricTwice {
            tokio::time::sleep(random.random_range(Duration::ZERO..Duration::from_millis(150))).await;
            metric.kill().await;
            metric = services.metric(&[]);
            killed += 1;
        }
        if matches!(kill, Kill::Broker | Kill::Both) {
            broker.script("start");
        }
        adds_up(&services.status());
    }
    services.books.wait_for_rows(rows).await;
    let repeated = again.stop().await;
    finish(&broker, &services, features, [model, metric]).await;

    let status = services.status();
    services.books.agree_with(&status);
    let both = |name| count(&status["labels"], name) + count(&status["predictions"], name);
    assert!(both("duplicates") >= repeated.duplicates, "{repeated:?} {status}");
    assert!(both("conflicts") >= repeated.conflicts, "{repeated:?} {status}");
    go_on(&services, &status).await;
    services.rebuild_writes_the_same();
    services.books.has_nothing_aside();
    let (duplicates, conflicts) = (both("duplicates"), both("conflicts"));
    println!(
        "held: {rows} rows, {rows_per_message} a message, {killed} kills of metric, {broker_kills} of the broker, {duplicates} duplicates, \
         {conflicts} conflicts, SEED={seed}"
    );
}

/// The counters of a new process are those of its records.
async fn go_on(services: &Services, status: &serde_json::Value) {
    let mut metric = services.metric(&[]);
    metric.says("consuming y_predict").await;
    for (part, queue) in [("labels", "y_true"), ("predictions", "y_predict")] {
        for name in ["received", "scored", "duplicates", "conflicts"] {
            let counter = metric.counter(&format!("pipeline_{name}_total"), queue).await;
            assert_eq!(counter, count(&status[part], name) as f64, "{name} of {part}");
        }
    }
    metric.stop().await;
}

/// The files whose calls are swept, and the calls that change a file or make a change safe.
const FILES: [&str; 9] = [
    "metric.db",
    "metric.db-wal",
    "metric.db-journal",
    TEXTS[0],
    TEXTS[1],
    "labels_log.new",
    "metric_log.new",
    CLOSED[0],
    CLOSED[1],
];
/// What the files of [`TEXTS`] are called when the day of [`on_another_day`] is over.
const CLOSED: [&str; 2] = ["labels_log.txt.2026-11-20", "metric_log.csv.2026-11-20"];
const CALLS: [&str; 12] = [
    "pwrite64",
    "pwritev",
    "write",
    "writev",
    "fsync",
    "fdatasync",
    "ftruncate",
    "fallocate",
    "rename",
    "renameat2",
    "unlink",
    "unlinkat",
];

/// A call to one of the files, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    file: &'static str,
    call: &'static str,
    number: usize,
}

/// How `metric` finds its records when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// As it left them.
    Again,
    /// Somebody has edited the text files, which are then put aside.
    Edited,
    /// There are none.
    Anew,
    /// The text files are those of another day, which it closes.
    NextDay,
}

impl Start {
    /// What it is started with.
    const fn arguments(self) -> &'static [&'static str] {
        if matches!(self, Self::NextDay) { &["--text", "daily"] } else { &[] }
    }
}

/// `metric` lives one life after the other; each time a batch waits for it.
struct Sweep<'a> {
    broker: &'a Broker,
    start: Start,
    services: Services,
    feed: Feed,
    rows: usize,
}

/// Rows of a batch; half of its labels waits for the predictions of the next one.
const BATCH: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn metric_killed_before_each_write() {
    sweep(Start::Again, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metric_killed_before_each_write_with_edited_files() {
    sweep(Start::Edited, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metric_killed_before_each_write_of_its_first_start() {
    sweep(Start::Anew, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metric_killed_before_each_write_of_a_new_day() {
    sweep(Start::NextDay, 30).await;
}

/// Kills `metric` before about so many calls, or before every one.
async fn sweep(start: Start, some: usize) {
    let all = asked("SWEEP").is_some();
    if !can_trace(all) {
        return;
    }
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let feed = Feed::of(&services);
    let mut sweep = Sweep { broker: &broker, start, services, feed, rows: 0 };
    // The first life makes the files, the second one finds them: that is the one that is looked at.
    for _ in 0..2 {
        assert!(!sweep.life(None).await);
    }
    let mut calls = calls(&sweep.services).await;
    calls.retain(|(file, _), _| start != Start::Edited || !file.starts_with("metric.db"));
    println!("calls of a life: {calls:?}");
    let mut kills = 0;
    if all {
        for &(file, call) in calls.keys() {
            let mut number = 1;
            while sweep.life(Some(Point { file, call, number })).await {
                (kills, number) = (kills + 1, number + 1);
            }
        }
    } else {
        for point in sample(&calls, some) {
            kills += usize::from(sweep.life(Some(point)).await);
        }
    }
    assert!(kills >= calls.len(), "{kills} kills before calls of {} kinds", calls.len());
    println!("held: records found {start:?}, {kills} kills before a call, of {} kinds", calls.len());
}

/// How often which call is made to which file, by the thread that makes it most often: strace counts per thread.
type Calls = BTreeMap<(&'static str, &'static str), usize>;

/// The first call of each kind and file, and more of those that there are many of.
fn sample(calls: &Calls, some: usize) -> Vec<Point> {
    let each = some.div_ceil(calls.len());
    let mut points = Vec::new();
    for (&(file, call), &count) in calls {
        points.extend((0..each.min(count)).map(|part| Point { file, call, number: 1 + part * count / each }));
    }
    points.dedup();
    points
}

/// The calls of the life that was traced last.
async fn calls(services: &Services) -> Calls {
    let trace = || fs::read_to_string(services.books.path("strace")).unwrap_or_default();
    wait_for("strace to write its last line", || trace().contains("+++ exited with 0 +++"), trace).await;
    let mut calls = BTreeMap::<_, usize>::new();
    for line in trace().lines() {
        let Some((head, arguments)) = line.split_once('(') else { continue };
        let (thread, call) = head.split_once(' ').unwrap_or_default();
        // Quoted as an argument or named after a file descriptor, the name ends the path.
        let named = |file: &&str| [">", "\""].iter().any(|end| arguments.contains(&format!("/{file}{end}")));
        let call = CALLS.into_iter().find(|known| call.trim_start() == *known);
        if let (Some(call), Some(file)) = (call, FILES.into_iter().find(named)) {
            *calls.entry((file, call, thread.to_owned())).or_default() += 1;
        }
    }
    let mut most = Calls::new();
    for ((file, call, _), count) in calls {
        let most = most.entry((file, call)).or_default();
        *most = count.max(*most);
    }
    assert!(most.len() >= 5, "a life has more kinds of calls than {most:?}");
    most
}

impl Sweep<'_> {
    /// A life of metric with a batch in its queues, from its start to its stop, or to the call before which it is to
    /// be killed. Returns whether it was; then the next life, left alone, has put everything right.
    async fn life(&mut self, point: Option<Point>) -> bool {
        if matches!(self.start, Start::Anew | Start::NextDay) {
            self.services = Services::new(&self.broker.url);
            self.feed = Feed::of(&self.services);
            self.rows = 0;
        }
        let mut closed = None;
        if self.start == Start::NextDay {
            closed = Some(on_another_day(&self.services, &self.feed, BATCH).await);
            self.rows = BATCH;
        }
        let books = &self.services.books;
        let from = self.rows;
        self.rows += BATCH;
        self.feed.labels(from..self.rows).await;
        self.feed.predictions(from.saturating_sub(BATCH / 2)..self.rows - BATCH / 2).await;

        if self.start == Start::Edited && from > 0 {
            // The last line once more: no line is malformed, and each id is there once when all is put right.
            for name in TEXTS {
                let mut text = books.text(name);
                text.extend(
                    text.split_inclusive(|byte| *byte == b'\n').next_back().unwrap_or_default().to_vec(),
                );
                fs::write(books.logs().join(name), text).unwrap();
            }
        }
        let mut trace: Vec<String> = vec![format!("-etrace={}", CALLS.join(","))];
        match point {
            None => trace.extend(FILES.map(|file| format!("-P{}", books.logs().join(file).display()))),
            Some(Point { file, call, number }) => trace.extend([
                format!("-P{}", books.logs().join(file).display()),
                format!("-einject={call}:signal=KILL:when={number}"),
            ]),
        }
        let trace: Vec<&str> = trace.iter().map(String::as_str).collect();
        let mut metric = self.services.metric_traced_with(&trace, self.start.arguments());
        let code = tokio::select! {
            code = metric.exit(Duration::from_secs(90)) => code,
            _ = books.settle() => {
                metric.signal("TERM");
                metric.exit(Duration::from_secs(30)).await
            }
        };
        assert!(matches!(code, None | Some(0)), "{point:?}: exit code {code:?}\n{}", metric.log());
        let killed = code.is_none();
        if killed {
            let metric = self.services.metric(self.start.arguments());
            self.settled(metric).await;
        }
        books.settle_exactly().await;
        let status = self.services.status();
        books.agree_with(&status);
        assert_eq!(count(&status["labels"], "pending"), (BATCH / 2) as u64, "{point:?}");
        self.services.rebuild_writes_the_same();
        if let Some(closed) = closed {
            assert!(
                CLOSED.map(|name| books.text(name)) == closed,
                "{point:?}: other lines than of their day"
            );
        }
        if self.start != Start::Edited {
            books.has_nothing_aside();
        }
        killed
    }

    /// Waits until everything is recorded and acknowledged, and stops it.
    async fn settled(&self, mut metric: Process) {
        metric.ready().await;
        self.services.books.settle().await;
        self.broker.emptied().await;
        metric.stop().await;
    }
}
