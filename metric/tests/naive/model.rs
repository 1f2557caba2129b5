//! A model of the join that remembers everything in memory and never crashes, and what happens to it and to the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use metric::account::{Account, Counts};
use metric::arrival::{Arrival, ArrivalKind, Origin};
use metric::committed::{Accepted, Committed, Expired};
use metric::join::ModelId;
use metric::lines::LineWriter;
use metric::store::CommitTime;
use proptest::prelude::*;
use shared::clock::Timestamp;
use shared::message::{Name, RowId};

pub(crate) const HORIZON: i64 = 100;
/// A message: which row (0 is anonymous), label or prediction of this model and version, and which value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message {
    row: u8,
    model: Option<(u8, u8)>,
    value: u8,
    /// How many features it says that it was predicted from.
    width: u8,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
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

pub(crate) fn message() -> impl Strategy<Value = Message> {
    let model = prop_oneof![Just(None), (0..3_u8, 0..2_u8).prop_map(Some)];
    (0..8_u8, model, 0..3_u8, 0..3_u8).prop_map(|(row, model, value, width)| Message {
        row,
        model,
        value,
        width,
    })
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
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
pub(crate) struct Half {
    number: i64,
    model: Option<(u8, u8)>,
    value: f64,
    at: i64,
    received: Timestamp,
    age: i64,
    scored: bool,
    expired: bool,
}

/// Everything, in memory.
#[derive(Debug, Default)]
pub(crate) struct Naive {
    rows: BTreeMap<u8, Vec<Half>>,
    pub(crate) labels: Counts,
    pub(crate) predictions: BTreeMap<(u8, u8), Counts>,
    pub(crate) labels_log: String,
    pub(crate) metric_log: String,
    /// How many messages were accepted.
    accepted: i64,
    /// The commits that accepted or expired something, as [`shown`] shows them.
    pub(crate) commits: Vec<String>,
    /// What the last one accepted and scored.
    pub(crate) done: String,
}

impl Naive {
    /// Takes them in at a time.
    pub(crate) fn record(&mut self, messages: &[Message], now: CommitTime) {
        let expired = self.expire(now.age);
        self.done.clear();
        let mut scored = String::new();
        for message in messages {
            self.add(*message, now, &mut scored);
        }
        self.done += &scored;
        if !expired.is_empty() || !self.done.is_empty() {
            let number = self.commits.len() + 1;
            let rows = self.metric_log.lines().count();
            self.commits.push(format!("{number} {} {} {rows}\n{expired}{}", now.wall, now.age, self.done));
        }
    }

    fn counts(&mut self, model: Option<(u8, u8)>) -> &mut Counts {
        match model {
            Some(model) => self.predictions.entry(model).or_default(),
            None => &mut self.labels,
        }
    }

    /// Returns what expires, as it is shown.
    fn expire(&mut self, age: i64) -> String {
        let mut expired = BTreeMap::new();
        for (row, halves) in &mut self.rows {
            for half in halves {
                if !half.scored && !half.expired && half.age + HORIZON <= age {
                    half.expired = true;
                    expired.insert(half.number, (half.model, half.value, half.received, *row));
                }
            }
        }
        let mut text = String::new();
        for (number, (model, value, received, row)) in expired {
            self.counts(model).expired += 1;
            let (id, tag) = (name_of(row), tag(model));
            text += &format!("- {number} {id} {tag} {value:?} {received}\n");
        }
        text
    }

    fn add(&mut self, message: Message, now: CommitTime, done: &mut String) {
        let Message { row, model, .. } = message;
        let value = number(message.value);
        let line = |row: &str| match model {
            None => format!("{} y_true {row} {value}\n", now.wall),
            Some((name, version)) => format!("{} y_predict {row} {value} m{name}@v{version}\n", now.wall),
        };
        let from = if model.is_some() && message.width > 0 {
            let (row_time, vector) = (row_time(message.width), vector(message.width));
            format!("{row_time} {vector:?}")
        } else {
            "-".to_owned()
        };
        let (tag, number) = (tag(model), self.accepted + 1);
        let accepted =
            |id: &str, met: bool| format!("+ {number} {id} {tag} {value:?} {} {met} {from}\n", now.wall);
        if row == 0 {
            self.labels_log += &line("-");
            self.done += &accepted("-", false);
            self.accepted += 1;
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
        let (at, received) = (now.wall.0, now.wall);
        let mut half =
            Half { number, model, value, at, received, age: now.age, scored: false, expired: false };
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
            *done += &format!("= {} {line}", prediction.number);
            scored.push((line, newly.then_some(other.model)));
        }
        halves.push(half);
        self.accepted = number;
        self.done += &accepted(&name_of(row).to_string(), !scored.is_empty());
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
        self.labels_log += &line(&name_of(row).to_string());
    }
}

/// -0 is told from 0, and must come back.
pub(crate) fn number(value: u8) -> f64 {
    [151.0, -0.0, 206.116_706_978_709_3][usize::from(value)]
}

pub(crate) fn name_of(row: u8) -> RowId {
    // Some ids are kept as UUIDs, others as text.
    let text = if row.is_multiple_of(2) {
        format!("row-{row}")
    } else {
        format!("0193a0b2-7c1d-7e2f-8000-0000000000{row:02}")
    };
    RowId::parse(&text).unwrap()
}

/// When the row of a prediction was published that has so many features.
fn row_time(width: u8) -> Timestamp {
    Timestamp(1_795_194_000_000 + i64::from(width))
}

fn vector(width: u8) -> Vec<f64> {
    (0..width).map(|place| number(place + 1)).collect()
}

fn tag(model: Option<(u8, u8)>) -> String {
    model.map_or("-".to_owned(), |(name, version)| format!("m{name}@v{version}"))
}

pub(crate) fn arrival(message: &Message) -> Arrival {
    let Message { row, model, value, width } = *message;
    let name = |letter: char, number: u8| Name::parse(&format!("{letter}{number}")).ok();
    let kind = match model {
        None => ArrivalKind::Label,
        Some((model, version)) => ArrivalKind::Prediction(Origin {
            model: ModelId { name: name('m', model), version: name('v', version), ..ModelId::default() },
            features_published_at: (width > 0).then(|| row_time(width)),
            vector: (width > 0).then(|| vector(width).into()),
        }),
    };
    Arrival { id: (row > 0).then(|| name_of(row)), kind, value: number(value), published_at: None }
}

/// A commit as text.
pub(crate) fn shown(commit: &Committed) -> String {
    let Committed { number, received, age, last_scoring, expired, accepted, scored } = commit;
    let mut text = format!("{number} {received} {age} {last_scoring}\n");
    let tag = |model: &Option<(usize, Arc<ModelId>)>| model.as_ref().map_or("-".to_owned(), |of| of.1.tag());
    for Expired { number, id, model, value, received } in expired {
        text += &format!("- {number} {id} {} {value:?} {received}\n", tag(model));
    }
    for message in accepted {
        let Accepted { number, id, model, value, at, met, features_published_at, vector } = message;
        let id = id.as_ref().map_or("-".to_owned(), RowId::to_string);
        let from = match (features_published_at, vector) {
            (None, None) => "-".to_owned(),
            (row_time, vector) => format!("{} {:?}", row_time.unwrap(), vector.as_ref().unwrap()),
        };
        text += &format!("+ {number} {id} {} {value:?} {at} {met} {from}\n", tag(model));
    }
    for row in scored {
        text += &format!("= {} ", row.prediction.unwrap());
        LineWriter::default().scored(&mut text, row);
    }
    text
}

impl Naive {
    /// Holds an account to this one.
    pub(crate) fn hold(&self, account: &Account) {
        assert_eq!(account.models().len(), self.predictions.len());
        assert_eq!(account.labels, self.labels);
        let mut sum = Counts::default();
        account.models().iter().for_each(|model| sum.add(&model.counts));
        assert_eq!(account.predictions(), sum);
        for model in account.models() {
            let digit = |name: &Option<Name>| name.as_ref().unwrap().as_str().as_bytes()[1] - b'0';
            let key = (digit(&model.model.name), digit(&model.model.version));
            let counts = self.predictions.get(&key).copied().unwrap_or_default();
            assert_eq!(model.counts, counts, "{}", model.model);
            assert_eq!(model.scores.count(), model.counts.scored);
        }
    }
}
