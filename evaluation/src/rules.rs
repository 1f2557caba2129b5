//! Alert rules that are looked at while events come in, so that how they stand follows from the events alone.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::alert::{Alert, Metric, Notice, Quantity, Rule, Side, Window};
use crate::comparisons::Comparisons;
use crate::identity::ModelRole;
use crate::report::{AlertReport, Moment, NoticeReport};
use crate::table::{Estimate, ScoreTable};
use crate::version::{Events, Version};
use crate::versions::Versions;

/// How many of the last notices are told of.
const NOTICES: usize = 20;

/// The rules, each with how it stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Rules {
    alerts: Vec<Alert>,
    notices: VecDeque<Notice>,
}

impl Rules {
    pub(crate) fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self { alerts: rules.into_iter().map(Alert::new).collect(), notices: VecDeque::new() }
    }

    /// Looks at those that are due, after what has come up to now.
    pub(crate) fn look(&mut self, versions: &Versions, comparisons: &Comparisons, now: i64) {
        self.look_if(versions, comparisons, now, false);
    }

    /// The same for somebody who asks now: rules that are looked at once a minute do not wait for it.
    pub(crate) fn look_now(&mut self, versions: &Versions, comparisons: &Comparisons, now: i64) {
        let silent: BTreeSet<i64> = self.alerts.iter().flat_map(|alert| alert.silent_looks(now)).collect();
        for at in silent {
            self.look_if(versions, comparisons, at, false);
        }
        self.look_if(versions, comparisons, now, true);
    }

    fn look_if(&mut self, versions: &Versions, comparisons: &Comparisons, now: i64, at_once: bool) {
        for alert in &mut self.alerts {
            let quantity = &alert.rule().quantity;
            // Of all versions, also of those that are not kept any more, so that a swap does not set it back.
            let kept = named(versions, quantity).map(|(_, version)| version.events());
            let gone = versions
                .gone()
                .filter(|(model, _)| quantity.version.is_none() && is_named(&quantity.model, model));
            let count = |events: Events| {
                if is_of_predictions(quantity.metric) { events.predictions } else { events.labels }
            };
            let events = kept.chain(gone.map(|(_, events)| events)).map(count).sum();
            if at_once {
                alert.hasten(events);
            }
            let quantity = &alert.rule().quantity;
            if !alert.is_due(events, now) {
                continue;
            }
            let latest =
                named(versions, quantity).max_by_key(|(place, version)| (version.last_predicted, *place));
            let version = latest.map(|(_, version)| version);
            let notice = alert.look(events, now, |quantity| value(version?, comparisons, quantity, now));
            self.notices.extend(notice);
        }
        while self.notices.len() > NOTICES {
            self.notices.pop_front();
        }
    }

    /// The rules themselves.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.alerts.iter().map(Alert::rule)
    }

    pub(crate) fn report(&self) -> Vec<AlertReport> {
        let report = |alert: &Alert| AlertReport {
            rule: alert.rule().to_string(),
            state: alert.state(),
            since: alert.since_ms().map(Moment),
        };
        self.alerts.iter().map(report).collect()
    }

    /// What was said of them last, the newest first.
    pub(crate) fn notices(&self) -> Vec<NoticeReport> {
        let report = |notice: &Notice| NoticeReport {
            rule: notice.rule.to_string(),
            state: notice.what.state(),
            at: Moment(notice.at_ms),
            text: notice.text(),
        };
        self.notices.iter().rev().map(report).collect()
    }
}

/// Whether a rule's value changes with each prediction, and not with each label.
fn is_of_predictions(metric: Metric) -> bool {
    matches!(metric, Metric::Coverage | Metric::Waiting | Metric::LagP90 | Metric::Drift)
}

/// The versions that a rule may ask of, with their places: those that it names. It asks of the one that predicted last.
fn named<'a>(versions: &'a Versions, quantity: &Quantity) -> impl Iterator<Item = (usize, &'a Version)> {
    versions.iter().enumerate().filter(move |(_, version)| {
        // Whoever asks of a shadow or a challenger names it.
        let is_asked_for = version.role == ModelRole::Serving || quantity.model.is_some();
        is_asked_for
            && is_named(&quantity.model, &version.model)
            && is_named(&quantity.version, &version.version)
    })
}

fn is_named(wanted: &Option<String>, has: &Option<String>) -> bool {
    wanted.is_none() || wanted == has
}

fn value(version: &Version, comparisons: &Comparisons, quantity: &Quantity, now: i64) -> Option<f64> {
    let age = quantity.age_ms.map(|age| i64::try_from(age).unwrap_or(i64::MAX));
    match quantity.metric {
        metric if metric.is_score() => {
            let scores = match quantity.window()? {
                Window::Labels(labels) => version.scores_of_last(usize::try_from(labels).ok()?),
                Window::Time(period) => version.scores_of_period(i64::try_from(period).ok()?, now)?,
                Window::Version => version.scores_of_all(),
            };
            score(&scores, metric, quantity.side)
        }
        Metric::Coverage => {
            // Younger rows may well have their labels still to come.
            let age = age.or_else(|| version.lag_p90(now))?;
            let counts = version.rows_of_at_least(now, age);
            (counts.predicted > 0).then(|| counts.labelled as f64 / counts.predicted as f64)
        }
        Metric::Waiting => Some(version.rows_of_at_least(now, age.unwrap_or(0)).waiting as f64),
        Metric::LagP90 => version.lag_p90(now).map(|lag| lag as f64 / 1000.0),
        Metric::SinceLabel => version.since_label(now).map(|ms| ms as f64 / 1000.0),
        Metric::Drift => version.drifting(quantity.feature.as_deref()).map(|count| count as f64),
        Metric::Changed => version.has_changed().map(f64::from),
        Metric::Worse => Some(f64::from(comparisons.is_worse(&version.identity()))),
        _ => None,
    }
}

fn score(scores: &ScoreTable, metric: Metric, side: Side) -> Option<f64> {
    let estimate = match metric {
        Metric::Mae => scores.mae,
        Metric::Rmse => scores.rmse,
        Metric::Bias => scores.bias,
        Metric::R2 => scores.r2,
        Metric::P50 => scores.median,
        Metric::P90 => scores.p90,
        Metric::P99 => scores.p99,
        Metric::Wape => scores.wape.map(|value| Estimate { value, interval: None }),
        Metric::Skill => scores.skill_to_constant.map(|of| Estimate { value: of.value, interval: None }),
        _ => None,
    }?;
    // With fewer, a value is not worth an alarm, as it has no interval.
    if scores.rows < crate::confidence::FEWEST {
        return None;
    }
    match side {
        Side::Value => Some(estimate.value),
        Side::Low => estimate.interval?.low,
        Side::High => estimate.interval?.high,
    }
}
