//! One version of a model: what is known of its predictions, and of those whose labels have come.

mod charts;
mod told;

use serde::{Deserialize, Serialize};

use crate::basis::Basis;
use crate::change::{Direction, Ranks, Watch};
use crate::drift::Reference;
use crate::fold::{Kept, Prediction, Row};
use crate::histogram::Histogram;
use crate::identity::{Identity, ModelRole};
use crate::lag::{Cohorts, Counts, Quantile};
use crate::lifetime::Lifetime;
use crate::panes::Panes;
use crate::report::{ReferenceKind, Rows};
use crate::slices::Slices;
use crate::spread::{Spread, WINDOW};
use crate::table::ScoreTable;
use crate::timeline::Timeline;
use crate::waiting::Remembered;
use crate::window::{self, LastRows};

/// How many features are watched at the most.
const FEATURES: usize = 100;
/// With fewer errors than these, the model file's make too many false alarms.
const ENOUGH_RESIDUALS: u64 = 300;
/// While errors wait for their reference, it is looked each time that so many more have come whether slow labels are known too.
const LOOKS: u64 = 50;

/// How much has come of a version, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Events {
    pub(crate) predictions: u64,
    pub(crate) labels: u64,
}

/// What is known of one version.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) model: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) role: ModelRole,
    basis: Basis,
    rows: Rows,
    horizon: i64,
    /// The number of the first prediction that was told of.
    first_number: Option<i64>,
    first_predicted: Option<i64>,
    pub(crate) last_predicted: Option<i64>,
    last_labelled: Option<i64>,
    /// The first prediction after the last label.
    predicted_since_label: Option<i64>,
    longest_quiet: Option<i64>,
    lifetime: Lifetime,
    last_rows: LastRows,
    /// One for each period that is asked for; the first is that of the report.
    panes: Vec<(i64, Panes)>,
    timeline: Timeline,
    cohorts: Cohorts,
    features: Vec<Spread>,
    prediction: Spread,
    /// Whether any vector was wider than what is watched.
    too_wide: bool,
    errors: Watch,
    errors_reference: ReferenceKind,
    /// Whether only quick labels are known yet, of which no reference is made.
    errors_wait: bool,
    slices: Option<Slices>,
    /// Labelled rows whose vector was not known any more, or never.
    without_vector: u64,
}

impl Version {
    pub(crate) fn new(identity: Identity, basis: Basis, kept: &Kept) -> Self {
        let (errors, errors_reference) = watch(&basis);
        let watched = basis.features.len().min(FEATURES);
        let features: Vec<Spread> = basis.features[..watched]
            .iter()
            .map(|feature| {
                Spread::new(feature.name.clone(), feature.histogram.as_ref(), feature.commonest, watched + 1)
            })
            .collect();
        // A feature whose bins are of no use has none, and the others keep theirs.
        let limits = |histogram: &Option<Histogram>| {
            let limits = histogram.as_ref().and_then(|of| of.edges.get(1..of.edges.len().checked_sub(1)?));
            limits
                .filter(|limits| Slices::new(&[limits.to_vec()]).is_ok())
                .map(<[f64]>::to_vec)
                .unwrap_or_default()
        };
        let limits: Vec<Vec<f64>> =
            basis.features[..watched].iter().map(|feature| limits(&feature.histogram)).collect();
        let slices = limits.iter().any(|limits| !limits.is_empty()).then(|| Slices::new(&limits).ok());
        let Identity { model, version, role } = identity;
        Self {
            model,
            version,
            role,
            rows: Rows::default(),
            horizon: kept.settings.horizon,
            first_number: None,
            first_predicted: None,
            last_predicted: None,
            last_labelled: None,
            predicted_since_label: None,
            longest_quiet: None,
            lifetime: Lifetime::default(),
            last_rows: LastRows::new(kept.rows),
            panes: kept.periods.iter().map(|period| (*period, Panes::new(*period))).collect(),
            timeline: Timeline::new(kept.settings.period),
            cohorts: Cohorts::default(),
            prediction: Spread::new("prediction".into(), basis.prediction.as_ref(), None, watched + 1),
            features,
            too_wide: basis.features.len() > FEATURES,
            errors,
            errors_wait: errors_reference == ReferenceKind::FirstRows,
            errors_reference,
            slices: slices.flatten(),
            without_vector: 0,
            basis,
        }
    }

    /// Whether only one of both predicts a row.
    pub(crate) fn is_rival_of(&self, other: &Self) -> bool {
        self.model == other.model && self.role == other.role
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity { model: self.model.clone(), version: self.version.clone(), role: self.role }
    }

    /// Whether nothing is known of the rows that it was made of.
    pub(crate) fn lacks_basis(&self) -> bool {
        self.basis == Basis::default()
    }

    /// Takes in what comes to be known of those rows only now. What is compared with them begins anew; all else goes on.
    pub(crate) fn learn(&mut self, basis: Basis, kept: &Kept) {
        let anew = Self::new(self.identity(), basis, kept);
        let before = std::mem::replace(self, anew);
        self.rows = before.rows;
        self.first_number = before.first_number;
        self.first_predicted = before.first_predicted;
        self.last_predicted = before.last_predicted;
        self.last_labelled = before.last_labelled;
        self.predicted_since_label = before.predicted_since_label;
        self.longest_quiet = before.longest_quiet;
        self.lifetime = before.lifetime;
        self.last_rows = before.last_rows;
        self.panes = before.panes;
        self.timeline = before.timeline;
        self.cohorts = before.cohorts;
    }

    /// Takes in a prediction, and says in which slices its row is.
    pub(crate) fn predicted(&mut self, prediction: &Prediction<'_>) -> Box<[u8]> {
        // A clock that is ahead would put a row where no label can ever come in time.
        let at = prediction.at.min(prediction.received);
        self.first_number.get_or_insert(prediction.number);
        self.first_predicted = Some(self.first_predicted.map_or(at, |first| first.min(at)));
        self.last_predicted = self.last_predicted.max(Some(at));
        self.predicted_since_label = self.predicted_since_label.or(Some(at));
        if prediction.anonymous {
            self.rows.anonymous += 1;
        } else {
            self.rows.predicted += 1;
            self.cohorts.predicted(at);
            self.panes.iter_mut().for_each(|(_, panes)| _ = panes.predicted(at));
            self.timeline.note(at, |pane| pane.predicted += 1);
        }
        let vector = prediction.vector.unwrap_or_default();
        if self.features.is_empty() && !vector.is_empty() {
            let watched = vector.len().min(FEATURES);
            let name = |place: usize| format!("feature_{}", place + 1);
            self.features =
                (0..watched).map(|place| Spread::new(name(place), None, None, watched + 1)).collect();
            self.prediction.among(watched + 1);
        }
        self.prediction.add(prediction.value, at);
        if vector.is_empty() {
            return Box::default();
        }
        self.too_wide |= vector.len() > self.features.len();
        for (feature, number) in self.features.iter_mut().zip(vector) {
            feature.add(*number, at);
        }
        self.slices.as_ref().map(|slices| slices.places(vector)).unwrap_or_default()
    }

    /// Whether it was told of a prediction: those from before it was let go, and came back, were counted then.
    pub(crate) fn was_told(&self, prediction: i64) -> bool {
        self.first_number.is_some_and(|first| prediction >= first)
    }

    /// Takes in a row that is complete, with what is remembered of its prediction.
    ///
    /// Where its prediction was not told of, `is_counted` is false: it has scores, and is not one of the rows.
    pub(crate) fn scored(&mut self, row: &Row, remembered: Option<&Remembered>, is_counted: bool) {
        let at = remembered.map_or(row.predicted_at.min(row.received), |known| known.at);
        let lag = row.labelled_at.saturating_sub(at).max(0);
        let persistence = remembered.and_then(|known| known.label_before).filter(|before| !before.is_of(row));
        let persistence = persistence.map(|before| before.value);
        let constant = self.basis.label_median;
        let error = row.y_pred - row.y_true;
        if let Some(last) = self.last_labelled {
            self.longest_quiet = self.longest_quiet.max(Some(row.received.saturating_sub(last)));
        }
        self.last_labelled = self.last_labelled.max(Some(row.received));
        self.predicted_since_label = None;
        self.lifetime.add(row.y_true, row.y_pred, constant, persistence);
        let last = window::Row::new(row.y_true, row.y_pred, at, lag, persistence).numbered(row.prediction);
        self.last_rows.add(last);
        let numbers = (row.y_true, row.y_pred);
        for (_, panes) in &mut self.panes {
            panes.labelled(at, numbers, constant, persistence);
        }
        self.timeline.note(at, |pane| pane.labelled(numbers, constant, persistence));
        if is_counted {
            self.rows.labelled += 1;
            self.cohorts.labelled(at, lag, error.abs());
        }
        // Of a version that is young, the labels are the quick ones.
        if self.errors_wait && self.labelled().is_multiple_of(LOOKS) {
            self.errors_wait = self.is_provisional(row.received);
        }
        if !self.errors_wait {
            self.errors.add(error, row.received);
        }
        if let Some(slices) = &mut self.slices {
            match remembered.filter(|known| !known.places.is_empty()) {
                Some(known) => slices.add(&known.places, error),
                None => self.without_vector += 1,
            }
        }
    }

    /// A prediction that was made at this time was given up.
    pub(crate) fn expired(&mut self, at: i64) {
        self.rows.expired += 1;
        self.cohorts.expired(at);
        self.panes.iter_mut().for_each(|(_, panes)| _ = panes.expired(at));
        self.timeline.note(at, |pane| pane.expired += 1);
    }

    /// How many rows there are of each kind.
    fn rows(&self) -> Rows {
        let known = self.rows.labelled.saturating_add(self.rows.expired);
        Rows { waiting: self.rows.predicted.saturating_sub(known), ..self.rows }
    }

    /// What has come of it.
    pub(crate) fn events(&self) -> Events {
        Events { predictions: self.rows.predicted + self.rows.anonymous, labels: self.labelled() }
    }

    /// Whether only quick labels can be known yet: it is younger than nine tenths of its lags, and than the horizon.
    fn is_provisional(&self, now: i64) -> bool {
        let Some(first) = self.first_predicted else { return false };
        let age = now.saturating_sub(first).max(0);
        let curve = self.cohorts.curve(now, self.horizon);
        let rows = self.rows();
        rows.labelled > 0 && rows.waiting > 0 && age < self.horizon && curve.is_provisional(age)
    }

    /// How many of them have their label.
    fn labelled(&self) -> u64 {
        self.lifetime.moments().count()
    }

    /// The scores of all labelled rows.
    pub(crate) fn scores_of_all(&self) -> ScoreTable {
        self.lifetime.scores()
    }

    /// Those of the last so many.
    pub(crate) fn scores_of_last(&self, rows: usize) -> ScoreTable {
        self.last_rows.scores_of(rows, self.basis.label_median)
    }

    /// Those of the rows that were predicted in a period, if that is one of those kept.
    pub(crate) fn scores_of_period(&self, period: i64, now: i64) -> Option<ScoreTable> {
        let (_, panes) = self.panes.iter().find(|(kept, _)| *kept == period)?;
        Some(panes.window(now).scores())
    }

    /// How many rows there are that are at least as old, in milliseconds.
    pub(crate) fn rows_of_at_least(&self, now: i64, age: i64) -> Counts {
        self.cohorts.of_at_least(now, age)
    }

    /// The time within which nine tenths of the labels come, in milliseconds, once any row is old enough to know.
    pub(crate) fn lag_p90(&self, now: i64) -> Option<i64> {
        match self.cohorts.curve(now, self.horizon).quantile(0.9) {
            #[expect(clippy::cast_possible_truncation, reason = "a cast of a large float saturates")]
            Quantile::At(ms) if self.last_labelled.is_some() => Some(ms.ceil() as i64),
            _ => None,
        }
    }

    /// How long ago the last label came, in milliseconds, if any has.
    pub(crate) fn since_label(&self, now: i64) -> Option<i64> {
        self.last_labelled.map(|last| now.saturating_sub(last).max(0))
    }

    /// How many features drift or are stuck, or whether this one does; none while nothing can be said.
    pub(crate) fn drifting(&self, feature: Option<&str>) -> Option<u64> {
        let wanted = self.features.iter().filter(|spread| feature.is_none_or(|name| spread.name() == name));
        wanted.filter_map(Spread::drifts).map(u64::from).reduce(|count, one| count + one)
    }

    /// Whether the errors have changed; none while nothing can be said.
    pub(crate) fn has_changed(&self) -> Option<bool> {
        self.errors
            .learning()
            .is_none()
            .then(|| Direction::ALL.into_iter().any(|direction| self.errors.detector(direction).holds()))
    }
}

fn watch(basis: &Basis) -> (Watch, ReferenceKind) {
    let ranks = |histogram: &Histogram| {
        let reference = Reference::new(&histogram.edges, &histogram.counts, None).ok()?;
        (reference.rows() >= ENOUGH_RESIDUALS).then_some(Ranks::Histogram(reference))
    };
    let known = basis.residuals.as_ref().and_then(|of| Some((ranks(&of.absolute_error)?, ranks(&of.error)?)));
    match known {
        Some((absolute, signed)) => (Watch::new(absolute, signed), ReferenceKind::ModelFile),
        None => (Watch::of_first(WINDOW), ReferenceKind::FirstRows),
    }
}
