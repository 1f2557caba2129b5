//! What is decided, without a store: what is known is remembered here.

use std::collections::HashMap;
use std::sync::Arc;

use metric::account::Account;
use metric::arrival::Arrival;
use metric::decide::{Effects, Event, KnownRows, decide};
use metric::join::{LabelHalf, ModelId, PredictionHalf, RowState};
use metric::lines::{self, LineWriter};
use metric::store::CommitTime;
use proptest::prelude::*;
use shared::clock::Timestamp;
use shared::message::RowId;

use crate::model::{HORIZON, Message, Naive, Step, arrival, step};

/// A half, and the age at which it was accepted.
struct Half {
    seq: i64,
    model: Option<usize>,
    value: f64,
    at: Timestamp,
    met: bool,
    age: i64,
    expired: bool,
}

/// As little as a store can be.
#[derive(Default)]
struct Remembered {
    rows: HashMap<RowId, Vec<Half>>,
    account: Account,
    labels_log: String,
    metric_log: String,
    writer: LineWriter,
    /// How many messages were accepted.
    accepted: i64,
    /// What the last group accepted and scored, as the naive model shows it.
    done: String,
}

impl Remembered {
    fn record(&mut self, messages: &[Message], now: CommitTime) {
        self.expire(now.age);
        let arrivals: Vec<Arrival> = messages.iter().map(arrival).collect();
        let ids = arrivals.iter().filter_map(|arrival| arrival.id.as_ref());
        let known: KnownRows<'_> = ids.map(|id| (id, self.state(id))).collect();
        let effects = decide(&arrivals, known, &mut self.account, now.wall, self.accepted + 1);
        self.apply(effects, now);
    }

    fn state(&self, id: &RowId) -> RowState {
        let mut row = RowState::default();
        for Half { seq, model, value, at, met, expired, .. } in self.rows.get(id).into_iter().flatten() {
            let (seq, value, at, expired) = (*seq, *value, *at, *expired);
            match *model {
                None => row.label = Some(LabelHalf { value, at, expired, scored: *met }),
                Some(number) => {
                    if let (Some(label), true) = (&mut row.label, *met) {
                        label.scored = true;
                    }
                    let model = Arc::clone(&self.account.models()[number].model);
                    row.predictions.push(PredictionHalf { seq, value, at, model, number, expired });
                }
            }
        }
        row
    }

    fn apply(&mut self, effects: Effects<'_>, now: CommitTime) {
        self.done.clear();
        for Event { seq, id, model, value, at, met, features_published_at, vector } in effects.events {
            self.accepted = seq;
            let by = model.map(|number| &*self.account.models()[number].model);
            let from = match (features_published_at, vector) {
                (None, None) => "-".to_owned(),
                (row_time, vector) => format!("{} {:?}", row_time.unwrap(), vector.unwrap()),
            };
            let (name, tag) =
                (id.map_or("-".to_owned(), RowId::to_string), by.map_or("-".to_owned(), ModelId::tag));
            self.done += &format!("+ {seq} {name} {tag} {value:?} {at} {met} {from}\n");
            self.writer
                .event(&mut self.labels_log, lines::Event { received: now.wall, id, model: by, value });
            if let Some(id) = id {
                let half = Half { seq, model, value, at, met, age: now.age, expired: false };
                self.rows.entry(id.clone()).or_default().push(half);
            }
        }
        for row in &effects.scored {
            self.writer.scored(&mut self.metric_log, row);
            self.done += &format!("= {} ", row.prediction.unwrap());
            self.writer.scored(&mut self.done, row);
        }
    }

    fn expire(&mut self, age: i64) {
        for halves in self.rows.values_mut() {
            for place in 0..halves.len() {
                let half = &halves[place];
                let other = |later: &Half| later.met && later.model.is_none() != half.model.is_none();
                if half.age + HORIZON > age || half.expired {
                    continue;
                }
                let in_vain = !half.met && !halves[place + 1..].iter().any(other);
                let model = half.model;
                halves[place].expired = true;
                if in_vain {
                    self.account.count(model, |counts| counts.expired += 1);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn what_is_decided_is_what_the_naive_model_does(steps in prop::collection::vec(step(), 1..20)) {
        let (mut naive, mut remembered) = (Naive::default(), Remembered::default());
        let mut now = CommitTime { wall: Timestamp(1_795_194_245_123), age: 0 };
        for step in steps {
            match step {
                Step::Group(messages) | Step::CrashInLines(messages, _) => {
                    remembered.record(&messages, now);
                    naive.record(&messages, now);
                }
                // Nothing is kept elsewhere.
                Step::Crash | Step::Restart => {}
                Step::Wait { ms, wall_jump } => {
                    now = CommitTime { wall: Timestamp(now.wall.0 + ms + wall_jump), age: now.age + ms };
                }
            }
            naive.hold(&remembered.account);
            assert_eq!(remembered.labels_log, naive.labels_log);
            assert_eq!(remembered.metric_log, naive.metric_log);
            assert_eq!(remembered.done, naive.done);
        }
    }
}
