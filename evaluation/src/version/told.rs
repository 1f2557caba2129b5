//! What is told of a version.

use super::{ENOUGH_RESIDUALS, Version};
use crate::change::Direction;
use crate::fold::Kept;
use crate::lag::{Quantile, bounds};
use crate::panes::Window;
use crate::report::{
    ChangeReport, DriftReport, Evidence, LabelReport, LagQuantile, Moment, ReferenceKind, Scores,
    SliceReport, VersionReport,
};
use crate::slices::Slice;
use crate::spread::{Spread, WINDOW};

/// How many slices are told of.
const SLICES: usize = 5;

impl Version {
    pub(crate) fn report(&self, now: i64, serves: bool, kept: &Kept) -> VersionReport {
        let rows = self.rows();
        let period = self.panes.first().map(|(_, panes)| panes.window(now));
        let scores = Scores {
            since_first: self.scores_of_all(),
            last_rows: self.scores_of_last(kept.settings.window),
            period: period.as_ref().map(Window::scores).unwrap_or_default(),
            period_predicted: period.map_or(0, |period| period.all.predicted),
        };
        let mut features: Vec<_> = self.features.iter().map(|spread| spread.report(serves)).collect();
        features.sort_by(|a, b| {
            let size = |of: Option<f64>| of.unwrap_or(-1.0);
            size(b.moved).total_cmp(&size(a.moved))
        });
        VersionReport {
            model: self.model.clone(),
            version: self.version.clone(),
            role: self.role,
            serves,
            first_predicted: self.first_predicted.map(Moment),
            last_predicted: self.last_predicted.map(Moment),
            last_labelled: self.last_labelled.map(Moment),
            predicted_since_label: self.predicted_since_label.map(Moment),
            rows,
            labels: self.labels(now, &scores),
            scores,
            holdout_mae: self.basis.holdout_mae,
            drift: DriftReport { features, prediction: Some(self.prediction.report(serves)) },
            change: self.change(),
            worst_slices: self.worst_slices(),
            timeline: self.timeline(now),
            timeline_pane: self.timeline.length(),
            charts: serves.then(|| self.charts(now, kept.settings.window)),
            missing: self.missing(),
        }
    }

    fn labels(&self, now: i64, scores: &Scores) -> LabelReport {
        let (rows, curve) = (self.rows(), self.cohorts.curve(now, self.horizon));
        let quantile = |share: f64| match curve.quantile(share) {
            Quantile::At(ms) => LagQuantile { ms, more: false },
            Quantile::MoreThan(ms) => LagQuantile { ms, more: true },
        };
        let lag = |share: f64| (rows.labelled > 0).then(|| quantile(share));
        let p90 = lag(0.9);
        let mature = p90.filter(|lag| !lag.more).map(|lag| {
            #[expect(clippy::cast_possible_truncation, reason = "a cast of a large float saturates")]
            self.cohorts.of_at_least(now, lag.ms.ceil() as i64)
        });
        let coverage = mature.filter(|mature| mature.predicted > 0);
        let weighted = self.cohorts.weighted(now);
        let all = &scores.since_first;
        let worst = all.p99.map(|p99| p99.value).or(all.max);
        let between =
            all.mae.zip(worst).and_then(|(mae, worst)| bounds(rows.labelled, mae.value, rows.waiting, worst));
        LabelReport {
            lag_p50: lag(0.5),
            lag_p90: p90,
            coverage: coverage.map(|mature| mature.labelled as f64 / mature.predicted as f64),
            longest_quiet: self.longest_quiet,
            provisional: self.is_provisional(now),
            weighted_mae: weighted.map(|of| of.mae),
            weighted_rows: weighted.map(|of| of.effective),
            mae_at_least: between.map(|(low, _)| low),
            mae_at_most: between.map(|(_, high)| high),
        }
    }

    fn change(&self) -> ChangeReport {
        let evidence = |direction: Direction| {
            let detector = self.errors.detector(direction);
            Evidence {
                log10: detector.log10(),
                limit_log10: detector.threshold().log10(),
                holds: detector.holds(),
                alarms: detector.alarms(),
                first_alarm: detector.first().map(|alarm| Moment(alarm.at)),
                since: detector.first().map(|alarm| Moment(alarm.since)),
                last_alarm: detector.last().map(|alarm| Moment(alarm.at)),
            }
        };
        ChangeReport {
            reference: self.errors_reference,
            labels_wanted: self.errors.learning().map(|(has, wanted)| wanted.saturating_sub(has) as u64),
            worse: evidence(Direction::Worse),
            higher: evidence(Direction::Higher),
            lower: evidence(Direction::Lower),
        }
    }

    fn worst_slices(&self) -> Vec<SliceReport> {
        let worst = self.slices.as_ref().map(|slices| slices.worst(SLICES)).unwrap_or_default();
        let report = |slice: Slice| {
            let feature = self.basis.features.get(slice.feature)?;
            Some(SliceReport {
                feature: feature.name.clone(),
                from: slice.from,
                to: slice.to,
                rows: slice.loss.rows,
                mae: slice.loss.mean,
                bias: slice.error.mean,
                mae_of_the_rest: slice.rest.mean,
                chance: slice.chance?,
            })
        };
        worst.into_iter().filter_map(report).collect()
    }

    fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        let mut say = |is_so: bool, what: String| {
            if is_so {
                missing.push(what);
            }
        };
        let own = |spread: &Spread| spread.kind() == ReferenceKind::FirstRows;
        say(
            self.features.iter().any(own),
            format!(
                "the model file does not say how all features were spread: those are compared with the first {WINDOW} rows"
            ),
        );
        say(
            self.features.is_empty() && self.first_predicted.is_some(),
            "no prediction says what it was made from (see --no-features of model): drift of features is not watched"
                .into(),
        );
        say(self.too_wide, format!("only the first {} features are watched", self.features.len()));
        say(
            self.errors_reference == ReferenceKind::FirstRows,
            format!(
                "the model file has no errors of rows that the fit had not seen, or fewer than {ENOUGH_RESIDUALS}: errors are compared with the first {WINDOW}"
            ),
        );
        say(
            self.slices.is_none(),
            "the model file has no bins of features: where the model is worse than elsewhere is not looked at".into(),
        );
        say(
            // The first rows come before the card does.
            self.slices.is_some() && self.without_vector.saturating_mul(100) > self.labelled(),
            format!(
                "{} labelled rows are in no slice: what they were predicted from was not said, or is forgotten",
                self.without_vector
            ),
        );
        say(
            self.basis.label_median.is_none(),
            "the model file does not have the labels' median: there is no skill against a constant".into(),
        );
        missing
    }
}
