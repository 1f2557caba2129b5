//! What a back-test found: as JSON, and in words.

use evaluation::confidence::Interval;
use evaluation::pairs::{ALPHA, FEWEST, Finding, Pairs};
use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::printable::piece;

use super::candidate::Candidate;
use super::comparison::{Comparison, Slice};
use crate::command::table::{aligned, number};
use crate::file::PredictedBy;
use crate::recorded::By;

/// The form of the JSON.
const FORM: u32 = 1;
/// How many slices people are shown.
const SHOWN: usize = 5;

/// A candidate against what served, on the same rows. A difference is that of the mean absolute errors, candidate minus served.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The form of this report.
    pub(crate) backtest: u32,
    /// The candidate's file.
    pub(crate) file: String,
    /// Its version.
    pub(crate) version: String,
    /// The SHA-256 of its content.
    pub(crate) sha256: String,
    /// The name of the table.
    pub(crate) table: String,
    /// What served: the versions with the most rows.
    pub(crate) served: Vec<PredictedBy>,
    /// When the first of the compared rows was predicted.
    pub(crate) predicted_from: String,
    /// When the last one was.
    pub(crate) predicted_to: String,
    /// What is to be said of the candidate.
    pub(crate) finding: Finding,
    /// All rows that were compared.
    #[serde(flatten)]
    pub(crate) all: Compared,
    /// How many labels more it takes to decide, if all goes on like this.
    pub(crate) labels_to_go: Option<u64>,
    /// The rows that were not compared.
    pub(crate) left_out: LeftOut,
    /// By slices of each feature. The chance that any of them is called better or worse by mistake is that of the whole.
    pub(crate) slices: Vec<SliceReport>,
}

/// Some rows, predicted by both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Compared {
    pub(crate) rows: u64,
    /// The mean absolute error of the candidate.
    pub(crate) mae_new: Option<f64>,
    /// That of what served.
    pub(crate) mae_served: Option<f64>,
    pub(crate) difference: Option<f64>,
    /// The difference as a percentage of what served.
    pub(crate) percent: Option<f64>,
    /// Where the difference is, however often somebody looks.
    pub(crate) interval: Option<Interval>,
}

/// The rows of a slice.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SliceReport {
    pub(crate) feature: String,
    /// From which number on; none for the first slice.
    pub(crate) from: Option<f64>,
    /// Before which number; none for the last one.
    pub(crate) to: Option<f64>,
    pub(crate) finding: Finding,
    #[serde(flatten)]
    pub(crate) compared: Compared,
}

/// Rows that were not compared, by the reason.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    /// The candidate was trained on them.
    pub(crate) trained_on: u64,
    /// It is not known what they were predicted from.
    pub(crate) without_features: u64,
    /// They are not of the model that served.
    pub(crate) unfit: u64,
    first_unfit: Option<String>,
    /// The candidate would refuse them, and has no prediction.
    pub(crate) refused: u64,
    first_refused: Option<String>,
}

impl LeftOut {
    pub(super) fn unfit(&mut self, line: u64, why: &str) {
        self.unfit += 1;
        self.first_unfit.get_or_insert_with(|| format!("line {line}: {why}"));
    }

    pub(super) fn refused(&mut self, line: u64, why: &str) {
        self.refused += 1;
        self.first_refused.get_or_insert_with(|| format!("line {line}: {why}"));
    }

    /// A line each, for people.
    pub(super) fn notes(&self, candidate: &str) -> Vec<String> {
        let first = |first: &Option<String>| first.clone().unwrap_or_default();
        [
            (self.trained_on, format!("that {candidate} was trained on")),
            (self.without_features, "whose features are not known".to_owned()),
            (self.unfit, format!("of other numbers than what served has; {}", first(&self.first_unfit))),
            (
                self.refused,
                format!("that {candidate} would refuse, as dead letters; {}", first(&self.first_refused)),
            ),
        ]
        .into_iter()
        .filter(|(rows, _)| *rows > 0)
        .map(|(rows, what)| format!("left out: {} {what}", count(rows)))
        .collect()
    }
}

fn count(rows: u64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

impl Compared {
    fn of(pairs: &Pairs, alpha: f64) -> Self {
        let (difference, served) = (pairs.difference(), pairs.mae_old());
        let percent = difference.zip(served).map(|(difference, served)| 100.0 * difference / served);
        Self {
            rows: pairs.rows(),
            mae_new: pairs.mae_new(),
            mae_served: served,
            difference,
            percent: percent.filter(|percent| percent.is_finite()),
            interval: pairs.interval(alpha),
        }
    }

    fn cells(&self, name: String) -> Vec<String> {
        let shown = |value: Option<f64>| value.map_or("-".to_owned(), number);
        let (low, high) = self.interval.map_or((None, None), |interval| (interval.low, interval.high));
        let percent = self.percent.map_or("-".to_owned(), |percent| format!("{percent:+.1}"));
        vec![
            name,
            self.rows.to_string(),
            shown(self.mae_served),
            shown(self.mae_new),
            shown(self.difference),
            percent,
            shown(low),
            shown(high),
        ]
    }
}

impl Report {
    pub(super) fn of(
        candidate: &Candidate,
        table: String,
        served: &[(&By, u64)],
        (first, last): (Timestamp, Timestamp),
        left_out: LeftOut,
        mut comparison: Comparison,
    ) -> Self {
        comparison.decide();
        // So that the chance of any false word on a slice is no larger than that of one on the whole.
        let alpha = ALPHA / comparison.slices().max(1) as f64;
        let slice = |feature: &str, Slice { from, to, pairs }: Slice<'_>| SliceReport {
            feature: piece(feature),
            from,
            to,
            finding: pairs.finding(alpha),
            compared: Compared::of(pairs, alpha),
        };
        let slices = comparison
            .features
            .iter()
            .flat_map(|feature| feature.slices().map(|of| slice(&feature.name, of)))
            .collect();
        let by = |(by, rows): &(&By, u64)| PredictedBy {
            model: by.model.as_deref().map(piece),
            version: by.version.as_deref().map(piece),
            rows: *rows,
        };
        Self {
            backtest: FORM,
            file: candidate.file.clone(),
            version: candidate.predictor.version().to_string(),
            sha256: candidate.sha256.clone(),
            table,
            served: served.iter().map(by).collect(),
            predicted_from: first.to_string(),
            predicted_to: last.to_string(),
            finding: comparison.all.finding(ALPHA),
            all: Compared::of(&comparison.all, ALPHA),
            labels_to_go: comparison.all.labels_to_go(ALPHA),
            left_out,
            slices,
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n", self.verdict());
        let mut table = vec![
            ["", "rows", "MAE served", "MAE new", "difference", "%", "at least", "at most"]
                .map(str::to_owned)
                .to_vec(),
            self.all.cells("all rows".to_owned()),
        ];
        let mut worst: Vec<&SliceReport> =
            self.slices.iter().filter(|slice| slice.compared.interval.is_some()).collect();
        worst.sort_by(|a, b| {
            b.compared.difference.unwrap_or_default().total_cmp(&a.compared.difference.unwrap_or_default())
        });
        table.extend(worst.iter().take(SHOWN).map(|slice| slice.compared.cells(slice.name())));
        text += &aligned(&table);
        let beyond_noise = self.slices.iter().filter(|slice| slice.finding == Finding::Worse).count();
        if !worst.is_empty() {
            text += &format!(
                "of {} slices it is worse in {beyond_noise} beyond noise; shown are those where it is worst, --json has all\n",
                self.slices.len()
            );
        }
        text.extend(self.left_out.notes(&self.file).iter().map(|note| format!("{note}\n")));
        text
    }

    /// What was found, in a sentence.
    pub(crate) fn verdict(&self) -> String {
        let Self { file, version, all, .. } = self;
        let who = format!("{file} (version {})", piece(version));
        let rows =
            format!("on {} predicted from {} to {}", count(all.rows), self.predicted_from, self.predicted_to);
        let by = |value: f64| {
            let percent =
                all.mae_served.filter(|served| *served > 0.0).map(|served| 100.0 * value.abs() / served);
            let percent = percent.map_or(String::new(), |percent| format!(" ({percent:.1} %)"));
            format!("{}{percent}", number(value.abs()))
        };
        let difference = all.difference.unwrap_or_default();
        let (low, high) = all.interval.map_or((0.0, 0.0), |interval| interval.ends());
        let more = if difference > 0.0 { "larger" } else { "smaller" };
        let is =
            format!("its mean absolute error is {} {more} than that of what served, {rows}", by(difference));
        match self.finding {
            Finding::Better => format!("better: {who}: {is}, and at least {} smaller", by(high)),
            Finding::Worse => format!("worse: {who}: {is}, and at least {} larger", by(low)),
            Finding::NotWorse if high <= 0.0 => format!("undecided: {who}: {is}; it is not worse"),
            Finding::NotWorse => {
                format!("undecided: {who}: {is}; it is not worse by more than {}", by(high))
            }
            Finding::Undecided if all.rows < FEWEST => {
                format!("undecided: {who}: {} with a label, and {FEWEST} are needed", count(all.rows))
            }
            Finding::Undecided => {
                let to_go = match self.labels_to_go {
                    Some(labels) => format!("about {labels} more labels would decide"),
                    None => "no number of labels that is likely to come would decide".to_owned(),
                };
                format!("undecided: {who}: {is}; {to_go}, if it goes on like this")
            }
        }
    }
}

impl SliceReport {
    fn name(&self) -> String {
        let Self { feature, from, to, .. } = self;
        match (from, to) {
            (Some(from), Some(to)) => format!("{feature} from {} to {}", number(*from), number(*to)),
            (Some(from), None) => format!("{feature} from {}", number(*from)),
            (None, Some(to)) => format!("{feature} below {}", number(*to)),
            (None, None) => feature.clone(),
        }
    }
}
