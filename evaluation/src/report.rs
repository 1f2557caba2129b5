//! The report: everything that people and programs are told of a record, as one value. Views render it and compute nothing.
//!
//! Durations are in milliseconds, errors in the label's unit and with the sign of prediction minus label. What is not known is
//! absent (`null` in JSON), never 0 and never NaN.

mod charts;
mod comparison;
mod moment;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::alert;
use crate::identity::ModelRole;
use crate::table::ScoreTable;

pub use charts::{BinReport, Charts, EvidencePoint, LagPoint, PaneReport, RowReport};
pub use comparison::{ComparisonReport, DecisionReport};
pub use moment::Moment;

/// What a record says at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// The moment.
    pub at: Moment,
    /// The number of the last commit that it knows.
    pub commit: i64,
    /// The length of the window by time of prediction.
    pub period: i64,
    /// How many rows the window by labels has at the most.
    pub window: usize,
    /// Whether it is well, in a sentence, and what to do.
    pub verdict: Verdict,
    /// Four questions and what there is to say, of the version that the verdict speaks of; empty where there is none.
    pub answers: Vec<Answer>,
    /// The versions, in the order in which they were heard of.
    pub versions: Vec<VersionReport>,
    /// Those that predicted the same rows, two by two, the ones that went on last first.
    pub comparisons: Vec<ComparisonReport>,
    /// How many more versions had predicted before these, and are not looked at any more.
    pub older_versions: usize,
    /// How the alert rules stand, in the order in which they were given.
    pub alerts: Vec<AlertReport>,
    /// What was said of them last, the newest first.
    pub notices: Vec<NoticeReport>,
    /// Commits that were forgotten before they were read; what is said is of the rows after them.
    pub gap: Option<Gap>,
    /// What is said is of the rows that were predicted from this moment on, where somebody asked for these.
    pub since: Option<Moment>,
}

impl Report {
    /// The same of those versions alone that are wanted, by their model and version. The verdict stays that of all.
    #[must_use]
    pub fn of(&self, wanted: impl Fn(Option<&str>, Option<&str>) -> bool) -> Self {
        let mut report = self.clone();
        let is_wanted =
            |version: &VersionReport| wanted(version.model.as_deref(), version.version.as_deref());
        report.verdict.version = self.verdict.version.and_then(|at| {
            let before = self.versions.get(..at)?.iter().filter(|version| is_wanted(version)).count();
            self.versions.get(at).is_some_and(is_wanted).then_some(before)
        });
        report.versions.retain(is_wanted);
        report
    }
}

/// An alert rule.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AlertReport {
    /// The rule.
    pub rule: String,
    /// How it stands.
    pub state: alert::State,
    /// Since when it fires or is about to.
    pub since: Option<Moment>,
}

/// Something that was said of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NoticeReport {
    /// The rule.
    pub rule: String,
    /// How the rule stands since then.
    pub state: alert::State,
    /// When.
    pub at: Moment,
    /// In a line.
    pub text: String,
}

/// Commits of which something is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// The first of them.
    pub first: i64,
    /// The last of them.
    pub last: i64,
}

/// How the model is that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing is known yet.
    Nothing,
    /// Nothing is wrong that could be seen.
    Ok,
    /// Too few labels are known to judge.
    Provisional,
    /// A new version was worse than the one before, which serves again.
    RolledBack,
    /// Something has changed.
    Look,
}

/// The judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Verdict {
    /// The state.
    pub state: State,
    /// The number of the version that is spoken of, from 0 in the order of the report.
    pub version: Option<usize>,
    /// Why, in a sentence.
    pub sentence: String,
    /// What to do.
    pub advice: String,
    /// A command that does the first step of it, where there is one.
    pub command: Option<String>,
}

/// What whoever looks at a model wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// How good is it?
    HowGood,
    /// Can I trust that number?
    Trust,
    /// What changed?
    Changed,
    /// Which version is better?
    Better,
}

/// A question and what there is to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Answer {
    /// The question.
    pub question: Question,
    /// The answer, in a word or a number.
    pub answer: String,
    /// Why, in a line.
    pub reason: String,
}

/// One version of a model.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VersionReport {
    /// The model's name, if it said.
    pub model: Option<String>,
    /// The version, if it said.
    pub version: Option<String>,
    /// What it predicts for.
    pub role: ModelRole,
    /// Whether it is the last one that served under its name.
    pub serves: bool,
    /// When its first row was predicted.
    pub first_predicted: Option<Moment>,
    /// When its last row was predicted.
    pub last_predicted: Option<Moment>,
    /// When its last label came.
    pub last_labelled: Option<Moment>,
    /// When the first row was predicted after the last label.
    pub predicted_since_label: Option<Moment>,
    /// How many rows.
    pub rows: Rows,
    /// How good it is.
    pub scores: Scores,
    /// The mean absolute error on rows held out, as the model file says.
    pub holdout_mae: Option<f64>,
    /// How late the labels are, and what that does to the scores.
    pub labels: LabelReport,
    /// How the features and the prediction are spread.
    pub drift: DriftReport,
    /// Whether the errors have changed.
    pub change: ChangeReport,
    /// Where it is worse than elsewhere beyond noise, the worst first.
    pub worst_slices: Vec<SliceReport>,
    /// The scores over time, within the period before its last prediction.
    pub timeline: Vec<PaneReport>,
    /// How long one of these is.
    pub timeline_pane: i64,
    /// Of those that serve: what charts show besides.
    pub charts: Option<Charts>,
    /// What could not be said, and why.
    pub missing: Vec<String>,
}

impl VersionReport {
    /// As people name it: `model@version`, or `unnamed model`.
    #[must_use]
    pub fn name(&self) -> String {
        match (&self.model, &self.version) {
            (Some(model), Some(version)) => format!("{model}@{version}"),
            (Some(model), None) => model.clone(),
            (None, Some(version)) => format!("unnamed model, version {version}"),
            (None, None) => "unnamed model".into(),
        }
    }
}

/// How many rows of a version there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rows {
    /// Predicted, with an id.
    pub predicted: u64,
    /// Of these, labelled.
    pub labelled: u64,
    /// Of these, not labelled yet.
    pub waiting: u64,
    /// Of these, given up.
    pub expired: u64,
    /// Predicted without an id: no label can meet them.
    pub anonymous: u64,
}

/// The scores of a version over three sets of rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Scores {
    /// All labelled rows. The intervals hold at every moment at once.
    pub since_first: ScoreTable,
    /// The last labelled rows, in the order of their labels.
    pub last_rows: ScoreTable,
    /// The rows that were predicted in the last period.
    pub period: ScoreTable,
    /// How many rows were predicted in that period, labelled or not.
    pub period_predicted: u64,
}

/// A time after which a share of the labels has come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct LagQuantile {
    /// The lag.
    pub ms: f64,
    /// Whether it is longer than that: no row is old enough to know.
    pub more: bool,
}

/// How late the labels are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct LabelReport {
    /// Half of the labels come within this time.
    pub lag_p50: Option<LagQuantile>,
    /// Nine tenths do.
    pub lag_p90: Option<LagQuantile>,
    /// The share of rows labelled, from 0 to 1, of those that are older than nine tenths of the lags.
    pub coverage: Option<f64>,
    /// The longest time between two labels that came one after the other, in milliseconds.
    pub longest_quiet: Option<i64>,
    /// Whether only quick labels can be known yet.
    pub provisional: bool,
    /// The mean absolute error in which rows with slow labels count for those that wait.
    pub weighted_mae: Option<f64>,
    /// As many rows of equal weight would say as much.
    pub weighted_rows: Option<f64>,
    /// The mean absolute error of all rows if the waiting ones had no error.
    pub mae_at_least: Option<f64>,
    /// The same if each waiting one had the 99th percentile of the errors so far, or the largest where there are fewer than 100.
    pub mae_at_most: Option<f64>,
}

/// What rows are compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceKind {
    /// What the model file says of the rows that the model was made of.
    ModelFile,
    /// The version's own first rows.
    #[default]
    FirstRows,
}

/// The features and the prediction.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct DriftReport {
    /// The features, those that have moved most first.
    pub features: Vec<SpreadReport>,
    /// The prediction.
    pub prediction: Option<SpreadReport>,
}

/// One feature, or the prediction.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct SpreadReport {
    /// What it is called.
    pub name: String,
    /// What it is compared with.
    pub reference: ReferenceKind,
    /// How many rows the reference has.
    pub reference_rows: Option<u64>,
    /// How many rows were seen.
    pub rows: u64,
    /// How many must be seen until something can be said; absent once it can.
    pub rows_wanted: Option<u64>,
    /// The population stability index of the last rows.
    pub psi: Option<f64>,
    /// Up to where that is noise.
    pub psi_noise: Option<f64>,
    /// By how many standard deviations it is higher.
    pub shift_sd: Option<f64>,
    /// How far it has moved, as χ² with two degrees of freedom.
    pub moved: Option<f64>,
    /// What has changed most, in words.
    pub words: Option<String>,
    /// Since when it drifts, if it does.
    pub drifts_since: Option<Moment>,
    /// Since when a single value is too common, if one is.
    pub stuck_since: Option<Moment>,
    /// The share of the commonest value in the last rows, from 0 to 1.
    pub commonest: Option<f64>,
    /// The share of the last rows that are beyond all of the reference, from 0 to 1.
    pub out_of_range: Option<f64>,
    /// Where the last rows are and where the reference is; of versions that serve, once something can be said.
    pub bins: Vec<BinReport>,
}

/// Whether the errors have changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct ChangeReport {
    /// What they are compared with.
    pub reference: ReferenceKind,
    /// How many labels must come until something can be said; absent once it can.
    pub labels_wanted: Option<u64>,
    /// The sizes of the errors are larger.
    pub worse: Evidence,
    /// Predictions are higher against the labels.
    pub higher: Evidence,
    /// Predictions are lower against the labels.
    pub lower: Evidence,
}

/// How much speaks for a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct Evidence {
    /// The decimal logarithm of the evidence of now.
    pub log10: f64,
    /// Above this it is an alarm, and evidence is collected anew.
    pub limit_log10: f64,
    /// Whether it is so now: the last alarm was among the last 2000 labels. A change that stays alarms again and again.
    pub holds: bool,
    /// How many alarms there were.
    pub alarms: u64,
    /// When the first alarm was of those that followed each other within 2000 labels, up to the last.
    pub first_alarm: Option<Moment>,
    /// Since when it has been so, by that alarm's best guess.
    pub since: Option<Moment>,
    /// When the last alarm was.
    pub last_alarm: Option<Moment>,
}

/// Rows in a range of a feature.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SliceReport {
    /// The feature.
    pub feature: String,
    /// From this value on; absent where there is no lower limit.
    pub from: Option<f64>,
    /// Below this value; absent where there is no upper limit.
    pub to: Option<f64>,
    /// How many rows.
    pub rows: u64,
    /// Their mean absolute error.
    pub mae: f64,
    /// Their mean error.
    pub bias: f64,
    /// The mean absolute error of all other rows.
    pub mae_of_the_rest: f64,
    /// How probable such a difference is by chance, corrected for how many slices were looked at.
    pub chance: f64,
}
