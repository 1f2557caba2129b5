//! The store over crashes at random: before a commit, between a commit and its lines, with half of the lines, with a line torn.
//! Whatever happens, the account and both files are those of the model.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::Path;

use metric::account::Rejected;
use metric::arrival::Arrival;
use metric::lines::METRIC_HEADER;
use metric::records::Records;
use metric::store::{CommitTime, Limits};
use proptest::prelude::*;
use shared::clock::Timestamp;

use crate::followed::Follower;
use crate::model::{HORIZON, Naive, Step, arrival, shown, step};

/// Few halves are collected in memory, so that most cases have some there and some in the table.
const LIMITS: Limits = Limits { horizon_ms: HORIZON, retain_ms: None, behind: 6, texts: true };

fn hold(records: &mut Records, folder: &Path, naive: &Naive, follower: &mut Follower) {
    follower.take(records);
    assert_eq!(follower.seen.iter().map(|commit| shown(commit)).collect::<Vec<_>>(), naive.commits);
    naive.hold(records.account().unwrap());
    assert_eq!(fs::read_to_string(folder.join("labels_log.txt")).unwrap(), naive.labels_log);
    assert_eq!(
        fs::read_to_string(folder.join("metric_log.csv")).unwrap(),
        format!("{METRIC_HEADER}{}", naive.metric_log)
    );
}

/// Cuts what was appended since `before` to a percentage of it, as a crash does.
fn tear(path: &Path, before: u64, share: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let appended = file.metadata().unwrap().len() - before;
    file.set_len(before + appended * share / 100).unwrap();
}

fn run(steps: Vec<Step>) {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let folder = folder.path();
    let mut naive = Naive::default();
    let mut records = Some(Records::open(folder).unwrap());
    let mut follower = Follower::new(records.as_ref().unwrap());
    let again = |follower: &mut Follower| {
        let records = Records::open(folder).unwrap();
        follower.begin_again(&records);
        records
    };
    let mut now = CommitTime { wall: Timestamp(1_795_194_245_123), age: 0 };
    for step in steps {
        match step {
            Step::Group(messages) => {
                let records = records.as_mut().unwrap();
                let arrivals: Vec<Arrival> = messages.iter().map(arrival).collect();
                let recorded = records.commit(&arrivals, Rejected::default(), now, &LIMITS).unwrap();
                records.show(&recorded.labels_log, &recorded.metric_log).unwrap();
                naive.record(&messages, now);
            }
            Step::CrashInLines(messages, share) => {
                let mut crashing = records.take().unwrap();
                let length = |name: &str| fs::metadata(folder.join(name)).unwrap().len();
                let before = (length("labels_log.txt"), length("metric_log.csv"));
                let arrivals: Vec<Arrival> = messages.iter().map(arrival).collect();
                let recorded = crashing.commit(&arrivals, Rejected::default(), now, &LIMITS).unwrap();
                crashing.show(&recorded.labels_log, &recorded.metric_log).unwrap();
                follower.take(&crashing);
                drop(crashing);
                tear(&folder.join("labels_log.txt"), before.0, share);
                tear(&folder.join("metric_log.csv"), before.1, 100 - share);
                naive.record(&messages, now);
                records = Some(again(&mut follower));
            }
            Step::Crash => {
                drop(records.take());
                records = Some(again(&mut follower));
            }
            Step::Restart => {
                records.take().unwrap().close().unwrap();
                records = Some(again(&mut follower));
            }
            Step::Wait { ms, wall_jump } => {
                now = CommitTime { wall: Timestamp(now.wall.0 + ms + wall_jump), age: now.age + ms };
            }
        }
        hold(records.as_mut().unwrap(), folder, &naive, &mut follower);
    }
    drop(records);
    let records = again(&mut follower);
    follower.hold(&records, folder);
}

/// As [`run`], with the shortest history, and holds only what must be true whatever was forgotten: no pair is scored
/// twice, the account adds up to what is in the files, and whoever follows gets what there was, or is told what is forgotten.
fn run_with_little_history(steps: Vec<Step>) {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let folder = folder.path();
    let limits = Limits { retain_ms: Some(HORIZON), ..LIMITS };
    let mut records = Records::open(folder).unwrap();
    let mut follower = Follower::new(&records);
    let mut now = CommitTime { wall: Timestamp(1_795_194_245_123), age: 0 };
    for step in steps {
        match step {
            Step::Group(messages) | Step::CrashInLines(messages, _) => {
                let arrivals: Vec<Arrival> = messages.iter().map(arrival).collect();
                let recorded = records.commit(&arrivals, Rejected::default(), now, &limits).unwrap();
                records.show(&recorded.labels_log, &recorded.metric_log).unwrap();
                records.sync().unwrap();
            }
            Step::Crash => {
                drop(records);
                records = Records::open(folder).unwrap();
                follower.begin_again(&records);
            }
            Step::Restart => {
                records.close().unwrap();
                records = Records::open(folder).unwrap();
                follower.begin_again(&records);
            }
            Step::Wait { ms, .. } => {
                now = CommitTime { wall: Timestamp(now.wall.0 + 2 * ms), age: now.age + 2 * ms }
            }
        }
        follower.take(&records);
        let account = records.account().unwrap();
        let labels_log = fs::read_to_string(folder.join("labels_log.txt")).unwrap();
        let metric_log = fs::read_to_string(folder.join("metric_log.csv")).unwrap();
        let count = |queue: &str| labels_log.lines().filter(|line| line.contains(queue)).count() as u64;
        let predictions = account.predictions();
        assert_eq!(account.labels.received + account.labels.anonymous, count(" y_true "));
        assert_eq!(predictions.received + predictions.anonymous, count(" y_predict "));
        assert_eq!(predictions.scored, metric_log.lines().count() as u64 - 1);
        for counts in account.models().iter().map(|model| model.counts).chain([account.labels]) {
            assert!(counts.scored + counts.expired <= counts.received);
        }
        // After two horizons a row is forgotten, and the same id is another row; never before.
        let mut scored: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for line in metric_log.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let at = cells[6..8].iter().map(|cell| Timestamp::parse(cell).unwrap().0).max().unwrap();
            let before = scored.insert((cells[0], cells[4]), at);
            assert!(before.is_none_or(|before| at - before >= HORIZON), "{metric_log}");
        }
        let commits = records.commits();
        assert_eq!(*records.account().unwrap(), commits.account());
    }
    drop(records);
    let records = Records::open(folder).unwrap();
    follower.begin_again(&records);
    follower.hold(&records, folder);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn join_and_store_do_what_the_naive_model_does(steps in prop::collection::vec(step(), 1..12)) {
        run(steps);
    }

    #[test]
    fn little_history_scores_nothing_twice(steps in prop::collection::vec(step(), 1..20)) {
        run_with_little_history(steps);
    }
}
