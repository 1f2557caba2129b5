//! The join and its store against a naive model that remembers everything in memory and never crashes.
//!
//! The store crashes at random: before a commit, between a commit and its lines, with half of the lines, with a line
//! torn. Whatever happens, the account and both files are those of the model.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::Path;

use metric::account::{Counts, Rejected};
use metric::join::ModelId;
use metric::lines::METRIC_HEADER;
use metric::records::Records;
use metric::store::{Arrival, ArrivalKind, CommitTime, Limits};
use proptest::prelude::*;
use shared::clock::Timestamp;
use shared::message::{Name, RowId};

const HORIZON: i64 = 100;
/// Few halves are collected in memory, so that most cases have some there and some in the table.
const LIMITS: Limits = Limits { horizon_ms: HORIZON, retain_ms: None, behind: 6 };

/// A message: which row (0 is anonymous), label or prediction of this model and version, and which value.
#[derive(Debug, Clone, Copy)]
struct Message {
    row: u8,
    model: Option<(u8, u8)>,
    value: u8,
}

#[derive(Debug, Clone)]
enum Step {
    /// Messages come and are recorded.
    Group(Vec<Message>),
    /// They are committed, and of their lines this percentage is written before a crash.
    CrashInLines(Vec<Message>, u64),
    /// They are not committed before a crash: they come again in one of the next groups, or never.
    Crash,
    /// A clean stop and a start.
    Restart,
    /// Time passes, and the wall clock may be set meanwhile.
    Wait { ms: i64, wall_jump: i64 },
}

fn message() -> impl Strategy<Value = Message> {
    let model = prop_oneof![Just(None), (0..3_u8, 0..2_u8).prop_map(Some)];
    (0..8_u8, model, 0..3_u8).prop_map(|(row, model, value)| Message { row, model, value })
}

fn step() -> impl Strategy<Value = Step> {
    let group = || prop::collection::vec(message(), 0..8);
    prop_oneof![
        6 => group().prop_map(Step::Group),
        2 => (group(), 0..=100_u64).prop_map(|(group, share)| Step::CrashInLines(group, share)),
        1 => Just(Step::Crash),
        1 => Just(Step::Restart),
        3 => (0..70_i64, prop_oneof![Just(0), Just(3_600_000), Just(-3_600_000)])
            .prop_map(|(ms, wall_jump)| Step::Wait { ms, wall_jump }),
    ]
}

/// What the model knows of a half.
#[derive(Debug, Clone)]
struct Half {
    model: Option<(u8, u8)>,
    value: f64,
    at: i64,
    age: i64,
    scored: bool,
    expired: bool,
}

/// Everything, in memory.
#[derive(Debug, Default)]
struct Naive {
    rows: BTreeMap<u8, Vec<Half>>,
    labels: Counts,
    predictions: BTreeMap<(u8, u8), Counts>,
    labels_log: String,
    metric_log: String,
}

impl Naive {
    fn record(&mut self, messages: &[Message], now: CommitTime) {
        self.expire(now.age);
        for message in messages {
            self.add(*message, now);
        }
    }

    fn counts(&mut self, model: Option<(u8, u8)>) -> &mut Counts {
        match model {
            Some(model) => self.predictions.entry(model).or_default(),
            None => &mut self.labels,
        }
    }

    fn expire(&mut self, age: i64) {
        let mut expired = Vec::new();
        for half in self.rows.values_mut().flatten() {
            if !half.scored && !half.expired && half.age + HORIZON <= age {
                half.expired = true;
                expired.push(half.model);
            }
        }
        expired.into_iter().for_each(|model| self.counts(model).expired += 1);
    }

    fn add(&mut self, message: Message, now: CommitTime) {
        let Message { row, model, .. } = message;
        let value = number(message.value);
        let line = |row: &str| match model {
            None => format!("{} y_true {row} {value}\n", now.wall),
            Some((name, version)) => format!("{} y_predict {row} {value} m{name}@v{version}\n", now.wall),
        };
        if row == 0 {
            self.labels_log += &line("-");
            self.counts(model).anonymous += 1;
            return;
        }
        let same = |half: &&Half| half.model.map(|(name, _)| name) == model.map(|(name, _)| name);
        let halves = self.rows.entry(row).or_default();
        if let Some(first) = halves.iter().find(same) {
            let equal = first.value.to_bits() == value.to_bits();
            let counts = self.counts(model);
            if equal {
                counts.duplicates += 1
            } else {
                counts.conflicts += 1
            };
            return;
        }
        let mut half = Half { model, value, at: now.wall.0, age: now.age, scored: false, expired: false };
        let mut scored = Vec::new();
        let mut others = 0;
        for other in halves.iter_mut().filter(|other| other.model.is_none() != model.is_none()) {
            others += 1;
            if other.age + HORIZON <= now.age {
                continue;
            }
            let newly = !other.scored;
            (other.scored, half.scored) = (true, true);
            let (label, prediction) = if model.is_none() { (&half, &*other) } else { (&*other, &half) };
            let (name, version) = prediction.model.unwrap();
            let id = name_of(row);
            let error = (label.value - prediction.value).abs();
            let (predicted, labelled) = (Timestamp(prediction.at), Timestamp(label.at));
            let lag = label.at - prediction.at;
            let line = format!(
                "{id},{},{},{error},m{name},v{version},{predicted},{labelled},{lag}\n",
                label.value, prediction.value
            );
            scored.push((line, newly.then_some(other.model)));
        }
        halves.push(half);
        let late = others > 0 && scored.is_empty();
        let met = !scored.is_empty();
        let counts = self.counts(model);
        counts.received += 1;
        counts.late += u64::from(late);
        counts.scored += u64::from(met);
        for (line, other) in scored {
            self.metric_log += &line;
            if let Some(other) = other {
                self.counts(other).scored += 1;
            }
        }
        self.labels_log += &line(name_of(row).as_str());
    }
}

/// -0 is told from 0, and must come back.
fn number(value: u8) -> f64 {
    [151.0, -0.0, 206.116_706_978_709_3][usize::from(value)]
}

fn name_of(row: u8) -> RowId {
    // Some ids are kept as UUIDs, others as text.
    let text = if row.is_multiple_of(2) {
        format!("row-{row}")
    } else {
        format!("0193a0b2-7c1d-7e2f-8000-0000000000{row:02}")
    };
    RowId::parse(&text).unwrap()
}

fn arrival(message: &Message) -> Arrival {
    let name = |letter: char, number: u8| Name::parse(&format!("{letter}{number}")).ok();
    let kind = match message.model {
        None => ArrivalKind::Label,
        Some((model, version)) => {
            ArrivalKind::Prediction(ModelId { name: name('m', model), version: name('v', version) })
        }
    };
    let id = (message.row > 0).then(|| name_of(message.row));
    Arrival { id, kind, value: number(message.value), published_at: None }
}

fn hold(records: &mut Records, folder: &Path, naive: &Naive) {
    let account = records.account().unwrap();
    assert_eq!(account.models().len(), naive.predictions.len());
    assert_eq!(account.labels, naive.labels);
    let mut sum = Counts::default();
    account.models().iter().for_each(|model| sum.add(&model.counts));
    assert_eq!(account.predictions(), sum);
    for model in account.models() {
        let digit = |name: &Option<Name>| name.as_ref().unwrap().as_str().as_bytes()[1] - b'0';
        let key = (digit(&model.model.name), digit(&model.model.version));
        assert_eq!(model.counts, naive.predictions.get(&key).copied().unwrap_or_default(), "{}", model.model);
        assert_eq!(model.scores.count(), model.counts.scored);
    }
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
                drop(crashing);
                tear(&folder.join("labels_log.txt"), before.0, share);
                tear(&folder.join("metric_log.csv"), before.1, 100 - share);
                naive.record(&messages, now);
                records = Some(Records::open(folder).unwrap());
            }
            Step::Crash => {
                drop(records.take());
                records = Some(Records::open(folder).unwrap());
            }
            Step::Restart => {
                records.take().unwrap().close().unwrap();
                records = Some(Records::open(folder).unwrap());
            }
            Step::Wait { ms, wall_jump } => {
                now = CommitTime { wall: Timestamp(now.wall.0 + ms + wall_jump), age: now.age + ms };
            }
        }
        hold(records.as_mut().unwrap(), folder, &naive);
    }
}

/// As [`run`], with the shortest history, and holds only what must be true whatever was forgotten: no pair is scored
/// twice, and the account adds up to what is in the files.
fn run_with_little_history(steps: Vec<Step>) {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let folder = folder.path();
    let limits = Limits { retain_ms: Some(HORIZON), ..LIMITS };
    let mut records = Records::open(folder).unwrap();
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
            }
            Step::Restart => {
                records.close().unwrap();
                records = Records::open(folder).unwrap();
            }
            Step::Wait { ms, .. } => {
                now = CommitTime { wall: Timestamp(now.wall.0 + 2 * ms), age: now.age + 2 * ms }
            }
        }
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
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10_000,
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
