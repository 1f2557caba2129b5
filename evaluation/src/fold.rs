//! The fold over what was committed: events in, in the order in which they were committed, and a report at any moment.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::alert::{Rule, Window};
use crate::answers;
use crate::basis::Basis;
use crate::comparisons::Comparisons;
use crate::identity::{Identity, ModelRole};
use crate::report::{AlertReport, Gap, Moment, Report};
use crate::rules::Rules;
use crate::verdict;
use crate::version::Version;
use crate::versions::Versions;
use crate::waiting::{Remembered, Waiting};

/// Among how many of the latest labels the one before a prediction is looked for.
const LABELS: usize = 65_536;

/// What is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How many of the last labelled rows are a window: 1 to 100 000.
    pub window: usize,
    /// How long the window by time of prediction is, in milliseconds.
    pub period: i64,
    /// After what time a row without a label is given up, in milliseconds.
    pub horizon: i64,
    /// How many versions are kept, those that predicted last: 1 or more. Each takes up to a few megabytes.
    pub versions: usize,
}

/// What is kept of each version, for the report and for the rules.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) settings: Settings,
    /// The largest of all windows, in rows.
    pub(crate) rows: usize,
    /// The periods, that of the report first.
    pub(crate) periods: Vec<i64>,
}

impl Kept {
    fn of(settings: Settings, rules: &[Rule]) -> Self {
        let mut rows = settings.window;
        let mut others = BTreeSet::new();
        for window in rules.iter().filter_map(|rule| rule.quantity.window()) {
            match window {
                Window::Labels(labels) => rows = rows.max(usize::try_from(labels).unwrap_or(usize::MAX)),
                Window::Time(period) => _ = others.insert(i64::try_from(period).unwrap_or(i64::MAX)),
                Window::Version => {}
            }
        }
        others.remove(&settings.period);
        Self { settings, rows, periods: [settings.period].into_iter().chain(others).collect() }
    }
}

/// A prediction that was accepted. Times are milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction<'a> {
    /// Its number.
    pub number: i64,
    /// Whether it has no id: no label can meet it.
    pub anonymous: bool,
    /// The value.
    pub value: f64,
    /// When it was made.
    pub at: i64,
    /// When its row was published, if that is known.
    pub row_at: Option<i64>,
    /// When it was received.
    pub received: i64,
    /// What it was made from, if that was said.
    pub vector: Option<&'a [f64]>,
}

/// A row that is complete.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// The number of its prediction, if that is known.
    pub prediction: Option<i64>,
    /// The label.
    pub y_true: f64,
    /// The prediction.
    pub y_pred: f64,
    /// When it was predicted.
    pub predicted_at: i64,
    /// When its label was made.
    pub labelled_at: i64,
    /// When it became complete.
    pub received: i64,
}

/// A label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Label {
    at: i64,
    pub(crate) value: f64,
}

impl Label {
    /// Whether it is the label of this row: persistence would know what it is to say.
    pub(crate) fn is_of(&self, row: &Row) -> bool {
        self.at == row.labelled_at && self.value.to_bits() == row.y_true.to_bits()
    }
}

/// What the events so far mean.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Evaluation {
    kept: Kept,
    rules: Rules,
    versions: Versions,
    waiting: Waiting,
    comparisons: Comparisons,
    /// By the time at which they were made; of those of the same time, the last one.
    labels: BTreeMap<i64, f64>,
    commit: i64,
    /// When that was made; none where it is forgotten.
    committed_at: Option<i64>,
    gap: Option<Gap>,
    /// The number of the first prediction that was told of after the gap.
    told_from: Option<i64>,
}

impl Evaluation {
    /// Of nothing yet, with rules that are looked at meanwhile.
    #[must_use]
    pub fn new(settings: Settings, rules: Vec<Rule>) -> Self {
        Self {
            kept: Kept::of(settings, &rules),
            rules: Rules::new(rules),
            versions: Versions::default(),
            waiting: Waiting::default(),
            comparisons: Comparisons::default(),
            labels: BTreeMap::new(),
            told_from: None,
            commit: 0,
            committed_at: None,
            gap: None,
        }
    }

    /// Whether all that was told of is forgotten commits.
    #[must_use]
    pub fn is_all_forgotten(&self) -> bool {
        self.gap.is_some_and(|gap| gap.last == self.commit)
    }

    /// What is chosen.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.kept.settings
    }

    /// The rules, in the order in which they were given.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.rules()
    }

    /// Of nothing yet, with the same choices and rules.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self::new(self.kept.settings, self.rules().cloned().collect())
    }

    /// The number of the last commit that was told of; 0 before the first one.
    #[must_use]
    pub fn commit(&self) -> i64 {
        self.commit
    }

    /// When that commit was made, in milliseconds since 1970; none before the first one, and where it is forgotten.
    #[must_use]
    pub fn committed_at(&self) -> Option<i64> {
        self.committed_at
    }

    /// Whether a version is kept under this number: if not, it is to be told of before its next prediction.
    #[must_use]
    pub fn knows(&self, version: usize) -> bool {
        self.versions.knows(version)
    }

    /// Whether it was ever told of a version by this number. What comes late of one that is not kept any more brings it back no
    /// more.
    #[must_use]
    pub fn has_known(&self, version: usize) -> bool {
        self.versions.has_known(version)
    }

    /// Tells of a version, before its first event. What is told of one that is known already counts for nothing.
    pub fn know(&mut self, number: usize, identity: Identity, basis: Basis) {
        self.comparisons.know(number, &identity);
        if !self.knows(number) {
            let version = Version::new(identity, basis, &self.kept);
            self.versions.add(number, version, self.kept.settings.versions);
            self.comparisons.keep(|number| self.versions.knows(number));
        }
    }

    /// The kept versions of which nothing is known that they could be compared with: number, model and version.
    pub fn lacking(&self) -> impl Iterator<Item = (usize, Option<&str>, Option<&str>)> {
        let lacking = self.versions.lacking();
        lacking.map(|(number, version)| (number, version.model.as_deref(), version.version.as_deref()))
    }

    /// Tells of what comes to be known of a version only now, if nothing was. What is compared with it begins anew.
    pub fn learn(&mut self, number: usize, basis: Basis) {
        if basis == Basis::default() {
            return;
        }
        if let Some(version) = self.versions.of_number(number).filter(|version| version.lacks_basis()) {
            version.learn(basis, &self.kept);
        }
    }

    /// A label was accepted, which was made at this time.
    pub fn labelled(&mut self, value: f64, at: i64) {
        self.labels.insert(at, value);
        if self.labels.len() > LABELS {
            self.labels.pop_first();
        }
    }

    /// A prediction was accepted. One of a version that is not known counts for nothing.
    pub fn predicted(&mut self, number: usize, prediction: &Prediction<'_>) {
        // A label that came with its row, or with the one before, was not there yet when the row was made.
        let row_at = prediction.row_at.unwrap_or(prediction.at);
        let label_before =
            self.labels.range(..row_at).next_back().map(|(at, value)| Label { at: *at, value: *value });
        self.told_from.get_or_insert(prediction.number);
        let Some(version) = self.versions.of_number(number) else { return };
        let places = version.predicted(prediction);
        if !prediction.anonymous {
            let at = prediction.at.min(prediction.received);
            self.waiting.add(prediction.number, Remembered { at, label_before, places });
        }
    }

    /// A row is complete: its prediction and its label were accepted before.
    pub fn scored(&mut self, version: usize, row: &Row) {
        let remembered = row.prediction.and_then(|number| self.waiting.take(number));
        let is_counted = self.was_told(row.prediction);
        if let Some(version) = self.versions.of_number(version) {
            let is_counted = is_counted && row.prediction.is_none_or(|number| version.was_told(number));
            version.scored(row, remembered.as_ref(), is_counted);
        }
    }

    /// The prediction of a version that was told of is that of the row with this id: others may have predicted the same.
    pub fn row_predicted(&mut self, version: usize, id: &str, value: f64, received: i64) {
        self.comparisons.predicted(version, id, value, received);
    }

    /// A row that was told of as complete has this id: others may have predicted the same.
    pub fn row_scored(&mut self, version: usize, id: &str, row: &Row) {
        self.comparisons.scored(version, id, row.y_true, row.y_pred, row.received);
    }

    /// Whether a prediction was told of: those before a gap were not, and count neither as predicted nor as labelled.
    fn was_told(&self, prediction: Option<i64>) -> bool {
        self.gap.is_none() || prediction.zip(self.told_from).is_some_and(|(number, first)| number >= first)
    }

    /// The prediction with this number, which was received at this time, was given up.
    pub fn expired(&mut self, version: usize, prediction: i64, received: i64) {
        let at = self.waiting.take(prediction).map_or(received, |known| known.at);
        if !self.was_told(Some(prediction)) {
            return;
        }
        let version = self.versions.of_number(version).filter(|version| version.was_told(prediction));
        if let Some(version) = version {
            version.expired(at);
        }
    }

    /// All events of the commit with this number, which was made at this time, were told of.
    pub fn committed(&mut self, number: i64, at: i64) {
        self.commit = number;
        self.committed_at = Some(at);
        self.comparisons.look(at);
        self.rules.look(&self.versions, &self.comparisons, at);
    }

    /// How the rules stand at the last commit, in the order in which they were given.
    #[must_use]
    pub fn alerts(&self) -> Vec<AlertReport> {
        self.rules.report()
    }

    /// These commits are forgotten: their events will not be told of.
    pub fn forgotten(&mut self, first: i64, last: i64) {
        let before = self.gap.map_or(first, |gap| gap.first.min(first));
        self.gap = Some(Gap { first: before, last });
        self.told_from = None;
        self.commit = last;
        self.committed_at = None;
    }

    /// What all of it means at a moment, in milliseconds since 1970, which is not before the last event: of the versions that are
    /// wanted, by their model and version.
    #[must_use]
    pub fn report(&self, now: i64, wanted: impl Fn(Option<&str>, Option<&str>) -> bool) -> Report {
        let Settings { window, period, .. } = self.kept.settings;
        let serves = |at: usize, version: &Version| {
            let rivals = self.versions.iter().enumerate().filter(|(_, other)| other.is_rival_of(version));
            let latest = rivals.max_by_key(|(place, other)| (other.last_predicted, *place));
            version.role == ModelRole::Serving && latest.is_some_and(|(place, _)| place == at)
        };
        // Silence is seen by looking, not by what comes.
        let mut rules = self.rules.clone();
        rules.look_now(&self.versions, &self.comparisons, now);
        let versions: Vec<_> = self
            .versions
            .iter()
            .enumerate()
            .filter(|(_, version)| wanted(version.model.as_deref(), version.version.as_deref()))
            .map(|(at, version)| version.report(now, serves(at, version), &self.kept))
            .collect();
        let comparisons = self
            .comparisons
            .report(|identity| wanted(identity.model.as_deref(), identity.version.as_deref()));
        let verdict = verdict::of(now, period, &versions, &comparisons);
        Report {
            at: Moment(now),
            commit: self.commit,
            period,
            window,
            answers: answers::of(now, verdict.version, &versions, &comparisons),
            comparisons,
            verdict,
            versions,
            older_versions: self.versions.older(),
            alerts: rules.report(),
            notices: rules.notices(),
            gap: self.gap,
            since: None,
        }
    }
}

#[cfg(test)]
mod tests;
