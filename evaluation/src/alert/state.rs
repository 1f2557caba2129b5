//! How an alert stands, look by look. Pure: what has come and the time are parameters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::notice::{Notice, What};
use super::quantity::{Metric, Quantity};
use super::rule::{Hold, Rule};

/// How long it is from look to look, in milliseconds, where events are not counted.
const MINUTE: u64 = 60_000;
/// How much of a silence is looked at minute by minute: two days.
const LONGEST_SILENCE_MS: i64 = 2 * 86_400_000;

/// How an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "AlertState")]
pub enum State {
    /// The value is not beyond the limit.
    Inactive,
    /// It is, but not yet for long enough.
    Pending,
    /// It is or was lately: somebody should look.
    Firing,
    /// There is no value: neither firing nor fine.
    Unknown,
}

impl State {
    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Unknown => "unknown",
        }
    }
}

/// A rule and how it stands. What it is told of does not depend on how often it is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    rule: Rule,
    phase: Phase,
    looked: Option<Looked>,
}

/// The last look that counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Looked {
    events: u64,
    at_ms: i64,
}

/// Looks in a row that say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    since_ms: i64,
    looks: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// With the time at which it fired, where it did before.
    Unknown {
        fired_ms: Option<i64>,
    },
    Inactive,
    Pending {
        beyond: Row,
    },
    /// With the looks that said it is over.
    Firing {
        fired_ms: i64,
        inside: Option<Row>,
    },
}

impl Alert {
    /// One that has not been looked at.
    #[must_use]
    pub fn new(rule: Rule) -> Self {
        Self { rule, phase: Phase::Unknown { fired_ms: None }, looked: None }
    }

    /// What it watches.
    #[must_use]
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Unknown { .. } => State::Unknown,
            Phase::Inactive => State::Inactive,
            Phase::Pending { .. } => State::Pending,
            Phase::Firing { .. } => State::Firing,
        }
    }

    /// Since when it fires or is about to, in milliseconds since the epoch.
    #[must_use]
    pub fn since_ms(&self) -> Option<i64> {
        match self.phase {
            Phase::Unknown { fired_ms } => fired_ms,
            Phase::Inactive => None,
            Phase::Pending { beyond } => Some(beyond.since_ms),
            Phase::Firing { fired_ms, .. } => Some(fired_ms),
        }
    }

    /// Whether a look would count: a tenth of the window is new, or, where time is counted, a minute is over and anything is new.
    /// `events` is how many of those have come that the value is made of, labels of a score: it rises for ever, also past a
    /// swap. Silence itself (`since_label`) is new each minute. A clock that was set back counts as one that goes on.
    #[must_use]
    pub fn is_due(&self, events: u64, at_ms: i64) -> bool {
        let Some(last) = self.looked else { return true };
        if let Some(step) = self.rule.events_a_look() {
            return events / step > last.events / step;
        }
        let is_new = events > last.events || self.rule.quantity.metric == Metric::SinceLabel;
        is_new && at_ms.abs_diff(last.at_ms) >= MINUTE
    }

    /// Has the next look count though no minute is over, if anything is new: somebody asks now. Where events are counted, nothing
    /// changes.
    pub fn hasten(&mut self, events: u64) {
        if self.rule.events_a_look().is_none() && self.looked.is_some_and(|last| events > last.events) {
            self.looked = None;
        }
    }

    /// When looks would have counted since the last one, up to now, had anything come: silence itself is new each minute. Empty for
    /// rules that silence does not change.
    pub(crate) fn silent_looks(&self, now_ms: i64) -> impl Iterator<Item = i64> + use<> {
        let last =
            self.looked.filter(|_| self.rule.quantity.metric == Metric::SinceLabel).map(|last| last.at_ms);
        let minute = i64::try_from(MINUTE).unwrap_or(i64::MAX);
        // Enough of its beginning for what holds by looks; what holds by time is found at the present moment.
        let until = last.map_or(0, |last| now_ms.min(last.saturating_add(LONGEST_SILENCE_MS)));
        let looks = last
            .into_iter()
            .flat_map(move |last| (1..).map(move |count| last.saturating_add(count * minute)));
        looks.take_while(move |at| *at <= until)
    }

    /// Looks, if that counts, and returns what is to be said. `value` is asked only then; without one, or with one that is no
    /// number, the alert is unknown.
    pub fn look(
        &mut self,
        events: u64,
        at_ms: i64,
        value: impl FnOnce(&Quantity) -> Option<f64>,
    ) -> Option<Notice> {
        if !self.is_due(events, at_ms) {
            return None;
        }
        self.looked = Some(Looked { events, at_ms });
        let value = value(&self.rule.quantity).filter(|value| !value.is_nan());
        // JSON, in which a notice is kept, has no infinity.
        let value = value.map(|value| value.clamp(-f64::MAX, f64::MAX));
        let (phase, said) = self.step(value, at_ms);
        self.phase = phase;
        let (what, since_ms) = said?;
        Some(Notice { rule: self.rule.clone(), what, at_ms, since_ms })
    }

    /// What comes next, and what is said of it with the time since when.
    fn step(&self, value: Option<f64>, at_ms: i64) -> (Phase, Option<(What, i64)>) {
        // Who was firing before it was unknown is held to the limit of those that are.
        let fired = match self.phase {
            Phase::Unknown { fired_ms } => fired_ms.map(|fired_ms| (fired_ms, None)),
            Phase::Firing { fired_ms, inside } => Some((fired_ms, inside)),
            Phase::Inactive | Phase::Pending { .. } => None,
        };
        let Some(value) = value else {
            let said = match self.phase {
                Phase::Firing { fired_ms, .. } => Some((What::Unknown, fired_ms)),
                _ => None,
            };
            return (Phase::Unknown { fired_ms: fired.map(|(fired_ms, _)| fired_ms) }, said);
        };
        let is_broken = self.rule.is_broken(value, fired.is_some());
        match fired {
            Some((fired_ms, _)) if is_broken => (Phase::Firing { fired_ms, inside: None }, None),
            Some((fired_ms, inside)) => {
                let inside = Row::one_more(inside, at_ms);
                if inside.is_enough(self.rule.keep(), at_ms) {
                    return (Phase::Inactive, Some((What::Ends { value }, fired_ms)));
                }
                (Phase::Firing { fired_ms, inside: Some(inside) }, None)
            }
            None if is_broken => {
                let before = if let Phase::Pending { beyond } = self.phase { Some(beyond) } else { None };
                let beyond = Row::one_more(before, at_ms);
                if beyond.is_enough(self.rule.hold(), at_ms) {
                    let phase = Phase::Firing { fired_ms: at_ms, inside: None };
                    return (phase, Some((What::Fires { value }, beyond.since_ms)));
                }
                (Phase::Pending { beyond }, None)
            }
            None => (Phase::Inactive, None),
        }
    }
}

impl Row {
    fn one_more(row: Option<Self>, at_ms: i64) -> Self {
        match row {
            None => Self { since_ms: at_ms, looks: 1 },
            // By a clock that was set back, no time has passed.
            Some(row) => Self { since_ms: row.since_ms.min(at_ms), looks: row.looks.saturating_add(1) },
        }
    }

    fn is_enough(self, hold: Hold, at_ms: i64) -> bool {
        match hold {
            Hold::Looks(looks) => self.looks >= looks,
            Hold::Time(milliseconds) => at_ms.abs_diff(self.since_ms) >= milliseconds,
        }
    }
}

#[cfg(test)]
mod tests;
