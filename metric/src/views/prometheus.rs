//! The report as Prometheus reads it: each score with its interval and how many rows it is of.

use std::fmt;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use evaluation::alert::State as AlertState;
use evaluation::confidence::Interval;
use evaluation::identity::ModelRole;
use evaluation::pairs::Finding;
use evaluation::report::{ComparisonReport, Evidence, Report, SpreadReport, State, VersionReport};
use evaluation::table::{Estimate, ScoreTable};
use shared::metrics::{self, Family, MetricSource, Scrape};

use crate::evaluator::Evaluated;

/// Of how many spreads there are series at the most: those of versions that serve, which have moved most.
const SPREADS: usize = 100;

const OF_SCORE: [&str; 4] = ["model", "version", "window", "score"];
const OF_VERSION: [&str; 2] = ["model", "version"];
const OF_SPREAD: [&str; 4] = ["model", "version", "kind", "feature"];
const OF_DIRECTION: [&str; 3] = ["model", "version", "direction"];

const SCORE: Family<4> = Family::new(
    "pipeline_score",
    "A score: errors and bias in the label's unit, all others as shares.",
    OF_SCORE,
);
const LOW: Family<4> =
    Family::new("pipeline_score_low", "The lower end of the score's 95 % interval.", OF_SCORE);
const HIGH: Family<4> =
    Family::new("pipeline_score_high", "The upper end of the score's 95 % interval.", OF_SCORE);
const ROWS: Family<3> = Family::new(
    "pipeline_score_rows",
    "Of how many labelled rows the scores of a window are.",
    ["model", "version", "window"],
);
const LAG: Family<3> = Family::new(
    "pipeline_label_lag_seconds",
    "Within this time of its prediction a label comes, for this share of the rows.",
    ["model", "version", "share"],
);
const ALERT: Family<2> = Family::new(
    "pipeline_alert",
    "1 for the state in which an alert rule of metric is, 0 for the others.",
    ["rule", "state"],
);
const VERDICT: Family<1> =
    Family::new("pipeline_verdict", "1 for the state of the verdict, 0 for the others.", ["state"]);
const BEHIND: Family<0> =
    Family::new("pipeline_evaluation_behind_commits", "Commits that are recorded and not evaluated yet.", []);

/// One number of a version; none where it is not known.
type OfVersion = fn(&VersionReport) -> Option<f64>;
const VERSIONS: [(Family<2>, OfVersion); 5] = [
    (
        Family::new(
            "pipeline_serves",
            "1: the version that predicted last under its name; 0: another one.",
            OF_VERSION,
        ),
        |version| Some(f64::from(u8::from(version.serves))),
    ),
    (
        Family::new(
            "pipeline_provisional",
            "1: only quick labels can be known yet, so scores may change much.",
            OF_VERSION,
        ),
        |version| Some(f64::from(u8::from(version.labels.provisional))),
    ),
    (
        Family::new(
            "pipeline_label_coverage_ratio",
            "The share of rows labelled, of those that are older than nine tenths of the lags.",
            OF_VERSION,
        ),
        |version| version.labels.coverage,
    ),
    (
        Family::new(
            "pipeline_last_prediction_timestamp_seconds",
            "When the last row was predicted, in seconds since 1970.",
            OF_VERSION,
        ),
        |version| version.last_predicted.map(|at| at.0 as f64 / 1000.0),
    ),
    (
        Family::new(
            "pipeline_last_label_timestamp_seconds",
            "When the last label came, in seconds since 1970.",
            OF_VERSION,
        ),
        |version| version.last_labelled.map(|at| at.0 as f64 / 1000.0),
    ),
];

/// One number of a feature or of the prediction; none where it is not known.
type OfSpread = fn(&SpreadReport) -> Option<f64>;
const DRIFT: [(Family<4>, OfSpread); 6] = [
    (
        Family::new(
            "pipeline_drift_psi",
            "The population stability index of the last rows against the reference.",
            OF_SPREAD,
        ),
        |spread| spread.psi,
    ),
    (Family::new("pipeline_drift_psi_noise", "Up to where that index is noise.", OF_SPREAD), |spread| {
        spread.psi_noise
    }),
    (
        Family::new(
            "pipeline_drift_shift_sd",
            "By how many standard deviations of the reference the last rows are higher.",
            OF_SPREAD,
        ),
        |spread| spread.shift_sd,
    ),
    (
        Family::new(
            "pipeline_out_of_range_ratio",
            "The share of the last rows that are beyond all of the reference.",
            OF_SPREAD,
        ),
        |spread| spread.out_of_range,
    ),
    (Family::new("pipeline_drifting", "1: it drifts, else 0.", OF_SPREAD), |spread| {
        Some(f64::from(u8::from(spread.drifts_since.is_some())))
    }),
    (Family::new("pipeline_stuck", "1: a single value is too common, else 0.", OF_SPREAD), |spread| {
        Some(f64::from(u8::from(spread.stuck_since.is_some())))
    }),
];

/// One number of a direction in which the errors may change.
type OfDirection = fn(&Evidence) -> f64;
const CHANGE: [(Family<3>, OfDirection); 3] = [
    (
        Family::new(
            "pipeline_error_changed",
            "1: the errors have become larger (worse), or predictions higher or lower against the labels.",
            OF_DIRECTION,
        ),
        |evidence| f64::from(u8::from(evidence.holds)),
    ),
    (
        Family::new(
            "pipeline_error_evidence_log10",
            "The decimal logarithm of the evidence for it.",
            OF_DIRECTION,
        ),
        |evidence| evidence.log10,
    ),
    (
        Family::new("pipeline_error_evidence_limit_log10", "Above this it is an alarm.", OF_DIRECTION),
        |evidence| evidence.limit_log10,
    ),
];

const OF_COMPARISON: [&str; 5] = ["model", "version", "other_model", "other_version", "role"];

/// One number of two versions; none where it is not known.
type OfComparison = fn(&ComparisonReport) -> Option<f64>;
const COMPARISONS: [(Family<5>, OfComparison); 6] = [
    (
        Family::new(
            "pipeline_comparison_rows",
            "Labelled rows that a version and another one have both predicted.",
            OF_COMPARISON,
        ),
        |of| Some(of.rows as f64),
    ),
    (
        Family::new(
            "pipeline_comparison_difference",
            "By how much the version's mean absolute error is larger on these rows, in the label's unit.",
            OF_COMPARISON,
        ),
        |of| of.difference,
    ),
    (
        Family::new(
            "pipeline_comparison_low",
            "The lower bound of that, which holds with 95 % whenever it is looked at.",
            OF_COMPARISON,
        ),
        |of| of.interval?.low,
    ),
    (Family::new("pipeline_comparison_high", "The upper bound of that.", OF_COMPARISON), |of| {
        of.interval?.high
    }),
    (
        Family::new(
            "pipeline_comparison_worse",
            "1: the version errs more than the other one, else 0.",
            OF_COMPARISON,
        ),
        |of| Some(f64::from(u8::from(of.finding == Finding::Worse))),
    ),
    (Family::new("pipeline_comparison_better", "1: it errs less, else 0.", OF_COMPARISON), |of| {
        Some(f64::from(u8::from(of.finding == Finding::Better)))
    }),
];

static SHOWN: Mutex<Option<Evaluated>> = Mutex::new(None);

/// Shows what this evaluation says from now on. A process has one; where a test runs several, the last one is shown.
pub(crate) fn publish(evaluated: Evaluated) {
    static REGISTERED: Once = Once::new();
    *shown() = Some(evaluated);
    REGISTERED.call_once(|| metrics::register(Latest));
}

fn shown() -> MutexGuard<'static, Option<Evaluated>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Latest;

impl MetricSource for Latest {
    fn read(&self, scrape: &mut Scrape<'_>) -> fmt::Result {
        let Some(evaluated) = shown().clone() else { return Ok(()) };
        scrape.gauges(&BEHIND, [([], evaluated.behind() as f64)])?;
        evaluated.report().map_or(Ok(()), |report| write(&report, scrape))
    }
}

fn write(report: &Report, scrape: &mut Scrape<'_>) -> fmt::Result {
    let versions = &report.versions;
    let tables: Vec<([&str; 3], &ScoreTable)> = versions.iter().flat_map(tables).collect();
    let scores: Vec<([&str; 4], Estimate)> =
        tables.iter().flat_map(|(of, table)| scores(*of, table)).collect();
    scrape.gauges(&SCORE, scores.iter().map(|(labels, score)| (*labels, score.value)))?;
    let ends = |end: fn(&Interval) -> Option<f64>| {
        scores.iter().filter_map(move |(labels, score)| Some((*labels, end(score.interval.as_ref()?)?)))
    };
    scrape.gauges(&LOW, ends(|interval| interval.low))?;
    scrape.gauges(&HIGH, ends(|interval| interval.high))?;
    scrape.gauges(&ROWS, tables.iter().map(|(labels, table)| (*labels, table.rows as f64)))?;
    for (family, number) in &VERSIONS {
        scrape.gauges(family, versions.iter().filter_map(|of| Some((tag(of), number(of)?))))?;
    }
    let lags = versions.iter().flat_map(|version| {
        let [name, number] = tag(version);
        let lags = [("0.5", version.labels.lag_p50), ("0.9", version.labels.lag_p90)];
        // One of which only a lower bound is known is not there.
        lags.into_iter().filter_map(move |(share, lag)| {
            let lag = lag.filter(|lag| !lag.more)?;
            Some(([name, number, share], lag.ms / 1000.0))
        })
    });
    scrape.gauges(&LAG, lags)?;
    let spreads: Vec<([&str; 4], &SpreadReport)> = spreads(versions).take(SPREADS).collect();
    for (family, number) in &DRIFT {
        scrape.gauges(family, spreads.iter().filter_map(|(labels, of)| Some((*labels, number(of)?))))?;
    }
    let directions: Vec<([&str; 3], &Evidence)> = versions.iter().flat_map(directions).collect();
    for (family, number) in &CHANGE {
        scrape.gauges(family, directions.iter().map(|(labels, of)| (*labels, number(of))))?;
    }
    for (family, number) in &COMPARISONS {
        let of = report.comparisons.iter().filter_map(|of| Some((of_comparison(of), number(of)?)));
        scrape.gauges(family, of)?;
    }
    let states = [AlertState::Inactive, AlertState::Pending, AlertState::Firing, AlertState::Unknown];
    let alerts = report.alerts.iter().flat_map(|alert| {
        states.map(|state| ([alert.rule.as_str(), state.word()], f64::from(u8::from(alert.state == state))))
    });
    scrape.gauges(&ALERT, alerts)?;
    let states = [
        ("nothing", State::Nothing),
        ("ok", State::Ok),
        ("provisional", State::Provisional),
        ("rolled_back", State::RolledBack),
        ("look", State::Look),
    ];
    scrape.gauges(
        &VERDICT,
        states.map(|(name, state)| ([name], f64::from(u8::from(report.verdict.state == state)))),
    )
}

/// A version's labels: the model's name and the version, empty where it has none.
fn tag(version: &VersionReport) -> [&str; 2] {
    [&version.model, &version.version].map(|part| part.as_deref().unwrap_or_default())
}

/// Both versions, and what the first one predicts for: `serving` in the place of the other one, which is its shadow, or `beside`
/// another model that serves.
fn of_comparison(of: &ComparisonReport) -> [&str; 5] {
    let [model, version] = [&of.new.model, &of.new.version].map(|part| part.as_deref().unwrap_or_default());
    let role = if of.new.role == ModelRole::Serving && !of.is_swap { "beside" } else { of.new.role.name() };
    let other = of.old.model.as_deref().unwrap_or_default();
    [model, version, other, of.old.version.as_deref().unwrap_or_default(), role]
}

fn tables(version: &VersionReport) -> [([&str; 3], &ScoreTable); 3] {
    let [name, number] = tag(version);
    let scores = &version.scores;
    [
        ([name, number, "since_first"], &scores.since_first),
        ([name, number, "last_rows"], &scores.last_rows),
        ([name, number, "period"], &scores.period),
    ]
}

fn scores<'a>(
    [name, number, window]: [&'a str; 3],
    table: &ScoreTable,
) -> impl Iterator<Item = ([&'a str; 4], Estimate)> + use<'a> {
    let bare = |value: Option<f64>| value.map(|value| Estimate { value, interval: None });
    let all = [
        ("mae", table.mae),
        ("rmse", table.rmse),
        ("bias", table.bias),
        ("r2", table.r2),
        ("median_absolute_error", table.median),
        ("p90_absolute_error", table.p90),
        ("p99_absolute_error", table.p99),
        ("wape", bare(table.wape)),
        ("skill_to_constant", bare(table.skill_to_constant.map(|of| of.value))),
        ("skill_to_persistence", bare(table.skill_to_persistence.map(|of| of.value))),
    ];
    all.into_iter().filter_map(move |(score, estimate)| Some(([name, number, window, score], estimate?)))
}

/// Those of the versions that serve: the predictions first, then the features, those that have moved most first.
fn spreads(versions: &[VersionReport]) -> impl Iterator<Item = ([&str; 4], &SpreadReport)> {
    let serving = || versions.iter().filter(|version| version.serves);
    let predictions = serving().filter_map(|version| {
        let [name, number] = tag(version);
        Some(([name, number, "prediction", ""], version.drift.prediction.as_ref()?))
    });
    let features = serving().flat_map(|version| {
        let [name, number] = tag(version);
        version.drift.features.iter().map(move |of| ([name, number, "feature", of.name.as_str()], of))
    });
    // Two features of the same name would be one series twice.
    let mut seen = std::collections::BTreeSet::new();
    predictions.chain(features).filter(move |(labels, _)| seen.insert(*labels))
}

fn directions(version: &VersionReport) -> [([&str; 3], &Evidence); 3] {
    let [name, number] = tag(version);
    let change = &version.change;
    [
        ([name, number, "worse"], &change.worse),
        ([name, number, "higher"], &change.higher),
        ([name, number, "lower"], &change.lower),
    ]
}

#[cfg(test)]
mod tests;
